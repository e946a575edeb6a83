"""The survey that a file was recorded with, on the grid of another survey."""

import math

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.line import metres
from data_prep.segy.placing import GeometryError, Placement, refuse_unrecorded
from data_prep.segy.shots import RecordedShots, SegyShots
from fwi.config import SurveyConfig, validate
from fwi.survey import Survey
from fwi.survey_limits import CLOSEST_RECEIVERS, ON_CELL

Floats = NDArray[np.float64]

ROUNDING = 0.005
"""Largest error of positions that are rounded to centimetres, as in SEG-Y [m]."""


def recorded_survey(file: SegyShots, kind: Survey) -> tuple[Survey, Placement]:
    """Find the survey of a file's own shots and receivers, on the grid of another survey.

    The receivers of all shots together become one fixed spread. Receivers that a shot lacks, because they
    moved on or were dead, make missing traces. Of receivers of a shot within half a cell of each other, and
    of shots within a cell, the first is taken; receivers of several shots come onto half cells then.

    Args:
        file: the recorded shots.
        kind: a survey with the grid, depths, time axis and wavelet.

    Returns:
        The survey, and its placement on the file's line.

    Raises:
        GeometryError: the line is longer than the grid, or the depths or times are not those of ``kind``.
        ConfigError: the file has a single receiver, or too many traces.
    """
    refuse_unrecorded(file, kind)
    return lay_out(file, kind, _start(file, kind))


def lay_out(file: RecordedShots, kind: Survey, start: float) -> tuple[Survey, Placement]:
    """Put a file's own shots and receivers on a grid, as ``recorded_survey`` does.

    Args:
        file: the recorded shots.
        kind: a survey with the grid, depths, time axis and wavelet.
        start: position on the file's line of the grid's first column [m]; the grid holds the whole line.

    Returns:
        The survey, and its placement on the file's line.

    Raises:
        ConfigError: the file has a single receiver, or too many traces.
    """
    cell = kind.grid.spacing
    shot_x = _on_grid(np.array([shot.x for shot in file.shots]), start, kind)
    chosen = _apart(shot_x, cell)
    of_shots = [_on_grid(file.shots[i].receiver_x, start, kind) for i in chosen]
    receivers = np.unique(np.concatenate(of_shots))
    step = CLOSEST_RECEIVERS * cell
    within = min(float(np.diff(x).min(initial=np.inf)) for x in of_shots)
    if within >= step * (1 - ON_CELL) and len(_apart(receivers, step)) < len(receivers):
        # They moved with the shots by other than whole cells: half cells are nearer to all of them.
        of_shots = [np.unique((np.round(x / step) * step).clip(max=kind.length)) for x in of_shots]
        receivers = np.unique(np.concatenate(of_shots))
    receiver_x = receivers[_apart(receivers, step)]
    recorded = tuple(np.unique(np.searchsorted(receiver_x, x, side="right") - 1) for x in of_shots)
    positions = {
        "shots": len(chosen),
        "shot_x": shot_x[chosen].tolist(),
        "shot_margin": None,
        "receivers": len(receiver_x),
        "receiver_x": receiver_x.tolist(),
        "spread": "fixed",
    }
    config = validate(SurveyConfig, kind.config.model_dump() | positions, source=str(file.path))
    return Survey(kind.grid, config), Placement(start, 1, tuple(file.shots[i] for i in chosen), recorded)


def _start(file: SegyShots, kind: Survey) -> float:
    """Position on the file's line of the grid's first column [m].

    It is 0 where all shots and receivers are on the grid as they are, like those of exported records.
    Otherwise the recorded line is moved by whole cells to the middle of the grid.
    """
    along = np.concatenate([np.append(shot.receiver_x, shot.x) for shot in file.shots])
    first, last = float(along.min()), float(along.max())
    if first > -ROUNDING and last < kind.length + ROUNDING:
        return 0.0
    room = kind.length - (last - first)
    if room < -ROUNDING:
        raise GeometryError(
            f"{file.path}: shots and receivers are spread over {metres(last - first)} m, and the grid is "
            f"{metres(kind.length)} m long: take a part of the line, or train a network on a longer grid"
        )
    return first - math.floor(max(0.0, room) / 2 / kind.grid.spacing) * kind.grid.spacing


def _on_grid(x: Floats, start: float, kind: Survey) -> Floats:
    """Positions from the grid's first column [m]: on the nearest cell or its edge, or to the millimetre."""
    position, step = x - start, CLOSEST_RECEIVERS * kind.grid.spacing
    nearest = np.round(position / step) * step
    moved: Floats = np.where(np.abs(position - nearest) <= ROUNDING, nearest, np.round(position, 3))
    return moved.clip(0, kind.length)


def _apart(x: Floats, least: float) -> list[int]:
    """Indices of those of ascending positions that are at least so far from the one before [m]."""
    kept: list[int] = []
    for i, position in enumerate(x):
        if not kept or position - x[kept[-1]] >= least * (1 - ON_CELL):
            kept.append(i)
    return kept
