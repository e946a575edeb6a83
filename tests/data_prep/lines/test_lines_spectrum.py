"""The peak frequency that is measured on records is that of their wavelet."""

from pathlib import Path

import numpy as np
import pytest
from recorded_lines import LINE, ending, gathers_of_line

from data_prep.lines.known import KnownShots
from data_prep.lines.spectrum import Spectrum, fit, measure_spectrum
from fwi.survey import Survey


def at(frequency: float) -> Survey:
    """The line of the tests scaled to a peak frequency: its records stay as they are."""
    factor = frequency / LINE.config.wavelet.frequency
    wavelet = LINE.config.wavelet.model_copy(update={"frequency": frequency})
    config = {"dt": LINE.config.dt / factor, "depth": LINE.config.depth / factor, "wavelet": wavelet}
    config["shot_margin"] = LINE.config.shot_margin / factor
    grid = LINE.grid.model_copy(update={"spacing": LINE.grid.spacing / factor})
    return Survey(grid, LINE.config.model_copy(update=config))


def measured(gathers, survey: Survey = LINE, **options) -> Spectrum:
    return measure_spectrum(KnownShots(Path("line"), survey, gathers), **options)


def noisy(gathers, decibels: float):
    noise = np.random.default_rng(1).standard_normal(gathers.shape)
    return gathers + noise * np.sqrt(np.mean(gathers**2)) * 10 ** (-decibels / 20)


@pytest.mark.parametrize("frequency", [5.0, 10.0, 16.0, 25.0])
@pytest.mark.parametrize("decibels", [np.inf, 10.0, 3.0], ids=["clean", "10 dB", "3 dB"])
def test_peak_frequency_of_salt_records_is_measured_to_three_per_cent(frequency, decibels):
    spectrum = measured(noisy(gathers_of_line(), decibels), at(frequency))

    assert spectrum.peak == pytest.approx(frequency, rel=0.03)
    assert spectrum.misfit < 0.1


def test_dead_traces_and_spikes_do_not_change_the_peak_frequency():
    gathers = gathers_of_line().copy()
    gathers[:, :, ::9] = 0
    gathers[:, 150, 4::10] = 1e3 * np.abs(gathers).max()

    assert measured(gathers).peak == pytest.approx(16.0, rel=0.03)


def test_wavelets_cut_by_time_zero_do_not_change_the_peak_frequency():
    after_the_peak = gathers_of_line()[:, round(LINE.config.wavelet.peaks_at / LINE.recorded_dt) :]

    assert measured(after_the_peak).peak == pytest.approx(16.0, rel=0.05)


@pytest.mark.parametrize("corners", [(4, 8, 24, 32), (2, 4, 30, 40), (5, 10, 15, 20)])
def test_band_of_another_wavelet_is_measured_as_of_the_closest_ricker_and_its_misfit_tells(corners):
    first, low, high, last = corners
    gathers = gathers_of_line()
    frequency = np.fft.rfftfreq(1024, LINE.recorded_dt)
    ricker = (frequency / 16) ** 2 * np.exp(-((frequency / 16) ** 2))
    ormsby = np.clip((frequency - first) / (low - first), 0, 1)
    ormsby *= np.clip((last - frequency) / (last - high), 0, 1)
    ratio = np.divide(ormsby, ricker, out=np.zeros_like(ricker), where=ormsby > 0)
    shaped = np.fft.irfft(np.fft.rfft(gathers, 1024, axis=1) * ratio[:, None], axis=1)[:, : gathers.shape[1]]

    # What records have of a wavelet's power, the 2-D Green's function divides by the frequency.
    closest = fit(frequency, ormsby**2 / np.maximum(frequency, 1), exponent=3)
    spectrum = measured(shaped.astype(np.float32))

    assert spectrum.peak == pytest.approx(closest.peak, rel=0.1)
    assert spectrum.misfit > 0.15


def test_point_sources_have_one_more_power_of_frequency():
    frequency = np.fft.rfftfreq(1024, LINE.recorded_dt)
    energy = (frequency / 16) ** 4 * np.exp(-2 * (frequency / 16) ** 2)

    assert fit(frequency, energy, exponent=4).peak == pytest.approx(16.0, rel=0.01)
    assert fit(frequency, energy, exponent=3).peak > 17


def test_silent_and_very_short_records_are_refused():
    with pytest.raises(ValueError, match="line: the records are zero throughout"):
        measured(0 * gathers_of_line())
    with pytest.raises(ValueError, match="line: 10 samples per trace"):
        measured(gathers_of_line()[:, :10], ending(LINE, 10))


def test_swell_is_told_and_a_stated_frequency_keeps_the_fit_off_it():
    gathers = gathers_of_line()
    time = np.arange(gathers.shape[1]) * LINE.recorded_dt
    phase = np.random.default_rng(0).uniform(0, 6, gathers.shape[::2])[:, None]
    swell = 1.4 * gathers.std() * np.sin(2 * np.pi * 2.5 * time[:, None] + phase)

    spectrum = measured(gathers + swell.astype(np.float32), near=16.0)

    assert measured(gathers).swell < 0.05
    assert spectrum.swell > 0.3
    assert spectrum.peak == pytest.approx(16.0, rel=0.05)
