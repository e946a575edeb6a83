"""A calibrated verdict: what it holds, and how it judges the figures of a section."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from fwi.config import TrustConfig
from fwi.trust.figures import FIGURES, Figures
from fwi.trust.guarantee import Guarantee
from fwi.trust.monotone import Weights, probability
from fwi.trust.seen import FeatureSpace

Floats = NDArray[np.float64]

SECTION = "trust"
"""Name of the verdict in the calibration of an inverter."""
COVERAGE = 0.9
"""Share of MAEs that are to lie within the interval."""
FARTHEST = 5.0
"""Largest distance of a figure above the typical one that counts, in standard deviations."""
BETTER = 1.0
"""The same below it: a network that misses all salt is sure that there is none, which redeems nothing."""


class TrustError(ValueError):
    """A verdict that cannot be calibrated, or a calibration that cannot be used."""


class FigureWeights(BaseModel):
    """A figure's part in the two models; figures are compared by their logarithm."""

    typical: float
    """Logarithm of the figure, median over good sections."""
    scale: float
    """Standard deviation of that logarithm."""
    odds: float
    """Increase of the log-odds of being wrong per standard deviation."""
    error: float
    """Increase of the logarithm of the MAE per standard deviation."""
    width: float = 0.0
    """Increase of the logarithm of the uncertainty of that estimate per standard deviation."""


class Kind(BaseModel):
    """How often the verdict is right on sections of one kind, on none of which it was fitted."""

    sections: int
    """Number of sections."""
    wrong: int
    """Number of these that are wrong."""
    missed: int
    """Number of wrong sections that are believed."""
    caught: float
    """Share of wrong sections that is caught, at least, with the confidence of the guarantee."""
    believed: float | None
    """Share of good sections that are believed; None where none are good."""
    within: float
    """Share of MAEs within the interval."""


class Judgement(NamedTuple):
    """What the calibrated verdict says of a section."""

    probability: float
    """Probability that the section is wrong."""
    believed: bool
    """Whether that is below the threshold."""
    mae: float
    """Expected MAE [m/s]."""
    low: float
    """Lower end of the interval of the MAE [m/s]."""
    high: float
    """Upper end of the interval of the MAE [m/s]."""
    odds: dict[str, float]
    """What each figure adds to the log-odds of being wrong, against a typical good section."""


class Trust(BaseModel):
    """A calibrated verdict, as an inverter's file holds it."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    limits: TrustConfig
    """When a section is wrong, and what share of wrong ones is to be caught."""
    salt_speed: float
    """Speed from which a cell of a section is salt [m/s]."""
    space: FeatureSpace
    """Features of the records that the network knows."""
    figures: dict[str, FigureWeights]
    """What each figure of the check weighs."""
    intercept: float
    """Log-odds of being wrong of a typical good section."""
    error: float
    """Logarithm of the expected MAE of a typical good section."""
    margin: float
    """Half width of the interval of that logarithm, of a section of typical uncertainty."""
    width: float = 0.0
    """Logarithm of the uncertainty of a typical good section."""
    threshold: float
    """Probability of being wrong from which on a section is doubted."""
    guarantee: Guarantee
    """What the threshold guarantees."""
    kinds: dict[str, Kind] = {}
    """The verdict by kind of section."""

    @classmethod
    def of(cls, calibration: Mapping[str, Any], remedy: str) -> "Trust":
        """Read the verdict from the calibration of an inverter.

        Args:
            calibration: calibration of the inverter.
            remedy: command that calibrates, for the message.

        Raises:
            TrustError: the inverter has not been calibrated, or what it holds is damaged.
        """
        if SECTION not in calibration:
            raise TrustError(f"not calibrated: {remedy}")
        try:
            return cls.model_validate(calibration[SECTION])
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise TrustError(
                f"not calibrated: its calibration is damaged or of another version ({where}: "
                f"{first['msg']}); {remedy}"
            ) from None

    def judge(self, figures: Figures) -> list[Judgement]:
        """Judge sections by their figures; a figure that is missing counts as typical."""
        values = standardised(figures, self.figures)
        chances = probability(self._odds.of(values))
        logarithm = self._errors.of(values)
        margins = self.margin * np.exp(self._widths.of(values))
        names = list(self.figures)
        return [
            Judgement(
                probability=float(chance),
                believed=bool(chance < self.threshold),
                mae=float(np.exp(error)),
                low=float(np.exp(error - margin)),
                high=float(np.exp(error + margin)),
                odds=dict(zip(names, (row * self._odds.figures).tolist(), strict=True)),
            )
            for chance, error, margin, row in zip(chances, logarithm, margins, values, strict=True)
        ]

    def typical(self, name: str) -> float:
        """Value of a figure that is typical of a good section, in its unit."""
        return float(np.exp(self.figures[name].typical)) - FIGURES[name].floor

    @property
    def _odds(self) -> Weights:
        return Weights(self.intercept, np.array([each.odds for each in self.figures.values()]))

    @property
    def _errors(self) -> Weights:
        return Weights(self.error, np.array([each.error for each in self.figures.values()]))

    @property
    def _widths(self) -> Weights:
        return Weights(self.width, np.array([each.width for each in self.figures.values()]))


def standardised(figures: Figures, weights: Mapping[str, FigureWeights]) -> Floats:
    """Distance of figures from typical ones in standard deviations, shape ``(section, figure)``."""
    count = len(next(iter(figures.values())))
    values = np.zeros((count, len(weights)))
    for column, (name, each) in enumerate(weights.items()):
        if name in figures:
            distance = (logarithm_of(name, figures[name]) - each.typical) / each.scale
            values[:, column] = np.clip(np.nan_to_num(distance, nan=0.0), -BETTER, FARTHEST)
    return values


def logarithm_of(name: str, values: Floats) -> Floats:
    """Return the logarithm of a figure above its floor, as figures are compared.

    Args:
        name: name of the figure.
        values: its values, shape ``(case,)``.
    """
    logarithm: Floats = np.log(np.maximum(values, 0.0) + FIGURES[name].floor)
    return logarithm
