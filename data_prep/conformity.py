"""Is a set what its manifest, and the config, mean? What can be told without reading any records."""

from collections import Counter
from typing import Any

import h5py
import numpy as np

from data_prep.inspection import CARD, FIGURE, Inspection, Problem
from data_prep.jobs import Job, in_full, recipe, salt_jobs
from fwi import shards
from fwi.config import StudyConfig
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
    lines += differences(in_full(shards.attribute(file, "origin")), in_full(entry.origin), "origin.")
    count, grid = entry.samples, data.survey.grid
    dtype = data.recipe.get("storage", {}).get("dtype")
    wanted = {"gathers": _array((count, *data.survey.gather_shape), dtype), "seed": _array((count,), "int64")}
    if "velocity" in file or "salt" in file or "salt" in entry.origin:
        model = (count, grid.nz, grid.nx)
        wanted |= {"velocity": _array(model, "float32"), "salt": _array(model, "uint8")}
    lines += differences({name: _found(file, name) for name in wanted}, wanted)
    lines += [f"{name}: not that of the survey" for name in _wrong_axes(file, data.survey)]
    if not lines and job is not None and file["seed"][:].tolist() != list(job.numbers):
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


def compare_with(study: StudyConfig, found: Inspection) -> None:
    """Note in what a set is not the one that a study asks for."""
    different = found.data.survey.differences(Survey(study.grid, study.survey))
    if different:
        what = (
            f"made for another survey than the config's ({'; '.join(different)}); verify the set with the "
            "config that made it, or make one for this config"
        )
        found.problems.append(Problem(shards.MANIFEST, what))
    wanted = recipe(study)
    for section in ("physics", "storage"):
        for line in differences(found.data.recipe[section], wanted[section], f"{section}."):
            found.notes.append(f"made with other settings than the config's: {line}")
    there = {entry.file: in_full(entry.origin) for entry in found.data.entries if "salt" in entry.origin}
    jobs = salt_jobs(study)
    missing = [job.file for job in jobs if there and there.get(job.file) != job.origin]
    if missing:
        found.notes.append(f"lacks {len(missing)} of the config's {len(jobs)} shards, {missing[0]} first")


def note_strangers(found: Inspection) -> None:
    """Note the files of the folder that are no part of the set."""
    ours = {shards.MANIFEST, CARD, FIGURE, *(entry.file for entry in found.data.entries)}
    for path in sorted(found.data.folder.iterdir()):
        if path.name in ours:
            continue
        remark = "no part of the set"
        if path.suffix == ".h5":
            remark = "not in the manifest; the command that made it, repeated, takes it up"
        elif path.name.startswith(".") and path.suffix in (".tmp", ".lock"):
            remark = "of a command that is running, or was killed: then the next one removes it"
        found.notes.append(f"{path.name}: {remark}")


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
