"""Spatial attention: the second half of CBAM by itself (Woo et al., 2018, arXiv:1807.06521)."""

import torch
from torch import Tensor, nn

from fwi.attention.excitation import factor, start_indifferent
from fwi.config import GateForm


class SpatialAttention(nn.Module):
    """Weigh each cell by the mean and the maximum over channels around it: ``2 k^2`` parameters.

    Args:
        channels: of the map; any.
        kernel_size: width of the convolution, odd.
        gate: how the excitation becomes a factor, see :func:`fwi.attention.excitation.factor`.

    Raises:
        ValueError: ``kernel_size`` is even, so the gate would have another size than the map.
    """

    def __init__(self, channels: int, kernel_size: int, gate: GateForm) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"spatial needs an odd kernel_size to keep a map's size, got {kernel_size}: try 7 or 3"
            )
        self.convolve = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.form: GateForm = gate
        start_indifferent(self.convolve)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` weighted, in the same shape."""
        return x * self.factors(x)

    def factors(self, x: Tensor) -> Tensor:
        """What multiplies the map: ``(batch, 1, height, width)``."""
        summary = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return factor(self.convolve(summary), self.form)
