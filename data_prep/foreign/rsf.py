"""Madagascar's .rsf: a header of text, ``n1=101 d1=10 in="./vp.rsf@"``, and numbers in a file or after it.

The first axis is the fastest one, and of a velocity model that is depth.
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
"""What stands between a header and numbers in the same file."""

LONGEST_HEADER = 2**20

TYPES = {
    ("float", 4): "f4",
    ("float", 8): "f8",
    ("double", 8): "f8",
    ("int", 4): "i4",
    ("short", 2): "i2",
    ("uchar", 1): "u1",
}
"""NumPy's type of Madagascar's types and their sizes in bytes."""

METRES = {"m": 1.0, "metre": 1.0, "meter": 1.0, "meters": 1.0, "km": 1000.0, "ft": FOOT, "feet": FOOT}

SHORTEST_CELL = 0.5
"""A cell smaller than this is one in kilometres, unless the header says metres."""

LONGEST_NUMBER = 64
"""Bytes of the longest number written as text."""


class RsfError(ValueError):
    """A header that cannot be followed; the message says why and how to mend it."""


@dataclass(frozen=True)
class Header:
    """What a header says of its numbers."""

    data: Path
    """The file they are in."""
    dtype: str
    """NumPy's type of a number; of text, that in which it is kept."""
    offset: int | None
    """Byte of the first of them; None if they are written as text."""
    shape: tuple[int, int, int]
    """As they lie: the slowest axis first."""
    spacing: float | None
    """Cell size [m]; None if the header does not tell."""
    unit: Unit | None
    """What the numbers are; None if the header does not tell."""
    axes: Axes
    """Which axis is the faster one: ``x-depth`` has depth fastest."""
    notes: tuple[str, ...]
    """What was read and what was left unused, in words."""


def looks_like_a_header(start: bytes) -> bool:
    """Whether a file that begins like this is a header, by the values that every one has."""
    text = start.split(END_OF_HEADER)[0]
    return b"in=" in text and b"n1=" in text


def read_header(path: Path) -> Header:
    """Read a header.

    Raises:
        RsfError: it lacks a value or has one that cannot be honoured, or its numbers are not there.
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
    """The last value of each key, as Madagascar takes it."""
    found = re.findall(r"""(?:^|\s)(\w+)=("[^"]*"|'[^']*'|\S+)""", text)
    return {key: value.strip("\"'") for key, value in found}


def _shape(values: dict[str, str]) -> tuple[int, int, int]:
    lengths = []
    for axis in range(1, 10):
        said = values.get(f"n{axis}", "1")
        if not re.fullmatch(r"\d{1,15}", said) or int(said) < 1:
            raise RsfError(f"n{axis}={said} is no length of an axis")
        lengths.append(int(said))
    if lengths[1] == 1 and lengths[0] > 1 and "n2" not in values:
        raise RsfError(f"has one axis, of {lengths[0]}; models have n1 and n2, and n3 where they are several")
    if math.prod(lengths[3:]) > 1:
        raise RsfError(
            "has more than three axes, " + " x ".join(str(n) for n in lengths if n > 1) + "; models are n1 x "
            "n2, or n1 x n2 x n3 where they are several: cut them out with sfwindow"
        )
    return lengths[2], lengths[1], lengths[0]


def _dtype(values: dict[str, str]) -> str:
    said = values.setdefault("data_format", "native_float")
    form, _, kind = said.partition("_")
    default = {"double": "8", "short": "2", "uchar": "1"}.get(kind, "4")
    if form == "ascii":  # esize is 0 or anything
        size = int(default)
    else:
        esize = values.get("esize", default)
        size = int(esize) if esize.isdigit() else 0
    if form not in ("native", "xdr", "ascii") or (kind, size) not in TYPES:
        raise RsfError(
            f"data_format={said} with esize={values.get('esize', default)}; read are native, xdr and ascii "
            "of float, int, short and uchar: convert it with sfdd form=native type=float"
        )
    return (">" if form == "xdr" else "<") + TYPES[kind, size]


def _data(path: Path, values: dict[str, str]) -> Path:
    """The file of the numbers: where the header says, or beside the header if it has been moved with it."""
    if "in" not in values:
        raise RsfError('does not say where its numbers are: it has no in="..."')
    said = Path(values["in"])
    for data in (path.parent / said, path.parent / said.name):
        if data.exists():
            try:
                require_regular(data)
            except ValueError as error:
                raise RsfError(f"its numbers, in={said}, cannot be read: {error}") from None
            return data
    raise RsfError(f"its numbers, in={said}, are neither there nor beside it: bring that file, or mend in=")


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
        said, unit = _float(f"d{axis}", values[f"d{axis}"]), values.get(f"unit{axis}", "").lower()
        if unit and unit not in METRES:
            raise RsfError(f"unit{axis}={unit}; known are {', '.join(METRES)}: mend it, or is this no model?")
        if not unit and said < SHORTEST_CELL:
            notes.append(f"d{axis}={said:g} without a unit{axis} looks like kilometres")
            return None
        sizes.append(said * METRES[unit or "m"])
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
    said = values.get("unit", "")
    plain = said.lower().replace("^", "").replace("sec", "s")
    for unit in UNITS:
        if unit == plain:
            notes.append(f"in {unit}, says its header")
            return unit
    if said:
        notes.append(f"unit={said} is not known and left unused")
    return None


def _float(key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (key[0] == "d" and number <= 0):
        raise RsfError(f"{key}={value} is no {'cell size' if key[0] == 'd' else 'place'}")
    return number
