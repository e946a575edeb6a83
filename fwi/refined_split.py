"""Refinement of the sections of a split, and its scores beside the network's own.

>>> refined = refine_split(run, dataset, sections, numbers=[0, 20, 39])
>>> refined.split.worse["refined"]
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwi import metrics, naive, plots, uncertainty
from fwi.config import RefineConfig
from fwi.data import ShotDataset
from fwi.evaluation import Intervals, RefinedSplit, Score
from fwi.intervals import Calibration, Interval, UncalibratedError
from fwi.run import Progress, Run, silent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fwi.refine import Refined

Array = NDArray[np.float32]

DRAWN = 6
"""Largest number of samples in a figure."""


class RefinedSections(NamedTuple):
    """The scores of refined sections, and the sections."""

    split: RefinedSplit
    """The scores."""
    rows: list[plots.RefinedRow]
    """The sections with their starts and truths."""

    def figure(self, spacing: float, velocity_range: tuple[float, float]) -> "Figure":
        """Draw some of the sections, evenly spread: see ``fwi.plots.refined_sections``."""
        shown = np.unique(np.linspace(0, len(self.rows) - 1, DRAWN).astype(int))
        return plots.refined_sections([self.rows[number] for number in shown], spacing, velocity_range)


def refine_split(
    run: Run,
    dataset: ShotDataset,
    sections: Array,
    numbers: Sequence[int],
    config: RefineConfig | None = None,
    against_gradient: bool = False,
    progress: Progress = silent,
    journals: Path | None = None,
) -> RefinedSections:
    """Refine sections of some samples of a data set, and score them.

    Args:
        run: the run.
        dataset: the samples, with their models.
        sections: the sections of all samples [m/s], shape ``(sample, depth, x)``, to begin with.
        numbers: the samples to refine.
        config: settings of the refinement; those of the run's study if left out.
        against_gradient: also refine from speeds that grow linearly with depth, fitted to the mean of the
            training models.
        progress: shows the progress.
        journals: folder that keeps the gradients until all sections are refined, so that the same call goes
            on after an interruption.

    Raises:
        ValueError: the data set has another survey than the network serves.
        KeyboardInterrupt: a refinement was interrupted.
    """
    config = config or run.study.refine
    gradient = naive.linear_gradient(run.mean_model)
    found: dict[str, list[Array]] = {name: [] for name in ("network", "candidate", "refined", "gradient")}
    refinements, truth, salt, rows = [], [], [], []
    before, after, uncalibrated = [], [], ""
    with progress("refine", len(numbers), "sections") as advance:
        for done, number in enumerate(numbers, start=1):
            sample = dataset[number]
            gathers = sample.gathers.float().numpy()
            options = {"config": config, "journal": _journal(journals, f"{number}")}
            refined = finished(run.refine(sections[number], gathers, dataset.survey, **options))
            refinements.append(refined)
            found["network"].append(sections[number])
            found["candidate"].append(refined.candidate)
            found["refined"].append(refined.section)
            if against_gradient:
                options["journal"] = _journal(journals, f"{number}-gradient")
                other = finished(run.refine(gradient, gathers, dataset.survey, **options))
                found["gradient"].append(other.candidate)
            truth.append(sample.velocity.numpy())
            salt.append(sample.salt.numpy())
            remark = "" if refined.accepted else "not accepted"
            name = f"{dataset.split} {number}"
            row = plots.RefinedRow(name, sections[number], refined.candidate, truth[-1], salt[-1] > 0, remark)
            rows.append(row)
            try:
                after.append(run.refined_interval(refined, gathers, dataset.survey))
                before.append(run.interval(gathers, dataset.survey))
            except UncalibratedError as reason:
                uncalibrated = str(reason)
            advance(done)
    scores = {
        name: metrics.score(np.stack(each), np.stack(truth), np.stack(salt), run.study.grid.spacing)
        for name, each in found.items()
        if each
    }
    mae = scores["network"]["mae"]
    intervals, calibration = {}, run.calibration
    if calibration is not None and not uncalibrated:
        models = np.stack(truth), np.stack(salt) > 0
        intervals = _intervals(calibration, before, after, refinements, *models)
    split = RefinedSplit(
        samples=len(numbers),
        numbers=list(numbers),
        predictors={name: _summaries(values) for name, values in scores.items()},
        accepted=sum(refined.accepted for refined in refinements),
        worse={kind: float(np.mean(scores[kind]["mae"] > mae)) for kind in ("candidate", "refined")},
        gradients=float(np.mean([refined.gradients for refined in refinements])),
        seconds=float(np.mean([refined.seconds for refined in refinements])),
        per_sample={
            name: {metric: each.tolist() for metric, each in values.items()}
            for name, values in scores.items()
        },
        settings=config.model_dump(mode="json"),
        intervals=intervals,
        no_intervals=uncalibrated,
    )
    if journals is not None:
        shutil.rmtree(journals, ignore_errors=True)
    return RefinedSections(split, rows)


def _intervals(
    calibration: Calibration,
    before: Sequence[Interval],
    after: Sequence[Interval],
    refinements: "Sequence[Refined]",
    truth: Array,
    salt: NDArray[np.bool_],
) -> dict[str, Intervals]:
    """Score the intervals of the network's sections, and of those that are returned.

    The interval of one width, for comparison, is that of each section's own kind.
    """
    starts, returned = (np.stack([getattr(each, of) for each in refinements]) for of in ("start", "section"))
    by_refined = calibration.model_copy(update={"network": calibration.refined})
    network, of_start, of_candidate = (
        uncertainty.scores(_stacked(found), sections, truth, salt, by)
        for found, sections, by in (
            (before, starts, calibration),
            (after, returned, calibration),
            (after, returned, by_refined),
        )
    )
    accepted = np.array([each.accepted for each in refinements])
    refined = {name: np.where(accepted, of_candidate[name], each) for name, each in of_start.items()}
    return {
        name: Intervals(nominal=calibration.coverage, **_summaries(each))
        for name, each in (("network", network), ("refined", refined))
    }


def _stacked(found: Sequence[Interval]) -> Interval:
    return Interval(*(np.stack(parts) for parts in zip(*found, strict=True)))


def _summaries(found: Mapping[str, NDArray[Any]]) -> dict[str, Score]:
    return {name: Score(**metrics.summarise(values)._asdict()) for name, values in found.items()}


def _journal(folder: Path | None, name: str) -> Path | None:
    return None if folder is None else folder / f"{name}.journal"


def finished(refined: "Refined") -> "Refined":
    """Return a refinement, unless it was interrupted: it would be scored as a whole one."""
    if refined.stopped == "interrupted":
        interrupted = KeyboardInterrupt()
        interrupted.add_note("the same command goes on from the gradients that it has computed")
        raise interrupted
    return refined
