"""The layout of a SEG-Y or SU file: its number format, byte order, and the size and number of its traces.

SEG-Y is a textual header of 3200 bytes, a binary one of 400, perhaps more textual ones, and then traces, each
behind a header of its own and in revision 2 perhaps further ones. SU (Seismic Unix) is the traces alone, in
IEEE floating point.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from data_prep.segy import revision2, strangers
from data_prep.segy.headers import STANDARD, TRACE_HEADER, HeaderBytes, Order, SegyError, number
from data_prep.segy.revision2 import Revision2
from data_prep.segy.samples import FORMATS, IEEE, UNREAD

TEXT = 3200
FILE_HEADERS = 3600

END_OF_TEXTS = "((SEG: EndText))"
"""What the last textual header contains where the binary header leaves their number open."""

MOST_TEXTS = 2**15 - 1
"""Textual headers that the binary header can count."""


@dataclass(frozen=True)
class Layout:
    """The layout of a file.

    Args:
        path: the file.
        kind: the file format.
        order: byte order, ``>`` big endian and ``<`` little endian.
        format: code of the samples' number format, a key of ``samples.FORMATS``.
        nt: samples per trace.
        first: bytes before the first trace.
        traces: number of traces.
        interval: sample interval in the binary header [microseconds]; 0 if the field or header is missing.
        units: measurement system of the binary header: 1 metres, 2 feet; 0 as for the interval.
        extensions: number of further headers of each trace, behind its first.
        findings: what is odd about the file, each in a sentence.
    """

    path: Path
    kind: Literal["SEG-Y", "SU"]
    order: Order
    format: int
    nt: int
    first: int
    traces: int
    interval: float = 0
    units: int = 0
    extensions: int = 0
    findings: tuple[str, ...] = ()

    @property
    def header_size(self) -> int:
        """Bytes of a trace before its samples."""
        return TRACE_HEADER * (1 + self.extensions)

    @property
    def trace_size(self) -> int:
        """Bytes of a trace with its headers."""
        return self.header_size + self.nt * FORMATS[self.format].size

    def __str__(self) -> str:
        order = {">": "big", "<": "little"}[self.order]
        return f"{self.kind}, {order} endian, {FORMATS[self.format].name}"


def detect(path: Path, header_bytes: HeaderBytes = STANDARD) -> Layout:
    """Tell SEG-Y from SU and from other files, and find number format, byte order and number of traces.

    Args:
        path: the file; SU is recognised by its suffix .su, and where the content is not SEG-Y's.
        header_bytes: the byte at which each value of a trace header begins.

    Raises:
        StrangerError: the file holds records in another format than SEG-Y and SU.
        SegyError: there is no such file, it is neither SEG-Y nor SU, or it does not hold a whole number of
            traces.
    """
    with open_file(path) as file:
        size = file.seek(0, 2)
        if size == 0:
            raise SegyError(f"{path}: the file is empty; copy or export it again")
        head = read_at(file, 0, FILE_HEADERS)
        readers = (_su, _segy) if path.suffix.lower() == ".su" else (_segy, _su)
        try:
            for reader in readers:
                layout = reader(path, file, size, header_bytes)
                if layout is not None:
                    return layout
        except SegyError:
            strangers.refuse(path, head)  # another format may well have what looks like a format code
            raise
        strangers.refuse(path, head)
        orders: tuple[Order, ...] = ("<", ">")
        counts = [number(head[:TRACE_HEADER], header_bytes.samples, order, "u2") for order in orders]
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
        code = number(head, 3225, order)
        if code in FORMATS or code in UNREAD:
            break
    else:
        return None
    more = revision2.read(path, head, order)
    if code in UNREAD:
        known = ", ".join(f"{code} ({form.name})" for code, form in FORMATS.items())
        raise SegyError(
            f"{path}: samples have format code {code} (bytes 3225-3226); read are {known}: convert the file"
        )
    first = _first_trace(path, file, size, number(head, 3505, order), more)
    stated = number(head, 3221, order, "u2")
    header = number(read_at(file, first, TRACE_HEADER), header_bytes.samples, order, "u2")
    nt, extensions = _fitting(path, size, first, stated, header, FORMATS[code].size, header_bytes, more)
    findings = []
    if nt not in (stated, more.samples):
        findings.append(
            f"the binary header says {stated} samples per trace (byte 3221), the trace headers {header} "
            f"(byte {header_bytes.samples}), and only {nt} fit the file's size"
        )
    if more.samples not in (0, nt):
        findings.append(
            f"the binary header says revision 2, with {more.samples} samples per trace (byte 3269), and only "
            f"{nt} fit the file's size"
        )
    if extensions:
        findings.append(f"trace header extensions, {extensions} of each trace (byte 3507), are passed over")
    trace_size = TRACE_HEADER * (1 + extensions) + nt * FORMATS[code].size
    traces = (size - first - more.trailing) // trace_size
    if more.counted_by_traces:
        traces = more.traces
    elif more.traces not in (0, traces):
        findings.append(
            f"the binary header says {more.traces} traces (byte 3513), and {traces} fit the file's size: if "
            "traces are missed, copy the file again"
        )
    return Layout(
        path,
        "SEG-Y",
        order,
        code,
        nt,
        first,
        traces,
        revision2.interval(path, number(head, 3217, order, "u2"), more),
        number(head, 3255, order),
        extensions,
        tuple(findings),
    )


def _su(path: Path, file: BinaryIO, size: int, header_bytes: HeaderBytes) -> Layout | None:
    """The layout of an SU file, or None if traces like the first do not fill it in either byte order."""
    orders: tuple[Order, ...] = ("<", ">")
    for order in orders:
        nt = number(read_at(file, 0, TRACE_HEADER), header_bytes.samples, order, "u2")
        trace_size = TRACE_HEADER + nt * FORMATS[IEEE].size
        last = number(read_at(file, size - trace_size, TRACE_HEADER), header_bytes.samples, order, "u2")
        if nt > 0 and size % trace_size == 0 and last == nt:
            return Layout(path, "SU", order, IEEE, nt, 0, size // trace_size)
    return None


def _first_trace(path: Path, file: BinaryIO, size: int, texts: int, more: Revision2) -> int:
    """Bytes before the first trace."""
    if more.first:
        if not FILE_HEADERS <= more.first < size:
            raise SegyError(
                f"{path}: the binary header says that the first trace begins behind byte {more.first} (bytes "
                f"3521-3528), but the headers take {FILE_HEADERS} bytes and the file has {size}: correct it, "
                "or copy the file again"
            )
        return more.first
    counted = _extended_headers(path, file, texts)
    first = FILE_HEADERS + TEXT * counted
    if counted and first >= size:
        raise SegyError(
            f"{path}: no traces: the file ends within or behind its {first} bytes of headers, of which "
            f"{counted} are extended textual ones (bytes 3505-3506); it has {size} bytes: correct that "
            "number, or copy the file again"
        )
    return first


def _fitting(
    path: Path,
    size: int,
    first: int,
    stated: int,
    header: int,
    sample_size: int,
    header_bytes: HeaderBytes,
    more: Revision2,
) -> tuple[int, int]:
    """Find the numbers of samples and of header extensions of a trace that divide the file into whole traces.

    The number of samples is that of the binary header, ``stated``, or else of the first trace, ``header``.
    """
    room = size - first - more.trailing
    if room <= 0:
        raise SegyError(
            f"{path}: no traces: the file ends within or behind its {first} bytes of headers; copy or export "
            "it again"
        )
    samples = [nt for nt in (more.samples, stated, header) if nt]
    if not samples:
        raise SegyError(
            f"{path}: no number of samples per trace, neither in the binary header (bytes 3221-3222) nor in "
            f"the first trace header (byte {header_bytes.samples}); write it into the binary header"
        )
    for extensions in more.extensions:
        for nt in samples:
            if more.fits(room, TRACE_HEADER * (1 + extensions) + nt * sample_size):
                return nt, extensions
    nt, extensions = samples[0], more.extensions[0]
    trace_size = TRACE_HEADER * (1 + extensions) + nt * sample_size
    whole, rest = divmod(room, trace_size)
    byte = 3269 if more.samples else 3221 if stated else header_bytes.samples
    also = f" (its first trace header says {header})" if stated and header not in (0, stated) else ""
    headers = f" and {extensions} trace header extensions (byte 3507)" if extensions else ""
    raise SegyError(
        f"{path}: not a whole number of traces: after {first} bytes of headers, {nt} samples per trace (byte "
        f"{byte}){also}{headers} make traces of {trace_size} bytes, and {rest} bytes are left after trace "
        f"{whole}. Either trace {whole + 1} lacks its last {trace_size - rest} bytes: copy the file again; "
        f"or the number of samples{' or of extensions' if extensions else ''} is wrong: correct it"
    )


def _extended_headers(path: Path, file: BinaryIO, count: int) -> int:
    """Number of textual headers behind the binary one, which may be left to be counted (-1)."""
    if count >= 0:
        return count
    if count == -1:
        for found in range(1, MOST_TEXTS + 1):
            text = read_at(file, FILE_HEADERS + TEXT * (found - 1), TEXT)
            if not text:
                break
            if any(_plain(END_OF_TEXTS) in _plain(text.decode(coding)) for coding in ("latin1", "cp037")):
                return found
    raise SegyError(
        f"{path}: the binary header says {count} extended textual headers (bytes 3505-3506); right is their "
        f"number, or -1 where the last one contains {END_OF_TEXTS}: correct it"
    )


def _plain(text: str) -> str:
    """Text without what makes no difference in a stanza's name: upper and lower case, blanks."""
    return "".join(text.split()).lower()
