"""Attention by name, one file per mechanism.

Every mechanism is an ``nn.Module`` whose first argument is the number of channels; it keeps the shape of its
map, whatever its size, and begins close to the identity.
"""

from dataclasses import dataclass
from typing import Any

from torch import nn

from fwi.attention.ca import CoordinateAttention
from fwi.attention.cbam import CBAM
from fwi.attention.gate import AttentionGate
from fwi.attention.se import SqueezeExcitation


@dataclass(frozen=True)
class Mechanism:
    """A way to attend.

    Attributes:
        module: the class; its first argument is the number of channels.
        arity: maps that ``forward`` takes. One: it fits the end of a block and a skip connection. Two, the
            skip and the gating map: it fits a skip connection.
    """

    module: type[nn.Module]
    arity: int = 1


ATTENTION: dict[str, Mechanism] = {
    "none": Mechanism(nn.Identity),
    "se": Mechanism(SqueezeExcitation),
    "cbam": Mechanism(CBAM),
    "ca": Mechanism(CoordinateAttention),
    "gate": Mechanism(AttentionGate, arity=2),
}


def build(name: str, channels: int, **options: Any) -> nn.Module:
    """Build an attention module.

    Args:
        name: a key of ``ATTENTION``.
        channels: of the map it attends to.
        options: the mechanism's own, by its constructor's names.

    Raises:
        ValueError: the name is unknown, or the mechanism cannot work with these channels.
    """
    if name not in ATTENTION:
        raise ValueError(f"unknown attention {name!r}; known: {', '.join(ATTENTION)}")
    return ATTENTION[name].module(channels, **options)
