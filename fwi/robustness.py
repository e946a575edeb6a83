"""How the error of a run grows as records get worse: the content of ``robustness.json``.

>>> result = measure(run, dataset, samples=40)
>>> result.row("white").cases[0].ratio

Every run is scored on the same records: the random numbers of a corruption depend on its name and on the
number of the sample alone, not on the study, its seed, or what else is measured.
"""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from fwi import interrupts, metrics, plots
from fwi.data import Sample, ShotDataset
from fwi.evaluation import Number, Score
from fwi.inverter import BATCH, Array
from fwi.robustness_rows import Row, rows, source_of
from fwi.run import Progress, Run, silent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = 25
"""Characters of a cell of the table on the terminal."""


class Errors(BaseModel):
    """The errors of the sections that were inverted from some records."""

    mae: Score = Score()
    """Mean absolute error [m/s]."""
    salt_iou: Score = Score()
    """Intersection over union of true and inverted salt."""


class Case(Errors):
    """The errors on the records of a row at one of its strengths."""

    strength: float
    """How strong the corruption is, in the row's unit."""
    ratio: Number = None
    """The mean MAE divided by that on clean records."""
    refused: str = ""
    """Why these records could not be made or inverted; there are no errors then."""

    @property
    def words(self) -> str:
        """The errors as a cell of a table."""
        return "refused" if self.refused else f"{_cell(self)} x{_shown(self.ratio, 2)}"


class MeasuredRow(BaseModel):
    """A row of the table: the errors at each strength, from mild to severe."""

    name: str
    """Name of the row in files."""
    title: str
    """Name of the row in tables."""
    unit: str = ""
    """Unit of the strengths."""
    cases: list[Case]
    """The errors at each strength."""

    @property
    def heading(self) -> str:
        """The title and the unit of the strengths."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title


class Robustness(BaseModel):
    """The content of ``robustness.json`` in a run folder."""

    split: str
    """The split whose records were made worse."""
    samples: int
    """Number of its samples that were taken."""
    data: str = ""
    """Folder of the data set."""
    seed: int = 0
    """Seed of the corruptions."""
    clean: Errors
    """The errors on clean records."""
    mean_model: Errors
    """The errors of the training models' mean, which does not depend on the records."""
    rows: list[MeasuredRow]
    """The ways in which the records were made worse."""

    def row(self, name: str) -> MeasuredRow:
        """Return the row of a name.

        Raises:
            KeyError: there is none.
        """
        return {row.name: row for row in self.rows}[name]

    @property
    def caption(self) -> str:
        """A sentence for the figure."""
        return (
            f"MAE against the strength of what the records suffer, {self.samples} {self.split} samples, with "
            "the 95 % interval of the mean; thin line: clean records; dashed: mean model"
        )

    def figure(self) -> "Figure":
        """Draw the errors against the strengths: see ``fwi.plots.error_by_strength``."""
        panels = [
            plots.StrengthPanel(
                row.heading,
                [f"{case.strength:g}" for case in row.cases],
                [(case.mae.mean, case.mae.low, case.mae.high) for case in row.cases],
            )
            for row in self.rows
        ]
        return plots.error_by_strength(panels, self.clean.mae.mean, self.mean_model.mae.mean)

    def table(self) -> str:
        """Return the errors as text, a row per line: MAE, salt IoU and ratio at each strength."""
        width = max(len(row.heading) for row in self.rows) + 2
        lines = [
            f"{'':<{width}}strength: MAE in m/s (salt IoU) x MAE by that of clean records",
            f"{'Clean records':<{width}}{_cell(self.clean)}",
            f"{'Mean model':<{width}}{_cell(self.mean_model)}",
        ]
        for row in self.rows:
            cells = "".join(f"{case.strength:g}: {case.words}".ljust(CELL) for case in row.cases)
            lines.append(f"{row.heading:<{width}}{cells}".rstrip())
        return "\n".join([*lines, *(f"refused: {reason}" for reason in self.refusals)])

    @property
    def refusals(self) -> list[str]:
        """The reasons for which records were refused, each once, with the rows that it concerns."""
        concerned: dict[str, dict[str, None]] = {}
        for row in self.rows:
            for case in row.cases:
                if case.refused:
                    concerned.setdefault(case.refused, {})[row.heading] = None
        return [f"{', '.join(headings)}: {reason}" for reason, headings in concerned.items()]


def measure(
    run: Run,
    dataset: ShotDataset,
    samples: int | None = None,
    progress: Progress = silent,
    seed: int = 0,
    worse: Mapping[str, Row] | None = None,
) -> Robustness:
    """Score a run on the records of a data set, and on the same records made worse in many ways.

    Records that cannot be made, or that the network refuses, leave their case without errors and with the
    reason.

    Args:
        run: the run, with any network.
        dataset: samples of a survey that the network serves, with their models.
        samples: how many samples, evenly spread, are inverted; all of them if left out.
        progress: shows the progress.
        seed: seed of the corruptions.
        worse: the rows by name; those of ``fwi.robustness_rows.rows`` if left out.

    Raises:
        ValueError: the network does not serve the survey, or has diverged.
    """
    survey = dataset.survey
    run.require(survey, ", ".join(map(str, dataset.folders)))
    if worse is None:
        finer, simulate = run.study.check.finer, functools.partial(run.simulate, survey=survey)
        worse = rows(survey, finer, simulate)
    count = len(dataset) if samples is None else min(samples, len(dataset))
    numbers = np.unique(np.linspace(0, len(dataset) - 1, count).astype(int)).tolist()
    cases = [(name, strength, _Errors()) for name, row in worse.items() for strength in row.strengths]
    clean, mean_model, done = _Errors(), _Errors(), 0
    with progress("robustness", len(numbers) * (1 + len(cases)), "sections") as advance:
        for batch in (numbers[first : first + BATCH] for first in range(0, len(numbers), BATCH)):
            read = [dataset[number] for number in batch]
            truth = Sample(*(torch.stack(parts).float() for parts in zip(*read, strict=True)))
            clean.add(run.invert(truth.gathers.numpy(), survey), truth)
            mean_model.add(np.broadcast_to(run.mean_model, truth.velocity.shape), truth)
            advance(done := done + len(batch))
            for name, strength, errors in cases:
                if not errors.refused:
                    try:
                        records = _worse(worse[name], name, strength, truth, batch, seed)
                        errors.add(run.invert(records, survey), truth)
                    except ValueError as error:
                        errors.refused = str(error) or type(error).__name__
                advance(done := done + len(batch))
    of_clean = clean.summary()
    found: dict[str, list[Case]] = {name: [] for name in worse}
    for name, strength, errors in cases:
        found[name].append(_case(strength, errors, of_clean))
    return Robustness(
        split=dataset.split,
        samples=len(numbers),
        data=", ".join(map(str, dataset.folders)),
        seed=seed,
        clean=of_clean,
        mean_model=mean_model.summary(),
        rows=[
            MeasuredRow(name=name, title=row.title, unit=row.unit, cases=found[name])
            for name, row in worse.items()
        ],
    )


class _Errors:
    """MAE and salt IoU of sections, gathered batch by batch; or why there are none."""

    def __init__(self) -> None:
        self.mae: list[Tensor] = []
        self.salt_iou: list[Tensor] = []
        self.refused = ""

    def add(self, sections: NDArray[np.float32], truth: Sample) -> None:
        prediction = torch.from_numpy(np.array(sections))
        self.mae.append(metrics.mae(prediction, truth.velocity))
        self.salt_iou.append(metrics.salt_iou(prediction, truth.velocity, truth.salt))

    def summary(self) -> Errors:
        return Errors(mae=_score(self.mae), salt_iou=_score(self.salt_iou))


def _score(values: list[Tensor]) -> Score:
    return Score(**metrics.summarise(torch.cat(values).numpy())._asdict())


def _worse(row: Row, name: str, strength: float, truth: Sample, numbers: list[int], seed: int) -> Array:
    """Make the records of some samples worse, shape ``(sample, shot, time, receiver)``."""
    records = []
    for number, gathers, velocity in zip(numbers, truth.gathers, truth.velocity, strict=True):
        interrupts.check()
        random = source_of(seed, name, number)
        # A copy, which may be changed in place.
        records.append(row.records(gathers.numpy().copy(), velocity.numpy(), strength, random))
    return np.stack(records)


def _case(strength: float, found: _Errors, clean: Errors) -> Case:
    if found.refused:
        return Case(strength=strength, refused=found.refused)
    errors = found.summary()
    ratio = errors.mae.mean / clean.mae.mean if errors.mae.mean is not None and clean.mae.mean else None
    return Case(strength=strength, ratio=ratio, mae=errors.mae, salt_iou=errors.salt_iou)


def _cell(errors: Errors) -> str:
    mae, iou = errors.mae.mean, errors.salt_iou.mean
    return f"{_shown(mae, 0 if mae is not None and mae >= 99.95 else 1)} ({_shown(iou, 2)})"


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
