"""The source against corruptions of simulated records, which are exact answers."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fwi.corruption import CORRUPTIONS
from fwi.misfit import normalised_rms, time_shift, weighted_by_time
from fwi.refine.source import SourceMatch, direct_window, match_source, surface_speed

DT, FREQUENCY = 0.02, 6.0  # of the lens's survey


def corrupt(gathers: Tensor, survey, name: str, strength: float, seed: int = 0) -> Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(CORRUPTIONS[name].function(gathers.numpy(), survey, strength, random))


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def window(lens) -> Tensor:
    return direct_window(lens.survey, surface_speed(lens.sediments, lens.survey))


def random_match(shots: int = 3, taps: int | None = 7) -> SourceMatch:
    random = np.random.default_rng(1)
    gain, delay = torch.from_numpy(random.uniform(0.5, 2, shots)), double(-0.113, 0.0, 0.0267)
    wavelet = None if taps is None else torch.from_numpy(random.standard_normal(taps))
    return SourceMatch(gain, delay, wavelet, DT)


def random_gathers(shots: int = 3, nt: int = 60, receivers: int = 5, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((shots, nt, receivers)))


# -- applying a match


@pytest.mark.parametrize("taps", [None, 7])
def test_apply_is_linear_and_its_gradient_is_its_adjoint(taps):
    match, one, other = random_match(taps=taps), random_gathers(seed=1), random_gathers(seed=2)
    varied = one.clone().requires_grad_()

    product = (match.apply(varied) * other).sum()
    (adjoint,) = torch.autograd.grad(product, varied)

    torch.testing.assert_close((one * adjoint).sum(), product.detach())
    torch.testing.assert_close(
        match.apply(2 * one - 3 * other), 2 * match.apply(one) - 3 * match.apply(other)
    )


def test_apply_convolves_with_the_wavelet_and_loses_what_leaves_the_record():
    wavelet = torch.tensor([1.0, -2.0, 4.0, 0.0, 3.0], dtype=torch.float64)
    match = SourceMatch(double(2.0), double(3 * DT), wavelet, DT)
    gathers = random_gathers(1)

    found = match.apply(gathers)

    for trace in range(5):
        full = 2 * np.convolve(gathers[0, :, trace], wavelet)  # its first sample has a lag of -2
        expected = np.concatenate([np.zeros(1), full])[:60]
        np.testing.assert_allclose(found[0, :, trace], expected, atol=1e-12)


@pytest.mark.parametrize("delay", [-5.0, -0.5, -0.0137, 0.004, 0.9, 5.0])
def test_nothing_wraps_around_from_either_end(delay):
    gathers = torch.zeros(1, 60, 2).double()
    gathers[0, 0, 0] = gathers[0, -1, 1] = 1.0
    match = SourceMatch(double(1.0), double(delay), torch.ones(5).double(), DT)

    found = match.apply(gathers)

    reach = abs(delay) / DT + 8 + 2  # that of the interpolation and that of the filter
    assert found[0, int(reach) + 1 :, 0].abs().sum() < 1e-12
    assert found[0, : max(0, 60 - int(reach) - 2), 1].abs().sum() < 1e-12


def test_shots_of_a_short_record_have_their_own_delays_however_far_apart():
    gathers = random_gathers(2, nt=20)

    found = SourceMatch(double(1, 1), double(-15 * DT, 15 * DT), None, DT).apply(gathers)

    torch.testing.assert_close(found[0, :5], gathers[0, 15:])
    torch.testing.assert_close(found[1, 15:], gathers[1, :5])
    assert found[0, 5:].abs().max() < 1e-9
    assert found[1, :15].abs().max() < 1e-9


@pytest.mark.parametrize("delay", [-0.0333, 0.0001, 0.012, 0.02, 0.075])
def test_delays_are_positive_where_the_record_is_late(lens, delay):
    match = SourceMatch(torch.ones(4).double(), torch.full((4,), delay).double(), None, DT)

    late = match.apply(lens.simulated)

    kept = window(lens)
    shift = time_shift(kept * lens.simulated, kept * late, DT)
    torch.testing.assert_close(shift, torch.full_like(shift, delay), atol=1e-3, rtol=0)
    oracle = corrupt(lens.simulated, lens.survey, "delay", delay)
    assert normalised_rms((kept * late)[:, :55], (kept * oracle)[:, :55]) < 2e-3


def test_identity_changes_nothing_and_part_of_a_match_is_that_of_its_shots():
    gathers, match = random_gathers(), random_match()

    torch.testing.assert_close(SourceMatch.identity(3, DT).apply(gathers), gathers, atol=0, rtol=0)
    for shots in ([2, 0], slice(1, 3), torch.tensor([False, True, True])):
        torch.testing.assert_close(match.of(shots).apply(gathers[shots]), match.apply(gathers)[shots])


def test_samples_are_complete_where_no_tap_looks_beyond_the_end():
    match = random_match()
    longer = random_gathers(nt=100)

    change = match.apply(longer)[:, :60] - match.apply(longer[:, :60])
    complete = match.completeness(60)

    assert ((complete >= 0) & (complete <= 1)).all()
    assert change.abs()[(complete > 1 - 1e-12).expand_as(change)].max() < 1e-9
    assert (change.abs().amax(2)[:, -1] > 0.1).all()
    assert (complete[:, -1] < 0.9).all()


# -- finding one


@pytest.mark.parametrize("decibels", [np.inf, 20.0, 10.0])
def test_gain_and_delay_of_each_shot_are_found_in_spite_of_noise_and_wrong_reflections(lens, decibels):
    gain, delay = double(0.3, 1.0, 2.2, 5.0), double(-0.0413, 0.0, 0.0071, 0.05)
    recorded = SourceMatch(gain, delay, None, DT).apply(lens.recorded)
    level = 10 ** (-decibels / 20) * recorded.square().mean((1, 2), keepdim=True).sqrt()
    noise = corrupt(torch.ones_like(lens.recorded), lens.survey, "white", 0.0) - 1  # of an RMS of 1
    recorded = recorded + level * noise

    match = match_source(recorded, lens.simulated, DT, "shots", FREQUENCY, window(lens))

    # A section that is wrong below the surface, and noise, cost a hundredth of the gain and a millisecond.
    torch.testing.assert_close(match.gain, gain, rtol=0.02 if decibels > 10 else 0.05, atol=0)
    torch.testing.assert_close(match.delay, delay, atol=0.5e-3 if decibels > 10 else 1.5e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("phase", 45.0),
        ("phase", -45.0),
        ("phase", 180.0),
        ("frequency", 0.9),
        ("frequency", 1.1),
        ("delay", 0.03),
    ],
)
def test_the_wavelet_is_found_from_the_direct_arrival_of_a_wrong_section(lens, name, strength):
    recorded = corrupt(lens.recorded, lens.survey, name, strength)

    match = match_source(recorded, lens.simulated, DT, "wavelet", FREQUENCY, window(lens))
    gains = match_source(recorded, lens.simulated, DT, "shots", FREQUENCY, window(lens))

    def error(match: SourceMatch, power: float, kept: Tensor) -> float:
        """NRMS of the matched records of the lens, which the match has not seen, against its own."""
        pair = (kept * match.completeness(70) * gathers for gathers in (match.apply(lens.recorded), recorded))
        return float(normalised_rms(*(weighted_by_time(gathers, DT, power) for gathers in pair)))

    everywhere = torch.ones(1)
    assert error(match, 0, window(lens)) < 0.03
    assert error(match, 2, everywhere) < 0.05  # reflections of the salt, of which the section knew nothing
    if name in ("phase", "frequency") and strength != 180:
        assert error(gains, 2, everywhere) > 0.1


@pytest.mark.parametrize("decibels", [20.0, 10.0])
def test_noise_moves_the_wavelet_by_little(lens, decibels):
    recorded = corrupt(lens.recorded, lens.survey, "phase", 45.0)
    noisy = corrupt(recorded, lens.survey, "white", decibels)

    match = match_source(noisy, lens.simulated, DT, "wavelet", FREQUENCY, window(lens))

    kept = match.completeness(70)
    assert normalised_rms(kept * match.apply(lens.recorded), kept * recorded) < 0.05


def test_a_filter_neither_scales_nor_delays(lens):
    recorded = corrupt(lens.recorded, lens.survey, "phase", 60.0)

    match = match_source(recorded, lens.simulated, DT, "wavelet", FREQUENCY, window(lens))

    kept = window(lens)
    one = torch.ones(4).double()
    filtered = kept * SourceMatch(one, 0 * one, match.wavelet, DT).apply(lens.simulated)
    unfiltered = kept * lens.simulated
    torch.testing.assert_close(filtered.norm(), unfiltered.norm(), rtol=0.01, atol=0)
    correlation = [
        float((filtered * SourceMatch(one, one * lag, None, DT).apply(unfiltered)).sum())
        for lag in (-0.004, 0.0, 0.004)
    ]
    assert correlation[1] == max(correlation)


def test_a_known_source_has_one_gain_of_all_shots_by_least_squares(lens):
    recorded = 3 * lens.recorded + corrupt(lens.recorded, lens.survey, "white", 20.0)
    recorded[2] = 0.0

    match = match_source(recorded, lens.simulated, DT, "known", FREQUENCY, window(lens))

    assert match.wavelet is None
    assert not match.delay.any()
    assert match.gain[2] == 0
    torch.testing.assert_close(match.gain[[0, 1, 3]], torch.full((3,), 4.0).double(), rtol=0.02, atol=0)


@pytest.mark.parametrize("unknown", ["known", "shots", "wavelet"])
def test_silent_shots_have_no_gain_and_dead_traces_no_say(lens, unknown):
    recorded = corrupt(lens.recorded, lens.survey, "delay", 0.013 if unknown != "known" else 0.0)
    dead = corrupt(recorded, lens.survey, "dead", 0.3)
    dead[1] = 0.0

    match = match_source(dead, lens.simulated, DT, unknown, FREQUENCY, window(lens))
    whole = match_source(recorded, lens.simulated, DT, unknown, FREQUENCY, window(lens))

    alive = [0, 2, 3]
    assert match.gain[1] == 0
    assert match.delay[1] == 0
    torch.testing.assert_close(match.gain[alive], whole.gain[alive], rtol=0.01, atol=0)
    torch.testing.assert_close(match.delay[alive], whole.delay[alive], rtol=0, atol=5e-4)
    silence = match_source(0 * recorded, lens.simulated, DT, unknown, FREQUENCY)
    assert not silence.gain.any()
    assert torch.isfinite(silence.apply(lens.simulated)).all()


def test_gathers_of_other_shots_are_refused(lens):
    with pytest.raises(ValueError, match="simulate the recorded shots alone"):
        match_source(lens.recorded[:2], lens.simulated, DT, "shots", FREQUENCY)


# -- the direct arrival


def test_the_window_holds_the_direct_arrival_and_closes_within_periods(lens):
    kept = window(lens)

    direct = (kept * lens.simulated).square().sum() / lens.simulated.square().sum()
    assert direct > 0.95
    peak = lens.simulated.abs().argmax(1)[:, None]
    after = (torch.arange(70)[:, None] - peak) * DT * FREQUENCY  # in periods
    assert (kept[after.abs() < 2] == 1).all()
    assert (kept[after.abs() > 4] < 1e-12).all()
    torch.testing.assert_close(direct_window(lens.survey), direct_window(lens.survey, 2000.0))


def test_the_surface_speed_is_the_length_of_the_way_over_its_time(lens):
    section = lens.sediments.clone()
    uniform = surface_speed(torch.full_like(section, 2345.0), lens.survey)
    section[:, 25:] = 4000.0
    section[:, :25] = 2000.0

    speed = surface_speed(section, lens.survey)

    torch.testing.assert_close(uniform, torch.full_like(uniform, 2345.0))
    assert speed[0, 0] == pytest.approx(2000)
    expected = (2000.0 - 240.0) / (740 / 2000 + 20 * (1 / 2000 + 1 / 4000) + 980 / 4000)
    assert speed[0, -1] == pytest.approx(expected, rel=0.01)
