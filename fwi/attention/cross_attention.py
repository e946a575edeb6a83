"""Cross-attention: the cells of one map gather from those of another (arXiv:1706.03762, 1805.08318)."""

import torch
from torch import Tensor, nn

from fwi.attention.self_attention import START, pooled, pooled_size, positions
from fwi.attention.tokens import attend, weights, weights_of
from fwi.config import PositionName
from fwi.config.attention import check_heads, inner_width


class CrossAttention(nn.Module):
    """Query from one map, keys and values from another: ``y = x + gamma v(c) softmax(q(x) k(c) / sqrt d)``.

    Sizes and channels of the two may differ. ``C d + K d + 2 d + C K + C + 1`` parameters for ``C`` channels
    that ask, ``K`` that answer and an inner width ``d = max(C // 8, 8)``, and ``10 C + 10 K`` more for
    positions by convolution.

    Args:
        channels: of the map that asks.
        heads: parts of the channels that attend independently.
        pool: keys and values are the maxima over ``pool x pool`` cells: fewer tokens, less work.
        position: how the cells of each map know their place, see ``SelfAttention``.
        context_channels: of the map that answers; as many if not given.
        scaled: divide the products by the root of the width.
        residual: add to the map that asks, with a learned weight; else replace it.

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
        """Gather from the context.

        Args:
            x: the map that asks, shape ``(batch, channel, height, width)``.
            context: the map that answers, ``(batch, context channel, any height, any width)``.

        Returns:
            The shape of ``x``.
        """
        query, key, value = self._project(x, context)
        attended = attend(query, key, value, self.heads, self.scale).reshape(x.shape)
        return attended if self.gamma is None else x + self.gamma * attended

    def weights(self, x: Tensor, context: Tensor) -> Tensor:
        """What each cell of ``x`` attends to: ``(batch, heads, cells, context cells)``."""
        query, key, _ = self._project(x, context)
        return weights(query, key, self.heads, self.scale)

    def weights_of(self, cell: tuple[int, int], x: Tensor, context: Tensor) -> Tensor:
        """What a cell of ``x`` attends to, mean over the heads: ``(batch, *pooled size of the context)``."""
        query, key, _ = self._project(x, context)
        found = weights_of(cell[0] * x.shape[3] + cell[1], query, key, self.heads, self.scale)
        return found.reshape(-1, *pooled_size(context, self.pool))

    def _project(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        answering = pooled(self.context_position(context), self.pool)
        query, key, value = self.query(self.position(x)), self.key(answering), self.value(answering)
        return query.flatten(2), key.flatten(2), value.flatten(2)
