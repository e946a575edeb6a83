"""Common-midpoint sorting: reflections from one place are in the same column for every shot."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from fwi.survey import Survey

ROUNDING = 1e-6
"""Share of a bin by which a position on the edge between two bins may be rounded."""


class Midpoints(nn.Module):
    """Sort the traces of each shot by the midpoint of shot and receiver (Mayne, 1962, Geophysics 27, 927).

    A flat layer reflects beneath the midpoint. In recorded gathers, reflections from one place are in a
    different column for every shot; sorted, they are in the column that this place has in the section. The
    line is divided into bins of one cell. Where two midpoints of a shot share a bin, the shot becomes two
    channels, one for the left halves of the bins and one for the right halves. Bins without a midpoint are
    zero: with receivers along the whole line, one shot covers half of it.

    Args:
        survey: positions of shots and receivers.

    Attributes:
        channels: number of shots times channels per shot.
        columns: number of bins along the line, as many as the section has cells.
        column: number of the bin that each trace is in, shape ``(shot, receiver)``.
    """

    index: Tensor

    def __init__(self, survey: Survey) -> None:
        super().__init__()
        shots, _, receivers = survey.gather_shape
        spacing, self.columns = survey.grid.spacing, survey.grid.nx
        interval = np.abs(np.diff(survey.receiver_x[0])).min()
        per_bin = max(1, math.ceil(2 * spacing / interval - ROUNDING))
        place = np.floor(survey.midpoint / spacing * per_bin + ROUNDING).astype(int)
        self.column = place // per_bin
        index = np.full((shots, per_bin, self.columns), receivers)
        index[np.arange(shots)[:, None], place % per_bin, self.column] = np.arange(receivers)
        self.channels = shots * per_bin
        self.register_buffer("index", torch.from_numpy(index), persistent=False)

    def forward(self, gathers: Tensor) -> Tensor:
        """Sort gathers.

        Args:
            gathers: shape ``(batch, shot, time, receiver)``.

        Returns:
            Shape ``(batch, channels, time, columns)``; the channels of one shot are next to each other.
        """
        batch, shots, samples, _ = gathers.shape
        silent = pad(gathers, (0, 1))  # a trace of zeros for the places without a midpoint
        index = self.index.flatten(1)[:, None].expand(batch, shots, samples, -1)
        parts = silent.gather(3, index).view(batch, shots, samples, -1, self.columns)
        by_channel: Tensor = parts.transpose(2, 3).flatten(1, 2)
        return by_channel
