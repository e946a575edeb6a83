"""The evaluation of a run on one data set: the content of ``evaluation.json``."""

import math
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator

from fwi.check import Verdict


def _none_if_undefined(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_none_if_undefined)]
"""A number, or None where it is undefined, such as the top of salt without salt; JSON has no NaN."""


class Score(BaseModel):
    """One metric over the samples of a split."""

    mean: Number = None
    median: Number = None
    p5: Number = None
    p95: Number = None
    low: Number = None
    """Lower end of the bootstrap 95 % interval of the mean."""
    high: Number = None
    """Upper end of the bootstrap 95 % interval of the mean."""
    samples: int | None = None


class PerShot(BaseModel):
    """The misfit of each shot; the lists are empty in evaluations of versions that did not store them."""

    nrms: list[Number] = []
    correlation: list[Number] = []
    """Median over the traces."""
    shift: list[Number] = []
    """Median time shift over the traces [s]; positive: simulated late."""


class CheckedSample(BaseModel):
    """The physics check of one inverted section: medians over shots, and the values of each shot."""

    sample: str
    nrms: Number = None
    correlation: Number = None
    shift: Number = None
    """Median of the size of the time shift [s]."""
    mean_model_nrms: Number = None
    verdict: Literal["believed", "doubtful"]
    reasons: list[str] = []
    per_shot: PerShot = PerShot()


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
        """Mean width by that of intervals of one width."""
        if self.width.mean is None or not self.constant_width.mean:
            return None
        return self.width.mean / self.constant_width.mean


class Evaluation(BaseModel):
    """The content of ``evaluation.json`` in a run folder."""

    split: str
    samples: int
    data: str = ""
    seconds_per_section: float | None = None
    predictors: dict[str, dict[str, Score]] = {}
    """Scores by predictor (``network`` and the naive predictors that it is compared with) and metric."""
    check: list[CheckedSample] = []
    intervals: Intervals | None = None
    """How well the intervals hold the truth; None where the inverter has no calibrated ones."""
    captions: dict[str, str] = {}
    """Captions of ``figures/*.png`` by file stem."""
    per_sample: dict[str, list[Number]] = {}
    """The network's score of each sample, by metric."""


class Evaluated(NamedTuple):
    """An evaluation with the sections that it describes."""

    evaluation: Evaluation
    sections: NDArray[np.float32]
    """The inverted sections [m/s], shape ``(sample, depth, x)``."""
    truth: NDArray[np.float32]
    """The true models [m/s], same shape."""
    salt: NDArray[np.uint8]
    """1 where there is salt, same shape."""
    verdicts: dict[int, Verdict]
    """The physics check of the sections that were checked, by their number."""
