"""Noise that is added to a record, at a level in dB below the record's RMS amplitude.

The level holds over the whole record: at 20 dB the RMS amplitude of the noise is a tenth of that of the
record, wherever in the record the noise is. Dead traces have neither signal nor noise and do not count.
"""

import numpy as np
from numpy.typing import NDArray

from fwi.corruption.band import BANK_LENGTH, Gathers, NoiseBank, rms
from fwi.corruption.traces import along_line
from fwi.survey import Survey

DIPS = 3
"""Plane waves in each gather of ``dips``."""

DIP_SPEEDS = 300.0, 4000.0
"""Slowest and fastest apparent speed of these plane waves along the line [m/s]: from surface waves on."""

SWELL_FREQUENCY = 0.2
"""Peak frequency of swell, as a share of the wavelet's: next to none of its power is above half of that."""

SWELL_TRACES = 4
"""Traces over which swell changes along the line."""

MOST_BURSTS = 3
"""Largest number of bursts in a gather."""


def white(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Add noise with the spectrum of the wavelet, independent from trace to trace.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the time axis and the wavelet.
        strength: level of the noise [dB below the record's RMS].
        random: draws the noise.
    """
    bank = NoiseBank.of(survey, survey.config.wavelet.frequency)
    noise = bank.draw((gathers.shape[0], gathers.shape[2]), random)
    return _added(gathers, noise.transpose(0, 2, 1), strength)


def dips(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Add plane waves with the spectrum of the wavelet, which cross each gather at random apparent speeds.

    Such are waves from ships and machines, and those scattered near the surface. Speeds are drawn uniformly
    in their logarithm, and the direction along the line for each wave.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the receivers' positions, the time axis and the wavelet.
        strength: level of the noise [dB below the record's RMS].
        random: draws the waves.
    """
    shots, bank = len(gathers), NoiseBank.of(survey, survey.config.wavelet.frequency)
    slowest, fastest = DIP_SPEEDS
    speeds = slowest * (fastest / slowest) ** random.random((DIPS, shots, 1))
    speeds *= random.choice([-1.0, 1.0], speeds.shape)
    first = random.uniform(0, BANK_LENGTH, speeds.shape)
    amplitudes = random.uniform(0.3, 1.0, speeds.shape).astype(np.float32)
    noise = np.zeros((shots, gathers.shape[2], gathers.shape[1]), np.float32)
    for speed, start, amplitude in zip(speeds, first, amplitudes, strict=True):
        wave = bank.take(start - survey.receiver_x / speed / survey.recorded_dt)
        wave *= amplitude[..., None]
        noise += wave
    return _added(gathers, noise.transpose(0, 2, 1), strength)


def swell(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Add noise well below the wavelet's band, alike on a few neighbouring traces, strong on some of them.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the receivers' positions, the time axis and the wavelet.
        strength: level of the noise [dB below the record's RMS].
        random: draws the noise.
    """
    shots, _, receivers = gathers.shape
    bank = NoiseBank.of(survey, SWELL_FREQUENCY * survey.config.wavelet.frequency)
    groups = bank.draw((shots, receivers // SWELL_TRACES + 2), random)
    groups *= random.standard_exponential((*groups.shape[:2], 1), np.float32)
    place = np.arange(receivers) / SWELL_TRACES
    before, share = place.astype(np.int64), (place % 1).astype(np.float32)[:, None]
    swell = (1 - share) * groups[:, before] + share * groups[:, before + 1]
    swell /= np.hypot(1 - share, share)  # no weaker between two groups than within them
    noise = np.empty_like(swell)
    np.put_along_axis(noise, along_line(survey)[..., None], swell, axis=1)
    return _added(gathers, noise.transpose(0, 2, 1), strength)


def bursts(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Add short bursts of strong noise with the wavelet's spectrum, each on a few neighbouring traces.

    A gather has one to three of them. As the level holds over the whole record, a burst is far above it
    while it lasts.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the receivers' positions, the time axis and the wavelet.
        strength: level of the noise [dB below the record's RMS].
        random: draws the bursts.
    """
    shots, samples, receivers = gathers.shape
    bank, line = NoiseBank.of(survey, survey.config.wavelet.frequency), along_line(survey)
    period = 1 / survey.config.wavelet.frequency / survey.recorded_dt
    noise = np.zeros_like(gathers)
    for shot in range(shots):
        for _ in range(random.integers(1, MOST_BURSTS + 1)):
            length = min(samples, max(3, round(period * random.uniform(2, 5))))
            width = min(receivers, max(3, round(receivers * random.uniform(0.03, 0.1))))
            first, left = random.integers(samples - length + 1), random.integers(receivers - width + 1)
            burst = bank.draw((width,), random)[:, :length] * _bump(width)[:, None] * _bump(length)
            noise[shot, first : first + length, line[shot, left : left + width]] += burst
    return _added(gathers, noise, strength)


def _bump(size: int) -> NDArray[np.float32]:
    """Half a period of a squared sine, which begins and ends near zero."""
    bump: NDArray[np.float32] = (np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2).astype(np.float32)
    return bump


def _added(gathers: Gathers, noise: Gathers, decibels: float) -> Gathers:
    """Add noise to the traces that are not dead, at a level below their RMS."""
    alive = gathers.any(axis=1, keepdims=True)
    noise = noise * alive if not alive.all() else noise
    level = rms(noise)
    if not level:
        return gathers.copy()
    return gathers + noise * np.float32(10 ** (-decibels / 20) * rms(gathers) / level)
