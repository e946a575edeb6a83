"""Making the damaged shards of a data set again, and only those."""

import functools
import itertools
import json
import re
import shlex
from collections.abc import Callable, Iterable, Sequence

from pydantic import ValidationError

from data_prep.jobs import Job, in_full, recipe, samples
from data_prep.simulate import make
from fwi import shards
from fwi.config import GridConfig, PhysicsConfig, SaltConfig, StorageConfig, StudyConfig, SurveyConfig
from fwi.shards import DataSet, Entry
from fwi.survey import differences
from fwi.tracking import provenance


def repair(
    data: DataSet, files: Iterable[str], workers: int, on_progress: Callable[[int], None] = lambda done: None
) -> list[str]:
    """Make shards of random models again; those of imported ones are left alone.

    The same versions on the same processor give the same bytes. If others do not, the manifest gets the new
    ones, and the return value says so.

    Args:
        data: the set.
        files: names of its shards that are to be made.
        workers: processes, each of one thread.
        on_progress: told the samples made so far.

    Returns:
        A sentence on each file that was made.

    Raises:
        ShardError: this version makes records otherwise than the set's.
        OSError: the disk is full, the folder not writable, or a worker was killed.
    """
    wanted, made, before = set(files), set(), 0
    found = (job for job in jobs_of(data).values() if job.file in wanted)
    for _, group in itertools.groupby(found, key=lambda job: job.origin["salt"]):
        jobs = list(group)
        study = _study(data, jobs[0])
        shards.refuse_differences(
            f"{data.folder} cannot be repaired, for this version makes records otherwise",
            differences(data.recipe, recipe(study)),
            "make the set again in another folder",
        )
        for job in jobs:
            (data.folder / job.file).unlink(missing_ok=True)
        make(study, jobs, workers, functools.partial(_report, on_progress, before))
        before += samples(jobs)
        made |= {job.file for job in jobs}
    return [_outcome(data, entry) for entry in DataSet.read(data.folder).entries if entry.file in made]


def jobs_of(data: DataSet) -> dict[str, Job]:
    """The jobs that made the shards of random models, by file; none of imports and of presets of old."""
    series: dict[str, dict[int, Entry]] = {}
    for entry in data.entries:
        match = re.fullmatch(rf"{entry.split}-(\d+)\.h5", entry.file)
        if match and preset_of(entry) is not None:
            series.setdefault(json.dumps([entry.split, in_full(entry.origin)]), {})[int(match[1])] = entry
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


def preset_of(entry: Entry) -> SaltConfig | None:
    """What a shard's models were drawn from; None if they were imported, or by a preset of old."""
    try:
        return SaltConfig.model_validate(entry.origin["salt"])
    except (KeyError, ValidationError):
        return None


def remedy(data: DataSet, entry: Entry, job: Job | None) -> str:
    """What makes a shard again, in words; ``job`` is the one that made it, if ``jobs_of`` knows it."""
    if job is not None:
        return f"{_proposed(['fwi', 'verify', str(data.folder), '--repair'])} makes it again"
    if "source" in entry.origin:
        return f"delete it and repeat its import, which makes only it: {_import_command(data, entry)}"
    return "delete it and repeat the 'fwi simulate' that made the set, with the version that made it"


def _report(on_progress: Callable[[int], None], before: int, done: int) -> None:
    on_progress(before + done)


def _study(data: DataSet, job: Job) -> StudyConfig:
    return StudyConfig(
        grid=GridConfig.model_validate(data.recipe["grid"]),
        survey=SurveyConfig.model_validate(data.recipe["survey"]),
        physics=PhysicsConfig.model_validate(data.recipe["physics"]),
        salt=SaltConfig.model_validate(job.origin["salt"]),
        storage=StorageConfig(folder=data.folder, dtype=data.recipe["storage"]["dtype"]),
    )


def _import_command(data: DataSet, entry: Entry) -> str:
    source, began = entry.origin["source"], data.provenance.get("command", "")
    # A manifest may be a stranger's: its command is proposed only if it is an import to a shell, and no more.
    plain = began.split(" ")
    if source["file"] in began and plain[1:2] == ["import"] and shlex.join(plain) == began:
        return _proposed(["fwi", *plain[1:]])
    words = ["fwi", "import", "--config", "STUDY", "--storage.folder", str(data.folder), source["file"]]
    for flag, value in {
        "key": source.get("key"),
        "spacing": source.get("spacing"),
        "split": entry.split,
    }.items():
        words += [] if value is None else [f"--{flag}", str(value)]
    return _proposed(words)


def _proposed(words: Sequence[str]) -> str:
    """A command to paste, between quotation marks unless it has some of its own."""
    command = shlex.join(words)
    return command if "'" in command else f"'{command}'"


def _outcome(before: DataSet, entry: Entry) -> str:
    old = next(old for old in before.entries if old.file == entry.file)
    if entry.sha256 == old.sha256:
        return f"{entry.file}: made again, byte for byte what it was"
    now = provenance()
    different = [
        line
        for key in ("versions", "machine")
        for line in differences(before.provenance.get(key, {}), now[key])
    ]
    why = "; ".join(different) or "the manifest had noted another file"
    return f"{entry.file}: made again, but not byte for byte what it was ({why}); the manifest has it now"
