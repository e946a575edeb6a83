"""Statistics of salt models, by which two sets of models can be compared."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SALT_THRESHOLD = 4250.0
"""Speed [m/s] from which a cell counts as salt, as in ``SaltConfig.threshold``."""
PERCENTILES = (10, 50, 90)


class SaltStatistics(NamedTuple):
    """Statistics of one model."""

    layers: float
    """Number of distinct speeds outside the salt; NaN if there are more than rows, as with gradients."""
    area_share: float
    """Share of the section that is salt."""
    crest_depth: float
    """Depth of the shallowest salt [m]; NaN without salt, like the base and the width."""
    base_depth: float
    """Depth of the deepest salt [m]."""
    width: float
    """Length of the line under which there is salt [m]."""
    crests: int
    """Summits of the top of the salt that stand 20 m or more above their surroundings."""
    bodies: int
    """Pieces of salt that do not touch each other by a cell's side."""
    overhang_share: float
    """Share of the columns with salt that enter it more than once; NaN without salt."""
    roughness: float
    """Standard deviation of the shallowest interface's depth [m], without a tenth of the line at each end."""
    lateral_change: float
    """Mean change of speed along the line outside the salt [m/s per m]."""
    slowest: float
    """Slowest speed [m/s]."""
    fastest_sediment: float
    """Fastest speed outside the salt [m/s]; NaN where all is salt."""


def statistics(
    velocity: NDArray[np.floating], spacing: float, threshold: float = SALT_THRESHOLD
) -> SaltStatistics:
    """Measure one model.

    Args:
        velocity: P-wave speed [m/s], shape ``(depth, x)``.
        spacing: cell size [m].
        threshold: a cell at least this fast [m/s] is salt.
    """
    from scipy import ndimage

    salt = velocity >= threshold
    under_line = salt.any(axis=0)
    speeds = np.unique(velocity[~salt])
    rows = np.flatnonzero(salt.any(axis=1))
    nan = float("nan")
    return SaltStatistics(
        layers=speeds.size if speeds.size <= len(velocity) else nan,
        area_share=float(salt.mean()),
        crest_depth=float(rows[0]) * spacing if rows.size else nan,
        base_depth=float(rows[-1]) * spacing if rows.size else nan,
        width=float(under_line.sum()) * spacing if rows.size else nan,
        crests=_crests(salt, spacing),
        bodies=int(ndimage.label(salt)[1]),
        overhang_share=float(np.mean(_entries(salt[:, under_line]) > 1)) if rows.size else nan,
        roughness=_roughness(velocity, salt, spacing),
        lateral_change=_lateral_change(velocity, salt, spacing),
        slowest=float(velocity.min()),
        fastest_sediment=float(speeds[-1]) if speeds.size else nan,
    )


def summarise(
    velocity: NDArray[np.floating], spacing: float, threshold: float = SALT_THRESHOLD
) -> dict[str, tuple[float, float, float]]:
    """Return the 10th, 50th and 90th percentile of every statistic over a set of models, by name.

    Args:
        velocity: P-wave speed [m/s], shape ``(sample, depth, x)``.
        spacing: cell size [m].
        threshold: a cell at least this fast [m/s] is salt.

    Returns:
        Percentiles over the models for which the statistic is known: those without salt have no crest. NaN
        if there is none.
    """
    measured = np.array([statistics(model, spacing, threshold) for model in velocity], float)
    summary = {}
    for name, values in zip(SaltStatistics._fields, measured.T, strict=True):
        known = values[np.isfinite(values)]
        low, middle, high = np.percentile(known, PERCENTILES) if known.size else [np.nan] * 3
        summary[name] = (float(low), float(middle), float(high))
    return summary


def velocity_histogram(velocity: NDArray[np.floating], edges: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of the cells in each interval of speeds.

    Args:
        velocity: P-wave speed [m/s], any shape.
        edges: ascending speeds [m/s], shape ``(n + 1,)``; the last bin holds its upper edge.

    Returns:
        Shares of all cells, shape ``(n,)``; they add up to 1 where the edges enclose all speeds.
    """
    return np.histogram(velocity, edges)[0] / velocity.size


def _crests(salt: NDArray[np.bool_], spacing: float) -> int:
    from scipy.signal import find_peaks

    if not salt.any():
        return 0
    # Sunk to the base of the section outside the salt, so that a summit at the edge of the salt counts too.
    top = np.where(salt.any(axis=0), salt.argmax(axis=0), len(salt))
    return len(find_peaks(-np.pad(top, 1, constant_values=len(salt)) * spacing, prominence=20.0)[0])


def _entries(salt: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How often each column enters salt on the way down."""
    entered: NDArray[np.int64] = (np.diff(salt.astype(np.int8), axis=0, prepend=0) == 1).sum(axis=0)
    return entered


def _roughness(velocity: NDArray[np.floating], salt: NDArray[np.bool_], spacing: float) -> float:
    nx = velocity.shape[1]
    if salt.all() or np.ptp(velocity[~salt]) == 0:
        return 0.0
    interior = np.arange(nx // 10, nx - nx // 10)
    below = (velocity > velocity[~salt].min())[:, interior]
    first = below.argmax(axis=0)
    sediment = below.any(axis=0) & ~salt[first, interior]
    return float(np.std(first[sediment])) * spacing if sediment.any() else float("nan")


def _lateral_change(velocity: NDArray[np.floating], salt: NDArray[np.bool_], spacing: float) -> float:
    between = ~(salt[:, 1:] | salt[:, :-1])
    change = np.abs(np.diff(velocity.astype(float), axis=1))[between]
    return float(change.mean()) / spacing if change.size else float("nan")
