"""Descriptions of what was read of a line and done to its records, in sentences with numbers."""

import numpy as np
from numpy.typing import NDArray

from data_prep.lines.arrival import Arrived
from data_prep.lines.refusals import missing, recorded_times
from data_prep.lines.wavelet import Wavelet
from data_prep.segy import regularise
from data_prep.segy.changes import placed
from data_prep.segy.left_out import left_out
from data_prep.segy.line import metres
from data_prep.segy.placing import Placement, depths
from data_prep.segy.regularise import Spreading
from data_prep.segy.shots import RecordedShots
from fwi.survey import Survey

DEEPER = 2.0
"""Largest factor by which a lower peak frequency is suggested: below half its own, a Ricker is weak."""

LONGER = 1.2
"""Ratio of the recorded to the used time from which on a lower peak frequency is suggested."""


def scale(survey: Survey, wavelet: Wavelet, factor: float) -> list[str]:
    """Describe the peak frequency, and the scale at which the network sees the line."""
    grid, peak = survey.grid, survey.config.wavelet.frequency
    how = "of the Ricker wavelet that fits the records' spectrum best" if wavelet.spectrum else "as known"
    lines = [f"peak frequency: {wavelet.recorded:.3g} Hz, {how}"]
    if wavelet.matching is not None:
        lines[0] += ", and to whose amplitudes theirs are shaped"
    if wavelet.shaped:
        lines[0] += (
            f"; shaped to {wavelet.peak:.3g} Hz, as stated: what is reached is "
            f"{wavelet.recorded / wavelet.peak:.3g} times as deep, and as coarse"
        )
    elif abs(wavelet.peak / wavelet.recorded - 1) > 1e-6:
        lines[0] += f"; taken as {wavelet.peak:.3g} Hz, as stated"
    return [
        *lines,
        f"scale: lengths and times multiplied by {factor:.4g} are those of the network: {grid.nx} columns of "
        f"{grid.nz} cells of {grid.spacing:.4g} m, and a wavelet of {peak:.4g} Hz",
    ]


def places(
    file: RecordedShots, survey: Survey, placement: Placement, live: NDArray[np.bool_], largest: float
) -> list[str]:
    """Describe where shots and receivers are, what of them is missing, and what is left out.

    Args:
        file: the recorded shots.
        survey: the survey of the records.
        placement: where it lies on the file's line.
        live: which traces were recorded, shape ``(shot, receiver)``.
        largest: the network's largest offset at this scale [m].
    """
    lines = [*placed(survey, [placement]), *left_out(file, survey, [placement])]
    beyond = survey.offset[live] > largest * (1 + 1e-6)
    if beyond.any():
        lines.append(
            f"offsets: {100 * beyond.mean():.2g} % of the traces are beyond {largest:.4g} m, the largest "
            "that the network takes at this scale"
        )
    each = zip(
        ("sources", "receivers"), depths(file), (survey.shot_depth, survey.receiver_depth), strict=True
    )
    for who, depth, wanted in each:
        if depth >= 0 and abs(depth - wanted) > 1e-3 * survey.grid.spacing:
            lines.append(f"depth: {who} of {metres(depth)} m stand for {wanted:.4g} m")
    return lines


def band(survey: Survey, spreading: Spreading, low_cut: bool) -> list[str]:
    """Describe what is filtered away, and the geometrical spreading."""
    peak = survey.config.wavelet.frequency
    low, high = (multiple * peak for multiple in regularise.PASSED)
    passed = f"{low:.3g} .. {high:.3g} Hz" if low_cut else f"up to {high:.3g} Hz"
    return [
        f"band: {passed} passed, that of a {peak:.3g} Hz Ricker wavelet, without change of phase",
        "spreading: a point source's made a line source's (multiplied by the root of time, half integrated)"
        if spreading == "point"
        else "spreading: taken as that of 2-D simulation; records of the field need --spreading point",
    ]


def time(file: RecordedShots, survey: Survey, arrived: Arrived) -> list[str]:
    """Describe the new time axis and time zero, polarity and gain."""
    end = float(survey.time[-1])
    first, last = recorded_times(file, arrived.shift)
    lines = [
        f"time: resampled from {file.nt} samples every {1e3 * file.dt:.4g} ms to {len(survey.time)} every "
        f"{1e3 * survey.recorded_dt:.4g} ms"
    ]
    if last > end + survey.recorded_dt:
        lines[0] += f"; what comes after {end:.4g} s, until {last:.4g} s, is left out"
    if missing(file, survey, arrived.shift):
        lines.append(
            f"padding: the records last from {first:.4g} to {last:.4g} s, the survey from 0 to {end:.4g} s: "
            "the rest is zero"
        )
    measured = arrived.measured
    if measured is None:
        return [*lines, f"shift: {arrived.shift:g} s added, {arrived.why}"] if arrived.shift else lines
    late = "later" if measured.shift < 0 else "earlier"
    found = f"the direct arrival, at {measured.speed:.0f} m/s, is {abs(measured.shift):.3g} s {late} than "
    found += "the simulated one"
    if arrived.later:
        found += f", and that of {survey.config.wavelet.frequency:.3g} Hz peaks {arrived.later:.3g} s later"
    shift = f"{arrived.shift:g} s added" if arrived.shift else "none"
    lines.append(f"shift: {shift}; {found}")
    if arrived.gain < 0:
        lines.append("polarity: the direct arrival is reversed, and the records are multiplied by -1")
    lines.append(
        f"gain: multiplied by {abs(arrived.gain):.4g}, as the direct arrival of {measured.traces} traces "
        f"tells, whose correlation with the simulated one is {abs(measured.correlation):.2f}"
    )
    return lines


def reached(file: RecordedShots, survey: Survey, arrived: Arrived) -> list[str]:
    """Describe the depth that the network reaches, and what a lower peak frequency would reach."""
    peak, end, bottom = survey.config.wavelet.frequency, float(survey.time[-1]), survey.bottom
    line = f"bottom: {bottom:.4g} m is reached; what is below is left out"
    recorded = recorded_times(file, arrived.shift)[1] / end
    if recorded >= LONGER:
        lower = min(recorded, DEEPER)
        line += f"; --frequency {peak / lower:.3g} reaches {lower * bottom:.4g} m, in coarser cells"
    return [line]
