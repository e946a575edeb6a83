"""Cross-attention: the cells of one map attend to those of another (arXiv:1706.03762, 1805.08318)."""

import torch
from torch import Tensor, nn

from fwi.attention.self_attention import START, pooled, pooled_size, positions
from fwi.attention.tokens import attend, weights, weights_of
from fwi.config import PositionName
from fwi.config.attention import check_heads, inner_width


class CrossAttention(nn.Module):
    """Attention with queries from one map, and keys and values from another, the context.

    The output is ``y = x + gamma v(c) softmax(q(x) k(c) / sqrt d)``; sizes and channels of the two maps may
    differ. The module has ``C d + K d + 2 d + C K + C + 1`` parameters for ``C`` channels of the queries'
    map, ``K`` of the context and an inner width ``d = max(C // 8, 8)``, and ``10 C + 10 K`` more for
    positions by convolution.

    Args:
        channels: number of channels of the queries' map.
        heads: parts of the channels that attend independently.
        pool: keys and values are the maxima over ``pool x pool`` cells: fewer tokens, less work.
        position: how the cells' positions are encoded, see ``SelfAttention``.
        context_channels: number of channels of the context; as many as ``channels`` if not given.
        scaled: divide the products by the square root of the width.
        residual: add the attended values to the queries' map with a learned weight; else they replace it.

    Raises:
        ValueError: the heads do not divide the channels and the inner width.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        pool: int,
        position: PositionName,
        context_channels: int | None = None,
        scaled: bool = True,
        residual: bool = True,
    ) -> None:
        super().__init__()
        context = channels if context_channels is None else context_channels
        if min(channels, context) < 1:
            raise ValueError(f"cross needs channels on both sides, got {channels} and {context}")
        inner = inner_width(channels)
        check_heads("cross", heads, channels, inner)
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(context, inner, 1)
        self.value = nn.Conv2d(context, channels, 1)
        self.gamma = nn.Parameter(torch.tensor([START])) if residual else None
        self.position = positions(position, channels)
        self.context_position = positions(position, context)
        self.heads, self.pool = heads, pool
        self.scale = (inner // heads) ** -0.5 if scaled else 1.0

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Attend to the context.

        Args:
            x: the queries' map, shape ``(batch, channel, height, width)``.
            context: the map of keys and values, shape ``(batch, context channel, any height, any width)``.

        Returns:
            The shape of ``x``.
        """
        query, key, value = self._project(x, context)
        attended = attend(query, key, value, self.heads, self.scale).reshape(x.shape)
        return attended if self.gamma is None else x + self.gamma * attended

    def weights(self, x: Tensor, context: Tensor) -> Tensor:
        """Return the weights with which each cell gathers from the context.

        Args:
            x: the map that gathers, shape ``(batch, channel, height, width)``.
            context: the map that is gathered from, of any size, with the context's channels.

        Returns:
            Weights, shape ``(batch, heads, cells, context cells)``; each row has a sum of 1.
        """
        query, key, _ = self._project(x, context)
        return weights(query, key, self.heads, self.scale)

    def weights_of(self, cell: tuple[int, int], x: Tensor, context: Tensor) -> Tensor:
        """Return the weights with which one cell gathers from the context, averaged over the heads.

        Args:
            cell: row and column of the cell in ``x``.
            x: the map that gathers, shape ``(batch, channel, height, width)``.
            context: the map that is gathered from, of any size, with the context's channels.

        Returns:
            Weights, shape ``(batch, height, width)`` of the context after pooling, with a sum of 1.
        """
        query, key, _ = self._project(x, context)
        found = weights_of(cell[0] * x.shape[3] + cell[1], query, key, self.heads, self.scale)
        return found.reshape(-1, *pooled_size(context, self.pool))

    def _project(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        answering = pooled(self.context_position(context), self.pool)
        query, key, value = self.query(self.position(x)), self.key(answering), self.value(answering)
        return query.flatten(2), key.flatten(2), value.flatten(2)
