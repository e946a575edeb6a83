"""The scan of a file: the headers of all its traces, how loud each is, and the samples of some of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.headers import STANDARD, TRACE_HEADER, Columns, HeaderBytes, SegyError, width
from data_prep.segy.layout import Layout, detect, open_file, read_at
from data_prep.segy.revision2 import refuse_other_places
from data_prep.segy.samples import FORMATS, decode, looks_like

CHUNK = 2**21
"""Bytes of a file that are in memory at a time while it is scanned."""

COMPARED = 16
"""Traces by which the number format is compared with what the file says."""

LISTED = 8
"""Numbers of traces to name where there may be many."""


class Loudness(NamedTuple):
    """How loud the traces of a file are, shape ``(trace,)`` each."""

    peak: NDArray[np.float32]
    """Largest magnitude of a sample; 0 for a dead trace, NaN for a trace with a sample that is NaN."""
    at_peak: NDArray[np.int64]
    """Number of samples of exactly that magnitude."""


@dataclass(frozen=True, eq=False)
class Scan:
    """What is known of a file once all its traces were scanned; the stages of an import are given this.

    Args:
        layout: how the file is laid out.
        header_bytes: the byte at which each value of its trace headers begins.
        columns: the header values, for each name in ``HeaderBytes``, shape ``(trace,)``; zero where the file
            has none.
        loudness: how loud the traces are.
        findings: what is odd about the file and what is done about it, each in a sentence. It is a list to
            which each stage adds what it finds.
    """

    layout: Layout
    header_bytes: HeaderBytes
    columns: Columns
    loudness: Loudness
    findings: list[str]

    @property
    def path(self) -> Path:
        """The file."""
        return self.layout.path

    def of(self, traces: NDArray[np.int64]) -> "Scan":
        """Return the scan of some of the traces, which shares its findings with this one.

        Args:
            traces: numbers of the traces, counted from 0, shape ``(trace,)``.
        """
        columns = {name: column[traces] for name, column in self.columns.items()}
        loudness = Loudness(self.loudness.peak[traces], self.loudness.at_peak[traces])
        return replace(self, columns=columns, loudness=loudness)

    def doubt_format(self) -> None:
        """Add a finding where samples look as if they had another number format than the file says."""
        some = np.unique(np.linspace(0, self.layout.traces - 1, COMPARED).astype(np.int64))
        code = self.layout.format
        likely = looks_like(_read_raw(self.layout, some), code, self.layout.order)
        if likely != code:
            self.findings.append(
                f"the samples are said to be {FORMATS[code].name} (byte 3225) and are read as such, but "
                f"look like {FORMATS[likely].name}: if so, write {likely} there"
            )

    def live_traces(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the traces that recorded something, and the dead ones among those that should have.

        Returns:
            Their numbers, counted from 0, ascending: live traces, dead traces. Auxiliary ones are neither.

        Raises:
            SegyError: no trace has a signal.
        """
        kind, silent = self.columns["trace_kind"], self.loudness.peak == 0
        auxiliary = (kind >= 3) & (kind <= 8)
        lost = (silent | (kind == 2)) & ~auxiliary
        live, dead = np.flatnonzero(~lost & ~auxiliary), np.flatnonzero(lost)
        if not live.size:
            raise SegyError(
                f"{self.path}: none of the {self.layout.traces} traces has a signal: {len(dead)} are dead "
                f"(all zero, or marked so), {auxiliary.sum()} auxiliary; export the file again"
            )
        if auxiliary.any():
            self.findings.append(
                f"{auxiliary.sum()} auxiliary traces (trace identification code 3 to 8) are left out: "
                f"{listed(np.flatnonzero(auxiliary))}"
            )
        if dead.size:
            self.findings.append(
                f"{dead.size} dead traces (all zero, or marked so) are left out: {listed(dead)}"
            )
        return live, dead


def scan(path: Path, header_bytes: HeaderBytes = STANDARD) -> Scan:
    """Scan all traces of a file, a bounded piece of it at a time.

    Args:
        path: SEG-Y, or SU (Seismic Unix).
        header_bytes: the byte at which each value of a trace header begins.

    Raises:
        SegyError: the file is no SEG-Y or SU, cannot be read, or becomes shorter while it is read.
    """
    layout = detect(path, header_bytes)
    columns = {name: np.zeros(layout.traces, np.int32) for name in header_bytes.model_dump()}
    peak, at_peak = np.zeros(layout.traces, np.float32), np.zeros(layout.traces, np.int64)
    for first, raw in _pieces(layout):
        part = slice(first, first + len(raw))
        for name, values in _columns(layout, raw, header_bytes).items():
            columns[name][part] = values
        magnitude = np.abs(decode(raw[:, layout.header_size :], layout.format, layout.order))
        peak[part] = magnitude.max(axis=1)
        at_peak[part] = (magnitude == peak[part, None]).sum(axis=1)
    return Scan(layout, header_bytes, columns, Loudness(peak, at_peak), list(layout.findings))


def look_at(
    layout: Layout, traces: NDArray[np.int64], header_bytes: HeaderBytes = STANDARD
) -> tuple[Columns, NDArray[np.float32]]:
    """Read the header values of some traces, and their samples, shape ``(trace, time)``.

    Raises:
        SegyError: the file cannot be read, or is shorter than its layout.
    """
    with open_file(layout.path) as file:
        raw = np.concatenate([_raw_traces(layout, file, int(trace), 1) for trace in traces])
    samples = decode(raw[:, layout.header_size :], layout.format, layout.order)
    return _columns(layout, raw, header_bytes), samples


def read_samples(layout: Layout, traces: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read the samples of some traces, neighbours in the file in one go.

    Args:
        layout: the file.
        traces: which ones, counted from 0, in any order.

    Returns:
        Samples, shape ``(trace, time)``, in the order of ``traces``.

    Raises:
        SegyError: the file cannot be read, or is shorter than its layout.
    """
    return decode(_read_raw(layout, traces), layout.format, layout.order)


def listed(traces: NDArray[np.int64]) -> str:
    """Numbers of traces for a message, counted from 1 as people do."""
    return ", ".join(map(str, traces[:LISTED] + 1)) + (" ..." if len(traces) > LISTED else "")


def _read_raw(layout: Layout, traces: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The bytes of some traces without their headers, shape ``(trace, byte)``."""
    found = np.empty((len(traces), layout.trace_size - layout.header_size), np.uint8)
    order = np.argsort(traces)
    runs = np.split(order, np.flatnonzero(np.diff(traces[order]) != 1) + 1)
    with open_file(layout.path) as file:
        for run in runs:
            raw = _raw_traces(layout, file, int(traces[run[0]]), len(run))
            found[run] = raw[:, layout.header_size :]
    return found


def _columns(layout: Layout, raw: NDArray[np.uint8], header_bytes: HeaderBytes) -> Columns:
    """The header values of traces as bytes, shape ``(trace, byte)``."""
    places = header_bytes.model_dump()
    there = {name: byte for name, byte in places.items() if byte}
    header = np.dtype(
        {
            "names": list(there),
            "formats": [layout.order + width(name, byte) for name, byte in there.items()],
            "offsets": [byte - 1 for byte in there.values()],
            "itemsize": layout.trace_size,
        }
    )
    values = raw.view(header)[:, 0]
    none = np.zeros(len(raw), np.int32)
    columns = {name: values[name].astype(np.int32) if byte else none for name, byte in places.items()}
    if layout.extensions:
        extension = raw[:, TRACE_HEADER : 2 * TRACE_HEADER]
        refuse_other_places(layout.path, extension, columns, header_bytes, layout.order)
    return columns


def _pieces(layout: Layout) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """All traces with their headers, some at a time: the first one's number, and bytes ``(trace, byte)``."""
    step = max(1, CHUNK // layout.trace_size)
    with open_file(layout.path) as file:
        for first in range(0, layout.traces, step):
            yield first, _raw_traces(layout, file, first, min(step, layout.traces - first))


def _raw_traces(layout: Layout, file: BinaryIO, first: int, count: int) -> NDArray[np.uint8]:
    raw = read_at(file, layout.first + first * layout.trace_size, count * layout.trace_size)
    if len(raw) < count * layout.trace_size:
        raise SegyError(f"{layout.path}: the file became shorter while it was read; import it again")
    return np.frombuffer(raw, np.uint8).reshape(count, layout.trace_size)
