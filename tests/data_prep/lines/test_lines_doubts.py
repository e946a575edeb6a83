"""What a network was not trained for is warned of, with numbers."""

import numpy as np
import pytest
from recorded_lines import LINE, NETWORK, PHYSICS, changed, ending, gathers_of_line, simulated, written

from data_prep.lines import read_line
from fwi.survey import Survey


def warnings(path, gathers, survey: Survey = LINE, network: Survey = NETWORK, **options) -> str:
    return "\n".join(
        read_line(written(path / "line.sgy", gathers, survey), network, PHYSICS, **options).warnings
    )


def test_nothing_is_warned_of_on_a_line_of_the_trained_kind(tmp_path):
    assert warnings(tmp_path, gathers_of_line()) == ""


def test_noise_is_warned_of_by_its_level_in_the_band(tmp_path):
    clean = gathers_of_line()
    noise = (np.random.default_rng(0).standard_normal(clean.shape) * clean.std()).astype(np.float32)
    of_clean, of_noise = (
        read_line(written(tmp_path / "line.sgy", each), NETWORK, PHYSICS, frequency=16.0, shift=0.0).gathers
        for each in (clean, clean + 3 * noise)
    )

    loud = warnings(tmp_path, clean + 3 * noise, frequency=16.0, shift=0.0)
    faint = warnings(tmp_path, clean + 0.3 * noise)

    gain = (of_clean * of_noise).sum() / (of_clean * of_clean).sum()  # it is measured on noisy arrivals
    level = 20 * np.log10(gain * of_clean.std() / (of_noise - gain * of_clean).std())
    assert float(loud.partition("noise: ")[2].split()[0]) == pytest.approx(level, abs=1.2)
    assert "before the first arrivals; the network was trained with up to 5 dB" in loud
    assert "noise" not in faint


def test_few_and_sparse_shots_and_receivers_are_warned_of(tmp_path):
    sparse = changed(LINE, shots=2, shot_margin=100.0, receivers=18)

    text = warnings(tmp_path, simulated(sparse), sparse)

    assert "shots: 2, and the network was trained on many more" in text
    assert "shots: 800 m apart, and at this scale the network was trained on up to about 2" in text
    assert "receivers: 58.824 m apart, and at this scale the network was trained on up to about 4" in text


def test_short_offsets_and_far_ones_alone_are_warned_of(tmp_path):
    near, far = (gathers_of_line() * wanted[:, None] for wanted in (LINE.offset < 200, LINE.offset > 250))

    short = warnings(tmp_path, near)
    distant = warnings(tmp_path, far)

    assert "offsets: up to 195.8 m, and at this scale the network was trained with up to 4" in short
    assert "offsets: from 25" in distant
    assert "the network was trained with all from 0 to 4" in distant


def test_depths_more_than_a_cell_off_are_warned_of(tmp_path):
    text = warnings(
        tmp_path, gathers_of_line(), changed(LINE, depth=25.0, receiver_depth=12.5), frequency=17.6
    )

    assert "depth: sources are at 25 m, and those of the network at 11.36 m" in text
    assert "reflections of 17.6 Hz come with up to 0.16 periods of delay" in text
    assert "receivers" not in text


def test_padded_time_is_warned_of_from_a_tenth_on(tmp_path):
    text = warnings(tmp_path, gathers_of_line()[:, :110], ending(LINE, 110))

    assert text == (
        "time: the records last from 0 to 0.2725 s, and the network needs 0.3688 s: 26 % is zero, where at "
        "most 10 % should be"
    )


def test_another_wavelet_is_warned_of_by_how_far_its_spectrum_is_off(tmp_path):
    spectrum = np.fft.rfft(gathers_of_line(), 512, axis=1)
    frequency = np.fft.rfftfreq(512, LINE.recorded_dt)
    band = (np.abs(frequency - 16) < 4).astype(float)
    narrow = np.fft.irfft(spectrum * band[:, None], axis=1)[:, :200].astype(np.float32)

    text = warnings(tmp_path, narrow)

    assert "wavelet: the records' amplitudes were 70 % off those of a Ricker wavelet, on which the" in text
    assert "shaped to the closest, of 14" in text
    assert "% off, and their phase is what it was" in text


def test_frequency_that_was_hardly_recorded_is_warned_of(tmp_path):
    deep = changed(LINE, depth=25.0, nt=700)
    gathers = simulated(deep)
    frequency = np.fft.rfftfreq(1024, LINE.recorded_dt)
    cut = np.clip((frequency - 10) / 3, 0, 1)
    without_lows = np.fft.irfft(np.fft.rfft(gathers, 1024, axis=1) * cut[:, None], axis=1)[
        :, : gathers.shape[1]
    ]

    text = warnings(tmp_path, without_lows.astype(np.float32), deep, frequency=8.0)

    assert "wavelet: the records were to have a peak frequency of 8 Hz, and have 1" in text
    assert "what is lower was not recorded" in text


def test_near_surface_beyond_the_networks_speeds_is_warned_of(tmp_path):
    slow = changed(LINE, dt=LINE.config.dt)
    time = slow.time[None, :, None] - slow.config.wavelet.peaks_at - (slow.offset / 1250)[:, None]
    phase = (np.pi * 16 * time) ** 2
    gathers = (1 - 2 * phase) * np.exp(-phase) / np.sqrt(50 + slow.offset)[:, None]

    text = warnings(tmp_path, gathers.astype(np.float32))

    assert "speed: the direct arrival runs at 1500 m/s, the slowest that the network knows, or beyond" in text


def test_polarity_of_single_shots_is_warned_of(tmp_path):
    gathers = gathers_of_line().copy()
    gathers[3] *= -1

    text = warnings(tmp_path, gathers)

    assert text == "polarity: the direct arrival of 1 of the 7 shots compared is reversed against the others"


def test_amplitudes_unlike_those_of_a_line_source_are_warned_of(tmp_path):
    gathers = gathers_of_line()
    balanced = gathers / np.abs(gathers).max(axis=1, keepdims=True)
    spread = gathers / np.sqrt(20 + LINE.offset)[:, None]

    for each in (balanced, spread):
        text = warnings(tmp_path, each.astype(np.float32))
        assert text.startswith(
            "amplitudes: from 95.83 to 270.8 m those of the direct arrival are off simulated"
        )
        assert "by a factor of 1.4" in text or "by a factor of 1.3" in text
