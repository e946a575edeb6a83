"""The lite vision transformer with enhanced self-attention (Yang et al., 2022, arXiv:2112.10809)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, fold, silu, unfold

from fwi.attention.mix import MixFeedForward
from fwi.networks.encoders.mit import (
    HEADS,
    Level,
    Patches,
    Pyramid,
    ThinnedAttention,
    initialise,
    to_map,
    to_tokens,
)

CHANNELS = (64, 64, 160, 256)
WINDOW = 3
"""Width of the windows within which the first level attends."""


class LVT(Pyramid):
    """LVT, from a map to maps at a 4th, an 8th, a 16th and a 32nd of its size.

    There are two blocks per level. Those of the first level attend within windows of 3 x 3 cells, with
    weights computed from each window's mean; those of the other levels attend twice with the same weights,
    and their queries combine three scales. With three input channels it has the published 3,429,092
    parameters.

    Changed: as in MiT, odd sizes are padded where keys are thinned out.

    Args:
        entering: channels of the map that enters.
    """

    channels = CHANNELS
    heads = HEADS

    def __init__(self, entering: int) -> None:
        super().__init__()
        finer = (entering, *CHANNELS[:-1])
        levels = [[_Block(64, _WindowAttention(64, 2), _FeedForward(64, 256)) for _ in range(2)]]
        for width, heads, thinning, widening in ((64, 2, 4, 8), (160, 5, 2, 4), (256, 8, 1, 4)):
            levels.append(
                [
                    _Block(
                        width,
                        _RecursiveAttention(width, heads, thinning),
                        MixFeedForward(width, widening * width),
                    )
                    for _ in range(2)
                ]
            )
        self.levels = nn.ModuleList(
            Level(Patches(i, o, stride), blocks, nn.Identity())
            for i, o, stride, blocks in zip(finer, CHANNELS, (4, 2, 2, 2), levels, strict=True)
        )
        initialise(self)


class _Block(nn.Module):
    """Attention and feed-forward layer, each on normalised input and with a residual connection."""

    def __init__(self, channels: int, attend: nn.Module, feed_forward: nn.Module) -> None:
        super().__init__()
        self.normalise_cells = nn.LayerNorm(channels)
        self.attend = attend
        self.normalise_attended = nn.LayerNorm(channels)
        self.feed_forward = feed_forward

    def forward(self, tokens: Tensor, size: torch.Size) -> Tensor:
        tokens = tokens + self.attend(self.normalise_cells(tokens), size)
        mixed: Tensor = tokens + self.feed_forward(self.normalise_attended(tokens), size)
        return mixed


class _WindowAttention(nn.Module):
    """Convolutional self-attention within windows of 3 x 3 cells around every second cell.

    Each of the nine positions in a window has its own matrix for the values; the outputs of overlapping
    windows are summed.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (channels // heads) ** -0.5
        self.weigh = nn.Linear(channels, heads * WINDOW**4)
        places = WINDOW**2
        self.value = nn.Conv1d(places * channels, places * channels, 1, groups=places, bias=False)
        self.project = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor, size: torch.Size) -> Tensor:
        batch, _, channels = tokens.shape
        places, width = WINDOW**2, channels // self.heads
        x = to_map(tokens, size)
        means = to_tokens(avg_pool2d(x, 2, ceil_mode=True))
        weights = (self.scale * self.weigh(means)).reshape(batch, -1, self.heads, places, places)
        windows = unfold(x, WINDOW, padding=1, stride=2).reshape(batch, channels, places, -1)
        values = self.value(windows.transpose(1, 2).flatten(1, 2))
        values = values.reshape(batch, places, self.heads, width, -1).permute(0, 4, 2, 1, 3)
        attended = weights.softmax(dim=4) @ values  # batch, window, head, place, channel of the head
        overlapping = attended.permute(0, 2, 4, 3, 1).reshape(batch, channels * places, -1)
        joined = fold(overlapping, (size[0], size[1]), WINDOW, padding=1, stride=2)
        projected: Tensor = self.project(to_tokens(joined))
        return projected


class _RecursiveAttention(nn.Module):
    """Recursive atrous self-attention: attention, a residual, and attention again with the same weights."""

    def __init__(self, channels: int, heads: int, thinning: int) -> None:
        super().__init__()
        self.attend = _AtrousAttention(channels, heads, thinning)

    def forward(self, tokens: Tensor, size: torch.Size) -> Tensor:
        once = silu(self.attend(tokens, size))
        return silu(self.attend(tokens + once, size))


class _AtrousAttention(ThinnedAttention):
    """Attention whose queries pass one depthwise 3 x 3 convolution at three dilations."""

    def __init__(self, channels: int, heads: int, thinning: int) -> None:
        super().__init__(channels, heads, thinning, bias=False)
        self.see = nn.Conv2d(channels, channels, 3, groups=channels, bias=False)

    def queries(self, tokens: Tensor, size: torch.Size) -> Tensor:
        query = to_map(self.query(tokens), size)
        scales = [
            silu(conv2d(query, self.see.weight, padding=width, dilation=width, groups=query.shape[1]))
            for width in (1, 3, 5)
        ]
        return torch.stack(scales).sum(dim=0).flatten(2)


class _FeedForward(nn.Module):
    """A perceptron over the channels of each cell."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))

    def forward(self, tokens: Tensor, size: torch.Size) -> Tensor:
        mixed: Tensor = self.layers(tokens)
        return mixed
