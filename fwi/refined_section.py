"""The refinement of one section on file: the content of ``NAME-refined.json``, and its figures.

>>> refined = run.refine(section, gathers)
>>> RefinedSection.of(refined, "test 0", study)
"""

import hashlib
import json
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from fwi import metrics, plots
from fwi.config import StudyConfig
from fwi.evaluation import Number
from fwi.intervals import Interval
from fwi.provenance import provenance
from fwi.refine import Refined
from fwi.refine.source import SourceMatch
from fwi.survey import Survey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float32]

SHOTS = 3
"""Number of shots in the figure of residuals."""
SETTINGS = ("physics", "check", "refine")
"""Sections of the study that a refinement depends on, besides its grid and survey."""


class Step(BaseModel):
    """One step of the minimisation."""

    gradients: float
    """Number of gradients of all shots so far; one of half the shots counts as half."""
    stage: str
    """Stage of the refinement."""
    misfit: Number = None
    """What is minimised: the misfit of the fitted records plus the penalty of a rough section."""
    data_misfit: Number = None
    """Misfit with the records alone."""
    seconds: Number = None
    """Duration so far [s]."""


class RefinedInterval(BaseModel):
    """The calibrated interval of the section that is returned."""

    nominal: float
    """Share of the cells that such intervals are calibrated to hold."""
    width: float
    """Mean width [m/s]."""
    held: Number = None
    """Share of the cells whose truth it holds, where that is known."""
    files: list[str]
    """Names of the files of both ends, without suffix."""

    @classmethod
    def of(cls, found: Interval, nominal: float, files: list[str], truth: Array | None) -> "RefinedInterval":
        """Describe an interval that is written to files.

        Args:
            found: the interval.
            nominal: share of the cells that it is calibrated to hold.
            files: names of the files of both ends.
            truth: the true model [m/s], shape ``(depth, x)``, where it is known.
        """
        held = None if truth is None else float(np.mean((found.lower <= truth) & (truth <= found.upper)))
        return cls(nominal=nominal, width=float((found.upper - found.lower).mean()), held=held, files=files)

    def __str__(self) -> str:
        holds = "" if self.held is None else f", holds {self.held:.0%} of the truth"
        return f"{100 * self.nominal:g} % interval: +-{self.width / 2:.0f} m/s on average{holds}"


class RefinedSection(BaseModel):
    """The refinement of one section: its evidence, history, settings and origin."""

    name: str
    """Name of the section."""
    records: str = ""
    """The records that were fitted, in words."""
    accepted: bool
    """Whether the refined section is returned; otherwise the start is."""
    reason: str
    """Why the refined section is returned, or why not."""
    stopped: Literal["converged", "budget", "noise", "interrupted"]
    """What ended the refinement."""
    gradients: float
    """Number of gradients of all shots."""
    seconds: float
    """Duration [s]."""
    held_out_before: Number = None
    """Misfit of the shots that were held out, for the start."""
    held_out_after: Number = None
    """The same, of the refined section."""
    held_out: list[int] = []
    """The shots that were held out."""
    source: str = ""
    """Properties of the source that were estimated from the records."""
    scores: dict[str, dict[str, Number]] = {}
    """Scores by section (``start``, ``candidate``, ``returned``) and metric, where the truth is known."""
    interval: RefinedInterval | None = None
    """Interval of the section that is returned, where the run's intervals are calibrated for refined
    sections."""
    history: list[Step] = []
    """The state after each gradient."""
    captions: dict[str, str] = {}
    """Captions of the figures by file stem."""
    settings: dict[str, Any] = {}
    """The study's settings by which it was refined."""
    identity: str = ""
    """Checksum of start, records and survey."""
    provenance: dict[str, Any] = {}
    """Time, command, versions and machine."""

    @classmethod
    def of(
        cls,
        refined: Refined,
        name: str,
        study: StudyConfig,
        records: str = "",
        truth: Array | None = None,
        salt: NDArray[Any] | None = None,
        identity: str = "",
    ) -> "RefinedSection":
        """Describe a refinement.

        Args:
            refined: the refinement.
            name: name of the section.
            study: the study, for its settings.
            records: the records that were fitted, in words.
            truth: the true model [m/s], shape ``(depth, x)``, where it is known.
            salt: where the truth is salt, same shape.
            identity: see ``identity_of``.
        """
        sections = {"start": refined.start, "candidate": refined.candidate, "returned": refined.section}
        scores = {}
        if truth is not None and salt is not None:
            scores = {
                title: {metric: float(values[0]) for metric, values in found.items()}
                for title, section in sections.items()
                for found in [metrics.score(section[None], truth[None], salt[None], study.grid.spacing)]
            }
        return cls(
            name=name,
            records=records,
            accepted=refined.accepted,
            reason=refined.reason,
            stopped=refined.stopped,
            gradients=refined.gradients,
            seconds=refined.seconds,
            held_out_before=refined.held_out_before,
            held_out_after=refined.held_out_after,
            held_out=list(refined.held_out),
            source=_source(refined.source),
            scores=scores,
            history=[Step(**step._asdict()) for step in refined.history],
            settings=settings_of(study),
            identity=identity,
            provenance=provenance(),
        )

    @property
    def verdict(self) -> str:
        """``accepted`` or ``not accepted``."""
        return "accepted" if self.accepted else "not accepted"

    @property
    def against_truth(self) -> str:
        """Errors of the start and of the section returned, in words; empty where no truth is known."""
        if not self.scores:
            return ""
        start, returned = self.scores["start"], self.scores["returned"]
        told = [f"MAE {start['mae']:.1f} -> {returned['mae']:.1f} m/s"]
        if start["salt_iou"] is not None and returned["salt_iou"] is not None:
            told.append(f"salt IoU {start['salt_iou']:.2f} -> {returned['salt_iou']:.2f}")
        return ", ".join(told)

    def __str__(self) -> str:
        ended = {
            "converged": "converged",
            "budget": "budget spent",
            "noise": "stopped at the noise",
            "interrupted": "interrupted",
        }[self.stopped]
        cost = f"{self.gradients:.0f} gradients in {_duration(self.seconds)}, {ended}"
        return f"{self.verdict}: {self.reason}; {cost}"


def identity_of(start: Array, gathers: Array, survey: Survey) -> str:
    """Compute a checksum of what is refined.

    Args:
        start: the section to begin with, shape ``(depth, x)``.
        gathers: the record, shape ``(shot, time, receiver)``.
        survey: survey of the record.
    """
    content = hashlib.sha256(json.dumps(survey.to_dict(), sort_keys=True).encode())
    for array in (start, gathers):
        content.update(np.ascontiguousarray(array, dtype="<f4").data)
    return content.hexdigest()


def settings_of(study: StudyConfig) -> dict[str, Any]:
    """Return the settings that decide a refinement, as plain values."""
    return study.model_dump(mode="json", include=set(SETTINGS))


def figures(
    refined: Refined,
    name: str,
    survey: Survey,
    truth: Array | None = None,
    salt: NDArray[Any] | None = None,
) -> "dict[str, Figure]":
    """Draw a refinement: ``sections``, ``misfit`` (where there was a step), and ``gathers``.

    Args:
        refined: the refinement.
        name: name of the section.
        survey: survey of the records.
        truth: the true model [m/s], shape ``(depth, x)``, where it is known.
        salt: where the truth is salt, same shape.
    """
    remark = "" if refined.accepted else "not accepted"
    inside = None if salt is None else np.asarray(salt) > 0
    row = plots.RefinedRow(name, refined.start, refined.candidate, truth, inside, remark)
    drawn = {"sections": plots.refined_sections([row], survey.grid.spacing, survey.grid.velocity)}
    if refined.history:
        points = [
            plots.MisfitPoint(step.gradients, step.stage, step.misfit, step.data_misfit)
            for step in refined.history
        ]
        drawn["misfit"] = plots.misfit_over_gradients(
            points, (refined.held_out_before, refined.held_out_after)
        )
    recorded_shots = np.flatnonzero(np.any(refined.recorded, axis=(1, 2)))
    shown = np.unique(recorded_shots[np.linspace(0, len(recorded_shots) - 1, SHOTS).astype(int)])
    shots = []
    for shot in shown:
        live = np.any(refined.recorded[shot], axis=0)
        gathers = (refined.recorded[shot], live * refined.before[shot], live * refined.after[shot])
        shots.append(plots.GatherRow(f"shot {shot}", *gathers, survey.receiver_x[shot]))
    drawn["gathers"] = plots.residuals(shots, survey.recorded_dt)
    return drawn


CAPTIONS = {
    "sections": "start and refined section; the line is the true salt's outline, where it is known",
    "misfit": "misfit against gradients; diamonds: shots held out, at the start and until they are fitted",
    "gathers": "shots as recorded, and what the start and the refined section leave of them",
}
"""Captions of the figures of a refinement."""


def _source(match: SourceMatch) -> str:
    """Describe what was estimated of the source; shots that are silent have no gain and are left out."""
    shots = match.gain != 0
    if not shots.any():
        return ""
    gain, delay = match.gain[shots], 1000 * match.delay[shots]
    told = [f"gain {_range(gain)}"]
    if match.delay.any():
        told.append(f"delay {_range(delay)} ms")
    if match.wavelet is not None:
        told.append(f"a filter of the wavelet over {1000 * match.dt * (len(match.wavelet) - 1):.0f} ms")
    return ", ".join(told)


def _range(values: Tensor) -> str:
    low, high = f"{float(values.min()):.3g}", f"{float(values.max()):.3g}"
    return low if low == high else f"{low} to {high}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
