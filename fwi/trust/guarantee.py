"""The threshold of the verdict, and what it guarantees: exact binomial bounds (Clopper and Pearson, 1934)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

Floats = NDArray[np.float64]


def largest_share_missed(missed: int, wrong: int, confidence: float) -> float:
    """Upper bound of the share of wrong sections that are believed.

    Args:
        missed: number of wrong sections that were believed.
        wrong: number of wrong sections.
        confidence: probability with which the bound holds.

    Returns:
        The one-sided bound of Clopper and Pearson (1934); 1 where there is nothing to conclude from.
    """
    from scipy.stats import beta

    return 1.0 if missed >= wrong else float(beta.ppf(confidence, missed + 1, wrong - missed))


def most_to_miss(wrong: int, catch: float, confidence: float) -> int:
    """Count the wrong sections that may be believed, so that the share caught is still certain.

    Args:
        wrong: number of wrong sections.
        catch: share of wrong sections that is to be caught.
        confidence: confidence in that share.

    Returns:
        The largest number for which the bound of the share missed is at most ``1 - catch``; -1 where even
        none missed would not do: 59 are needed for 0.95 and 0.95.
    """
    missed = -1
    while missed + 1 < wrong and largest_share_missed(missed + 1, wrong, confidence) <= 1 - catch:
        missed += 1
    return missed


class Guarantee(BaseModel):
    """What a threshold guarantees of sections like those that it was set on."""

    wrong: int
    """Number of wrong sections that the threshold was set on."""
    missed: int
    """Number of these that are believed."""
    catch: float
    """Share of wrong sections that was to be caught."""
    confidence: float
    """Confidence of the guarantee."""
    caught: float
    """Share of wrong sections that is caught with this confidence."""

    @property
    def certified(self) -> bool:
        """Whether the wanted share is caught with the wanted confidence."""
        return self.caught >= self.catch

    def __str__(self) -> str:
        told = (
            f"at least {self.caught:.0%} of wrong sections are doubted, with {self.confidence:.0%} "
            f"confidence ({self.missed} of {self.wrong} wrong ones were believed)"
        )
        if self.certified:
            return told
        if not self.wrong:
            return "nothing is guaranteed: there was no wrong section to set the threshold on"
        needed = fewest_wrong(self.catch, self.confidence)
        return f"{told}; to certify {self.catch:.0%} takes {needed} wrong ones: calibrate on more models"


def fewest_wrong(catch: float, confidence: float) -> int:
    """Number of wrong sections, all caught, that certify a share with a confidence."""
    return int(np.ceil(np.log(1 - confidence) / np.log(catch)))


def threshold(
    probability: Floats, wrong: NDArray[Any], catch: float, confidence: float
) -> tuple[float, Guarantee]:
    """Choose the probability from which on a section is doubted.

    The threshold is an order statistic of the wrong sections, so that the share missed by it follows a beta
    distribution whatever that of the probabilities: the bound holds for the threshold that was chosen, and
    not only for one that was fixed before.

    Args:
        probability: probability of being wrong of each section, on none of which anything was fitted, shape
            ``(section,)``.
        wrong: which of them are wrong, same shape.
        catch: share of wrong sections that is to be doubted.
        confidence: confidence in that share.

    Returns:
        The threshold, and its guarantee. With too few wrong sections to certify the share, all of them are
        doubted; without any, a section is doubted from a probability of one half on.
    """
    found = np.sort(probability[np.asarray(wrong, dtype=bool)])
    if not len(found):
        nothing = Guarantee(wrong=0, missed=0, catch=catch, confidence=confidence, caught=0.0)
        return 0.5, nothing
    missed = max(0, most_to_miss(len(found), catch, confidence))
    limit = float(found[missed])
    believed = int((found < limit).sum())  # fewer than may be missed where probabilities are equal
    caught = 1 - largest_share_missed(missed, len(found), confidence)
    return limit, Guarantee(
        wrong=len(found), missed=believed, catch=catch, confidence=confidence, caught=caught
    )
