"""Repair of a data set: only its damaged shards are made again."""

import contextlib
import functools
import itertools
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from data_prep.make.jobs import Job, recipe, samples
from data_prep.make.simulate import make
from data_prep.verify import soundness
from data_prep.verify.conformity import manifest_faults
from data_prep.verify.inspection import SCRATCH
from fwi import shards
from fwi.config import GridConfig, PhysicsConfig, Split, StorageConfig, StudyConfig, SurveyConfig
from fwi.files import claimed, locked
from fwi.manifest import ANEW, MANIFEST, DataSet, Entry
from fwi.misfit import normalised_rms
from fwi.origin import Drawn, Files, ModelFiles, in_full, preset_of
from fwi.provenance import provenance
from fwi.shards import DAMAGE, ShardError
from fwi.survey import differences

BATCH = 8
"""Number of shards that each worker makes before they are put in place; a killed repair loses no more."""

SIZE_OF_VERSIONS = 1000
"""Largest difference in size between shards of equal samples [bytes], since they also store versions."""


def repair(
    data: DataSet, files: Iterable[str], workers: int, on_progress: Callable[[int], None] = lambda done: None
) -> list[str]:
    """Make shards of random models again; shards of imported models are left alone.

    A damaged shard is replaced only once the new one is known to be right. This is so if the new shard has
    the SHA-256 of the manifest. Another processor or other versions may give other bytes: then the new shard
    is right if an undamaged shard of the set, made again, agrees with the stored one. In this case the new
    SHA-256 is written into the manifest, and the returned sentence says so.

    Args:
        data: the data set.
        files: names of the shards to make again.
        workers: number of processes, each of one thread.
        on_progress: called with the number of samples made so far.

    Returns:
        A sentence about each shard.

    Raises:
        ShardError: the manifest is wrong, this version makes other records than the set has, or no shard is
            left to show that the new ones are right; all shards are then unchanged.
        OSError: the disk is full, the folder is not writable, or a worker was killed.
    """
    wanted, before = set(files), 0
    outcomes: dict[str, str] = {}
    if faults := manifest_faults(data):
        raise _wrong_manifest(data, [f"it {fault}" for fault in faults])
    jobs = [job for job in jobs_of(data).values() if job.file in wanted]
    for job in jobs:
        shards.refuse_differences(
            f"{data.folder} cannot be repaired, for this version makes records otherwise",
            differences(data.recipe, recipe(_study(data, job, data.folder))),
            "make the set again in another folder",
        )
    for _, group in itertools.groupby(jobs, key=lambda job: preset_of(job.origin)):
        alike = list(group)
        for first in range(0, len(alike), BATCH * workers):
            batch = alike[first : first + BATCH * workers]
            with _scratch(data.folder) as scratch:
                make(
                    _study(data, batch[0], scratch),
                    batch,
                    workers,
                    functools.partial(_report, on_progress, before),
                )
                outcomes |= _put_in_place(data, DataSet.read(scratch), wanted)
            before += samples(batch)
    return [outcomes[entry.file] for entry in data.entries if entry.file in outcomes]


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Provide an empty folder within the data set's, which is removed afterwards; lock out other repairs."""
    scratch = folder / SCRATCH
    with locked(folder):
        if scratch.is_symlink():
            scratch.unlink()
        shutil.rmtree(scratch, ignore_errors=True)  # of a repair that was killed
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _put_in_place(data: DataSet, made: DataSet, wanted: Set[str]) -> dict[str, str]:
    """Replace shards by those that were made again, once all of these are known to be right.

    Returns:
        A sentence about each file.
    """
    outcomes, pairs = {}, []
    for new in made.entries:
        entry = next(entry for entry in data.entries if entry.file == new.file)
        if not data.damage(entry) and _alike(data.folder / new.file, made.folder / new.file):
            outcomes[new.file] = f"{new.file}: left as it is, for that is what is made again"
        else:
            pairs.append((entry, new))
    different = [(entry, new) for entry, new in pairs if new.sha256 != entry.sha256]
    wrong = [line for entry, new in different if (line := _mistaken(data, entry, made, new))]
    if wrong:
        raise _wrong_manifest(data, wrong)
    if different:
        _require_witness(data, made, different[0][0], wanted)
        with claimed(data.folder / MANIFEST, wait=True):
            # Before the shards: if the process is killed in between, the next repair replaces them.
            DataSet.read(data.folder).with_entries(new for _, new in different).write()
    for _, new in pairs:
        (made.folder / new.file).replace(data.folder / new.file)
    return outcomes | {new.file: _outcome(data, entry, new) for entry, new in pairs}


def _mistaken(data: DataSet, entry: Entry, made: DataSet, new: Entry) -> str:
    """Describe the manifest's mistake about a shard that was made again with another SHA-256, if any."""
    if not data.damage(entry):
        return ""
    if abs(new.bytes - entry.bytes) > SIZE_OF_VERSIONS:
        return f"{entry.file} made again has {new.bytes} bytes, the manifest notes {entry.bytes}"
    if _alike(data.folder / entry.file, made.folder / new.file):
        return f"{entry.file} is what is made again; the manifest notes another SHA-256"
    if not (data.folder / entry.file).exists():
        known = {each.file for each in data.entries}
        strays = sorted({path.name for path in data.folder.glob(f"{entry.split}-*.h5")} - known)
        if strays:
            return f"{entry.file} is missing, and may be {strays[0]}, which the manifest does not list"
    return ""


def _require_witness(data: DataSet, made: DataSet, shard: Entry, wanted: Set[str]) -> None:
    """Check with an undamaged shard of the set that new shards are right although their bytes differ.

    Args:
        data: the data set.
        made: the shards that were made again.
        shard: a shard whose bytes differ.
        wanted: names of the shards to make again, which cannot serve for the check.

    Raises:
        ShardError: no undamaged shard of the same models is left, or it is made differently here.
    """
    jobs = jobs_of(data)
    salt = preset_of(shard.origin)
    for entry in data.entries:
        if entry.file in wanted or entry.file not in jobs or preset_of(entry.origin) != salt:
            continue
        if data.damage(entry):
            continue
        job = jobs[entry.file]
        make(_study(data, job, made.folder), [job._replace(numbers=job.numbers[:1])], workers=1)
        if _alike(data.folder / entry.file, made.folder / entry.file, samples=1):
            return
        raise ShardError(
            f"{data.folder}: nothing was repaired, for {entry.file}, which is whole, would be made otherwise "
            "here; make the set again in another folder, or repair it with the versions that made it"
        )
    raise ShardError(
        f"{data.folder}: nothing was repaired, for {shard.file} made again is not byte for byte what "
        "the manifest notes, and no whole shard of the same models is left to tell whether it is right; make "
        "the set again in another folder"
    )


def _alike(one: Path, other: Path, samples: int | None = None) -> bool:
    """Whether two shards are equal: records up to rounding, all else to the last bit.

    Args:
        one: path of a shard.
        other: path of the other shard.
        samples: number of samples to compare, from the first; None compares all.
    """
    try:
        with shards.open_shard(one) as left, shards.open_shard(other) as right:
            return (
                shards.attribute(left, "study") == shards.attribute(right, "study")
                and in_full(shards.origin(left)) == in_full(shards.origin(right))
                and {name: left[name].dtype for name in left} == {name: right[name].dtype for name in right}
                and all(
                    np.array_equal(left[name][:samples], right[name][:samples])
                    for name in set(right) - {"gathers"}
                )
                and all(
                    _same_records(left["gathers"][row], right["gathers"][row])
                    for row in range(len(right["gathers"]) if samples is None else samples)
                )
            )
    except (*DAMAGE, AttributeError, ShardError):  # a group, where there should be an array
        return False


def _same_records(stored: NDArray[Any], simulated: NDArray[Any]) -> bool:
    if np.array_equal(stored, simulated):
        return True
    if stored.shape != simulated.shape or not simulated.any():
        return False
    nrms = normalised_rms(torch.from_numpy(stored), torch.from_numpy(simulated))
    return float(nrms) <= soundness.SAME_RECORDS[str(stored.dtype)]


def _wrong_manifest(data: DataSet, faults: Sequence[str]) -> ShardError:
    lines = "\n".join(f"  - {fault}" for fault in faults)
    return ShardError(
        f"{data.folder / MANIFEST}: the manifest is wrong, not the shards, so nothing was repaired; "
        f"{ANEW}:\n{lines}"
    )


def jobs_of(data: DataSet) -> dict[str, Job]:
    """The jobs that made the shards of random models, by file name.

    Imported shards and those of presets of older versions have none.
    """
    series: dict[str, dict[int, Entry]] = {}
    for entry in data.entries:
        match = re.fullmatch(rf"{entry.split}-(\d+)\.h5", entry.file)
        if match and preset_of(entry.origin) is not None:
            drawn_alike = json.dumps([entry.split, in_full(entry.origin).to_dict()])
            series.setdefault(drawn_alike, {})[int(match[1])] = entry
    jobs = {}
    for shards_of_split in series.values():
        first, last = min(shards_of_split), max(shards_of_split)
        # All but the last are equally large; of a lone one, only the first of all has known numbers.
        step = shards_of_split[first].samples if first < last else 0
        for index, entry in shards_of_split.items():
            if step or index == 0:
                numbers = range(index * step, index * step + entry.samples)
                jobs[entry.file] = Job(entry.file, entry.split, numbers, entry.origin)
    return jobs


def remedy(data: DataSet, entry: Entry, job: Job | None) -> str:
    """Describe how to make a shard again.

    Args:
        data: the data set.
        entry: the shard.
        job: its job by ``jobs_of``; None if it has none.
    """
    if job is not None:
        return f"{_proposed(['fwi', 'verify', str(data.folder), '--repair'])} makes it again"
    if not isinstance(entry.origin, Drawn):
        command = _import_command(data, entry.split, entry.origin.source)
        return f"delete it and repeat its import, which makes only it: {command}"
    return "delete it and repeat the 'fwi simulate' that made the set, with the version that made it"


def _report(on_progress: Callable[[int], None], before: int, done: int) -> None:
    on_progress(before + done)


def _study(data: DataSet, job: Job, folder: Path) -> StudyConfig:
    if not isinstance(job.origin, Drawn):
        raise ValueError(f"{job.file}: imported, and so not to be made again without its file")
    return StudyConfig(
        grid=GridConfig.model_validate(data.recipe["grid"]),
        survey=SurveyConfig.model_validate(data.recipe["survey"]),
        physics=PhysicsConfig.model_validate(data.recipe["physics"]),
        salt=job.origin.salt.config(),
        storage=StorageConfig(folder=folder, dtype=data.recipe["storage"]["dtype"]),
    )


def _import_command(data: DataSet, split: Split, source: Files) -> str:
    began = data.provenance.get("command", "")
    # A manifest may be a stranger's: its command is proposed only if it is an import to a shell, and no more.
    plain = began.split(" ")
    if source.file in began and plain[1:2] == ["import"] and shlex.join(plain) == began:
        return _proposed(["fwi", *plain[1:]])
    words = ["fwi", "import", "--config", "STUDY", "--storage.folder", str(data.folder), source.file]
    spacing = source.spacing if isinstance(source, ModelFiles) else None
    for flag, value in {"key": source.key, "spacing": spacing, "split": split}.items():
        words += [] if value is None else [f"--{flag}", str(value)]
    return _proposed(words)


def _proposed(words: Sequence[str]) -> str:
    """A command to paste, in quotation marks unless it contains some."""
    command = shlex.join(words)
    return command if "'" in command else f"'{command}'"


def _outcome(data: DataSet, entry: Entry, new: Entry) -> str:
    if new.sha256 == entry.sha256:
        return f"{entry.file}: made again, byte for byte what it was"
    now = provenance()
    different = [
        line
        for key in ("versions", "machine")
        for line in differences(data.provenance.get(key, {}), now[key])
    ]
    why = "; ".join(different) or "the manifest had noted another file"
    return f"{entry.file}: made again, but not byte for byte what it was ({why}); the manifest has it now"
