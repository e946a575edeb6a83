"""Shot gathers of a SEG-Y or SU file with their geometry: headers are scanned, samples read as needed."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data_prep.segy import geometry, loudness, timing
from data_prep.segy.headers import STANDARD, HeaderBytes, SegyError
from data_prep.segy.layout import Layout
from data_prep.segy.line import Line, Places, metres
from data_prep.segy.scan import LISTED, Scan, read_samples, scan

SAME_PLACE = 0.01
"""Closer than this [m], two receivers of a shot are one receiver twice."""

REGULAR = 0.02
"""Share of the usual distance between neighbours by which distances may differ and still be even."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One shot and its receivers.

    Args:
        number: number of the field record in the file; where the file has no useful one, shots are numbered
            from 1 along the line.
        x: position of the source along the line [m].
        depth: depth of the source below the datum [m].
        receiver_x: positions of the receivers [m], ascending, shape ``(receiver,)``.
        receiver_depth: depths of the receivers below the datum [m], shape ``(receiver,)``.
        traces: the receivers' traces in the file, counted from 0, shape ``(receiver,)``.
    """

    number: int
    x: float
    depth: float
    receiver_x: NDArray[np.float64]
    receiver_depth: NDArray[np.float64]
    traces: NDArray[np.int64]

    @property
    def offset(self) -> NDArray[np.float64]:
        """How far ahead of the source the receivers are, negative behind it [m], shape ``(receiver,)``."""
        return self.receiver_x - self.x


class RecordedShots(Protocol):
    """Shot gathers with their geometry: what the import needs of any kind of file."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def dt(self) -> float:
        """Sample interval [s]."""

    @property
    def start(self) -> float:
        """Time of the first sample after the shot [s]."""

    @property
    def nt(self) -> int:
        """Samples per trace."""

    @property
    def shots(self) -> tuple[Shot, ...]:
        """The shots, in order of their position."""

    def read(self, number: int) -> NDArray[np.float32]:
        """Read the gather of the shot of that ``number``, shape ``(time, receiver)``."""


@dataclass(frozen=True, eq=False)
class SegyShots:
    """The gathers of a file. Dead traces are in no gather: nothing was recorded where they are.

    Args:
        layout: how the file is laid out.
        dt: sample interval [s].
        start: time of the first sample after the shot [s].
        line: the line on the map that positions are measured along.
        shots: in order of their position.
        dead: the dead traces, counted from 0, shape ``(trace,)``.
        findings: sentences that say what is odd about the file, and what is done about it.
    """

    layout: Layout
    dt: float
    start: float
    line: Line
    shots: tuple[Shot, ...]
    dead: NDArray[np.int64]
    findings: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The file."""
        return self.layout.path

    @property
    def nt(self) -> int:
        """Samples per trace."""
        return self.layout.nt

    def read(self, number: int) -> NDArray[np.float32]:
        """Read one shot's gather, and nothing else of the file.

        Args:
            number: a shot's ``number``.

        Returns:
            Samples, shape ``(time, receiver)``.

        Raises:
            SegyError: no such shot, a sample is NaN or infinite, or the file has changed.
        """
        shot = next((shot for shot in self.shots if shot.number == number), None)
        if shot is None:
            known = ", ".join(str(shot.number) for shot in self.shots[:LISTED])
            raise SegyError(f"{self.path}: no shot {number} among its {len(self.shots)}: {known} ...")
        samples = read_samples(self.layout, shot.traces)
        bad = ~np.isfinite(samples)
        if bad.any():
            receiver, sample = (int(i) for i in np.argwhere(bad)[0])
            raise SegyError(
                f"{self.path}: trace {shot.traces[receiver] + 1} (shot {number}, receiver at "
                f"{metres(shot.receiver_x[receiver])} m) has {samples[receiver, sample]} at sample "
                f"{sample + 1}; {bad.any(axis=1).sum()} of the shot's {len(bad)} traces have such samples. "
                f"If it is most of them, the format is not what the header says ({self.layout}): correct it; "
                "else mute these traces or leave them out"
            )
        return np.ascontiguousarray(samples.T)


def open_shots(path: Path, header_bytes: HeaderBytes = STANDARD) -> SegyShots:
    """Scan a file of shot gathers, a bounded piece of it at a time.

    Args:
        path: SEG-Y, or SU (Seismic Unix).
        header_bytes: the byte at which each value of a trace header begins.

    Raises:
        SegyError: the file is no SEG-Y or SU, is damaged, or has headers that contradict each other or do not
            give the geometry; the message says where and how to mend it.
    """
    found = scan(path, header_bytes)
    found.doubt_format()
    dt = timing.interval(found)
    live, dead = found.live_traces()
    recorded = found.of(live)
    start = timing.start(recorded)
    where = geometry.locate(recorded)

    shots = []
    order = np.lexsort((where.receiver_x, where.shot))
    for members in np.split(order, np.flatnonzero(np.diff(where.shot[order])) + 1):
        number, receiver_x = int(where.shot[members[0]]), where.receiver_x[members]
        _refuse_two_sources(found, number, where.source[members], where.source_depth[members])
        _refuse_duplicates(found, number, receiver_x, live[members])
        x, depth = float(where.source_x[members[0]]), float(where.source_depth[members[0]])
        shots.append(Shot(number, x, depth, receiver_x, where.receiver_depth[members], live[members]))
    shots.sort(key=lambda shot: (shot.x, shot.number))
    if not where.numbered:
        shots = [replace(shot, number=number) for number, shot in enumerate(shots, start=1)]
    findings = (
        *found.findings,
        *_irregular(shots),
        *loudness.odd({shot.number: shot.traces for shot in shots}, found.loudness),
    )
    return SegyShots(found.layout, dt, start, where.line, tuple(shots), dead, findings)


def report(shots: SegyShots) -> str:
    """Describe what a file holds and what is odd about it, before anything is done with it.

    Returns:
        Lines of text: format, shots, receivers, offsets, time axis, line, traces and dead ones, findings.
    """
    x, depth = np.array([(shot.x, shot.depth) for shot in shots.shots]).T
    counts = np.array([len(shot.traces) for shot in shots.shots])
    receiver_x, receiver_depth, offset, spacing = (
        np.concatenate(values)
        for values in zip(
            *((s.receiver_x, s.receiver_depth, s.offset, np.diff(s.receiver_x)) for s in shots.shots),
            strict=True,
        )
    )
    (east, north), azimuth = shots.line.origin, shots.line.azimuth
    end = shots.start + (shots.nt - 1) * shots.dt
    texts = {
        "shots": f"{len(x)}, x {_span(x)} m{_apart(np.diff(x))}, depth {_span(depth)} m",
        "receivers": (
            f"{_span(counts)} per shot, x {_span(receiver_x)} m{_apart(spacing)}, "
            f"depth {_span(receiver_depth)} m"
        ),
        "offsets": f"{_span(offset)} m from source to receiver, the nearest {metres(np.abs(offset).min())} m",
        "time": f"{shots.nt} samples every {shots.dt * 1e3:g} ms, {shots.start:g} .. {end:g} s",
        "line": f"x = 0 is at ({metres(east)}, {metres(north)}) m; heads {azimuth:.1f} degrees from north",
        "traces": f"{shots.layout.traces}, {len(shots.dead)} of them dead",
        "odd": "\n".join(["nothing"] if not shots.findings else shots.findings).replace(
            "\n", "\n" + 13 * " "
        ),
    }
    lines = [f"  {name:<10} {text}" for name, text in texts.items()]
    return "\n".join([f"{shots.path}: {shots.layout}", *lines])


def _refuse_two_sources(scan: Scan, number: int, source: Places, depth: NDArray[np.float64]) -> None:
    places = np.unique(source)
    if len(places) > 1:
        what = " and ".join(f"({metres(place.real)}, {metres(place.imag)})" for place in places[:2])
    elif np.ptp(depth):
        what = f"at depths of {metres(depth.min())} and {metres(depth.max())}"
    else:
        return
    raise SegyError(
        f"{scan.path}: shot {number} has more than one source, such as {what} m; correct the headers, "
        f"or group the traces by another byte than {scan.header_bytes.shot}: 17 may hold the source point, "
        "and 0 goes by the source's coordinates"
    )


def _refuse_duplicates(scan: Scan, number: int, x: NDArray[np.float64], traces: NDArray[np.int64]) -> None:
    same = np.flatnonzero(np.diff(x) < SAME_PLACE)
    if same.size:
        one, two = sorted(int(trace) + 1 for trace in traces[same[0] : same[0] + 2])
        raise SegyError(
            f"{scan.path}: shot {number} has {same.size} receivers twice: traces {one} and {two} are both "
            f"at {metres(x[same[0]])} m; remove one of each (of several components keep one), or group the "
            f"traces by another byte than {scan.header_bytes.shot}"
        )


def _irregular(shots: list[Shot]) -> list[str]:
    """What is odd about how shots and receivers are spread."""
    findings = []
    steps = np.diff([shot.x for shot in shots])
    together = np.flatnonzero(steps < SAME_PLACE)
    if together.size:
        one, two = shots[together[0]], shots[together[0] + 1]
        findings.append(
            f"shots share a place, such as {one.number} and {two.number} at {metres(one.x)} m; --bytes.shot "
            "0 takes the traces of a place for one shot"
        )
    spacing = np.concatenate([np.diff(shot.receiver_x) for shot in shots])
    for who, found in (("shots", steps), ("receivers", spacing)):
        if found.size and np.ptp(found) > REGULAR * np.median(found):
            findings.append(f"{who} are not evenly spread: {_span(found)} m{_apart(found)} as a rule")
    counts = [len(shot.traces) for shot in shots]
    if len(set(counts)) > 1:
        fewest = shots[int(np.argmin(counts))]
        findings.append(f"shots have {_span(np.array(counts))} receivers, the fewest shot {fewest.number}")
    return findings


def _span(values: NDArray[np.generic]) -> str:
    low, high = values.min(), values.max()
    return metres(low) if low == high else f"{metres(low)} .. {metres(high)}"


def _apart(steps: NDArray[np.float64]) -> str:
    return f", {metres(np.median(steps))} m apart" if steps.size else ""
