"""Placement of a survey on a recorded line: each shot of the survey gets a recorded shot of the file.

Receivers are placed by their offset from the recorded shot, not by their position on the line. If a shot is
some metres off, its arrival times thus stay right and only its midpoints move.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.headers import SegyError
from data_prep.segy.line import metres
from data_prep.segy.shots import RecordedShots, SegyShots, Shot
from fwi.survey import HIGHEST_FREQUENCY, Survey

Floats = NDArray[np.float64]

SHOWN = 3
"""Number of examples in an error message: three also show whether the mistake is everywhere."""

LARGEST_DEPTH_ERROR = 1.0
"""Largest difference between recorded and survey depth that counts as the same depth [cells]."""

DEAD_SHARE = 0.1
"""Largest share of a shot's receivers that may lie in gaps, as dead traces leave them."""

MISSING_SHARE = 0.1
"""Largest share of the survey's times for which there may be no record."""

FITTING = "--suggest-config FILE writes a study whose survey fits this file"


class GeometryError(SegyError):
    """Records cannot be brought onto the survey; the message gives the numbers and what would fit."""


@dataclass(frozen=True)
class Placement:
    """A survey on a file's line, with the recorded shot that stands for each of its shots.

    Args:
        start: position on the file's line of the survey's x = 0 [m].
        direction: 1 if both run the same way, -1 if the survey runs against the file's line.
        shots: the recorded shot for each shot of the survey.
        recorded: for each shot, the numbers of the survey's receivers that recorded it; the traces of the
            others are zero. None where all receivers record all shots.
    """

    start: float
    direction: int
    shots: tuple[Shot, ...]
    recorded: tuple[NDArray[np.int64], ...] | None = None

    def receivers(self, survey: Survey, shot: int) -> NDArray[np.int64]:
        """Numbers of the survey's receivers that recorded a shot."""
        return np.arange(survey.config.receivers) if self.recorded is None else self.recorded[shot]

    def receiver_x(self, survey: Survey, shot: int) -> Floats:
        """Wanted positions of a shot's recording receivers on the file's line [m], shape ``(receiver,)``."""
        offset: Floats = survey.receiver_x[shot, self.receivers(survey, shot)] - survey.shot_x[shot]
        return self.shots[shot].x + self.direction * offset

    def misplaced(self, survey: Survey) -> Floats:
        """Offset of each recorded shot from the survey's, along the survey's line [m], shape ``(shot,)``."""
        recorded = np.array([shot.x for shot in self.shots])
        off: Floats = self.direction * (recorded - self.start) - survey.shot_x
        return off


def place(file: SegyShots, survey: Survey, start: float | None = None) -> Placement:
    """Place a survey on a file's line, shot by shot.

    Args:
        file: the recorded shots.
        survey: the survey wanted.
        start: position on the file's line of the survey's x = 0 [m]; where the shots fit best if not given,
            and of equal fits the leftmost.

    Raises:
        GeometryError: some shot or receiver is too far from all recorded ones, or too deep or shallow; or too
            much of the survey's time is not recorded.
    """
    refuse_unrecorded(file, survey)
    found: list[tuple[bool, int, Placement, list[str]]] = []
    for placement in _candidates(file, survey, start):
        shots, receivers = _misplaced_shots(placement, survey), _missing_receivers(placement, survey)
        if not shots and not receivers:
            return placement
        # Without the right shot, a word about its receivers leads astray.
        found.append((bool(shots), len(shots or receivers), placement, shots or receivers))
    *_, placement, mistakes = min(found, key=lambda each: each[:2])
    raise GeometryError(
        f"{file.path}: the survey does not fit the recorded line; best with its x = 0 at "
        f"{metres(placement.start)} m:\n"
        + "\n".join(f"  - {mistake}" for mistake in mistakes)
        + f"\n{FITTING}"
    )


def refuse_unrecorded(file: SegyShots, survey: Survey) -> None:
    """Refuse a survey whose times and depths are not those of the records.

    Raises:
        GeometryError: too much of the survey's time is not recorded, or sources or receivers are too deep or
            too shallow.
    """
    missing_times(file, survey, 0.0)
    _refuse_depths(file, survey)


def slide(file: SegyShots, survey: Survey, first: Placement, every: float) -> list[Placement]:
    """Find all placements that fit, from the first one on at steps of ``every`` [m] along the line."""
    furthest = max(shot.x for shot in file.shots)
    found = [first]
    for number in range(1, max(0, int((furthest - first.start) / every)) + 1):
        start = first.start + number * every
        for placement in _candidates(file, survey, start):
            fits = not (_misplaced_shots(placement, survey) or _missing_receivers(placement, survey))
            if fits and placement.direction == first.direction:
                found.append(placement)
    return found


def shot_tolerance(survey: Survey) -> float:
    """Largest distance of a recorded shot from the survey's [m]: a cell, at most half a shot interval."""
    interval = np.diff(survey.shot_x).min(initial=np.inf)
    return min(survey.grid.spacing, float(interval) / 2)


def reach(survey: Survey) -> tuple[float, float]:
    """Largest distances of a receiver from a recorded one [m]: as a rule, and for a few receivers in gaps.

    They are a quarter of the shortest wavelength, and of the wavelength at the peak frequency: the distance
    to the midpoint of receivers that are half a wavelength apart. With wider spacing the direct arrival
    aliases.
    """
    quarter = survey.grid.velocity[0] / survey.config.wavelet.frequency / 4
    return quarter / HIGHEST_FREQUENCY, quarter


def missing_times(file: SegyShots, survey: Survey, shift: float) -> str:
    """Describe which of the survey's times have no record; an empty text if all have one.

    Raises:
        GeometryError: too large a share of the times has no record, or the sampling of the file is too coarse
            for the wavelet.
    """
    highest, nyquist = HIGHEST_FREQUENCY * survey.config.wavelet.frequency, 0.5 / file.dt
    if nyquist < highest * (1 - 1e-9):
        raise GeometryError(
            f"{file.path}: samples every {file.dt:g} s hold nothing above {nyquist:g} Hz, and the wavelet "
            f"reaches {highest:g} Hz; take a survey.wavelet.frequency <= {nyquist / HIGHEST_FREQUENCY:.3g} Hz"
        )
    first, last = file.start + shift, file.start + (file.nt - 1) * file.dt + shift
    end = float(survey.time[-1])
    # Before the shot nothing is to be recorded: a shift leaves silence there, a late first sample a gap.
    early, late = min(max(file.start, 0.0), end), end - min(max(last, 0.0), end)
    if early + late < survey.recorded_dt:
        return ""
    times = f"the records last from {first:.4g} to {last:.4g} s, the survey from 0 to {end:.4g} s"
    if early + late > MISSING_SHARE * end:
        fitting = int(last / survey.config.dt) + 1
        remedy = f"take survey.nt {fitting}" if early < late else "they begin too late"
        raise GeometryError(
            f"{file.path}: {times}: {100 * (early + late) / end:.0f} % of it is not recorded, and at most "
            f"{100 * MISSING_SHARE:.0f} % is padded with zeros; {remedy}"
        )
    return f"{times}: the rest is zero"


# -- where it could lie


def _candidates(file: SegyShots, survey: Survey, start: float | None) -> Iterator[Placement]:
    """Placements with the nearest recorded shots, the best first."""
    # A fixed spread is symmetric; a streamer may have been towed either way along the file's line.
    directions = (1, -1) if survey.config.spread == "streamer" else (1,)
    found = []
    for direction in directions:
        order = sorted(file.shots, key=lambda shot: direction * shot.x)
        x = np.array([direction * shot.x for shot in order])
        starts = x - survey.shot_x[0] if start is None else np.array([direction * start])
        nearest = _nearest(x, starts[:, None] + survey.shot_x)
        off = x[nearest] - starts[:, None] - survey.shot_x
        if start is None:  # between the furthest ahead and the furthest behind
            centre = (off.max(axis=1) + off.min(axis=1)) / 2
            starts, off = starts + centre, off - centre[:, None]
        for candidate, shots, worst in zip(starts, nearest, np.abs(off).max(axis=1), strict=True):
            placement = Placement(direction * float(candidate), direction, tuple(order[i] for i in shots))
            found.append((round(float(worst), 3), placement))
    yield from (placement for _, placement in sorted(found, key=lambda each: (each[0], each[1].start)))


def _nearest(positions: Floats, wanted: Floats) -> NDArray[np.int64]:
    """Index of the nearest of ascending positions to each wanted one."""
    right = np.searchsorted(positions, wanted).clip(1, max(1, len(positions) - 1))
    left = right - 1
    right = right.clip(max=len(positions) - 1)
    closer = np.abs(positions[right] - wanted) < np.abs(positions[left] - wanted)
    return np.where(closer, right, left)


# -- whether it fits there


def _misplaced_shots(placement: Placement, survey: Survey) -> list[str]:
    tolerance, off = shot_tolerance(survey), placement.misplaced(survey)
    wrong = np.flatnonzero(np.abs(off) > tolerance * (1 + 1e-6))
    lines = [
        f"shot {i} at {metres(survey.shot_x[i])} m: the nearest recorded one, {placement.shots[i].number}, "
        f"is {abs(off[i]):.3g} m away; at most {tolerance:.3g} m"
        for i in wrong
    ]
    if len(wrong) == 0 and len({shot.x for shot in placement.shots}) < len(placement.shots):
        lines = ["two shots of the survey have the same recorded shot; take fewer survey.shots"]
    return _shortened(lines, "shots")


def to_nearest(placement: Placement, survey: Survey) -> list[Floats]:
    """Distance of each receiver from the nearest recorded one [m], shape ``(receiver,)`` for each shot."""
    distances = []
    for i, shot in enumerate(placement.shots):
        wanted = placement.receiver_x(survey, i)
        distances.append(np.abs(shot.receiver_x[_nearest(shot.receiver_x, wanted)] - wanted))
    return distances


def _missing_receivers(placement: Placement, survey: Survey) -> list[str]:
    lines, (usual, most) = [], np.array(reach(survey)) * (1 + 1e-6)
    for i, distance in enumerate(to_nearest(placement, survey)):
        worst = int(distance.argmax())
        far = int((distance > usual).sum())
        if distance[worst] > most or far > DEAD_SHARE * len(distance):
            lines.append(
                f"shot {i} (recorded {placement.shots[i].number}): {far} of {len(distance)} receivers are "
                f"over {usual:.3g} m from a recorded one (a quarter of the shortest wavelength), the one at "
                f"offset {metres(survey.receiver_x[i, worst] - survey.shot_x[i])} m {distance[worst]:.3g} m; "
                f"at most {100 * DEAD_SHARE:.0f} % may be, up to {most:.3g} m"
            )
    return _shortened(lines, "shots")


def _shortened(lines: list[str], what: str) -> list[str]:
    rest = len(lines) - SHOWN
    return lines if rest <= 0 else [*lines[:SHOWN], f"and so {rest} more {what}"]


def _refuse_depths(file: SegyShots, survey: Survey) -> None:
    cell, lines = survey.grid.spacing, []
    recorded, wanted = depths(file), (survey.shot_depth, survey.receiver_depth)
    for key, depth, configured in zip(("depth", "receiver_depth"), recorded, wanted, strict=True):
        # Above the datum, as on land, the header does not hold the depth below the surface.
        if depth >= 0 and abs(depth - configured) > LARGEST_DEPTH_ERROR * cell * (1 + 1e-6):
            lines.append(
                f"recorded at {metres(depth)} m, survey.{key} is {metres(configured)} m: "
                f"take {metres(round(depth / cell) * cell)} m"
            )
    if lines:
        raise GeometryError(f"{file.path}: " + "; ".join(lines) + f"; or {FITTING}")


def depths(file: RecordedShots) -> tuple[float, float]:
    """Median depth of the sources and of the receivers below the datum [m]."""
    sources = np.median([shot.depth for shot in file.shots])
    receivers = np.median(np.concatenate([shot.receiver_depth for shot in file.shots]))
    return float(sources), float(receivers)
