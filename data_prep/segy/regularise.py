"""Recorded traces are brought onto a survey: filtered, resampled in time, and interpolated to its receivers.

All steps work on the spectrum within the band of the wavelet. A Fourier sum transforms records of any sample
interval and start time to frequencies, where traces are interpolated; another sum gives them at the survey's
times, so that nothing is resampled twice.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.placing import Placement
from data_prep.segy.shots import RecordedShots
from fwi.survey import HIGHEST_FREQUENCY, Survey

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

Spreading = Literal["line", "point"]
"""Source whose amplitudes the records have: a line source, as in 2-D simulation, or a point source."""

PASSED = (0.25, HIGHEST_FREQUENCY)
"""Multiples of the peak frequency between which records pass unchanged: the wavelet's band."""

STOPPED = (0.1, 3.2)
"""Multiples of the peak frequency below and above which nothing passes."""

RINGING = 10.0
"""Periods of the peak frequency after which the filter, a cosine from 0.1 to 0.25 of it, has died away."""

ON_RECEIVER = 0.01
"""Distance in cells below which a receiver is where it was recorded."""

NEIGHBOURS = 16
"""Number of recorded traces from which a trace is interpolated."""

NOISE = 0.001
"""Share of a trace's energy that interpolation takes for noise, which keeps it from amplifying noise."""


def bring(
    file: RecordedShots,
    placement: Placement,
    survey: Survey,
    *,
    spreading: Spreading = "line",
    shift: float = 0.0,
    low_cut: bool = True,
    response: Callable[[Floats], Floats] | None = None,
) -> NDArray[np.float32]:
    """Bring the recorded shots of one placement onto the survey.

    Args:
        file: the recorded shots, read one at a time.
        placement: where the survey lies on the line.
        survey: the survey wanted.
        spreading: ``point`` turns a point source's amplitudes and phase into a line source's, up to a factor.
        shift: added to the records' times [s].
        low_cut: whether what lies below the wavelet's band is filtered away, such as swell.
        response: further filter: factors of the amplitudes at given frequencies [Hz].

    Returns:
        Gathers, shape ``(shot, time, receiver)``, in the file's units; zero where there is no trace.
    """
    frequency, taper, recorded_time = _band(file, survey, shift, low_cut)
    if response is not None:
        taper = taper * response(frequency)
    to_frequency = np.exp(-2j * np.pi * frequency[:, None] * recorded_time)
    if spreading == "point":
        taper = taper / np.sqrt(1j * frequency)
    step = frequency[1] - frequency[0]
    to_time = 2 * step * file.dt * np.exp(2j * np.pi * np.outer(survey.time - shift, frequency))
    gathers = np.zeros(survey.gather_shape, np.float32)
    for i, shot in enumerate(placement.shots):
        traces = file.read(shot.number).astype(np.float64)
        if spreading == "point":
            traces *= np.sqrt(recorded_time.clip(min=0))[:, None]
        spectrum = taper[:, None] * (to_frequency @ traces)
        wanted = placement.receiver_x(survey, i)
        on_receivers = interpolate(spectrum, frequency, shot.receiver_x, wanted, survey)
        gathers[i][:, placement.receivers(survey, i)] = (to_time @ on_receivers).real
    return gathers


def interpolate(spectrum: Complex, frequency: Floats, x: Floats, wanted: Floats, survey: Survey) -> Complex:
    r"""Interpolate traces along the line, assuming no arrival slower than the survey's slowest speed.

    The result is the smallest of all wavefields whose wavenumbers at frequency f are at most :math:`f /
    v_{min}` and that
    pass through the nearest recorded traces (Yen, 1956). What is sampled twice per wavelength comes out
    exact up to ``NOISE``, in irregular spacing too. It misses the near field, within half a wavelength of
    the source, and slow arrivals of high frequency across a dead trace.

    Args:
        spectrum: traces, shape ``(frequency, trace)``.
        frequency: shape ``(frequency,)`` [Hz].
        x: their positions, ascending [m].
        wanted: positions wanted [m].
        survey: gives the slowest speed and the cell size.

    Returns:
        Shape ``(frequency, wanted)``.
    """
    distance = np.abs(wanted[:, None] - x)
    if (distance.min(axis=1) < ON_RECEIVER * survey.grid.spacing).all():
        return spectrum[:, distance.argmin(axis=1)]
    chosen = np.argsort(distance, axis=1)[:, :NEIGHBOURS]
    near = x[chosen]
    found = np.empty((len(frequency), len(wanted)), np.complex128)
    damping = NOISE * np.eye(near.shape[1])
    for k, f in enumerate(frequency):
        bandwidth = 2 * f / survey.grid.velocity[0]
        between = np.sinc(bandwidth * (near[:, :, None] - near[:, None, :])) + damping
        towards = np.sinc(bandwidth * (near - wanted[:, None]))
        weights = np.linalg.solve(between, towards[:, :, None])[:, :, 0]
        found[k] = (weights * spectrum[k, chosen]).sum(axis=1)
    return found


def _band(file: RecordedShots, survey: Survey, shift: float, low_cut: bool) -> tuple[Floats, Floats, Floats]:
    """Frequencies of the band [Hz] with the filter's factors, and the times of the recorded samples [s]."""
    peak = survey.config.wavelet.frequency
    recorded: Floats = file.start + np.arange(file.nt, dtype=np.float64) * file.dt
    begin, end = min(recorded[0], -shift), max(recorded[-1], survey.time[-1] - shift)
    period = end - begin + RINGING / peak
    stop = STOPPED[1] * peak
    passed = PASSED[1] * peak
    if survey.aliases:  # as the simulation records such a survey
        stop = min(stop, 0.5 / survey.recorded_dt)
        passed = min(passed, 0.6 * stop)
    stop = min(stop, 0.5 / file.dt)
    frequency: Floats = np.arange(1, int(stop * period) + 1, dtype=np.float64) / period
    rise = _ramp(frequency, STOPPED[0] * peak, PASSED[0] * peak) if low_cut else np.ones(len(frequency))
    fall = 1 - _ramp(frequency, min(passed, 0.95 * stop), stop)
    kept = rise * fall > 0
    return frequency[kept], (rise * fall)[kept], recorded


def _ramp(frequency: Floats, low: float, high: float) -> Floats:
    ramp: Floats = 0.5 - 0.5 * np.cos(np.pi * ((frequency - low) / (high - low)).clip(0, 1))
    return ramp
