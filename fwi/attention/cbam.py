"""Convolutional block attention module (Woo et al., 2018, arXiv:1807.06521)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from fwi.attention.excitation import MIN_HIDDEN, factor, hidden_width, start_indifferent
from fwi.config import GateForm


class CBAM(nn.Module):
    """Weigh the channels, then the cells of a map.

    Both gates are the paper's, with the details of its code: one perceptron with biases serves mean and
    maximum, the spatial gate takes ``(max, mean)`` in this order and ends in a batch normalisation of
    momentum 0.01.
    ``2 C h + h + C + 2 k^2 + 2`` parameters for ``C`` channels, hidden width ``h`` and kernel ``k``.

    Args:
        channels: of the map.
        reduction: channels per hidden unit of the channel gate.
        kernel_size: width of the spatial gate's convolution, odd.
        gate: how the excitations become factors, see :func:`fwi.attention.excitation.factor`.
    """

    def __init__(self, channels: int, reduction: int, kernel_size: int, gate: GateForm) -> None:
        super().__init__()
        self.channel_gate = ChannelGate(channels, reduction, gate)
        self.spatial_gate = SpatialGate(kernel_size, gate)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` weighted, in the same shape."""
        x = x * self.channel_gate(x)
        weighted: Tensor = x * self.spatial_gate(x)
        return weighted

    def factors(self, x: Tensor) -> Tensor:
        """What multiplies the map, both gates together: ``(batch, channel, height, width)``."""
        channel = self.channel_gate(x)
        factors: Tensor = channel * self.spatial_gate(x * channel)
        return factors


class ChannelGate(nn.Module):
    """One factor per channel, from the channels' means and maxima."""

    def __init__(self, channels: int, reduction: int, gate: GateForm) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction, MIN_HIDDEN)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)
        self.form: GateForm = gate
        start_indifferent(self.excite)

    def forward(self, x: Tensor) -> Tensor:
        """Return the factors ``(batch, channel, 1, 1)`` of a map ``(batch, channel, height, width)``."""
        mean, peak = x.mean(dim=(2, 3)), x.amax(dim=(2, 3))
        excitation = self.excite(relu(self.squeeze(mean))) + self.excite(relu(self.squeeze(peak)))
        return factor(excitation, self.form)[:, :, None, None]


class SpatialGate(nn.Module):
    """One factor per cell, from the maximum and the mean over channels around it.

    Raises:
        ValueError: ``kernel_size`` is even, so the gate would have another size than the map.
    """

    def __init__(self, kernel_size: int, gate: GateForm) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"cbam needs an odd kernel_size to keep a map's size, got {kernel_size}: try 7 or 3"
            )
        self.convolve = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.normalise = nn.BatchNorm2d(1, momentum=0.01)
        self.form: GateForm = gate
        start_indifferent(self.normalise)

    def forward(self, x: Tensor) -> Tensor:
        """Return the factors ``(batch, 1, height, width)`` of a map ``(batch, channel, height, width)``."""
        extremes = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        return factor(self.normalise(self.convolve(extremes)), self.form)
