"""Blending of the sections of overlapping windows into one section of the line."""

from collections.abc import Sequence

import numpy as np

from fwi.intervals import Array, Spread
from fwi.lines.windows import Window

LEAST = 10.0
"""Spread [m/s] that is added to a section's own, so that no cell counts for more than all others."""
EDGE = 0.05
"""Weight of the outermost column of a window, against one of its middle."""


def blend(windows: Sequence[Window], spreads: Sequence[Spread], columns: int) -> tuple[Spread, Array]:
    """Blend the sections of windows, each cell weighted by how sure its window is of it.

    A weight is the inverse square of the spread that the network expects, times a taper that falls to the
    sides of the window, where the network sees little of what is around. The blended spread is that of the
    mixture: where windows disagree it is larger than that of each of them.

    Args:
        windows: the windows.
        spreads: their sections with what hints at their errors; with the same sources each.
        columns: number of columns of the line.

    Returns:
        Section and sources of the line, ``(depth, x)`` and ``(2, depth, x)``; and which columns are in any
        window, shape ``(x,)``. Those that are in none are zero.
    """
    rows = spreads[0].section.shape[0]
    weights = [_weight(each) for each in spreads]
    total = np.zeros((rows, columns))
    section = np.zeros((rows, columns))
    for window, spread, weight in zip(windows, spreads, weights, strict=True):
        total[:, window.columns] += weight
        section[:, window.columns] += weight * spread.section
    covered: Array = np.any(total, axis=0)
    safe = np.where(total > 0, total, 1.0)
    section /= safe
    sources = {name: np.zeros((2, rows, columns)) for name in spreads[0].sources}
    for window, spread, weight in zip(windows, spreads, weights, strict=True):
        apart = (spread.section - section[:, window.columns]) ** 2
        for name, source in spread.sources.items():
            sources[name][:, :, window.columns] += weight * (np.square(source, dtype=np.float64) + apart)
    blended = {name: np.sqrt(squares / safe).astype(np.float32) for name, squares in sources.items()}
    return Spread(section.astype(np.float32), blended), covered


def _weight(spread: Spread) -> Array:
    """Weight of each cell of a window, shape ``(depth, x)``."""
    columns = spread.section.shape[1]
    middle = (columns - 1) / 2
    taper = 1 - (1 - EDGE) * np.abs(np.arange(columns) - middle) / max(middle, 1.0)
    if "head" not in spread.sources:
        return np.broadcast_to(taper, spread.section.shape)
    expected = spread.sources["head"].mean(axis=0, dtype=np.float64)
    weight: Array = taper / (np.square(expected) + LEAST**2)
    return weight
