"""A variant of CBAM by convolutions, like BAM (Park et al., 2018, arXiv:1807.06514), but in sequence."""

from torch import Tensor, nn
from torch.nn.functional import relu

from fwi.attention.excitation import MIN_HIDDEN, factor, hidden_width, start_indifferent
from fwi.attention.se import SqueezeExcitation
from fwi.config import GateForm


class ConvolutionalCBAM(nn.Module):
    """Weigh the channels as squeeze and excitation does, then the cells by a small network of convolutions.

    The module of the CBAM paper itself is ``cbam``. This one has
    ``(2 C h + h + C) + (C h + 9 h^2 + 7 h + 1)`` parameters for ``C`` channels and a hidden width of ``h``.

    Args:
        channels: number of channels of the map.
        reduction: channels per hidden unit.
        gate: how the excitations become factors, see :func:`fwi.attention.excitation.factor`.
    """

    def __init__(self, channels: int, reduction: int, gate: GateForm) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction, MIN_HIDDEN)
        self.channel_gate = SqueezeExcitation(
            channels, reduction, gate, ("avg",), bias=True, min_hidden=MIN_HIDDEN
        )
        self.shrink = nn.Conv2d(channels, hidden, 1)
        self.normalise_shrunk = nn.BatchNorm2d(hidden)
        self.look_around = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.normalise_seen = nn.BatchNorm2d(hidden)
        self.excite = nn.Conv2d(hidden, 1, 1)
        self.form: GateForm = gate
        start_indifferent(self.excite)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` weighted, in the same shape."""
        x = self.channel_gate(x)
        return x * self._cells(x)

    def factors(self, x: Tensor) -> Tensor:
        """Return the factors of both gates together: ``(batch, channel, height, width)``."""
        channel = self.channel_gate.factors(x)
        return channel * self._cells(x * channel)

    def _cells(self, x: Tensor) -> Tensor:
        hidden = relu(self.normalise_shrunk(self.shrink(x)))
        hidden = relu(self.normalise_seen(self.look_around(hidden)))
        return factor(self.excite(hidden), self.form)
