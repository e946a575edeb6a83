import numpy as np
import pytest
from scipy.stats import binom

from fwi.trust.guarantee import fewest_wrong, largest_share_missed, most_to_miss, threshold


@pytest.mark.parametrize(("missed", "wrong"), [(0, 59), (1, 93), (4, 181)])
def test_these_many_wrong_sections_are_just_enough_to_certify_95_percent_with_95_percent(missed, wrong):
    assert largest_share_missed(missed, wrong, 0.95) <= 0.05 < largest_share_missed(missed, wrong - 1, 0.95)
    assert most_to_miss(wrong, 0.95, 0.95) == missed
    assert most_to_miss(wrong - 1, 0.95, 0.95) == missed - 1


def test_bound_is_the_share_at_which_so_few_misses_have_the_remaining_probability():
    bound = largest_share_missed(3, 70, 0.9)

    assert binom.cdf(3, 70, bound) == pytest.approx(0.1)


def test_nothing_is_concluded_from_no_section_or_if_all_are_missed():
    assert largest_share_missed(0, 0, 0.95) == 1
    assert largest_share_missed(5, 5, 0.95) == 1


def test_threshold_catches_the_share_as_often_as_the_confidence_says():
    random = np.random.default_rng(0)
    # Probabilities of wrong sections are spread as u ** 2, so a threshold t misses a share of sqrt(t).
    missed = []
    for _ in range(2000):
        probability = np.concatenate([random.random(100) ** 2, random.random(50) ** 8])
        limit, guarantee = threshold(probability, np.arange(150) < 100, catch=0.9, confidence=0.9)
        assert guarantee.certified
        missed.append(np.sqrt(limit))

    most = most_to_miss(100, 0.9, 0.9)
    assert np.mean(np.array(missed) > 0.1) == pytest.approx(binom.cdf(most, 100, 0.1), abs=0.02)
    assert binom.cdf(most, 100, 0.1) <= 0.1 < binom.cdf(most + 1, 100, 0.1)


def test_threshold_doubts_all_wrong_sections_if_they_are_too_few_and_says_so():
    probability = np.array([0.1, 0.2, 0.3, 0.4, 0.9])

    limit, guarantee = threshold(probability, [False, True, False, True, True], 0.95, 0.95)

    assert limit == 0.2
    assert (guarantee.wrong, guarantee.missed, guarantee.certified) == (3, 0, False)
    assert "to certify 95% takes 59 wrong ones" in str(guarantee)
    assert fewest_wrong(0.95, 0.95) == 59


def test_equal_probabilities_are_doubted_together():
    _, guarantee = threshold(np.full(200, 0.3), np.ones(200), 0.95, 0.95)

    assert guarantee.missed == 0


def test_without_a_wrong_section_nothing_is_guaranteed():
    limit, guarantee = threshold(np.array([0.1, 0.2]), [False, False], 0.95, 0.95)

    assert limit == 0.5
    assert "no wrong section" in str(guarantee)
