"""The wavelet's band: filters along the time axis of gathers, and noise that fills a band."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwi.survey import Survey

Gathers = NDArray[np.float32]
"""Pressure of one record, shape ``(shot, time, receiver)``."""
Floats = NDArray[np.float64]

BANK_LENGTH = 2**16
"""Recorded samples of noise that a bank holds: several minutes, from which windows of seconds are taken."""

BANK_PHASES = 8
"""Parts of a recorded sample by which windows of a bank can be shifted, for waves that cross a spread."""

BANK_SEED = 13
"""Seed of the noise in the banks; what a record gets of it is drawn with the record's own seed."""

TAIL_PERIODS = 2.0
"""Periods of the wavelet by which a record is continued beyond its end before it is filtered."""


def rms(gathers: Gathers) -> float:
    """Return the RMS amplitude of gathers ``(..., time, receiver)``, missing traces included.

    The number of traces that are counted cancels out in ratios of two such amplitudes.
    """
    return float(np.sqrt(np.square(gathers, dtype=np.float64).mean()))


def ricker_spectrum(frequencies: Floats, peak: float) -> Floats:
    """Amplitude spectrum of a Ricker wavelet whose largest amplitude in time is one, but for a constant.

    Args:
        frequencies: frequencies [Hz], of any shape.
        peak: peak frequency of the wavelet [Hz].

    Returns:
        Amplitudes of the same shape; wavelets of different peak frequencies share the constant.
    """
    ratio = np.square(frequencies / peak)
    spectrum: Floats = ratio * np.exp(-ratio) / peak
    return spectrum


def filtered(
    gathers: Gathers, survey: Survey, response: Callable[[Floats], NDArray[np.complex128]]
) -> Gathers:
    """Filter every trace, without any part of its end appearing at its beginning.

    A record ends while waves are still arriving. It is continued by its mirror image, which fades within a
    few periods of the wavelet, because a filter would make the sharp end of the record ring.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the sampling interval and the wavelet's period.
        response: complex response at given frequencies [Hz].

    Returns:
        Filtered gathers of the same shape; traces of zeros stay so.
    """
    from scipy import fft

    samples, dt = gathers.shape[1], survey.recorded_dt
    tail = max(8, math.ceil(TAIL_PERIODS / survey.config.wavelet.frequency / dt))
    size = fft.next_fast_len(samples + 4 * tail, real=True)
    padded = np.zeros((gathers.shape[0], size, gathers.shape[2]), np.float32)
    padded[:, :samples] = gathers
    mirror = gathers[:, ::-1][:, :tail]
    fade = np.cos(0.5 * np.pi * (np.arange(mirror.shape[1]) + 0.5) / mirror.shape[1]) ** 2
    padded[:, samples : samples + mirror.shape[1]] = mirror * fade.astype(np.float32)[:, None]
    spectrum = fft.rfft(padded, axis=1, overwrite_x=True)
    spectrum *= response(fft.rfftfreq(size, dt)).astype(np.complex64)[:, None]
    result: Gathers = fft.irfft(spectrum, size, axis=1, overwrite_x=True)[:, :samples]
    return result


class NoiseBank(NamedTuple):
    """A long trace of noise with a given spectrum, from which windows are taken at any place."""

    windows: Gathers
    """Windows by their shift in parts of a sample and by their first sample: ``(phase, first, time)``."""

    @classmethod
    def of(cls, survey: Survey, frequency: float) -> "NoiseBank":
        """The bank of noise with the spectrum of a Ricker wavelet.

        Args:
            survey: gives the time axis.
            frequency: peak frequency of the wavelet [Hz].
        """
        return cls(_windows(survey.gather_shape[1], survey.recorded_dt, frequency))

    def take(self, positions: Floats) -> Gathers:
        """Take a window at each position.

        Args:
            positions: first sample of each window, of any size, not only whole numbers; any shape.

        Returns:
            Noise of about unit RMS, shape ``(..., time)``.
        """
        fine = np.rint(positions * BANK_PHASES).astype(np.int64) % (BANK_LENGTH * BANK_PHASES)
        noise: Gathers = self.windows[fine % BANK_PHASES, fine // BANK_PHASES]
        return noise

    def draw(self, shape: tuple[int, ...], random: np.random.Generator) -> Gathers:
        """Take windows at random, with random signs, shape ``(*shape, time)``."""
        noise = self.take(random.uniform(0, BANK_LENGTH, shape))
        noise *= random.choice(np.array([-1, 1], np.float32), shape)[..., None]
        return noise


@lru_cache(maxsize=8)
def _windows(samples: int, dt: float, frequency: float) -> Gathers:
    """Periodic noise, as windows that begin at each part of each sample."""
    from scipy import fft

    size = BANK_LENGTH * BANK_PHASES
    frequencies = fft.rfftfreq(size, dt / BANK_PHASES)
    amplitudes = ricker_spectrum(frequencies, frequency)
    amplitudes[frequencies > 0.5 / dt] = 0.0  # records hold nothing beyond their Nyquist frequency
    random = np.random.default_rng(BANK_SEED)
    spectrum = amplitudes * (
        random.standard_normal(len(frequencies)) + 1j * random.standard_normal(len(frequencies))
    )
    trace = fft.irfft(spectrum, size)
    trace = (trace / trace.std()).astype(np.float32)
    phases = np.ascontiguousarray(trace.reshape(BANK_LENGTH, BANK_PHASES).T)
    repeats = -(-samples // BANK_LENGTH)
    return np.lib.stride_tricks.sliding_window_view(
        np.concatenate([phases] * (1 + repeats), axis=1)[:, : BANK_LENGTH + samples - 1], samples, axis=1
    )
