"""The encoder of SegNeXt: attention by convolutions alone (Guo et al., 2022, arXiv:2209.08575)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fwi.attention.mix import DropPath
from fwi.networks.encoders.mit import HEADS, Pyramid, initialise, stochastic_depth

LAYER_SCALE = 1e-2


class MSCAN(Pyramid):
    """Multi-scale convolutional attention network: maps at a 4th, an 8th, a 16th and a 32nd of the size.

    With three input channels, the only number that the published stem takes, MSCAN-T and MSCAN-S have the
    published 3,903,584 and 13,450,176 parameters.

    Args:
        entering: channels of the map that enters.
        channels: number of channels of the four levels.
        depths: blocks of the four levels.
    """

    def __init__(self, entering: int, channels: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.heads = HEADS
        drops = stochastic_depth(depths)
        first = channels[0]
        stem = nn.Sequential(_halve(entering, first // 2), nn.GELU(), _halve(first // 2, first))
        finer = channels[:-1]
        shrink = [stem, *(_halve(i, o) for i, o in zip(finer, channels[1:], strict=True))]
        self.levels = nn.ModuleList(
            nn.Sequential(
                smaller, *(_Block(width, widening, next(drops)) for _ in range(depth)), _Normalise(width)
            )
            for smaller, width, widening, depth in zip(shrink, channels, (8, 8, 4, 4), depths, strict=True)
        )
        initialise(self)


class _Normalise(nn.LayerNorm):
    """Normalise each cell over its channels."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, 3)).movedim(3, 1)


class _Block(nn.Module):
    """Attention and feed-forward layer, normalised, scaled per channel and with residual connections."""

    def __init__(self, channels: int, widening: int, drop: float) -> None:
        super().__init__()
        hidden = widening * channels
        self.attend = nn.Sequential(nn.BatchNorm2d(channels), _Attention(channels))
        self.mix = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, hidden, 1),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.GELU(),
            nn.Conv2d(hidden, channels, 1),
        )
        self.scale_attended = nn.Parameter(torch.full((channels, 1, 1), LAYER_SCALE))
        self.scale_mixed = nn.Parameter(torch.full((channels, 1, 1), LAYER_SCALE))
        self.drop = DropPath(drop)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.scale_attended * self.attend(x))
        mixed: Tensor = x + self.drop(self.scale_mixed * self.mix(x))
        return mixed


class _Attention(nn.Module):
    """Weigh a map by convolutions along crosses of 7, 11 and 21 cells around each cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.GELU())
        self.near = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.strips = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, (1, length), padding=(0, length // 2), groups=channels),
                nn.Conv2d(channels, channels, (length, 1), padding=(length // 2, 0), groups=channels),
            )
            for length in (7, 11, 21)
        )
        self.weigh = nn.Conv2d(channels, channels, 1)
        self.leave = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        entered = self.enter(x)
        near = self.near(entered)
        weights = near
        for strip in self.strips:
            weights = weights + strip(near)
        attended: Tensor = x + self.leave(entered * self.weigh(weights))
        return attended


def _halve(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1), nn.BatchNorm2d(channels_out)
    )
