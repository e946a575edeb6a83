"""The traces of a file: columns of header values, and the bytes of samples, a bounded piece at a time."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.headers import STANDARD, TRACE_HEADER, Columns, HeaderBytes, SegyError, width
from data_prep.segy.layout import Layout, open_file, read_at
from data_prep.segy.samples import silent

CHUNK = 2**23
"""Bytes of a file that are in memory at a time while it is scanned."""


def read_columns(layout: Layout, bytes: HeaderBytes = STANDARD) -> tuple[Columns, NDArray[np.bool_]]:
    """Read all trace headers, a bounded piece of the file at a time.

    Returns:
        For each name in ``HeaderBytes`` its values, shape ``(trace,)``, zero where the file has none; and
        which traces have nothing but zero samples, shape ``(trace,)``.

    Raises:
        SegyError: the file cannot be read, or is shorter than its layout.
    """
    places = {name: byte for name, byte in bytes.model_dump().items() if byte}
    header = np.dtype(
        {
            "names": list(places),
            "formats": [layout.order + width(name, byte) for name, byte in places.items()],
            "offsets": [byte - 1 for byte in places.values()],
            "itemsize": layout.trace_size,
        }
    )
    columns = {name: np.zeros(layout.traces, np.int32) for name in bytes.model_dump()}
    dead = np.zeros(layout.traces, np.bool_)
    for first, raw in _pieces(layout):
        part = slice(first, first + len(raw))
        values = raw.view(header)[:, 0]
        for name in places:
            columns[name][part] = values[name]
        dead[part] = silent(raw[:, TRACE_HEADER:], layout.format, layout.order)
    return columns, dead


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
    found = np.empty((len(traces), layout.trace_size - TRACE_HEADER), np.uint8)
    order = np.argsort(traces)
    runs = np.split(order, np.flatnonzero(np.diff(traces[order]) != 1) + 1)
    with open_file(layout.path) as file:
        for run in runs:
            raw = _raw_traces(layout, file, int(traces[run[0]]), len(run))
            found[run] = raw[:, TRACE_HEADER:]
    return found


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
