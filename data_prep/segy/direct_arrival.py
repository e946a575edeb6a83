"""Gain and time shift of records, measured on their direct arrival, which needs no velocity model."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.line import metres
from data_prep.segy.placing import GeometryError
from fwi.config import PhysicsConfig
from fwi.survey import Survey
from fwi.survey_limits import CLOSEST_RECEIVERS

Floats = NDArray[np.float64]

NEAREST = (1.0, 0.5)
"""Least offset at which the direct arrival is compared [wavelengths]; the second if no receiver is so far.

Within half a wavelength of the source lies the near field, which interpolation does not reproduce.
"""

NEAR = 4.0
"""Range of offsets, from the least one on, over which the direct arrival is compared [wavelengths]."""

WINDOW = 3.0
"""Length of the window around the direct arrival, which holds the wavelet [periods of the peak frequency]."""

FOCUS = 0.4
"""Standard deviation of the Gaussian weight about the middle of the wavelet [periods]."""

EARLIEST, LATEST = -2.0, 0.5
"""Range of times about the simulated arrival in which the recorded one is searched [periods].

Reflections follow soon after.
"""

FINER = 8
"""Number of time steps per recorded sample at which arrivals are compared."""

FAINT = 0.05
"""Share of the largest amplitude below which amplitudes are too small to compare."""

RECOGNISED = 0.5
"""Correlation of recorded and simulated direct arrivals below which no direct arrival is recognised."""

SPEEDS = 81
"""Number of near-surface speeds tried, evenly spread in slowness over the grid's range."""

MOST_TRACES = 400
"""Largest number of traces compared: more would not change the result."""

EDGE = 10
"""Number of cells from the simulated shot, and from its farthest receiver, to the grid's ends."""

TINY = float(np.finfo(np.float64).tiny)


class DirectArrival(NamedTuple):
    """Gain and time shift that match the recorded to the simulated direct arrival, and their quality."""

    gain: float
    """Factor of the amplitudes, positive for either polarity."""
    shift: float
    """Time to add to the times of the records [s]."""
    speed: float
    """Near-surface speed from the moveout of the arrival [m/s], within the grid's range."""
    correlation: float
    """Mean correlation of recorded and simulated arrival; negative where most shots are reversed."""
    odd_shots: tuple[int, ...]
    """Numbers of the survey's shots whose polarity differs from that of most shots."""
    spread: tuple[float, float]
    """16th and 84th percentile of the gains of the single traces."""
    offsets: tuple[float, float]
    """Smallest and largest offset compared [m]."""
    traces: int
    """Number of traces compared."""


class _Comparison(NamedTuple):
    """Comparison of recorded and simulated arrivals at many lags."""

    lag: Floats
    """Delay of the recorded after the simulated arrival [s], shape ``(lag,)``."""
    correlation: Floats
    """Correlation of recorded and simulated arrivals, shape ``(trace, lag)``."""
    gain: Floats
    """Ratio of simulated to recorded amplitude, shape ``(trace, lag)``."""


def measure_direct_arrival(
    gathers: NDArray[np.float32], survey: Survey, physics: PhysicsConfig, latest: float = LATEST
) -> DirectArrival:
    """Compare the direct arrival of records with one simulated in a homogeneous model.

    Speed and time shift maximise the mean correlation of all near traces; a single trace may correlate
    better one cycle away.

    Args:
        gathers: records on the survey, shape ``(shot, time, receiver)``; missing traces are zero throughout.
        survey: the survey.
        physics: settings of the simulation.
        latest: greatest delay of the recorded after the simulated arrival that is searched [periods].

    Raises:
        GeometryError: no direct arrival is recognised.
    """
    live: NDArray[np.bool_] = np.any(gathers, axis=1)
    shot, receiver = traces_to_compare(survey, live)
    offset = survey.offset[shot, receiver]
    records = gathers[shot, :, receiver].astype(np.float64)
    slowest, fastest = survey.grid.velocity
    speed, tried = slowest, np.linspace(1 / slowest, 1 / fastest, SPEEDS)
    for slowness in (tried, None):  # first to find the speed, then simulated at that speed
        simulated = _direct_arrivals(survey, physics, speed, offset)
        compared = _compare(records, simulated, offset, speed, survey, latest)
        moveouts = offset * (np.array([0.0]) if slowness is None else slowness - 1 / speed)[:, None]
        best, shift, of_shots, gain = _together(compared, moveouts, shot, survey, latest)
        correlation = float(np.abs(of_shots).mean())
        if correlation < RECOGNISED:
            raise GeometryError(
                f"no direct arrival is recognised at offsets of {offset.min():.4g} .. {offset.max():.4g} m: "
                f"its correlation with the simulated one is {correlation:.2f}, of {RECOGNISED} "
                "needed; compare survey.wavelet.frequency with the records, or state --gain and --shift"
            )
        speed = speed if slowness is None else float(np.clip(1 / slowness[best], slowest, fastest))
    low, middle, high = (float(value) for value in np.percentile(gain, [16, 50, 84]))
    offsets = float(offset.min()), float(offset.max())
    polarity = 1 if np.sign(of_shots).sum() >= 0 else -1
    odd = np.unique(shot)[polarity * of_shots <= -RECOGNISED]
    return DirectArrival(
        middle, shift, speed, polarity * correlation, tuple(odd.tolist()), (low, high), offsets, len(offset)
    )


def traces_to_compare(
    survey: Survey, live: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose the shot and receiver of the traces on which gain and time are measured, ``(trace,)`` each.

    Args:
        survey: the survey.
        live: which traces were recorded, shape ``(shot, receiver)``; all if left out.

    Raises:
        GeometryError: no receiver is far enough from its shot and still records the whole direct arrival.
    """
    offset = np.where(True if live is None else live, survey.offset, np.inf)
    slowest, peak = survey.grid.velocity[0], survey.config.wavelet.frequency
    wavelength = slowest / peak
    recorded = slowest * (survey.time[-1] - WINDOW / peak)
    for least in NEAREST:
        nearest = max(least * wavelength, float(offset.min()))
        pairs = np.argwhere((offset >= nearest) & (offset <= min(nearest + NEAR * wavelength, recorded)))
        if len(pairs):
            chosen = pairs[np.linspace(0, len(pairs) - 1, min(MOST_TRACES, len(pairs))).astype(int)]
            return chosen[:, 0], chosen[:, 1]
    needed, offset = NEAREST[-1] * wavelength, offset[np.isfinite(offset)]
    too_short = "a longer survey.nt, " if recorded < nearest else ""
    raise GeometryError(
        f"no receiver records the whole direct arrival, on which gain and time are told: offsets are "
        f"{metres(offset.min())} .. {metres(offset.max())} m, and needed is one of {needed:.4g} m (half a "
        f"wavelength of {peak:g} Hz at {slowest:g} m/s) or more, and of {max(recorded, 0):.4g} m (whose "
        f"arrival ends within the {survey.time[-1]:.4g} s) or less; take {too_short}a higher "
        "survey.wavelet.frequency, or state --gain and --shift"
    )


def _direct_arrivals(survey: Survey, physics: PhysicsConfig, speed: float, offset: Floats) -> Floats:
    """Records of a shot over a homogeneous model at given offsets [m], shape ``(trace, time)``.

    One shot serves the traces of all. Its receivers are half a cell apart; what a trace is off the nearest of
    them is corrected as that of a wave which spreads in two dimensions.
    """
    import torch

    from fwi.physics import Propagator

    cell, margin = survey.grid.spacing, EDGE * survey.grid.spacing
    steps, of_trace = np.unique(np.rint(offset / (CLOSEST_RECEIVERS * cell)), return_inverse=True)
    steps = np.append(steps, steps[-1] + 1) if len(steps) == 1 else steps  # a survey has two receivers
    at = CLOSEST_RECEIVERS * cell * steps
    grid = {"nx": math.ceil(at[-1] / cell) + 2 * EDGE + 1}
    positions = {"shots": 1, "shot_x": (margin,), "shot_margin": None, "spread": "fixed"}
    positions |= {"receivers": len(at), "receiver_x": tuple((margin + at).tolist())}
    one_shot = Survey(survey.grid.model_copy(update=grid), survey.config.model_copy(update=positions))
    model = torch.full((1, one_shot.grid.nz, one_shot.grid.nx), speed)
    with torch.inference_mode():
        records: Floats = Propagator(one_shot, physics)(model)[0, 0].numpy().astype(np.float64).T
    nearest = at[of_trace]
    late = (offset - nearest) / speed
    weaker = np.sqrt((nearest / np.where(offset > 0, offset, 1)).clip(0.5, 2))
    nt = records.shape[1]
    spectrum = np.fft.rfft(records[of_trace], 2 * nt)
    moved = np.exp(-2j * np.pi * np.fft.rfftfreq(2 * nt, survey.recorded_dt) * late[:, None])
    arrivals: Floats = weaker[:, None] * np.fft.irfft(spectrum * moved, 2 * nt)[:, :nt]
    return arrivals


def _compare(
    records: Floats, simulated: Floats, offset: Floats, speed: float, survey: Survey, latest: float
) -> _Comparison:
    dt, period = survey.recorded_dt / FINER, 1 / survey.config.wavelet.frequency
    slowest, fastest = survey.grid.velocity
    earlier = EARLIEST * period - offset.max() * (1 / slowest - 1 / fastest)
    later = latest * period + offset.max() * (1 / slowest - 1 / fastest)
    before, after, window = round(-earlier / dt), round(later / dt), round(WINDOW * period / dt)
    sample = np.arange(window)
    correlation, gain = np.empty((2, len(records), before + after + 1))
    for i, (record, template) in enumerate(zip(_finer(records), _finer(simulated), strict=True)):
        first = round(offset[i] / speed / dt)
        wave = np.pad(template, (0, window))[first : first + window]
        middle = (wave**2 * sample).sum() / (wave**2).sum()
        weight = np.exp(-0.5 * ((sample - middle) * dt / (FOCUS * period)) ** 2)
        padded = np.pad(record, (before, after + window))[first : first + before + after + window]
        slices = np.lib.stride_tricks.sliding_window_view(padded, window)
        own, size = np.sqrt(wave**2 @ weight), np.sqrt(slices**2 @ weight)
        correlation[i] = slices @ (weight * wave) / own / np.maximum(size, FAINT * size.max() + TINY)
        gain[i] = own / np.maximum(size, TINY)
    return _Comparison((np.arange(before + after + 1) - before) * dt, correlation, gain)


def _together(
    compared: _Comparison, moveouts: Floats, shot: NDArray[np.int64], survey: Survey, latest: float
) -> tuple[int, float, Floats, Floats]:
    """Find the moveout, ``(moveout, trace)`` [s], and shift that fit all shots best, whatever their polarity.

    Returns:
        Index of the moveout, shift [s], mean correlation of each compared shot, and gain of each trace.
    """
    lag, period = compared.lag, 1 / survey.config.wavelet.frequency
    step = lag[1] - lag[0]
    common = np.flatnonzero((lag >= EARLIEST * period) & (lag <= latest * period))
    trace = np.arange(len(compared.correlation))[:, None]
    first_traces = np.unique(shot, return_index=True)[1]
    traces_of_shot = np.diff(first_traces, append=len(shot))[:, None]
    of_shots = np.array(  # (moveout, shot, lag)
        [
            np.add.reduceat(
                compared.correlation[trace, common + np.rint(each / step).astype(int)[:, None]], first_traces
            )
            / traces_of_shot
            for each in moveouts
        ]
    )
    means = np.abs(of_shots).mean(axis=1)
    best, at = (int(i) for i in np.unravel_index(means.argmax(), means.shape))
    of_traces = common[at] + np.rint(moveouts[best] / step).astype(int)
    gain = compared.gain[trace[:, 0], of_traces]
    return best, -float(lag[common[at]]), of_shots[best, :, at], gain


def _finer(traces: Floats) -> Floats:
    """Traces, shape ``(trace, time)``, resampled ``FINER`` times finer."""
    nt = traces.shape[1]
    padded = np.pad(traces, ((0, 0), (0, nt)))  # so that the end does not run into the beginning
    finer: Floats = FINER * np.fft.irfft(np.fft.rfft(padded), 2 * nt * FINER)[:, : nt * FINER]
    return finer
