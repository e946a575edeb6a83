"""SEG-Y revision 1 as bytes: the fields of its headers, and a new file of them in memory.

Big-endian, traces of one length, samples as IEEE floats, metres (SEG Technical Standards Committee: SEG-Y
revision 1, 2002). Bytes are counted as the standard does: from 1, and in the binary header from 3201.
"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.headers import TRACE_HEADER, SegyError
from data_prep.segy.layout import FILE_HEADERS, TEXT
from data_prep.segy.samples import IEEE
from fwi.files import write_whole

TEXT_LINES, TEXT_WIDTH = 40, 80
LAST_LINES = ("SEG Y REV1", "END TEXTUAL HEADER")

BINARY_FIELDS = {
    "job": (3201, "i4"),
    "line": (3205, "i4"),
    "reel": (3209, "i4"),
    "traces_per_ensemble": (3213, "i2"),
    "sample_interval": (3217, "i2"),
    "sample_interval_original": (3219, "i2"),
    "samples": (3221, "i2"),
    "samples_original": (3223, "i2"),
    "format": (3225, "i2"),
    "fold": (3227, "i2"),
    "sorting": (3229, "i2"),
    "measurement_system": (3255, "i2"),
    "revision": (3501, "i2"),
    "fixed_length": (3503, "i2"),
}
"""What is written of the binary header: the first byte and the number's type."""

TRACE_FIELDS = {
    "trace_in_line": (1, "i4"),
    "trace_in_file": (5, "i4"),
    "field_record": (9, "i4"),
    "trace_in_record": (13, "i4"),
    "shot_point": (17, "i4"),
    "cdp": (21, "i4"),
    "trace_in_ensemble": (25, "i4"),
    "trace_id": (29, "i2"),
    "summed": (31, "i2"),
    "stacked": (33, "i2"),
    "data_use": (35, "i2"),
    "offset": (37, "i4"),
    "receiver_elevation": (41, "i4"),
    "source_depth": (49, "i4"),
    "elevation_scalar": (69, "i2"),
    "coordinate_scalar": (71, "i2"),
    "source_x": (73, "i4"),
    "group_x": (81, "i4"),
    "coordinate_units": (89, "i2"),
    "samples": (115, "i2"),
    "sample_interval": (117, "i2"),
    "cdp_x": (181, "i4"),
    "inline": (189, "i4"),
    "crossline": (193, "i4"),
    "sample_unit": (203, "i2"),
}
"""What is written of the trace headers: the first byte and the number's type."""


class NewFile:
    """A file in memory with the header values that all files share; the others are to be filled in.

    Args:
        traces: number of traces.
        samples: samples per trace.
        interval: the value of the fields of the sample interval.
        text: the textual header's lines, wrapped if need be; what exceeds its 40 lines is cut.
        binary: further values of the binary header, by their names in ``BINARY_FIELDS``.
    """

    def __init__(
        self, traces: int, samples: int, interval: int, text: Sequence[str], binary: Mapping[str, int]
    ) -> None:
        trace = np.dtype([("header", _layout(TRACE_FIELDS, 1, TRACE_HEADER)), ("samples", ">f4", (samples,))])
        self._content = np.zeros(FILE_HEADERS + traces * trace.itemsize, np.uint8)
        self._content[:TEXT] = np.frombuffer(_encoded(text), np.uint8)
        file_header = self._content[TEXT:FILE_HEADERS]
        records = self._content[FILE_HEADERS:].view(trace)
        self._headers = records["header"]
        self.samples = records["samples"]
        """To be filled, shape ``(trace, sample)``."""
        _fill(
            file_header.view(_layout(BINARY_FIELDS, TEXT + 1, FILE_HEADERS - TEXT)),
            {
                "job": 1,
                "line": 1,
                "reel": 1,
                "sample_interval": interval,
                "sample_interval_original": interval,
                "samples": samples,
                "samples_original": samples,
                "format": IEEE,
                "fold": 1,
                "measurement_system": 1,  # metres
                "revision": 0x0100,
                "fixed_length": 1,
                **binary,
            },
        )
        number = np.arange(traces) + 1
        self.fill(
            trace_in_line=number,
            trace_in_file=number,
            trace_id=1,  # seismic data
            summed=1,
            stacked=1,
            data_use=1,  # production
            coordinate_units=1,  # lengths
            samples=samples,
            sample_interval=interval,
        )

    def fill(self, **values: int | NDArray[Any]) -> None:
        """Fill in trace headers by their names in ``TRACE_FIELDS``: one value for all, or one for each."""
        _fill(self._headers, values)

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            SegyError: a sample is NaN or infinite.
            OSError: the file cannot be written.
        """
        if not all(np.isfinite(trace).all() for trace in self.samples):
            raise SegyError(f"{path}: NaN or infinite samples are not written to SEG-Y")
        write_whole(path, self._content.data)


def _layout(fields: Mapping[str, tuple[int, str]], first: int, size: int) -> np.dtype[Any]:
    """A header as numpy's record, whose first byte the standard counts as ``first``."""
    return np.dtype(
        {
            "names": list(fields),
            "offsets": [byte - first for byte, _ in fields.values()],
            "formats": [f">{kind}" for _, kind in fields.values()],
            "itemsize": size,
        }
    )


def _fill(headers: NDArray[Any], values: Mapping[str, int | NDArray[Any]]) -> None:
    for name, value in values.items():
        headers[name] = value


def _encoded(text: Sequence[str]) -> bytes:
    """The textual header: 40 numbered lines of 80 characters in EBCDIC, of which the last stays blank.

    Readers that show the lines one after the other would join a full one to the number of the next.
    """
    width = TEXT_WIDTH - len("C40 ") - 1
    lines = [part for line in text for part in textwrap.wrap(line, width) or [""]]
    free = TEXT_LINES - len(LAST_LINES)
    lines = [*lines, *[""] * free][:free]
    cards = "".join(f"C{i:2d} {line}".ljust(TEXT_WIDTH) for i, line in enumerate([*lines, *LAST_LINES], 1))
    return cards.encode("ascii", "replace").decode("ascii").encode("cp037")
