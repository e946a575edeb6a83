"""The traces of a file: columns of header values, and the bytes of samples, a bounded piece at a time."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.headers import STANDARD, TRACE_HEADER, Columns, HeaderBytes, SegyError, width
from data_prep.segy.layout import Layout, open_file, read_at
from data_prep.segy.revision2 import refuse_other_places
from data_prep.segy.samples import decode

CHUNK = 2**21
"""Bytes of a file that are in memory at a time while it is scanned."""

LISTED = 8
"""Numbers of traces to name where there may be many."""


class Loudness(NamedTuple):
    """How loud the traces of a file are, shape ``(trace,)`` each."""

    peak: NDArray[np.float32]
    """Largest magnitude of a sample; 0 of a dead trace, NaN where a sample is."""
    at_peak: NDArray[np.int64]
    """Samples of exactly that magnitude."""


def read_columns(layout: Layout, header_bytes: HeaderBytes = STANDARD) -> tuple[Columns, Loudness]:
    """Scan all traces, a bounded piece of the file at a time.

    Returns:
        For each name in ``HeaderBytes`` its values, shape ``(trace,)``, zero where the file has none; and how
        loud the traces are.

    Raises:
        SegyError: the file cannot be read, or is shorter than its layout.
    """
    columns = {name: np.zeros(layout.traces, np.int32) for name in header_bytes.model_dump()}
    peak, at_peak = np.zeros(layout.traces, np.float32), np.zeros(layout.traces, np.int64)
    for first, raw in _pieces(layout):
        part = slice(first, first + len(raw))
        for name, values in _columns(layout, raw, header_bytes).items():
            columns[name][part] = values
        magnitude = np.abs(decode(raw[:, layout.header_size :], layout.format, layout.order))
        peak[part] = magnitude.max(axis=1)
        at_peak[part] = (magnitude == peak[part, None]).sum(axis=1)
    return columns, Loudness(peak, at_peak)


def look_at(
    layout: Layout, traces: NDArray[np.int64], header_bytes: HeaderBytes = STANDARD
) -> tuple[Columns, NDArray[np.float32]]:
    """Read some traces: the values of their headers, and their samples, shape ``(trace, time)``.

    Raises:
        SegyError: the file cannot be read, or is shorter than its layout.
    """
    with open_file(layout.path) as file:
        raw = np.concatenate([_raw_traces(layout, file, int(trace), 1) for trace in traces])
    samples = decode(raw[:, layout.header_size :], layout.format, layout.order)
    return _columns(layout, raw, header_bytes), samples


def read_traces(layout: Layout, traces: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Read the bytes of some traces without their headers, neighbours in the file in one go.

    Args:
        layout: the file.
        traces: which ones, counted from 0, in any order.

    Returns:
        Bytes, shape ``(trace, byte)``, in the order of ``traces``.

    Raises:
        SegyError: the file cannot be read, or is shorter than its layout.
    """
    found = np.empty((len(traces), layout.trace_size - layout.header_size), np.uint8)
    order = np.argsort(traces)
    runs = np.split(order, np.flatnonzero(np.diff(traces[order]) != 1) + 1)
    with open_file(layout.path) as file:
        for run in runs:
            raw = _raw_traces(layout, file, int(traces[run[0]]), len(run))
            found[run] = raw[:, layout.header_size :]
    return found


def listed(traces: NDArray[np.int64]) -> str:
    """Numbers of traces for a message, counted from 1 as people do."""
    return ", ".join(map(str, traces[:LISTED] + 1)) + (" ..." if len(traces) > LISTED else "")


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
