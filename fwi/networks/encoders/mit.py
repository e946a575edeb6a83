"""The encoder of SegFormer: a pyramid of transformer blocks (Xie et al., 2021, arXiv:2105.15203)."""

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from fwi.attention.mix import DropPath, MixFeedForward
from fwi.attention.tokens import attend

HEADS = (1, 2, 5, 8)
"""Number of heads of the four levels, in all sizes of MiT and in the decoder of U-MixFormer."""
STOCHASTIC_DEPTH = 0.1
"""Share of the samples that drop the deepest branch, as published; it grows from 0 at the first block."""


class Pyramid(nn.Module):
    """An encoder that runs its ``levels`` in sequence, each on the map of the previous one."""

    levels: nn.ModuleList

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return four maps, fine to coarse, of a map ``(batch, entering, height, width)``."""
        maps = []
        for level in self.levels:
            x = level(x)
            maps.append(x)
        return maps


class MiT(Pyramid):
    """Mix transformer, from a map to maps at a 4th, an 8th, a 16th and a 32nd of its size.

    Each level begins with overlapping patches. The keys of its blocks are reduced in number by a strided
    convolution, and a depthwise 3 x 3 convolution in the perceptron encodes positions. With three input
    channels MiT-B0, B1 and B2 have the published 3,319,392, 13,151,424 and 24,196,288 parameters.

    Changed: maps of odd size are padded with zeros before their keys are reduced, where the published
    convolution drops the last rows and columns.

    Args:
        entering: channels of the map that enters.
        channels: number of channels of the four levels.
        depths: blocks of the four levels.
    """

    def __init__(self, entering: int, channels: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.heads = HEADS
        finer = (entering, *channels[:-1])
        drops = stochastic_depth(depths)
        self.levels = nn.ModuleList(
            Level(
                Patches(entering, width, stride),
                [_Block(width, heads, thinning, next(drops)) for _ in range(depth)],
                nn.LayerNorm(width),
            )
            for entering, width, stride, heads, thinning, depth in zip(
                finer, channels, (4, 2, 2, 2), HEADS, (8, 4, 2, 1), depths, strict=True
            )
        )
        initialise(self)


class Level(nn.Module):
    """A level of a transformer encoder: patches, a sequence of blocks, and conversion back to a map.

    Args:
        patches: module from a map to tokens and the size of their map.
        blocks: modules from tokens and size to tokens.
        normalise: normalisation of the last tokens.
    """

    def __init__(self, patches: nn.Module, blocks: Iterable[nn.Module], normalise: nn.Module) -> None:
        super().__init__()
        self.patches, self.blocks, self.normalise = patches, nn.ModuleList(blocks), normalise

    def forward(self, x: Tensor) -> Tensor:
        """Return the level's map, from the map ``(batch, channel, height, width)`` of the level above."""
        tokens, size = self.patches(x)
        for block in self.blocks:
            tokens = block(tokens, size)
        return to_map(self.normalise(tokens), size)


class Patches(nn.Module):
    """Overlapping patches as normalised tokens: a strided convolution, 7 x 7 for a stride of 4, else 3 x 3.

    Args:
        entering: channels of the map that enters.
        channels: number of channels of a token.
        stride: distance between patches [cells].
    """

    def __init__(self, entering: int, channels: int, stride: int) -> None:
        super().__init__()
        kernel = 7 if stride == 4 else 3
        self.convolve = nn.Conv2d(entering, channels, kernel, stride, kernel // 2)
        self.normalise = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> tuple[Tensor, torch.Size]:
        """Return tokens ``(batch, token, channel)`` and the size of the map that they lie on."""
        x = self.convolve(x)
        return self.normalise(to_tokens(x)), x.shape[2:]


class ThinnedAttention(nn.Module):
    """Self-attention with a reduced number of keys and values (Wang et al., 2021, arXiv:2102.12122).

    Args:
        channels: number of channels of a token.
        heads: parts of the channels that attend independently.
        thinning: number of cells along each axis that are combined to one key.
        bias: add biases to queries, keys and values.
    """

    def __init__(self, channels: int, heads: int, thinning: int, bias: bool) -> None:
        super().__init__()
        self.thinning, self.heads, self.scale = thinning, heads, (channels // heads) ** -0.5
        self.query = nn.Linear(channels, channels, bias)
        self.key_value = nn.Linear(channels, 2 * channels, bias)
        self.project = nn.Linear(channels, channels)
        if thinning > 1:
            self.thin = nn.Conv2d(channels, channels, thinning, thinning)
            self.normalise = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, size: torch.Size) -> Tensor:
        """Let tokens attend to a thinned map of themselves.

        Args:
            tokens: features, shape ``(batch, token, channel)``.
            size: rows and columns of the map that they lie on.

        Returns:
            Features, same shape.
        """
        query = self.queries(tokens, size)
        if self.thinning > 1:
            missing = [-length % self.thinning for length in size]
            padded = pad(to_map(tokens, size), (0, missing[1], 0, missing[0]))
            tokens = self.normalise(to_tokens(self.thin(padded)))
        key, value = self.key_value(tokens).transpose(1, 2).chunk(2, dim=1)
        attended = attend(query, key, value, self.heads, self.scale).transpose(1, 2)
        projected: Tensor = self.project(attended)
        return projected

    def queries(self, tokens: Tensor, size: torch.Size) -> Tensor:
        """Return the queries of tokens.

        Args:
            tokens: features, shape ``(batch, token, channel)``.
            size: rows and columns of the map that they lie on.

        Returns:
            Queries, shape ``(batch, channel, token)``.
        """
        query: Tensor = self.query(tokens).transpose(1, 2)
        return query


class _Block(nn.Module):
    """Attention and feed-forward layer, each on normalised input and with a residual connection."""

    def __init__(self, channels: int, heads: int, thinning: int, drop: float) -> None:
        super().__init__()
        self.normalise_cells = nn.LayerNorm(channels)
        self.attend = ThinnedAttention(channels, heads, thinning, bias=True)
        self.normalise_attended = nn.LayerNorm(channels)
        self.feed_forward = MixFeedForward(channels, 4 * channels)
        self.drop = DropPath(drop)

    def forward(self, tokens: Tensor, size: torch.Size) -> Tensor:
        tokens = tokens + self.drop(self.attend(self.normalise_cells(tokens), size))
        mixed: Tensor = tokens + self.drop(self.feed_forward(self.normalise_attended(tokens), size))
        return mixed


def to_tokens(x: Tensor) -> Tensor:
    """Turn a map ``(batch, channel, height, width)`` into tokens ``(batch, height * width, channel)``."""
    return x.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, size: torch.Size) -> Tensor:
    """Lay tokens on a map.

    Args:
        tokens: features, shape ``(batch, height * width, channel)``.
        size: rows and columns of the map.

    Returns:
        The map, shape ``(batch, channel, height, width)``.
    """
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], size[0], size[1])


def stochastic_depth(depths: Sequence[int]) -> Iterator[float]:
    """Yield, block by block, the share of samples that drop the block's branches."""
    blocks = sum(depths)
    return (STOCHASTIC_DEPTH * block / (blocks - 1) for block in range(blocks))


def initialise(network: nn.Module) -> None:
    """Draw the weights as SegFormer does: small in linear layers, variance-preserving in convolutions."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
        elif isinstance(module, nn.Conv1d | nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
