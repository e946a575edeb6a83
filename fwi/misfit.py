"""The misfit of simulated against recorded gathers: the definitions of all its quantities and windows.

Gathers have the shape ``(..., shot, time, receiver)``: time is the last axis but one, and other axes may
precede the shots, such as that of a batch. All functions are differentiable, run on the device of their
arguments and compute in double precision, so that squares of half or single precision do not overflow.
"""

import math

import torch
from torch import Tensor

TIME = -2
"""The axis of time."""

BAND_EDGE = 0.5
"""Width of the edges of a frequency band, over which its amplitude falls from one to zero [octaves]."""


def weighted_by_time(gathers: Tensor, dt: float, power: float) -> Tensor:
    """Multiply gathers by ``t ** power``, where t is the time since the first sample [s].

    A power of 2 roughly compensates the loss of amplitude along the path (Claerbout, 1985, Imaging the
    Earth's Interior). Otherwise the direct arrival, which does not depend on the salt, would dominate a
    misfit.

    Args:
        gathers: shape ``(..., shot, time, receiver)``.
        dt: sample interval [s].
        power: exponent of the time.

    Returns:
        Weighted gathers of the same shape [pressure times s ** power], in double precision.
    """
    return gathers.double() * (_times(gathers.shape[TIME], dt, gathers.device) ** power)[:, None]


def gain_on_simulated(recorded: Tensor, simulated: Tensor, over: tuple[int, ...] | None = None) -> Tensor:
    """Compute the factor of the simulated gathers that brings them closest to the recorded ones.

    The gain g that minimises ``sum (recorded - g simulated)^2`` is
    ``sum recorded simulated / sum simulated^2``, and zero where the simulated gathers are zero throughout.

    Args:
        recorded: shape ``(..., shot, time, receiver)``.
        simulated: the same shape.
        over: axes to sum over, which share a gain; all of them if left out.

    Returns:
        Gains without a unit; the axes summed over have the length 1, for ``gain * simulated`` to broadcast.

    Raises:
        ValueError: the shapes differ.
    """
    return _gain(recorded, simulated, over)


def gain_on_recorded(recorded: Tensor, simulated: Tensor, over: tuple[int, ...] | None = None) -> Tensor:
    """Compute the factor of the recorded gathers that brings them closest to the simulated ones.

    The gain g that minimises ``sum (simulated - g recorded)^2`` is
    ``sum recorded simulated / sum recorded^2``, and zero where the recorded gathers are zero throughout. It
    is the inverse of ``gain_on_simulated`` only where that gain leaves no difference.

    Args:
        recorded: shape ``(..., shot, time, receiver)``.
        simulated: the same shape.
        over: axes to sum over, which share a gain; all of them if left out.

    Returns:
        Gains without a unit; the axes summed over have the length 1, for ``gain * recorded`` to broadcast.

    Raises:
        ValueError: the shapes differ.
    """
    return _gain(simulated, recorded, over)


def normalised_rms(gathers: Tensor, reference: Tensor, over: tuple[int, ...] | None = None) -> Tensor:
    """Compute the NRMS: the RMS of the difference of gathers over the RMS of the reference.

    That is ``sqrt(sum (gathers - reference)^2 / sum reference^2)``: 0 if they agree, 1 if the gathers are
    zero throughout. In time-lapse surveys the name stands for another quantity, which divides by the mean
    RMS of both (Kragh and Christie, 2002, The Leading Edge).

    Args:
        gathers: shape ``(..., shot, time, receiver)``.
        reference: the same shape.
        over: axes to sum over; all of them if left out.

    Returns:
        NRMS without a unit, of the shape of the axes that are not summed over; infinite or NaN where the
        reference is zero throughout. Its gradient is zero where the gathers agree.

    Raises:
        ValueError: the shapes differ.
    """
    _require_same_shape(gathers, reference)
    gathers, reference = gathers.double(), reference.double()
    difference = torch.linalg.vector_norm(gathers - reference, dim=over)
    nrms: Tensor = difference / torch.linalg.vector_norm(reference, dim=over)
    return nrms


def correlation(recorded: Tensor, simulated: Tensor) -> Tensor:
    """Compute the correlation of traces at no shift.

    That is ``sum recorded simulated / sqrt(sum recorded^2 sum simulated^2)`` with sums over time: 1 for
    traces that differ by a positive gain, -1 for those that differ by a negative one, and 0 where one of the
    two is zero throughout.

    Args:
        recorded: shape ``(..., shot, time, receiver)``.
        simulated: the same shape.

    Returns:
        Correlations without a unit, shape ``(..., shot, receiver)``.

    Raises:
        ValueError: the shapes differ.
    """
    _require_same_shape(recorded, simulated)
    return (_unit_traces(recorded) * _unit_traces(simulated)).sum(TIME)


def cross_correlation(recorded: Tensor, simulated: Tensor) -> Tensor:
    """Correlate traces at every lag, without normalising them.

    At a lag of k samples the cross-correlation is ``sum_t recorded(t) simulated(t + k)``, where traces are
    zero before their first and after their last sample.

    Args:
        recorded: shape ``(..., shot, time, receiver)``, with nt samples of time.
        simulated: the same shape.

    Returns:
        Products of pressures, shape ``(..., shot, lag, receiver)``, at the 2 nt lags -nt .. nt - 1: index nt
        is no lag.

    Raises:
        ValueError: the shapes differ.
    """
    _require_same_shape(recorded, simulated)
    length = 2 * recorded.shape[TIME]  # zeros after the record: a Fourier transform would correlate its ends
    of_recorded, of_simulated = (
        torch.fft.rfft(gathers.double(), length, dim=TIME) for gathers in (recorded, simulated)
    )
    lags = torch.fft.irfft(of_simulated * of_recorded.conj(), length, dim=TIME)
    from_first_to_last: Tensor = torch.fft.fftshift(lags, dim=TIME)
    return from_first_to_last


def time_shift(recorded: Tensor, simulated: Tensor, dt: float) -> Tensor:
    """Find the lag at which each simulated trace correlates best with the recorded one.

    The cross-correlation's largest sample is refined by the highest point of the parabola through it and its
    two neighbours. The gradient is that of the parabola.

    Args:
        recorded: shape ``(..., shot, time, receiver)``.
        simulated: the same shape.
        dt: sample interval [s].

    Returns:
        Shifts [s], shape ``(..., shot, receiver)``: positive where the simulated trace is late, and 0 where
        one of the two is zero throughout.

    Raises:
        ValueError: the shapes differ.
    """
    lags = cross_correlation(recorded, simulated)
    best = lags.narrow(TIME, 1, lags.shape[TIME] - 2).argmax(TIME, keepdim=True) + 1  # it has two neighbours
    before, peak, after = (lags.gather(TIME, best + step).squeeze(TIME) for step in (-1, 0, 1))
    curvature = (before - 2 * peak + after).clamp(max=-torch.finfo(lags.dtype).tiny)
    shift = best.squeeze(TIME) - recorded.shape[TIME] + 0.5 * (before - after) / curvature
    return dt * shift.where(peak > 0, 0.0)


def offset_window(offset: Tensor, nearest: float, furthest: float) -> Tensor:
    """Make the window that keeps the traces of some offsets.

    Args:
        offset: distance from the source to each receiver along the line [m], shape ``(shot, receiver)``.
        nearest: smallest offset that is kept [m].
        furthest: largest offset that is kept [m].

    Returns:
        1 for traces with ``nearest <= offset <= furthest`` and 0 for others, to multiply gathers with; shape
        ``(shot, 1, receiver)``.
    """
    return ((offset >= nearest) & (offset <= furthest)).double()[:, None]


def time_window(start: Tensor, end: Tensor, nt: int, dt: float, taper: float) -> Tensor:
    """Make the window that keeps the samples between two times, which may differ from trace to trace.

    Times in proportion to the offset give a window of time and offset: ``offset / 1500`` is when the direct
    wave arrives through water.

    Args:
        start: time at which the window is fully open [s], shape ``(shot, receiver)``.
        end: time from which on it closes [s], the same shape.
        nt: number of samples.
        dt: sample interval [s].
        taper: duration of the opening before the start and of the closing after the end [s], over which the
            window follows ``cos^2``.

    Returns:
        Values between 0 and 1 to multiply gathers with, shape ``(shot, time, receiver)``.

    Raises:
        ValueError: the taper is not positive.
    """
    if not taper > 0:
        raise ValueError(
            f"a time window's taper of {taper:g} s must be positive: take a period of the wavelet"
        )
    time = _times(nt, dt, start.device)[:, None]
    outside = torch.maximum(start[:, None] - time, time - end[:, None])
    return _falling(outside / taper)


def band_passed(gathers: Tensor, dt: float, lowest: float, highest: float) -> Tensor:
    """Keep the frequencies of a band, without a change of phase.

    The amplitude is 1 within the band and follows ``cos^2`` to 0 over ``BAND_EDGE`` octaves outside it.

    Args:
        gathers: shape ``(..., shot, time, receiver)``; they are taken as zero before and after their samples.
        dt: sample interval [s].
        lowest: lowest frequency of the band [Hz]; 0 for a low-pass filter.
        highest: highest frequency of the band [Hz]; ``math.inf`` for a high-pass filter.

    Returns:
        Filtered gathers of the same shape, in double precision.

    Raises:
        ValueError: the band is empty.
    """
    if not 0 <= lowest < highest:
        raise ValueError(f"the band {lowest:g} .. {highest:g} Hz is empty: give the lower frequency first")
    nt = gathers.shape[TIME]
    frequency = torch.fft.rfftfreq(2 * nt, dt, dtype=torch.float64, device=gathers.device)
    octaves = torch.log2(frequency.clamp(min=torch.finfo(torch.float64).tiny))
    below = math.log2(lowest) - octaves if lowest else torch.full_like(octaves, -math.inf)
    amplitude = _falling(torch.maximum(below, octaves - math.log2(highest)) / BAND_EDGE)
    spectra = torch.fft.rfft(gathers.double(), 2 * nt, dim=TIME) * amplitude[:, None]
    padded: Tensor = torch.fft.irfft(spectra, 2 * nt, dim=TIME)
    return padded.narrow(TIME, 0, nt)


def _gain(target: Tensor, scaled: Tensor, over: tuple[int, ...] | None) -> Tensor:
    """Compute the factor of ``scaled`` that brings it closest to ``target``."""
    _require_same_shape(target, scaled)
    over = tuple(range(target.ndim)) if over is None else over
    target, scaled = target.double(), scaled.double()
    power: Tensor = torch.linalg.vector_norm(scaled, dim=over, keepdim=True) ** 2
    return (target * scaled).sum(over, keepdim=True) / power.where(power > 0, math.inf)


def _unit_traces(gathers: Tensor) -> Tensor:
    """Divide traces by the root of their sum of squares; traces of zeros stay zero."""
    gathers = gathers.double()
    norm: Tensor = torch.linalg.vector_norm(gathers, dim=TIME, keepdim=True)
    return gathers / norm.where(norm > 0, math.inf)


def _times(nt: int, dt: float, device: torch.device) -> Tensor:
    """Return the times of the samples [s], shape ``(time,)``."""
    return torch.arange(nt, dtype=torch.float64, device=device) * dt


def _falling(distance: Tensor) -> Tensor:
    """Return 1 up to a distance of 0, falling as ``cos^2`` to 0 at a distance of 1 and beyond."""
    return torch.cos(0.5 * math.pi * distance.clamp(0, 1)) ** 2


def _require_same_shape(one: Tensor, other: Tensor) -> None:
    if one.shape != other.shape:
        raise ValueError(
            f"gathers of shape {tuple(one.shape)} cannot be compared with gathers of shape "
            f"{tuple(other.shape)}: bring them onto the same shots, times and receivers first"
        )
