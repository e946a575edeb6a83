"""Polarised multi-scale feature self-attention (PMFSNet: Zhong et al., 2024, arXiv:2401.07579)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d, adaptive_max_pool3d

from fwi.attention.excitation import start_indifferent
from fwi.config.attention import PMFSNorm


class MultiScaleAttention(nn.Module):
    """Fuse maps of several levels at the coarsest size, weighted first by channel and then by cell.

    Each map is pooled to the coarsest size and brought to ``width`` channels; together they have
    ``D = levels width``. A channel gate comes from attention pooling over the cells, a cell gate per level
    from one global key. Memory is linear in the cells. The published block pools by fixed factors and fails
    on odd sizes; here the pooling adapts.
    ``sum_l [C_l (11 + width) + width] + 7 D^2 + 42 D + 1 + (D + 1) C_last`` parameters in 2-D. In training,
    the published batch normalisation asks for more than one cell or sample at the coarsest level.

    Args:
        channels: number of channels of each map, fine to coarse.
        width: number of channels to which each level is reduced.
        norm: ``batch`` as published; ``group`` over all channels and cells of a sample, for small batches.
        dim: 2 for sections, 3 for volumes.
        residual: add the coarsest map to the output.

    Raises:
        ValueError: there is no map, or ``dim`` is neither 2 nor 3.
    """

    def __init__(
        self,
        channels: Sequence[int],
        width: int,
        norm: PMFSNorm,
        dim: int = 2,
        residual: bool = True,
    ) -> None:
        super().__init__()
        if not channels or min(channels) < 1 or width < 1:
            raise ValueError(f"pmfs needs maps with channels, got {list(channels)} and a width of {width}")
        if dim not in (2, 3):
            raise ValueError(f"pmfs works in 2 or 3 dimensions, not in {dim}")
        total = len(channels) * width
        self.levels, self.width, self.residual = len(channels), width, residual
        self.pool = adaptive_max_pool2d if dim == 2 else adaptive_max_pool3d
        convolution = nn.Conv2d if dim == 2 else nn.Conv3d
        self.enter = nn.ModuleList(_separable(dim, norm, each, width, 3) for each in channels)
        self.channel_query = _separable(dim, norm, total, total, 1)
        self.channel_where = _separable(dim, norm, total, 1, 1)
        self.channel_value = _separable(dim, norm, total, total, 1)
        self.channel_score = convolution(total, total, 1)
        self.channel_norm = nn.LayerNorm([total, *(1,) * dim])
        self.cell_query = _separable(dim, norm, total, total, 1)
        self.cell_key = _separable(dim, norm, total, total, 1)
        self.cell_value = _separable(dim, norm, total, total, 1)
        self.cell_mix = _separable(dim, norm, total, total, 1)
        self.leave = _separable(dim, norm, total, channels[-1], 3)
        if residual:
            start_indifferent(self.leave[-1])

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Fuse maps.

        Args:
            maps: fine to coarse, each ``(batch, channel, height, width)``, or with a third axis in 3-D.

        Returns:
            One map of the size and channels of the last.
        """
        value, cells = self._weigh(maps)
        fused: Tensor = self.leave(self.cell_mix((value * cells[:, :, None]).flatten(1, 2)))
        return fused + maps[-1] if self.residual else fused

    def factors(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the gate of each level's cells, which is applied last: ``(batch, level, height, width)``."""
        return self._weigh(maps)[1]

    def _weigh(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the values ``(batch, level, width, *size)`` and cells' gate ``(batch, level, *size)``."""
        size = maps[-1].shape[2:]
        pooled = [enter(self.pool(x, size)) for enter, x in zip(self.enter, maps, strict=True)]
        x = torch.cat(pooled, dim=1)

        where = self.channel_where(x).flatten(2).softmax(dim=2)
        summary = (self.channel_query(x).flatten(2) * where).sum(dim=2)
        score = self.channel_score(summary.reshape(*summary.shape, *(1,) * len(size)))
        x = self.channel_value(x) * self.channel_norm(score).sigmoid()

        query, key, value = (
            project(x).unflatten(1, (self.levels, self.width)).flatten(3)
            for project in (self.cell_query, self.cell_key, self.cell_value)
        )
        asked = key.mean(dim=(1, 3)).softmax(dim=1)
        cells = torch.einsum("bc,blcn->bln", asked, query).sigmoid()
        return value.reshape(*value.shape[:3], *size), cells.reshape(*cells.shape[:2], *size)


def _separable(dim: int, norm: PMFSNorm, channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    """Build normalisation, ReLU, depthwise convolution and 1 x 1 convolution."""
    batch_norm, convolution = (nn.BatchNorm2d, nn.Conv2d) if dim == 2 else (nn.BatchNorm3d, nn.Conv3d)
    return nn.Sequential(
        batch_norm(channels_in) if norm == "batch" else nn.GroupNorm(1, channels_in),
        nn.ReLU(),
        convolution(channels_in, channels_in, kernel, padding=kernel // 2, groups=channels_in, bias=False),
        convolution(channels_in, channels_out, 1),
    )
