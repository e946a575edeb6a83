"""Intervals from what hints at errors, on sections that are drawn here: no network is needed."""

import numpy as np
import pytest

from fwi.interval_fit import fit
from fwi.intervals import FLOOR, Calibration, Spread, interval, read, salt_faces
from fwi.uncertainty import calibrate_refined, refined_interval, scores

SHAPE = (20, 30)
SPACING, THRESHOLD, RANGE = 10.0, 4000.0, (1500.0, 4500.0)


def sections(number: int, seed: int) -> tuple[Spread, np.ndarray, np.ndarray]:
    """Sections with Laplace errors whose scale differs from cell to cell, with truth and salt.

    A block of salt whose faces the sections have up to two cells too deep or too shallow.
    """
    random = np.random.default_rng(seed)
    truth = np.full((number, *SHAPE), 3000.0)
    section = truth.copy()
    for each in range(number):
        top, base = 6, 12
        moved = random.integers(-2, 3, size=2)
        truth[each, top:base, 5:25] = 4500
        section[each, top + moved[0] : base + moved[1], 5:25] = 4500
    salt = truth == 4500
    scale = 20 + 180 * random.random((number, *SHAPE)) ** 2 * random.gamma(9, 1 / 9, number)[:, None, None]
    truth = np.where(salt | (section == 4500), truth, truth + random.laplace(0, scale))
    head = 0.5 * scale[:, None].repeat(2, axis=1)  # right but for a factor
    return Spread(section, {"head": head}), truth, salt


def calibrated(spread: Spread, truth: np.ndarray, salt: np.ndarray, **options: float) -> Calibration:
    scale = fit(spread, truth, salt, THRESHOLD, SPACING, **{"coverage": 0.9, **options})
    return Calibration(
        coverage=0.9,
        confidence=options.get("confidence"),
        threshold=THRESHOLD,
        velocity=RANGE,
        spacing=SPACING,
        network=scale,
    )


@pytest.fixture(scope="module")
def calibration():
    return calibrated(*sections(80, seed=0))


def test_intervals_of_fresh_sections_reach_their_coverage_and_are_narrower_than_one_width(calibration):
    spread, truth, salt = sections(80, seed=1)

    found = scores(interval(spread, calibration), spread.section, truth, salt, calibration)

    means = {name: np.nanmean(values) for name, values in found.items()}
    assert 0.88 < means["coverage"] < 0.93
    assert 0.88 < means["constant_coverage"] < 0.93
    assert means["width"] < 0.9 * means["constant_width"]
    assert means["top_coverage"] > 0.88
    assert means["base_coverage"] > 0.88
    assert 2 * SPACING <= means["top_width"] <= 4.1 * SPACING


def test_scores_are_shares_and_widths_counted_cell_by_cell(calibration):
    spread, truth, salt = sections(3, seed=2)
    found = interval(spread, calibration)

    held = scores(found, spread.section, truth, salt, calibration)

    cells = [(found.lower[2, z, x], truth[2, z, x], found.upper[2, z, x]) for z, x in np.ndindex(SHAPE)]
    assert held["coverage"][2] == np.mean([low <= true <= high for low, true, high in cells])
    assert held["width"][2] == pytest.approx(np.mean([high - low for low, _, high in cells]), rel=1e-5)
    tops = [found.top[2, 0, x] <= (6 - 0.5) * SPACING <= found.top[2, 1, x] for x in range(5, 25)]
    assert held["top_coverage"][2] == np.mean(tops)


def test_a_guarantee_with_confidence_is_paid_for_with_width():
    data = sections(80, seed=0)

    sure = calibrated(*data, confidence=0.95).network
    on_average = calibrated(*data).network

    assert sure.factor > 1.02 * on_average.factor
    assert sure.weights == on_average.weights


def test_weights_follow_the_source_that_tells_errors_and_leave_out_one_that_does_not():
    spread, truth, salt = sections(80, seed=0)
    noise = np.random.default_rng(5).random(spread.sources["head"].shape) * 100
    both = Spread(spread.section, {**spread.sources, "noise": noise})

    weights = fit(both, truth, salt, THRESHOLD, SPACING, 0.9).weights

    assert weights["head"] == pytest.approx(2, rel=0.5)  # errors are twice the head's number on average
    assert weights["noise"] * 50 < 0.1 * weights["head"] * spread.sources["head"].mean()


def test_without_any_source_the_interval_has_one_width():
    spread, truth, salt = sections(40, seed=0)
    alone = Spread(spread.section, {})

    scale = fit(alone, truth, salt, THRESHOLD, SPACING, 0.9)

    assert list(scale.weights) == [FLOOR]
    assert scale.factor * scale.weights[FLOOR] == pytest.approx(scale.constant, rel=0.03)


def test_ends_stay_within_the_range_of_speeds_and_the_section(calibration):
    spread, _, _ = sections(4, seed=3)
    wide = Spread(spread.section, {"head": 100 * spread.sources["head"]})

    lower, upper, top, base = interval(wide, calibration)

    assert (lower >= RANGE[0]).all()
    assert (upper <= RANGE[1]).all()
    assert np.nanmin(top) >= 0
    assert np.nanmax(base) <= (SHAPE[0] - 0.5) * SPACING


def test_columns_without_salt_have_no_top_and_salt_that_is_cut_off_has_no_base(calibration):
    section = np.full(SHAPE, 3000.0)
    section[5:10, 3] = section[7:, 4] = 4500

    _, _, top, base = interval(Spread(section, {"head": np.full((2, *SHAPE), 50.0)}), calibration)

    assert np.flatnonzero(~np.isnan(top[0])).tolist() == [3, 4]
    assert np.flatnonzero(~np.isnan(base[1])).tolist() == [3]
    middle = (top[:, 3].mean(), base[:, 3].mean())
    assert middle == pytest.approx((4.5 * SPACING, 9.5 * SPACING))


def test_faces_of_salt_lie_between_cells():
    salt = np.zeros((6, 3), bool)
    salt[0:2, 0] = salt[[2, 4], 1] = True

    top, base = salt_faces(salt, 10.0)

    np.testing.assert_array_equal(top, [0, 15, np.nan])
    np.testing.assert_array_equal(base, [15, 45, np.nan])


def test_a_mirrored_section_has_the_mirrored_interval(calibration):
    spread, _, _ = sections(1, seed=4)
    mirrored = Spread(spread.section[..., ::-1], {"head": spread.sources["head"][..., ::-1]})

    for straight, flipped in zip(interval(spread, calibration), interval(mirrored, calibration), strict=True):
        np.testing.assert_array_equal(straight, flipped[..., ::-1])


def test_a_section_without_a_source_that_was_calibrated_with_is_refused(calibration):
    spread, _, _ = sections(1, seed=4)

    with pytest.raises(ValueError, match="calibrated with head, which this section comes without"):
        interval(Spread(spread.section, {}), calibration)


def test_few_sections_and_other_shapes_are_refused():
    spread, truth, salt = sections(8, seed=0)

    with pytest.raises(ValueError, match="6 sections do not suffice"):
        fit(spread, truth, salt, THRESHOLD, SPACING, 0.9)
    with pytest.raises(ValueError, match=r"must share one shape \(section, depth, x\)"):
        fit(spread, truth[:, :10], salt, THRESHOLD, SPACING, 0.9)


def test_without_enough_salt_there_are_no_intervals_of_its_faces():
    spread, truth, _ = sections(40, seed=0)
    sediments = np.minimum(spread.section, 3000.0)

    scale = fit(
        Spread(sediments, spread.sources), np.minimum(truth, 3000), truth > 1e9, THRESHOLD, SPACING, 0.9
    )

    assert scale.top is scale.base is None
    plain = calibrated(*sections(40, seed=0)).model_copy(update={"network": scale})
    assert np.isnan(interval(spread, plain).top).all()


def test_a_calibration_is_read_back_from_plain_values_and_a_damaged_one_refused(calibration):
    plain = {"uncertainty": calibration.model_dump(mode="json"), "other": 1}

    assert read(plain) == calibration
    assert read({"other": 1}) is None
    plain["uncertainty"]["network"]["factor"] = -1
    with pytest.raises(ValueError, match=r"cannot be read \(network\.factor: .*fwi calibrate"):
        read(plain)


# -- refined sections


def refined(number: int, seed: int) -> tuple[list, list, list, list, list]:
    """Starts, candidates, other ends, spreads and truths; errors are as large as the ends are apart."""
    random = np.random.default_rng(seed)
    spread, truth, _ = sections(number, seed)
    apart = 10 + 100 * random.random((number, *SHAPE)) ** 3
    candidate = truth + random.laplace(0, apart)
    others = [
        [each + random.normal(0, size) for _ in range(3)] for each, size in zip(candidate, apart, strict=True)
    ]
    heads = [Spread(s, {"head": h}) for s, h in zip(spread.section, spread.sources["head"], strict=True)]
    return list(spread.section), list(candidate), others, heads, list(truth)


def test_refined_sections_have_intervals_from_the_spread_of_their_ends(calibration):
    both = calibrate_refined(calibration, *refined(60, seed=6))

    assert both.network == calibration.network
    held, widths = [], []
    for start, candidate, others, spread, truth in zip(*refined(60, seed=7), strict=True):
        found = refined_interval(start, candidate, others, spread, both)
        held.append(((found.lower <= truth) & (truth <= found.upper)).mean())
        widths.append((found.upper - found.lower).mean())
    assert 0.87 < np.mean(held) < 0.94
    assert np.mean(widths) < 1.7 * both.refined.constant


def test_refined_intervals_need_a_calibration_of_their_own(calibration):
    start, candidate, others, spread, _ = (each[0] for each in refined(1, seed=7))

    with pytest.raises(ValueError, match=r"not calibrated.*fwi\.uncertainty\.calibrate_refined"):
        refined_interval(start, candidate, others, spread, calibration)
