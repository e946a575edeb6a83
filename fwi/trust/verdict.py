"""The verdict on a section: how far to believe it, why, and what to do."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from fwi.check import Array, Checked, Misfit
from fwi.survey import Survey
from fwi.trust.calibration import HOME
from fwi.trust.cases import in_words
from fwi.trust.contradiction import Place, contradiction, strongest
from fwi.trust.figures import FIGURES
from fwi.trust.judge import COVERAGE, Judgement, Trust

Word = Literal["believed", "doubtful", "not calibrated"]
NOT_CALIBRATED: Word = "not calibrated"
"""The word of a verdict without a calibration."""
FAR = 3.0
"""Log-odds added by unfamiliar features, from which on the advice is to train on such geology."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check of one section, and what the calibrated verdict makes of it."""

    checked: Checked
    """The section, with its records and simulated gathers."""
    survey: Survey
    """Survey of the records."""
    figures: dict[str, float] = field(default_factory=dict)
    """The figures by the names of ``FIGURES``; without a calibration there are none."""
    judgement: Judgement | None = None
    """What the calibrated verdict says; None without a calibration."""
    trust: Trust | None = None
    """The calibration behind it."""
    uncalibrated: str = NOT_CALIBRATED
    """Why there is no judgement, and what would give one."""
    start: float = 0.0
    """Position of the section's first column on a longer line [m], from which places are told."""

    @property
    def believed(self) -> bool | None:
        """Whether the section is believed; None where no calibration says so."""
        return None if self.judgement is None else self.judgement.believed and not self.checked.outside

    @property
    def word(self) -> Word:
        """``believed``, ``doubtful``, or ``not calibrated``."""
        return word_of(self.believed)

    @property
    def misfit(self) -> Misfit:
        """Misfit of the section with its records."""
        return self.checked.misfit

    @property
    def mean_model(self) -> Misfit | None:
        """Misfit of the training set's mean model; None where it was not simulated."""
        return self.checked.mean_model

    @property
    def simulated(self) -> Array:
        """Gathers of the section, shape ``(shot, time, receiver)``, multiplied by the gain."""
        return self.checked.simulated

    @property
    def missing(self) -> str:
        """Shots and traces that were left out, in words; empty if none were."""
        return self.checked.missing

    @cached_property
    def contradiction(self) -> Array:
        """Where the records contradict the section, shape ``(depth, x)``: see ``fwi.trust.contradiction``."""
        return contradiction(self.checked, self.survey)

    @property
    def contradicted(self) -> Place:
        """The place where the records contradict the section most."""
        place = strongest(self.contradiction, self.survey)
        return place._replace(x=self.start + place.x)

    @property
    def loudest(self) -> str | None:
        """Name of the figure that adds most to the log-odds of being wrong; None where none adds any."""
        if self.judgement is None:
            return None
        name = max(self.judgement.odds, key=self.judgement.odds.__getitem__, default="")
        return name if name and self.judgement.odds[name] > 0 else None

    @property
    def remark(self) -> str:
        """The verdict in a few words, for the title of a figure."""
        if self.judgement is None:
            return f"NRMS {self.misfit.median.nrms:.2f}"
        return f"{self.word}, wrong with {_percent(self.judgement.probability)}"

    @property
    def reasons(self) -> tuple[str, ...]:
        """The figures that the verdict rests on, one phrase each."""
        outside = self.checked.outside
        slowest, fastest = self.survey.grid.velocity
        impossible = f"{outside:.0%} of the cells are outside {slowest:g} .. {fastest:g} m/s"
        return (*([impossible] if outside else []), *(self._judged() or self._measured()))

    @property
    def findings(self) -> tuple[str, ...]:
        """The reasons for the verdict, and what was left out, if anything was."""
        return (*self.reasons, *([self.missing] if self.missing else []))

    @property
    def advice(self) -> str:
        """What to do about a section that is doubted; empty for one that is believed."""
        if self.judgement is None or self.believed or self.trust is None:
            return ""
        place = f"look at {self.contradicted}, where the records contradict it most"
        odds = self.judgement.odds
        unlike = any(odds[name] > FAR for name in odds if FIGURES[name].of == "geology")
        loudest = self.loudest
        if unlike or (loudest and FIGURES[loudest].of == "geology"):
            return f"its records are unlike those of training: train on such geology; {place}"
        return f"refine it; {place}"

    def __str__(self) -> str:
        if self.judgement is None:
            return "; ".join([*self.findings, self.uncalibrated])
        return f"{self.word}: {'; '.join([*self.findings, *([self.advice] if self.advice else [])])}"

    def summary(self) -> dict[str, Any]:
        """The medians over shots, the values of each shot, and the judgement, for tables and files."""
        shots = {"nrms": self.misfit.nrms, "correlation": self.misfit.correlation, "shift": self.misfit.shift}
        judged = self.judgement
        return {
            **self.misfit.median._asdict(),
            "mean_model_nrms": None if self.mean_model is None else self.mean_model.median.nrms,
            "verdict": self.word,
            "probability": None if judged is None else judged.probability,
            "expected_mae": None if judged is None else judged.mae,
            "mae_interval": None if judged is None else [judged.low, judged.high],
            "loudest": self.loudest,
            "figures": self.figures,
            "advice": self.advice or (self.uncalibrated if judged is None else ""),
            "reasons": list(self.findings),
            "per_shot": {name: values.tolist() for name, values in shots.items()},
        }

    def _judged(self) -> list[str]:
        judged = self.judgement
        if judged is None or self.trust is None:
            return []
        probability, limit = _percent(judged.probability), _percent(self.trust.threshold)
        told = [
            f"wrong with a probability of {probability} (doubted from {limit})",
            f"expected MAE {judged.mae:.0f} m/s ({COVERAGE:.0%}: {judged.low:.0f} to {judged.high:.0f})",
        ]
        if self.loudest:
            figure, value = FIGURES[self.loudest], self.figures[self.loudest]
            unit = f" {figure.unit}" if figure.unit else ""
            typical = _short(self.trust.typical(self.loudest))
            told.append(f"loudest: {figure.title} {_short(value)}{unit}, typically {typical}")
        return told

    def _measured(self) -> list[str]:
        nrms, correlation, shift = self.misfit.median
        against = ""
        if self.mean_model is not None:
            mean_nrms = self.mean_model.median.nrms
            against = f", {nrms / mean_nrms:.0%} of the mean model's {mean_nrms:.2f}"
        return [
            f"NRMS {nrms:.2f}{against}",
            f"trace correlation {correlation:.2f}",
            f"time shift {shift * 1000:.1f} ms",
        ]


def word_of(believed: bool | None) -> Word:
    """The word for a section that is believed, doubted, or, where no calibration says so, neither."""
    if believed is None:
        return NOT_CALIBRATED
    return "believed" if believed else "doubtful"


def meaning(trust: Trust) -> str:
    """Say what a calibrated verdict means: when a section is wrong, and what is guaranteed."""
    home = trust.kinds.get(HOME)
    told = f"; of the network's own at home, at least {home.caught:.0%}" if home and home.wrong else ""
    return f"A section is wrong that has {in_words(trust.limits)}; {trust.guarantee}{told}"


def judged(checked: list[Checked], survey: Survey, figures: dict[str, Any], trust: Trust) -> list[Verdict]:
    """Give the verdicts on sections that were checked.

    Args:
        checked: the sections with their simulated gathers.
        survey: survey of the records.
        figures: the figures of the check by name, shape ``(section,)`` each.
        trust: the calibrated verdict.
    """
    return [
        Verdict(
            each,
            survey,
            {name: float(values[number]) for name, values in figures.items() if np.isfinite(values[number])},
            judgement,
            trust,
        )
        for number, (each, judgement) in enumerate(zip(checked, trust.judge(figures), strict=True))
    ]


def _short(value: float) -> str:
    """Two digits, without an exponent for hundreds and thousands."""
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def _percent(probability: float) -> str:
    """Format a probability; thresholds can be far below one percent."""
    if probability >= 0.01:
        return f"{probability:.0%}"
    return f"{100 * probability:.1g}%" if probability >= 1e-6 else "under 0.0001%"
