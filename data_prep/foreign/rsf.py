"""Madagascar's .rsf: a text header, ``n1=101 d1=10 in="./vp.rsf@"``, with numbers behind it or in a file.

The first axis is the fastest one; in a velocity model it is usually depth.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep.foreign.velocity import FOOT, UNITS, Unit
from fwi.files import require_regular
from fwi.memory import amount

Axes = Literal["depth-x", "x-depth"]

END_OF_HEADER = b"\x0c\x0c\x04"
"""Bytes that separate a header from numbers in the same file."""

LONGEST_HEADER = 2**20

TYPES = {
    ("float", 4): "f4",
    ("float", 8): "f8",
    ("double", 8): "f8",
    ("int", 4): "i4",
    ("short", 2): "i2",
    ("uchar", 1): "u1",
}
"""NumPy type for each Madagascar type and its size in bytes."""

METRES = {"m": 1.0, "metre": 1.0, "meter": 1.0, "meters": 1.0, "km": 1000.0, "ft": FOOT, "feet": FOOT}

SHORTEST_CELL = 0.5
"""Cell size below which the unit is kilometres, unless the header states metres."""

LONGEST_NUMBER = 64
"""Longest number written as text [bytes]."""


class RsfError(ValueError):
    """A header cannot be used; the message says why and how to mend it."""


@dataclass(frozen=True)
class Header:
    """The contents of a header."""

    data: Path
    """The file that holds the numbers."""
    dtype: str
    """NumPy type of the numbers; if they are written as text, the type into which they are converted."""
    offset: int | None
    """Position of the first number in ``data`` [bytes]; None if the numbers are written as text."""
    shape: tuple[int, int, int]
    """Shape of the array as stored, the slowest axis first."""
    spacing: float | None
    """Cell size [m]; None if the header does not state it."""
    unit: Unit | None
    """Unit of the numbers; None if the header does not state it."""
    axes: Axes
    """Order of the axes: in ``x-depth``, depth is the fastest axis."""
    notes: tuple[str, ...]
    """Which values of the header were used and which were not, in words."""


def looks_like_a_header(start: bytes) -> bool:
    """Whether the first bytes of a file contain the values that every header has."""
    text = start.split(END_OF_HEADER)[0]
    return b"in=" in text and b"n1=" in text


def read_header(path: Path) -> Header:
    """Read a header.

    Raises:
        RsfError: a value is missing or cannot be used, or the file of the numbers is missing.
    """
    with open(path, "rb") as file:
        content = file.read(LONGEST_HEADER)
    text, marker, _ = content.partition(END_OF_HEADER)
    values = _values(text.decode("latin-1"))
    shape, dtype = _shape(values), _dtype(values)
    if values.get("in") == "stdin":
        if not marker:
            raise RsfError("says in=stdin, but holds no numbers after its header")
        data, offset = path, len(text) + len(marker)
    else:
        data, offset = _data(path, values), 0
    as_text = values["data_format"].startswith("ascii")
    _refuse_other_size(data, offset, shape, dtype, as_text)
    axes = _axes(values)
    notes = [] if data == path else [f"numbers in {data}"]
    spacing = _spacing(values, notes)
    for number, axis in enumerate("dx" if axes == "depth-x" else "xd", start=0):
        origin = values.get(f"o{2 - number}", "0")
        if _float(f"o{2 - number}", origin):
            what = "row, the surface" if axis == "d" else "column"
            notes.append(f"o{2 - number}={origin} left unused: the first cell is the grid's first {what}")
    unit = _unit(values, notes)
    return Header(data, dtype, None if as_text else offset, shape, spacing, unit, axes, tuple(notes))


def _values(text: str) -> dict[str, str]:
    """The values by their keys; of several values of a key the last one counts, as in Madagascar."""
    found = re.findall(r"""(?:^|\s)(\w+)=("[^"]*"|'[^']*'|\S+)""", text)
    return {key: value.strip("\"'") for key, value in found}


def _shape(values: dict[str, str]) -> tuple[int, int, int]:
    lengths = []
    for axis in range(1, 10):
        length = values.get(f"n{axis}", "1")
        if not re.fullmatch(r"\d{1,15}", length) or int(length) < 1:
            raise RsfError(f"n{axis}={length} is no length of an axis")
        lengths.append(int(length))
    if lengths[1] == 1 and lengths[0] > 1 and "n2" not in values:
        raise RsfError(f"has one axis, of {lengths[0]}; models have n1 and n2, and n3 where they are several")
    if math.prod(lengths[3:]) > 1:
        raise RsfError(
            "has more than three axes, " + " x ".join(str(n) for n in lengths if n > 1) + "; models are n1 x "
            "n2, or n1 x n2 x n3 where they are several: cut them out with sfwindow"
        )
    return lengths[2], lengths[1], lengths[0]


def _dtype(values: dict[str, str]) -> str:
    stated = values.setdefault("data_format", "native_float")
    form, _, kind = stated.partition("_")
    default = {"double": "8", "short": "2", "uchar": "1"}.get(kind, "4")
    if form == "ascii":  # esize is 0 or anything
        size = int(default)
    else:
        esize = values.get("esize", default)
        size = int(esize) if esize.isdigit() else 0
    if form not in ("native", "xdr", "ascii") or (kind, size) not in TYPES:
        raise RsfError(
            f"data_format={stated} with esize={values.get('esize', default)}; read are native, xdr and ascii "
            "of float, int, short and uchar: convert it with sfdd form=native type=float"
        )
    return (">" if form == "xdr" else "<") + TYPES[kind, size]


def _data(path: Path, values: dict[str, str]) -> Path:
    """Find the file of the numbers, at the stated path or, if it was moved, beside the header."""
    if "in" not in values:
        raise RsfError('does not say where its numbers are: it has no in="..."')
    stated = Path(values["in"])
    for data in (path.parent / stated, path.parent / stated.name):
        if data.exists():
            try:
                require_regular(data)
            except ValueError as error:
                raise RsfError(f"its numbers, in={stated}, cannot be read: {error}") from None
            return data
    raise RsfError(f"its numbers, in={stated}, are neither there nor beside it: bring that file, or mend in=")


def _refuse_other_size(
    data: Path, offset: int, shape: tuple[int, int, int], dtype: str, as_text: bool
) -> None:
    count, has = math.prod(shape), data.stat().st_size - offset
    lengths = " x ".join(f"n{axis}={n}" for axis, n in enumerate(reversed(shape), start=1))
    if as_text and not 2 * count - 1 <= has <= LONGEST_NUMBER * count:
        raise RsfError(f"{lengths} cannot be the {amount(has)} of text in {data}")
    item = int(dtype[2:])
    if not as_text and has != count * item:
        raise RsfError(f"{lengths} of {item} bytes are {count * item} bytes, but {data} has {has}")


def _axes(values: dict[str, str]) -> Axes:
    """Depth is the first axis, as is Madagascar's custom, unless the labels exchange the two."""
    first, second = (values.get(f"label{axis}", "").lower() for axis in (1, 2))
    line, depth = ("x", "dist", "lat", "offset", "cmp", "cdp", "pos"), ("z", "dep")
    return "depth-x" if first.startswith(line) and (not second or second.startswith(depth)) else "x-depth"


def _spacing(values: dict[str, str], notes: list[str]) -> float | None:
    sizes = []
    for axis in ("1", "2"):
        if f"d{axis}" not in values:
            return None
        size, unit = _float(f"d{axis}", values[f"d{axis}"]), values.get(f"unit{axis}", "").lower()
        if unit and unit not in METRES:
            raise RsfError(f"unit{axis}={unit}; known are {', '.join(METRES)}: mend it, or is this no model?")
        if not unit and size < SHORTEST_CELL:
            notes.append(f"d{axis}={size:g} without a unit{axis} looks like kilometres")
            return None
        sizes.append(size * METRES[unit or "m"])
    if abs(sizes[0] - sizes[1]) > 1e-4 * sizes[0]:
        raise RsfError(
            f"its cells are {sizes[0]:g} m by {sizes[1]:g} m, by d1={values['d1']} and d2={values['d2']}; "
            "the grid's are square: resample one axis, as with sfremap1 or sfspline (n1= d1= o1=, or after "
            "sftransp), or correct the header"
        )
    if not any(values.get(f"unit{axis}") for axis in "12"):
        notes.append(f"d1={values['d1']} without a unit1 taken as metres")
    return sizes[0]


def _unit(values: dict[str, str], notes: list[str]) -> Unit | None:
    stated = values.get("unit", "")
    plain = stated.lower().replace("^", "").replace("sec", "s")
    for unit in UNITS:
        if unit == plain:
            notes.append(f"in {unit}, says its header")
            return unit
    if stated:
        notes.append(f"unit={stated} is not known and left unused")
    return None


def _float(key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (key[0] == "d" and number <= 0):
        raise RsfError(f"{key}={value} is no {'cell size' if key[0] == 'd' else 'place'}")
    return number
