"""The smallest factor for which an expected share of misses is guaranteed, from exchangeable sections.

Intervals are widened by a common factor until the share of a section's cells that they miss is expected to be
at most a given level. The cells of a section depend on each other; a section counts as one observation. There
are two guarantees, neither of which assumes a distribution. Conformal risk control (Angelopoulos et al.,
2022, arXiv:2208.02814) reaches the level on average over the draw of the sections that are fitted on.
Risk-controlling prediction sets (Bates et al., 2021, arXiv:2101.02703) reach it with a given confidence, at a
price in width; their bound is that of Waudby-Smith and Ramdas (2020, arXiv:2010.09686), which adapts to the
variance: with 200 sections it costs some hundredth of coverage, where Hoeffding's would cost eight.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

STEP = 1.01
"""Ratio of the factors that are tried, one after the other."""
SMALLEST = 1e-9
"""Smallest factor; scores of cells without any error are zero."""


class TooFewSectionsError(ValueError):
    """Fewer sections than any guarantee needs."""


def sections_needed(level: float, confidence: float | None) -> int:
    """Return the number of sections from which on a level can be guaranteed, if no cell of them is missed."""
    return next(n for n in itertools.count(1) if is_guaranteed(np.zeros(n), level, confidence))


def is_guaranteed(shares: Array, level: float, confidence: float | None) -> NDArray[np.bool_]:
    """Test whether the expectation of shares is guaranteed to be at most a level.

    Without a confidence, one more share, the largest that is possible, is added to their mean. With one, a
    gambler bets that the shares are below the level: his capital does not grow in expectation unless they
    are, and by Ville's inequality it otherwise exceeds ``1 / (1 - confidence)`` at any time with a
    probability of at most ``1 - confidence``.

    Args:
        shares: observations between 0 and 1, independent and of one distribution, shape ``(observation,)`` or
            ``(observation, case)``.
        level: the largest expectation that is accepted, between 0 and 1.
        confidence: probability with which an accepted expectation is at most the level; None where that is
            to hold on average.

    Returns:
        Whether the level is guaranteed, shape ``()`` or ``(case,)``.
    """
    shares = np.asarray(shares, dtype=np.float64)
    if confidence is None:
        on_average: NDArray[np.bool_] = (shares.sum(axis=0) + 1) / (len(shares) + 1) <= level
        return on_average
    enough = math.log(1 / (1 - confidence))
    number = np.arange(1, len(shares) + 1).reshape(-1, *[1] * (shares.ndim - 1))
    mean = (0.5 + np.cumsum(shares, axis=0)) / (1 + number)
    variance = (0.25 + np.cumsum((shares - mean) ** 2, axis=0)) / (1 + number)
    before = np.concatenate([np.full_like(variance[:1], 0.25), variance[:-1]])
    stake = np.minimum(1, np.sqrt(2 * enough / (len(shares) * before)))
    capital = np.cumsum(np.log1p(-stake * (shares - level)), axis=0)
    guaranteed: NDArray[np.bool_] = capital.max(axis=0) > enough
    return guaranteed


def smallest_factor(scores: Sequence[Array], level: float, confidence: float | None) -> float:
    """Find the smallest factor for which the expected share of misses in a section is at most a level.

    From the largest score downwards, factors in steps of 1 % are tested until one is not guaranteed, so that
    the guarantee holds although many are tried: the share of misses never falls with the factor.

    Args:
        scores: for each section, the factors from which on its cells are no longer missed, shape ``(cell,)``.
        level: the largest expected share of cells that are missed.
        confidence: probability, over the draw of the sections, with which the guarantee holds; None for one
            that holds on average over that draw.

    Raises:
        TooFewSectionsError: there are too few sections for any guarantee.
    """
    needed = sections_needed(level, confidence)
    if len(scores) < needed:
        raise TooFewSectionsError(
            f"{len(scores)} sections do not suffice to guarantee a coverage of {1 - level:.3g}: take "
            f"{needed} or more, a smaller coverage, or less confidence"
        )
    ordered = [np.sort(np.ravel(each)) for each in scores]
    largest, least = max(each[-1] for each in ordered), min(each[0] for each in ordered)
    count = math.ceil(math.log(max(largest, SMALLEST) / max(least, SMALLEST)) / math.log(STEP)) + 2
    factors = max(largest, SMALLEST) * STEP ** -np.arange(count)
    shares = np.stack([1 - np.searchsorted(each, factors, side="right") / len(each) for each in ordered])
    guaranteed = is_guaranteed(shares, level, confidence)
    last = count if guaranteed.all() else int(np.argmin(guaranteed))
    return float(factors[last - 1])
