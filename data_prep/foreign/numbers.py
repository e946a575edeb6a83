"""Reading of the numbers of an array: only the samples that are needed are read.

Three formats can only be read as whole arrays: MATLAB files before 7.3, a .npz in Fortran order, and numbers
written as text. The size of such arrays is limited, since they must fit into the memory.
"""

import math
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from data_prep.foreign import matlab, rsf
from data_prep.foreign.containers import Format, FormatError, Stored, readable, sizes
from fwi.files import npy_header
from fwi.memory import amount

LARGEST_WHOLE = 2**31
"""Largest array that is read as a whole [bytes], in formats that allow no other way."""

LARGEST_PACKED = 2**33
"""Largest array in a .npz [bytes]: it is decompressed from its beginning for each shard."""


def read(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    """Read the samples of an array with the given numbers; None reads the whole array.

    Samples lie along the first axis, which is the last axis in MATLAB's order.

    Raises:
        FormatError: the file is damaged.
    """
    with readable(array.path, array.format):
        return READERS[array.format](array, numbers)


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
        raise FormatError(f"{array.path}: {sizes(header.shape)} numbers, but {header.data} has {len(values)}")
    return _chosen(values.reshape(header.shape), numbers)


def _chosen(values: NDArray[Any], numbers: list[int] | None) -> NDArray[Any]:
    """Copy some or all samples of a memory-mapped array."""
    return np.array(values) if numbers is None else np.asarray(values[numbers])


def _read_npz(array: Stored, numbers: list[int] | None) -> NDArray[Any]:
    with zipfile.ZipFile(array.path) as archive, archive.open(f"{array.key}.npy") as file:
        shape, fortran, dtype = npy_header(file)
        whole = numbers is None or fortran
        need, largest = math.prod(shape) * dtype.itemsize, LARGEST_WHOLE if whole else LARGEST_PACKED
        if need > largest:
            raise FormatError(
                f"{array.path}: '{array.key}' unpacks to {amount(need)}, from the beginning for each shard; "
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
