"""Concurrent spatial and channel squeeze and excitation (Roy, Navab & Wachinger, 2018, arXiv:1803.02579)."""

from torch import Tensor, nn

from fwi.attention.excitation import MIN_HIDDEN, factor, start_indifferent
from fwi.attention.se import SqueezeExcitation
from fwi.config import GateForm


class ConcurrentExcitation(nn.Module):
    """Combine a map weighted by channel with the same map weighted by cell.

    The module has ``2 C h + h + C + C + 1`` parameters for ``C`` channels and a hidden width of ``h``. With
    sigmoids the two maps are added, as published; with a gate of another form they are averaged. Both begin
    near the identity.

    Args:
        channels: number of channels of the map.
        reduction: channels per hidden unit.
        gate: how each excitation becomes a factor, see :func:`fwi.attention.excitation.factor`.
    """

    def __init__(self, channels: int, reduction: int, gate: GateForm) -> None:
        super().__init__()
        self.channel = SqueezeExcitation(
            channels, reduction, gate, ("avg",), bias=True, min_hidden=MIN_HIDDEN
        )
        self.cell = nn.Conv2d(channels, 1, 1)
        self.form: GateForm = gate
        self.share = 1.0 if gate == "sigmoid" else 0.5
        start_indifferent(self.cell)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` weighted, in the same shape."""
        weighted: Tensor = self.share * (self.channel(x) + x * self._cells(x))
        return weighted

    def factors(self, x: Tensor) -> Tensor:
        """Return the factors of both gates together: ``(batch, channel, height, width)``."""
        return self.share * (self.channel.factors(x) + self._cells(x))

    def _cells(self, x: Tensor) -> Tensor:
        return factor(self.cell(x), self.form)
