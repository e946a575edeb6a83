"""Descriptions of the changes that bring records onto a survey, in sentences with numbers."""

from collections.abc import Sequence

import numpy as np

from data_prep.segy import regularise
from data_prep.segy.direct_arrival import DirectArrival
from data_prep.segy.line import metres
from data_prep.segy.placing import Placement, depths, missing_times, reach, to_nearest
from data_prep.segy.regularise import Spreading
from data_prep.segy.shots import SegyShots, Shot
from fwi.survey import Survey


def placed(survey: Survey, places: Sequence[Placement]) -> list[str]:
    """Describe where the survey lies on the line, and how far it is from recorded shots and receivers."""
    first, cell = places[0], survey.grid.spacing
    way = "against the file's line" if first.direction < 0 else "along the file's line"
    lines = [f"line: the survey's x = 0 lies at {metres(first.start)} m and runs {way}"]
    if len(places) > 1:
        lines[0] += f"; {len(places)} samples, the last with its x = 0 at {metres(places[-1].start)} m"
    off = np.abs(np.concatenate([each.misplaced(survey) for each in places]))
    numbers = [shot.number for shot in first.shots]
    lines.append(
        f"shots: the nearest recorded ones, {numbers[0]} .. {numbers[-1]}, at most {off.max():.3g} m off; "
        "receivers keep their offsets"
    )
    distance = np.concatenate([shot for each in places for shot in to_nearest(each, survey)])
    moved, usual = distance >= regularise.ON_RECEIVER * cell, reach(survey)[0]
    lines.append(
        f"receivers: {100 * moved.mean():.0f} % interpolated, up to {distance.max():.3g} m from the nearest"
        if moved.any()
        else "receivers: where they were recorded, none interpolated"
    )
    if (distance > usual).any():
        lines[-1] += f"; {100 * (distance > usual).mean():.1f} % in gaps of over {2 * usual:.3g} m"
    traces = len(places) * survey.receiver_x.size
    if len(distance) < traces:
        lines.append(f"missing: {traces - len(distance)} of {traces} traces, which are zero")
    return lines


def filtered(file: SegyShots, survey: Survey, spreading: Spreading) -> list[str]:
    """Describe the changes of depth, frequency band and geometrical spreading."""
    peak = survey.config.wavelet.frequency
    low, high = (multiple * peak for multiple in regularise.PASSED)
    lines = []
    for who, depth, wanted in zip(
        ("sources", "receivers"), depths(file), (survey.shot_depth, survey.receiver_depth), strict=True
    ):
        if abs(depth - wanted) > 1e-3:
            lines.append(f"depth: {who} of {metres(depth)} m stand for {metres(wanted)} m")
    lines.append(
        f"band: {low:g} .. {high:g} Hz passed, that of a {peak:g} Hz {survey.config.wavelet.kind} wavelet, "
        "without change of phase; the source's signature is kept"
    )
    lines.append(
        "spreading: a point source's made a line source's (multiplied by the root of time, half integrated)"
        if spreading == "point"
        else "spreading: taken as that of 2-D simulation; records of the field need --spreading point"
    )
    return lines


def in_time(file: SegyShots, survey: Survey, shift: float, measured: DirectArrival | None) -> list[str]:
    """Describe the new time samples, and the shift of time zero."""
    lines = [
        f"time: resampled from {file.nt} samples every {file.dt:g} s, the first at {file.start:g} s, to "
        f"{len(survey.time)} every {survey.recorded_dt:g} s"
    ]
    missing = missing_times(file, survey, shift)
    if missing:
        lines.append(f"padding: {missing}")
    if measured is not None:
        found = f"the direct arrival, at {measured.speed:.0f} m/s, is {abs(measured.shift):.3g} s "
        found += f"{'later' if measured.shift < 0 else 'earlier'} than the simulated one"
        lines.append(f"shift: {shift:g} s added; {found}" if shift else f"shift: none; {found}")
    elif shift:
        lines.append(f"shift: {shift:g} s added, as stated")
    return lines


def scaled(gain: float, measured: DirectArrival | None, shots: Sequence[Shot]) -> list[str]:
    """Describe the gain, how it was found, and which ``shots`` have reversed polarity."""
    if measured is None:
        return [f"gain: multiplied by {gain:g}, as stated"]
    near, far = measured.offsets
    low, high = measured.spread
    lines = [
        f"gain: multiplied by {gain:.4g}; the direct arrival of {measured.traces} traces at offsets of "
        f"{near:.4g} .. {far:.4g} m tells {measured.gain:.4g}, two thirds of them {low:.3g} .. {high:.3g}, "
        f"their correlation with the simulated one {measured.correlation:.2f}"
    ]
    if measured.correlation * gain < 0:
        lines.append(
            "polarity: kept, but the direct arrival is reversed against the simulated one; "
            f"--gain {-gain:.6g} reverses the records"
        )
    if measured.odd_shots:
        odd = ", ".join(str(shots[number].number) for number in measured.odd_shots)
        lines.append(f"polarity: kept, but the direct arrival of shots {odd} is reversed against the others")
    return lines
