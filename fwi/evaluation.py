"""The evaluation of a run on one data set: the content of ``evaluation.json``."""

import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator

from fwi.trust.verdict import NOT_CALIBRATED, Verdict, Word


def _none_if_undefined(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_none_if_undefined)]
"""A number, or None where it is undefined, such as the top of salt without salt; JSON has no NaN."""


class Score(BaseModel):
    """One metric over the samples of a split."""

    mean: Number = None
    """Mean over the samples."""
    median: Number = None
    """Median over the samples."""
    p5: Number = None
    """5th percentile."""
    p95: Number = None
    """95th percentile."""
    low: Number = None
    """Lower end of the bootstrap 95 % interval of the mean."""
    high: Number = None
    """Upper end of the bootstrap 95 % interval of the mean."""
    samples: int | None = None
    """Number of samples for which the metric is defined."""


class PerShot(BaseModel):
    """The misfit of each shot; the lists are empty in evaluations of versions that did not store them."""

    nrms: list[Number] = []
    """NRMS of simulated against recorded gathers."""
    correlation: list[Number] = []
    """Median over the traces."""
    shift: list[Number] = []
    """Median time shift over the traces [s]; positive: simulated late."""


class CheckedSample(BaseModel):
    """The physics check of one inverted section: medians over shots, and the values of each shot."""

    sample: str
    """Split and number of the sample."""
    nrms: Number = None
    """NRMS of the simulated gathers against the records."""
    correlation: Number = None
    """Correlation of simulated with recorded traces."""
    shift: Number = None
    """Median of the size of the time shift [s]."""
    mean_model_nrms: Number = None
    """NRMS of the mean model's gathers, for comparison."""
    verdict: Word = NOT_CALIBRATED
    """Whether the section is believed, in a word."""
    probability: Number = None
    """Probability that the section is wrong; None where the verdict was not calibrated."""
    expected_mae: Number = None
    """Expected MAE [m/s]."""
    mae_interval: tuple[float, float] | None = None
    """Interval of the MAE [m/s]."""
    loudest: str | None = None
    """Name of the figure that speaks loudest against the section."""
    figures: dict[str, Number] = {}
    """The figures of the check, by the names of ``fwi.trust.figures.FIGURES``."""
    advice: str = ""
    """What to do about the section."""
    reasons: list[str] = []
    """Why, a sentence each."""
    per_shot: PerShot = PerShot()
    """The values of each shot."""


class Intervals(BaseModel):
    """The calibrated intervals of the sections, against their truth: means over the samples."""

    nominal: float
    """Coverage that the intervals were calibrated for."""
    coverage: Score
    """Share of a section's cells whose truth the interval holds."""
    width: Score
    """Mean width [m/s]."""
    constant_coverage: Score
    """Coverage of intervals of one width for all cells."""
    constant_width: Score
    """Their mean width [m/s]."""
    top_coverage: Score
    """Share of a section's columns whose true top of salt the interval holds."""
    top_width: Score
    """Mean width [m]."""
    base_coverage: Score
    """The same for the base of salt."""
    base_width: Score
    """Mean width [m]."""

    @property
    def relative_width(self) -> float | None:
        """Mean width over that of intervals of one width."""
        if self.width.mean is None or not self.constant_width.mean:
            return None
        return self.width.mean / self.constant_width.mean


class RefinedSplit(BaseModel):
    """Samples of a split whose sections were refined, scored beside the sections that were not."""

    samples: int
    """Number of sections that were refined."""
    numbers: list[int] = []
    """The samples' numbers in the split."""
    predictors: dict[str, dict[str, Score]] = {}
    """Scores by section and metric. ``network``: the start. ``candidate``: what its refinement ended with.
    ``refined``: what is returned, which is the start where the evidence is against the candidate.
    ``gradient``, if asked for: refined from a linear gradient, with the same settings and budget."""
    accepted: int = 0
    """Number of candidates that are returned."""
    worse: dict[str, Number] = {}
    """Share of the sections with a larger MAE than the start, of the candidates and of what is returned."""
    gradients: Number = None
    """Mean number of gradients per section."""
    seconds: Number = None
    """Mean time per section [s]."""
    per_sample: dict[str, dict[str, list[Number]]] = {}
    """Score of each sample, by section and metric."""
    settings: dict[str, Any] = {}
    """The section ``refine`` of the study."""
    intervals: dict[str, Intervals] = {}
    """How well intervals hold the truth of these samples: those of the ``network``'s sections, and of the
    ``refined`` ones that are returned; empty where the latter have none."""
    no_intervals: str = ""
    """Why there are none, in words."""

    @property
    def told(self) -> str:
        """Outcome of the refinements, in a sentence."""
        shares = [f"{_share(self.worse.get(kind))} of {kinds}" for kind, kinds in _KINDS.items()]
        cost = f"{self.gradients or 0:.0f} gradients and {self.seconds or 0:.0f} s per section"
        return (
            f"{self.accepted} of {self.samples} refined sections accepted; larger MAE than the network's: "
            f"{', '.join(shares)}; {cost}"
        )


_KINDS = {"candidate": "all refined sections", "refined": "those returned"}


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


class Evaluation(BaseModel):
    """The content of ``evaluation.json`` in a run folder."""

    split: str
    """The split that was scored."""
    samples: int
    """Number of its samples."""
    data: str = ""
    """Folder of the data set."""
    seconds_per_section: float | None = None
    """Time to invert one record [s]."""
    predictors: dict[str, dict[str, Score]] = {}
    """Scores by predictor (``network`` and the naive predictors that it is compared with) and metric."""
    check: list[CheckedSample] = []
    """The sections that were checked by the wave equation."""
    intervals: Intervals | None = None
    """How well the intervals hold the truth; None where the inverter has no calibrated ones."""
    captions: dict[str, str] = {}
    """Captions of ``figures/*.png`` by file stem."""
    per_sample: dict[str, list[Number]] = {}
    """The network's score of each sample, by metric."""
    refined: RefinedSplit | None = None
    """Scores after refinement, where it was asked for."""

    @property
    def believed(self) -> str:
        """How many of the checked sections are believed, in words."""
        judged = [checked.verdict for checked in self.check if checked.verdict != NOT_CALIBRATED]
        if not judged:
            plural = "" if len(self.check) == 1 else "s"
            return f"{len(self.check)} section{plural} checked, {NOT_CALIBRATED}"
        return f"{judged.count('believed')} of {len(judged)} sections believed"


class Evaluated(NamedTuple):
    """An evaluation with the sections that it describes."""

    evaluation: Evaluation
    """The scores."""
    sections: NDArray[np.float32]
    """The inverted sections [m/s], shape ``(sample, depth, x)``."""
    truth: NDArray[np.float32]
    """The true models [m/s], same shape."""
    salt: NDArray[np.uint8]
    """1 where there is salt, same shape."""
    verdicts: dict[int, Verdict]
    """The physics check of the sections that were checked, by their number."""
