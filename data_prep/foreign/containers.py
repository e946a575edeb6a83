"""Arrays in the files people have: .npy, .npz, .mat, .h5, .rsf and raw floats, by content, as needed.

Only headers are read until samples are asked for, and then only those; but MATLAB's files before 7.3, a .npz
in Fortran order and numbers written as text are read a whole array at a time. What headers say is compared
with what the file holds before anything is read.
"""

import contextlib
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

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

LARGEST_WHOLE = 2**31
"""Bytes of the largest array that is read as a whole, where its format knows no other way."""

LARGEST_PACKED = 2**33
"""Bytes of the largest array in a .npz, which is unpacked from its beginning for each shard."""

LARGEST_CHUNK = 2**29
"""Bytes of the largest chunk of an HDF5 data set, which is unpacked for each of its samples."""

DENSEST = 1100
"""How many times smaller packing makes anything: zlib's 1032 is the most."""


class FormatError(ValueError):
    """Models or records that cannot be imported; the message says which, why, and how to mend it."""


class Stored(NamedTuple):
    """Where an array is."""

    path: Path
    format: Format
    key: str | None
    """Its name in the file; None in files of one nameless array."""
    shape: Shape


def contents(path: Path, shape: Shape | None = None, big_endian: bool = False) -> list[Stored]:
    """The arrays of numbers in a file, by its headers.

    Args:
        path: the file.
        shape: of raw float32, which has no header.
        big_endian: of raw float32: the first byte is the highest.

    Raises:
        FormatError: the file is damaged or not recognised; the message says what was looked for.
    """
    try:
        require_regular(path)
    except ValueError as error:
        raise FormatError(str(error)) from None
    format_ = _format(path, raw=shape is not None)
    if shape is not None:
        _refuse_other_size(path, shape)
        return [Stored(path, "raw big-endian float32" if big_endian else "raw float32", None, shape)]
    with _readable(path, format_):
        return [Stored(path, format_, key, found) for key, found in CONTENTS[format_](path).items()]


def read(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    """Read an array by numbers along its first axis, which is the last one in MATLAB's order; None reads all.

    Raises:
        FormatError: the file is damaged.
    """
    with _readable(array.path, array.format):
        return READERS[array.format](array, numbers)


def _format(path: Path, raw: bool) -> Format:
    """What a file is, by how it begins; a name that says otherwise is refused."""
    with open(path, "rb") as file:
        header = file.read(4096)
    start = header[:16]
    said = SUFFIXES.get(path.suffix.lower())
    found: Format | None = None
    if start.startswith(b"\x93NUMPY"):
        found = ".npy"
    elif start.startswith(b"PK\x03\x04"):
        found = ".npz"
    elif h5py.is_hdf5(path):  # as MATLAB writes since 7.3, with the axes reversed
        found = ".mat 7.3" if said == ".mat" or start.startswith(b"MATLAB") else ".h5"
    elif start.startswith(b"MATLAB") or (said == ".mat" and start):  # MATLAB 4 leaves no signature
        found = ".mat"
    elif said in (None, ".rsf") and rsf.looks_like_a_header(header):
        found = ".rsf"
    if raw:
        if found is not None:
            raise FormatError(f"{path}: is {found}, which knows its shape: leave out --shape")
        return "raw float32"
    beginning = f"it begins with {start!r}" if start else "it is empty"
    if said and found is None:
        raise FormatError(f"{path}: cannot be read as {said} ({beginning})")
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
def _readable(path: Path, format_: Format) -> Iterator[None]:
    """Say which file it was: a damaged one makes the readers raise errors of every kind."""
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
        said, has = math.prod(shape) * dtype.itemsize, path.stat().st_size - file.tell()
    if dtype.kind not in "fiuO":
        raise FormatError(f"{path}: the array is of type {dtype}, expected numbers")
    _refuse_contradiction("the array", shape, said, has, exact=False)
    np.load(path, mmap_mode="r", allow_pickle=False)
    return {None: shape}


def _in_npz(path: Path) -> dict[str | None, Shape]:
    shapes: dict[str | None, Shape] = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                shape, _, dtype = npy_header(file)
                said, has = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
            if dtype.kind in "fiu":
                key = member.filename.removesuffix(".npy")
                _refuse_contradiction(f"'{key}'", shape, said, has)
                shapes[key] = shape
    return shapes


def _in_mat(path: Path) -> dict[str | None, Shape]:
    with open(path, "rb") as file:
        version_4 = file.read(6) != b"MATLAB"
    found = _in_mat4(path) if version_4 else matlab.variables(path)
    arrays: dict[str | None, Shape] = {each.name: each.shape for each in found if each.kind == "numbers"}
    if found and not arrays:
        others = ", ".join(f"'{each.name}', {each.kind} of {_sizes(each.shape)}" for each in found)
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
    """Refuse a data set that says more than can be stored of it, or unpacks a huge chunk for each sample."""
    said, has = largest_read(data.id), data.id.get_storage_size()
    if said > LARGEST_CHUNK and said > DENSEST * has:
        raise FormatError(
            f"{what} says {_sizes(data.shape)} numbers, {amount(said)}, but only {amount(has)} are stored: "
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


def _refuse_contradiction(what: str, shape: Shape, said: int, has: int, exact: bool = True) -> None:
    """Refuse an array whose header says more bytes than there are or, in an archive, others."""
    if said > has or (exact and said != has):
        raise ValueError(
            f"{what} is said to be {_sizes(shape)} numbers, {amount(said)}, but has {amount(has)}"
        )


def _sizes(shape: Shape) -> str:
    return " x ".join(map(str, shape))


CONTENTS: dict[Format, Callable[[Path], dict[str | None, Shape]]] = {
    ".npy": _in_npy,
    ".npz": _in_npz,
    ".mat": _in_mat,
    ".mat 7.3": _in_mat73,
    ".h5": _in_hdf5,
    ".rsf": _in_rsf,
}


# -- the numbers of an array


def _read_npy(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    return _chosen(np.load(array.path, mmap_mode="r", allow_pickle=False), numbers)


def _read_raw(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    dtype = ">f4" if array.format == "raw big-endian float32" else "<f4"
    return _chosen(np.memmap(array.path, dtype, "r", shape=array.shape), numbers)


def _read_rsf(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    header = rsf.read_header(array.path)
    if header.offset is not None:
        return _chosen(np.memmap(header.data, header.dtype, "r", header.offset, header.shape), numbers)
    if (size := header.data.stat().st_size) > LARGEST_WHOLE:
        raise FormatError(f"{array.path}: {amount(size)} of text: convert it with sfdd form=native")
    values = np.fromfile(header.data, header.dtype, sep=" ")
    if len(values) != math.prod(header.shape):
        raise FormatError(
            f"{array.path}: {_sizes(header.shape)} numbers, but {header.data} has {len(values)}"
        )
    return _chosen(values.reshape(header.shape), numbers)


def _chosen(values: NDArray[Any], numbers: list[int] | None) -> NDArray[Any]:
    """Read some samples of an array that is mapped into memory, or all."""
    return np.array(values) if numbers is None else np.asarray(values[numbers])


def _read_npz(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    with zipfile.ZipFile(array.path) as archive, archive.open(f"{array.key}.npy") as file:
        shape, fortran, dtype = npy_header(file)
        whole = numbers is None or fortran
        said, largest = math.prod(shape) * dtype.itemsize, LARGEST_WHOLE if whole else LARGEST_PACKED
        if said > largest:
            raise FormatError(
                f"{array.path}: '{array.key}' unpacks to {amount(said)}, from the beginning for each shard; "
                f"at most {amount(largest)} are: store it as .npy, which is read as needed"
            )
        if numbers is None or fortran:
            with np.load(array.path, allow_pickle=False) as content:
                values: NDArray[Any] = content[array.key]
            return values if numbers is None else values[numbers]
        wanted, size = set(numbers), math.prod(shape[1:]) * dtype.itemsize
        rows = {}
        for number in range(max(wanted) + 1):  # what is packed can only be read forward
            row = file.read(size)
            if number in wanted:
                rows[number] = np.frombuffer(row, dtype).reshape(shape[1:])
        return np.stack([rows[number] for number in numbers])


def _read_mat(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    from scipy.io import loadmat

    whole = math.prod(array.shape)
    with open(array.path, "rb") as file:
        if file.read(6) == b"MATLAB":
            whole = next(each.whole for each in matlab.variables(array.path) if each.name == array.key)
    if whole > LARGEST_WHOLE:
        raise FormatError(
            f"{array.path}: '{array.key}' takes {amount(whole)}, and is read as a whole: save it with -v7.3, "
            "which is read as needed"
        )
    name, *fields = str(array.key).split(".")
    values: NDArray[Any] = loadmat(array.path, variable_names=[name])[name]
    for field in fields:
        values = values[field][0, 0]
    return values if numbers is None else values[numbers]


def _read_mat73(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    with h5py.File(array.path, "r") as file:
        data = file[str(array.key).replace(".", "/")]
        return np.array(data[()].T) if numbers is None else np.stack([data[..., n].T for n in numbers])


def _read_hdf5(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    with h5py.File(array.path, "r") as file:
        data = file[array.key]
        return np.array(data[()]) if numbers is None else np.stack([data[n] for n in numbers])


READERS: dict[Format, Callable[[Stored, list[int] | None], NDArray[Any]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".mat": _read_mat,
    ".mat 7.3": _read_mat73,
    ".h5": _read_hdf5,
    ".rsf": _read_rsf,
    "raw float32": _read_raw,
    "raw big-endian float32": _read_raw,
}
