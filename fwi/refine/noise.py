"""The noise of a record, which a section must not explain.

Where the misfit has fallen to the share that noise has in the records, a better fit explains noise: there an
inversion stops (the discrepancy principle; Morozov, 1966, Soviet Mathematics Doklady).
"""

import math

import numpy as np
import torch
from torch import Tensor

from fwi.misfit import TIME
from fwi.survey import Survey

ONSET = 1.2
"""Periods before its peak at which a Ricker wavelet is still below a 10,000th of it."""

FEWEST_PERIODS = 0.5
"""Periods of the wavelet that a trace's quiet samples must last: fewer show the phase of the noise alone."""

FEWEST_TRACES = 8
"""Traces with quiet samples below which the noise is estimated outside the wavelet's band."""

OUTLIER = 10.0
"""Multiple of the traces' median level above which a trace has spikes, or signal where none was expected."""

BAND = 2.8
"""Multiple of its peak frequency above which a Ricker wavelet has less than a 100th of its amplitude."""


def noise_level(recorded: Tensor, survey: Survey) -> float:
    """Estimate the RMS of the noise from the samples before anything can have arrived.

    Nothing arrives before the distance over the grid's fastest speed. The mean power of these samples is
    taken over the live traces that have enough of them, but for traces of more than ``OUTLIER`` times the
    median level. Where
    there are not enough traces, as with small offsets alone, noise is taken to be white, and its level is
    read off the frequencies above the wavelet's band, in which records have little.

    The estimate misses what begins with the shot, such as surface waves, multiples, and errors of gains and
    positions. It also misses bursts after the first arrivals and, where it is read above the band, noise with
    the wavelet's spectrum.

    Args:
        recorded: the records, shape ``(shot, time, receiver)``; traces of zeros are left out.
        survey: positions, time axis, wavelet and fastest speed; shots may be fewer than the survey's only
            if the survey is theirs.

    Returns:
        RMS [unit of the records]; nearly 0 for records that were simulated, and 0 where nothing can be told.

    Raises:
        ValueError: the records are not of the survey's shape.
    """
    if tuple(recorded.shape) != survey.gather_shape:
        raise ValueError(
            f"records of shape {tuple(recorded.shape)} are not of the survey's shape {survey.gather_shape}: "
            "give the survey of these shots"
        )
    recorded = recorded.detach().double()
    quiet = _steps(recorded) < _quiet(survey).to(recorded.device)[:, None]
    samples = quiet.sum(TIME)
    fewest = FEWEST_PERIODS / survey.config.wavelet.frequency / survey.recorded_dt
    usable = recorded.any(TIME) & (samples >= max(2.0, fewest))
    if usable.sum() < FEWEST_TRACES:
        return _above_band(recorded, survey)
    energy, samples = (recorded * quiet).square().sum(TIME)[usable], samples[usable]
    power = energy / samples
    ordinary = power <= OUTLIER**2 * power.median()
    return math.sqrt(float(energy[ordinary].sum() / samples[ordinary].sum()))


def noise_share(recorded: Tensor, weights: Tensor, level: float) -> float:
    """Compute the share of noise in the energy of weighted records.

    It is the misfit ``sum (w (simulated - recorded))^2 / sum (w recorded)^2`` of simulated records that are
    right but for the noise.

    Args:
        recorded: the records, shape ``(..., shot, time, receiver)``; traces of zeros have no noise.
        weights: factors w, to broadcast with the records.
        level: RMS of the noise.

    Returns:
        Share of at most 1, and 0 for records of zeros.
    """
    recorded = recorded.detach().double()
    power = weights.detach().double().square() * recorded.any(TIME, keepdim=True)
    total = float((power * recorded.square()).sum())
    noise = level**2 * float(power.expand_as(recorded).sum())
    return min(1.0, noise / total) if total > 0 else 0.0


def _quiet(survey: Survey) -> Tensor:
    """Number of samples of each trace before anything can have arrived, shape ``(shot, receiver)``."""
    distance = np.hypot(survey.offset, survey.receiver_depth - survey.shot_depth)
    wavelet = survey.config.wavelet
    first = distance / survey.grid.velocity[1] + wavelet.peaks_at - ONSET / wavelet.frequency
    return torch.from_numpy(np.ceil(first / survey.recorded_dt))


def _steps(recorded: Tensor) -> Tensor:
    """Numbers of the samples, shape ``(time, 1)``."""
    return torch.arange(recorded.shape[TIME], device=recorded.device)[:, None]


def _above_band(recorded: Tensor, survey: Survey) -> float:
    """RMS of white noise of the power that live traces have above the wavelet's band; 0 if it has no such."""
    live = recorded.transpose(1, 2)[recorded.any(TIME)]
    samples, dt = recorded.shape[TIME], survey.recorded_dt
    above = torch.fft.rfftfreq(samples, dt, device=recorded.device) > BAND * survey.config.wavelet.frequency
    if not len(live) or not above.any():
        return 0.0
    # Without a taper, the jump from a record's end to its beginning has all frequencies.
    taper = torch.hann_window(samples, dtype=torch.float64, device=recorded.device)
    power = torch.fft.rfft(live * taper)[:, above].abs().square().mean(1) / taper.square().sum()
    ordinary = power <= OUTLIER**2 * power.median()
    return math.sqrt(float(power[ordinary].mean()))
