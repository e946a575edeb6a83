"""Efficient channel attention (Wang et al., 2020, arXiv:1910.03151)."""

import math

from torch import Tensor, nn

from fwi.attention.excitation import factor, start_indifferent
from fwi.config import GateForm


class EfficientChannelAttention(nn.Module):
    """Weigh each channel by a convolution over the means of its neighbours: ``k`` parameters.

    The width ``k`` grows with the logarithm of the channels, as published: the odd number at or above
    ``(log2(channels) + 1) / 2``.

    Args:
        channels: of the map.
        gate: how the excitation becomes a factor, see :func:`fwi.attention.excitation.factor`.
    """

    def __init__(self, channels: int, gate: GateForm) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"eca needs one channel or more, got {channels}")
        width = int((math.log2(channels) + 1) / 2)
        width += 1 - width % 2
        self.convolve = nn.Conv1d(1, 1, width, padding=width // 2, bias=False)
        self.form: GateForm = gate
        start_indifferent(self.convolve)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` weighted, in the same shape."""
        return x * self.factors(x)

    def factors(self, x: Tensor) -> Tensor:
        """What multiplies the map: ``(batch, channel, 1, 1)``."""
        excitation: Tensor = self.convolve(x.mean(dim=(2, 3))[:, None])[:, 0]
        return factor(excitation, self.form)[:, :, None, None]
