"""Other people's velocity models: checked for units and range, and put on a study's grid."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fwi.config import GridConfig

SLOWEST_ROCK = 100.0
"""A model whose fastest cell is slower than this [m/s] is in km/s."""


class ModelError(ValueError):
    """Velocity models that cannot be imported; the message says which and how to mend it."""


class KilometresError(ModelError):
    """Speeds that look like km/s, and nobody said that they are."""


def refuse_impossible(
    path: Path, models: NDArray[np.float32], velocity_range: tuple[float, float], first: int = 0
) -> None:
    """Refuse models that are not finite, not positive, in km/s or out of range.

    Args:
        path: the file they are of, for the message.
        models: speeds, shape ``(model, depth, x)``.
        velocity_range: slowest and fastest admissible speed [m/s].
        first: number in the file of the first of them.

    Raises:
        KilometresError: they look like km/s.
        ModelError: naming the first such cell.
    """
    slowest, fastest = velocity_range

    def where(bad: NDArray[np.bool_]) -> str:
        model, iz, ix = (int(i) for i in np.argwhere(bad)[0])
        return f"model {first + model}, cell (depth {iz}, x {ix}): {models[model, iz, ix]:g}"

    bad = ~np.isfinite(models)
    if bad.any():
        raise ModelError(f"{path}: {where(bad)} is not a finite speed; mend or leave out the model")
    bad = models <= 0
    if bad.any():
        raise ModelError(f"{path}: {where(bad)} is not a positive speed; mend or leave out the model")
    if models.max() < SLOWEST_ROCK:
        raise KilometresError(
            f"{path}: speeds of {models.min():g} .. {models.max():g} look like km/s; if so, add --kilometres"
        )
    bad = (models < slowest) | (models > fastest)
    if bad.any():
        raise ModelError(
            f"{path}: {where(bad)} is outside grid.velocity {slowest:g} .. {fastest:g} m/s; the "
            f"file spans {models.min():g} .. {models.max():g} m/s: widen grid.velocity (and check dt) or "
            "mend the model"
        )


def on_grid(
    models: NDArray[np.float32], spacing: float | tuple[float, float], grid: GridConfig
) -> NDArray[np.float32]:
    """Sample models at a grid's cells; each takes the nearest cell, so that salt keeps its speed and edge.

    Args:
        models: speeds, shape ``(model, depth, x)``, the first cell at the grid's first.
        spacing: their cell size [m], or (dz, dx) of cells that are not square.
        grid: the grid wanted.

    Raises:
        ModelError: their cells have no size, or they are larger or smaller than the grid by more than half a
            cell.
    """
    _, nz, nx = models.shape
    dz, dx = spacing if isinstance(spacing, tuple) else (spacing, spacing)
    if not (0 < dz < np.inf and 0 < dx < np.inf):
        raise ModelError(f"cells of {dz:g} m by {dx:g} m: say --spacing, their size in metres, more than 0")
    have = ((nz - 1) * dz, (nx - 1) * dx)
    want = ((grid.nz - 1) * grid.spacing, (grid.nx - 1) * grid.spacing)
    if any(abs(h - w) > grid.spacing / 2 for h, w in zip(have, want, strict=True)):
        compared = "larger" if any(h > w for h, w in zip(have, want, strict=True)) else "smaller"
        fits = [round(h / grid.spacing) + 1 for h in have]
        raise ModelError(
            f"the models are {have[0]:g} m deep and {have[1]:g} m long ({nz} x {nx} cells of {dz:g} m by "
            f"{dx:g} m), {compared} than the grid, {want[0]:g} m by {want[1]:g} m ({grid.nz} x {grid.nx} "
            f"cells at {grid.spacing:g} m): check --spacing, set grid.nz {fits[0]} and grid.nx {fits[1]}, or "
            "cut the models"
        )
    rows = np.round(np.arange(grid.nz) * grid.spacing / dz).astype(int).clip(0, nz - 1)
    columns = np.round(np.arange(grid.nx) * grid.spacing / dx).astype(int).clip(0, nx - 1)
    return models[:, rows[:, None], columns]
