"""Checks of what a refinement is given: impossible sections, spreads and records are refused."""

import numpy as np
from numpy.typing import NDArray

from fwi.survey import Survey

Array = NDArray[np.float32]

CERTAIN = 0.1
"""Smallest spread of a cell, as a share of the mean: a network is surer of itself than it should be."""


def admissible_section(section: Array, survey: Survey) -> Array:
    """Refuse a section of another grid, or with speeds that are not the grid's.

    Args:
        section: the section [m/s], shape ``(depth, x)``.
        survey: survey whose grid it is to be on.

    Returns:
        The section in single precision.

    Raises:
        ValueError: the message says which.
    """
    grid = survey.grid
    if np.shape(section) != (grid.nz, grid.nx):
        raise ValueError(
            f"section of shape {np.shape(section)}, the survey's grid wants (depth, x) = {(grid.nz, grid.nx)}"
        )
    slowest, fastest = grid.velocity
    if not ((section >= slowest * (1 - 1e-6)) & (section <= fastest * (1 + 1e-6))).all():
        raise ValueError(
            f"the section holds speeds of {np.min(section):g} .. {np.max(section):g} m/s, outside "
            f"grid.velocity {slowest:g} .. {fastest:g} m/s: clip it, or widen that range"
        )
    return np.clip(section, slowest, fastest).astype(np.float32)


def admissible_spread(spread: Array | None, survey: Survey) -> Array | None:
    """Bound a spread from below, so that no cell is held where it is.

    Args:
        spread: how far the truth may be from each cell [m/s], shape ``(depth, x)``; None if not known.
        survey: survey whose grid it is to be on.

    Returns:
        The spread with a lower bound, same shape; None if not known.

    Raises:
        ValueError: the spread is of another grid, negative, or not finite.
    """
    if spread is None:
        return None
    grid = survey.grid
    if np.shape(spread) != (grid.nz, grid.nx) or not (np.isfinite(spread).all() and (spread >= 0).all()):
        raise ValueError(
            f"spread of shape {np.shape(spread)} with values {np.min(spread):g} .. {np.max(spread):g}: give "
            f"0 m/s or more for each of the grid's cells, (depth, x) = {(grid.nz, grid.nx)}"
        )
    return np.maximum(spread, max(CERTAIN * float(np.mean(spread)), 1e-3)).astype(np.float32)


def admissible_records(gathers: Array, survey: Survey) -> Array:
    """Refuse records of another survey, of samples that are not finite, or of silence.

    Args:
        gathers: the records, shape ``(shot, time, receiver)``.
        survey: their survey.

    Returns:
        The records in single precision.

    Raises:
        ValueError: the message says which.
    """
    recorded = np.array(gathers, dtype=np.float32)
    if recorded.shape != survey.gather_shape:
        raise ValueError(
            f"records of shape {recorded.shape} do not fit their survey, (shot, time, receiver) = "
            f"{survey.gather_shape}: name the survey that they were recorded with"
        )
    if not np.isfinite(recorded).all():
        raise ValueError("the records hold NaN or infinite samples: mend or mute those traces first")
    if not recorded.any():
        raise ValueError("the records are zero throughout: there is nothing to refine with")
    return recorded
