"""Warnings, with numbers, about records that are unlike those on which a network was trained."""

import numpy as np
from numpy.typing import NDArray

from data_prep.lines.arrival import Arrived
from data_prep.lines.refusals import known_depths, missing, recorded_times
from data_prep.lines.wavelet import SAME, Wavelet
from data_prep.segy.line import metres
from data_prep.segy.placing import MISSING_SHARE
from data_prep.segy.shots import RecordedShots
from data_prep.segy.spreads import is_towed
from fwi.networks.offsets import largest_offset
from fwi.survey import Survey

Array = NDArray[np.float32]

DEPTH_ERROR = 1.0
"""Difference of the depths of sources or receivers from the network's above which it is warned of [cells]."""

SPARSER = 4.0
"""Multiple of the network's intervals of shots and receivers up to which it was trained on thinned ones."""

FEWEST_SHOTS = 3
"""Number of shots below which a section rests on few traces."""

SHORT = 0.5
"""Share of the network's largest offset below which the largest recorded one is short."""

FAR = 0.25
"""Share of the network's largest offset above which the smallest recorded one is far."""

ALIKE = 0.8
"""Correlation of recorded and simulated direct arrival below which a speed at the end of the network's range
may be one beyond it."""

UNEQUAL = 1.25
"""Ratio of the gains that match two thirds of the direct arrivals above which their amplitudes are unlike
simulated ones, where their shape is alike."""

CLEAN = 0.97
"""Correlation with the simulated direct arrival from which on its shape is alike: no reflection is in it."""

NOISE = 5.0
"""Level of the loudest noise that networks are trained with [dB below the records' RMS]."""

QUIET_TIME = 500
"""Number of samples before the first arrivals that tell the level of the noise."""

QUIET_SHOTS = 16
"""Number of shots on which it is measured, evenly chosen."""


def doubts(
    file: RecordedShots,
    survey: Survey,
    network: Survey,
    wavelet: Wavelet,
    gathers: Array,
    arrived: Arrived,
) -> list[str]:
    """List in what the records are unlike those of the network's training, a sentence each.

    Args:
        file: the recorded shots.
        survey: the survey of the records, in the file's metres and seconds.
        network: the network's survey.
        wavelet: the wavelet that the records had and have.
        gathers: the records on the survey, shape ``(shot, time, receiver)``.
        arrived: time zero and polarity.
    """
    live: NDArray[np.bool_] = np.any(gathers, axis=1)
    return [
        *_of_wavelet(wavelet),
        *_of_noise(gathers, live, survey, wavelet, arrived),
        *_of_positions(file, survey, network, live),
        *_of_depths(file, survey),
        *_of_surface(file, survey),
        *_of_time(file, survey, arrived),
        *_of_arrival(file, survey, arrived),
    ]


def beyond(survey: Survey, network: Survey) -> list[str]:
    """List what a known survey has and the network was not trained for: another surface, other speeds."""
    lines = []
    if survey.config.top != network.config.top:
        lines.append(
            f"surface: the records' has survey.top {survey.config.top}, and the network was trained with "
            f"{network.config.top}: ghosts and surface multiples are "
            + ("what it has never seen" if survey.config.top == "free" else "what it expects")
        )
    (slowest, fastest), (low, high) = survey.grid.velocity, network.grid.velocity
    if slowest < low or fastest > high:
        lines.append(
            f"speed: the records' grid has {slowest:g} to {fastest:g} m/s, and sections of the network have "
            f"{low:g} to {high:g} m/s"
        )
    return lines


def _of_wavelet(wavelet: Wavelet) -> list[str]:
    spectrum = wavelet.brought
    if spectrum is None:
        return []
    lines = []
    if wavelet.spectrum is not None and wavelet.matching is not None:
        recorded = wavelet.spectrum
        lines.append(
            f"wavelet: the records' amplitudes were {100 * recorded.misfit:.0f} % off those of a Ricker "
            f"wavelet, on which the network was trained; shaped to the closest, of {recorded.peak:.3g} Hz, "
            f"they are {100 * spectrum.misfit:.0f} % off, and their phase is what it was"
        )
    if abs(spectrum.peak / wavelet.peak - 1) > SAME:
        lines.append(
            f"wavelet: the records were to have a peak frequency of {wavelet.peak:.3g} Hz, and have "
            f"{spectrum.peak:.3g} Hz: what is lower was not recorded"
        )
    return lines


def _of_noise(
    gathers: Array, live: NDArray[np.bool_], survey: Survey, wavelet: Wavelet, arrived: Arrived
) -> list[str]:
    level = None
    if arrived.problem == "":
        level = _level_before_arrivals(gathers, live, survey)
    where = "before the first arrivals"
    if level is None and wavelet.brought is not None:
        level, where = 20 * float(np.log10(wavelet.brought.signal_to_noise)), "as the spectrum tells"
    if level is None or level >= NOISE:
        return []
    return [
        f"noise: {level:.1f} dB below the records' RMS, {where}; the network was trained with up to "
        f"{NOISE:g} dB"
    ]


def _level_before_arrivals(gathers: Array, live: NDArray[np.bool_], survey: Survey) -> float | None:
    """Level of the noise [dB below the records' RMS]; None where too little is recorded before arrivals."""
    some = np.unique(np.linspace(0, len(gathers) - 1, min(QUIET_SHOTS, len(gathers))).astype(int))
    gathers, live = gathers[some], live[some]
    # Within the first half period after an arrival's time a Ricker wavelet has not begun.
    first = survey.offset[some] / survey.grid.velocity[1]
    quiet = (survey.time[None, :, None] < first[:, None, :]) & live[:, None, :]
    samples = quiet.sum(axis=1)
    if samples.sum() < QUIET_TIME:
        return None
    power = np.square(gathers, dtype=np.float64)
    long = samples >= np.median(samples[samples > 0])
    noise = float(np.median((power * quiet).sum(axis=1)[long] / samples[long]))
    record = float(power.sum() / (live.sum() * gathers.shape[1]))
    if noise <= 0:  # muted
        return None
    return 10 * float(np.log10(max(record - noise, 1e-12 * record) / noise))


def _of_positions(file: RecordedShots, survey: Survey, network: Survey, live: NDArray[np.bool_]) -> list[str]:
    factor = network.grid.spacing / survey.grid.spacing
    lines = []
    if len(file.shots) < FEWEST_SHOTS:
        lines.append(f"shots: {len(file.shots)}, and the network was trained on many more")
    receivers = np.concatenate([np.diff(shot.receiver_x) for shot in file.shots])
    for who, steps, of_network in (
        ("shots", np.diff(survey.shot_x), np.diff(network.shot_x)),
        ("receivers", receivers, np.abs(np.diff(network.receiver_x[0]))),
    ):
        if not len(steps) or not len(of_network):
            continue
        step, trained = float(np.median(steps)), SPARSER * float(np.median(of_network)) / factor
        if step > trained * (1 + 1e-6):
            lines.append(
                f"{who}: {metres(step)} m apart, and at this scale the network was trained on up to about "
                f"{trained:.3g} m"
            )
    offset = survey.offset[live]
    if len(offset):
        most = largest_offset(network) / factor
        if offset.max() < SHORT * most:
            lines.append(
                f"offsets: up to {offset.max():.4g} m, and at this scale the network was trained with up to "
                f"{most:.4g} m: speeds at depth are told by far offsets"
            )
        if offset.min() > FAR * most:
            lines.append(
                f"offsets: from {offset.min():.4g} m on, and the network was trained with all from 0 to "
                f"{most:.4g} m: what is shallow is not recorded"
            )
    return lines


def _of_depths(file: RecordedShots, survey: Survey) -> list[str]:
    cell = survey.grid.spacing
    return [
        f"depth: {who} are at {metres(recorded)} m, and those of the network at {wanted:.4g} m: reflections "
        f"of {survey.config.wavelet.frequency:.3g} Hz come with up to "
        f"{abs(recorded - wanted) * survey.config.wavelet.frequency / survey.grid.velocity[0]:.2g} periods "
        "of delay"
        for who, recorded, wanted in known_depths(file, survey)
        if abs(recorded - wanted) > DEPTH_ERROR * cell * (1 + 1e-6)
    ]


def _of_surface(file: RecordedShots, survey: Survey) -> list[str]:
    one_sided = all((shot.offset > 0).all() or (shot.offset < 0).all() for shot in file.shots)
    if survey.config.top == "free" or not (one_sided and is_towed(file.shots)):
        return []
    return [
        "surface: receivers were towed behind the shot, in water; the network was trained without ghosts and "
        "surface multiples, which must have been removed"
    ]


def _of_time(file: RecordedShots, survey: Survey, arrived: Arrived) -> list[str]:
    share = missing(file, survey, arrived.shift)
    if share <= MISSING_SHARE:
        return []
    first, last = recorded_times(file, arrived.shift)
    return [
        f"time: the records last from {first:.4g} to {last:.4g} s, and the network needs "
        f"{survey.time[-1]:.4g} s: {100 * share:.0f} % is zero, where at most {100 * MISSING_SHARE:.0f} % "
        "should be"
    ]


def _of_arrival(file: RecordedShots, survey: Survey, arrived: Arrived) -> list[str]:
    measured = arrived.measured
    if measured is None:
        problem = (
            f"time zero and polarity are taken as they are, as {arrived.problem}; --shift states another"
        )
        return [problem] if arrived.problem else []
    lines = []
    slowest, fastest = survey.grid.velocity
    at_end = not slowest * 1.005 < measured.speed < fastest * 0.995
    if at_end and abs(measured.correlation) < ALIKE:
        end = "slowest" if measured.speed < (slowest + fastest) / 2 else "fastest"
        lines.append(
            f"speed: the direct arrival runs at {measured.speed:.0f} m/s, the {end} that the network knows, "
            f"or beyond; its sections have {slowest:g} to {fastest:g} m/s"
        )
    low, high = measured.spread
    if high > UNEQUAL * low and abs(measured.correlation) > CLEAN:
        near, far = measured.offsets
        lines.append(
            f"amplitudes: from {near:.4g} to {far:.4g} m those of the direct arrival are off simulated ones "
            f"by a factor of {high / low:.2g}: traces have been scaled, or the source is a point "
            "(--spreading point)"
        )
    if measured.odd_shots:
        lines.append(
            f"polarity: the direct arrival of {len(measured.odd_shots)} of the {arrived.compared} shots "
            "compared is reversed against the others"
        )
    return lines
