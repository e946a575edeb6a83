"""The journal of a refinement: its gradients on disk, from which an interrupted refinement goes on."""

import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fwi.files import write_end, write_whole

Array = NDArray[np.float32]

ENTRY = struct.Struct("<Idd")
"""Checksum of the section, misfit, and seconds that its gradient took; the gradient follows."""


class Journal:
    """Gradients in the order in which they were computed.

    When a refinement goes on, the optimiser first gets the gradients of the journal again. As it depends on
    nothing else, it comes to the section where it was interrupted, and goes on to the result that it would
    have reached. From the first entry that is incomplete or of another section, gradients are computed anew.

    Args:
        path: the file; gradients are kept nowhere if left out.
        key: text of everything that the refinement depends on; a journal with another key begins anew.
    """

    def __init__(self, path: Path | None = None, key: str = "") -> None:
        self.path = path
        """The file; None if gradients are kept nowhere."""
        self.seconds = 0.0
        """Seconds that all gradients took so far, also before an interruption."""
        self._header = f"fwi refine {key}\n".encode()
        self._at = len(self._header)
        self._told = b""
        if path is None:
            return
        content = path.read_bytes() if path.exists() else b""
        if content.startswith(self._header):
            self._told = content
        else:
            write_whole(path, self._header)

    def gradient(
        self, section: Array, compute: Callable[[Array], tuple[float, Array]]
    ) -> tuple[float, Array]:
        """Return a misfit and its gradient from the journal, or else compute and keep them.

        Args:
            section: the section [m/s], shape ``(depth, x)``.
            compute: function of the section that returns both.
        """
        checksum = zlib.crc32(np.ascontiguousarray(section).tobytes())
        size = ENTRY.size + 4 * section.size
        entry = self._told[self._at : self._at + size + 4]
        if len(entry) == size + 4 and struct.unpack("<I", entry[size:])[0] == zlib.crc32(entry[:size]):
            noted, misfit, seconds = ENTRY.unpack(entry[: ENTRY.size])
            if noted == checksum:
                self._at += size + 4
                self.seconds += seconds
                return misfit, np.frombuffer(entry[ENTRY.size : size], np.float32).reshape(
                    section.shape
                ).copy()
        self._told = b""
        begun = time.monotonic()
        misfit, gradient = compute(section)
        seconds = time.monotonic() - begun
        self.seconds += seconds
        if self.path is not None:
            content = (
                ENTRY.pack(checksum, misfit, seconds) + np.ascontiguousarray(gradient, np.float32).tobytes()
            )
            write_end(self.path, self._at, content + struct.pack("<I", zlib.crc32(content)))
            self._at += size + 4
        return misfit, gradient
