"""How far a network's sections may be off: calibration on sections of known truth, several networks, scores.

>>> inverter.calibration["uncertainty"] = calibrate(inverter, validation).model_dump(mode="json")
>>> lower, upper, top, base = inverter.interval(gathers)
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fwi import interrupts, metrics
from fwi.data import ShotDataset
from fwi.interval_fit import calibrate_refined, fit
from fwi.intervals import Calibration, Interval, Scale, Spread, interval, refined_interval, salt_faces
from fwi.inverter import BATCH, Inverter
from fwi.survey import Survey

__all__ = [
    "Calibration",
    "Interval",
    "Scale",
    "Spread",
    "calibrate",
    "calibrate_refined",
    "interval",
    "joint_spread",
    "refined_interval",
    "scores",
]

Array = NDArray[Any]


def calibrate(
    inverter: Inverter,
    dataset: ShotDataset,
    coverage: float = 0.9,
    confidence: float | None = None,
    members: Sequence[Inverter] = (),
) -> Calibration:
    """Calibrate the intervals of an inverter on sections that its weights were not fitted on.

    The guarantee is for sections of the same kind: of a record from another geology nothing is promised.

    Args:
        inverter: the inverter; without a head for the spread its intervals have one width for all cells.
        dataset: records of a survey that it takes, with their true models.
        coverage: share of the cells of a section, of the tops and of the bases of its salt, that intervals
            are to hold.
        confidence: probability, over the draw of the sections, with which the expected coverage is at least
            this; None for a coverage that is reached on average over that draw, with narrower intervals.
        members: further inverters whose sections are averaged with its own, as by ``joint_spread``.

    Raises:
        ValueError: the inverter does not serve the survey, or there are too few sections for the guarantee.
    """
    found = list(_spreads([inverter, *members], dataset))
    sections = Spread(
        np.concatenate([spread.section for spread, _, _ in found]),
        {
            name: np.concatenate([spread.sources[name] for spread, _, _ in found])
            for name in found[0][0].sources
        },
    )
    truth, salt = (np.concatenate([each[number] for each in found]) for number in (1, 2))
    grid = inverter.study.grid
    threshold = salt_threshold(truth, salt, grid.velocity[1])
    return Calibration(
        coverage=coverage,
        confidence=confidence,
        threshold=threshold,
        velocity=grid.velocity,
        spacing=grid.spacing,
        network=fit(sections, truth, salt, threshold, grid.spacing, coverage, confidence),
    )


def salt_threshold(truth: Array, salt: Array, fastest: float) -> float:
    """Return the speed from which a cell counts as salt where the truth is not known [m/s].

    It is the median of those that separate salt from sediment in the true models; the fastest speed if there
    is none.

    Args:
        truth: true models [m/s], shape ``(section, depth, x)``.
        salt: true where there is salt, same shape.
        fastest: the fastest speed [m/s].
    """
    speeds = metrics.salt_threshold(torch.from_numpy(truth), torch.from_numpy(salt)).numpy()
    return float(np.nanmedian(speeds)) if np.isfinite(speeds).any() else fastest


def joint_spread(inverters: Sequence[Inverter], gathers: Array, survey: Survey | None = None) -> Spread:
    """Invert records by several inverters: the mean of their sections and spreads, and how much they differ.

    Args:
        inverters: inverters of one grid, such as those of trainings with other seeds.
        gathers: pressure, shape ``(shot, time, receiver)``, or ``(batch, shot, time, receiver)``.
        survey: survey of the records; the inverters' own if left out.

    Returns:
        The mean section and the mean of each source; of two or more inverters also the source ``members``,
        the standard deviation of their sections.

    Raises:
        ValueError: an inverter cannot serve the records.
    """
    found = [each.spread(gathers, survey) for each in inverters]
    common = set.intersection(*(set(each.sources) for each in found))
    sources = {name: np.mean([each.sources[name] for each in found], axis=0) for name in sorted(common)}
    sections = np.stack([each.section for each in found])
    if len(found) > 1:
        deviation = sections.std(axis=0)
        sources["members"] = np.stack([deviation, deviation], axis=-3)
    return Spread(sections.mean(axis=0), sources)


def scores(
    found: Interval, section: Array, truth: Array, salt: Array, calibration: Calibration
) -> dict[str, Array]:
    """Score the intervals of sections of known truth, section by section.

    Args:
        found: the intervals of a batch of sections.
        section: the sections [m/s], shape ``(section, depth, x)``.
        truth: the true models [m/s], same shape.
        salt: True where the truth is salt, same shape.
        calibration: what the intervals were made with.

    Returns:
        By name, one number per section: ``coverage``, the share of cells whose truth the interval holds, and
        ``width``, the intervals' mean width [m/s]; both also of intervals of one width for all cells
        (``constant_coverage``, ``constant_width``), and of the intervals of top and base of salt [m]
        (``top_coverage``, ``top_width``, ``base_coverage``, ``base_width``), over the columns in which
        section and truth have them; NaN where there is none.
    """
    slowest, fastest = calibration.velocity
    half = calibration.network.constant
    low, high = np.clip(section - half, slowest, fastest), np.clip(section + half, slowest, fastest)
    values = {
        "coverage": _share((found.lower <= truth) & (truth <= found.upper)),
        "width": (found.upper - found.lower).mean(axis=(1, 2)),
        "constant_coverage": _share((low <= truth) & (truth <= high)),
        "constant_width": (high - low).mean(axis=(1, 2)),
    }
    top, base = salt_faces(salt, calibration.spacing)
    base = np.where(salt[:, -1], np.nan, base)
    for name, band, true in (("top", found.top, top), ("base", found.base, base)):
        shallow, deep = np.moveaxis(band, -2, 0)
        counted = ~np.isnan(shallow) & ~np.isnan(true)
        held = counted & (shallow <= true) & (true <= deep)
        columns = np.where(counted.any(axis=-1), counted.sum(axis=-1), np.nan)
        values[f"{name}_coverage"] = held.sum(axis=-1) / columns
        values[f"{name}_width"] = np.where(counted, deep - shallow, 0).sum(axis=-1) / columns
    return values


def _share(held: NDArray[np.bool_]) -> Array:
    share: Array = held.mean(axis=(1, 2))
    return share


def _spreads(
    inverters: Sequence[Inverter], dataset: ShotDataset
) -> Iterator[tuple[Spread, Array, NDArray[np.bool_]]]:
    """Invert a data set batch by batch; yields spread, true models and salt masks."""
    own = dataset.survey == inverters[0].survey
    for first in range(0, len(dataset), BATCH):
        interrupts.check()
        samples = [dataset[number] for number in range(first, min(first + BATCH, len(dataset)))]
        gathers = torch.stack([each.gathers for each in samples]).numpy()
        spread = joint_spread(inverters, gathers, None if own else dataset.survey)
        truth, salt = (torch.stack([each[part] for each in samples]).numpy() for part in (1, 2))
        yield spread, truth, salt > 0
