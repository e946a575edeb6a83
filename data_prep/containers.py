"""Arrays in the files people have: .npy, .npz, .mat, .h5 and raw floats, told by content and read as needed.

Only headers are read until samples are asked for, and then only those; but MATLAB's files before 7.3, and a
.npz in Fortran order, are read a whole array at a time.
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

Format = Literal[".npy", ".npz", ".mat", ".mat 7.3", ".h5", "raw float32"]
Shape = tuple[int, ...]

SUFFIXES: dict[str, Format] = {
    ".npy": ".npy",
    ".npz": ".npz",
    ".mat": ".mat",
    ".h5": ".h5",
    ".hdf5": ".h5",
}


class FormatError(ValueError):
    """Models or records that cannot be imported; the message says which, why, and how to mend it."""


class Stored(NamedTuple):
    """Where an array is."""

    path: Path
    format: Format
    key: str | None
    """Its name in the file; None in files of one nameless array."""
    shape: Shape


def contents(path: Path, shape: Shape | None = None) -> list[Stored]:
    """The arrays of numbers in a file, by its headers.

    Args:
        path: the file.
        shape: of raw float32, which has no header.

    Raises:
        FormatError: the file is damaged or not recognised; the message says what was looked for.
    """
    format_ = _format(path, raw=shape is not None)
    if shape is not None:
        _refuse_other_size(path, shape)
        return [Stored(path, format_, None, shape)]
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
        start = file.read(16)
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
    if raw:
        if found is not None:
            raise FormatError(f"{path}: is {found}, which knows its shape: leave out --shape")
        return "raw float32"
    beginning = f"it begins with {start!r}" if start else "it is empty"
    if said and found is None:
        raise FormatError(f"{path}: cannot be read as {said} ({beginning})")
    if found is None:
        raise FormatError(
            f"{path}: not recognised; looked for .npy, .npz, .mat and HDF5, but {beginning}. If it is raw "
            "float32, give its shape: --shape DEPTH X, or --shape MODELS DEPTH X"
        )
    return found


def _refuse_other_size(path: Path, shape: Shape) -> None:
    size, wanted = path.stat().st_size, 4 * math.prod(shape)
    if size == wanted:
        return
    sample = 4 * math.prod(shape[-2:])
    fits = f"; it would hold {size // sample} models of {shape[-2]} x {shape[-1]} cells"
    raise FormatError(
        f"{path}: {size} bytes, but {' x '.join(map(str, shape))} of float32 are {wanted}"
        + (fits if size and size % sample == 0 else "")
    )


@contextlib.contextmanager
def _readable(path: Path, format_: Format) -> Iterator[None]:
    """Say which file it was: a damaged one makes the readers raise errors of every kind."""
    try:
        yield
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(f"{path}: cannot be read as {format_} ({error!r})") from None


# -- the name and shape of each array


def _in_npy(path: Path) -> dict[str | None, Shape]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind not in "fiu":
        raise FormatError(f"{path}: the array is of type {array.dtype}, expected numbers")
    return {None: array.shape}


def _in_npz(path: Path) -> dict[str | None, Shape]:
    shapes: dict[str | None, Shape] = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as file:
                shape, _, dtype = _npy_header(file)
                if dtype.kind in "fiu":
                    shapes[member.removesuffix(".npy")] = shape
    return shapes


def _in_mat(path: Path) -> dict[str | None, Shape]:
    from scipy.io import whosmat

    kinds = ("double", "single", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    return {name: tuple(shape) for name, shape, kind in whosmat(path) if kind in kinds}


def _in_mat73(path: Path) -> dict[str | None, Shape]:
    with h5py.File(path, "r") as file:
        return {name: item.shape[::-1] for name, item in file.items() if isinstance(item, h5py.Dataset)}


def _in_hdf5(path: Path) -> dict[str | None, Shape]:
    shapes: dict[str | None, Shape] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim > 1 and item.dtype.kind in "fiu":
            shapes[name] = item.shape

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return shapes


CONTENTS: dict[Format, Callable[[Path], dict[str | None, Shape]]] = {
    ".npy": _in_npy,
    ".npz": _in_npz,
    ".mat": _in_mat,
    ".mat 7.3": _in_mat73,
    ".h5": _in_hdf5,
}


# -- the numbers of an array


def _read_npy(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    values = np.load(array.path, mmap_mode="r", allow_pickle=False)
    return np.array(values) if numbers is None else np.asarray(values[numbers])


def _read_raw(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    values = np.memmap(array.path, "<f4", "r", shape=array.shape)
    return np.array(values) if numbers is None else np.asarray(values[numbers])


def _read_npz(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    with zipfile.ZipFile(array.path) as archive, archive.open(f"{array.key}.npy") as file:
        shape, fortran, dtype = _npy_header(file)
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


def _npy_header(file: Any) -> tuple[Shape, bool, np.dtype[Any]]:
    """Shape, Fortran order and type of an array in .npy format; leaves the file at its first number."""
    if np.lib.format.read_magic(file) == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _read_mat(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    from scipy.io import loadmat

    values: NDArray[Any] = loadmat(array.path, variable_names=[array.key])[array.key]
    return values if numbers is None else values[numbers]


def _read_mat73(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    with h5py.File(array.path, "r") as file:
        data = file[array.key]
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
    "raw float32": _read_raw,
}
