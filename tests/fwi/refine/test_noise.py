"""The level of noise against noise whose level is known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fwi.config import GridConfig, SurveyConfig, WaveletConfig
from fwi.corruption import CORRUPTIONS
from fwi.misfit import normalised_rms, weighted_by_time
from fwi.refine.noise import noise_level, noise_share
from fwi.survey import Survey

DT = 0.02  # s, of the lens's records


def corrupt(gathers: Tensor, survey, name: str, strength: float, seed: int = 0) -> Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(CORRUPTIONS[name].function(gathers.numpy(), survey, strength, random))


def rms(gathers: Tensor) -> float:
    return float(gathers.double().square().mean().sqrt())


@pytest.mark.parametrize("decibels", [10.0, 20.0, 40.0])
@pytest.mark.parametrize(("name", "tolerance"), [("white", 0.1), ("dips", 0.2), ("swell", 0.25)])
def test_the_level_is_that_of_the_noise_that_was_added(lens, name, tolerance, decibels):
    found = [
        noise_level(corrupt(lens.recorded, lens.survey, name, decibels, seed), lens.survey)
        for seed in range(4)
    ]

    np.testing.assert_allclose(np.mean(found), 10 ** (-decibels / 20) * rms(lens.recorded), rtol=tolerance)


def test_simulated_records_have_no_noise(lens):
    assert noise_level(lens.recorded, lens.survey) < 1e-4 * rms(lens.recorded)
    assert noise_level(0 * lens.recorded, lens.survey) == 0


def test_spikes_and_dead_traces_do_not_raise_or_lower_the_level(lens):
    noisy = corrupt(lens.recorded, lens.survey, "white", 30.0)
    spoiled = corrupt(corrupt(noisy, lens.survey, "spikes", 0.1), lens.survey, "dead", 0.3)

    level = noise_level(noisy, lens.survey)

    assert noise_level(spoiled, lens.survey) == pytest.approx(level, rel=0.1)


def test_with_small_offsets_alone_white_noise_is_seen_above_the_band():
    short = Survey(
        GridConfig(nz=10, nx=41, spacing=20.0),
        SurveyConfig(
            shots=3, receivers=5, spread="streamer", near_offset=20.0, receiver_interval=20.0, nt=1000,
            wavelet=WaveletConfig(frequency=10.0, peak_time=0.1),
        ),
    )  # fmt: skip
    time, wave = short.time[:, None], (np.pi * 10) ** 2
    phase = wave * (time - 0.1 - short.offset[:, None] / 1500) ** 2
    clean = torch.from_numpy(((1 - 2 * phase) * np.exp(-phase)).astype(np.float32))
    noise = 0.01 * torch.from_numpy(np.random.default_rng(0).standard_normal(clean.shape))

    assert noise_level(clean + noise, short) == pytest.approx(0.01, rel=0.2)
    assert noise_level(clean, short) < 1e-3


def test_the_share_is_the_misfit_of_records_without_the_noise(lens):
    noisy = corrupt(lens.recorded, lens.survey, "white", 20.0)
    noisy[:, :, ::7] = 0.0
    live = noisy.any(1, keepdim=True)
    time = (torch.arange(70) * DT)[:, None]

    for power in (0, 1, 2):
        share = noise_share(noisy, time**power, noise_level(noisy, lens.survey))
        pair = (weighted_by_time(gathers * live, DT, power) for gathers in (lens.recorded, noisy))
        assert share == pytest.approx(float(normalised_rms(*pair)) ** 2, rel=0.2)
    assert noise_share(noisy, time, 0.0) == 0
    assert noise_share(noisy, time, 1e9) == 1
    assert noise_share(0 * noisy, time, 1.0) == 0


def test_records_of_another_survey_are_refused(lens):
    with pytest.raises(ValueError, match="give the survey of these shots"):
        noise_level(lens.recorded[:2], lens.survey)
