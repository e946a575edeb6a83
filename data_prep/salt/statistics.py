"""What a salt model looks like, in numbers that two sets of models can be compared by."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SALT_SPEED = 4450.0
"""Speed [m/s] from which a cell counts as salt."""


class SaltStatistics(NamedTuple):
    """What one model looks like, in numbers that two sets of models can be compared by."""

    layers: int
    """Different speeds outside the salt."""
    area_share: float
    """Share of the section that is salt."""
    crest_depth: float
    """Depth of the shallowest salt [m]; NaN without salt, as all below."""
    base_depth: float
    """Depth of the deepest salt [m]."""
    width: float
    """Length of the line under which there is salt [m]."""
    crests: int
    """Summits of the top of the salt that stand 20 m or more above their surroundings."""
    roughness: float
    """Standard deviation of the shallowest interface's depth [m], without a tenth of the line at each end."""


def statistics(velocity: NDArray[np.floating], spacing: float) -> SaltStatistics:
    """Measure one model of layers and salt.

    Args:
        velocity: P-wave speed [m/s], shape ``(nz, nx)``; ``SALT_SPEED`` and more is taken as salt.
        spacing: cell size [m].
    """
    from scipy.signal import find_peaks

    nz, nx = velocity.shape
    salt = velocity >= SALT_SPEED
    under_line = salt.any(axis=0)
    speeds = np.unique(velocity[~salt])
    if speeds.size > 1:
        interior = np.arange(nx // 10, nx - nx // 10)
        below = (velocity > speeds[0])[:, interior]
        first = below.argmax(axis=0)
        sediment = below.any(axis=0) & ~salt[first, interior]
        roughness = float(np.std(first[sediment])) * spacing if sediment.any() else float("nan")
    else:
        roughness = 0.0
    if not under_line.any():
        nan = float("nan")
        return SaltStatistics(speeds.size, 0.0, nan, nan, nan, 0, roughness)

    rows = np.flatnonzero(salt.any(axis=1))
    # Sunk to the base of the section outside the salt, so that a summit at the edge of the salt counts too.
    top = np.where(under_line, salt.argmax(axis=0), nz)
    summits, _ = find_peaks(-np.pad(top, 1, constant_values=nz) * spacing, prominence=20.0)
    return SaltStatistics(
        layers=speeds.size,
        area_share=float(salt.mean()),
        crest_depth=float(rows[0]) * spacing,
        base_depth=float(rows[-1]) * spacing,
        width=float(under_line.sum()) * spacing,
        crests=len(summits),
        roughness=roughness,
    )
