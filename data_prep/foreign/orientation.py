"""Which way round models lie, told by their cells: the earth is layered, so speeds vary faster with depth.

A model whose axes are exchanged, or whose numbers were read row by row although depth is their fastest axis,
is a model of another earth, and simulated as readily. Neighbouring cells tell them apart, unless both
directions are alike; of that, too, the reader is told.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["as it should be", "doubtful", "exchanged", "striped"]

STRIPED = 0.5
"""Difference between neighbours in the other order of the numbers, over that in the order taken, below which
the order taken is wrong. Layered, dipping and salt models have 0.7 and more, misread ones below 0.45."""

LAYERED = 2.0
"""How much faster speeds vary with depth than along the line, for the layers to be plain."""

JUMP = 2.0
"""Jump at the ends of traces, above which depth is the fastest axis. Numbers read as they lie have up to 1.2,
even if they are noise, and nearly all others 2.5 to 100."""

VOTES = 0.25
"""Share of models that must be plainly exchanged for all to be, with four times as few layered as taken."""

DOUBTFUL = 0.87
"""As ``LAYERED``, below which the reader is told. Models of all presets and SEG/EAGE's have 1.15 or more."""

GROWTH = 0.6
"""Correlation of speed with depth in layers that get faster downwards."""


class Contrast(NamedTuple):
    """How speeds vary with depth and along the line, on average over models."""

    depth: float
    """Mean difference of neighbours in depth."""
    line: float
    """Mean difference of neighbours along the line."""
    faster: tuple[float, float]
    """Variation with depth over that along the line: of neighbours, and of the means of rows and columns."""
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
        """Whether the models are plainly layers that get faster downwards."""
        return min(self.faster) > LAYERED and self.growth > GROWTH


def judge(models: NDArray[np.floating]) -> tuple[Verdict, str]:
    """Whether models lie as they should, and the figures that tell.

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
    """Whether one model is plainly layered, or would be with its axes exchanged."""
    taken = Contrast.of(model)
    if max(taken.faster) < 1 / LAYERED and Contrast.of(model.transpose(0, 2, 1)).layered:
        return "exchanged"
    return "layered" if taken.layered else "neither"


def _jump_at_ends(models: NDArray[np.floating]) -> float:
    """How far numbers jump, row by row, wherever a trace would end if depth were their fastest axis.

    From the bottom of one trace to the surface at the next, that is, over the mean difference of neighbours.
    """
    number, nz, nx = models.shape
    steps = np.abs(np.diff(models.reshape(number, -1), axis=1))
    ends = np.arange(nz, nz * nx, nz)
    ends = ends[ends % nx != 0] - 1
    mean = float(steps.mean(dtype=np.float64))
    return float(np.median(steps[:, ends])) / mean if len(ends) and mean else 0.0
