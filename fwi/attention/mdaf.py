"""Multiscale dual-representation alignment and fusion (SFFNet: Yang et al., 2024, IEEE TGRS 62, 4408716)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, normalize, scaled_dot_product_attention

from fwi.config.attention import Residual, check_heads

STRIPS = (7, 11, 21)


class AlignmentAndFusion(nn.Module):
    """Fuse two maps of one size by attention between their rows and between their columns.

    Each map is normalised, convolved with strips of three lengths along both axes, and cut into rows and into
    columns. The columns of the first map attend to those of the second, the rows of the second to those of
    the first; the weights derive from cosines. The module has ``C^2 + 173 C`` parameters, and one more per
    head and direction for the temperature.

    The published module adds the *normalised* maps in the end, which loses their amplitudes; here the maps
    themselves are added unless ``residual`` is ``normed``.

    Args:
        channels: number of channels of both maps.
        heads: parts of the channels that attend independently.
        residual: the maps that are added to the attended values, ``raw`` or ``normed``.
        temperature: learn how sharp the weights are, per head and direction. Without it no weight is more
            than e^2 times another, because they are the softmax of cosines.

    Raises:
        ValueError: the heads do not divide the channels.
    """

    def __init__(self, channels: int, heads: int, residual: Residual, temperature: bool) -> None:
        super().__init__()
        check_heads("mdaf", heads, channels)
        self.normalise = nn.ModuleList(_ChannelNorm(channels) for _ in range(2))
        self.project = nn.Conv2d(channels, channels, 1)
        self.strips = nn.ModuleList(_Strips(channels) for _ in range(2))
        self.temperature = nn.Parameter(torch.ones(2, heads, 1, 1)) if temperature else None
        self.heads, self.raw = heads, residual == "raw"

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Fuse the map of a skip connection and the decoder's map.

        Args:
            x: the skip connection's map, shape ``(batch, channel, height, width)``.
            y: the decoder's map, same shape.

        Returns:
            The fused map, same shape.

        Raises:
            ValueError: the shapes differ.
        """
        normed, seen = self._see(x, y)
        by_row = self._gather(seen[1], seen[0], 0)
        by_column = self._gather(seen[0].transpose(2, 3), seen[1].transpose(2, 3), 1).transpose(2, 3)
        gathered: Tensor = self.project(by_row) + self.project(by_column)
        return gathered + (x + y if self.raw else normed[0] + normed[1])

    def weights_of(self, cell: tuple[int, int], x: Tensor, y: Tensor) -> Tensor:
        """Return the weights of a cell: ``(batch, height, width)``, zero off its cross, with a sum of one.

        The column of the cell holds the weights of its row over the rows of ``x``; the row of the cell holds
        the weights of its column over the columns of ``y``. Each counts half; heads are averaged.

        Args:
            cell: row and column of the cell.
            x: the skip connection's map, shape ``(batch, channel, height, width)``.
            y: the decoder's map, same shape.
        """
        row, column = cell
        _, seen = self._see(x, y)
        found = x.new_zeros(x.shape[0], *x.shape[2:])
        found[:, :, column] = self._weights(seen[1], seen[0], 0)[:, row] / 2
        found[:, row] += self._weights(seen[0].transpose(2, 3), seen[1].transpose(2, 3), 1)[:, column] / 2
        return found

    def _see(self, x: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return both maps normalised, and both after the strip convolutions."""
        if x.shape != y.shape:
            raise ValueError(f"mdaf fuses maps of one shape, got {tuple(x.shape)} and {tuple(y.shape)}")
        normed = [normalise(each) for normalise, each in zip(self.normalise, (x, y), strict=True)]
        seen = [self.project(strips(each)) for strips, each in zip(self.strips, normed, strict=True)]
        return normed, seen

    def _weights(self, asking: Tensor, answering: Tensor, direction: int) -> Tensor:
        """Return the weights of each row of one map over the rows of the other: ``(batch, row, row)``."""
        sharp, _, key, _ = self._ask(asking, answering, direction)
        products: Tensor = sharp @ key.transpose(2, 3)
        return products.softmax(dim=3).mean(dim=1)

    def _gather(self, asking: Tensor, answering: Tensor, direction: int) -> Tensor:
        """Sum the rows of one map for each row of the other, weighted by the cosine between them."""
        batch, _, rows, columns = asking.shape
        sharp, query, key, value = self._ask(asking, answering, direction)
        gathered = scaled_dot_product_attention(sharp, key, value, scale=1.0) + query
        cells = gathered.reshape(batch, self.heads, rows, columns, -1).permute(0, 1, 4, 2, 3)
        return cells.reshape(asking.shape)

    def _ask(
        self, asking: Tensor, answering: Tensor, direction: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return scaled queries, queries, keys and values of the rows: ``(batch, head, row, width)``."""
        batch, channels, rows, columns = asking.shape
        parts = (batch, self.heads, channels // self.heads, rows, columns)
        query, value = (each.reshape(parts).permute(0, 1, 3, 4, 2).flatten(3) for each in (asking, answering))
        query, key = normalize(query, dim=3), normalize(value, dim=3)
        sharp = query if self.temperature is None else query * self.temperature[direction].to(query.dtype)
        return sharp, query, key, value


class _ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x.movedim(1, -1), self.weight.shape, self.weight, self.bias).movedim(-1, 1)


class _Strips(nn.Module):
    """Sum of depthwise convolutions with strips of three lengths, along the line and along depth."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        sizes = [(1, length) for length in STRIPS] + [(length, 1) for length in STRIPS]
        self.convolve = nn.ModuleList(
            nn.Conv2d(channels, channels, size, padding=(size[0] // 2, size[1] // 2), groups=channels)
            for size in sizes
        )

    def forward(self, x: Tensor) -> Tensor:
        seen: Tensor = sum(convolve(x) for convolve in self.convolve)
        return seen
