"""Positions of the values in SEG-Y trace headers, and how they are read.

Bytes are counted from 1, as the standard does (SEG Technical Standards Committee: SEG-Y revision 1, 2002).
"""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fwi.config import Section

TRACE_HEADER = 240
"""Bytes of a trace header."""

Order = Literal[">", "<"]
"""Byte order: big endian, little endian."""
Byte = Annotated[int, Field(ge=0, le=TRACE_HEADER - 3)]


class SegyError(ValueError):
    """A file cannot be used as SEG-Y or SU; the message says what is wrong, where, and the remedy."""


class HeaderBytes(Section):
    """First byte of each value in a trace header, counted from 1; 0 if the file does not have the value.

    Coordinates, depths and elevations are four bytes wide at any position. The number of samples and the
    sample interval are two bytes wide, without sign. Any other value is as wide as the field of the standard
    that starts at its byte, or four bytes if there is none.
    """

    shot: Byte = 9
    """Field record number, which identifies the shot; 0 groups traces by the source's coordinates."""
    trace_kind: Byte = 29
    """Trace identification code: 2 for dead traces, 3 to 8 for dummy, time break, sweep and the like."""
    source_x: Byte = 73
    """Source coordinate X."""
    source_y: Byte = 77
    """Source coordinate Y."""
    receiver_x: Byte = 81
    """Receiver group coordinate X."""
    receiver_y: Byte = 85
    """Receiver group coordinate Y."""
    coordinate_scalar: Byte = 71
    """Scalar of the coordinates: a multiplier if positive, a divisor if negative."""
    coordinate_units: Byte = 89
    """Code of the coordinate unit: 1 length, 2 seconds of arc, 3 degrees, 4 degrees, minutes, seconds."""
    source_depth: Byte = 49
    """Depth of the source below the surface, positive downward."""
    source_elevation: Byte = 45
    """Elevation of the surface at the source, positive upward."""
    receiver_depth: Byte = 0
    """Depth of the receiver, positive downward; the standard has no such value."""
    receiver_elevation: Byte = 41
    """Elevation of the receiver group, positive upward."""
    elevation_scalar: Byte = 69
    """Scalar of elevations and depths."""
    samples: Byte = 115
    """Number of samples in the trace."""
    interval: Byte = 117
    """Sample interval [microseconds]."""
    delay: Byte = 109
    """Time from the shot to the first sample [ms]."""
    time_scalar: Byte = 215
    """Scalar of the delay."""


Columns = dict[str, NDArray[np.int32]]
"""Header values of all traces, shape ``(trace,)``, for each field name of ``HeaderBytes``."""

STANDARD = HeaderBytes()
"""Header positions of SEG-Y revision 1."""


def number(raw: bytes, byte: int, order: Order, kind: str = "i2") -> int:
    """Read an integer of a header at its first byte, counted from 1; 0 if the header is too short."""
    kind_in_order = np.dtype(order + kind)
    field = raw[byte - 1 :][: kind_in_order.itemsize] if byte else b""
    return int(np.frombuffer(field, kind_in_order)[0]) if len(field) == kind_in_order.itemsize else 0


def width(name: str, byte: int) -> str:
    """The numpy type, without byte order, of the value that starts at a byte."""
    if name in ("samples", "interval"):
        return "u2"
    if name.endswith(("_x", "_y", "_depth", "_elevation")):
        return "i4"
    two = byte in (
        *range(29, 37, 2),
        69,
        71,
        *range(89, 181, 2),
        201,
        203,
        *range(209, 219, 2),
        223,
        229,
        231,
    )
    return "i2" if two else "i4"


def scaled(values: NDArray[np.generic], scalar: NDArray[np.int32]) -> NDArray[np.float64]:
    """Apply the scalars of the standard: negative ones divide, positive ones multiply, and 0 counts as 1.

    Args:
        values: coordinates or depths as they are in the headers, shape ``(trace,)``.
        scalar: the scalars, same shape.
    """
    factor = np.where(scalar == 0, 1, np.abs(scalar.astype(np.float64)))
    found: NDArray[np.float64] = np.where(scalar < 0, values / factor, values * factor)
    return found


def present(column: NDArray[np.int32]) -> list[int]:
    """The distinct values of a header field in ascending order, without 0, which means an empty field."""
    return [int(value) for value in np.unique(column) if value]
