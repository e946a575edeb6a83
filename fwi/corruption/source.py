"""A source that is not the one that was assumed: its time, phase and frequency."""

import numpy as np
from numpy.typing import NDArray

from fwi.corruption.band import Floats, Gathers, filtered
from fwi.survey import Survey

FLOOR = 1e-4
"""Value of exp(-(f / peak)^2), about three times the peak frequency, below which the record holds rounding
errors rather than signal, which shaping must not amplify."""

WHOLE = 1e-6
"""Part of a sample by which a delay may differ from a whole number of samples and is taken as that."""


def delay(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Delay the whole record; nothing arrives before it, and what is delayed beyond its end is lost.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the sampling interval.
        strength: delay [s]; below zero the record comes earlier, and ends in zeros.
        random: not used.
    """
    shift = strength / survey.recorded_dt
    whole = round(shift)
    part = shift - whole
    if abs(part) > WHOLE:
        gathers = filtered(gathers, survey, lambda f: np.exp(-2j * np.pi * f * part * survey.recorded_dt))
    samples = gathers.shape[1]
    delayed = np.zeros_like(gathers)
    if 0 <= whole < samples:
        delayed[:, whole:] = gathers[:, : samples - whole]
    elif -samples < whole < 0:
        delayed[:, :whole] = gathers[:, -whole:]
    return delayed


def phase(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Rotate the phase of all frequencies by the same angle.

    An angle a makes ``cos(2 pi f t)`` into ``cos(2 pi f t + a)``; 180 degrees swap the polarity.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the sampling interval and the wavelet's period.
        strength: angle [degrees].
        random: not used.
    """
    if strength % 360 == 0:
        return gathers.copy()

    def rotation(frequencies: Floats) -> NDArray[np.complex128]:
        return np.full(len(frequencies), np.exp(1j * np.radians(strength)))

    return filtered(gathers, survey, rotation)


def frequency(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Shape the record into that of a Ricker wavelet of another peak frequency and the same peak time.

    Both wavelets have an amplitude of one in time, and thus spectra of ``f^2 exp(-(f / peak)^2) / peak^3``.
    Their ratio approaches one above the band of the survey's wavelet, so that noise there is left as it is.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the sampling interval and the wavelet.
        strength: factor of the survey's peak frequency.
        random: not used.
    """
    if strength == 1:
        return gathers.copy()
    peak = survey.config.wavelet.frequency

    def ratio(frequencies: Floats) -> NDArray[np.complex128]:
        assumed = np.exp(-np.square(frequencies / peak))
        other = np.exp(-np.square(frequencies / (strength * peak))) / strength**3
        return ((other * assumed + FLOOR**2) / (assumed**2 + FLOOR**2)).astype(np.complex128)

    return filtered(gathers, survey, ratio)
