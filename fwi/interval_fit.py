"""Fitting the half-widths of intervals on sections of known truth, with a guarantee for their like."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwi.intervals import FLOOR, Calibration, Scale, Spread, half_width, refined_spread, salt_faces
from fwi.risk_control import TooFewSectionsError, sections_needed, smallest_factor

Array = NDArray[Any]

EVERY = 4
"""One of so many sections gives the weights of the sources; the others give the factors."""
CELLS = 7
"""One of so many cells of these sections is enough for the weights."""
LEAST = 1e-3
"""Smallest floor [m/s], which keeps every interval wider than nothing."""


def fit(
    spread: Spread,
    truth: Array,
    salt: Array,
    threshold: float,
    spacing: float,
    coverage: float,
    confidence: float | None = None,
) -> Scale:
    """Fit the half-widths on sections of known truth.

    Args:
        spread: the sections, shape ``(section, depth, x)``, and their sources.
        truth: true velocity [m/s], same shape.
        salt: True where the truth is salt, same shape.
        threshold: speed from which a cell of a section counts as salt [m/s].
        spacing: cell size [m].
        coverage: share of the cells of a section that its interval is to hold.
        confidence: probability, over the draw of the sections, with which the expected coverage is reached;
            None for one that is reached on average over that draw.

    Raises:
        ValueError: there are too few sections for the guarantee, or the shapes differ.
    """
    section = np.asarray(spread.section, np.float64)
    if not section.shape == truth.shape == salt.shape or section.ndim != 3:
        raise ValueError(
            "sections, truth and salt must share one shape (section, depth, x), got "
            f"{section.shape}, {truth.shape} and {salt.shape}"
        )
    weighted = np.arange(len(section)) % EVERY == 0
    error = truth - section
    weights = _weights(Spread(section, spread.sources), error, weighted)
    half = half_width(Spread(section, spread.sources), weights)
    ratio = np.abs(error) / np.where(error > 0, half[:, 1], half[:, 0])
    missed = 1 - coverage
    depths = {
        name: [each[~np.isnan(each)] for each in errors]
        for name, errors in depth_errors(section >= threshold, salt > 0, spacing).items()
    }
    found: dict[str, float | None] = {}
    for name, errors in depths.items():
        try:
            found[name] = smallest_factor([each for each in errors if len(each)], missed, confidence)
        except TooFewSectionsError:
            found[name] = None
    return Scale(
        sections=len(section),
        weights=weights,
        factor=smallest_factor(list(ratio[~weighted]), missed, confidence),
        constant=smallest_factor(list(np.abs(error)[~weighted]), missed, confidence),
        **found,
    )


def fewest_sections(coverage: float, confidence: float | None) -> int:
    """Return the number of sections from which on ``fit`` can guarantee a coverage."""
    needed, sections = sections_needed(1 - coverage, confidence), 1
    while sections - math.ceil(sections / EVERY) < needed:
        sections += 1
    return sections


def calibrate_refined(
    calibration: Calibration,
    starts: Sequence[Array],
    candidates: Sequence[Array],
    others: Sequence[Sequence[Array]],
    spreads: Sequence[Spread],
    truths: Sequence[Array],
) -> Calibration:
    """Calibrate the intervals of refined sections on some of known truth.

    Args:
        calibration: the calibration of the network's sections.
        starts: for each section, the one that refinement began with [m/s], shape ``(depth, x)``.
        candidates: the refined sections [m/s].
        others: for each section, where refinement ended from other starts [m/s].
        spreads: the spread of the network's section of each record.
        truths: the true sections [m/s], in which salt is what reaches ``calibration.threshold``.

    Returns:
        The calibration with half-widths for refined sections.

    Raises:
        ValueError: there are too few sections, or the lists are of different lengths.
    """
    refined = [refined_spread(*each) for each in zip(starts, candidates, others, spreads, strict=True)]
    whole = Spread(
        np.stack([each.section for each in refined]),
        {name: np.stack([each.sources[name] for each in refined]) for name in refined[0].sources},
    )
    truth = np.stack(truths)
    scale = fit(
        whole,
        truth,
        truth >= calibration.threshold,
        calibration.threshold,
        calibration.spacing,
        calibration.coverage,
        calibration.confidence,
    )
    return calibration.model_copy(update={"refined": scale})


def depth_errors(found: Array, true: Array, spacing: float) -> dict[str, Array]:
    """Return how far top and base of salt are from the true ones, column by column.

    Args:
        found: True where a section has salt, shape ``(section, depth, x)``.
        true: True where the truth has salt, same shape.
        spacing: cell size [m].

    Returns:
        Absolute errors [m] of ``top`` and ``base``, shape ``(section, x)``; NaN in columns where either has
        no salt, and of the base also where either's salt reaches the lower edge.
    """
    top, base = (
        np.abs(a - b) for a, b in zip(salt_faces(found, spacing), salt_faces(true, spacing), strict=True)
    )
    open_below = found[:, -1] | true[:, -1]
    return {"top": top, "base": np.where(open_below, np.nan, base)}


def _weights(spread: Spread, error: Array, chosen: Array) -> dict[str, float]:
    """Fit the sum of the sources to the size of the errors by non-negative least squares.

    Args:
        spread: the sections and their sources.
        error: truth minus section [m/s], shape ``(section, depth, x)``.
        chosen: True for the sections to take.
    """
    from scipy.optimize import nnls

    above = error[chosen] > 0
    columns = [
        np.where(above, each[chosen][:, 1], each[chosen][:, 0]).ravel()[::CELLS]
        for each in spread.sources.values()
    ]
    wanted = np.abs(error[chosen]).ravel()[::CELLS]
    found, _ = nnls(np.stack([*columns, np.ones_like(wanted)], axis=1), wanted)
    *weights, floor = (float(each) for each in found)
    return dict(zip(spread.sources, weights, strict=True)) | {FLOOR: max(floor, LEAST)}
