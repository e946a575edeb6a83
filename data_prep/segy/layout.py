"""How a SEG-Y or SU file is laid out: its number format, byte order, and the size and number of its traces.

SEG-Y is a textual header of 3200 bytes, a binary one of 400, perhaps more textual ones, and then traces, each
behind a header of its own. SU (Seismic Unix) is the traces alone, in IEEE floating point.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from data_prep.segy.headers import STANDARD, TRACE_HEADER, HeaderBytes, Order, SegyError
from data_prep.segy.samples import FORMATS, IEEE, UNREAD

TEXT = 3200
FILE_HEADERS = 3600


@dataclass(frozen=True)
class Layout:
    """How a file is laid out.

    Args:
        path: the file.
        kind: the file format.
        order: byte order, ``>`` big endian and ``<`` little endian.
        format: code of the samples' number format, a key of ``samples.FORMATS``.
        nt: samples per trace.
        first: bytes before the first trace.
        traces: number of traces.
        interval: sample interval in the binary header [microseconds]; 0 if it is empty or there is none.
        units: measurement system of the binary header: 1 metres, 2 feet; 0 if it is empty or there is none.
        findings: what is odd.
    """

    path: Path
    kind: Literal["SEG-Y", "SU"]
    order: Order
    format: int
    nt: int
    first: int
    traces: int
    interval: int = 0
    units: int = 0
    findings: tuple[str, ...] = ()

    @property
    def trace_size(self) -> int:
        """Bytes of a trace with its header."""
        return TRACE_HEADER + self.nt * FORMATS[self.format].size

    def __str__(self) -> str:
        order = {">": "big", "<": "little"}[self.order]
        return f"{self.kind}, {order} endian, {FORMATS[self.format].name}"


def detect(path: Path, header_bytes: HeaderBytes = STANDARD) -> Layout:
    """Tell SEG-Y from SU and from other files, and find number format, byte order and number of traces.

    Args:
        path: the file; SU is recognised by its suffix .su, and where the content is not SEG-Y's.
        header_bytes: where trace headers keep what.

    Raises:
        SegyError: no such file, neither SEG-Y nor SU, or not a whole number of traces.
    """
    with open_file(path) as file:
        size = file.seek(0, 2)
        if size == 0:
            raise SegyError(f"{path}: the file is empty; copy or export it again")
        readers = (_su, _segy) if path.suffix.lower() == ".su" else (_segy, _su)
        for reader in readers:
            layout = reader(path, file, size, header_bytes)
            if layout is not None:
                return layout
        counts = [
            _number(read_at(file, 0, TRACE_HEADER), header_bytes.samples, order, "u2") for order in "<>"
        ]
    raise SegyError(
        f"{path}: neither SEG-Y nor SU. SEG-Y has one of the format codes {', '.join(map(str, FORMATS))} in "
        f"bytes 3225-3226. SU is whole traces of as many samples as byte {header_bytes.samples} says, and "
        f"{size} bytes are not, with {counts[0]} samples (little endian) or {counts[1]} (big endian). Copy "
        "the file again if it may be cut short, or export it as SEG-Y"
    )


def open_file(path: Path) -> BinaryIO:
    """Open a regular file to read.

    Raises:
        SegyError: there is none, or it cannot be opened.
    """
    try:
        if path.is_file():
            return open(path, "rb")
        found = "a folder" if path.is_dir() else "a device" if path.exists() else "no such file"
    except OSError as error:
        raise SegyError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from None
    raise SegyError(f"{path}: {found}; expected is a file of shot gathers")


def read_at(file: BinaryIO, place: int, size: int) -> bytes:
    """Read bytes from a place on, fewer if the file ends.

    Raises:
        SegyError: the disk or network fails.
    """
    try:
        file.seek(max(place, 0))
        return file.read(size)
    except OSError as error:
        raise SegyError(
            f"{file.name}: unreadable behind byte {place} ({error.strerror}); copy it again"
        ) from None


# -- the two file formats


def _segy(path: Path, file: BinaryIO, size: int, header_bytes: HeaderBytes) -> Layout | None:
    """The layout of a SEG-Y file, or None if it has no format code."""
    head = read_at(file, 0, FILE_HEADERS)
    orders: tuple[Order, ...] = (">", "<")
    for order in orders:
        code = _number(head, 3225, order)
        if code in FORMATS or code in UNREAD:
            break
    else:
        return None
    if code in UNREAD:
        known = ", ".join(f"{code} ({form.name})" for code, form in FORMATS.items())
        raise SegyError(
            f"{path}: samples have format code {code} (bytes 3225-3226); read are {known}: convert the file"
        )
    first = FILE_HEADERS + TEXT * _extended_headers(path, file, _number(head, 3505, order))
    said = _number(head, 3221, order, "u2")
    header = _number(read_at(file, first, TRACE_HEADER), header_bytes.samples, order, "u2")
    nt = _fitting(path, size - first, first, said, header, FORMATS[code].size, header_bytes)
    findings = []
    if nt != said:
        findings.append(
            f"the binary header says {said} samples per trace (byte 3221), the trace headers {header} (byte "
            f"{header_bytes.samples}), and only {nt} fit the file's size"
        )
    extended = int(np.frombuffer(head[3268:3272], order + "u4")[0])
    if max(head[3500:3502]) >= 2 and extended not in (0, nt):
        findings.append(
            f"the binary header says revision 2, with {extended} samples per trace (byte 3269), and only "
            f"{nt} fit the file's size"
        )
    return Layout(
        path,
        "SEG-Y",
        order,
        code,
        nt,
        first,
        (size - first) // (TRACE_HEADER + nt * FORMATS[code].size),
        _number(head, 3217, order, "u2"),
        _number(head, 3255, order),
        tuple(findings),
    )


def _su(path: Path, file: BinaryIO, size: int, header_bytes: HeaderBytes) -> Layout | None:
    """The layout of an SU file, or None if traces like the first do not fill it in either byte order."""
    orders: tuple[Order, ...] = ("<", ">")
    for order in orders:
        nt = _number(read_at(file, 0, TRACE_HEADER), header_bytes.samples, order, "u2")
        trace_size = TRACE_HEADER + nt * FORMATS[IEEE].size
        last = _number(read_at(file, size - trace_size, TRACE_HEADER), header_bytes.samples, order, "u2")
        if nt > 0 and size % trace_size == 0 and last == nt:
            return Layout(path, "SU", order, IEEE, nt, 0, size // trace_size)
    return None


def _fitting(
    path: Path, room: int, first: int, said: int, header: int, sample_size: int, header_bytes: HeaderBytes
) -> int:
    """The number of samples, of the binary header or else of the first trace's, that fits the file's size."""
    if room <= 0:
        raise SegyError(
            f"{path}: no traces: the file ends within or behind its {first} bytes of headers; copy or export "
            "it again"
        )
    if not said and not header:
        raise SegyError(
            f"{path}: no number of samples per trace, neither in the binary header (bytes 3221-3222) nor in "
            f"the first trace header (byte {header_bytes.samples}); write it into the binary header"
        )
    for nt in (said, header):
        if nt and room % (TRACE_HEADER + nt * sample_size) == 0:
            return nt
    nt = said or header
    trace_size = TRACE_HEADER + nt * sample_size
    whole, rest = divmod(room, trace_size)
    byte = 3221 if said else header_bytes.samples
    also = f" (its first trace header says {header})" if said and header not in (0, said) else ""
    raise SegyError(
        f"{path}: not a whole number of traces: after {first} bytes of headers, {nt} samples per trace (byte "
        f"{byte}){also} make traces of {trace_size} bytes, and {rest} bytes are left after trace {whole}. "
        f"Either trace {whole + 1} lacks its last {trace_size - rest} bytes: copy the file again; or the "
        "number of samples is wrong: correct it"
    )


def _extended_headers(path: Path, file: BinaryIO, count: int) -> int:
    """Number of textual headers behind the binary one, which may be left to be counted (-1)."""
    if count >= 0:
        return count
    end = "((SEG: EndText))"
    if count == -1:
        number = 0
        while text := read_at(file, FILE_HEADERS + TEXT * number, TEXT):
            number += 1
            if end.encode("ascii") in text or end.encode("cp037") in text:
                return number
    raise SegyError(
        f"{path}: the binary header says {count} extended textual headers (bytes 3505-3506); right is their "
        f"number, or -1 where the last one contains {end}: correct it"
    )


# -- bytes


def _number(raw: bytes, byte: int, order: str, kind: str = "i2") -> int:
    """An integer of a header, 0 where the header ends before it or has none."""
    field = raw[byte - 1 :][:2] if byte else b""
    return int(np.frombuffer(field, order + kind)[0]) if len(field) == 2 else 0
