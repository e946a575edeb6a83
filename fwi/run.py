"""Using a trained run: records in, velocity sections out, their physics checks, and scores of a data set.

>>> run = fwi.load_run("runs/salt")
>>> section = run.invert(gathers)
>>> verdict = run.check(section, gathers)
"""

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from fwi import checkpoints, interrupts, intervals, metrics, naive, run_folder, uncertainty, zoo
from fwi.check import SECTIONS_AT_ONCE, PhysicsCheck
from fwi.config import StudyConfig
from fwi.contributions import contributions, most_important
from fwi.data import Sample, ShotDataset
from fwi.evaluation import CheckedSample, Evaluated, Evaluation, Intervals, Score
from fwi.intervals import Calibration, Interval, UncalibratedError
from fwi.inverter import BATCH, Array, DivergedError, Inverter, load
from fwi.networks.attended import Attended, attended
from fwi.networks.offsets import CommonOffsets
from fwi.shards import refuse_another_survey
from fwi.survey import Survey
from fwi.trust.figures import measure
from fwi.trust.judge import Trust, TrustError
from fwi.trust.seen import see
from fwi.trust.verdict import Verdict, judged

if TYPE_CHECKING:
    from fwi.refine import Refined

Progress = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
"""Function of a title, a total and a unit that returns a context manager; the manager yields a function to
call with the number done so far."""


def load_run(folder: Path | str, checkpoint: Path | None = None) -> "Run":
    """Load a trained network with all that inverting and checking needs.

    Args:
        folder: the run's folder; or the name of a network of the zoo, or an inverter file, for a network
            without a folder, to which nothing can be added.
        checkpoint: take the weights of ``run_folder.LAST`` or ``BEST``; the run's inverter, which is the
            best by validation MAE, if left out.

    Raises:
        ValueError: the folder, the inverter or the checkpoint is missing, damaged, or of another study.
    """
    folder = Path(folder)
    if checkpoint is None and _without_folder(folder):
        inverter = load(folder)
        return Run(None, inverter.study, inverter, str(folder))
    study = _read_study(folder)
    return Run(folder, study, checkpoints.inverter(folder, study, checkpoint))


def study_of(run: Path | str) -> StudyConfig:
    """Read the study of a trained network, named as for ``load_run``; of one without a folder what it keeps.

    Raises:
        ValueError: it is missing or damaged.
    """
    run = Path(run)
    return load(run).study if _without_folder(run) else _read_study(run)


def _read_study(run: Path) -> StudyConfig:
    """Read the study of a run's folder, which if there is none might have been meant for a name."""
    if not run.exists():
        raise run_folder.RunError(
            f"{run}: no run here ({run_folder.CONFIG} is missing), and no network of the zoo, which has "
            f"{', '.join(zoo.names())}; train one with 'fwi train --run {shlex.quote(str(run))}'"
        )
    return run_folder.read_study(run)


def _without_folder(run: Path) -> bool:
    """Whether a trained network is an inverter file or one of the zoo; a folder goes before the zoo."""
    return run.is_file() or (not run.exists() and str(run) in zoo.names())


@contextlib.contextmanager
def silent(*_: Any) -> Iterator[Callable[[int], None]]:
    """Show no progress."""
    yield lambda _: None


class Run:
    """A trained run: it inverts records, checks sections and scores data sets.

    Args:
        folder: the run's folder; None for a network without one, such as those of the zoo.
        study: the study of the run.
        inverter: the trained inverter.
        name: name of the network in messages; the folder if left out.
    """

    def __init__(self, folder: Path | None, study: StudyConfig, inverter: Inverter, name: str = "") -> None:
        self._folder, self.study, self.inverter = folder, study, inverter
        self.name = name or str(folder)
        self.survey = inverter.survey
        self._prepared: tuple[Survey, PhysicsCheck] | None = None

    @property
    def folder(self) -> Path:
        """The run's folder.

        Raises:
            ValueError: the network has none, so that nothing can be added to it.
        """
        if self._folder is None:
            raise ValueError(
                f"{self.name} is a trained network without the folder of a run, which this would be written "
                "into: name the --run of a training, which may begin with it (--train.start)"
            )
        return self._folder

    @property
    def has_folder(self) -> bool:
        """Whether the network has the folder of a run; a network of the zoo has none."""
        return self._folder is not None

    @property
    def own_data(self) -> Path:
        """Folder of the data set that the run was trained on.

        Raises:
            ValueError: the network has no run, and so no data set of its own.
        """
        if self._folder is None:
            raise ValueError(
                f"{self.name} is a trained network without a run, and so without a data set of its own: name "
                "one with --data"
            )
        return self.study.storage.folder

    def require(self, survey: Survey, source: object) -> None:
        """Refuse records of a survey that the run's network does not serve.

        Args:
            survey: the survey of the records.
            source: their file or data set, for the message.

        Raises:
            ShardError: naming every setting that differs.
        """
        any_survey = self.inverter.any_survey
        refuse_another_survey(source, survey, self.survey, self.whose, any_survey=any_survey)

    @property
    def whose(self) -> str:
        """Description of the run's survey in messages about other surveys."""
        return f"that of the run {self.name}"

    def beyond(self, survey: Survey, live: NDArray[np.bool_] | None = None) -> str:
        """Describe the traces that the network leaves out for their offset; empty if it takes all.

        Args:
            survey: the survey of the records.
            live: which traces were recorded, shape ``(shot, receiver)``; all if left out.
        """
        sort = self.inverter.sort
        if not isinstance(sort, CommonOffsets):
            return ""
        beyond = (survey.offset > sort.farthest) & (True if live is None else live)
        if not beyond.any():
            return ""
        return f"{beyond.sum()} traces have offsets beyond {sort.farthest:.4g} m and are left out"

    def invert(self, gathers: Array, survey: Survey | None = None) -> Array:
        """Invert records to a velocity section, as ``Inverter.invert`` does.

        Args:
            gathers: pressure, shape ``(shot, time, receiver)`` or ``(batch, shot, time, receiver)``.
            survey: survey of the records; None for that of the network.

        Returns:
            P-wave speed [m/s], shape ``(depth, x)`` or ``(batch, depth, x)``.

        Raises:
            DivergedError: the network makes NaN or infinite speeds of these records.
            ValueError: the network does not serve the survey, or the records do not fit it.
        """
        try:
            return self.inverter.invert(gathers, None if survey == self.survey else survey)
        except DivergedError as error:
            raise DivergedError(f"{self.name}: {error}") from None

    def interval(self, gathers: Array, survey: Survey | None = None) -> Interval:
        """Return the interval in which the truth of inverted records lies, as ``Inverter.interval`` does.

        Args:
            gathers: pressure, shape ``(shot, time, receiver)``.
            survey: survey of the records; None for that of the network.

        Returns:
            Lower and upper ends [m/s], shape ``(depth, x)`` each, and the bands of top and base of salt [m].
        """
        return self.inverter.interval(gathers, None if survey == self.survey else survey)

    @property
    def calibration(self) -> Calibration | None:
        """Calibration of the intervals, if the inverter has one."""
        return intervals.read(self.inverter.calibration)

    def attended(self, gathers: Array, cell: tuple[int, int], survey: Survey | None = None) -> list[Attended]:
        """Compute what the network attends to in one record: see ``fwi.networks.attended``.

        Of a network that takes any survey, the contributions of the shots come first.

        Args:
            gathers: pressure, shape ``(shot, time, receiver)``.
            cell: row and column of the section whose attention weights are returned.
            survey: survey of the record; the run's own if left out.

        Raises:
            ValueError: the record does not fit the survey, or the network has no attention.
        """
        inverter = self.inverter
        shots = []
        if inverter.any_survey:
            changes = contributions(inverter, gathers, survey)
            shots = most_important(changes, (survey or self.survey).shot_x)
        batch = inverter.batch(gathers, survey).to(inverter.device)
        with torch.inference_mode(), inverter.autocast():
            maps = attended(inverter.network, batch, cell, through=lambda batch: inverter(batch, survey))
        if not shots + maps:
            attending = inverter.network.attending().items()
            found = ", ".join(f"{each.mechanism} at {place}" for place, each in attending)
            raise ValueError(
                f"no attention to look at: the network has {found or 'none'}; draw a run with "
                "model.attention, model.skip or model.bottleneck, with model.resample cross, or with "
                "model.columns offsets"
            )
        return shots + maps

    def check(
        self, velocity: Array, gathers: Array, survey: Survey | None = None, against_mean: bool = True
    ) -> Verdict:
        """Judge a section by its records: see ``fwi.check.PhysicsCheck`` and ``fwi.trust``.

        Args:
            velocity: the section [m/s], shape ``(depth, x)``.
            gathers: the record, shape ``(shot, time, receiver)``.
            survey: survey of the record; the run's own if left out.
            against_mean: compare the mean model with the record as well, on which no calibrated verdict
                depends.

        Raises:
            ValueError: the record does not fit the survey, or the section the grid.
        """
        return self.checks(np.asarray(velocity)[None], np.asarray(gathers)[None], survey, against_mean)[0]

    def checks(
        self, velocity: Array, gathers: Array, survey: Survey | None = None, against_mean: bool = True
    ) -> list[Verdict]:
        """Judge several sections, as one by one, but faster.

        Args:
            velocity: the sections [m/s], shape ``(section, depth, x)``.
            gathers: their records, shape ``(section, shot, time, receiver)``.
            survey: survey of the records; the run's own if left out.
            against_mean: compare the mean model with the records as well.

        Raises:
            ValueError: the records do not fit the survey, or the sections the grid.
        """
        survey = survey or self.survey
        checked = self.physics(survey).several(velocity, gathers, against_mean)
        try:
            trust = Trust.of(self.inverter.calibration, f"fwi calibrate --run {shlex.quote(self.name)}")
        except TrustError as reason:
            return [Verdict(each, survey, uncalibrated=str(reason)) for each in checked]
        figures = measure(checked, see(self.inverter, gathers, survey), trust.space, survey, trust.salt_speed)
        return judged(checked, survey, figures, trust)

    def simulate(self, velocity: Array, survey: Survey | None = None) -> Array:
        """Record a section on the grid of the physics check: see ``PhysicsCheck.simulate``.

        Args:
            velocity: the section [m/s], shape ``(depth, x)``.
            survey: survey to record; the run's own if left out.
        """
        return self.physics(survey or self.survey).simulate(velocity)

    def refine(
        self, section: Array | None, gathers: Array, survey: Survey | None = None, **options: Any
    ) -> "Refined":
        """Refine a section by full-waveform inversion of its records, as ``Inverter.refine`` does.

        Args:
            section: velocity to begin with [m/s], shape ``(depth, x)``; None for the network's own section.
            gathers: pressure, shape ``(shot, time, receiver)``.
            survey: survey of the records; None for that of the network.
            options: further options of ``fwi.refine.refine``.
        """
        return self.inverter.refine(section, gathers, survey, **options)

    def refined_interval(self, refined: "Refined", gathers: Array, survey: Survey | None = None) -> Interval:
        """Return the interval of the section that a refinement returns; of its start where that is returned.

        Args:
            refined: a refinement of the network's own section, with the study's settings.
            gathers: the record, shape ``(shot, time, receiver)``.
            survey: survey of the record; the run's own if left out.

        Raises:
            UncalibratedError: the intervals are not calibrated for refined sections, or not for this one.
        """
        calibration = self.calibration
        if calibration is None or calibration.refined is None:
            command = f"fwi calibrate --run {shlex.quote(self.name)} --refined 40"
            raise UncalibratedError(f"intervals of refined sections are not calibrated: {command}")
        own = self.inverter.spread(gathers, None if survey == self.survey else survey)
        intervals.require_as_calibrated(refined, own.section, calibration)
        if not refined.accepted:
            return intervals.interval(own, calibration)
        others = list(refined.starts.values())
        return intervals.refined_interval(refined.start, refined.candidate, others, own, calibration)

    def evaluate(self, dataset: ShotDataset, checks: int = 6, progress: Progress = silent) -> Evaluated:
        """Invert the samples of a data set, score them beside naive predictors, and check some by physics.

        Args:
            dataset: samples of a survey that the network serves, with their models.
            checks: how many samples, evenly spread, are checked by the wave equation.
            progress: shows the progress of the two long parts.

        Returns:
            The scores and verdicts, with the sections that they describe.

        Raises:
            ValueError: the network does not serve the survey, or has diverged.
        """
        self.require(dataset.survey, ", ".join(map(str, dataset.folders)))
        sections, truth, salt, seconds, spans = self._sections(dataset, progress)
        spacing = self.study.grid.spacing
        guesses = naive.predictions(truth, self.mean_model, spacing)
        scores = {
            predictor: metrics.score(guess, truth, salt, spacing)
            for predictor, guess in {"network": sections, **guesses}.items()
        }
        count = min(checks, len(dataset))
        chosen = np.unique(np.linspace(0, len(dataset) - 1, count).astype(int)).tolist()
        verdicts: dict[int, Verdict] = {}
        with progress("check", len(chosen), "sections") as advance:
            for first in range(0, len(chosen), SECTIONS_AT_ONCE):
                interrupts.check()
                few = chosen[first : first + SECTIONS_AT_ONCE]
                gathers = np.stack([dataset[number].gathers.float().numpy() for number in few])
                found = self.checks(sections[few], gathers, dataset.survey)
                verdicts |= dict(zip(few, found, strict=True))
                advance(len(verdicts))
        evaluation = Evaluation(
            split=dataset.split,
            samples=len(dataset),
            data=", ".join(map(str, dataset.folders)),
            seconds_per_section=seconds,
            predictors={predictor: _summaries(found) for predictor, found in scores.items()},
            check=[
                CheckedSample.model_validate({"sample": f"{dataset.split} {number}", **verdict.summary()})
                for number, verdict in verdicts.items()
            ],
            intervals=self.calibration and Intervals(nominal=self.calibration.coverage, **_summaries(spans)),
            per_sample={metric: values.tolist() for metric, values in scores["network"].items()},
        )
        return Evaluated(evaluation, sections, truth, salt, verdicts)

    @cached_property
    def mean_model(self) -> Array:
        """Mean of the training models [m/s], shape ``(depth, x)``."""
        if self._folder is None and self.inverter.mean_model is not None:
            return self.inverter.mean_model
        return run_folder.read_mean_model(self.folder)

    def _sections(
        self, dataset: ShotDataset, progress: Progress
    ) -> tuple[Array, Array, NDArray[np.uint8], float, dict[str, NDArray[Any]]]:
        """Invert all samples.

        Returns:
            Sections, true models, salt masks, seconds per section (reading and intervals excluded), and
            scores of the intervals by name, of each sample; none if they are not calibrated.
        """
        inverted, truth, salt, seconds, held = [], [], [], 0.0, []
        with progress("invert", len(dataset), "sections") as advance:
            for first in range(0, len(dataset), BATCH):
                interrupts.check()
                numbers = range(first, min(first + BATCH, len(dataset)))
                samples = [dataset[number] for number in numbers]
                batch = Sample(*(torch.stack(parts) for parts in zip(*samples, strict=True)))
                start = time.perf_counter()
                inverted.append(self.invert(batch.gathers.numpy(), dataset.survey))
                seconds += time.perf_counter() - start
                truth.append(batch.velocity.numpy())
                salt.append(batch.salt.numpy())
                if self.calibration is not None:
                    found = self.interval(batch.gathers.numpy(), dataset.survey)
                    models = inverted[-1], truth[-1], salt[-1] > 0
                    held.append(uncertainty.scores(found, *models, self.calibration))
                advance(numbers.stop)
        spans = {name: np.concatenate([each[name] for each in held]) for name in held[0]} if held else {}
        whole, true, inside = np.concatenate(inverted), np.concatenate(truth), np.concatenate(salt)
        return whole, true, inside, seconds / len(dataset), spans

    def physics(self, survey: Survey) -> PhysicsCheck:
        """Prepare the check of a survey, which simulates the mean model; the last survey's is kept."""
        if self._prepared is None or self._prepared[0] != survey:
            check = PhysicsCheck(
                survey, self.study.physics, self.study.check, self.mean_model, self.inverter.device
            )
            self._prepared = survey, check
        return self._prepared[1]


def _summaries(found: Mapping[str, NDArray[Any]]) -> dict[str, Score]:
    """Summarise scores, one of each sample, by name."""
    return {name: Score(**metrics.summarise(values)._asdict()) for name, values in found.items()}
