"""Corruptions of records: each against physics or an exact answer, and none where its strength says so."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import quad_vec

from fwi import corruption
from fwi.config import CorruptConfig, GridConfig, PhysicsConfig, SurveyConfig, WaveletConfig
from fwi.corruption import CORRUPTIONS, corrupted, noise
from fwi.misfit import normalised_rms
from fwi.physics import Propagator
from fwi.survey import Survey

GRID = GridConfig(nz=10, nx=41, spacing=20.0)
FIXED = Survey(GRID, SurveyConfig(shots=6, receivers=41, nt=1000, wavelet=WaveletConfig(frequency=10.0)))
STREAMER = Survey(
    GRID,
    SurveyConfig(
        shots=8, receivers=20, spread="streamer", near_offset=40.0, receiver_interval=20.0, keep_every=4
    ),
)

NEUTRAL = {
    "frequency": 1.0,
    "phase": 0.0,
    "delay": 0.0,
    "jitter": 0.0,
    "shot_gain": 0.0,
    "receiver_gain": 0.0,
    "white": np.inf,
    "dips": np.inf,
    "swell": np.inf,
    "bursts": np.inf,
    "spikes": 0.0,
    "swapped": 0.0,
    "mute": -10.0,
    "gain": 1.0,
    "dead": 0.0,
    "dead_block": 0.0,
    "missing_shots": 0.0,
    "sparse_shots": 1.0,
    "sparse_receivers": 1.0,
}
"""The strength at which each corruption changes nothing."""
DEADLY = ("dead", "dead_block", "missing_shots", "sparse_shots", "sparse_receivers")
NOISES = ("white", "dips", "swell", "bursts")


def ricker(t, frequency=10.0):
    phase = (np.pi * frequency * t) ** 2
    return (1 - 2 * phase) * np.exp(-phase)


def record(survey: Survey = FIXED) -> np.ndarray:
    """Waves of the survey's wavelet that cross each gather at one speed after another."""
    offsets = np.abs(survey.receiver_x - survey.shot_x[:, None])[:, None]
    time = survey.time[:, None] - survey.config.wavelet.peaks_at
    waves = ricker(time - offsets / 1600) + 0.3 * ricker(time - 0.4 - offsets / 2500)
    return waves.astype(np.float32)


def with_dead(gathers: np.ndarray) -> np.ndarray:
    gathers = gathers.copy()
    gathers[1] = 0.0
    gathers[:, :, [0, 7, 8]] = 0.0
    return gathers


def corrupt(name, strength, gathers=None, survey=FIXED, seed=0):
    gathers = record(survey) if gathers is None else gathers
    return CORRUPTIONS[name].function(gathers, survey, strength, np.random.default_rng(seed))


def rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


# -- what holds for all


@pytest.mark.parametrize("survey", [FIXED, STREAMER], ids=["fixed", "streamer"])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_gives_a_new_record_that_random_numbers_and_strength_decide(name, survey) -> None:
    stored = record(survey)
    for strength in CORRUPTIONS[name].strengths:
        one, same, *others = (corrupt(name, strength, stored, survey, seed) for seed in (0, 0, 1, 2, 3, 4))

        assert one.shape == stored.shape
        assert one.dtype == np.float32
        assert np.isfinite(one).all()
        assert rms(one - stored) > 1e-3 * rms(stored)
        np.testing.assert_array_equal(one, same)
        if name not in ("frequency", "phase", "delay", "mute", "gain"):
            assert any((one != other).any() for other in others)
    np.testing.assert_array_equal(stored, record(survey))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_dead_traces_and_shots_stay_exactly_zero(name) -> None:
    stored = with_dead(record())

    for strength in CORRUPTIONS[name].strengths:
        dead = ~corrupt(name, strength, stored).any(axis=1)

        assert dead[~stored.any(axis=1)].all()
        if name not in DEADLY:
            assert not dead[stored.any(axis=1)].any()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_strength_of_nothing_changes_nothing(name) -> None:
    np.testing.assert_array_equal(corrupt(name, NEUTRAL[name]), record())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_record_of_silence_stays_silent(name) -> None:
    silence = np.zeros_like(record())

    assert not corrupt(name, CORRUPTIONS[name].strengths[2], silence).any()


# -- noise


@pytest.mark.parametrize("decibels", [0.0, 20.0, 33.0])
@pytest.mark.parametrize("name", NOISES)
def test_the_noise_has_its_level_over_the_whole_record(name, decibels) -> None:
    for stored in (record(), with_dead(record())):
        added = corrupt(name, decibels, stored).astype(np.float64) - stored

        assert rms(added) == pytest.approx(10 ** (-decibels / 20) * rms(stored), rel=1e-4)


def test_white_noise_has_the_spectrum_of_the_wavelet_and_differs_from_trace_to_trace() -> None:
    added = corrupt("white", 0.0) - record()
    samples = added.shape[1]

    power = np.mean(np.abs(np.fft.rfft(added * np.hanning(samples)[:, None], axis=1)) ** 2, axis=(0, 2))
    wavelet = np.abs(np.fft.rfft(FIXED.wavelet[::5])) ** 2
    assert samples == len(FIXED.wavelet[::5]) == 200
    assert np.abs(power / power.sum() - wavelet / wavelet.sum()).sum() < 0.15
    between = np.corrcoef(added.transpose(0, 2, 1).reshape(-1, samples))
    assert np.abs(between - np.eye(len(between))).mean() < 0.2


def test_a_coherent_dip_is_a_plane_wave_at_its_apparent_speed(monkeypatch) -> None:
    monkeypatch.setattr(noise, "DIPS", 1)
    monkeypatch.setattr(noise, "DIP_SPEEDS", (800.0, 800.0))  # 20 m in two and a half samples

    added = corrupt("dips", 0.0) - record()

    later = corrupt("delay", 20.0 / 800.0, added)[:, 10:-10]
    here = added[:, 10:-10]
    assert misfit(later, here) > 0.5
    for one, other in zip(here, later, strict=True):
        to_the_right, to_the_left = misfit(other[:, :-1], one[:, 1:]), misfit(other[:, 1:], one[:, :-1])
        assert min(to_the_right, to_the_left) < 1e-3


def test_dips_cross_the_line_in_both_directions_between_their_slowest_and_fastest_speed(monkeypatch) -> None:
    monkeypatch.setattr(noise, "DIPS", 1)
    traces = np.concatenate([corrupt("dips", 0.0, seed=seed) - record() for seed in range(10)])

    # The slowness by which neighbouring traces correlate best.
    lags = np.arange(-8, 9)
    pairs = [
        [np.vdot(gather[8:-8, 20], np.roll(gather, -lag, 0)[8:-8, 21]) for lag in lags] for gather in traces
    ]
    slowness = lags[np.argmax(pairs, axis=1)] * FIXED.recorded_dt / 20.0

    assert np.abs(slowness).max() <= 1 / 300 + 1e-3
    assert slowness.max() > 1e-3
    assert slowness.min() < -1e-3


def test_swell_is_below_the_band_and_alike_on_neighbouring_traces() -> None:
    added = np.concatenate([corrupt("swell", 0.0, seed=seed) - record() for seed in range(40)])

    frequencies = np.fft.rfftfreq(added.shape[1], FIXED.recorded_dt)
    power = np.mean(np.abs(np.fft.rfft(added * np.hanning(200)[:, None], axis=1)) ** 2, axis=(0, 2))
    assert power[frequencies > 5.0].sum() < 0.02 * power.sum()

    def likeness(apart):
        return np.vdot(added[:, :, apart:], added[:, :, :-apart]) / np.vdot(added, added)

    between = np.square(added).mean(axis=(0, 1))[:40].reshape(10, 4).mean(axis=0)
    assert between.min() > 0.8 * between.max()  # as strong between two groups as within them
    assert likeness(1) > 0.7
    assert abs(likeness(12)) < 0.2


def test_bursts_are_short_and_on_few_neighbouring_traces() -> None:
    added = corrupt("bursts", 20.0) - record()
    energy = np.square(added)

    for gather in energy:
        assert 3 <= (gather.max(axis=0) > 0).sum() <= 3 * 4
        assert 0 < (gather > 0).mean() < 0.1
    assert np.abs(added).max() > 5 * rms(added)


# -- traces


def test_the_share_of_dead_traces_is_exact_and_the_others_are_as_they_were() -> None:
    stored, left = record(), corrupt("dead", 0.3)

    dead = ~left.any(axis=1)
    assert dead.sum() == round(0.3 * 6 * 41)
    assert np.ptp(dead.sum(axis=1)) > 0  # each shot's on their own
    np.testing.assert_array_equal(left.transpose(0, 2, 1)[~dead], stored.transpose(0, 2, 1)[~dead])


@pytest.mark.parametrize("survey", [FIXED, STREAMER], ids=["fixed", "streamer"])
def test_a_dead_block_is_of_neighbouring_receivers_for_every_shot(survey) -> None:
    for seed in range(10):
        dead = ~corrupt("dead_block", 0.3, survey=survey, seed=seed).any(axis=1)

        numbers = np.flatnonzero(dead[0])
        assert len(numbers) == round(0.3 * dead.shape[1])
        assert np.ptp(numbers) == len(numbers) - 1
        assert (dead == dead[0]).all()


def test_receivers_are_neighbours_by_their_positions_and_not_by_their_numbers() -> None:
    shuffled = Survey(GRID, FIXED.config)
    order = np.random.default_rng(0).permutation(41)
    shuffled.__dict__["receiver_x"] = FIXED.receiver_x[:, order]

    for name in ("dead_block", "swell", "bursts", "dips", "mute"):
        in_order = corrupt(name, CORRUPTIONS[name].strengths[2])
        as_numbered = corrupt(name, CORRUPTIONS[name].strengths[2], record(shuffled), shuffled)

        np.testing.assert_allclose(as_numbered, in_order[:, :, order], atol=1e-6)


@pytest.mark.parametrize(("share", "missing"), [(0.05, 0), (0.34, 2), (0.5, 3), (1.0, 5)])
def test_whole_shots_are_missing_but_for_one(share, missing) -> None:
    left = corrupt("missing_shots", share)

    gone = ~left.any(axis=(1, 2))
    assert gone.sum() == missing
    np.testing.assert_array_equal(left[~gone], record()[~gone])


@pytest.mark.parametrize(("every", "kept"), [(2.0, {3}), (3.4, {2}), (4.0, {1, 2}), (50.0, {1})])
def test_sparse_shots_and_receivers_are_at_equal_intervals(every, kept) -> None:
    counts, firsts = set(), set()
    for seed in range(30):
        (there,) = corrupt("sparse_shots", every, seed=seed).any(axis=(1, 2)).nonzero()

        assert set(np.diff(there)) <= {round(every)}
        counts.add(len(there))
        firsts.add(there[0])
    assert counts == kept
    assert firsts == set(range(min(round(every), 6)))

    of_receivers = corrupt("sparse_receivers", every).any(axis=1)
    assert (of_receivers == of_receivers[0]).all()
    assert set(np.diff(of_receivers[0].nonzero()[0])) <= {round(every)}


@pytest.mark.parametrize("name", ["dead", "dead_block"])
def test_not_everything_dies(name) -> None:
    assert corrupt(name, 1.0).any()


def test_something_is_left_of_a_record_that_is_killed_in_several_ways() -> None:
    killed = {
        "missing_shots": {"probability": 1.0, "range": (1.0, 1.0)},
        "sparse_shots": {"probability": 1.0, "range": (4.0, 4.0)},
        "dead_block": {"probability": 1.0, "range": (1.0, 1.0)},
        "sparse_receivers": {"probability": 1.0, "range": (20.0, 20.0)},
    }
    config = CorruptConfig(share=1.0, **killed)

    for seed in range(20):
        assert corrupted(record(), FIXED, config, np.random.default_rng(seed)).any()


def test_swapped_traces_have_the_other_sign_singly_or_in_blocks() -> None:
    stored, blocks = record(), 0
    for seed in range(20):
        changed = corrupt("swapped", 0.2, seed=seed)

        swapped = (changed == -stored).all(axis=1)
        assert (swapped | (changed == stored).all(axis=1)).all()
        assert abs(swapped.mean() - 0.2) < 0.01
        blocks += (swapped == swapped[0]).all()
    assert 4 <= blocks <= 16


def test_spiky_traces_have_one_to_three_samples_far_above_the_record() -> None:
    stored = record()
    spikes = corrupt("spikes", 0.1, seed=3) - stored

    in_trace = (spikes != 0).sum(axis=1)
    assert abs((in_trace > 0).mean() - 0.1) < 0.005
    assert set(np.unique(in_trace)) == {0, 1, 2, 3}
    sizes = np.abs(spikes[spikes != 0]) / rms(stored)
    assert sizes.min() >= 9.9
    assert (sizes > 30.1).mean() < 0.05  # two spikes may fall on one sample
    assert (spikes > 0).any()
    assert (spikes < 0).any()


# -- gains


def test_gains_are_of_the_record_of_a_shot_and_of_a_receiver() -> None:
    many, one = np.ones((4000, 1, 3), np.float32), np.ones(FIXED.gather_shape, np.float32)
    ratios = [corrupt(name, 0.5, one) for name in ("shot_gain", "receiver_gain")]

    np.testing.assert_allclose(ratios[0], np.broadcast_to(ratios[0][:, :1, :1], ratios[0].shape), rtol=1e-6)
    np.testing.assert_allclose(ratios[1], np.broadcast_to(ratios[1][:1, :1], ratios[1].shape), rtol=1e-6)
    factors = np.log(corrupt("shot_gain", 0.5, many)[:, 0, 0])
    assert factors.std() == pytest.approx(0.5, rel=0.05)
    assert factors.mean() == pytest.approx(0.0, abs=0.03)
    np.testing.assert_array_equal(corrupt("gain", 4.0), 4 * record())


# -- the source


@pytest.mark.parametrize("samples", [1, 3, -2, 200, 250, -250])
def test_a_delay_by_whole_samples_moves_the_record_and_fills_with_zeros(samples) -> None:
    stored = record() + 1

    moved = corrupt("delay", samples * FIXED.recorded_dt, stored)

    expected = np.zeros_like(stored)
    if 0 < samples < 200:
        expected[:, samples:] = stored[:, :-samples]
    elif -200 < samples < 0:
        expected[:, :samples] = stored[:, -samples:]
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("seconds", [0.004, 0.0263, -0.0315])
def test_a_delay_between_samples_is_that_of_the_waves(seconds) -> None:
    time = FIXED.time[None, :, None] * np.ones((6, 1, 41))
    stored = ricker(time - 0.7).astype(np.float32)

    moved = corrupt("delay", seconds, stored)

    np.testing.assert_allclose(moved, ricker(time - 0.7 - seconds), atol=2e-5)


def test_nothing_of_the_end_of_a_record_comes_back_at_its_beginning() -> None:
    stored = record()
    stored[:, :150] = 0
    stored[:, 150:] = ricker(FIXED.time[:50] - 0.49)[:, None]  # cut at its peak

    for name, strength in (("delay", 0.145), ("delay", -0.145), ("frequency", 1.15), ("phase", 90.0)):
        assert np.abs(corrupt(name, strength, stored)[:, :90]).max() < 4e-3, name


def test_the_end_of_a_record_that_is_cut_off_does_not_ring() -> None:
    time = FIXED.time[None, :, None] * np.ones((6, 1, 41))
    cut = FIXED.time[-1] - 0.02  # close to the peak of the wave, where the jump is high

    moved = corrupt("delay", 0.0045, ricker(time - cut).astype(np.float32))

    error = np.abs(moved - ricker(time - cut - 0.0045))
    assert error[:, :-1].max() < 0.02
    assert error[:, :-5].max() < 0.004


@pytest.mark.parametrize("degrees", [30.0, -90.0, 180.0, 400.0])
def test_the_phase_of_every_frequency_is_rotated(degrees) -> None:
    from scipy.signal import hilbert

    time = FIXED.time - 0.9
    stored = np.broadcast_to(ricker(time)[:, None], (6, 200, 41)).astype(np.float32)

    def rotated(f):  # the inverse transform of a Ricker wavelet's spectrum, by quadrature
        spectrum = 4 / np.sqrt(np.pi) * f**2 / 10**3 * np.exp(-((f / 10) ** 2))
        return spectrum * np.cos(2 * np.pi * f * time + np.radians(degrees))

    expected, _ = quad_vec(rotated, 0, 80)
    turned = corrupt("phase", degrees, stored)[2, :, 3]
    np.testing.assert_allclose(turned, expected, atol=2e-3)
    analytic = hilbert(stored[2, :, 3])
    angle = np.radians(degrees)
    by_scipy = np.cos(angle) * analytic.real - np.sin(angle) * analytic.imag
    np.testing.assert_allclose(turned[50:150], by_scipy[50:150], atol=5e-3)


def test_half_a_turn_swaps_the_polarity_and_a_whole_turn_is_none() -> None:
    np.testing.assert_allclose(corrupt("phase", 180.0), -record(), atol=1e-6)
    np.testing.assert_array_equal(corrupt("phase", -360.0), record())


@pytest.mark.parametrize("factor", [0.85, 1.15])
def test_a_shaped_record_is_the_one_simulated_with_the_other_wavelet(factor) -> None:
    def survey(frequency):
        wavelet = WaveletConfig(frequency=frequency, peak_time=0.2)
        config = SurveyConfig(shots=2, shot_margin=80.0, receivers=36, nt=400, wavelet=wavelet)
        return Survey(GridConfig(nz=24, nx=36, spacing=20.0), config)

    velocity = torch.full((1, 24, 36), 2000.0)
    velocity[:, 12:] = 2600.0
    stored, other = (
        Propagator(survey(frequency), PhysicsConfig())(velocity)[0] for frequency in (8, factor * 8)
    )

    shaped = torch.from_numpy(corrupt("frequency", factor, stored.numpy(), survey(8.0)))

    assert normalised_rms(stored, other) > 0.2
    assert normalised_rms(shaped, other) < 0.005


def test_shaping_does_not_raise_the_rounding_errors_of_stored_records() -> None:
    stored = record().astype(np.float16).astype(np.float32)

    shaped, exact = corrupt("frequency", 1.15, stored), corrupt("frequency", 1.15)

    assert rms(shaped - exact) < 3 * rms(stored - record())


# -- positions


def test_errors_of_positions_are_those_of_receivers_and_of_shots() -> None:
    survey = Survey(
        GridConfig(nz=10, nx=1201, spacing=20.0), SurveyConfig(shots=50, receivers=1201, nt=10, keep_every=5)
    )
    along = np.broadcast_to(survey.receiver_x[:, None], survey.gather_shape).astype(np.float32)

    moved = CORRUPTIONS["jitter"].function(along, survey, 8.0, np.random.default_rng(0))

    errors = (moved - along)[:, 0, 5:-5]  # a record that grows along the line tells where it was recorded
    of_shots, of_receivers = errors.mean(axis=1), errors.mean(axis=0)
    assert of_shots.std() == pytest.approx(8.0, rel=0.3)
    assert of_receivers.std() == pytest.approx(8.0, rel=0.1)
    alone = errors - of_shots[:, None] - of_receivers
    assert np.abs(alone + errors.mean()).max() < 0.05


def test_dead_traces_do_not_leak_into_their_neighbours() -> None:
    along = np.broadcast_to(FIXED.receiver_x[:, None] + 1000, FIXED.gather_shape).astype(np.float32)
    some_dead = along.copy()
    some_dead[:, :, [4, 11, 12, 13, 30]] = 0.0

    whole, moved = corrupt("jitter", 8.0, along), corrupt("jitter", 8.0, some_dead)

    alive = some_dead.any(axis=(0, 1))
    assert not moved[:, :, ~alive].any()
    np.testing.assert_allclose(moved[:, :, alive], whole[:, :, alive], rtol=1e-5)


def test_the_mute_takes_the_direct_wave_and_leaves_what_is_later() -> None:
    stored = np.ones(FIXED.gather_shape, np.float32)
    direct = np.abs(FIXED.receiver_x - FIXED.shot_x[:, None]) / 1500.0 + 0.15
    time = np.broadcast_to(FIXED.time[:, None], stored.shape)

    muted = corrupt("mute", 0.08, stored)

    assert not muted[time < direct[:, None] + 0.08 - 1e-6].any()
    assert (muted[time > direct[:, None] + 0.08 + 0.1 + 1e-6] == 1).all()
    rising = np.diff(muted, axis=1)
    assert rising.min() >= -1e-6
    assert rising.max() < 0.2  # ten samples to rise in


# -- several together


def test_the_table_and_the_config_have_the_same_corruptions_with_ranges_that_work() -> None:
    config = CorruptConfig(share=1.0)

    assert set(CORRUPTIONS) == set(CorruptConfig.model_fields) - {"share"}
    for name in CORRUPTIONS:
        for strength in getattr(config, name).range:
            assert np.isfinite(corrupt(name, strength)).all()


@pytest.mark.parametrize(
    ("name", "strength", "label"),
    [
        ("white", 20.0, "White noise in the band, 20 dB"),
        ("dead", 0.125, "Dead traces, 12.5 %"),
        ("gain", 0.5, "Gain, times 0.5"),
        ("shot_gain", 0.2, "Gains of shots, times e^±0.2"),
        ("delay", 0.04, "Delay, 0.04 s"),
    ],
)
def test_a_corruption_is_named_with_its_strength(name, strength, label) -> None:
    assert CORRUPTIONS[name].label(strength) == label


def test_the_guide_lists_the_corruptions_in_their_order_with_their_defaults() -> None:
    guide = Path(__file__).resolve().parents[2] / "docs" / "guide" / "training.md"
    rows = [line.strip("| ").split(" | ") for line in guide.read_text().splitlines()]

    listed = {row[0].strip("`"): row[3:] for row in rows if row[0].strip("`") in CORRUPTIONS}
    assert list(listed) == list(CORRUPTIONS)
    for name, (probability, limits) in listed.items():
        default = getattr(CorruptConfig(), name)
        assert float(probability) == default.probability
        assert tuple(map(float, limits.split(" .. "))) == default.range


def test_the_share_of_records_that_stay_clean_is_what_is_left_over() -> None:
    stored = record()[:, :, :5].copy()
    survey = Survey(GRID, FIXED.config.model_copy(update={"receivers": 5}))
    rare = {name: {"probability": 0.0} for name in CORRUPTIONS} | {"gain": {"probability": 1e-3}}
    for config in (CorruptConfig(share=0.667), CorruptConfig(share=0.667, **rare)):
        clean = [
            corrupted(stored, survey, config, np.random.default_rng([1, number])) is stored
            for number in range(600)
        ]
        assert np.mean(clean) == pytest.approx(1 / 3, abs=0.06)


def test_each_corruption_is_suffered_with_its_probability_and_drawn_from_its_range(monkeypatch) -> None:
    drawn: dict[str, list[float]] = {name: [] for name in CORRUPTIONS}
    for name, known in CORRUPTIONS.items():

        def note(gathers, survey, strength, random, name=name):
            drawn[name].append(strength)
            return gathers

        monkeypatch.setitem(corruption.CORRUPTIONS, name, known._replace(function=note))
    at_times = {"probability": 0.1}  # these are off unless a study says otherwise
    config = CorruptConfig(share=1.0, sparse_shots=at_times, sparse_receivers=at_times)
    stored = record()
    for number in range(3000):
        corrupted(stored, FIXED, config, np.random.default_rng(number))

    for name, strengths in drawn.items():
        low, high = getattr(config, name).range
        assert len(strengths) / 3000 == pytest.approx(getattr(config, name).probability, abs=0.03)
        assert low <= min(strengths) < max(strengths) <= high
        middle = np.sqrt(low * high) if CORRUPTIONS[name].unit == "factor" else (low + high) / 2
        assert (np.array(strengths) < middle).mean() == pytest.approx(0.5, abs=0.1)


def test_what_dies_is_dead_after_all_else() -> None:
    every = {name: {"probability": 1.0} for name in CORRUPTIONS if not name.startswith("sparse")}
    config = CorruptConfig(share=1.0, **every | {"dead": {"probability": 1.0, "range": (0.3, 0.3)}})

    left = corrupted(record(), FIXED, config, np.random.default_rng(0))

    assert (~left.any(axis=1)).mean() >= 0.3
    assert left.any()
    assert left.flags.c_contiguous


def misfit(one, other) -> float:
    return float(np.square(one - other).sum() / np.square(other).sum())
