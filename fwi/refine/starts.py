"""Other starts of a refinement than the section at hand, which differ from it by salt.

A refinement mends what is near; whether there is salt at all, and whether it has a base, it takes from its
start. So sections with more salt and with less are worth racing (compare salt flooding and the unflooding of
Esser et al., 2016, Geophysics).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from fwi.config.refine import StartName

Section = NDArray[np.float32]

SOFT = 2
"""Cells around salt that are faster than sediments because boundaries are soft."""

EQUAL = 1.0
"""Mean absolute difference [m/s] below which two starts lead to one result."""


SALT = 0.1
"""Share of the speeds' range below its fastest speed that counts as salt."""


def chosen(
    names: Sequence[StartName],
    section: Section,
    velocity_range: tuple[float, float],
    mirrored: Callable[[], Section],
) -> dict[str, Section]:
    """Make the starts that a study asks for.

    Args:
        names: the starts, see ``RefineConfig.starts``.
        section: velocity [m/s], shape ``(depth, x)``.
        velocity_range: slowest and fastest speed [m/s].
        mirrored: makes the mean with the section of the mirrored record.

    Returns:
        Starts by name; without those that equal the section or one before them.
    """
    slowest, fastest = velocity_range
    others = {"mirrored": mirrored()} if "mirrored" in names else {}
    found = proposals(section, fastest - SALT * (fastest - slowest), velocity_range, others)
    return {name: start for name, start in found.items() if name.replace(" ", "_") in names}


def flooded(section: Section, threshold: float) -> Section:
    """Continue salt downward from its top to the bottom of the section.

    Args:
        section: velocity [m/s], shape ``(depth, x)``.
        threshold: speed from which a cell is salt [m/s].

    Returns:
        A new section, with the median speed of its salt below the first salt of each column; nothing is made
        slower.
    """
    salt = section >= threshold
    if not salt.any():
        return section.copy()
    below_top = np.logical_or.accumulate(salt, axis=0)
    filled: Section = np.where(below_top, np.maximum(section, np.median(section[salt])), section)
    return filled


def without_salt(section: Section, threshold: float) -> Section:
    """Replace salt by the sediments beside it.

    Salt and the soft cells around it are interpolated along each row. A row without sediments takes the trend
    of the others with depth. What was replaced is smoothed, and stays below the threshold.

    Args:
        section: velocity [m/s], shape ``(depth, x)``.
        threshold: speed from which a cell is salt [m/s].

    Returns:
        A new section; the given one where all of it is salt.
    """
    salt = section >= threshold
    taken = scipy.ndimage.binary_dilation(salt, iterations=SOFT) if salt.any() else salt
    if not taken.any() or taken.all():
        return section.copy()
    columns, rows = np.arange(section.shape[1]), np.flatnonzero(~taken.all(axis=1))
    filled = section.astype(np.float64)
    for row in rows:
        filled[row] = np.interp(columns, columns[~taken[row]], filled[row, ~taken[row]])
    slope = np.polyfit(rows, filled[rows].mean(axis=1), 1)[0] if len(rows) > 1 else 0.0
    for row in np.flatnonzero(taken.all(axis=1)):
        nearest = rows[np.abs(rows - row).argmin()]
        filled[row] = filled[nearest] + slope * (row - nearest)
    smooth = scipy.ndimage.gaussian_filter(filled, SOFT, mode="nearest")
    # Beside flanks that are softer than expected, the row's ends are fast, but no faster than they were.
    replaced: Section = np.where(taken, np.minimum(smooth, np.nextafter(threshold, 0)), section)
    return replaced.astype(section.dtype)


def proposals(
    section: Section,
    threshold: float,
    velocity_range: tuple[float, float],
    others: Mapping[str, Section] | None = None,
) -> dict[str, Section]:
    """List the starts that are worth racing against a section.

    Args:
        section: velocity [m/s], shape ``(depth, x)``.
        threshold: speed from which a cell is salt [m/s].
        velocity_range: slowest and fastest speed [m/s], to which starts are clipped.
        others: further sections by name, such as those of mirrored records or of other networks.

    Returns:
        Starts by name, others first, then ``flooded`` and ``without salt``; without those that equal the
        section or one before them.

    Raises:
        ValueError: one of the others has another shape than the section.
    """
    made = {"flooded": flooded(section, threshold), "without salt": without_salt(section, threshold)}
    kept: dict[str, Section] = {}
    for name, start in {**(others or {}), **made}.items():
        if start.shape != section.shape:
            raise ValueError(
                f"the start {name} has the shape {start.shape}, the section {section.shape}: give starts on "
                "the section's grid"
            )
        clipped = np.clip(start, *velocity_range).astype(section.dtype)
        if all(np.abs(clipped - other).mean() >= EQUAL for other in (section, *kept.values())):
            kept[name] = clipped
    return kept
