from dataclasses import replace

import numpy as np
import pytest

from fwi.config import TrustConfig
from fwi.trust.calibration import area, calibrate
from fwi.trust.cases import Cases
from fwi.trust.figures import FIGURES
from fwi.trust.judge import SECTION, Trust, TrustError
from fwi.trust.monotone import probability
from fwi.trust.seen import FeatureSpace

SPACE = FeatureSpace(mean=[0.0], axes=[[1.0]])
TOLD = ("envelope", "views", "unsure_salt")


def made_up(count: int, seed: int, kind: str = "home", worse: float = 0.0, own: bool = True) -> Cases:
    """Sections whose log-odds and MAE depend on the logarithms of two of three figures."""
    random = np.random.default_rng(seed)
    hidden = random.standard_normal((count, 3)) + worse
    figures = {name: np.exp(hidden[:, column]) * 10 * FIGURES[name].floor for column, name in enumerate(TOLD)}
    odds = -2 + hidden @ [2.0, 1.5, 0.0]
    return Cases(
        kind=np.full(count, kind),
        own=np.full(count, own),
        sample=np.arange(count),
        figures=figures,
        wrong=random.random(count) < probability(odds),
        mae=np.exp(4.5 + 0.3 * hidden[:, 0] + 0.1 * random.standard_normal(count)),
    )


@pytest.fixture(scope="module")
def cases() -> Cases:
    return made_up(1200, 0)


@pytest.fixture(scope="module")
def trust(cases) -> Trust:
    return calibrate(cases, SPACE, TrustConfig(), 4250.0)[0]


def test_worsening_any_figure_never_lowers_probability_or_expected_error(trust):
    random = np.random.default_rng(1)
    figures = {name: np.abs(random.standard_normal(50)) * 10 * FIGURES[name].floor for name in TOLD}
    before = trust.judge(figures)

    for name in TOLD:
        worse = trust.judge({**figures, name: figures[name] * 2})
        for one, other in zip(before, worse, strict=True):
            assert other.probability >= one.probability
            assert other.mae >= one.mae
    bad = {name: trust.typical(name) * (1 + values) for name, values in figures.items()}
    worse = trust.judge({name: 1.2 * values for name, values in bad.items()})
    for one, other in zip(trust.judge(bad), worse, strict=True):
        assert other.probability > one.probability


def test_one_figure_that_is_perfect_does_not_redeem_others_that_are_bad(trust):
    bad = {name: np.array([5 * trust.typical(name)]) for name in TOLD}
    assert not trust.judge(bad)[0].believed

    for name in TOLD:
        (found,) = trust.judge({**bad, name: np.array([0.0])})
        assert not found.believed


def test_probabilities_are_as_often_right_as_they_say(trust):
    fresh = made_up(20_000, 5)
    found = np.array([each.probability for each in trust.judge(fresh.figures)])

    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        chosen = (found >= low) & (found < high)
        assert fresh.wrong[chosen].mean() == pytest.approx(found[chosen].mean(), abs=0.08)


def test_guaranteed_share_of_fresh_wrong_sections_is_doubted_and_good_ones_are_believed(trust):
    fresh = made_up(20_000, 6)
    believed = np.array([each.believed for each in trust.judge(fresh.figures)])

    assert trust.guarantee.certified
    assert believed[fresh.wrong].mean() < 0.05
    assert believed[~fresh.wrong].mean() > 0.4


def test_interval_holds_the_mae_of_nine_in_ten_fresh_sections(trust):
    fresh = made_up(20_000, 7)

    within = [
        each.low <= mae <= each.high for each, mae in zip(trust.judge(fresh.figures), fresh.mae, strict=True)
    ]

    # Of 600 calibrated sections, the share that holds has a standard deviation of 0.012.
    assert np.mean(within) == pytest.approx(0.9, abs=0.04)


def test_contributions_are_those_to_the_log_odds_against_a_typical_good_section(trust):
    typical = {name: np.array([trust.typical(name)]) for name in TOLD}
    base = np.log(1 / trust.judge(typical)[0].probability - 1)
    worse = {**typical, "views": 3 * typical["views"]}

    found = trust.judge(worse)[0]

    assert trust.judge(typical)[0].odds == pytest.approx(dict.fromkeys(TOLD, 0.0), abs=1e-9)
    assert base - np.log(1 / found.probability - 1) == pytest.approx(found.odds["views"])
    assert max(found.odds, key=found.odds.get) == "views"


def test_figure_that_is_missing_or_not_a_number_counts_as_typical(trust):
    typical = {name: np.array([trust.typical(name)]) for name in TOLD}
    without = {name: values for name, values in typical.items() if name != "views"}

    (expected,) = trust.judge(typical)
    for figures in (without, {**typical, "views": np.array([np.nan])}):
        assert trust.judge(figures)[0].probability == pytest.approx(expected.probability)


def test_figure_that_most_sections_lack_is_left_out(cases):
    spread = np.full(len(cases), np.nan)
    spread[:10] = 5.0

    trust, _ = calibrate(
        replace(cases, figures={**cases.figures, "spread": spread}), SPACE, TrustConfig(), 4250.0
    )

    assert set(trust.figures) == set(TOLD)


def test_each_kind_is_told_apart_and_the_one_that_is_hard_to_tell_decides_the_threshold(cases):
    easy = made_up(600, 8, kind="salt missing", worse=3.0, own=False)

    trust, diagnostics = calibrate(Cases.joined([cases, easy]), SPACE, TrustConfig(), 4250.0)

    home, missing = trust.kinds["home"], trust.kinds["salt missing"]
    assert (home.sections, missing.sections) == (600, 300)
    # Wrong sections that are easily told must not make up for those that are not.
    assert 0 < home.missed <= 0.05 * (home.wrong + 1)
    assert 1 - home.missed / home.wrong >= 0.95
    assert diagnostics["auc_wrong"]["home"] > 0.8


def test_too_few_wrong_sections_are_said(cases):
    trust, _ = calibrate(cases.where(cases.sample < 60), SPACE, TrustConfig(), 4250.0)

    assert not trust.guarantee.certified
    assert "59 wrong ones: calibrate on more models" in str(trust.guarantee)
    assert trust.kinds["home"].missed == 0


def test_too_few_sections_are_refused(cases):
    with pytest.raises(TrustError, match=r"10 sections of the network are too few .* --models"):
        calibrate(cases.where(cases.sample < 10), SPACE, TrustConfig(), 4250.0)


def test_what_was_stored_judges_as_before(trust, cases):
    stored = Trust.of({SECTION: trust.model_dump(mode="json")}, "remedy")

    assert stored.judge(cases.figures) == trust.judge(cases.figures)


@pytest.mark.parametrize(
    "damage", [lambda stored: stored.pop("threshold"), lambda stored: stored.update(intercept="x")]
)
def test_damaged_calibration_is_refused_naming_what_is_wrong_and_the_remedy(trust, damage):
    stored = trust.model_dump(mode="json")
    damage(stored)

    with pytest.raises(TrustError, match=r"damaged or of another version \((threshold|intercept): .*; fwi"):
        Trust.of({SECTION: stored}, "fwi calibrate --run runs/x")


def test_area_is_that_of_all_pairs():
    random = np.random.default_rng(0)
    values, positive = random.integers(0, 10, 60), random.random(60) < 0.4
    pairs = values[positive][:, None] - values[~positive]

    assert area(values, positive) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
    assert area(values, np.zeros(60)) is None
