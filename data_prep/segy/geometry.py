"""Geometry from the trace headers: positions of sources and receivers along the line, and their shots."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.headers import SegyError, present, scaled
from data_prep.segy.layout import Layout
from data_prep.segy.line import Line, Places, metres
from data_prep.segy.scan import Scan

Floats = NDArray[np.float64]

FOOT = 0.3048
"""Length of the international foot [m]."""

FEET = 2
"""Code of feet in the measurement system field."""

MOST_OFF_LINE = 0.05
"""Largest distance from the line, as a share of its length, at which positions are projected onto it."""

ANGLES = {
    2: ("seconds of arc", 360 * 3600),
    3: ("degrees", 360),
    4: ("degrees, minutes, seconds", 360 * 10000),
}
"""Coordinate units that are angles, by their code: name, and the number that means a full circle."""

SCALARS = (0, *(sign * 10**power for power in range(5) for sign in (1, -1)))
"""Scalars that the standard allows."""


class Geometry(NamedTuple):
    """Positions and shots of the traces of a file, shape ``(trace,)`` each."""

    line: Line
    """The line on the map along which positions are measured."""
    source: Places
    """Positions of the sources on the map [m]."""
    source_x: Floats
    """Positions of the sources along the line [m]."""
    receiver_x: Floats
    """Positions of the receivers along the line [m]."""
    source_depth: Floats
    """Depths of the sources below the datum [m]."""
    receiver_depth: Floats
    """Depths of the receivers below the datum [m]."""
    shot: NDArray[np.int64]
    """Number of the shot of each trace."""
    numbered: bool
    """Whether the shot numbers are those of the file."""


def locate(scan: Scan) -> Geometry:
    """Find where sources and receivers are, and which traces are of one shot.

    Raises:
        SegyError: no trace header has coordinates, they are angles, or no straight line passes through them.
    """
    source, receiver = _places(scan)
    line, source_x, receiver_x = _on_line(scan, source, receiver)
    source_depth, receiver_depth = _depths(scan)
    shot, numbered = _group(scan, source)
    return Geometry(line, source, source_x, receiver_x, source_depth, receiver_depth, shot, numbered)


def _places(scan: Scan) -> tuple[Places, Places]:
    """Sources and receivers on the map [m], shape ``(trace,)`` each.

    Raises:
        SegyError: no trace header has coordinates, or they are angles.
    """
    _report_scalars(scan, "coordinate_scalar")
    x, y, receiver_x, receiver_y = (
        scaled(scan.columns[name], scan.columns["coordinate_scalar"])
        for name in ("source_x", "source_y", "receiver_x", "receiver_y")
    )
    source: Places = x + 1j * y
    receiver: Places = receiver_x + 1j * receiver_y
    missing = []
    if not source.any() and len(present(scan.columns["shot"])) > 1:  # a single shot may well be at 0
        missing.append(f"sources (bytes {scan.header_bytes.source_x} and {scan.header_bytes.source_y})")
    if not receiver.any():
        missing.append(f"receivers (bytes {scan.header_bytes.receiver_x} and {scan.header_bytes.receiver_y})")
    if missing:
        raise SegyError(
            f"{scan.path}: no coordinates: those of {' and '.join(missing)} are zero in all trace headers; "
            "name the bytes that hold them, or write the geometry into the headers"
        )
    largest = max(float(np.abs([both.real, both.imag]).max()) for both in (source, receiver))
    _refuse_angles(scan, largest)
    if scan.layout.units == FEET:
        scan.findings.append("lengths are in feet, says the binary header (byte 3255): converted to metres")
    elif scan.layout.units not in (0, 1):
        scan.findings.append(
            f"the measurement system (byte 3255) is {scan.layout.units}, which is none: metres assumed"
        )
    return source * _metres(scan.layout), receiver * _metres(scan.layout)


def _on_line(scan: Scan, source: Places, receiver: Places) -> tuple[Line, Floats, Floats]:
    """The best-fit line, and positions of sources and receivers along it [m], shape ``(trace,)`` each.

    Raises:
        SegyError: all are at one place, or too far off the line.
    """
    both = np.unique(np.concatenate([source, receiver]))
    if len(both) == 1:
        raise SegyError(
            f"{scan.path}: all sources and receivers are at ({metres(both[0].real)}, "
            f"{metres(both[0].imag)}) m; name the bytes that hold their coordinates, or write the "
            "geometry into the headers"
        )
    line = Line.through(both)
    along, aside = line.project(both)
    length, off = float(np.ptp(along)), float(np.abs(aside).max())
    if off > MOST_OFF_LINE * length:
        raise SegyError(
            f"{scan.path}: not a straight line: sources or receivers are up to {off:.1f} m off the best "
            f"one, which is {length:.1f} m long, and at most {MOST_OFF_LINE:.0%} of its length is projected "
            "away; take a straight part of the survey. If the northings are wrong and the eastings tell the "
            "positions, set source_y and receiver_y to 0"
        )
    if np.ptp(both.real) and np.ptp(both.imag):
        scan.findings.append(
            f"coordinates are projected on the line that fits best, from ({metres(line.origin[0])}, "
            f"{metres(line.origin[1])}) m, {line.azimuth:.1f} degrees from north; the farthest is "
            f"{off:.1f} m off"
        )
    return line, line.project(source)[0], line.project(receiver)[0]


def _depths(scan: Scan) -> tuple[Floats, Floats]:
    """Depths of sources and receivers below the datum [m], shape ``(trace,)`` each."""
    _report_scalars(scan, "elevation_scalar")
    found = {}
    for who in ("source", "receiver"):
        # As floats: the difference of two numbers of 32 bits may need 33.
        down = scan.columns[f"{who}_depth"].astype(np.float64) - scan.columns[f"{who}_elevation"]
        found[who] = scaled(down, scan.columns["elevation_scalar"]) * _metres(scan.layout)
        if (found[who] < 0).any():
            byte = getattr(scan.header_bytes, f"{who}_elevation")
            scan.findings.append(
                f"{who}s are up to {metres(-found[who].min())} m above the datum; if the file writes depths "
                f"as positive elevations, set {who}_depth to {byte} and {who}_elevation to 0"
            )
    return found["source"], found["receiver"]


def _group(scan: Scan, source: Places) -> tuple[NDArray[np.int64], bool]:
    """Find the shot of each trace, shape ``(trace,)``, and whether the shots' numbers are those of the file.

    A number that differs from trace to trace counts traces if some of them have the same source.
    """
    record = scan.columns["shot"]
    sources, place = np.unique(source, return_inverse=True)
    if len(sources) < len(record) == len(np.unique(record)):
        scan.findings.append(
            f"byte {scan.header_bytes.shot}, which should tell the shots apart, is another in each of the "
            f"{len(record)} trace headers, and counts traces: the traces are grouped by the source's "
            f"coordinates, as with --bytes.shot 0, and the {len(sources)} shots are numbered along the line"
        )
        return place.astype(np.int64), False
    if (record != record[0]).any() or (len(sources) == 1 and record[0]):
        return record.astype(np.int64), True
    if scan.header_bytes.shot and len(sources) > 1:
        scan.findings.append(
            f"byte {scan.header_bytes.shot}, which should tell the shots apart, is {record[0]} in all trace "
            f"headers: the traces are grouped by the source's coordinates, and the {len(sources)} shots are "
            "numbered along the line"
        )
    return place.astype(np.int64), False


def _refuse_angles(scan: Scan, largest: float) -> None:
    for code in present(scan.columns["coordinate_units"]):
        where = f"code {code} in byte {scan.header_bytes.coordinate_units}"
        if code == 1:
            continue
        if code not in ANGLES:
            scan.findings.append(f"the coordinates' unit, {where}, is none of the standard: lengths assumed")
            continue
        name, circle = ANGLES[code]
        if largest <= circle:
            raise SegyError(
                f"{scan.path}: the coordinates are {name}, says {where}; project them to metres and write "
                "code 1. If they are lengths already, set coordinate_units to 0, so that the byte is not read"
            )
        scan.findings.append(
            f"the coordinates are {name}, says {where}, but go up to {largest:g}, which can be none: lengths "
            "assumed"
        )


def _report_scalars(scan: Scan, name: str) -> None:
    odd = [scalar for scalar in present(scan.columns[name]) if scalar not in SCALARS]
    if odd:
        what = f"the {name.replace('_', ' ')} (byte {getattr(scan.header_bytes, name)})"
        scan.findings.append(f"{what} is {odd[0]}, which is none of the standard: applied as it is")


def _metres(layout: Layout) -> float:
    """Length of the file's unit [m]."""
    return FOOT if layout.units == FEET else 1.0
