"""The number formats of SEG-Y samples, and their conversion to float32."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SampleFormat:
    """A number format that is read."""

    name: str
    """Its name."""
    kind: str
    """numpy's type of the bytes, without their order; IBM's are read as unsigned and converted."""

    @property
    def size(self) -> int:
        """Bytes per sample."""
        return np.dtype(self.kind).itemsize


IBM = 1
IEEE = 5
FORMATS = {
    IBM: SampleFormat("4-byte IBM floating point", "u4"),
    2: SampleFormat("4-byte integers", "i4"),
    3: SampleFormat("2-byte integers", "i2"),
    IEEE: SampleFormat("4-byte IEEE floating point", "f4"),
    8: SampleFormat("1-byte integers", "i1"),
}
"""Formats that are read, by the format code at byte 3225 of the file."""

UNREAD = frozenset({4, 6, 7, 9, 10, 11, 12, 15, 16})
"""Format codes of revision 2 that are not read."""

_IBM_UNIT = np.array([(1 - 2 * (top >> 7)) * 16.0 ** ((top & 0x7F) - 64) / 2**24 for top in range(256)])
"""What one unit of the 24-bit fraction is worth, by the top byte: the sign and an exponent of base 16."""


ENOUGH = 1000
"""Number of different samples that suffices to recognise a format."""

NO_CHANCE = 0.02
"""Share of fractions with a leading zero that IBM numbers stay below, though a few may be written so."""


def looks_like(raw: NDArray[np.uint8], code: int, order: str) -> int:
    """Find the format that floating-point samples look like, which may not be the one that the file states.

    The fraction of an IBM number begins with a hexadecimal digit other than zero; of IEEE numbers, whose
    exponent ends within that digit, one in some sixteen has a zero there.

    Args:
        raw: bytes, shape ``(trace, byte)``.
        code: a key of ``FORMATS``, as the file states it.
        order: ``>`` for big endian, ``<`` for little endian.

    Returns:
        A key of ``FORMATS``; ``code`` where there is no doubt.
    """
    if code not in (IBM, IEEE):
        return code
    numbers = np.unique(np.ascontiguousarray(raw).view(order + "u4"))
    numbers = numbers[numbers & 0x7FFFFFFF != 0]
    if numbers.size < ENOUGH:
        return code
    zeros = float((numbers >> 20 & 0xF == 0).mean())
    if code == IBM:
        return IEEE if zeros > NO_CHANCE else IBM
    return IEEE if zeros else IBM


def decode(raw: NDArray[np.uint8], code: int, order: str) -> NDArray[np.float32]:
    """Turn the bytes of samples into numbers.

    Args:
        raw: bytes, shape ``(trace, byte)``.
        code: a key of ``FORMATS``.
        order: ``>`` for big endian, ``<`` for little endian.

    Returns:
        Samples, shape ``(trace, time)``; IBM numbers beyond float32 become infinite.
    """
    numbers = np.ascontiguousarray(raw).view(order + FORMATS[code].kind)
    if code == IBM:
        numbers = _IBM_UNIT[numbers >> 24] * (numbers & 0xFFFFFF)
    with np.errstate(over="ignore"):
        samples: NDArray[np.float32] = numbers.astype(np.float32)
    return samples
