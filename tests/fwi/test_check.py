import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from data_prep.salt import generate
from fwi import config
from fwi.check import Checked, PhysicsCheck, compare
from fwi.physics import Propagator
from fwi.survey import Survey, SurveyError

DEMO = Path(__file__).resolve().parents[2] / "configs/demo.yaml"
TRAIN, TEST = 0, 2  # streams of the salt models
DT = 0.02  # s, of the synthetic records


class Case(NamedTuple):
    recorded: np.ndarray
    truth: Checked
    no_salt: Checked
    mean_model: Checked


@pytest.fixture(scope="module")
def study():
    study = config.load([DEMO])
    return study.model_copy(update={"survey": study.survey.model_copy(update={"shots": 4})})


@pytest.fixture(scope="module")
def check(study) -> PhysicsCheck:
    training = [generate(study.grid, study.salt, TRAIN, number).velocity for number in range(100)]
    mean = np.mean(training, axis=0, dtype=np.float32)
    return PhysicsCheck(Survey(study.grid, study.survey), study.physics, study.check, mean)


@pytest.fixture(scope="module")
def record(study):
    propagator = Propagator(Survey(study.grid, study.survey), study.physics)

    def record(velocity: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return propagator(torch.from_numpy(velocity)[None])[0].numpy()

    return record


@pytest.fixture(scope="module")
def ten(study, check, record) -> list[Case]:
    """Ten salt models judged by their records: the truth, the truth without its salt, and the mean model."""
    cases = []
    for number in range(10):
        truth = generate(study.grid, study.salt, TEST, number).velocity
        no_salt = np.repeat(truth[:, :1], truth.shape[1], axis=1)  # the salt does not reach the edge
        recorded = record(truth)
        cases.append(
            Case(recorded, *(check(section, recorded) for section in (truth, no_salt, check.mean_model)))
        )
    return cases


@pytest.mark.slow
def test_true_models_explain_their_records_and_the_mean_model_does_not(ten):
    truth = np.array([np.median(case.truth.misfit.nrms) for case in ten])
    mean = np.array([np.median(case.mean_model.misfit.nrms) for case in ten])

    assert (truth < 0.15).all()
    assert (truth < 0.25 * mean).all()


@pytest.mark.slow
def test_right_sediments_without_their_salt_explain_the_records_far_worse_than_the_truth(ten):
    truth = np.array([np.median(case.truth.misfit.nrms) for case in ten])
    no_salt = np.array([np.median(case.no_salt.misfit.nrms) for case in ten])

    assert (no_salt > 3 * truth).all()


@pytest.mark.slow
def test_true_models_need_no_gain_and_no_shift(ten):
    for case in ten:
        assert case.truth.misfit.gain == pytest.approx(1, abs=0.02)
        assert np.abs(case.truth.misfit.shift).max() < 0.002
        assert case.truth.misfit.correlation.min() > 0.97


@pytest.mark.slow
def test_check_is_the_same_for_records_of_another_gain(ten, check, study):
    truth = generate(study.grid, study.salt, TEST, 0).velocity

    loud = check(truth, 1e4 * ten[0].recorded)

    assert loud.misfit.gain == pytest.approx(1e4 * ten[0].truth.misfit.gain, rel=1e-4)
    np.testing.assert_allclose(loud.misfit.nrms, ten[0].truth.misfit.nrms, rtol=1e-3)
    np.testing.assert_allclose(loud.simulated, 1e4 * ten[0].truth.simulated, rtol=1e-3)


def test_check_on_its_finer_grid_records_a_homogeneous_model_as_the_data_did(study, check, record):
    homogeneous = np.full((study.grid.nz, study.grid.nx), 3000, np.float32)

    found = compare(record(homogeneous), check.simulate(homogeneous), check.recorded_dt)

    assert found.nrms.max() < 0.1
    assert found.correlation.min() > 0.999
    assert np.abs(found.shift).max() < 2e-4
    assert found.gain == pytest.approx(1, abs=0.02)


def pulses(delay: float = 0.0, seed: int = 0, shape: tuple[int, int, int] = (2, 200, 5)) -> np.ndarray:
    """Gathers with a 5 Hz Ricker pulse on each trace, at its own time, ``delay`` seconds late."""
    shots, nt, receivers = shape
    arrival = np.random.default_rng(seed).uniform(1.0, 3.0, (shots, 1, receivers))
    phase = (np.pi * 5 * (np.arange(nt)[:, None] * DT - arrival - delay)) ** 2
    return ((1 - 2 * phase) * np.exp(-phase)).astype(np.float32)


@pytest.mark.parametrize("delay", [-0.043, -0.007, 0.0, 0.004, 0.06])
def test_shift_has_the_size_and_sign_of_the_delay_of_the_simulated_records(delay):
    found = compare(pulses(), pulses(delay), DT)

    np.testing.assert_allclose(found.shift, delay, atol=0.05 * DT)


def test_gain_between_equal_records_is_recovered_and_nothing_is_left():
    simulated = pulses()

    found = compare(-2.5 * simulated, simulated, DT)

    assert found.gain == pytest.approx(-2.5)
    np.testing.assert_allclose(found.nrms, 0, atol=1e-6)
    np.testing.assert_allclose(found.correlation, -1, rtol=1e-5)


def test_noise_as_strong_as_the_signal_leaves_half_of_the_power():
    random = np.random.default_rng(0)
    signal, noise = random.standard_normal((2, 3, 1000, 20)).astype(np.float32)

    found = compare(signal + noise, signal, DT)

    np.testing.assert_allclose(found.nrms, np.sqrt(0.5), rtol=0.02)
    np.testing.assert_allclose(found.correlation, np.sqrt(0.5), rtol=0.03)
    assert found.gain == pytest.approx(1, abs=0.02)


def test_correlation_is_the_normalised_inner_product_of_the_traces_weighted_by_time_squared():
    recorded, simulated = np.random.default_rng(1).standard_normal((2, 1, 50, 3)).astype(np.float32)
    weight = np.arange(50) ** 2

    expected = []
    for receiver in range(3):
        a, b = recorded[0, :, receiver] * weight, simulated[0, :, receiver] * weight
        expected.append(a @ b / np.sqrt((a @ a) * (b @ b)))

    found = compare(recorded, simulated, DT)

    np.testing.assert_allclose(found.correlation, [np.median(expected)], rtol=1e-5)


def test_gain_and_nrms_are_those_of_all_shots_and_of_each_weighted_by_time_squared():
    recorded, noise = np.random.default_rng(1).standard_normal((2, 3, 50, 4)).astype(np.float32)
    simulated = -0.7 * recorded + 0.5 * noise
    time = (np.arange(50) * DT)[:, None]

    found = compare(recorded, simulated, DT)

    gain = (time**4 * recorded * simulated).sum() / (time**4 * simulated**2).sum()
    residual = (time**4 * (recorded - gain * simulated) ** 2).sum((1, 2))
    assert found.gain == pytest.approx(gain, rel=1e-6)
    np.testing.assert_allclose(found.nrms, np.sqrt(residual / (time**4 * recorded**2).sum((1, 2))), rtol=1e-6)


def test_dead_traces_do_not_spoil_their_shot():
    recorded = pulses()
    recorded[0, :, :4] = 0

    found = compare(recorded, pulses(), DT)

    assert np.isfinite(found.nrms).all()
    np.testing.assert_allclose(found.correlation, 1, rtol=1e-5)


def test_check_on_too_coarse_a_grid_for_its_order_is_refused_in_its_own_keys(study):
    survey = Survey(study.grid, study.survey)
    coarse = study.check.model_copy(update={"order": 2})

    with pytest.raises(
        SurveyError, match=r"check.order: 2 needs 8 cells.*take check.finer (\d), or"
    ) as refusal:
        PhysicsCheck(survey, study.physics, coarse, np.zeros((study.grid.nz, study.grid.nx), np.float32))

    finer = int(re.search(r"check.finer (\d), or", str(refusal.value))[1])
    survey.refined(finer).check(order=2)
    with pytest.raises(SurveyError):
        survey.refined(finer - 1).check(order=2)


def test_records_of_another_shape_are_refused(check):
    with pytest.raises(ValueError, match=r"shape \(4, 99, 76\) .* survey of \(4, 100, 76\)"):
        check(check.mean_model, np.ones((4, 99, 76), np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_records_that_are_not_finite_are_refused(bad):
    recorded = pulses()
    recorded[1, 50, 3] = bad

    with pytest.raises(ValueError, match="NaN or infinite"):
        compare(recorded, pulses(), DT)


def test_record_without_any_signal_is_refused():
    with pytest.raises(ValueError, match="zero throughout"):
        compare(0 * pulses(), pulses(), DT)


def test_missing_shots_and_traces_are_left_out_on_both_sides():
    recorded, noise = np.random.default_rng(1).standard_normal((2, 4, 60, 7)).astype(np.float32)
    simulated = -0.7 * recorded + 0.5 * noise
    recorded[1] = 0
    recorded[:, :, [2, 5, 6]] = 0

    found = compare(recorded, simulated, DT)

    shots, receivers = [0, 2, 3], [0, 1, 3, 4]
    alone = compare(recorded[shots][..., receivers], simulated[shots][..., receivers], DT)
    assert found.gain == pytest.approx(alone.gain)
    for left, kept in zip(found[:3], alone[:3], strict=True):
        np.testing.assert_allclose(left[shots], kept, rtol=1e-6)
        assert np.isnan(left[1])
    assert found.median == pytest.approx(alone.median)


def test_check_tells_what_was_missing(check, record, study):
    truth = generate(study.grid, study.salt, TEST, 0).velocity
    recorded = record(truth)
    whole = check(truth, recorded)
    recorded[2] = 0
    recorded[0, :, 10:14] = 0

    found = check(truth, recorded)

    told = "zero throughout and left out: 1 of 4 shots and 4 other traces of 304"
    assert whole.missing == ""
    assert found.missing == told
    assert found.misfit.median.nrms == pytest.approx(whole.misfit.median.nrms, rel=0.2)


def test_section_of_another_shape_is_refused(check):
    with pytest.raises(ValueError, match="section"):
        check(np.full((50, 76), 3000, np.float32), np.ones((4, 100, 76), np.float32))


def test_section_with_impossible_speeds_is_simulated_within_the_range_and_their_share_told(
    check, record, study
):
    truth = generate(study.grid, study.salt, TEST, 0).velocity
    section = truth.copy()
    section[-5:, :38] = 9000.0

    found = check(section, record(truth))

    assert found.outside == pytest.approx(5 * 38 / truth.size)
    clipped = check.simulate(np.minimum(section, study.grid.velocity[1]))
    np.testing.assert_allclose(found.simulated, clipped * found.misfit.gain, rtol=1e-4, atol=1e-6)


def test_several_sections_are_checked_as_one_by_one(check, record, study, monkeypatch):
    truth = [generate(study.grid, study.salt, TEST, number).velocity for number in range(3)]
    recorded = [record(velocity) for velocity in truth]
    sections = np.stack([truth[0], check.mean_model, truth[1]])
    one_by_one = [check(section, records) for section, records in zip(sections, recorded, strict=True)]
    monkeypatch.setattr(check, "threads", 3)
    monkeypatch.setattr("fwi.check.SECTIONS_AT_ONCE", 2)

    several = check.several(sections, recorded)

    for one, other in zip(one_by_one, several, strict=True):
        np.testing.assert_allclose(
            one.simulated, other.simulated, rtol=1e-4, atol=1e-5 * np.abs(one.simulated).max()
        )
        np.testing.assert_allclose(one.misfit.nrms, other.misfit.nrms, rtol=1e-4)
        np.testing.assert_allclose(one.mean_model.nrms, other.mean_model.nrms, rtol=1e-4)


def test_as_many_sections_as_records_are_wanted(check):
    with pytest.raises(ValueError, match="2 sections cannot be compared with 1 records"):
        check.several(np.stack([check.mean_model] * 2), np.ones((1, 4, 100, 76), np.float32))
