"""Velocity models from the files people have (.npz, .npy, .mat), checked and put on a study's grid."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.simulate import Job
from fwi.config import GridConfig, Split, StudyConfig
from fwi.files import sha256

SLOWEST_ROCK = 100.0
"""A model whose fastest cell is slower than this [m/s] is in km/s."""


class ModelError(ValueError):
    """Velocity models that cannot be imported; the message says which and how to mend it."""


@dataclass(frozen=True)
class ModelFile:
    """A file of velocity models, brought to a grid; their records are to be simulated."""

    path: Path
    key: str | None
    spacing: float
    kilometres: bool
    grid: GridConfig

    def velocity(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Models [m/s] by their numbers in the file, shape ``(sample, depth, x)``."""
        return self.models()[list(numbers)]

    def gathers(self, numbers: Sequence[int]) -> None:
        """None: the file holds no records."""

    @lru_cache(maxsize=1)  # noqa: B019 - one file at a time, which a worker's shards share
    def models(self) -> NDArray[np.float32]:
        """All models of the file [m/s], shape ``(model, depth, x)``."""
        speeds = read_models(self.path, self.key, self.grid.velocity, kilometres=self.kilometres)
        return on_grid(speeds, self.spacing, self.grid)


def jobs(
    study: StudyConfig,
    path: Path,
    *,
    split: Split,
    spacing: float,
    key: str | None = None,
    kilometres: bool = False,
    validation: int = 0,
) -> list[Job]:
    """The shards that would hold a file's models.

    Args:
        study: the grid to put the models on, and how many samples a shard holds.
        path: .npz, .npy or .mat.
        split: the split the models go to.
        spacing: the models' cell size [m].
        key: which array of a .npz or .mat.
        kilometres: the models are in km/s.
        validation: how many of them, drawn at random with the study's salt seed, go to validation instead.

    Raises:
        ModelError: the file cannot be read, or its models cannot be used.
    """
    source = ModelFile(path, key, spacing, kilometres, study.grid)
    models = source.models()
    if split == "validation" and validation:
        raise ModelError(
            "--validation: with --split validation all models go there; leave out one of the two"
        )
    if not 0 <= validation < len(models):
        raise ModelError(
            f"--validation {validation}: {path} has {len(models)} models, of which {split} needs at least one"
        )
    origin = {"file": path.name, "key": key, "sha256": sha256(path), "spacing": spacing}
    order = np.random.default_rng(study.salt.seed).permutation(len(models))
    chosen: list[tuple[Split, NDArray[np.int64]]] = [
        ("validation", np.sort(order[:validation])),
        (split, np.sort(order[validation:])),
    ]
    step = study.storage.samples_per_shard
    stem = re.sub(r"[^\w-]", "_", "-".join(filter(None, (path.stem, key))))
    return [
        Job(
            f"{name}-{stem}-{first // step:05d}.h5",
            name,
            numbers[first : first + step].tolist(),
            {"source": origin},
            source,
        )
        for name, numbers in chosen
        for first in range(0, len(numbers), step)
    ]


def read_models(
    path: Path, key: str | None, velocity_range: tuple[float, float], *, kilometres: bool = False
) -> NDArray[np.float32]:
    """Read velocity models and check their units.

    Args:
        path: .npz, .npy or .mat (of any version) with an array ``(depth, x)`` or ``(model, depth, x)``.
        key: which array of a .npz or .mat; may be left out where there is only one.
        velocity_range: slowest and fastest admissible speed [m/s].
        kilometres: the file is in km/s.

    Returns:
        Speeds [m/s], shape ``(model, depth, x)``.

    Raises:
        ModelError: no such file or array, or speeds that are NaN, not positive, in km/s, or out of range.
    """
    values = np.asarray(_read_array(path, key))
    if values.dtype.kind not in "fiu":
        raise ModelError(f"{path}: the array is of type {values.dtype}, expected numbers")
    if values.ndim == 2:
        values = values[None]
    if values.ndim != 3 or 0 in values.shape:
        raise ModelError(
            f"{path}: the array has shape {values.shape}, expected (model, depth, x) or (depth, x)"
        )
    models = values.astype(np.float32) * (1000 if kilometres else 1)
    _refuse_impossible(path, models, velocity_range)
    return models


def on_grid(models: NDArray[np.float32], spacing: float, grid: GridConfig) -> NDArray[np.float32]:
    """Sample models at a grid's cells; each takes the nearest cell, so that salt keeps its speed and edge.

    Args:
        models: speeds, shape ``(model, depth, x)``, the first cell at the grid's first.
        spacing: their cell size [m].
        grid: the grid wanted.

    Raises:
        ModelError: the models are larger or smaller than the grid by more than half a cell.
    """
    _, nz, nx = models.shape
    have = ((nz - 1) * spacing, (nx - 1) * spacing)
    want = ((grid.nz - 1) * grid.spacing, (grid.nx - 1) * grid.spacing)
    if any(abs(h - w) > grid.spacing / 2 for h, w in zip(have, want, strict=True)):
        compared = "larger" if any(h > w for h, w in zip(have, want, strict=True)) else "smaller"
        fits = [round(h / grid.spacing) + 1 for h in have]
        raise ModelError(
            f"the models are {have[0]:g} m deep and {have[1]:g} m long ({nz} x {nx} cells at {spacing:g} m), "
            f"{compared} than the grid, {want[0]:g} m by {want[1]:g} m ({grid.nz} x {grid.nx} cells at "
            f"{grid.spacing:g} m): check --spacing, set grid.nz {fits[0]} and grid.nx {fits[1]}, or "
            "cut the models"
        )
    rows = np.round(np.arange(grid.nz) * grid.spacing / spacing).astype(int).clip(0, nz - 1)
    columns = np.round(np.arange(grid.nx) * grid.spacing / spacing).astype(int).clip(0, nx - 1)
    return models[:, rows[:, None], columns]


def _refuse_impossible(path: Path, models: NDArray[np.float32], velocity_range: tuple[float, float]) -> None:
    slowest, fastest = velocity_range
    bad = ~np.isfinite(models)
    if bad.any():
        raise ModelError(f"{path}: {_where(models, bad)} is not a finite speed; mend or leave out the model")
    bad = models <= 0
    if bad.any():
        raise ModelError(
            f"{path}: {_where(models, bad)} is not a positive speed; mend or leave out the model"
        )
    if models.max() < SLOWEST_ROCK:
        raise ModelError(
            f"{path}: speeds of {models.min():g} .. {models.max():g} look like km/s; if so, add --kilometres"
        )
    bad = (models < slowest) | (models > fastest)
    if bad.any():
        raise ModelError(
            f"{path}: {_where(models, bad)} is outside grid.velocity {slowest:g} .. {fastest:g} m/s; the "
            f"file spans {models.min():g} .. {models.max():g} m/s: widen grid.velocity (and check dt) or "
            "mend the model"
        )


def _where(models: NDArray[np.float32], bad: NDArray[np.bool_]) -> str:
    model, iz, ix = (int(i) for i in np.argwhere(bad)[0])
    return f"model {model}, cell (depth {iz}, x {ix}): {models[model, iz, ix]:g}"


def _read_array(path: Path, key: str | None) -> Any:
    readers = {".npy": _read_npy, ".npz": _read_npz, ".mat": _read_mat}
    kind = path.suffix.lower()
    if kind not in readers:
        raise ModelError(f"{path}: models are read from {', '.join(readers)}, not from '{path.suffix}'")
    if not path.exists():
        raise ModelError(f"{path}: no such file")
    try:
        return readers[kind](path, key)
    except ModelError:
        raise
    except Exception as error:  # a damaged file makes the readers raise errors of every kind
        raise ModelError(f"{path}: cannot be read as {kind} ({error!r})") from None


def _read_npy(path: Path, key: str | None) -> Any:
    return np.load(path, allow_pickle=False)


def _read_npz(path: Path, key: str | None) -> Any:
    with np.load(path, allow_pickle=False) as file:
        return file[_choose(path, key, list(file))]


def _read_mat(path: Path, key: str | None) -> Any:
    import h5py
    from scipy.io import loadmat

    if h5py.is_hdf5(path):  # version 7.3; its arrays are stored with the axes reversed
        with h5py.File(path, "r") as file:
            arrays = [name for name, item in file.items() if isinstance(item, h5py.Dataset)]
            return file[_choose(path, key, arrays)][()].T
    content = loadmat(path)
    return content[_choose(path, key, [name for name in content if not name.startswith("__")])]


def _choose(path: Path, key: str | None, names: list[str]) -> str:
    if key is None and len(names) == 1:
        return names[0]
    if key not in names:
        said = "has several arrays" if key is None else f"has no array '{key}'"
        raise ModelError(f"{path} {said}: choose with --key one of {', '.join(names) or '(it is empty)'}")
    return key
