"""Attention by name, one file per mechanism.

Every mechanism is an ``nn.Module`` whose first argument is the number of channels, or a list with the number
of channels of each map. It works on maps of any size, keeps their shape and begins close to the identity. Its
choice in ``fwi.config.attention`` gives its class, its options, the slots that it fits and how it joins two
maps.
"""

import pkgutil
from collections.abc import Sequence
from typing import Any

from torch import nn

from fwi.config import MECHANISMS

ATTENTION: dict[str, type[nn.Module]] = {
    name: pkgutil.resolve_name(choice.attends) for name, choice in MECHANISMS.items() if choice.attends
}
"""The class of each mechanism."""


def build(name: str, channels: int | Sequence[int], **options: Any) -> nn.Module:
    """Build an attention module.

    Args:
        name: a key of ``ATTENTION``.
        channels: number of channels of the map that it attends to; where it takes a list of maps, the number
            of each, fine to coarse.
        options: options of the mechanism's choice, whose defaults stand for those left out, and further
            arguments of its constructor.

    Raises:
        ValueError: the name is unknown, or the mechanism cannot work with these channels.
    """
    if name not in ATTENTION:
        raise ValueError(f"unknown attention {name!r}; known: {', '.join(ATTENTION)}")
    defaults = MECHANISMS[name].model_validate({"name": name}).options()
    return ATTENTION[name](channels, **(defaults | options))
