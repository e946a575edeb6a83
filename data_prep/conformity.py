"""Is a shard the one that the manifest means, and does the manifest make sense? No records are read here."""

from collections import Counter
from typing import Any

import h5py
import numpy as np

from data_prep.jobs import Job
from fwi import shards
from fwi.shards import DataSet, Entry
from fwi.survey import Survey, differences

SAME_AXIS = 1e-6
"""How far positions [m] and times [s] may be from the survey's: rounding alone."""


def misfit(file: h5py.File, data: DataSet, entry: Entry, job: Job | None) -> list[str]:
    """In what an open shard is not the one that the manifest means.

    Args:
        file: the shard.
        data: the set.
        entry: the shard in the manifest.
        job: what made the shard, if that is known.

    Raises:
        ShardError: the file does not say what it is.
    """
    lines = differences(shards.attribute(file, "study"), data.recipe)
    lines += differences(shards.attribute(file, "origin"), entry.origin, "origin.")
    count, grid = entry.samples, data.survey.grid
    dtype = data.recipe.get("storage", {}).get("dtype")
    wanted = {"gathers": _array((count, *data.survey.gather_shape), dtype), "seed": _array((count,), "int64")}
    if "velocity" in file or "salt" in file or "salt" in entry.origin:
        model = (count, grid.nz, grid.nx)
        wanted |= {"velocity": _array(model, "float32"), "salt": _array(model, "uint8")}
    lines += differences({name: _found(file, name) for name in wanted}, wanted)
    lines += [f"{name}: not that of the survey" for name in _wrong_axes(file, data.survey)]
    if not lines and job is not None and file["seed"][:].tolist() != job.numbers:
        lines.append(f"samples are not numbered {job.numbers[0]} to {job.numbers[-1]}")
    return lines


def contradictions(data: DataSet) -> list[str]:
    """What in a manifest cannot be, whatever is in its shards."""
    files = Counter(entry.file for entry in data.entries)
    lines = [f"lists {file} {times} times" for file, times in files.items() if times > 1]
    return lines + [
        f"has {entry.file} in the {entry.split} split, whose shards have other names"
        for entry in data.entries
        if not entry.file.startswith(f"{entry.split}-")
    ]


def _array(shape: tuple[int, ...], dtype: Any) -> str:
    return f"{' x '.join(map(str, shape))} {dtype}"


def _found(file: h5py.File, name: str) -> str | None:
    item = file.get(name)
    return _array(item.shape, item.dtype) if isinstance(item, h5py.Dataset) else None


def _wrong_axes(file: h5py.File, survey: Survey) -> list[str]:
    receiver_x = survey.receiver_x[0]
    if survey.config.spread != "fixed":  # offsets then
        receiver_x = receiver_x - survey.shot_x[0]
    axes = {
        "time": survey.time,
        "depth": survey.depth,
        "x": survey.x,
        "shot_x": survey.shot_x,
        "receiver_x": receiver_x,
    }
    wrong = []
    for name, axis in axes.items():
        item = file.get(name)
        there = isinstance(item, h5py.Dataset) and item.shape == axis.shape
        if not there or not np.allclose(item[:], axis, rtol=0, atol=SAME_AXIS):
            wrong.append(name)
    return wrong
