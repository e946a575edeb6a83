"""Positions of shots and receivers for a survey that the recorded ones of a file can fill."""

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.line import metres
from data_prep.segy.placing import GeometryError
from data_prep.segy.shots import SegyShots, Shot

Floats = NDArray[np.float64]

Layout = Literal["streamer", "even", "listed"]
"""Receivers that move with the shot, or that stay: with shots evenly spread, or listed one by one."""

MOST_SHOTS = 32
"""Shots of a survey; a longer line is thinned, and cut into several samples."""

LONGEST = 2.0
"""Length of the line of a towed survey, as a multiple of the streamer's length."""

FEWEST_CELLS = 8
"""Cells along the shortest line."""

EVEN = 0.25
"""Share of the usual interval by which the interval of two shots in one survey may differ from it."""


def is_towed(shots: tuple[Shot, ...]) -> bool:
    """Whether the receivers move with the shot, or all are on one side of the only one."""
    if len(shots) == 1:
        return bool(abs(np.sign(shots[0].offset).sum()) == len(shots[0].offset))
    moved = np.median(np.abs(np.diff([shot.receiver_x.mean() for shot in shots])))
    return bool(moved > 0.5 * np.median(np.diff([shot.x for shot in shots])))


def extent(file: SegyShots, layout: Layout, interval: float) -> float:
    """Least length of the line that holds the receivers of a shot [m].

    Raises:
        GeometryError: there is none, the receivers being too few or not those of the layout.
    """
    if layout == "streamer":
        near, far = _offsets(file, interval)
        if far <= near:
            raise GeometryError(
                f"{file.path}: one receiver on the longer side of its shot; a survey needs two"
            )
        return far
    first, last, _ = _common(file)
    if last - first < 2 * interval * (1 - EVEN):
        raise GeometryError(
            f"{file.path}: the shots have only {metres(max(0.0, last - first))} m of receivers in common, "
            f"which are {metres(interval)} m apart; no survey of a fixed spread fits"
        )
    return last - first


def layout_values(file: SegyShots, layout: Layout, interval: float, cell: float) -> dict[str, Any]:
    """Values of the section ``survey`` for a layout, and under ``length`` that of its line [m].

    Args:
        file: the recorded shots.
        layout: the layout.
        interval: distance of neighbouring receivers [m].
        cell: cell size [m].
    """
    build = {"streamer": _streamer, "even": _even_spread, "listed": _listed_spread}[layout]
    return build(file, interval, cell)


def _streamer(file: SegyShots, interval: float, cell: float) -> dict[str, Any]:
    """The survey of receivers that move with the shot, on one side of it."""
    near, far = _offsets(file, interval)
    receivers = max(2, round((far - near) / interval) + 1)
    last = near + (receivers - 1) * interval
    x = _even(np.array([shot.x for shot in file.shots]))
    x = _thinned(x[x - x[0] <= (LONGEST - 1) * last], cell)
    length = _towed_length(x, last, cell)
    # Shots about a cell apart, stretched to whole cells, may come nearer to each other's places.
    stretched = np.linspace(0, length - last, len(x)) - (x - x[0])
    if len(x) > 2 and np.abs(stretched[:-1]).max() > np.diff(x).min() / 2:
        x = x[::2]
        length = _towed_length(x, last, cell)
    return {
        "shots": len(x),
        "spread": "streamer",
        "near_offset": near,
        "receiver_interval": interval,
        "receivers": receivers,
        "length": length,
    }


def _towed_length(x: Floats, last: float, cell: float) -> float:
    """Length of the line for shots and the furthest receiver behind them [m], in whole cells."""
    shortest = math.ceil(last / cell + len(x) - 1 - 1e-6)  # with a cell between shots
    return max(round((last + np.ptp(x)) / cell), shortest) * cell


def _offsets(file: SegyShots, interval: float) -> tuple[float, float]:
    """The least and largest distance of receivers from their shot [m], on the side where most are."""
    behind = np.mean([np.mean(shot.offset < 0) for shot in file.shots]) >= 0.5
    offsets = [np.abs(shot.offset[(shot.offset < 0) == behind]) for shot in file.shots]
    near = float(np.median([offset.min() for offset in offsets if len(offset)]))
    far = float(np.median([offset.max() for offset in offsets if len(offset)]))
    return near if near > 0 else near + interval, far


def _even_spread(file: SegyShots, interval: float, cell: float) -> dict[str, Any]:
    """The survey of receivers that stay where they are, with evenly spread shots: symmetric."""
    first, last, x = _common(file)
    x = _thinned(_even(x), cell)
    margin = min(x[0] - first, last - x[-1])
    shortest = max(math.ceil(np.ptp(x) / cell - 1e-6), FEWEST_CELLS)  # no shot interval is squeezed
    length = max(math.floor((np.ptp(x) + 2 * margin) / cell + 1e-6), shortest) * cell
    return {
        "shots": len(x),
        "shot_margin": max(0.0, float(length - np.ptp(x)) / 2),
        "receivers": _receivers(length, interval, cell),
        "length": length,
    }


def _listed_spread(file: SegyShots, interval: float, cell: float) -> dict[str, Any]:
    """The survey of receivers that stay where they are, with shots wherever they are among them."""
    first, last, x = _common(file)
    length = math.floor((last - first) / cell + 1e-6) * cell
    apart: list[float] = []
    for position in np.round(x - first, 3).tolist():  # to the millimetre
        on_line = min(abs(position), length)
        if not apart or on_line - apart[-1] >= cell:
            apart.append(on_line)
    shot_x = apart[:: math.ceil(len(apart) / MOST_SHOTS)]
    return {
        "shots": len(shot_x),
        "shot_x": shot_x,
        "receivers": _receivers(length, interval, cell),
        "length": length,
    }


def _common(file: SegyShots) -> tuple[float, float, Floats]:
    """The first and last receiver that all shots have, and the shots between them [m]."""
    first = max(shot.receiver_x[0] for shot in file.shots)
    last = min(shot.receiver_x[-1] for shot in file.shots)
    x = np.array([shot.x for shot in file.shots])
    x = x[(x >= first) & (x <= last)]
    if len(x) == 0:
        raise GeometryError(
            f"{file.path}: receivers neither move with the shots nor stay where they are with a shot among "
            "them; no survey fits"
        )
    return first, last, x


def _receivers(length: float, interval: float, cell: float) -> int:
    return max(2, min(round(length / interval), round(length / cell)) + 1)


def _even(x: Floats) -> Floats:
    """The longest run of evenly spread positions among ascending ones."""
    steps = np.diff(x)
    if len(steps) == 0:
        return x
    even = np.abs(steps - np.median(steps)) <= EVEN * np.median(steps)
    runs = np.split(np.arange(len(x)), np.flatnonzero(~even) + 1)
    return x[max(runs, key=len)]


def _thinned(x: Floats, cell: float) -> Floats:
    """Every n-th of evenly spread positions, so that they are few enough and no closer than a cell."""
    step = np.diff(x).min(initial=np.inf)
    return x[:: max(math.ceil(len(x) / MOST_SHOTS), math.ceil(cell / max(step, 1e-3 * cell)))]
