"""Budgets of a refinement in words."""

import pytest

from fwi.config import RefineConfig


@pytest.mark.parametrize("budget", ["40", "40 gradients", "40gradients", " 40 "])
def test_budget_of_gradients_lifts_the_limit_of_time(budget):
    found = RefineConfig(minutes=3.0, smoothness=0.3).within(budget)

    assert found == RefineConfig(gradients=40, minutes=None, smoothness=0.3)


@pytest.mark.parametrize(("budget", "minutes"), [("10 min", 10), ("90 s", 1.5), ("0.5h", 30)])
def test_budget_of_time_ends_a_refinement_whatever_its_gradients(budget, minutes):
    found = RefineConfig(gradients=7).within(budget)

    assert found.minutes == pytest.approx(minutes)
    assert found.gradients == 1_000_000


@pytest.mark.parametrize("budget", ["", "0", "0 min", "-3", "1.5", "1e3", "ten", "10 days", "10 min 5"])
def test_other_budgets_are_refused_with_examples(budget):
    with pytest.raises(ValueError, match=r"neither a number of gradients nor a duration: .*'10 min'"):
        RefineConfig().within(budget)
