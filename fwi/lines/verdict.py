"""The verdict on the section of a line: one of each stretch, and what they say together."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwi.survey import Survey
from fwi.trust.verdict import NOT_CALIBRATED, Verdict, Word, word_of

Array = NDArray[np.float32]


class Stretch(NamedTuple):
    """A stretch of a line that was checked by itself."""

    first: int
    """Column of the line in which it begins; negative where the line is shorter than a window."""
    verdict: Verdict
    """The verdict on it."""


@dataclass(frozen=True)
class LineVerdict:
    """The verdicts on all stretches of a line."""

    stretches: tuple[Stretch, ...]
    """The stretches, from one end of the line to the other."""
    survey: Survey
    """Survey of the line."""

    @property
    def believed(self) -> bool | None:
        """Whether every stretch is believed; None where no calibration says so."""
        words = [stretch.verdict.believed for stretch in self.stretches]
        return None if None in words else all(words)

    @property
    def word(self) -> Word:
        """``believed``, ``doubtful``, or ``not calibrated``."""
        return word_of(self.believed)

    @property
    def worst(self) -> Verdict:
        """The verdict on the stretch that is most likely wrong or, uncalibrated, explained worst."""

        def badness(verdict: Verdict) -> tuple[float, float]:
            judged = verdict.judgement
            return (judged.probability if judged else 0.0), verdict.misfit.median.nrms

        return max((stretch.verdict for stretch in self.stretches), key=badness)

    @cached_property
    def contradiction(self) -> Array:
        """Where the records contradict the section, shape ``(depth, x)``, a mean where two overlap."""
        rows, columns = self.survey.grid.nz, self.survey.grid.nx
        total, count = np.zeros((rows, columns), np.float32), np.zeros(columns, np.float32)
        for first, verdict in self.stretches:
            size = verdict.contradiction.shape[1]
            shown = slice(max(0, first), min(columns, first + size))
            total[:, shown] += verdict.contradiction[:, shown.start - first : shown.stop - first]
            count[shown] += 1
        mean: Array = (total / np.maximum(count, 1)).astype(np.float32)
        return mean

    @property
    def remark(self) -> str:
        """The verdict in a few words, for the title of a figure."""
        if len(self.stretches) == 1:
            return self.worst.remark
        return f"{self._count}; worst: {self.worst.remark}"

    def span(self, stretch: Stretch) -> tuple[float, float]:
        """Where a stretch begins and ends on the line [m]."""
        size, spacing = stretch.verdict.checked.section.shape[1], self.survey.grid.spacing
        last = min(stretch.first + size, self.survey.grid.nx) - 1
        return max(0, stretch.first) * spacing, last * spacing

    def __str__(self) -> str:
        if len(self.stretches) == 1:
            return str(self.worst)
        lines = [self._count]
        for stretch in self.stretches:
            start, end = self.span(stretch)
            lines.append(f"{start / 1000:.2f} to {end / 1000:.2f} km: {stretch.verdict}")
        return "\n    ".join(lines)

    def summary(self) -> list[dict[str, Any]]:
        """What each stretch's verdict says, for tables and files."""
        return [
            {"start": start, "end": end, **stretch.verdict.summary()}
            for stretch in self.stretches
            for start, end in [self.span(stretch)]
        ]

    @property
    def _count(self) -> str:
        if self.believed is None:
            return f"{NOT_CALIBRATED}: {len(self.stretches)} stretches"
        good = sum(bool(stretch.verdict.believed) for stretch in self.stretches)
        return f"{self.word}: {good} of {len(self.stretches)} stretches are believed"
