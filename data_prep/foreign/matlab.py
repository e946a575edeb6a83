"""The variables of a MATLAB file of version 5 to 7 and the fields of its structs, read from the headers.

The layout follows MathWorks' "MAT-File Format". A file consists of elements, each with a type, a size and a
content. A variable is an element that contains other elements (flags, sizes, name, numbers). It may be
compressed by zlib as a whole, and is then decompressed only as far as its last header.
"""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, NamedTuple

Order = Literal["little", "big"]
"""Order of the bytes of a number."""

ORDERS: dict[bytes, Order] = {b"IM": "little", b"MI": "big"}

MATRIX, COMPRESSED = 14, 15
STRUCT, NUMBERS = 2, range(6, 16)
"""Class codes of structs and of the ten types of numbers."""

ITEM = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
"""Bytes per number for each element type."""

CLASSES = {1: "a cell array", STRUCT: "a struct array", 3: "an object", 4: "text", 5: "a sparse matrix"}
CLASSES |= {16: "a function", 17: "an object"}

LONGEST_HEADER = 2**16
"""Longest list of sizes or names that is read [bytes]."""

LARGEST_STRUCT = 2**30
"""Largest struct that is searched [bytes]."""

PIECE = 2**20


class MatError(ValueError):
    """The file is damaged, or is not a MATLAB file."""


class Variable(NamedTuple):
    """A variable, or a field of a struct."""

    name: str
    """Name including the structs that contain the variable, such as ``model.vp``."""
    shape: tuple[int, ...]
    """Shape of the array."""
    kind: str
    """``numbers``, or another class in words."""
    whole: int
    """Bytes to read: those of the variable, or of the whole struct that contains it."""


def variables(path: Path) -> list[Variable]:
    """List the variables of a file and the fields of its structs.

    Raises:
        MatError: the file is damaged, or its sizes contradict each other.
    """
    found: list[Variable] = []
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(128)
        order = ORDERS.get(start[126:128])
        if order is None:
            raise MatError("its header does not tell the order of its bytes")
        place = 128
        while place + 8 <= size:
            file.seek(place)
            head = file.read(8)
            kind, length = (int.from_bytes(head[at : at + 4], order) for at in (0, 4))
            place += 8 + length
            if place > size:
                raise MatError(f"a variable of {length} bytes goes beyond its end")
            packed = kind == COMPRESSED
            if packed or kind == MATRIX:
                stream = _Stream(_unpacked(file, length) if packed else _pieces(file, length), order)
                if packed:
                    kind, length = stream.number(), stream.number()
                if kind == MATRIX:
                    found += _variable(stream, length, "", length)
    return found


class _Stream:
    """A stream of numbers and elements that can only be read forward."""

    def __init__(self, pieces: Iterator[bytes], order: Order) -> None:
        self.pieces, self.order = pieces, order
        self.waiting = b""
        self.place = 0

    def take(self, length: int) -> bytes:
        if length > LONGEST_HEADER:
            raise MatError(f"a header is said to have {length} bytes")
        while len(self.waiting) < length:
            self._more()
        taken, self.waiting = self.waiting[:length], self.waiting[length:]
        self.place += length
        return taken

    def skip_to(self, place: int) -> None:
        while self.place + len(self.waiting) < place:
            self.place += len(self.waiting)
            self.waiting = b""
            self._more()
        self.waiting = self.waiting[max(0, place - self.place) :]
        self.place = max(place, self.place)

    def number(self) -> int:
        return int.from_bytes(self.take(4), self.order)

    def tag(self) -> tuple[int, int, bool]:
        """Type and size of the next element, and whether it is a small one whose content is in the tag."""
        kind = self.number()
        if kind >> 16:
            return kind & 0xFFFF, kind >> 16, True
        return kind, self.number(), False

    def element(self) -> bytes:
        """Content of the next element."""
        _, length, small = self.tag()
        content = self.take(4 if small else -(-length // 8) * 8)
        return content[:length]

    def _more(self) -> None:
        piece = next(self.pieces, b"")
        if not piece:
            raise MatError("a variable ends before its header does")
        self.waiting += piece


def _pieces(file: IO[bytes], length: int) -> Iterator[bytes]:
    while length > 0 and (piece := file.read(min(length, PIECE))):
        length -= len(piece)
        yield piece


def _unpacked(file: IO[bytes], length: int) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    for piece in _pieces(file, length):
        while piece:
            try:
                unpacked = unpacker.decompress(piece, PIECE)
            except zlib.error as error:
                raise MatError(f"a variable cannot be unpacked ({error})") from None
            if unpacked:
                yield unpacked
            piece = unpacker.unconsumed_tail


def _variable(stream: _Stream, length: int, within: str, whole: int) -> Iterator[Variable]:
    """List a variable whose tag has been read, with all its fields."""
    if not length:  # a field that was never set
        return
    flags = int.from_bytes(stream.element()[:4], stream.order)
    kind, complex_ = flags & 0xFF, flags >> 11 & 1
    if kind == 17:  # an object of MATLAB's classes has no sizes
        return
    sizes = stream.element()
    shape = tuple(
        int.from_bytes(sizes[at : at + 4], stream.order, signed=True) for at in range(0, len(sizes), 4)
    )
    own = stream.element().decode("latin-1")
    name = f"{within}.{own}" if within and own else within or own
    if kind in NUMBERS:
        item, held, _ = stream.tag()
        if item not in ITEM or held != math.prod(shape) * ITEM[item]:
            lengths = " x ".join(map(str, shape))
            raise MatError(f"the variable '{name}' of {lengths} numbers has {held} bytes")
        yield Variable(name, shape, "complex numbers" if complex_ else "numbers", whole)
    elif kind == STRUCT and math.prod(shape) == 1:
        yield from _fields(stream, name, whole)
    else:
        yield Variable(name, shape, CLASSES.get(kind, "of an unknown class"), whole)


def _fields(stream: _Stream, name: str, whole: int) -> Iterator[Variable]:
    if whole > LARGEST_STRUCT:
        raise MatError(
            f"the struct '{name}' unpacks to {whole} bytes, and is read as a whole: save the array in it as "
            "a variable of its own"
        )
    length = max(1, int.from_bytes(stream.element()[:4], stream.order))
    names = stream.element()
    for at in range(0, len(names), length):
        _, size, _ = stream.tag()
        end = stream.place + size
        field = names[at : at + length].split(b"\0")[0].decode("latin-1")
        yield from _variable(stream, size, f"{name}.{field}", whole)
        stream.skip_to(end)
