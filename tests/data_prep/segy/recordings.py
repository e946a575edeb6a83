"""Small recordings for tests, as bytes: each header can be spoiled by its byte's number."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import segyio
from numpy.typing import NDArray

from data_prep.segy.shots import SegyShots
from data_prep.segy.source import SegyLine, prepare
from fwi.config import StudyConfig
from fwi.survey import Survey

FIELDS = sorted(int(key) for key in segyio.tracefield.keys.values())
WIDTH = dict(zip(FIELDS, np.diff([*FIELDS, 241]).tolist(), strict=True))
"""Bytes of each field of a trace header, as segyio has them."""

BINARY_WIDTH = 2

Values = int | list[int] | NDArray[Any]


@dataclass(frozen=True)
class Recording:
    """A file of traces. ``headers`` has for each byte one value, or one per trace."""

    samples: NDArray[Any]
    headers: dict[int, Values]
    binary: dict[int, int] = field(default_factory=dict)
    order: str = ">"
    extended: bytes = b""

    def spoiled(self, headers: dict[int, Values] | None = None, **changes: Any) -> "Recording":
        """The same, with some headers and parts otherwise."""
        return replace(self, headers={**self.headers, **(headers or {})}, **changes)

    def chosen(self, traces: Any) -> "Recording":
        """The same with some of the traces, perhaps repeated or in another order."""
        headers = {byte: np.broadcast_to(v, len(self.samples))[traces] for byte, v in self.headers.items()}
        return replace(self, samples=self.samples[traces], headers=headers)

    def su(self) -> bytes:
        """The traces alone, as Seismic Unix has them."""
        traces = np.zeros((len(self.samples), 240), np.uint8)
        for byte, values in self.headers.items():
            width = WIDTH[byte]
            numbers = np.broadcast_to(np.asarray(values), len(traces)).astype(f"{self.order}i{width}")
            traces[:, byte - 1 : byte - 1 + width] = numbers[:, None].view(np.uint8)
        kind = self.samples.dtype.newbyteorder(self.order)
        samples = np.ascontiguousarray(self.samples.astype(kind)).view(np.uint8)
        return np.hstack([traces, samples]).tobytes()

    def segy(self) -> bytes:
        """With a textual and a binary header before the traces."""
        binary = bytearray(400)
        for byte, value in {3217: 4000, 3221: self.samples.shape[1], 3225: 5, **self.binary}.items():
            kind = np.dtype(f"{self.order}{'u2' if value >= 0 else 'i2'}")
            binary[byte - 3201 : byte - 3199] = np.array(value).astype(kind).tobytes()
        return b"\x40" * 3200 + bytes(binary) + self.extended + self.su()

    def write(self, path: Path) -> Path:
        """To a file: SU if its suffix says so, else SEG-Y."""
        path.write_bytes(self.su() if path.suffix == ".su" else self.segy())
        return path


def line_of_shots(shots: int = 3, receivers: int = 6, nt: int = 20) -> Recording:
    """A fixed spread: shots at 100, 200 .. m of receivers at 1000, 1025 .. m, every 4 ms, in centimetres."""
    number, receiver = (index.ravel() for index in np.indices((shots, receivers)))
    samples = np.random.default_rng(0).standard_normal((shots * receivers, nt)).astype(np.float32)
    headers: dict[int, Values] = {
        9: 7 + number,
        71: -100,
        73: 100_00 * (1 + number),
        81: 1000_00 + 25_00 * receiver,
        41: -8,
        49: 5,
        69: 1,
        115: nt,
        117: 4000,
    }
    return Recording(samples, headers)


def prepare_for(study: StudyConfig, file: SegyShots, **stated: Any) -> SegyLine:
    """A file's records on the survey of a study, in the number format of its storage."""
    return prepare(file, Survey(study.grid, study.survey), study.physics, study.storage.dtype, **stated)
