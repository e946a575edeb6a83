import numpy as np
import pytest

from fwi.trust.monotone import logistic, probability, regression


def test_odds_are_recovered_from_sections_that_follow_them():
    random = np.random.default_rng(0)
    values = random.standard_normal((20_000, 3))
    wrong = random.random(20_000) < probability(-1 + values @ [2.0, 0.5, 0.0])

    found = logistic(values, wrong, np.ones(20_000), ridge=0.0)

    assert found.intercept == pytest.approx(-1, abs=0.08)
    np.testing.assert_allclose(found.figures, [2.0, 0.5, 0.0], atol=0.08)


def test_no_weight_is_negative_even_where_the_sections_ask_for_it():
    random = np.random.default_rng(0)
    values = random.standard_normal((500, 2))

    odds = logistic(values, values[:, 0] < 0, np.ones(500), ridge=0.01)
    errors = regression(values, -values[:, 0] + values[:, 1], np.ones(500), ridge=0.0)

    assert odds.figures[0] == 0
    assert errors.figures[0] == 0
    assert errors.figures[1] == pytest.approx(1, abs=0.1)


def test_least_squares_without_a_penalty_is_numpys():
    random = np.random.default_rng(1)
    values = np.abs(random.standard_normal((50, 3)))
    target = 0.3 + values @ [1.0, 2.0, 3.0] + 0.1 * random.standard_normal(50)
    counts = random.random(50)

    found = regression(values, target, counts, ridge=0.0)

    root = np.sqrt(counts)[:, None]
    expected = np.linalg.lstsq(root * np.c_[np.ones(50), values], root[:, 0] * target, rcond=None)[0]
    np.testing.assert_allclose([found.intercept, *found.figures], expected, atol=1e-3)


def test_a_section_that_counts_twice_is_one_that_is_there_twice():
    random = np.random.default_rng(2)
    values, wrong = random.standard_normal((40, 2)), random.random(40) < 0.5
    twice = np.arange(40) < 10

    counted = logistic(values, wrong, 1.0 + twice, ridge=0.1)
    repeated = logistic(np.r_[values, values[twice]], np.r_[wrong, wrong[twice]], np.ones(50), ridge=0.1)

    assert counted.intercept == pytest.approx(repeated.intercept, abs=1e-3)
    np.testing.assert_allclose(counted.figures, repeated.figures, atol=1e-3)


@pytest.mark.parametrize("wrong", [True, False])
def test_sections_that_are_all_wrong_or_all_right_have_a_finite_fit(wrong):
    found = logistic(np.zeros((30, 1)), np.full(30, wrong), np.ones(30), ridge=0.1)

    assert np.isfinite(found.intercept)
    assert (probability(np.array([found.intercept]))[0] > 0.5) == wrong
