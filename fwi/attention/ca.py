"""Coordinate attention (Hou, Zhou & Feng, 2021, arXiv:2103.02907)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import hardswish

from fwi.attention.excitation import factor, hidden_width, start_indifferent
from fwi.attention.profiles import Profiles
from fwi.config import GateForm

MIN_HIDDEN = 8


class CoordinateAttention(Profiles):
    """Weigh each channel by a profile along depth times a profile along the line.

    Unlike squeeze and excitation it keeps positions: the means over rows resolve depth, the means over
    columns resolve the position along the line. It has ``3 C m + 3 m + 2 C`` parameters for ``C`` channels
    and a hidden width of ``m``.

    Args:
        channels: number of channels of the map.
        reduction: channels per hidden unit.
        gate: how each profile's excitation becomes a factor, see :func:`fwi.attention.excitation.factor`.
    """

    def __init__(self, channels: int, reduction: int, gate: GateForm) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction, MIN_HIDDEN)
        self.squeeze = nn.Conv1d(channels, hidden, 1)
        self.normalise = nn.BatchNorm1d(hidden)
        self.excite_rows = nn.Conv1d(hidden, channels, 1)
        self.excite_columns = nn.Conv1d(hidden, channels, 1)
        self.form: GateForm = gate
        start_indifferent(self.excite_rows)
        start_indifferent(self.excite_columns)

    def profiles(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return factors of rows, ``(batch, channel, height, 1)``, and of columns, ``(.., 1, width)``."""
        profiles = torch.cat([x.mean(dim=3), x.mean(dim=2)], dim=2)
        hidden = hardswish(self.normalise(self.squeeze(profiles)))
        rows, columns = torch.split(hidden, [x.shape[2], x.shape[3]], dim=2)
        rows = factor(self.excite_rows(rows), self.form)
        columns = factor(self.excite_columns(columns), self.form)
        return rows[:, :, :, None], columns[:, :, None, :]
