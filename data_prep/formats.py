"""What the arrays in other people's files are: models or records, of which published set, in which order."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from data_prep.containers import SUFFIXES, FormatError, Shape, Stored, contents, read

Kind = Literal["models", "records"]

MODEL_KEYS = ("vmodel", "svmodel")
RECORD_KEYS = ("Rec",)
"""Variables of Yang and Ma's .mat files, one sample in each file."""

OPENFWI_MODEL = (1, 70, 70)
OPENFWI_RECORDS = (5, 1000, 70)
YANG_MA_MODEL = (201, 301)

PUBLISHED_SPACING = 10.0
"""Cell size [m] of the models of OpenFWI and of Yang and Ma."""


@dataclass(frozen=True)
class Array:
    """One array in a file: the models or the records of one or many samples."""

    stored: Stored
    kind: Kind

    @property
    def path(self) -> Path:
        """The file."""
        return self.stored.path

    @property
    def samples(self) -> int:
        """How many models, or records of models, it holds."""
        return 1 if self._single else self.stored.shape[0]

    @property
    def sample_shape(self) -> Shape:
        """Shape of one sample as ``read`` gives it: ``(depth, x)`` or ``(shot, time, receiver)``."""
        shape = self.stored.shape
        if self.kind == "models":
            return shape[-2:]
        return (shape[2], shape[0], shape[1]) if self._matlab else shape[-3:]

    @property
    def published(self) -> str | None:
        """The public set that an array of this name and shape belongs to."""
        if self.stored.shape[1:] == (OPENFWI_MODEL if self.kind == "models" else OPENFWI_RECORDS):
            return "OpenFWI"
        if self._matlab and self.stored.key in (MODEL_KEYS if self.kind == "models" else RECORD_KEYS):
            return "Yang and Ma"
        return None

    @property
    def spacing(self) -> float | None:
        """Cell size [m] of a published set's models."""
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
        return values.reshape(len(numbers), *self.sample_shape).astype(np.float32, copy=False)

    @property
    def _single(self) -> bool:
        return len(self.stored.shape) == (2 if self.kind == "models" else 3)

    @property
    def _matlab(self) -> bool:
        return self.stored.format in (".mat", ".mat 7.3")


@dataclass(frozen=True)
class Series:
    """The samples of several arrays, numbered through."""

    arrays: tuple[Array, ...]

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
        """The files that some samples are in."""
        return [array.path for array, _, _ in self._split(np.asarray(numbers, dtype=np.int64))]

    def _split(self, numbers: NDArray[np.int64]) -> Iterator[tuple[Array, NDArray[np.bool_], int]]:
        """Each array that holds some of the numbers, which of them, and the number of its first sample."""
        ends = np.cumsum([array.samples for array in self.arrays])
        indices = np.searchsorted(ends, numbers, side="right")
        for index in np.unique(indices):
            array = self.arrays[index]
            yield array, indices == index, int(ends[index]) - array.samples


def find(
    path: Path, key: str | None = None, shape: Shape | None = None, kind: Kind | None = None
) -> list[Array]:
    """Recognise the models or records in a file, in a folder's files, or in all files of a pattern.

    Args:
        path: a file, a folder, or a pattern such as ``set/vmodel*.mat``.
        key: which array of a .npz, .mat or .h5; may be left out where only one fits.
        shape: of raw float32: ``(depth, x)``, or with a first axis of models.
        kind: what the arrays are; by default records where they have a name or a shape of records.

    Returns:
        The arrays, in the order of their names, numbers in numerical order.

    Raises:
        FormatError: nothing there, or a file that is not recognised; the message says what was looked for.
    """
    return [_recognise(file, key, shape, kind) for file in _files(path, raw=shape is not None)]


def in_numerical_order(path: Path) -> list[tuple[int, str]]:
    """A sorting key by which ``model2.npy`` comes before ``model10.npy``."""
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


def _recognise(path: Path, key: str | None, shape: Shape | None, kind: Kind | None) -> Array:
    arrays = contents(path, shape)
    if key is None:
        _refuse_own_shard(path, arrays)
    stored = _choose(path, key, arrays, kind)
    if kind is None:
        several = len(stored.shape) == 4 and stored.shape[1] != 1
        kind = "records" if stored.key in RECORD_KEYS or several else "models"
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
    fitting = [array for array in arrays if array.key in known] or arrays
    if key is not None:
        fitting = [array for array in arrays if array.key in (key, None)]
    if not arrays:
        raise FormatError(f"{path}: holds no array of numbers")
    if len(fitting) != 1:
        said = "has several arrays" if key is None else f"has no array '{key}'"
        names = ", ".join(str(array.key) for array in arrays)
        raise FormatError(f"{path} {said}: choose with --key one of {names}")
    return fitting[0]


def _refuse_other_axes(array: Array) -> None:
    stored = array.stored
    dimensions, zero = len(stored.shape), 0 in stored.shape
    if array.kind == "models":
        fits = dimensions in (2, 3) or (dimensions == 4 and stored.shape[1] == 1)
        wanted = "(model, depth, x), (model, 1, depth, x) or (depth, x)"
    elif stored.format in (".mat", ".mat 7.3"):
        fits, wanted = dimensions == 3, "(time, receiver, shot)"
    else:
        fits, wanted = dimensions in (3, 4), "(sample, shot, time, receiver) or (shot, time, receiver)"
    if not fits or zero:
        raise FormatError(
            f"{stored.path}: the array has shape {stored.shape}, expected {array.kind} of shape {wanted}"
        )
