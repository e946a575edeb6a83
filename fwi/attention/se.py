"""Squeeze and excitation (Hu, Shen & Sun, 2018, arXiv:1709.01507), with richer squeezes than the mean."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import relu

from fwi.attention.excitation import factor, hidden_width, start_indifferent
from fwi.attention.squeeze import Squeeze
from fwi.config import GateForm, SqueezeName


class SqueezeExcitation(nn.Module):
    """Weigh each channel by a perceptron of the statistics of all channels.

    The output is ``y = x * gate(W2 relu(W1 z + b1) + b2)``, where ``z`` holds ``S`` statistics per channel,
    such as the mean over the map. The module has ``S C h + h + h C + C`` parameters for ``C`` channels and a
    hidden width of ``h``, or ``S C h + h C`` without biases.

    Args:
        channels: number of channels of the map.
        reduction: channels per hidden unit.
        gate: how the excitation becomes a factor, see :func:`fwi.attention.excitation.factor`.
        squeeze: statistics that describe a channel, one or several of :data:`fwi.attention.squeeze.NUMBERS`.
        bias: give the two layers biases.
        min_hidden: smallest width of the hidden layer.
    """

    def __init__(
        self,
        channels: int,
        reduction: int,
        gate: GateForm,
        squeeze: SqueezeName | Sequence[SqueezeName],
        bias: bool,
        min_hidden: int,
    ) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction, min_hidden)
        self.describe = Squeeze(channels, squeeze)
        self.squeeze = nn.Linear(self.describe.numbers, hidden, bias=bias)
        self.excite = nn.Linear(hidden, channels, bias=bias)
        self.form: GateForm = gate
        start_indifferent(self.excite)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` weighted, in the same shape."""
        return x * self.factors(x)

    def factors(self, x: Tensor) -> Tensor:
        """Return the factors that multiply the map: ``(batch, channel, 1, 1)``."""
        excitation = self.excite(relu(self.squeeze(self.describe(x))))
        return factor(excitation, self.form)[:, :, None, None]
