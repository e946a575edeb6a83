"""Foreign files as series of models or records: kind, published set, and order of the axes of each array."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from data_prep.foreign.containers import SUFFIXES, FormatError, Shape, Stored, contents
from data_prep.foreign.numbers import read
from data_prep.foreign.rsf import Axes, Header, read_header
from data_prep.foreign.velocity import Unit

Kind = Literal["models", "records"]

MODEL_KEYS = ("vmodel", "svmodel")
RECORD_KEYS = ("Rec",)
"""Variables of Yang and Ma's .mat files, one sample in each file."""

OPENFWI_MODEL = (1, 70, 70)
OPENFWI_RECORDS = (5, 1000, 70)
YANG_MA_MODEL = (201, 301)

MOST_NAMED = 20
"""Largest number of a file's arrays that a message names."""

PUBLISHED_SPACING = 10.0
"""Cell size [m] of the models of OpenFWI and of Yang and Ma."""


@dataclass(frozen=True)
class Array:
    """One array in a file: the models or the records of one or many samples."""

    stored: Stored
    """Where it is stored."""
    kind: Kind
    """Whether it holds models or records."""
    axes: Axes = "depth-x"
    """Order of the two axes of a model in the file."""
    header: Header | None = None
    """The header of an .rsf; None in other formats."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.stored.path

    @property
    def samples(self) -> int:
        """Number of models, or of records of one model each."""
        return 1 if self._single else self._shape[0]

    @property
    def sample_shape(self) -> Shape:
        """Shape of one sample as ``read`` returns it: ``(depth, x)`` or ``(shot, time, receiver)``."""
        shape = self._shape
        if self.kind == "models":
            return shape[-2:] if self.axes == "depth-x" else shape[:-3:-1]
        return (shape[2], shape[0], shape[1]) if self._matlab else shape[-3:]

    @property
    def published(self) -> str | None:
        """The public set whose arrays have this name and shape; None if there is none."""
        if self.stored.shape[1:] == (OPENFWI_MODEL if self.kind == "models" else OPENFWI_RECORDS):
            return "OpenFWI"
        if self._matlab and self.stored.key in (MODEL_KEYS if self.kind == "models" else RECORD_KEYS):
            return "Yang and Ma"
        return None

    @property
    def data(self) -> Path:
        """The file that holds the numbers."""
        return self.header.data if self.header else self.path

    @property
    def unit(self) -> Unit | None:
        """Unit of the models by the header; None if it states none."""
        return self.header.unit if self.header else None

    @property
    def channel_last(self) -> bool:
        """Whether models have a last axis of length one, a channel as some networks need it."""
        shape = self.stored.shape
        return self.kind == "models" and len(shape) in (3, 4) and shape[-1] == 1 and min(shape[-3:-1]) > 1

    @property
    def spacing(self) -> float | None:
        """Cell size [m] by the header or of the published set; None if neither gives it."""
        if self.header:
            return self.header.spacing
        known = self.published == "OpenFWI" or (self.published and self.sample_shape == YANG_MA_MODEL)
        return PUBLISHED_SPACING if known else None

    def read(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Read some samples, shape ``(sample, depth, x)`` or ``(sample, shot, time, receiver)``.

        Raises:
            FormatError: the file is damaged.
        """
        if not self._single:
            values = read(self.stored, list(numbers))
        elif self._matlab and self.kind == "records":
            values = read(self.stored, None).transpose(2, 0, 1)
        else:
            values = read(self.stored, None)
        lies = self.sample_shape if self.axes == "depth-x" else self.sample_shape[::-1]
        values = values.reshape(len(numbers), *lies).astype(np.float32, copy=False)
        return values if self.axes == "depth-x" else np.ascontiguousarray(values.swapaxes(1, 2))

    @property
    def _shape(self) -> Shape:
        return self.stored.shape[:-1] if self.channel_last else self.stored.shape

    @property
    def _single(self) -> bool:
        return len(self._shape) == (2 if self.kind == "models" else 3)

    @property
    def _matlab(self) -> bool:
        return self.stored.format in (".mat", ".mat 7.3")


@dataclass(frozen=True)
class Series:
    """The samples of several arrays, numbered from the first array to the last."""

    arrays: tuple[Array, ...]
    """The arrays, in the order of their numbers."""

    def __len__(self) -> int:
        return sum(array.samples for array in self.arrays)

    def read(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Read some samples by their numbers.

        Raises:
            FormatError: a file is damaged.
        """
        wanted = np.asarray(numbers, dtype=np.int64)
        values = np.empty((len(wanted), *self.arrays[0].sample_shape), np.float32)
        for array, rows, first in self._split(wanted):
            values[rows] = array.read((wanted[rows] - first).tolist())
        return values

    def paths(self, numbers: Sequence[int]) -> list[Path]:
        """The files that hold some samples."""
        return [array.data for array, _, _ in self._split(np.asarray(numbers, dtype=np.int64))]

    def _split(self, numbers: NDArray[np.int64]) -> Iterator[tuple[Array, NDArray[np.bool_], int]]:
        """For each array that holds some samples: the array, a mask of these, and its first number."""
        ends = np.cumsum([array.samples for array in self.arrays])
        indices = np.searchsorted(ends, numbers, side="right")
        for index in np.unique(indices):
            array = self.arrays[index]
            yield array, indices == index, int(ends[index]) - array.samples


def find(
    path: Path,
    key: str | None = None,
    shape: Shape | None = None,
    kind: Kind | None = None,
    *,
    axes: Axes | None = None,
    big_endian: bool = False,
) -> list[Array]:
    """Recognise the models or records in a file, in a folder's files, or in all files of a pattern.

    Args:
        path: a file, a folder, or a pattern such as ``set/vmodel*.mat``.
        key: name of the array in a .npz, .mat or .h5; not needed where only one array fits.
        shape: shape of raw float32, ``(depth, x)`` or ``(model, depth, x)``; None for other formats.
        kind: kind of the arrays; None recognises records by the name or the shape of the array.
        axes: order of the two axes of a model in the file; None takes that of the header, or depth first.
        big_endian: whether raw float32 numbers are big endian.

    Returns:
        The arrays in the order of their file names, with numbers in numerical order.

    Raises:
        FormatError: there is no file, or one is not recognised; the message lists the formats that are tried.
    """
    files = _files(path, raw=shape is not None)
    return [_recognise(file, key, shape, kind, axes, big_endian) for file in files]


def in_numerical_order(path: Path) -> list[tuple[int, str]]:
    """Sorting key by which ``model2.npy`` comes before ``model10.npy``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _files(path: Path, raw: bool) -> list[Path]:
    if path.is_dir():
        files = [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
        files = [file for file in files if raw or file.suffix.lower() in SUFFIXES]
        if not files:
            raise FormatError(f"{path}: no file here ends in {', '.join(SUFFIXES)}")
    else:
        files = [path] if path.exists() else list(path.parent.glob(path.name))
        if not files:
            raise FormatError(f"{path}: no such file")
    return sorted(files, key=in_numerical_order)


def _recognise(
    path: Path, key: str | None, shape: Shape | None, kind: Kind | None, axes: Axes | None, big_endian: bool
) -> Array:
    if shape is not None and axes == "x-depth":
        shape = (*shape[:-2], *shape[:-3:-1])
    arrays = contents(path, shape, big_endian)
    if key is None:
        _refuse_own_shard(path, arrays)
    stored = _choose(path, key, arrays, kind)
    if kind is None:
        several = len(stored.shape) == 4 and 1 not in (stored.shape[1], stored.shape[-1])
        kind = "records" if stored.key in RECORD_KEYS or several else "models"
    header = read_header(path) if stored.format == ".rsf" else None
    array = Array(stored, kind, axes or (header.axes if header else "depth-x"), header)
    if kind == "records":
        if header:
            raise FormatError(f"{path}: .rsf is for models; bring records as .npy or SEG-Y (sfsegywrite)")
        array = Array(stored, kind)
    _refuse_other_axes(array)
    return array


def _refuse_own_shard(path: Path, arrays: Sequence[Stored]) -> None:
    if any(array.format == ".h5" and array.key == "gathers" for array in arrays):
        with h5py.File(path, "r") as file:
            ours = "schema" in file.attrs and "study" in file.attrs
        if ours:
            raise FormatError(
                f"{path}: is a shard of this project already; name its folder in data.extra_folders or "
                "storage.folder, or take its models with --key velocity to have them simulated anew"
            )


def _choose(path: Path, key: str | None, arrays: Sequence[Stored], kind: Kind | None) -> Stored:
    known = {"models": MODEL_KEYS, "records": RECORD_KEYS, None: (*MODEL_KEYS, *RECORD_KEYS)}[kind]
    # Beside models lie scalars and axes, such as dx and depth, which in MATLAB have two axes as well.
    wide = [array for array in arrays if sum(length > 1 for length in array.shape) > 1] or arrays
    fitting = [array for array in wide if array.key in known] or wide
    if key is not None:
        fitting = [array for array in arrays if array.key in (key, None)]
    if not arrays:
        raise FormatError(f"{path}: holds no array of numbers")
    if len(fitting) != 1:
        reason = "has several arrays" if key is None else f"has no array '{key}'"
        names = ", ".join(str(array.key) for array in wide[:MOST_NAMED])
        more = f" and {len(wide) - MOST_NAMED} more" if len(wide) > MOST_NAMED else ""
        raise FormatError(f"{path} {reason}: choose with --key one of {names}{more}")
    return fitting[0]


def _refuse_other_axes(array: Array) -> None:
    stored = array.stored
    dimensions, zero = len(stored.shape), 0 in stored.shape
    if array.kind == "models":
        fits = dimensions in (2, 3) or (dimensions == 4 and (stored.shape[1] == 1 or array.channel_last))
        wanted = "(model, depth, x), (model, 1, depth, x), (model, depth, x, 1) or (depth, x)"
    elif stored.format in (".mat", ".mat 7.3"):
        fits, wanted = dimensions == 3, "(time, receiver, shot)"
    else:
        fits, wanted = dimensions in (3, 4), "(sample, shot, time, receiver) or (shot, time, receiver)"
    if not fits or zero:
        raise FormatError(
            f"{stored.path}: the array has shape {stored.shape}, expected {array.kind} of shape {wanted}"
        )
