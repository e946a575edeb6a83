"""The peak frequency of records: a Ricker wavelet and white noise are fitted to their power spectrum."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.placing import GeometryError
from data_prep.segy.regularise import Spreading
from data_prep.segy.shots import RecordedShots

Floats = NDArray[np.float64]
Item = TypeVar("Item")

MOST_SHOTS = 48
"""Largest number of shots whose spectrum is measured, evenly chosen along the line."""

MOST_TRACES = 2048
"""Largest number of traces whose spectrum is measured, of all shots together."""

FEWEST_SAMPLES = 16
"""Number of samples of a trace below which it has no spectrum to speak of."""

TAPER = 0.1
"""Share of a trace, at its end, over which it fades out: waves still arrive when a record ends."""

BEGUN = 0.1
"""Amplitude of the first two samples, by the largest, above which a trace begins within a wavelet, as near
ones do where time zero is at its peak."""

SPIKE = 0.5
"""Share of a trace's energy in one sample above which it is a spike, and not a wave's."""

LOUDEST = 10.0
"""Multiple of the median energy of the traces above which a trace counts no more than one of that energy."""

EXPONENT = {"line": 3, "point": 4}
"""Power of the frequency in the spectral energy of records of a Ricker wavelet: two of them times two are the
wavelet's; the 2-D Green's function takes one away, as the root of the frequency divides its amplitude."""

FITTED = 4.0
"""Multiple of the peak frequency up to which the spectrum is fitted: noise above may be another."""

TRIED = 120
"""Number of peak frequencies tried per fit, evenly spaced in their logarithm."""

CLOSE = 1.1
"""Factor of the peak frequency, above and below, within which the last fit searches."""

LOWEST = 0.3
"""Multiple of a stated peak frequency below which the spectrum is not fitted: there may be swell."""

SMOOTHED = 0.06
"""Width over which a spectrum is smoothed before records are shaped by it [peak frequencies]."""

WATER_LEVEL = 0.01
"""Power, by the largest, that is added to a spectrum by which records are shaped."""

BELOW = 0.25
"""Multiple of the peak frequency below which a Ricker wavelet has next to no energy."""

BAND = 2.5
"""Multiple of the peak frequency above which a Ricker wavelet has next to no energy."""


class Spectrum(NamedTuple):
    """The power spectrum of records, and the Ricker wavelet and white noise that fit it."""

    frequency: Floats
    """Frequencies from zero to that of Nyquist [Hz], shape ``(frequency,)``."""
    power: Floats
    """Share of a trace's energy at each of them, shape ``(frequency,)``."""
    peak: float
    """Peak frequency of the wavelet [Hz]."""
    signal: Floats
    """Share of the energy that the fit takes for the wavelet's, shape ``(frequency,)``."""
    noise: float
    """Share of the energy that the fit takes for noise, the same at each frequency."""
    exponent: int
    """Power of the frequency in the wavelet's part."""

    def filtered(self, response: Callable[[Floats], Floats]) -> "Spectrum":
        """Return the spectrum of filtered records.

        Args:
            response: gives the factors of their amplitudes at frequencies [Hz], both of the shape
                ``(frequency,)``.
        """
        return fit(self.frequency, self.power * response(self.frequency) ** 2, self.exponent)

    def matching(self, frequency: Floats) -> Floats:
        """Factors of the amplitudes by which the records get the spectrum of the fitted wavelet.

        They fall to zero where next to nothing was recorded, so that noise is not raised.

        Args:
            frequency: frequencies [Hz], shape ``(frequency,)``.
        """
        recorded = (self.power - self.noise).clip(min=0)
        width = SMOOTHED * self.peak / float(self.frequency[1])
        taps = np.exp(-0.5 * (np.arange(-math.ceil(3 * width), math.ceil(3 * width) + 1) / width) ** 2)
        # Beyond zero the spectrum is its own mirror image.
        mirrored = np.concatenate([recorded[len(taps) : 0 : -1], recorded, np.zeros(len(taps))])
        smooth = np.convolve(mirrored, taps / taps.sum(), "same")[len(taps) :][: len(recorded)]
        factors = np.sqrt(self.signal * smooth) / (smooth + WATER_LEVEL * smooth.max())
        found: Floats = np.interp(frequency, self.frequency, factors)
        return found

    @property
    def misfit(self) -> float:
        """RMS of amplitudes less fit over RMS of amplitudes, up to ``FITTED`` times the peak frequency."""
        some = self.frequency <= FITTED * self.peak
        error = np.sqrt(self.power[some]) - np.sqrt(self.signal[some] + self.noise)
        return float(np.sqrt(np.square(error).sum() / self.power[some].sum()))

    @property
    def signal_to_noise(self) -> float:
        """RMS of the wavelet over that of the white noise, in the wavelet's band."""
        band = self.frequency <= BAND * self.peak
        noise = self.noise * float(band.sum())
        return math.sqrt(float(self.signal[band].sum()) / noise) if noise > 0 else math.inf

    @property
    def swell(self) -> float:
        """RMS of what the wavelet does not explain below its band, over the RMS of the wavelet."""
        below = self.frequency < BELOW * self.peak
        excess = (self.power - self.signal)[below].clip(min=0).sum()
        return math.sqrt(float(excess / self.signal.sum()))


def measure_spectrum(
    file: RecordedShots, spreading: Spreading = "line", near: float | None = None
) -> Spectrum:
    """Measure the spectrum of the records of up to ``MOST_SHOTS`` shots, and fit it.

    Each trace's spectrum is divided by its energy. Of these spectra the weighted median is taken, with the
    energy of a trace, up to a limit, as its weight: near offsets are loud, and their spectra are the least
    coloured by the ground, while bad traces are few, however loud they are.

    Args:
        file: the recorded shots.
        spreading: whether the records are those of a line source or of a point source.
        near: a stated peak frequency [Hz], below ``LOWEST`` of which the spectrum is not fitted.

    Raises:
        GeometryError: the records are too short to have a spectrum, or nothing was recorded.
    """
    if file.nt < FEWEST_SAMPLES:
        raise GeometryError(
            f"{file.path}: {file.nt} samples per trace, which are too few to tell a frequency"
        )
    chosen = spaced(file.shots, MOST_SHOTS)
    most = max(1, MOST_TRACES // len(chosen))
    parts = []
    for shot in chosen:
        traces = file.read(shot.number).T
        parts.append(traces[np.unique(np.linspace(0, len(traces) - 1, min(most, len(traces))).astype(int))])
    frequency, power = _median_power(np.concatenate(parts).astype(np.float64), file.dt)
    if not power.any():
        raise GeometryError(f"{file.path}: the records are zero throughout")
    lowest = 0.0 if near is None else LOWEST * min(near, float(frequency[-1]) / 2)
    return fit(frequency, power, EXPONENT[spreading], lowest)


def fit(frequency: Floats, power: Floats, exponent: int, lowest: float = 0.0) -> Spectrum:
    """Fit a power spectrum by that of records of a Ricker wavelet and of white noise.

    Args:
        frequency: frequencies from zero on [Hz], shape ``(frequency,)``.
        power: power at each of them, shape ``(frequency,)``.
        exponent: power of the frequency in the wavelet's part.
        lowest: frequency from which on the spectrum is fitted [Hz].
    """
    highest = float(frequency[-1])
    # Noise that is white is not more than what lies highest; else it would stand for a wide band of signal.
    most = float(np.median(power[frequency > highest / 2]))
    everywhere = max(float(frequency[2]), lowest), highest
    peak, some = highest, frequency > lowest
    for close in (False, False, True):  # each up to a multiple of the peak frequency of the one before
        tried = np.geomspace(*((peak / CLOSE, peak * CLOSE) if close else everywhere), TRIED)
        misfits = [_fitted(frequency[some], power[some], exponent, each, most)[0] for each in tried]
        peak = float(tried[int(np.argmin(misfits))])
        some = (frequency > lowest) & (frequency <= max(FITTED * peak, float(frequency[4]), 2 * lowest))
    _, loudness, noise = _fitted(frequency[some], power[some], exponent, peak, most)
    return Spectrum(frequency, power, peak, loudness * _ricker(frequency, peak, exponent), noise, exponent)


def spaced(items: Sequence[Item], most: int) -> list[Item]:
    """Choose at most so many items, evenly spaced, the first and the last among them."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).astype(int))]


def _median_power(traces: Floats, dt: float) -> tuple[Floats, Floats]:
    """Frequencies, and the median power of traces ``(trace, time)`` relative to the energy of each."""
    nt = traces.shape[1]
    whole = np.abs(traces[:, :2]).max(axis=1) <= BEGUN * np.abs(traces).max(axis=1)
    whole &= np.square(traces).max(axis=1) <= SPIKE * np.square(traces).sum(axis=1)
    whole &= np.any(traces, axis=1)
    traces = traces[whole] if whole.any() else traces
    fading = max(1, round(TAPER * nt))
    taper = np.ones(nt)
    taper[nt - fading :] = 0.5 + 0.5 * np.cos(np.pi * np.arange(fading) / fading)
    traces = (traces - traces.mean(axis=1, keepdims=True)) * taper
    power = np.abs(np.fft.rfft(traces, 2 * nt)) ** 2
    energy = power.sum(axis=1)
    power, energy = power[energy > 0], energy[energy > 0]
    frequency: Floats = np.fft.rfftfreq(2 * nt, dt).astype(np.float64)
    if not len(power):
        return frequency, np.zeros(len(frequency))
    weight = np.minimum(energy, LOUDEST * np.median(energy))
    power /= energy[:, None]
    order = np.argsort(power, axis=0)
    below = np.cumsum(weight[order], axis=0)
    middle = (below >= below[-1] / 2).argmax(axis=0)
    median: Floats = np.take_along_axis(power, order, 0)[middle, np.arange(len(frequency))]
    return frequency, median


def _ricker(frequency: Floats, peak: float, exponent: int) -> Floats:
    spectrum: Floats = (frequency / peak) ** exponent * np.exp(-2 * (frequency / peak) ** 2)
    return spectrum


def _fitted(
    frequency: Floats, power: Floats, exponent: int, peak: float, most: float
) -> tuple[float, float, float]:
    """Misfit of the amplitudes, and the wavelet's and the noise's power, up to ``most``, that fit best."""
    ricker = _ricker(frequency, peak, exponent)
    own, mean, both = float(ricker @ ricker), float(ricker.mean()), float(ricker @ power)
    count = len(power)
    determinant = count * own - (count * mean) ** 2
    loudness = (count * both - count * mean * float(power.sum())) / determinant if determinant > 0 else 0.0
    noise = float(power.mean()) - loudness * mean
    if not 0 <= noise <= most:
        noise = min(max(noise, 0.0), most)
        loudness = (both - noise * count * mean) / own
    if loudness < 0:
        loudness, noise = 0.0, float(power.mean())
    error = np.sqrt(power) - np.sqrt(loudness * ricker + noise)
    return float(error @ error), loudness, noise
