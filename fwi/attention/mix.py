"""Mix-attention (U-MixFormer: Yeom & von Klitzing, 2023, arXiv:2312.06272): a level attends to all levels."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, gelu

from fwi.attention.tokens import attend, weights_of
from fwi.config.attention import check_heads

HEAD_WIDTH = 32


class MixLevels(nn.Module):
    """Refine maps of several levels, the coarsest first; each level attends to all, refined or not yet.

    The module has ``10 sum C^2 + 2 T^2 + 50 T + 2 T L + L sum (C^2 + C)`` parameters for ``L`` levels of
    ``T`` channels together, with the last sum over all levels but the coarsest.

    Args:
        channels: number of channels of each map, fine to coarse.
        heads: parts of each map's channels that attend independently; one per 32 channels if not given.
        dropout: see :class:`MixAttention`.

    Raises:
        ValueError: there is no map, or a level's heads do not divide its channels.
    """

    def __init__(
        self, channels: Sequence[int], heads: Sequence[int] | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if not channels or min(channels) < 1:
            raise ValueError(f"mix needs maps with channels, got {list(channels)}")
        heads = [max(each // HEAD_WIDTH, 1) for each in channels] if heads is None else heads
        if len(heads) != len(channels):
            raise ValueError(f"mix needs heads per level: {len(channels)} levels, but {len(heads)} entries")
        self.keys = nn.ModuleList(MixedKeys(channels) for _ in channels)
        self.stages = nn.ModuleList(
            MixAttention(each, sum(channels), count, dropout)
            for each, count in zip(channels, heads, strict=True)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the refined maps, in the shapes of the given ones.

        Args:
            maps: the maps, fine to coarse, each ``(batch, channel, height, width)``.
        """
        refined = list(maps)
        for level in reversed(range(len(refined))):
            refined[level] = self.stages[level](refined[level], self.keys[level](refined))
        return refined


class MixedKeys(nn.Module):
    """Bring maps of several levels to the coarsest size and join them, coarse first.

    Each finer map is averaged over the cells of the coarsest and mixed by a 1 x 1 convolution of its own. The
    module has ``sum C_l^2 + C_l`` parameters over the finer levels. The published pooling needs sizes that
    are multiples of the coarsest; here any size will do.

    Args:
        channels: number of channels of each map, fine to coarse.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.mix = nn.ModuleList(nn.Conv2d(each, each, 1) for each in reversed(channels[:-1]))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return ``(batch, sum of channels, height, width)`` at the size of the last of ``maps``."""
        *finer, coarsest = maps
        pooled = [adaptive_avg_pool2d(x, (coarsest.shape[2], coarsest.shape[3])) for x in reversed(finer)]
        return torch.cat([coarsest, *(mix(x) for mix, x in zip(self.mix, pooled, strict=True))], dim=1)


class MixAttention(nn.Module):
    """A transformer block whose queries are the cells of one level and whose keys come from all levels.

    It has ``10 C^2 + 2 C T + 50 C + 2 T`` parameters for ``C`` channels and ``T`` channels of the mixed keys:
    those of the published block that receive a gradient. As published, the residuals are the normalised
    cells.

    Args:
        channels: number of channels of the level that is refined.
        key_channels: number of channels of the mixed keys.
        heads: parts of the channels that attend independently.
        dropout: share of the samples whose branches are dropped in training (stochastic depth).

    Raises:
        ValueError: the heads do not divide the channels.
    """

    def __init__(self, channels: int, key_channels: int, heads: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        check_heads("mix", heads, channels)
        self.normalise = nn.LayerNorm(channels)
        self.normalise_keys = nn.LayerNorm(key_channels)
        self.normalise_attended = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, channels, bias=False)
        self.key_value = nn.Linear(key_channels, 2 * channels, bias=False)
        self.project = nn.Linear(channels, channels)
        self.feed_forward = MixFeedForward(channels, 4 * channels)
        self.drop = DropPath(dropout)
        self.heads, self.scale = heads, (channels // heads) ** -0.5

    def forward(self, x: Tensor, keys: Tensor) -> Tensor:
        """Refine a level.

        Args:
            x: the level, shape ``(batch, channel, height, width)``.
            keys: the mixed keys, ``(batch, key channel, any height, any width)``.

        Returns:
            The shape of ``x``.
        """
        size = x.shape[2:]
        tokens, query, key, value = self._project(x, keys)
        attended = attend(query, key, value, self.heads, self.scale).transpose(1, 2)
        tokens = self.normalise_attended(tokens + self.drop(self.project(attended)))
        tokens = tokens + self.drop(self.feed_forward(tokens, size))
        refined: Tensor = tokens.transpose(1, 2).unflatten(2, size)
        return refined

    def weights_of(self, cell: tuple[int, int], x: Tensor, keys: Tensor) -> Tensor:
        """Return the weights with which one cell gathers from the keys, averaged over the heads.

        Args:
            cell: row and column of the cell in ``x``.
            x: the level's map, shape ``(batch, channel, height, width)``.
            keys: the map of mixed keys, shape ``(batch, key channel, height, width)``.

        Returns:
            Weights, shape ``(batch, height, width)`` of the keys, with a sum of 1.
        """
        _, query, key, _ = self._project(x, keys)
        found = weights_of(cell[0] * x.shape[3] + cell[1], query, key, self.heads, self.scale)
        return found.reshape(-1, *keys.shape[2:])

    def _project(self, x: Tensor, keys: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the level's normalised cells, queries, keys and values."""
        tokens = self.normalise(x.flatten(2).transpose(1, 2))
        answering = gelu(self.normalise_keys(keys.flatten(2).transpose(1, 2)))
        key, value = self.key_value(answering).transpose(1, 2).chunk(2, dim=1)
        return tokens, self.query(tokens).transpose(1, 2), key, value


class MixFeedForward(nn.Module):
    """A perceptron over channels with a depthwise 3 x 3 convolution inside, the only cue of position.

    Args:
        channels: number of channels of the tokens.
        hidden: width of the hidden layer.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.widen = nn.Linear(channels, hidden)
        self.convolve = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.narrow = nn.Linear(hidden, channels)

    def forward(self, tokens: Tensor, size: Sequence[int]) -> Tensor:
        """Transform tokens that lie on a map.

        Args:
            tokens: features, shape ``(batch, token, channel)``.
            size: rows and columns of the map.

        Returns:
            Features, same shape.
        """
        hidden = self.widen(tokens).transpose(1, 2).unflatten(2, size)
        narrowed: Tensor = self.narrow(gelu(self.convolve(hidden)).flatten(2).transpose(1, 2))
        return narrowed


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., 2016, arXiv:1603.09382): drop a branch for some samples in training.

    Args:
        share: share of the samples that drop the branch; the others are scaled up, so that the mean stays.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of a branch, of any shape, with zeros for the samples that drop it."""
        if not self.training or self.share == 0:
            return x
        keep = torch.rand(x.shape[0], *(1,) * (x.ndim - 1), device=x.device) >= self.share
        return x * keep / (1 - self.share)
