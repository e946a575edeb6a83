"""Limits of a survey: the positions that its grid has, and the waves that it propagates without large errors.

Each function returns the mistakes that it finds, one line each, with the key and the values that would work.
"""

import math
from itertools import pairwise

from fwi.config import GridConfig, SurveyConfig
from fwi.memory import amount, total

COURANT_LIMIT = 0.65
"""Largest Courant number v dt sqrt(2) / h: orders 2, 4, 6, 8 are stable up to 1.000, 0.866, 0.813, 0.784."""

HIGHEST_FREQUENCY = 2.5
"""Multiple of a Ricker wavelet's peak frequency above which it has no energy worth resolving."""

MIN_POINTS_PER_WAVELENGTH = {2: 8.0, 4: 4.0, 6: 3.5, 8: 3.0}
"""Cells that the shortest wavelength needs, by order; with fewer, reflections err by more than a tenth."""

LEAST_ARRAYS, FLOAT32 = 8, 4
"""Fewest arrays of the grid's size that a shot's simulation needs, and bytes of a single-precision number."""

CLOSEST_RECEIVERS = 0.5
"""Least distance [cells] between receivers that are listed; closer ones record the same."""

ON_CELL = 1e-6
"""Distance from a cell [cells] below which a position counts as on it: it allows for rounding alone."""


def misplaced(grid: GridConfig, survey: SurveyConfig) -> list[str]:
    """Find sources and receivers that are outside the grid, between rows of cells, or closer than cells.

    Args:
        grid: the grid.
        survey: positions of sources and receivers.

    Returns:
        The mistakes, a line each; empty if there are none.
    """
    along_line = _misplaced_streamer if survey.spread == "streamer" else _misplaced_spread
    mistakes = [*_misplaced_depths(grid, survey), *along_line(grid, survey)]
    return [*mistakes, *_misplaced_receivers(grid, survey)]


def unstable(grid: GridConfig, survey: SurveyConfig) -> list[str]:
    """Find a time step that is too long for the size of the cells and the fastest speed.

    Args:
        grid: the grid, with the fastest speed.
        survey: the time step.

    Returns:
        The mistakes, a line each; empty if there are none.
    """
    fastest, spacing = grid.velocity[1], grid.spacing
    courant = fastest * survey.dt * math.sqrt(2) / spacing
    if courant <= COURANT_LIMIT * (1 + 1e-9):
        return []
    return [
        f"survey.dt: {survey.dt:g} s is unstable: Courant number {courant:.3f} at {fastest:g} m/s "
        f"on {spacing:g} m cells, the limit is {COURANT_LIMIT}; take dt <= "
        f"{_largest_dt(grid, spacing):g} s (and more nt and keep_every in proportion)"
    ]


def undersampled(grid: GridConfig, survey: SurveyConfig, order: int) -> list[str]:
    """Find cells that are too large for the shortest wavelength at this order of finite differences.

    Args:
        grid: the grid, with the slowest speed.
        survey: the wavelet.
        order: order of the finite differences in space.

    Returns:
        The mistakes, a line each; empty if there are none.
    """
    slowest, spacing, peak = grid.velocity[0], grid.spacing, survey.wavelet.frequency
    highest = HIGHEST_FREQUENCY * peak
    points = points_per_wavelength(grid, survey)
    needed = MIN_POINTS_PER_WAVELENGTH[order]
    if points >= needed:
        return []
    finer = _round_down(slowest / highest / needed)
    slower = _round_down(slowest / (HIGHEST_FREQUENCY * spacing * needed))
    orders = [o for o, least in MIN_POINTS_PER_WAVELENGTH.items() if points >= least]
    return [
        f"survey.wavelet.frequency: {peak:g} Hz reaches {highest:g} Hz, whose wavelength at {slowest:g} "
        f"m/s has {points:.2f} cells of {spacing:g} m; order {order} needs {needed:g}: take "
        f"grid.spacing <= {finer:g} m (with survey.dt <= {_largest_dt(grid, finer):g} s) or a frequency "
        f"<= {slower:g} Hz" + (f", or physics.order {orders[0]}" if orders else "")
    ]


def oversized(grid: GridConfig, survey: SurveyConfig) -> list[str]:
    """Find models, records and time axes that are larger than the machine's memory.

    Args:
        grid: the grid.
        survey: the survey.

    Returns:
        The mistakes, a line each; empty if there are none.
    """
    samples, memory = -(-survey.nt // survey.keep_every), total()
    parts = {
        f"grid.nz, grid.nx: to simulate {grid.nz} x {grid.nx} cells": (
            LEAST_ARRAYS * grid.nz * grid.nx,
            "take fewer and larger cells",
        ),
        f"survey.shots, survey.receivers: a record of {survey.shots} shots x {samples} samples x "
        f"{survey.receivers} receivers": (
            survey.shots * samples * survey.receivers,
            "take fewer, or a larger survey.keep_every",
        ),
        f"survey.nt: to record {samples} samples of {survey.nt} time steps": (
            survey.nt * samples,
            "take fewer, or a larger survey.keep_every",
        ),
    }
    return [
        f"{what} takes {amount(FLOAT32 * numbers)}, and this machine has {amount(memory)}: {remedy}"
        for what, (numbers, remedy) in parts.items()
        if FLOAT32 * numbers > memory
    ]


def points_per_wavelength(grid: GridConfig, survey: SurveyConfig) -> float:
    """Number of cells in the shortest wavelength, plus a billionth, so that rounding refuses no grid."""
    shortest = grid.velocity[0] / (HIGHEST_FREQUENCY * survey.wavelet.frequency)
    return shortest / grid.spacing * (1 + 1e-9)


def _misplaced_depths(grid: GridConfig, survey: SurveyConfig) -> list[str]:
    spacing, bottom, mistakes = grid.spacing, (grid.nz - 1) * grid.spacing, []
    depths = {"survey.depth": survey.depth, "survey.receiver_depth": survey.receiver_depth}
    given = {key: depth for key, depth in depths.items() if depth is not None}
    for key, depth in given.items():
        row = depth / spacing
        if depth > bottom:
            mistakes.append(f"{key}: {depth:g} m is below the last row, at {bottom:g} m")
        elif abs(row - round(row)) > ON_CELL:
            above = math.floor(row) * spacing
            mistakes.append(f"{key}: {depth:g} m is between rows; take {above:g} or {above + spacing:g} m")
    if survey.top == "free" and min(given.values()) <= 0:
        mistakes.append(
            "survey.depth: sources and receivers on a free surface neither emit nor record; "
            f"put them at {spacing:g} m or deeper"
        )
    return mistakes


def _misplaced_streamer(grid: GridConfig, survey: SurveyConfig) -> list[str]:
    spacing, length = grid.spacing, _length(grid)
    if survey.receiver_interval < spacing * (1 - ON_CELL):
        return [
            f"survey.receiver_interval: {survey.receiver_interval:g} m is closer than the cells; "
            f"take {spacing:g} m or more"
        ]
    fits = _whole((length - survey.near_offset) / survey.receiver_interval) + 1
    if survey.receivers > fits:
        return [
            f"survey.receivers: the streamer's last receiver is {survey.last_offset:g} m behind the "
            f"shot, but the line is {length:g} m long; "
            + (f"at most {fits} fit" if fits >= 2 else "take a smaller survey.near_offset")
        ]
    return _misplaced_shots(grid, survey, most=_whole((length - survey.last_offset) / spacing) + 1)


def _misplaced_spread(grid: GridConfig, survey: SurveyConfig) -> list[str]:
    spacing, length, margin = grid.spacing, _length(grid), survey.shot_margin
    if margin is not None and margin > length / 2:
        return [
            f"survey.shot_margin: {margin:g} m is past the middle of the {length:g} m line; "
            f"take {length / 2:g} m or less"
        ]
    most = grid.nx - 1 if margin is None else _whole((length - 2 * margin) / spacing) + 1
    return _misplaced_shots(grid, survey, most)


def _misplaced_shots(grid: GridConfig, survey: SurveyConfig, most: int) -> list[str]:
    if survey.shot_x is None:
        if survey.shots > most:
            return [
                f"survey.shots: {survey.shots} shots are closer than the {grid.spacing:g} m cells; "
                f"at most {most} fit"
            ]
        return []
    mistakes = []
    if survey.spread == "streamer" or survey.shot_margin is not None:
        other = "a streamer's shots" if survey.spread == "streamer" else "survey.shot_margin"
        mistakes.append(f"survey.shot_x: excludes {other}; leave out one of the two")
    return mistakes + _misplaced_list(grid, "shot", survey.shot_x, survey.shots, "a cell", 1.0)


def _misplaced_receivers(grid: GridConfig, survey: SurveyConfig) -> list[str]:
    if survey.receiver_x is None:
        if survey.spread == "fixed" and survey.receivers > grid.nx:
            return [
                f"survey.receivers: {survey.receivers} receivers are closer than the {grid.spacing:g} m "
                f"cells; at most {grid.nx} fit"
            ]
        return []
    if survey.spread == "streamer":
        return ["survey.receiver_x: excludes a streamer's receivers; leave out one of the two"]
    return _misplaced_list(
        grid, "receiver", survey.receiver_x, survey.receivers, "half a cell", CLOSEST_RECEIVERS
    )


def _misplaced_list(
    grid: GridConfig, who: str, given: tuple[float, ...], count: int, least: str, cells: float
) -> list[str]:
    """Find mistakes of the listed positions of shots or receivers, at least so many cells apart."""
    key, apart, length, mistakes = f"survey.{who}_x", cells * grid.spacing, _length(grid), []
    if len(given) != count:
        mistakes.append(f"{key}: {len(given)} positions for survey.{who}s {count}")
    if any(b - a < apart - ON_CELL * grid.spacing for a, b in pairwise(given)):
        mistakes.append(f"{key}: must ascend by {least}, {apart:g} m, or more")
    if given and max(given) > length * (1 + ON_CELL):
        mistakes.append(f"{key}: {max(given):g} m is beyond the {length:g} m line")
    return mistakes


def _length(grid: GridConfig) -> float:
    """Distance between the first and the last cell along the line [m]."""
    return (grid.nx - 1) * grid.spacing


def _largest_dt(grid: GridConfig, spacing: float) -> float:
    """Largest stable time step [s] on cells of ``spacing`` [m]."""
    return _round_down(COURANT_LIMIT * spacing / (grid.velocity[1] * math.sqrt(2)))


def _whole(ratio: float) -> int:
    """How often one length goes into another; at least 0."""
    return max(0, math.floor(ratio + ON_CELL))


def _round_down(value: float) -> float:
    """Three significant digits, never more than the value."""
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / step + 1e-9) * step
