"""The survey of a line at the scale of a network: lengths and times divided by one factor, speeds kept.

Where lengths and times are multiplied by a factor, the acoustic wave equation stays as it is: records of a
line at 12.5 m and 16 Hz are those of one at 20 m and 10 Hz.
"""

import math

import numpy as np

from data_prep.segy.placing import GeometryError
from data_prep.segy.shots import RecordedShots
from fwi.lines import scaled
from fwi.survey import Survey
from fwi.survey_limits import CLOSEST_RECEIVERS, ON_CELL

FEWEST_COLUMNS = 8
"""Columns that a grid has at least."""

SNAP = 0.03
"""Share by which the factor may change for receivers to come onto the grid: peak frequencies are measured no
better."""


def snapped(factor: float, interval: float, network: Survey) -> float:
    """Return a factor close to a measured one: 1, or one that brings receivers onto the grid.

    Args:
        factor: the measured factor of lengths and times.
        interval: distance of neighbouring receivers [m].
        network: the network's survey.
    """
    step = CLOSEST_RECEIVERS * network.grid.spacing
    on_grid = max(1, round(interval * factor / step)) * step / interval
    near = [each for each in (1.0, on_grid) if abs(each / factor - 1) <= SNAP]
    return near[0] if near else factor


def over_columns(network: Survey, factor: float, columns: int) -> Survey:
    """Return a network's survey in the metres and seconds of records, on a grid of any length.

    Args:
        network: the network's survey.
        factor: factor by which the records' lengths and times are those of the network.
        columns: number of columns of the grid.

    Returns:
        The survey with a single shot and two receivers, in place of which those of the records come.
    """
    line = scaled(network, 1 / factor)
    places = {"shots": 1, "shot_x": None, "shot_margin": None, "receivers": 2, "receiver_x": None}
    return Survey(
        line.grid.model_copy(update={"nx": columns}),
        line.config.model_copy(update={"spread": "fixed", **places}),
    )


def line_grid(file: RecordedShots, network: Survey, factor: float) -> tuple[Survey, float]:
    """Return a network's survey over just the line of a file, and the line's beginning [m].

    Raises:
        GeometryError: the line is shorter than ``FEWEST_COLUMNS``.
    """
    receivers = np.concatenate([shot.receiver_x for shot in file.shots])
    along = np.append(receivers, [shot.x for shot in file.shots])
    first, last, cell = float(along.min()), float(along.max()), network.grid.spacing / factor
    # Receivers are to come onto cells, also where the line begins with a shot.
    before = float(receivers.min()) - first
    start = first + before - math.ceil(before / cell - ON_CELL) * cell
    columns = math.ceil((last - start) / cell - ON_CELL) + 1
    if columns < FEWEST_COLUMNS:
        raise GeometryError(
            f"{file.path}: shots and receivers are spread over {last - first:.4g} m, and a network needs "
            f"{FEWEST_COLUMNS} columns of {cell:.4g} m or more, which are {(FEWEST_COLUMNS - 1) * cell:.4g} m"
        )
    return over_columns(network, factor, columns), start
