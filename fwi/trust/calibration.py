"""The calibrated verdict: fitted on sections with known errors, and kept with the network that it is of.

Half of the sections fit two small monotone models, of the probability that a section is wrong and of its
MAE. The other half, on which nothing was fitted, sets the probability from which on a section is doubted,
and the interval of the MAE (split conformal prediction; Vovk et al., 2005). A sample and the damaged sections
made of it are in the same half.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from scipy.stats import rankdata

from fwi.config import TrustConfig
from fwi.trust.cases import Cases
from fwi.trust.damage import DAMAGES
from fwi.trust.figures import FIGURES, Figures
from fwi.trust.guarantee import Guarantee, largest_share_missed, threshold
from fwi.trust.monotone import Weights, logistic, probability, regression
from fwi.trust.seen import FeatureSpace

Floats = NDArray[np.float64]

SECTION = "trust"
"""Name of the verdict in the calibration of an inverter."""
HOME = "home"
"""Kind of the sections of the study's own validation records."""
COVERAGE = 0.9
"""Share of MAEs that are to lie within the interval."""
RIDGE = 0.01
"""Penalty on large weights of the two models."""
FARTHEST = 5.0
"""Largest distance of a figure from the typical one that counts, in standard deviations."""
FEWEST = 8
"""Fewest sections of a half that anything can be fitted on."""


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


class Kind(BaseModel):
    """How the verdict does on one kind of sections, of the half on which nothing was fitted."""

    sections: int
    wrong: int
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
    figures: dict[str, FigureWeights]
    intercept: float
    """Log-odds of being wrong of a typical good section."""
    error: float
    """Logarithm of the expected MAE of a typical good section."""
    margin: float
    """Half width of the interval of that logarithm."""
    threshold: float
    """Probability of being wrong from which on a section is doubted."""
    guarantee: Guarantee
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
        values = _standardised(figures, self.figures)
        chances = probability(self._odds.of(values))
        logarithm = self._errors.of(values)
        names = list(self.figures)
        return [
            Judgement(
                probability=float(chance),
                believed=bool(chance < self.threshold),
                mae=float(np.exp(error)),
                low=float(np.exp(error - self.margin)),
                high=float(np.exp(error + self.margin)),
                odds=dict(zip(names, (row * self._odds.figures).tolist(), strict=True)),
            )
            for chance, error, row in zip(chances, logarithm, values, strict=True)
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


def calibrate(
    cases: Cases, space: FeatureSpace, limits: TrustConfig, salt_speed: float
) -> tuple[Trust, dict[str, Any]]:
    """Fit the verdict on half of the sections, and set its threshold and interval on the other half.

    The network's own sections count once; damaged ones count together as much as the network's own that they
    were made of, as there are several of each. The probability and the interval are made right for the
    network's own sections. The threshold catches the wanted share of all wrong sections with confidence, and
    on average that of the wrong ones of each kind of the network's own.

    Args:
        cases: the sections; those with an even number fit.
        space: the features of training.
        limits: when a section is wrong, and what is to be caught.
        salt_speed: speed from which a cell of a section is salt [m/s].

    Returns:
        The verdict, and diagnostics for people.

    Raises:
        TrustError: there are too few sections.
    """
    fitting, fresh = cases.where(cases.sample % 2 == 0), cases.where(cases.sample % 2 == 1)
    if min(fitting.own.sum(), fresh.own.sum()) < FEWEST:
        raise TrustError(
            f"{int(cases.own.sum())} sections of the network are too few to calibrate its verdict: "
            f"{2 * FEWEST} are needed, half of them to fit and half to set its threshold; simulate more "
            "validation samples (storage.validation), or fresh ones with --models"
        )
    figures = _scales(fitting)
    values, fresh_values = (_standardised(part.figures, figures) for part in (fitting, fresh))
    counts = np.where(fitting.own, 1.0, 1 / len(DAMAGES))
    odds = logistic(values, fitting.wrong, counts, RIDGE)
    errors = regression(values, np.log(fitting.mae), counts, RIDGE)
    odds = _at_level(odds, fresh_values[fresh.own], fresh.wrong[fresh.own])
    missed = np.abs(np.log(fresh.mae) - errors.of(fresh_values))[fresh.own]
    rank = min(len(missed), int(np.ceil((len(missed) + 1) * COVERAGE)))
    trust = Trust(
        limits=limits,
        salt_speed=salt_speed,
        space=space,
        figures={
            name: each.model_copy(update={"odds": float(weight), "error": float(error)})
            for (name, each), weight, error in zip(figures.items(), odds.figures, errors.figures, strict=True)
        },
        intercept=odds.intercept,
        error=errors.intercept,
        margin=float(np.sort(missed)[rank - 1]),
        threshold=0.5,
        guarantee=Guarantee(wrong=0, missed=0, catch=limits.catch, confidence=limits.confidence, caught=0.0),
    )
    chances = probability(odds.of(fresh_values))
    limit, guarantee = _threshold(chances, fresh, limits)
    trust = trust.model_copy(update={"threshold": limit, "guarantee": guarantee})
    trust = trust.model_copy(update={"kinds": _kinds(trust, fresh)})
    return trust, _diagnostics(trust, fresh, len(fitting))


def _scales(cases: Cases) -> dict[str, FigureWeights]:
    """Find what is typical of good sections, for the figures that most sections have and that differ."""
    good = cases.own & ~cases.wrong
    good = good if good.any() else cases.own
    found = {}
    for name in FIGURES:
        if name not in cases.figures:
            continue
        logarithm = _logarithm(name, cases.figures[name])
        there = np.isfinite(logarithm)
        if there.mean() < 0.5 or not (there & good).any() or np.std(logarithm[there]) < 1e-6:
            continue
        typical, scale = np.median(logarithm[there & good]), np.std(logarithm[there])
        found[name] = FigureWeights(typical=float(typical), scale=float(scale), odds=0.0, error=0.0)
    return found


def _standardised(figures: Figures, weights: Mapping[str, FigureWeights]) -> Floats:
    """Distance of figures from typical ones in standard deviations, shape ``(section, figure)``."""
    count = len(next(iter(figures.values())))
    values = np.zeros((count, len(weights)))
    for column, (name, each) in enumerate(weights.items()):
        if name in figures:
            distance = (_logarithm(name, figures[name]) - each.typical) / each.scale
            values[:, column] = np.clip(np.nan_to_num(distance, nan=0.0), -FARTHEST, FARTHEST)
    return values


def _logarithm(name: str, values: Floats) -> Floats:
    logarithm: Floats = np.log(np.maximum(values, 0.0) + FIGURES[name].floor)
    return logarithm


def _at_level(odds: Weights, values: Floats, wrong: NDArray[Any]) -> Weights:
    """Make log-odds right for other sections, by one factor and one constant (Platt, 1999)."""
    raw = odds.of(values)
    level = logistic(raw[:, None], wrong, np.ones(len(raw)), ridge=0.0 if wrong.any() else RIDGE)
    factor = max(float(level.figures[0]), 0.1)  # never zero, so that sections keep their order
    return Weights(level.intercept + factor * odds.intercept, factor * odds.figures)


def _threshold(chances: Floats, cases: Cases, limits: TrustConfig) -> tuple[float, Guarantee]:
    """Set the threshold on all sections with confidence, and on each kind of the network's own on average.

    The lowest of these counts. Otherwise wrong sections that are easily told, of foreign geology, would make
    up for those at home that are not. A kind has a say from 19 wrong sections on, if 95 % are to be caught.
    """
    limit, guarantee = threshold(chances, cases.wrong, limits.catch, limits.confidence)
    for kind in dict.fromkeys(cases.kind[cases.own].tolist()):
        of_kind = cases.own & (cases.kind == kind)
        wrong = np.sort(chances[of_kind & cases.wrong])
        # Of one more wrong section of the kind, the rank among these is equally likely to be any.
        rank = int((1 - limits.catch) * (len(wrong) + 1))
        if rank:
            limit = min(limit, float(wrong[rank - 1]))
    missed = int((chances[cases.wrong] < limit).sum())
    return limit, guarantee.model_copy(update={"missed": missed})


def _kinds(trust: Trust, cases: Cases) -> dict[str, Kind]:
    judged = trust.judge(cases.figures)
    believed = np.array([each.believed for each in judged])
    within = np.array([each.low <= mae <= each.high for each, mae in zip(judged, cases.mae, strict=True)])
    found = {}
    for kind in dict.fromkeys(cases.kind.tolist()):
        of_kind = cases.kind == kind
        wrong, good = of_kind & cases.wrong, of_kind & ~cases.wrong
        missed = int((wrong & believed).sum())
        found[kind] = Kind(
            sections=int(of_kind.sum()),
            wrong=int(wrong.sum()),
            missed=missed,
            caught=1 - largest_share_missed(missed, int(wrong.sum()), trust.limits.confidence),
            believed=float(believed[good].mean()) if good.any() else None,
            within=float(within[of_kind].mean()),
        )
    return found


def _diagnostics(trust: Trust, cases: Cases, fitted: int) -> dict[str, Any]:
    """How well probabilities rank sections, for people."""
    chances = np.array([each.probability for each in trust.judge(cases.figures)])
    maes = np.array([each.mae for each in trust.judge(cases.figures)])
    home = cases.kind == HOME
    worst = cases.mae[home] >= np.quantile(cases.mae[home], 0.9) if home.any() else np.zeros(0, bool)
    return {
        "fitted_on": fitted,
        "threshold_set_on": len(cases),
        "auc_worst_tenth_at_home": area(maes[home], worst),
        "auc_wrong": {
            kind: area(chances[cases.kind == kind], cases.wrong[cases.kind == kind]) for kind in trust.kinds
        },
        "auc_wrong_of_own": area(chances[cases.own], cases.wrong[cases.own]),
    }


def area(values: Floats, positive: NDArray[Any]) -> float | None:
    """Area under the curve of a ranking: the probability that a positive has a larger value than another.

    Returns:
        0.5 for a ranking that tells nothing, 1 for a perfect one; None without positives or others.
    """
    positive = np.asarray(positive, dtype=bool)
    many, few = int((~positive).sum()), int(positive.sum())
    if not many or not few:
        return None
    ranks = rankdata(values)
    return float((ranks[positive].sum() - few * (few + 1) / 2) / (few * many))
