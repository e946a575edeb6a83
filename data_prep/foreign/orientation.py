"""Recognition of the axes of models from their cells: the earth is layered, so speeds vary faster with depth.

A model with exchanged axes, or one that was read row by row although depth is the fastest axis, can be
simulated like any other, but describes another earth. The differences between neighbouring cells reveal such
models, except where speeds vary alike in both directions; the verdict is then ``doubtful``.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["as it should be", "doubtful", "exchanged", "striped"]

STRIPED = 0.5
"""Ratio below which the numbers were read in the wrong order.

The ratio is the difference between neighbours in the other order, divided by that in the order taken.
Layered, dipping and salt models have 0.7 and more, misread models less than 0.45.
"""

LAYERED = 2.0
"""Ratio of the variation with depth to that along the line above which a model is clearly layered."""

JUMP = 2.0
"""Jump at the ends of traces above which depth is the fastest axis.

Numbers that were read in the right order have a jump of up to 1.2, even if they are noise; nearly all others
have 2.5 to 100.
"""

VOTES = 0.25
"""Share of the models that must look exchanged for the whole set to count as exchanged.

They must also be at least four times as many as the models that look layered as they are.
"""

DOUBTFUL = 0.87
"""Ratio as of ``LAYERED`` below which the axes are doubtful.

Models of all presets, and the SEG/EAGE model, have 1.15 or more.
"""

GROWTH = 0.6
"""Least correlation of speed with depth in layers that become faster downwards."""


class Contrast(NamedTuple):
    """How speeds vary with depth and along the line, on average over models."""

    depth: float
    """Mean difference of neighbours in depth."""
    line: float
    """Mean difference of neighbours along the line."""
    faster: tuple[float, float]
    """Ratio of the variation with depth to that along the line: of neighbours, and of row, column means."""
    growth: float
    """Correlation of the rows' mean speed with depth."""

    @classmethod
    def of(cls, models: NDArray[np.floating]) -> "Contrast":
        """Measure models, shape ``(model, depth, x)``."""
        depth, line = (float(np.abs(np.diff(models, axis=axis)).mean(dtype=np.float64)) for axis in (1, 2))
        rows, columns = (models.mean(axis=axis, dtype=np.float64) for axis in (2, 1))
        spread = [float(means.std(axis=1).mean()) for means in (rows, columns)]
        tiny = 1e-6 * max(float(models.max()), 1e-30)
        down = np.linspace(-1, 1, models.shape[1])
        varying = rows - rows.mean(axis=1, keepdims=True)
        size = float(np.sqrt((varying**2).sum() * len(models) * (down**2).sum()))
        return cls(
            depth,
            line,
            ((depth + tiny) / (line + tiny), (spread[0] + tiny) / (spread[1] + tiny)),
            float((varying * down).sum()) / size if size > tiny else 0.0,
        )

    @property
    def layered(self) -> bool:
        """Whether the models clearly consist of layers that become faster downwards."""
        return min(self.faster) > LAYERED and self.growth > GROWTH


def judge(models: NDArray[np.floating]) -> tuple[Verdict, str]:
    """Judge whether the axes of models are in the right order; also returns the figures behind the verdict.

    Args:
        models: speeds in any unit, shape ``(model, depth, x)``, from one file or several.
    """
    number, nz, nx = models.shape
    if min(nz, nx) < 2:
        return "as it should be", ""
    models = models.astype(np.float32, copy=False)
    taken, reordered = Contrast.of(models), Contrast.of(models.reshape(number, nx, nz))
    # In flat layers, the other order alone brings the larger difference down to nz / nx.
    threshold = STRIPED * min(1, 1.5 * nz / nx)
    smoother = max(reordered[:2]) < threshold * max(taken[:2]) and min(reordered[:2]) < min(taken[:2])
    # Where rows hold whole traces, these end in few columns, and a fault may be there: then both must tell.
    ends = _jump_at_ends(models) > JUMP and (nx % nz != 0 or max(taken.faster) < 1)
    if nz != nx and (ends or smoother):
        return "striped", (
            f"neighbouring cells differ by {taken.depth:.4g} in depth and {taken.line:.4g} along the line, "
            f"in the other order by {reordered.line:.4g} and {reordered.depth:.4g}"
        )
    figures = f"neighbouring cells differ by {taken.line:.4g} along the line and {taken.depth:.4g} in depth"
    votes = [_vote(model[None]) for model in models]
    if votes.count("exchanged") >= max(VOTES * number, 4 * votes.count("layered")):
        return "exchanged", figures
    return ("doubtful" if max(taken.faster) < DOUBTFUL else "as it should be"), figures


def _vote(model: NDArray[np.floating]) -> str:
    """Vote of one model: ``layered`` as it is, ``exchanged`` if so with exchanged axes, or ``neither``."""
    taken = Contrast.of(model)
    if max(taken.faster) < 1 / LAYERED and Contrast.of(model.transpose(0, 2, 1)).layered:
        return "exchanged"
    return "layered" if taken.layered else "neither"


def _jump_at_ends(models: NDArray[np.floating]) -> float:
    """Median jump of the numbers at the places where traces would end if depth were the fastest axis.

    There the numbers would go from the bottom of one trace to the surface at the next. The jump is relative
    to the mean difference of neighbouring numbers.
    """
    number, nz, nx = models.shape
    steps = np.abs(np.diff(models.reshape(number, -1), axis=1))
    ends = np.arange(nz, nz * nx, nz)
    ends = ends[ends % nx != 0] - 1
    mean = float(steps.mean(dtype=np.float64))
    return float(np.median(steps[:, ends])) / mean if len(ends) and mean else 0.0
