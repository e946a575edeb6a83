"""Sections made wrong in known ways, whose records stay those of the truth.

A good network makes few wrong sections, and makes them in its own ways. Damaged ones show whether the wave
equation tells errors that the network did not happen to make.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

GROWN = 3
"""Cells by which the true salt is grown before it is taken out: a network's salt has soft edges."""
MOVED = (0.08, 0.15)
"""Distance by which salt is moved along the line, as a share of the section's depth."""
SLOWER = (0.04, 0.10)
"""Share by which all speeds are reduced."""
BLURRED = (0.05, 0.08)
"""Standard deviation of the Gaussian that blurs a section, as a share of the section's depth."""


def salt_missing(section: Array, salt: Mask, random: Generator) -> Array:
    """Replace the salt by the sediments beside it, interpolated along the line.

    Args:
        section: speeds [m/s], shape ``(depth, x)``.
        salt: where the true model is salt, same shape; at least one cell.
        random: not used.
    """
    inside = ndimage.binary_dilation(salt, iterations=GROWN)
    open_rows = np.flatnonzero(~inside.all(axis=1))
    if not len(open_rows):
        return np.full_like(section, section.min())
    filled, x = section.copy(), np.arange(section.shape[1])
    for row in open_rows:
        outside = ~inside[row]
        filled[row] = np.interp(x, x[outside], section[row, outside])
    for row in np.flatnonzero(inside.all(axis=1)):
        filled[row] = filled[open_rows[np.abs(open_rows - row).argmin()]]
    return filled


def salt_moved(section: Array, salt: Mask, random: Generator) -> Array:
    """Move the salt along the line, by a share ``MOVED`` of the section's depth to either side.

    Args:
        section: speeds [m/s], shape ``(depth, x)``.
        salt: where the true model is salt, same shape; at least one cell.
        random: source of the distance and the side.
    """
    sediments = salt_missing(section, salt, random)
    cells = max(1, round(random.uniform(*MOVED) * len(section))) * random.choice([-1, 1])
    moved: Array = sediments + ndimage.shift(section - sediments, (0, cells), order=0)
    return moved


def too_slow(section: Array, salt: Mask, random: Generator) -> Array:
    """Reduce all speeds by a share ``SLOWER``.

    Args:
        section: speeds [m/s], shape ``(depth, x)``.
        salt: not used.
        random: source of the share.
    """
    slower: Array = section * np.float32(1 - random.uniform(*SLOWER))
    return slower


def blurred(section: Array, salt: Mask, random: Generator) -> Array:
    """Blur a section by a Gaussian with a standard deviation of ``BLURRED`` times the section's depth.

    Args:
        section: speeds [m/s], shape ``(depth, x)``.
        salt: not used.
        random: source of the standard deviation.
    """
    smooth: Array = ndimage.gaussian_filter(
        section, random.uniform(*BLURRED) * len(section), mode="nearest", output=np.float32
    )
    return smooth


NEEDS_SALT = ("salt missing", "salt moved")
"""Damages that a model without salt cannot suffer."""
DAMAGES: dict[str, Callable[[Array, Mask, Generator], Array]] = {
    "salt missing": salt_missing,
    "salt moved": salt_moved,
    "too slow": too_slow,
    "blurred": blurred,
}
"""The damages by name; each is called with a section, the true salt and a source of random numbers."""


def damaged(
    section: Array, salt: Mask, velocity_range: tuple[float, float], seed: int, sample: int
) -> dict[str, Array]:
    """Make every damage that a section can suffer.

    Args:
        section: speeds [m/s], shape ``(depth, x)``.
        salt: where the true model is salt, same shape.
        velocity_range: slowest and fastest speed [m/s], to which the damaged sections are clipped.
        seed: seed of all damages.
        sample: number of the sample; the same seed and number give the same damage.

    Returns:
        The damaged sections by the name of the damage; those of ``NEEDS_SALT`` only where there is salt.
    """
    made = {}
    for number, (name, damage) in enumerate(DAMAGES.items()):
        if name in NEEDS_SALT and not salt.any():
            continue
        worse = damage(section, salt, np.random.default_rng([seed, number, sample]))
        made[name] = np.clip(worse, *velocity_range).astype(np.float32)
    return made
