"""Lengths and times scaled together: the same records, by the wave equation itself."""

import numpy as np
import pytest
import torch

from fwi.config import PhysicsConfig
from fwi.lines import scaled
from fwi.physics import Propagator
from fwi.shards import read
from fwi.survey import Survey

TOWED = {"spread": "streamer", "receivers": 10, "near_offset": 60.0, "shot_margin": None}


def record(survey, velocity):
    with torch.inference_mode():
        return Propagator(survey, PhysicsConfig())(torch.from_numpy(velocity)[None])[0].numpy()


@pytest.fixture(scope="module")
def survey(tiny_study):
    return Survey(tiny_study.grid, tiny_study.survey)


@pytest.mark.parametrize("factor", [0.625, 1.6, 2.37])
@pytest.mark.parametrize("changes", [{}, TOWED], ids=["fixed", "streamer"])
def test_a_scaled_survey_records_the_same_samples(tiny_study, tiny_data, factor, changes):
    survey = Survey(tiny_study.grid, tiny_study.survey.model_copy(update=changes))
    velocity = read(tiny_data / "test-00000.h5").velocity[0]

    own, other = record(survey, velocity), record(scaled(survey, factor), velocity)

    gain = (own * other).sum() / (other**2).sum()
    assert np.abs(own - gain * other).max() < 1e-4 * np.abs(own).max()


def test_a_survey_of_which_only_the_frequency_stays_records_others(survey, tiny_data):
    velocity = read(tiny_data / "test-00000.h5").velocity[0]
    smaller = scaled(survey, 0.9)
    same_wavelet = smaller.config.model_copy(update={"wavelet": survey.config.wavelet})
    own, other = record(survey, velocity), record(Survey(smaller.grid, same_wavelet), velocity)

    gain = (own * other).sum() / (other**2).sum()
    assert np.abs(own - gain * other).max() > 0.1 * np.abs(own).max()


def test_scaling_back_gives_the_survey_that_it_began_with(tiny_study):
    places = {"shots": 2, "shot_x": (100.0, 333.3), "shot_margin": None, "receiver_depth": 40.0}
    survey = Survey(tiny_study.grid, tiny_study.survey.model_copy(update=places))

    there, back = scaled(survey, 1.6), scaled(scaled(survey, 1.6), 1 / 1.6)

    np.testing.assert_allclose(there.shot_x, 1.6 * survey.shot_x)
    np.testing.assert_allclose(there.receiver_x, 1.6 * survey.receiver_x)
    assert (there.receiver_depth, there.bottom) == pytest.approx((64.0, 1.6 * survey.bottom))
    assert there.config.wavelet.frequency == pytest.approx(survey.config.wavelet.frequency / 1.6)
    assert there.time[-1] == pytest.approx(1.6 * survey.time[-1])
    assert there.config.wavelet.peaks_at == pytest.approx(1.6 * survey.config.wavelet.peaks_at)
    np.testing.assert_allclose(back.receiver_x, survey.receiver_x)
    assert back.recorded_dt == pytest.approx(survey.recorded_dt)
