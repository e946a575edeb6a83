"""What revision 2 of SEG-Y adds to the headers (SEG Technical Standards Committee: SEG-Y revision 2.0, 2017).

In its binary header are numbers that revision 1's 16 bits cannot hold. Each trace may have further headers,
of which the first, called SEG00001, holds the geometry as 64-bit floats.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.headers import (
    STANDARD,
    TRACE_HEADER,
    Columns,
    HeaderBytes,
    Order,
    SegyError,
    number,
    scaled,
)

TRAILER = 3200
"""Bytes of a record behind the last trace."""

ORDERS = {b"\x01\x02\x03\x04": ">", b"\x04\x03\x02\x01": "<"}
"""Byte order by the constant at byte 3297."""

SWAPPED_PAIRS = b"\x02\x01\x04\x03"
"""That constant where the bytes of each 16 bits are swapped."""

EXTENSION_1 = b"SEG00001"
"""What stands at the end of the first trace header extension of the standard."""

PLACES_64 = {"source_x": 97, "source_y": 105, "receiver_x": 113, "receiver_y": 121}
"""Where in that extension the coordinates are, as 64-bit floats."""


class Revision2(NamedTuple):
    """The numbers that the binary header has since revision 2; older files have the defaults."""

    samples: int = 0
    """Samples per trace (byte 3269); 0 where byte 3221 holds them."""
    interval: float = 0.0
    """Sample interval (byte 3273) [microseconds]; 0 where byte 3217 holds it."""
    extensions: tuple[int, ...] = (0,)
    """Number of further headers of each trace (byte 3507), the likely reading first."""
    traces: int = 0
    """Number of traces (byte 3513); 0 if it is left to the file's size."""
    first: int = 0
    """Bytes before the first trace (byte 3521); 0 if it is left to the number of textual headers."""
    trailers: int = 0
    """Number of records behind the last trace (byte 3529); -1 if it is left to the number of traces."""

    @property
    def trailing(self) -> int:
        """Bytes behind the last trace, as far as they are stated."""
        return TRAILER * max(self.trailers, 0)

    @property
    def counted_by_traces(self) -> bool:
        """Whether the traces end where their number says, and not where the file does."""
        return self.trailers == -1

    def fits(self, room: int, trace_size: int) -> bool:
        """Whether traces of a size fill the room, in bytes, or leave whole records behind them."""
        if not self.counted_by_traces:
            return room % trace_size == 0
        rest = room - self.traces * trace_size
        return rest >= 0 and rest % TRAILER == 0


def read(path: Path, head: bytes, order: Order) -> Revision2:
    """Read what revision 2 adds, from a file's textual and binary header.

    Raises:
        SegyError: numbers that contradict each other, or that make the traces' places unknown.
    """
    if 2 not in head[3500:3502]:  # major and minor revision; another order of bytes may swap them
        return Revision2()
    stated = head[3296:3300]
    if stated == SWAPPED_PAIRS or ORDERS.get(stated, order) != order:
        raise SegyError(
            f"{path}: the constant of the byte order (bytes 3297-3300) is {stated.hex(' ')}, but the format "
            f"code (bytes 3225-3226) is {'big' if order == '>' else 'little'} endian: bytes are swapped in a "
            "part of the file; convert it again"
        )
    traces, trailers = number(head, 3513, order, "u8"), number(head, 3529, order, "i4")
    if trailers < -1 or (trailers == -1 and not traces):
        raise SegyError(
            f"{path}: the binary header says {trailers} data trailer records (bytes 3529-3532); right is "
            "their number, or -1 where bytes 3513-3520 say how many traces there are: correct it"
        )
    interval = float(np.frombuffer(head[3272:3280], order + "f8")[0])
    if not (math.isfinite(interval) and interval >= 0):
        raise SegyError(
            f"{path}: the extended sample interval (bytes 3273-3280) is {interval:g} microseconds; write the "
            "interval there, or 0 where bytes 3217-3218 hold it"
        )
    return Revision2(
        number(head, 3269, order, "u4"),
        interval,
        _extensions(head, order),
        traces,
        number(head, 3521, order, "u8"),
        trailers,
    )


def interval(path: Path, stated: int, more: Revision2) -> float:
    """The sample interval in the binary header [microseconds], of 16 bits or as revision 2 extends it.

    Raises:
        SegyError: the two contradict each other.
    """
    if stated and more.interval and abs(stated - more.interval) >= 1:  # less is what whole microseconds lose
        raise SegyError(
            f"{path}: the binary header says sample intervals of {stated} (bytes 3217-3218) and of "
            f"{more.interval:g} microseconds (bytes 3273-3280); correct the wrong one"
        )
    return more.interval or stated


def refuse_other_places(
    path: Path, extension: NDArray[np.uint8], columns: Columns, header_bytes: HeaderBytes, order: Order
) -> None:
    """Refuse header extensions with other coordinates than the first headers, which alone are read.

    Args:
        path: the file.
        extension: bytes of the traces' first extension, shape ``(trace, byte)``.
        columns: the values of the traces' first headers.
        header_bytes: where these are.
        order: byte order.

    Raises:
        SegyError: the coordinates differ.
    """
    if bytes(extension[0, TRACE_HEADER - len(EXTENSION_1) :]) != EXTENSION_1:
        return
    for name, byte in PLACES_64.items():
        if getattr(header_bytes, name) != getattr(STANDARD, name):  # somebody knows better
            continue
        exact = np.ascontiguousarray(extension[:, byte - 1 : byte + 7]).view(order + "f8")[:, 0]
        plain = scaled(columns[name], columns["coordinate_scalar"])
        wrong = (exact != 0) & ~(np.abs(exact - plain) < 1)  # whole numbers lose less
        if wrong.any():
            raise SegyError(
                f"{path}: trace header extension 1 says {exact[wrong][0]:g} for the {name.replace('_', ' ')} "
                f"(byte {byte} of the extension), and the trace header {plain[wrong][0]:g} (byte "
                f"{getattr(header_bytes, name)}), which alone is read: write the coordinates there"
            )


def _extensions(head: bytes, order: Order) -> tuple[int, ...]:
    """Further headers of each trace: revision 2.0 counts them in 32 bits, 2.1 in the first 16 of these."""
    of_20, of_21 = max(number(head, 3507, order, "i4"), 0), max(number(head, 3507, order), 0)
    if of_21 or 1 in head[3500:3502]:
        return of_21, of_20
    return (of_20,)
