import numpy as np
import pytest

from fwi.risk_control import TooFewSectionsError, is_guaranteed, sections_needed, smallest_factor

LEVEL = 0.1


def drawn(random: np.random.Generator, sections: int, cells: int = 40) -> list[np.ndarray]:
    """Scores of sections of different difficulty: normal, with a random scale that all cells share."""
    scales = random.gamma(4, 0.25, sections)
    return list(np.abs(random.standard_normal((sections, cells))) * scales[:, None])


@pytest.fixture(scope="module")
def population():
    return np.sort(np.concatenate(drawn(np.random.default_rng(99), 20_000, cells=10)))


def missed(factor: float, population: np.ndarray) -> float:
    return 1 - np.searchsorted(population, factor, side="right") / len(population)


def test_on_average_over_many_calibrations_the_level_is_reached_and_hardly_exceeded(population):
    random = np.random.default_rng(0)

    shares = [missed(smallest_factor(drawn(random, 60), LEVEL, None), population) for _ in range(150)]

    assert LEVEL - 1.5 / 60 < np.mean(shares) < LEVEL + 2 * np.std(shares) / np.sqrt(len(shares))


def test_with_a_confidence_few_calibrations_miss_the_level(population):
    random = np.random.default_rng(1)

    shares = [missed(smallest_factor(drawn(random, 60), LEVEL, 0.8), population) for _ in range(60)]

    assert np.mean(np.array(shares) > LEVEL) <= 0.2
    assert np.mean(shares) > LEVEL / 3  # and it does not do so by covering everything


def test_cells_of_a_section_that_err_together_count_as_one_observation():
    """With the cells as observations, one bad section of twelve would be far below the level."""
    scores = [np.full(1000, 1.0)] * 11 + [np.full(1000, 9.0)]

    assert smallest_factor(scores, LEVEL, None) == pytest.approx(9, rel=0.02)


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_what_is_guaranteed_is_below_the_level_by_a_margin_that_shrinks_with_the_sections(confidence):
    shares = np.full(2000, 0.09)

    assert not is_guaranteed(shares[:20], LEVEL, confidence)
    assert is_guaranteed(shares, LEVEL, confidence)
    assert not is_guaranteed(np.full(2000, 0.11), LEVEL, confidence)


def test_too_few_sections_are_refused_with_the_number_that_would_do():
    needed = sections_needed(LEVEL, 0.95)
    smallest_factor([np.ones(3)] * needed, LEVEL, 0.95)

    with pytest.raises(
        TooFewSectionsError, match=f"{needed - 1} sections .*coverage of 0.9: take {needed} or"
    ):
        smallest_factor([np.ones(3)] * (needed - 1), LEVEL, 0.95)
    assert sections_needed(LEVEL, None) == 9


def test_sections_without_any_error_have_the_smallest_factor():
    assert smallest_factor([np.zeros(5)] * 50, LEVEL, None) < 1e-6
