"""A study whose survey fits a file of recorded shots."""

import math
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from data_prep.segy.placing import GeometryError, Placement, depths, place
from data_prep.segy.regularise import missing_times
from data_prep.segy.shots import SegyShots, Shot
from fwi.config import GridConfig, PhysicsConfig, StudyConfig, validate
from fwi.survey import COURANT_LIMIT, HIGHEST_FREQUENCY, MIN_POINTS_PER_WAVELENGTH, Survey

Floats = NDArray[np.float64]

HIGHEST_PEAK = 10.0
"""Peak frequency [Hz] that suffices: each doubling of it costs eightfold."""

LOWEST_PEAK = 0.5
"""Peak frequency [Hz] below which no survey is suggested."""

MOST_SHOTS = 32
"""Shots of a survey; a longer line is thinned, and cut into several samples."""

LONGEST = 2.0
"""Length of a towed survey's line, in lengths of its streamer."""

MEAN_SPEED = 2000.0
"""Average speed down to the section's bottom [m/s]: twice the time there is the length of the records."""

ROUND = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.5, 8.0)
"""Leading digits of suggested cell sizes."""

EVEN = 0.25
"""Share of the usual interval by which the interval of two shots in one survey may differ from it."""


def suggest(file: SegyShots) -> str:
    """Write a study, as YAML, whose survey can be filled with a file's records.

    Raises:
        GeometryError: there is none.
    """
    towed = _towed(file.shots)
    try:
        values, placement = _fitting(file, towed)
    except ValueError as error:
        try:  # a shot at the end of a fixed spread is as good as one with a streamer
            values, placement = _fitting(file, not towed)
        except ValueError:
            raise GeometryError(f"{file.path}: no survey is found that fits; the closest: {error}") from None
    sections = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=100)
    return (
        f"# A survey that fits {file.path.name}; its x = 0 lies at {placement.start:.6g} m of its line.\n"
        "# To be set by who knows the geology: grid.nz and grid.velocity. survey.top free is for water,\n"
        "# absorbing for land, and for records without ghosts and surface multiples.\n" + sections
    )


def _fitting(file: SegyShots, towed: bool) -> tuple[dict[str, Any], Placement]:
    """A study of a streamer or a fixed spread, and where it lies on the line."""
    values = _study(file, towed)
    study = validate(StudyConfig, values, source=f"the survey of {file.path.name}")
    survey = Survey(study.grid, study.survey)
    survey.check(study.physics.order)
    missing_times(file, survey, 0.0)
    return values, place(file, survey)


def _study(file: SegyShots, towed: bool) -> dict[str, Any]:
    slowest, fastest = GridConfig().velocity
    steps = np.concatenate([np.diff(shot.receiver_x) for shot in file.shots])
    if not len(steps):
        raise GeometryError(f"{file.path}: one receiver per shot; a survey needs two or more")
    receivers = float(np.median(steps))
    peak = min(HIGHEST_PEAK, _dominant(file), 0.5 / file.dt / HIGHEST_FREQUENCY)
    if not towed:  # receivers are then seldom where they were recorded, and must not alias
        peak = min(peak, slowest / HIGHEST_FREQUENCY / (2 * receivers))
    peak = _down(peak, 0.1 if peak < 5 else 0.5)
    if peak < LOWEST_PEAK:
        raise GeometryError(
            f"{file.path}: receivers {receivers:g} m apart alias above {slowest / 2 / receivers:.2g} Hz; no "
            "survey fits such a spread"
        )
    cell = slowest / (HIGHEST_FREQUENCY * peak * MIN_POINTS_PER_WAVELENGTH[PhysicsConfig().order])
    cell = _round_cell(min(cell, receivers))
    geometry = _streamer(file, receivers, cell) if towed else _spread(file, receivers, cell)
    length = geometry.pop("length")
    # At least ten samples per period, and whole samples of the file where it is fine enough.
    interval = file.dt * max(1, int(1 / (10 * peak) / file.dt))
    keep_every = math.ceil(interval / (COURANT_LIMIT * cell / fastest / math.sqrt(2)))
    end = file.start + (file.nt - 1) * file.dt
    kept = int(end / interval + 1e-6)
    # A free surface neither emits nor records: the first row below it does.
    rows = [max(round(depth / cell), 1 if towed else 0) for depth in depths(file)]
    nz = max(8, round(end * MEAN_SPEED / 2 / cell) + 1, max(rows) + 2)
    return {
        "grid": {"nz": nz, "nx": round(length / cell) + 1, "spacing": cell, "velocity": [slowest, fastest]},
        "survey": {
            **geometry,
            "depth": rows[0] * cell,
            "receiver_depth": rows[1] * cell,
            "dt": interval / keep_every,
            "nt": kept * keep_every + 1,
            "keep_every": keep_every,
            "top": "free" if towed else "absorbing",
            "wavelet": {"frequency": peak},
        },
        "storage": {"folder": f"data/{file.path.stem}"},
        "data": {"flip": 0.0 if towed else 0.5},
    }


def _streamer(file: SegyShots, interval: float, cell: float) -> dict[str, Any]:
    """The survey of receivers that move with the shot, on one side of it."""
    behind = np.mean([np.mean(shot.offset < 0) for shot in file.shots]) >= 0.5
    offsets = [np.abs(shot.offset[(shot.offset < 0) == behind]) for shot in file.shots]
    near = float(np.median([offset.min() for offset in offsets if len(offset)]))
    near = near if near > 0 else near + interval
    far = float(np.median([offset.max() for offset in offsets if len(offset)]))
    receivers = round((far - near) / interval) + 1
    last = near + (receivers - 1) * interval
    x = _even(np.array([shot.x for shot in file.shots]))
    x = _thinned(x[x - x[0] <= (LONGEST - 1) * last], cell)
    shortest = math.ceil(last / cell + len(x) - 1 - 1e-6)  # with a cell between shots
    length = max(round((last + np.ptp(x)) / cell), shortest) * cell
    return {
        "shots": len(x),
        "spread": "streamer",
        "near_offset": near,
        "receiver_interval": interval,
        "receivers": receivers,
        "length": length,
    }


def _spread(file: SegyShots, interval: float, cell: float) -> dict[str, Any]:
    """The survey of receivers that stay where they are: as long as all shots have them."""
    first = max(shot.receiver_x[0] for shot in file.shots)
    last = min(shot.receiver_x[-1] for shot in file.shots)
    x = np.array([shot.x for shot in file.shots])
    x = x[(x >= first) & (x <= last)]
    if len(x) == 0 or last - first < 8 * cell:
        raise GeometryError(
            f"{file.path}: receivers neither move with the shots nor stay where they are with a shot among "
            "them; no survey fits"
        )
    x = _thinned(_even(x), cell)
    margin = min(x[0] - first, last - x[-1])
    shortest = max(math.ceil(np.ptp(x) / cell - 1e-6), 8)  # no shot interval is squeezed
    length = max(math.floor((np.ptp(x) + 2 * margin) / cell + 1e-6), shortest) * cell
    return {
        "shots": len(x),
        "shot_margin": max(0.0, float(length - np.ptp(x)) / 2),
        "receivers": max(2, min(round(length / interval), round(length / cell)) + 1),
        "length": length,
    }


def _towed(shots: tuple[Shot, ...]) -> bool:
    """Whether the receivers move with the shot, or all are on one side of the only one."""
    if len(shots) == 1:
        return bool(abs(np.sign(shots[0].offset).sum()) == len(shots[0].offset))
    moved = np.median(np.abs(np.diff([shot.receiver_x.mean() for shot in shots])))
    return bool(moved > 0.5 * np.median(np.diff([shot.x for shot in shots])))


def _even(x: Floats) -> Floats:
    """The longest run of evenly spread positions among ascending ones."""
    steps = np.diff(x)
    if len(steps) == 0:
        return x
    even = np.abs(steps - np.median(steps)) <= EVEN * np.median(steps)
    runs = np.split(np.arange(len(x)), np.flatnonzero(~even) + 1)
    return x[max(runs, key=len)]


def _thinned(x: Floats, cell: float) -> Floats:
    """Every so many of evenly spread positions that they are few enough, and no closer than cells."""
    step = np.diff(x).min(initial=np.inf)
    return x[:: max(math.ceil(len(x) / MOST_SHOTS), math.ceil(cell / max(step, 1e-3 * cell)))]


def _dominant(file: SegyShots) -> float:
    """Frequency of the largest amplitudes of the middle shot [Hz], averaged over an octave."""
    traces = file.read(file.shots[len(file.shots) // 2].number).astype(np.float64)
    amplitude = np.abs(np.fft.rfft(traces, axis=0)).mean(axis=1)
    frequency = np.fft.rfftfreq(file.nt, file.dt)
    # Of a signal with one hump this is its middle.
    return float((frequency * amplitude**2).sum() / (amplitude**2).sum())


def _round_cell(cell: float) -> float:
    power = 10.0 ** math.floor(math.log10(cell) + 1e-9)
    return max(digit for digit in ROUND if digit * power <= cell * (1 + 1e-9)) * power


def _down(value: float, step: float) -> float:
    return math.floor(value / step + 1e-9) * step
