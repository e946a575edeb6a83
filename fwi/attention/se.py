"""Squeeze and excitation (Hu, Shen & Sun, 2018, arXiv:1709.01507)."""

from torch import Tensor, nn
from torch.nn.functional import relu

from fwi.attention.excitation import factor, hidden_width, start_indifferent
from fwi.config import GateForm

MIN_HIDDEN = 4


class SqueezeExcitation(nn.Module):
    """Weigh each channel by what all channels' means have to say about it.

    ``y = x * gate(W2 relu(W1 mean(x) + b1) + b2)``, with the mean over the map; ``2 C h + h + C`` parameters
    for ``C`` channels and a hidden width of ``h``.

    Args:
        channels: of the map.
        reduction: channels per hidden unit.
        gate: how the excitation becomes a factor, see :func:`fwi.attention.excitation.factor`.
    """

    def __init__(self, channels: int, reduction: int = 16, gate: GateForm = "2sigmoid") -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction, MIN_HIDDEN)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)
        self.form: GateForm = gate
        start_indifferent(self.excite)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` weighted, in the same shape."""
        excitation = self.excite(relu(self.squeeze(x.mean(dim=(2, 3)))))
        return x * factor(excitation, self.form)[:, :, None, None]
