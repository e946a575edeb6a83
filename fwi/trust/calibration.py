"""The calibrated verdict: fitted on sections with known errors, and kept with the network that it is of.

Half of the sections fit two small monotone models, of the probability that a section is wrong and of its
MAE. The other half, on which nothing was fitted, sets the probability from which on a section is doubted,
and the interval of the MAE (split conformal prediction; Vovk et al., 2005). A sample and the damaged sections
made of it are in the same half.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwi.config import TrustConfig
from fwi.trust.cases import Cases
from fwi.trust.damage import DAMAGES
from fwi.trust.figures import FIGURES
from fwi.trust.guarantee import Guarantee, largest_share_missed, threshold
from fwi.trust.judge import COVERAGE, FigureWeights, Kind, Trust, TrustError, logarithm_of, standardised
from fwi.trust.monotone import Weights, logistic, probability, regression
from fwi.trust.seen import FeatureSpace

Floats = NDArray[np.float64]

HOME = "home"
"""Kind of the sections of the study's own validation records."""
RIDGE = 0.01
"""Penalty on large weights of the two models."""
NOTHING = 0.02
"""Error of the logarithm of an MAE that counts as none."""
FEWEST = 8
"""Fewest sections of a half that anything can be fitted on."""


def calibrate(
    cases: Cases, space: FeatureSpace, limits: TrustConfig, salt_speed: float
) -> tuple[Trust, dict[str, Any]]:
    """Fit the verdict on half of the sections, and set its threshold and interval on the other half.

    A section of the network counts once. The damaged sections that were made of it count once all together.
    The probability and the interval are made right for the
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
    values, fresh_values = (standardised(part.figures, figures) for part in (fitting, fresh))
    counts = np.where(fitting.own, 1.0, 1 / len(DAMAGES))
    odds = logistic(values, fitting.wrong, counts, RIDGE)
    errors = regression(values, np.log(fitting.mae), counts, RIDGE)
    odds = _at_level(odds, fresh_values[fresh.own], fresh.wrong[fresh.own])
    # Sections of unlike geology have wider intervals: residuals are compared with what they are fitted to be.
    residual = np.abs(np.log(fitting.mae) - errors.of(values))
    widths = regression(values, np.log(residual + NOTHING), counts, RIDGE)
    missed = np.abs(np.log(fresh.mae) - errors.of(fresh_values)) / np.exp(widths.of(fresh_values))
    missed = missed[fresh.own]
    rank = min(len(missed), int(np.ceil((len(missed) + 1) * COVERAGE)))
    trust = Trust(
        limits=limits,
        salt_speed=salt_speed,
        space=space,
        figures={
            name: FigureWeights(
                typical=each.typical,
                scale=each.scale,
                odds=float(odds.figures[number]),
                error=float(errors.figures[number]),
                width=float(widths.figures[number]),
            )
            for number, (name, each) in enumerate(figures.items())
        },
        intercept=odds.intercept,
        error=errors.intercept,
        margin=float(np.sort(missed)[rank - 1]),
        width=widths.intercept,
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
        logarithm = logarithm_of(name, cases.figures[name])
        there = np.isfinite(logarithm)
        if there.mean() < 0.5 or not (there & good).any() or np.std(logarithm[there]) < 1e-6:
            continue
        typical, scale = np.median(logarithm[there & good]), np.std(logarithm[there])
        found[name] = FigureWeights(typical=float(typical), scale=float(scale), odds=0.0, error=0.0)
    return found


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

    Args:
        values: the values that rank, shape ``(case,)``.
        positive: true for the positives, same shape.

    Returns:
        0.5 for a ranking that tells nothing, 1 for a perfect one; None without positives or others.
    """
    positive = np.asarray(positive, dtype=bool)
    many, few = int((~positive).sum()), int(positive.sum())
    if not many or not few:
        return None
    from scipy.stats import rankdata

    ranks = rankdata(values)
    return float((ranks[positive].sum() - few * (few + 1) / 2) / (few * many))
