"""Where sources and receivers are, as trace headers tell it: in metres, along the line, and which shot's."""

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.headers import Columns, HeaderBytes, SegyError, present, scaled
from data_prep.segy.layout import Layout
from data_prep.segy.line import Line, Places, metres

Floats = NDArray[np.float64]

FOOT = 0.3048
"""[m]"""

FEET = 2
"""Code of the measurement system."""

MOST_OFF_LINE = 0.05
"""Share of the line's length by which a source or receiver may be off it and is projected."""

ANGLES = {
    2: ("seconds of arc", 360 * 3600),
    3: ("degrees", 360),
    4: ("degrees, minutes, seconds", 360 * 10000),
}
"""Coordinate units that are no lengths, by their code: name, and the number that means a full circle."""

SCALARS = (0, *(sign * 10**power for power in range(5) for sign in (1, -1)))
"""Scalars that the standard knows."""


def places(
    layout: Layout, columns: Columns, header_bytes: HeaderBytes, findings: list[str]
) -> tuple[Places, Places]:
    """Sources and receivers on the map [m], shape ``(trace,)`` each.

    Raises:
        SegyError: no trace header has coordinates, or they are angles.
    """
    _report_scalars(columns, "coordinate_scalar", header_bytes, findings)
    x, y, receiver_x, receiver_y = (
        scaled(columns[name], columns["coordinate_scalar"])
        for name in ("source_x", "source_y", "receiver_x", "receiver_y")
    )
    source: Places = x + 1j * y
    receiver: Places = receiver_x + 1j * receiver_y
    missing = []
    if not source.any() and len(present(columns["shot"])) > 1:  # a single shot may well be at 0
        missing.append(f"sources (bytes {header_bytes.source_x} and {header_bytes.source_y})")
    if not receiver.any():
        missing.append(f"receivers (bytes {header_bytes.receiver_x} and {header_bytes.receiver_y})")
    if missing:
        raise SegyError(
            f"{layout.path}: no coordinates: those of {' and '.join(missing)} are zero in all trace headers; "
            "name the bytes that hold them, or write the geometry into the headers"
        )
    largest = max(float(np.abs([both.real, both.imag]).max()) for both in (source, receiver))
    _refuse_angles(layout, columns, largest, header_bytes, findings)
    if layout.units == FEET:
        findings.append("lengths are in feet, says the binary header (byte 3255): converted to metres")
    elif layout.units not in (0, 1):
        findings.append(
            f"the measurement system (byte 3255) is {layout.units}, which is none: metres assumed"
        )
    return source * _metres(layout), receiver * _metres(layout)


def on_line(
    layout: Layout, source: Places, receiver: Places, findings: list[str]
) -> tuple[Line, Floats, Floats]:
    """The best-fit line, and positions of sources and receivers along it [m], shape ``(trace,)`` each.

    Raises:
        SegyError: all are at one place, or too far off the line.
    """
    both = np.unique(np.concatenate([source, receiver]))
    if len(both) == 1:
        raise SegyError(
            f"{layout.path}: all sources and receivers are at ({metres(both[0].real)}, "
            f"{metres(both[0].imag)}) m; name the bytes that hold their coordinates, or write the "
            "geometry into the headers"
        )
    line = Line.through(both)
    along, aside = line.project(both)
    length, off = float(np.ptp(along)), float(np.abs(aside).max())
    if off > MOST_OFF_LINE * length:
        raise SegyError(
            f"{layout.path}: not a straight line: sources or receivers are up to {off:.1f} m off the best "
            f"one, which is {length:.1f} m long, and at most {MOST_OFF_LINE:.0%} of its length is projected "
            "away; take a straight part of the survey. If the northings are wrong and the eastings tell the "
            "positions, set source_y and receiver_y to 0"
        )
    if np.ptp(both.real) and np.ptp(both.imag):
        findings.append(
            f"coordinates are projected on the line that fits best, from ({metres(line.origin[0])}, "
            f"{metres(line.origin[1])}) m, {line.azimuth:.1f} degrees from north; the farthest is "
            f"{off:.1f} m off"
        )
    return line, line.project(source)[0], line.project(receiver)[0]


def depths(
    layout: Layout, columns: Columns, header_bytes: HeaderBytes, findings: list[str]
) -> tuple[Floats, Floats]:
    """Depths of sources and receivers below the datum [m], shape ``(trace,)`` each."""
    _report_scalars(columns, "elevation_scalar", header_bytes, findings)
    found = {}
    for who in ("source", "receiver"):
        # As floats: the difference of two numbers of 32 bits may need 33.
        down = columns[f"{who}_depth"].astype(np.float64) - columns[f"{who}_elevation"]
        found[who] = scaled(down, columns["elevation_scalar"]) * _metres(layout)
        if (found[who] < 0).any():
            byte = getattr(header_bytes, f"{who}_elevation")
            findings.append(
                f"{who}s are up to {metres(-found[who].min())} m above the datum; if the file writes depths "
                f"as positive elevations, set {who}_depth to {byte} and {who}_elevation to 0"
            )
    return found["source"], found["receiver"]


def group(
    record: NDArray[np.int32], source: Places, header_bytes: HeaderBytes, findings: list[str]
) -> tuple[NDArray[np.int64], bool]:
    """Which shot each trace is of, shape ``(trace,)``, and whether these numbers are the file's own.

    A number that every trace has for itself counts traces, where some of them have their source in common.
    """
    sources, place = np.unique(source, return_inverse=True)
    if len(sources) < len(record) == len(np.unique(record)):
        findings.append(
            f"byte {header_bytes.shot}, which should tell the shots apart, is another in each of the "
            f"{len(record)} trace headers, and counts traces: the traces are grouped by the source's "
            f"coordinates, as with --bytes.shot 0, and the {len(sources)} shots are numbered along the line"
        )
        return place.astype(np.int64), False
    if (record != record[0]).any() or (len(sources) == 1 and record[0]):
        return record.astype(np.int64), True
    if header_bytes.shot and len(sources) > 1:
        findings.append(
            f"byte {header_bytes.shot}, which should tell the shots apart, is {record[0]} in all trace "
            f"headers: the traces are grouped by the source's coordinates, and the {len(sources)} shots are "
            "numbered along the line"
        )
    return place.astype(np.int64), False


def _refuse_angles(
    layout: Layout, columns: Columns, largest: float, header_bytes: HeaderBytes, findings: list[str]
) -> None:
    for code in present(columns["coordinate_units"]):
        where = f"code {code} in byte {header_bytes.coordinate_units}"
        if code == 1:
            continue
        if code not in ANGLES:
            findings.append(f"the coordinates' unit, {where}, is none of the standard: lengths assumed")
            continue
        name, circle = ANGLES[code]
        if largest <= circle:
            raise SegyError(
                f"{layout.path}: the coordinates are {name}, says {where}; project them to metres and write "
                "code 1. If they are lengths already, set coordinate_units to 0, so that the byte is not read"
            )
        findings.append(
            f"the coordinates are {name}, says {where}, but go up to {largest:g}, which can be none: lengths "
            "assumed"
        )


def _report_scalars(columns: Columns, name: str, header_bytes: HeaderBytes, findings: list[str]) -> None:
    odd = [scalar for scalar in present(columns[name]) if scalar not in SCALARS]
    if odd:
        what = f"the {name.replace('_', ' ')} (byte {getattr(header_bytes, name)})"
        findings.append(f"{what} is {odd[0]}, which is none of the standard: applied as it is")


def _metres(layout: Layout) -> float:
    """Length of the file's unit [m]."""
    return FOOT if layout.units == FEET else 1.0
