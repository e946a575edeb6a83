"""Windows along a line: the parts of it that a network inverts one by one, each of the network's own size."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwi.lines.scaling import scaled
from fwi.survey import Survey

Array = NDArray[np.float32]
Numbers = NDArray[np.int64]

OVERLAP = 1 / 2
"""Share of a window that at least overlaps with the next one."""
ROUNDING = 1e-6
"""Distance [m] by which a position on the edge of a window may be rounded."""


class Window(NamedTuple):
    """A part of a line, as large as the network's section."""

    first: int
    """Column of the line in which the window begins; negative where the line is shorter than a window."""
    survey: Survey
    """Its shots and receivers in the network's lengths and times, from the window's first column on."""
    shots: Numbers
    """Numbers of its shots among those of the line, shape ``(shot,)``."""
    receivers: Numbers
    """Numbers of its receivers among those of the line, shape ``(receiver,)``."""

    @property
    def columns(self) -> slice:
        """The columns of the line that it covers, of a line that is as long as a window at least."""
        return slice(self.first, self.first + self.survey.grid.nx)

    def of(self, gathers: Array) -> Array:
        """Take the window's part of the line's gathers ``(shot, time, receiver)``."""
        return gathers[self.shots][:, :, self.receivers]

    def in_metres_of(self, line: Survey) -> Survey:
        """Return the window's survey in the lengths and times of the line."""
        return scaled(self.survey, line.grid.spacing / self.survey.grid.spacing)

    def thinned(self, most: int) -> "Window":
        """Return the window with at most so many of its shots, evenly chosen."""
        if len(self.shots) <= most:
            return self
        chosen = np.unique(np.linspace(0, len(self.shots) - 1, most).round().astype(int))
        places = self.survey.shot_x[chosen]
        survey = _with_places(self.survey, places, self.survey.receiver_x[0])
        return self._replace(survey=survey, shots=self.shots[chosen])


def windows(
    line: Survey, network: Survey, live: NDArray[np.bool_] | None = None, overlap: float = OVERLAP
) -> list[Window]:
    """Divide a line into windows of the network's size, evenly spread.

    A window holds the shots and receivers that lie within it. A line that is shorter than the network's
    section lies in the middle of a single window.

    Args:
        line: survey of the line: a fixed spread with as many rows of cells as the network.
        network: survey of the network.
        live: which traces were recorded, shape ``(shot, receiver)``; all if left out.
        overlap: share of a window that overlaps with the next one at least.

    Returns:
        The windows in which a trace was recorded, from left to right.
    """
    factor = network.grid.spacing / line.grid.spacing
    live = np.ones(line.offset.shape, bool) if live is None else live
    shot_x, receiver_x = line.shot_x * factor, line.receiver_x[0] * factor
    found = []
    for first in _firsts(line.grid.nx, network.grid.nx, overlap):
        start = first * network.grid.spacing
        shots, receivers = (_within(places - start, network) for places in (shot_x, receiver_x))
        shots = shots[live[np.ix_(shots, receivers)].any(axis=1)]
        if len(shots) and len(receivers) > 1:
            places = [(x - start).clip(0, network.length) for x in (shot_x[shots], receiver_x[receivers])]
            found.append(Window(first, _with_places(network, *places), shots, receivers))
    return found


def _firsts(columns: int, size: int, overlap: float) -> list[int]:
    """First column of each window of a line."""
    room = columns - size
    if room <= 0:
        return [-(-room // 2)]
    count = math.ceil(room / max(1.0, size * (1 - overlap))) + 1
    return [int(first) for first in np.unique(np.linspace(0, room, count).round())]


def _within(places: NDArray[np.float64], network: Survey) -> Numbers:
    """Numbers of the places that lie on the network's section."""
    return np.flatnonzero((places >= -ROUNDING) & (places <= network.length + ROUNDING))


def _with_places(survey: Survey, shot_x: NDArray[np.float64], receiver_x: NDArray[np.float64]) -> Survey:
    """Return a survey with other shots and receivers, both at the given positions [m]."""
    changes = {
        "shots": len(shot_x),
        "shot_x": tuple(np.round(shot_x, 6).tolist()),
        "shot_margin": None,
        "receivers": len(receiver_x),
        "receiver_x": tuple(np.round(receiver_x, 6).tolist()),
        "spread": "fixed",
    }
    return Survey(survey.grid, survey.config.model_copy(update=changes))
