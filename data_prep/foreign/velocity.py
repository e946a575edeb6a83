"""Foreign velocity models: their units and range are checked, and they are put on a study's grid."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fwi.config import GridConfig
from fwi.memory import amount

Unit = Literal["m/s", "km/s", "ft/s", "s/m", "s/km", "us/m", "us/ft", "s2/m2", "s2/km2"]

FOOT = 0.3048

UNITS: Mapping[Unit, tuple[str, Callable[[NDArray[np.floating]], NDArray[np.floating]]]] = {
    "m/s": ("m/s", lambda values: values),
    "km/s": ("km/s", lambda values: values * 1000),
    "ft/s": ("feet per second", lambda values: values * FOOT),
    "s/m": ("slowness in s/m", lambda values: 1 / values),
    "s/km": ("slowness in s/km", lambda values: 1000 / values),
    "us/m": ("slowness in microseconds per metre", lambda values: 1e6 / values),
    "us/ft": ("slowness in microseconds per foot", lambda values: 1e6 * FOOT / values),
    "s2/m2": ("squared slowness in s2/m2", lambda values: values**-0.5),
    "s2/km2": ("squared slowness in s2/km2", lambda values: 1000 * values**-0.5),
}
"""Units in which files hold speeds or slownesses: the name of each, and the conversion to m/s."""

ROCK = (300.0, 9000.0)
"""Slowest and fastest speed [m/s] of anything below ground."""

SLOWEST_ROCK = 100.0
"""If even the fastest cell of a model is slower than this [m/s], the model is in km/s."""

SLOWEST_OF_ALL_ROCK = 4600.0
"""If no cell of a model is slower than this [m/s], all are faster than salt: the unit may be ft/s."""

LARGEST_MODEL = 2**26
"""Number of cells of the largest model that is read; no grid has so many."""


class ModelError(ValueError):
    """Velocity models cannot be imported; the message says which and how to mend it."""


class KilometresError(ModelError):
    """Speeds look like km/s, but the user has not stated that they are."""


def in_metres(values: NDArray[np.float32], unit: Unit) -> NDArray[np.float32]:
    """Convert the numbers of a file to speeds in m/s; numbers without a speed become infinite or NaN.

    Speeds from units other than m/s and km/s are rounded to 0.01 m/s, so that a slowness of 0.0005 s/m gives
    exactly 2000 m/s.

    Args:
        values: the numbers, of any shape.
        unit: what they are in.

    Returns:
        Speeds [m/s], same shape.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        speeds = UNITS[unit][1](values).astype(np.float32, copy=False)
    return speeds if unit in ("m/s", "km/s") else speeds.round(2)


def refuse_impossible(
    path: Path,
    models: NDArray[np.float32],
    velocity_range: tuple[float, float],
    first: int = 0,
    unit: Unit | None = None,
    remedy: str = "convert them to m/s",
) -> None:
    """Refuse models that are not finite, not positive, in another unit or out of range.

    Args:
        path: file of the models, for the message.
        models: numbers of the file, shape ``(model, depth, x)``.
        velocity_range: slowest and fastest admissible speed [m/s].
        first: number of the first of these models in the file.
        unit: stated unit of the models; None if none is stated: they must then be plausible in m/s.
        remedy: what to do about another unit, with ``{unit}`` for its name.

    Raises:
        KilometresError: the models look like km/s.
        ModelError: the models cannot be used; the message names the first bad cell, or the unit that the
            numbers look like.
    """
    slowest, fastest = velocity_range

    def where(bad: NDArray[np.bool_]) -> str:
        model, iz, ix = (int(i) for i in np.unravel_index(bad.argmax(), bad.shape))
        return f"model {first + model}, cell (depth {iz}, x {ix}): {models[model, iz, ix]:g}"

    bad = ~np.isfinite(models)
    if bad.any():
        raise ModelError(f"{path}: {where(bad)} is not a finite speed; mend or leave out the model")
    bad = models <= 0
    if bad.any():
        raise ModelError(f"{path}: {where(bad)} is not a positive speed; mend or leave out the model")
    span = models.min(), models.max()
    if unit is None:
        _refuse_other_unit(path, span, velocity_range, remedy)
    speeds = in_metres(models, unit or "m/s")
    bad = (speeds < slowest) | (speeds > fastest)
    if bad.any():
        taken = f", taken as {UNITS[unit][0]}," if unit not in (None, "m/s") else ""
        raise ModelError(
            f"{path}: {where(bad)}{taken} is outside grid.velocity {slowest:g} .. {fastest:g} m/s; the "
            f"file spans {speeds.min():g} .. {speeds.max():g} m/s: widen grid.velocity (and check dt) or "
            "mend the model" + _other_readings(span, velocity_range, unit, remedy)
        )


def _refuse_other_unit(
    path: Path, span: tuple[np.float32, np.float32], velocity_range: tuple[float, float], remedy: str
) -> None:
    """Refuse numbers that are not speeds in m/s, or that are so unusual that the unit must be stated."""
    looks = _fitting(span, velocity_range) or _fitting(span, ROCK)
    speeds = f"{path}: speeds of {span[0]:g} .. {span[1]:g}"
    if span[1] < SLOWEST_ROCK and "km/s" in looks:
        raise KilometresError(f"{speeds} look like km/s; if so, add --kilometres")
    impossible = not ROCK[0] <= span[1] <= ROCK[1]
    if looks and impossible:
        raise ModelError(f"{speeds} {_in_words(span, looks, remedy)}")
    if span[1] < SLOWEST_ROCK:
        raise ModelError(f"{speeds} are none of rock, in any unit: mend the model")
    if span[0] > SLOWEST_OF_ALL_ROCK and {"m/s", "ft/s"} <= {*looks}:
        raise ModelError(
            f"{speeds} are faster than salt throughout, if in m/s, and {_in_words(span, ['ft/s'], remedy)}; "
            "--unit m/s takes them as they are"
        )


def _other_readings(
    span: tuple[np.float32, np.float32],
    velocity_range: tuple[float, float],
    unit: Unit | None,
    remedy: str,
) -> str:
    others = [other for other in _fitting(span, velocity_range) if other != unit]
    return f". The numbers {_in_words(span, others, remedy)}" if others else ""


def _fitting(span: tuple[np.float32, np.float32], speeds: tuple[float, float]) -> list[Unit]:
    """The units in which the numbers are speeds within a range [m/s]."""
    slowest, fastest = max(speeds[0], ROCK[0]), min(speeds[1], ROCK[1])
    ends = np.array(span, np.float64)
    return [
        unit
        for unit, (_, metres) in UNITS.items()
        if slowest * (1 - 1e-6) <= metres(ends).min() and metres(ends).max() <= fastest * (1 + 1e-6)
    ]


def _in_words(span: tuple[np.float32, np.float32], units: list[Unit], remedy: str) -> str:
    """Describe the units that numbers look like, and what to do then; empty if there is no such unit."""
    ends = np.array(span, np.float64)
    looks = []
    for unit in units:
        words, metres = UNITS[unit]
        slow, fast = np.sort(metres(ends))
        looks.append(f"{words} ({slow:.4g} .. {fast:.4g} m/s); if so, {remedy.format(unit=unit)}")
    return f"look like {', or like '.join(looks)}" if looks else ""


def refuse_other_size(
    path: Path, shape: tuple[int, int], spacing: float | tuple[float, float], grid: GridConfig, hint: str = ""
) -> None:
    """Refuse models whose extent is not that of a grid; only the number and size of their cells is needed.

    Args:
        path: file of the models, for the message.
        shape: number of cells, ``(depth, x)``.
        spacing: cell size of the models [m], or (dz, dx) of cells that are not square.
        grid: the grid wanted.
        hint: what to do if the models would fit with depth and line exchanged.

    Raises:
        ModelError: the cell size is not positive, the models are larger or smaller than the grid by more than
            half a cell, or they have more cells than any grid needs.
    """
    where = f"{path}: " if path.name else ""
    nz, nx = shape
    dz, dx = spacing if isinstance(spacing, tuple) else (spacing, spacing)
    if not (0 < dz < np.inf and 0 < dx < np.inf):
        raise ModelError(
            f"{where}cells of {dz:g} m by {dx:g} m: say --spacing, their size in metres, more than 0"
        )
    have = ((nz - 1) * dz, (nx - 1) * dx)
    want = ((grid.nz - 1) * grid.spacing, (grid.nx - 1) * grid.spacing)
    if not _same_size(have, want, grid):
        compared = "larger" if any(h > w for h, w in zip(have, want, strict=True)) else "smaller"
        fits = [round(h / grid.spacing) + 1 for h in have]
        exchanged = _same_size(((nx - 1) * dz, (nz - 1) * dx), want, grid)
        remedy = (
            f"exchanged they fit: {hint}"
            if exchanged and hint
            else f"check --spacing, set grid.nz {fits[0]} and grid.nx {fits[1]}, or cut the models"
        )
        raise ModelError(
            f"{where}the models are {have[0]:g} m deep and {have[1]:g} m long ({nz} x {nx} cells of {dz:g} m "
            f"by {dx:g} m), {compared} than the grid, {want[0]:g} m by {want[1]:g} m ({grid.nz} x {grid.nx} "
            f"cells at {grid.spacing:g} m): {remedy}"
        )
    if math.prod(shape) > LARGEST_MODEL:
        raise ModelError(
            f"{where}models of {nz} x {nx} cells take {amount(4 * math.prod(shape))} each, and the grid's "
            f"cells are {grid.spacing / dz:.3g} times as high: check --spacing, or thin them out"
        )


def _same_size(have: tuple[float, float], want: tuple[float, float], grid: GridConfig) -> bool:
    return all(abs(h - w) <= grid.spacing / 2 for h, w in zip(have, want, strict=True))


def on_grid(
    models: NDArray[np.float32], spacing: float | tuple[float, float], grid: GridConfig
) -> NDArray[np.float32]:
    """Sample models at a grid's cells. The nearest cell is taken, so that salt keeps its speed and edge.

    Args:
        models: speeds, shape ``(model, depth, x)``; the first cell lies at the first cell of the grid.
        spacing: cell size of the models [m], or (dz, dx) of cells that are not square.
        grid: the grid wanted.

    Raises:
        ModelError: as ``refuse_other_size``.
    """
    _, nz, nx = models.shape
    refuse_other_size(Path(), (nz, nx), spacing, grid)
    dz, dx = spacing if isinstance(spacing, tuple) else (spacing, spacing)
    rows = np.round(np.arange(grid.nz) * grid.spacing / dz).astype(int).clip(0, nz - 1)
    columns = np.round(np.arange(grid.nx) * grid.spacing / dx).astype(int).clip(0, nx - 1)
    return models[:, rows[:, None], columns]
