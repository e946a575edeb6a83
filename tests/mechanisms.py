"""Every mechanism of attention with inputs that suit it, for the tests."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from fwi import attention
from fwi.attention import ATTENTION
from fwi.config import MECHANISMS

ALL = tuple(ATTENTION)
UNARY = tuple(name for name in ALL if MECHANISMS[name].joins == "filter")
GATED = ("se", "eca", "spatial", "cbam", "cbam_conv", "scse", "psa", "ca", "ela", "gate")
"""Those whose gate has a form."""


def untrained(name: str, channels: int = 8, **options) -> nn.Module:
    """A mechanism as training begins with it."""
    torch.manual_seed(0)
    if name == "gate":
        options = {"gating_channels": 2 * channels} | options
    listed = MECHANISMS[name].joins == "levels"
    return attention.build(name, [channels, 2 * channels] if listed else channels, **options)


def build(name: str, channels: int = 8, **options) -> nn.Module:
    """A mechanism with weights that do something, in eval mode."""
    module = untrained(name, channels, **options)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module.eval()


def inputs(
    name: str, channels: int = 8, size: tuple[int, int] = (7, 13), batch: int = 2
) -> tuple[Tensor, ...]:
    """The maps that a mechanism of ``channels`` takes, one after the other.

    The gate and the lists get a second one of half the size and twice the channels; cross-attention one of
    another size and MDAF one of the same, of as many channels.
    """
    torch.manual_seed(1)
    x = torch.randn(batch, channels, *size)
    half = [(n + 1) // 2 for n in size]
    if name in ("gate", "pmfs", "mix"):
        return x, torch.randn(batch, 2 * channels, *half)
    if name == "cross":
        return x, torch.randn(batch, channels, *half)
    return (x, torch.randn(batch, channels, *size)) if name == "mdaf" else (x,)


class OneByOne(nn.Module):
    """A mechanism whose maps are given one by one, and whose outcome is one map or a tuple of maps."""

    def __init__(self, name: str, module: nn.Module) -> None:
        super().__init__()
        self.module, self.listed = module, MECHANISMS[name].joins == "levels"

    def forward(self, *maps: Tensor) -> Tensor | tuple[Tensor, ...]:
        out = self.module(list(maps)) if self.listed else self.module(*maps)
        return tuple(out) if isinstance(out, list) else out


def attend(name: str, module: nn.Module, maps: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """What a mechanism makes of its maps: one map, or as many as it gives."""
    out = OneByOne(name, module)(*maps)
    return out if isinstance(out, tuple) else (out,)


def kept(name: str, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Those of its maps whose shapes a mechanism gives back."""
    return {"mix": maps, "pmfs": maps[-1:]}.get(name, maps[:1])
