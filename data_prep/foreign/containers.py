"""The arrays in a file: .npy, .npz, .mat, .h5, .rsf and raw floats, recognised by their content.

Only headers are read here, and are compared with the size of the file; ``data_prep.foreign.numbers`` reads
the arrays.
"""

import contextlib
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np

from data_prep.foreign import matlab, rsf
from fwi.files import npy_header, require_regular
from fwi.memory import amount
from fwi.shards import elsewhere, largest_read

Format = Literal[".npy", ".npz", ".mat", ".mat 7.3", ".h5", ".rsf", "raw float32", "raw big-endian float32"]
Shape = tuple[int, ...]

SUFFIXES: dict[str, Format] = {
    ".npy": ".npy",
    ".npz": ".npz",
    ".mat": ".mat",
    ".h5": ".h5",
    ".hdf5": ".h5",
    ".rsf": ".rsf",
}

LARGEST_CHUNK = 2**29
"""Largest chunk of an HDF5 data set [bytes]: a chunk is unpacked again for each sample in it."""

DENSEST = 1100
"""Bound of the compression ratio: zlib compresses by a factor of 1032 at most."""


class FormatError(ValueError):
    """A file of models or records cannot be imported; the message says which, why, and how to mend it."""


class Stored(NamedTuple):
    """File, format, name and shape of a stored array."""

    path: Path
    """The file."""
    format: Format
    """Its format."""
    key: str | None
    """Name of the array in the file; None in formats that hold one array without a name."""
    shape: Shape
    """Shape of the array as it is stored."""


def contents(path: Path, shape: Shape | None = None, big_endian: bool = False) -> list[Stored]:
    """List the arrays of numbers in a file by reading its headers.

    Args:
        path: the file.
        shape: shape of the array in a file of raw float32, which has no header; None for other formats.
        big_endian: whether raw float32 numbers are big endian.

    Raises:
        FormatError: the file is damaged or not recognised; the message lists the formats that are tried.
    """
    try:
        require_regular(path)
    except ValueError as error:
        raise FormatError(str(error)) from None
    format_ = _format(path, raw=shape is not None)
    if shape is not None:
        _refuse_other_size(path, shape)
        return [Stored(path, "raw big-endian float32" if big_endian else "raw float32", None, shape)]
    with readable(path, format_):
        return [Stored(path, format_, key, found) for key, found in CONTENTS[format_](path).items()]


def _format(path: Path, raw: bool) -> Format:
    """Recognise the format by the first bytes of a file; a suffix of another format is refused."""
    with open(path, "rb") as file:
        header = file.read(4096)
    start = header[:16]
    stated = SUFFIXES.get(path.suffix.lower())
    found: Format | None = None
    if start.startswith(b"\x93NUMPY"):
        found = ".npy"
    elif start.startswith(b"PK\x03\x04"):
        found = ".npz"
    elif h5py.is_hdf5(path):  # as MATLAB writes since 7.3, with the axes reversed
        found = ".mat 7.3" if stated == ".mat" or start.startswith(b"MATLAB") else ".h5"
    elif start.startswith(b"MATLAB") or (stated == ".mat" and start):  # MATLAB 4 leaves no signature
        found = ".mat"
    elif stated in (None, ".rsf") and rsf.looks_like_a_header(header):
        found = ".rsf"
    if raw:
        if found is not None:
            raise FormatError(f"{path}: is {found}, which knows its shape: leave out --shape")
        return "raw float32"
    beginning = f"it begins with {start!r}" if start else "it is empty"
    if stated and found is None:
        raise FormatError(f"{path}: cannot be read as {stated} ({beginning})")
    if found is None:
        raise FormatError(
            f"{path}: not recognised; looked for .npy, .npz, .mat and HDF5, but {beginning}, and for a "
            "header of Madagascar (.rsf). If it is raw float32, give its shape: --shape DEPTH X, or --shape "
            "MODELS DEPTH X"
        )
    return found


def _refuse_other_size(path: Path, shape: Shape) -> None:
    size, wanted = path.stat().st_size, 4 * math.prod(shape)
    if size == wanted:
        return
    sample = 4 * math.prod(shape[-2:])
    fits = ""
    if size and size % sample == 0:
        fits = f"; it would hold {size // sample} models of {shape[-2]} x {shape[-1]} cells"
    elif size == wanted // 2:
        fits = "; of 2-byte integers it would hold as many: convert them to float32"
    elif 0 < size - wanted <= 8 * math.prod(shape):
        fits = f"; {size - wanted} bytes more: cut off headers or the marks of Fortran's records"
    if size == 2 * wanted:
        fits += ", or as many of float64: convert these to float32"
    raise FormatError(
        f"{path}: {size} bytes, but {' x '.join(map(str, shape))} of float32 are {wanted}{fits}"
    )


@contextlib.contextmanager
def readable(path: Path, format_: Format) -> Iterator[None]:
    """Turn every error of the readers into a FormatError that names the file."""
    try:
        yield
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(f"{path}: cannot be read as {format_} ({error})") from None
    except Exception as error:
        raise FormatError(f"{path}: cannot be read as {format_} ({error!r})") from None


# -- the name and shape of each array


def _in_npy(path: Path) -> dict[str | None, Shape]:
    with open(path, "rb") as file:
        shape, _, dtype = npy_header(file)
        stated, has = math.prod(shape) * dtype.itemsize, path.stat().st_size - file.tell()
    if dtype.kind not in "fiuO":
        raise FormatError(f"{path}: the array is of type {dtype}, expected numbers")
    _refuse_contradiction("the array", shape, stated, has, exact=False)
    np.load(path, mmap_mode="r", allow_pickle=False)
    return {None: shape}


def _in_npz(path: Path) -> dict[str | None, Shape]:
    shapes: dict[str | None, Shape] = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                shape, _, dtype = npy_header(file)
                stated, has = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
            if dtype.kind in "fiu":
                key = member.filename.removesuffix(".npy")
                _refuse_contradiction(f"'{key}'", shape, stated, has)
                shapes[key] = shape
    return shapes


def _in_mat(path: Path) -> dict[str | None, Shape]:
    with open(path, "rb") as file:
        version_4 = file.read(6) != b"MATLAB"
    found = _in_mat4(path) if version_4 else matlab.variables(path)
    arrays: dict[str | None, Shape] = {each.name: each.shape for each in found if each.kind == "numbers"}
    if found and not arrays:
        others = ", ".join(f"'{each.name}', {each.kind} of {sizes(each.shape)}" for each in found)
        raise FormatError(f"{path}: holds no array of numbers, but {others}")
    return arrays


def _in_mat4(path: Path) -> list[matlab.Variable]:
    from scipy.io import whosmat

    found = [matlab.Variable(name, tuple(shape), kind, 0) for name, shape, kind in whosmat(path)]
    if sum(math.prod(each.shape) for each in found) > path.stat().st_size:
        raise ValueError("its variables are said to be larger than the file")
    return [each._replace(kind="numbers") if each.kind in MAT4_NUMBERS else each for each in found]


MAT4_NUMBERS = ("double", "single", "int8", "int16", "int32", "uint8", "uint16")


def _in_mat73(path: Path) -> dict[str | None, Shape]:
    return {
        name.replace("/", "."): data.shape[::-1]
        for name, data in _data_sets(path)
        if not name.startswith("#") and data.attrs.get("MATLAB_class") not in (b"char", b"logical", b"cell")
    }


def _in_hdf5(path: Path) -> dict[str | None, Shape]:
    return {name: data.shape for name, data in _data_sets(path) if data.ndim > 1}


def _data_sets(path: Path) -> Iterator[tuple[str, h5py.Dataset]]:
    """The data sets of numbers in an HDF5 file; one that keeps numbers in other files is refused."""
    names: list[str] = []
    outside: list[str] = []

    def link(name: bytes, found: Any) -> None:
        if found.type == h5py.h5l.TYPE_EXTERNAL:
            outside.append(name.decode(errors="replace"))

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(name)

    with h5py.File(path, "r") as file:
        file.id.links.visit(link, info=True)
        if outside:
            raise FormatError(
                f"{path}: '{outside[0]}' is a link to another file, which is not followed: import that file, "
                "or copy the data set into this one"
            )
        file.visititems(visit)
        for name in names:
            data = file[name]
            if where := elsewhere(data.id):
                raise FormatError(
                    f"{path}: '{name}' is {where}, which is not followed: copy its numbers into one file, as "
                    "with h5repack"
                )
            if data.dtype.kind in "fiu" and data.shape is not None:
                _refuse_unstored(f"{path}: '{name}'", data)
                yield name, data


def _refuse_unstored(what: str, data: h5py.Dataset) -> None:
    """Refuse a data set that states more numbers than are stored, or that has very large chunks."""
    stated, has = largest_read(data.id), data.id.get_storage_size()
    if stated > LARGEST_CHUNK and stated > DENSEST * has:
        raise FormatError(
            f"{what} says {sizes(data.shape)} numbers, {amount(stated)}, but only {amount(has)} are stored: "
            "write it anew"
        )
    chunk = math.prod(data.chunks or ()) * data.dtype.itemsize
    if data.chunks and chunk > LARGEST_CHUNK:
        raise FormatError(
            f"{what} is stored in chunks of {amount(chunk)}, each unpacked for every sample in it: repack it "
            "with a chunk a model, as with h5repack -l CHUNK="
        )


def _in_rsf(path: Path) -> dict[str | None, Shape]:
    return {None: rsf.read_header(path).shape}


def _refuse_contradiction(what: str, shape: Shape, stated: int, has: int, exact: bool = True) -> None:
    """Refuse an array whose header states more bytes than there are or, if ``exact``, another number."""
    if stated > has or (exact and stated != has):
        raise ValueError(
            f"{what} is said to be {sizes(shape)} numbers, {amount(stated)}, but has {amount(has)}"
        )


def sizes(shape: Shape) -> str:
    """A shape in words, such as ``201 x 301``."""
    return " x ".join(map(str, shape))


CONTENTS: dict[Format, Callable[[Path], dict[str | None, Shape]]] = {
    ".npy": _in_npy,
    ".npz": _in_npz,
    ".mat": _in_mat,
    ".mat 7.3": _in_mat73,
    ".h5": _in_hdf5,
    ".rsf": _in_rsf,
}
