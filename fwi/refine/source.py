"""Estimation of the source from the records: gain and delay of each shot, and a filter of the wavelet.

Records of the field come with a gain that nobody knows, a time zero that is off by some milliseconds, and a
wavelet that is only roughly that of the survey. Where simulated gathers are to be compared with them, these
are properties of the source, not of the section. ``match_source`` finds them by least squares (Pratt, 1999,
Geophysics), best within a window of the direct arrival, which depends on the section only near the surface.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from fwi.misfit import TIME, time_window
from fwi.survey import Survey

Unknown = Literal["known", "shots", "wavelet"]

HALF_WIDTH = 8
"""Samples on either side from which the value between two samples is interpolated."""

KAISER = 8.56
"""Shape of the interpolation's window: errors below 3e-4 from 3 samples a period on (Hicks, 2002)."""

LONGEST_FILTER = 1.5
"""Periods of the wavelet on either side that its filter may reach: too few to explain reflections."""

LONGEST_DELAY = 1.0
"""Periods of the wavelet by which a shot may be late or early; larger delays are left to the headers."""

STEPS = 16
"""Steps in a sample at which delays are searched, before the parabola through the best three."""

TURNS = 3
"""Times that the filter and the gains and delays are fitted in turns: further ones change nothing."""

DAMPING = 1e-3
"""Share of the simulated energy that is added to it to damp the filter's change where there is none."""

OPEN = 2.5
"""Periods before and after the peak of the direct arrival for which its window is fully open: the period that
a Ricker wavelet takes, and what the longest filter adds. Were it narrower, outer taps would be free."""


@dataclass(frozen=True)
class SourceMatch:
    """How simulated gathers become those of the recorded source.

    A gain and a filter could share a factor in any way; here the filter has none, and leaves the energy of
    the simulated gathers as it is. Likewise all of the delay is in ``delay``, and none in the filter.
    """

    gain: Tensor
    """Factor of each shot, shape ``(shot,)``, double precision; 0 for silent shots."""
    delay: Tensor
    """Delay of each shot [s], shape ``(shot,)``, double precision; positive: recorded late."""
    wavelet: Tensor | None
    """Filter of the wavelet, the same for all shots: an odd number of taps, one per recorded sample, with no
    lag in the middle; None for no filter."""
    dt: float
    """Interval of the recorded samples [s]."""

    @staticmethod
    def identity(shots: int, dt: float) -> "SourceMatch":
        """The match that leaves the gathers of some number of shots as they are."""
        return SourceMatch(torch.ones(shots).double(), torch.zeros(shots).double(), None, dt)

    def of(self, shots: object) -> "SourceMatch":
        """The match of some of the shots, given by anything that indexes a tensor."""
        if isinstance(shots, Tensor):
            shots = shots.to(self.gain.device)
        return replace(self, gain=self.gain[shots], delay=self.delay[shots])  # type: ignore[index]

    def apply(self, simulated: Tensor) -> Tensor:
        """Make simulated gathers those of the recorded source.

        The map is linear in the gathers, so the gradient passes through its adjoint. Traces are zero outside
        the
        record, so that the last samples of filtered or early traces lack what was not simulated: see
        ``completeness``.

        Args:
            simulated: shape ``(..., shot, time, receiver)``.

        Returns:
            Gathers of the same shape, in double precision.
        """
        gain = self.gain.to(simulated.device)[:, None, None]
        if self.wavelet is None and not self.delay.any():
            return gain * simulated.double()
        taps, first = self._taps()
        nt, last = simulated.shape[TIME], first + taps.shape[1] - 1
        # So long that nothing wraps around, and that every tap has a place.
        size = max(nt + max(abs(first), abs(last)), last - first + 1)
        kernel = torch.zeros(len(taps), size, dtype=torch.float64)
        kernel[:, torch.arange(first, last + 1) % size] = taps
        response = torch.fft.rfft(kernel.to(simulated.device))[..., None]
        spectra = torch.fft.rfft(simulated.double(), size, dim=TIME) * response
        filtered: Tensor = torch.fft.irfft(spectra, size, dim=TIME).narrow(TIME, 0, nt)
        return gain * filtered

    def completeness(self, samples: int) -> Tensor:
        """Compute how far each matched sample is known; the last ones need what comes after the record.

        Args:
            samples: number of recorded samples.

        Returns:
            Share of the squared taps that meet the record, or the rest before the source, by shot and sample:
            between 0 and 1, shape ``(shot, time, 1)``, to multiply weights with.
        """
        taps, first = self._taps()
        power = taps.square().flip(1).cumsum(1).flip(1)  # of a tap and all that look further back
        # The first tap of each sample that does not look beyond the record's end.
        needed = torch.arange(samples) - samples + 1 - first
        share = pad(power, (0, 1))[:, needed.clamp(0, taps.shape[1])] / power[:, :1]
        return share[..., None].to(self.gain.device)

    def _taps(self) -> tuple[Tensor, int]:
        """Taps of filter and delay of each shot, shape ``(shot, tap)``, and the lag of the first [samples].

        The lags are those of all shots, so that one Fourier transform serves them.
        """
        delay = self.delay.cpu() / self.dt
        nearest = delay.floor()
        low, high = int(nearest.min()) - HALF_WIDTH + 1, int(nearest.max()) + HALF_WIDTH
        lag = delay[:, None] - torch.arange(low, high + 1)
        window = torch.special.i0(KAISER * (1 - (lag / HALF_WIDTH).square()).clamp(min=0).sqrt())
        taps = torch.sinc(lag) * window / np.i0(KAISER) * (lag.abs() < HALF_WIDTH)
        if self.wavelet is None:
            return taps, low
        reach = len(self.wavelet) // 2
        filtered = torch.nn.functional.conv1d(
            taps[:, None], self.wavelet.cpu().double().flip(0)[None, None], padding=2 * reach
        )
        return filtered[:, 0], low - reach


def match_source(
    recorded: Tensor,
    simulated: Tensor,
    dt: float,
    unknown: Unknown,
    frequency: float,
    weights: Tensor | None = None,
) -> SourceMatch:
    """Find the source's gains, delays and filter with which simulated gathers come closest to recorded ones.

    Dead traces, which are zero throughout, are left out; a shot in which nothing else is left, or nothing by
    the weights, gets a gain and a delay of zero. All gains share one sign, so that noise cannot reverse the
    polarity of single shots.

    Args:
        recorded: shape ``(shot, time, receiver)``.
        simulated: the same shape.
        dt: sample interval [s].
        unknown: ``known``: one gain of all shots. ``shots``: gain and delay of each shot. ``wavelet``: also a
            filter of all shots, of at most ``LONGEST_FILTER`` periods on either side.
        frequency: peak frequency of the wavelet [Hz], whose period limits delays and filter.
        weights: factors of the difference, to broadcast with the gathers, such as ``direct_window``'s. Where
            the section is still wrong, its reflections must not count.

    Returns:
        The match, with values on the device of the gathers.

    Raises:
        ValueError: the shapes differ.
    """
    if recorded.shape != simulated.shape:
        raise ValueError(
            f"recorded gathers of shape {tuple(recorded.shape)} cannot be matched by simulated ones of shape "
            f"{tuple(simulated.shape)}: simulate the recorded shots alone"
        )
    recorded, simulated = recorded.detach().double(), simulated.detach().double()
    period = 1 / frequency
    power = recorded.any(TIME, keepdim=True) * _before_end(recorded, LONGEST_FILTER * period / dt)
    if weights is not None:
        power = power * weights.detach().double().square()
    shots, device = len(recorded), recorded.device
    if unknown == "known":
        gain = _ratio((power * recorded * simulated).sum(), (power * simulated.square()).sum())
        silent = ~recorded.flatten(1).any(1)
        gain, delay = gain.expand(shots).masked_fill(silent, 0.0), torch.zeros(shots, device=device).double()
        return SourceMatch(gain, delay, None, dt)
    match = _shots(recorded, simulated, power, None, dt, LONGEST_DELAY * period)
    if unknown == "wavelet":
        for _ in range(TURNS):
            wavelet = _wavelet(recorded, simulated, power, match, math.ceil(LONGEST_FILTER * period / dt))
            match = _shots(recorded, simulated, power, wavelet, dt, LONGEST_DELAY * period)
    return match


def direct_window(survey: Survey, speed: Tensor | float | None = None) -> Tensor:
    """Make the window in time that keeps the direct arrival of each trace.

    It is fully open for ``OPEN`` periods of the wavelet on either side of the arrival's peak, and closes
    within half a period. At small offsets, shallow reflections arrive within it; they are weaker, and as they
    come at other times on each trace, a filter of all traces cannot explain them.

    Args:
        survey: positions, time axis and wavelet.
        speed: mean speed between shot and receiver [m/s]: a number, or shape ``(shot, receiver)`` as from
            ``surface_speed``; the slowest speed of the grid if left out.

    Returns:
        Values between 0 and 1 to multiply gathers with, shape ``(shot, time, receiver)``.
    """
    speed = survey.grid.velocity[0] if speed is None else speed
    distance = torch.from_numpy(np.hypot(survey.offset, survey.receiver_depth - survey.shot_depth))
    if isinstance(speed, Tensor):
        distance = distance.to(speed.device)
    peak, period = distance / speed + survey.config.wavelet.peaks_at, 1 / survey.config.wavelet.frequency
    samples = survey.gather_shape[1]
    return time_window(peak - OPEN * period, peak + OPEN * period, samples, survey.recorded_dt, period / 2)


def surface_speed(section: Tensor, survey: Survey) -> Tensor:
    """Compute the speed of the direct wave along each trace.

    Args:
        section: velocity [m/s], shape ``(depth, x)``.
        survey: positions and the wavelet; the wave feels a quarter of its wavelength below the shots.

    Returns:
        Length of the way from shot to receiver over the time that it takes [m/s], shape
        ``(shot, receiver)``.
    """
    spacing = survey.grid.spacing
    first = round(min(survey.shot_depth, survey.receiver_depth) / spacing)
    deepest = max(survey.shot_depth, survey.receiver_depth)
    wavelength = float(section[first].median()) / survey.config.wavelet.frequency
    last = min(len(section) - 1, round((deepest + wavelength / 4) / spacing))
    slowness = (1 / section.detach()[first : last + 1].double()).mean(0).cpu().numpy()
    # The time from the line's beginning to each cell, between cells by the trapezoidal rule.
    time = np.concatenate([[0.0], np.cumsum((slowness[1:] + slowness[:-1]) / 2 * spacing)])
    at_shots, at_receivers = (np.interp(x, survey.x, time) for x in (survey.shot_x, survey.receiver_x))
    taken = np.abs(at_receivers - at_shots[:, None])
    here = 1 / np.interp(survey.receiver_x, survey.x, slowness)  # where shot and receiver are at one place
    speed = np.divide(survey.offset, taken, out=here, where=taken > 0)
    return torch.from_numpy(speed).to(section.device)


def _shots(
    recorded: Tensor, simulated: Tensor, power: Tensor, wavelet: Tensor | None, dt: float, longest: float
) -> SourceMatch:
    """Find gain and delay of each shot for a given filter, under weights of the squares ``power``."""
    zero = torch.zeros(len(recorded), device=recorded.device).double()
    filtered = SourceMatch(zero + 1, zero, wavelet, dt).apply(simulated)
    delayed = SourceMatch(zero + 1, _delays(recorded, filtered, power, dt, longest), wavelet, dt)
    matched = delayed.apply(simulated)
    product, energy = (power * recorded * matched).sum((1, 2)), (power * matched.square()).sum((1, 2))
    gain = _ratio(product, energy)
    return replace(delayed, gain=gain, delay=delayed.delay.masked_fill(gain == 0, 0.0))


def _delays(recorded: Tensor, simulated: Tensor, power: Tensor, dt: float, longest: float) -> Tensor:
    """Find the delays of the best correlation under weights [s], shape ``(shot,)``.

    The best delay of simulated traces has the largest ``sum w recorded simulated / sqrt(sum w simulated^2)``,
    which is what minimises the weighted difference for the best gain.
    """
    product = _correlated(power * recorded, simulated)
    energy = _correlated(power.expand_as(recorded), simulated.square())
    energy = energy.clamp(min=1e-3 * energy.amax(1, keepdim=True).clamp(min=torch.finfo(energy.dtype).tiny))
    middle, reach = product.shape[1] // 2, max(1, math.floor(longest / dt * STEPS))
    reach = min(reach, middle - 1)
    quality = (product / energy.sqrt())[:, middle - reach - 1 : middle + reach + 2]
    # One polarity of all shots: that of the larger sum of best correlations.
    quality = quality if quality.amax(1).sum() >= -quality.amin(1).sum() else -quality
    best = quality[:, 1:-1].argmax(1, keepdim=True) + 1  # it has two neighbours
    before, peak, after = (quality.gather(1, best + step).squeeze(1) for step in (-1, 0, 1))
    curvature = (before - 2 * peak + after).clamp(max=-torch.finfo(quality.dtype).tiny)
    steps = best.squeeze(1) - 1 - reach + (0.5 * (before - after) / curvature).clamp(-1, 1)
    return torch.where(peak > 0, steps * dt / STEPS, 0.0)


def _correlated(one: Tensor, other: Tensor) -> Tensor:
    """Sum over traces and times ``one(t) other(t - delay)`` at delays of parts of a sample.

    Returns:
        Shape ``(shot, delay)``, with no delay in the middle.
    """
    size = 2 * one.shape[TIME]
    spectra = [torch.fft.rfft(gathers, size, dim=TIME) for gathers in (one, other)]
    fine = torch.fft.irfft((spectra[0] * spectra[1].conj()).sum(2), STEPS * size) * STEPS
    middle: Tensor = torch.fft.fftshift(fine, dim=1)
    return middle


def _wavelet(recorded: Tensor, simulated: Tensor, power: Tensor, match: SourceMatch, reach: int) -> Tensor:
    """Find the filter of ``2 reach + 1`` taps that brings matched gathers closest to recorded ones.

    Its difference from no filter is damped, so that it changes nothing at frequencies without energy.
    """
    delayed = replace(match, wavelet=None).apply(simulated)
    gram = torch.zeros(2 * reach + 1, 2 * reach + 1, dtype=torch.float64, device=recorded.device)
    right = gram.new_zeros(2 * reach + 1)
    for weight, observed, traces in zip(power.expand_as(recorded), recorded, delayed, strict=True):
        lagged = pad(traces, (0, 0, reach, reach)).unfold(0, len(traces), 1).flip(0)  # (lag, receiver, time)
        weighted = (lagged * weight.T).flatten(1)
        gram += weighted @ lagged.flatten(1).T
        right += weighted @ observed.T.flatten()
    unit = torch.eye(2 * reach + 1, dtype=torch.float64, device=recorded.device)
    energy = gram[reach, reach].clamp(min=torch.finfo(gram.dtype).tiny)
    none = unit[reach]
    wavelet = none + torch.linalg.solve(gram + DAMPING * energy * unit, right - gram @ none)
    unfiltered, filtered = gram[reach, reach], wavelet @ gram @ wavelet
    return wavelet * _ratio(unfiltered, filtered).sqrt() if unfiltered > 0 else none


def _before_end(gathers: Tensor, samples: float) -> Tensor:
    """Weights that fall to zero over the last samples, where a filter lacks what follows: ``(time, 1)``."""
    nt = gathers.shape[TIME]
    left = torch.arange(nt, 0, -1, dtype=torch.float64, device=gathers.device) - 0.5
    return torch.sin(0.5 * math.pi * (left / min(samples, nt / 2)).clamp(max=1)).square()[:, None]


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Divide; zero where the denominator is."""
    return numerator / denominator.where(denominator > 0, math.inf)
