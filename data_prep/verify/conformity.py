"""Does a data set agree with its manifest and the config? These checks need no record of the set."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from data_prep.make.jobs import Job, recipe, salt_jobs
from data_prep.verify.inspection import CARD, FIGURE, SCRATCH, Inspection, Problem
from fwi import shards
from fwi.config import SPLITS, StudyConfig
from fwi.files import sha256
from fwi.manifest import MANIFEST, DataSet, Entry
from fwi.origin import Drawn, in_full
from fwi.shards import DAMAGE, ShardError
from fwi.survey import Survey, differences

SAME_AXIS = 1e-6
"""Largest difference between stored and computed positions [m] and times [s] that is due to rounding."""


def misfit(file: h5py.File, data: DataSet, entry: Entry, job: Job | None) -> list[str]:
    """List the differences between the arrays of a shard and what its attributes and the manifest describe.

    Args:
        file: the open shard.
        data: the data set.
        entry: entry of the shard in the manifest.
        job: the job that made the shard; None if it is unknown.
    """
    count, grid = entry.samples, data.survey.grid
    dtype = data.recipe.get("storage", {}).get("dtype")
    wanted = {"gathers": _array((count, *data.survey.gather_shape), dtype), "seed": _array((count,), "int64")}
    if "velocity" in file or "salt" in file or isinstance(entry.origin, Drawn):
        model = (count, grid.nz, grid.nx)
        wanted |= {"velocity": _array(model, "float32"), "salt": _array(model, "uint8")}
    lines = differences({name: _found(file, name) for name in wanted}, wanted)
    lines += [f"{name}: not that of the survey" for name in _wrong_axes(file, data.survey)]
    if not lines and job is not None and file["seed"][:].tolist() != list(job.numbers):
        lines.append(f"samples are not numbered {job.numbers[0]} to {job.numbers[-1]}")
    return lines


def at_odds(file: h5py.File, data: DataSet, entry: Entry) -> list[str]:
    """List the contradictions between the manifest and the attributes that a shard has had from the start.

    If the SHA-256 shows that the shard has not changed, the manifest is wrong.

    Raises:
        ShardError: the file lacks these attributes.
    """
    lines = differences(data.recipe, shards.attribute(file, "study"))
    lines += differences(in_full(entry.origin).to_dict(), in_full(shards.origin(file)).to_dict(), "origin.")
    counts = {len(file[name]) for name in ("gathers", "velocity", "salt", "seed") if _found(file, name)}
    if len(counts) == 1:
        lines += differences({"samples": entry.samples}, {"samples": counts.pop()})
    return lines + differences({"bytes": entry.bytes}, {"bytes": Path(file.filename).stat().st_size})


def manifest_faults(data: DataSet) -> list[str]:
    """List the faults of a manifest: contradictions in itself and with the shards."""
    return [*_contradictions(data), *_other_names(data), *_overruled(data)]


def _contradictions(data: DataSet) -> list[str]:
    """List the contradictions within the manifest, which need no shard."""
    files = Counter(entry.file for entry in data.entries)
    lines = [f"lists {file} {times} times" for file, times in files.items() if times > 1]
    for entry in data.entries:
        if not entry.file.startswith(f"{entry.split}-"):
            lines.append(f"has {entry.file} in the {entry.split} split, whose shards have other names")
        elif isinstance(entry.origin, Drawn) and entry.origin.stream != SPLITS.index(entry.split):
            stream = entry.origin.stream
            lines.append(f"draws {entry.file} from stream {stream}, which is another split's")
    return lines


def _other_names(data: DataSet) -> list[str]:
    """List the shards that are missing under their name in the manifest but exist under another name."""
    missing = {entry.sha256: entry.file for entry in data.entries if not (data.folder / entry.file).exists()}
    known = {entry.file for entry in data.entries}
    strays = [path for path in sorted(data.folder.glob("*.h5")) if path.name not in known and path.is_file()]
    found = {sha256(path): path.name for path in strays} if missing else {}
    return [f"calls {found[digest]} {file}" for digest, file in missing.items() if digest in found]


def _overruled(data: DataSet) -> list[str]:
    """List the statements of the manifest that undamaged shards contradict."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in data.entries:
        path = data.folder / entry.file
        if not path.is_file():  # missing, or a pipe, whose opening would wait for ever
            continue
        try:
            with shards.open_shard(path) as file:
                contradictions = "; ".join(at_odds(file, data, entry))
        except (*DAMAGE, ShardError):
            continue
        if contradictions:
            found[contradictions].append(entry)
    lines = []
    for contradictions, entries in found.items():
        # Of shards that say the same, one that is whole is enough; the others need not be read.
        witness = next((entry for entry in entries if not data.damage(entry)), None)
        if witness is not None:
            lines.append(
                f"is wrong: {len(entries)} of {len(data.entries)} shards say otherwise, such as "
                f"{witness.file}, which is whole by its SHA-256 (manifest against shard: {contradictions})"
            )
    return lines


def compare_with(study: StudyConfig, found: Inspection) -> None:
    """Add the differences between a set and a study to the problems and notes."""
    different = found.data.survey.differences(Survey(study.grid, study.survey))
    if different:
        what = (
            f"made for another survey than the config's ({'; '.join(different)}); verify the set with the "
            "config that made it, or make one for this config"
        )
        found.problems.append(Problem(MANIFEST, what))
    wanted = recipe(study)
    for section in ("physics", "storage"):
        for line in differences(found.data.recipe[section], wanted[section], f"{section}."):
            found.notes.append(f"made with other settings than the config's: {line}")
    there = {
        entry.file: in_full(entry.origin) for entry in found.data.entries if isinstance(entry.origin, Drawn)
    }
    jobs = salt_jobs(study)
    missing = [job.file for job in jobs if there and there.get(job.file) != job.origin]
    if missing:
        found.notes.append(f"lacks {len(missing)} of the config's {len(jobs)} shards, {missing[0]} first")


def note_strangers(found: Inspection) -> None:
    """Add a note for each file in the folder that does not belong to the set."""
    ours = {MANIFEST, CARD, FIGURE, *(entry.file for entry in found.data.entries)}
    for path in sorted(found.data.folder.iterdir()):
        if path.name in ours:
            continue
        remark = "no part of the set"
        if path.suffix == ".h5":
            remark = "not in the manifest; the command that made it, repeated, takes it up"
        elif path.name == SCRATCH or (path.name.startswith(".") and path.suffix in (".tmp", ".lock")):
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
