"""Polarised self-attention (Liu et al., 2021, arXiv:2107.00782), in parallel and in the paper's form."""

import torch
from torch import Tensor, nn

from fwi.attention.excitation import factor, start_indifferent
from fwi.config import GateForm


class PolarisedSelfAttention(nn.Module):
    """Add a map weighted by channel and the same map weighted by cell.

    The channel gate averages over space by attention pooling and keeps half of the channels; the cell gate
    averages over channels by a softmax over half of them and keeps all cells. The published code takes the
    latter softmax over one element, which makes the gate constant; this is the paper's formula. The module
    has ``2 C^2 + C`` parameters.

    Args:
        channels: number of channels of the map, two or more.
        gate: how each excitation becomes a factor, see :func:`fwi.attention.excitation.factor`.
    """

    def __init__(self, channels: int, gate: GateForm) -> None:
        super().__init__()
        if channels < 2:
            raise ValueError(f"psa needs two channels or more, to keep half of them; got {channels}")
        half = channels // 2
        self.where = nn.Conv2d(channels, 1, 1, bias=False)
        self.value = nn.Conv2d(channels, half, 1, bias=False)
        self.up = nn.Conv2d(half, channels, 1, bias=False)
        self.which = nn.Conv2d(channels, half, 1, bias=False)
        self.cells = nn.Conv2d(channels, half, 1, bias=False)
        self.form: GateForm = gate
        self.share = 1.0 if gate == "sigmoid" else 0.5  # the published sum of two sigmoids begins at one
        start_indifferent(self.up)
        start_indifferent(self.cells)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` weighted, in the same shape."""
        channel, cell = self._gates(x)
        weighted: Tensor = self.share * x * (channel + cell)
        return weighted

    def factors(self, x: Tensor) -> Tensor:
        """Return the factors of both gates together: ``(batch, channel, height, width)``."""
        channel, cell = self._gates(x)
        return self.share * (channel + cell)

    def _gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled = (self.value(x).flatten(2) * self.where(x).flatten(2).softmax(dim=2)).sum(dim=2)
        channel = factor(self.up(pooled[:, :, None, None]), self.form)

        asked = self.which(x).mean(dim=(2, 3)).softmax(dim=1)
        cell = factor(torch.einsum("bc,bchw->bhw", asked, self.cells(x))[:, None], self.form)
        return channel, cell
