"""Self-attention over the cells of a map (SAGAN: Zhang et al., 2019, arXiv:1805.08318)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from fwi.attention.tokens import SineCosine, attend, weights, weights_of
from fwi.config import PositionName
from fwi.config.attention import check_heads, inner_width

START = 0.1
"""Initial weight of the attended values: close to the identity, but with a gradient for all weights."""


class SelfAttention(nn.Module):
    """Let each cell attend to all cells: ``y = x + gamma v softmax(q k / sqrt d)``.

    The module has ``2 (C d + d) + C^2 + C + 1`` parameters for ``C`` channels and an inner width
    ``d = max(C // 8, 8)``, and ``10 C`` more for positions by convolution. The published form has neither
    scale nor positions.

    Args:
        channels: number of channels of the map.
        heads: parts of the channels that attend independently.
        pool: keys and values are the maxima over ``pool x pool`` cells: fewer tokens, less work.
        position: encoding of the cells' positions: ``convolution`` adds a depthwise 3 x 3 convolution,
            ``sine`` adds sines and cosines, ``none`` adds nothing.
        scaled: divide the products by the square root of the width.
        residual: add the attended values to the map with a learned weight; otherwise they replace the map.

    Raises:
        ValueError: the heads do not divide the channels and the inner width, or ``sine`` is asked for fewer
            than four channels.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        pool: int,
        position: PositionName,
        scaled: bool = True,
        residual: bool = True,
    ) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"self needs one channel or more, got {channels}")
        inner = inner_width(channels)
        check_heads("self", heads, channels, inner)
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.tensor([START])) if residual else None
        self.position = positions(position, channels)
        self.heads, self.pool = heads, pool
        self.scale = (inner // heads) ** -0.5 if scaled else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)``, in the same shape."""
        query, key, value = self._project(x)
        attended = attend(query, key, value, self.heads, self.scale).reshape(x.shape)
        return attended if self.gamma is None else x + self.gamma * attended

    def weights(self, x: Tensor) -> Tensor:
        """Return the weights of each cell: ``(batch, heads, cells, keys)``."""
        query, key, _ = self._project(x)
        return weights(query, key, self.heads, self.scale)

    def weights_of(self, cell: tuple[int, int], x: Tensor) -> Tensor:
        """Return the weights with which one cell gathers from all cells, averaged over the heads.

        Args:
            cell: row and column of the cell.
            x: the map, shape ``(batch, channel, height, width)``.

        Returns:
            Weights, shape ``(batch, height, width)`` of the map after pooling, with a sum of 1.
        """
        query, key, _ = self._project(x)
        found = weights_of(cell[0] * x.shape[3] + cell[1], query, key, self.heads, self.scale)
        return found.reshape(-1, *pooled_size(x, self.pool))

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        placed = self.position(x)
        source = pooled(placed, self.pool)
        return self.query(placed).flatten(2), self.key(source).flatten(2), self.value(source).flatten(2)


def pooled(x: Tensor, pool: int) -> Tensor:
    """Return the maxima over ``pool x pool`` cells, with sizes rounded up.

    Args:
        x: the map, shape ``(batch, channel, height, width)``.
        pool: number of cells along each side.

    Returns:
        The pooled map, shape ``(batch, channel, rows, columns)``.
    """
    return max_pool2d(x, pool, ceil_mode=True) if pool > 1 else x


def pooled_size(x: Tensor, pool: int) -> tuple[int, int]:
    """Return the number of rows and columns of a map after pooling.

    Args:
        x: the map, shape ``(batch, channel, height, width)``.
        pool: number of cells along each side.
    """
    return -(-x.shape[2] // pool), -(-x.shape[3] // pool)


def positions(name: PositionName, channels: int) -> nn.Module:
    """Build the module that encodes the positions of a map's cells.

    Raises:
        ValueError: the name is unknown, or there are too few channels for it.
    """
    match name:
        case "none":
            return nn.Identity()
        case "sine":
            return SineCosine(channels)
        case "convolution":
            return PositionByConvolution(channels)
    raise ValueError(f"unknown position {name!r}; known: none, sine, convolution")


class PositionByConvolution(nn.Module):
    """Add a depthwise 3 x 3 convolution, whose zero padding encodes positions (arXiv:2102.10882)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of the same shape."""
        placed: Tensor = x + self.convolve(x)
        return placed
