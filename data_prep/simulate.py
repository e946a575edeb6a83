"""Making a data set: models to records to shards, in a pool of processes, resumable at any moment.

A shard is a pure function of the study and its ``Job``. A killed run leaves only whole shards, and running it
again makes what is missing.
"""

import contextlib
import errno
import functools
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from data_prep import pool
from fwi import shards
from fwi.config import SPLITS, Split, StudyConfig
from fwi.files import locked, remove_leftovers, sha256
from fwi.shards import DataSet, Entry, Samples, ShardError
from fwi.survey import Survey
from fwi.tracking import provenance, versions

OnProgress = Callable[[int], None]
"""Called with the number of samples simulated so far in this run."""

SHARD_OVERHEAD = 13_000
"""Bytes of a shard beside its samples: axes, attributes and HDF5's own structures."""


class Source(Protocol):
    """Samples of a file, read as needed; it travels to the workers by pickle."""

    def velocity(self, numbers: Sequence[int]) -> NDArray[np.float32] | None:
        """Models [m/s] on the study's grid, ``(sample, depth, x)``; None where only records are known."""

    def gathers(self, numbers: Sequence[int]) -> NDArray[np.float32] | None:
        """Records of the study's survey, ``(sample, shot, time, receiver)``; None to have them simulated."""


class Job(NamedTuple):
    """One shard to make."""

    file: str
    split: Split
    numbers: list[int]
    """Number of each sample in its stream or source."""
    origin: dict[str, Any]
    """Where the models come from, for the manifest."""
    source: Source | None = None
    """Where the samples are read; None draws models from the study's salt preset."""


class Plan(NamedTuple):
    """What a simulation amounts to."""

    samples: int
    bytes: int
    steps: int
    """Time steps, over all shots of all samples."""
    cells: int
    """Cells of one time step, absorbing layer included."""
    seconds_per_sample: float
    """Measured: one sample on one thread."""


def simulate(study: StudyConfig, workers: int, on_progress: OnProgress = lambda done: None) -> DataSet:
    """Draw the study's salt models, record them, and store what is not yet there.

    Raises:
        ShardError: the folder holds a set of another recipe.
        OSError: as ``make``.
    """
    return make(study, salt_jobs(study), workers, on_progress)


def salt_jobs(study: StudyConfig) -> list[Job]:
    """The shards of the study's random models, split by split."""
    jobs = []
    for stream, split in enumerate(SPLITS):
        total, step = getattr(study.storage, split), study.storage.samples_per_shard
        origin = {"salt": study.salt.model_dump(mode="json"), "stream": stream}
        for first in range(0, total, step):
            numbers = list(range(first, min(first + step, total)))
            jobs.append(Job(f"{split}-{first // step:05d}.h5", split, numbers, origin))
    return jobs


def unfinished(study: StudyConfig, jobs: Sequence[Job]) -> list[Job]:
    """The jobs whose shard is not yet in the study's folder."""
    return [job for job in jobs if not (study.storage.folder / job.file).exists()]


def make(
    study: StudyConfig, jobs: Sequence[Job], workers: int, on_progress: OnProgress = lambda done: None
) -> DataSet:
    """Make the shards of ``jobs`` that the study's folder lacks.

    Args:
        study: grid, survey, physics and storage.
        jobs: the shards wanted.
        workers: processes, each of one thread.
        on_progress: told the samples done in this run.

    Returns:
        The folder's whole data set, with the shards that were there before.

    Raises:
        ShardError: the folder holds a set of another recipe, a shard of other models under a job's name, or
            the same models elsewhere; or a shard there is damaged.
        OSError: the disk is full, the folder not writable or in use by another run, or a worker was killed.
    """
    if workers < 1:
        raise ValueError(f"workers: {workers} processes cannot simulate; take 1 or more")
    if len({job.file for job in jobs}) < len(jobs):
        raise ValueError("two jobs have the same file name; give each shard its own")
    Survey(study.grid, study.survey).check(study.physics.order)
    folder = study.storage.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            remove_leftovers(folder)
            data = _with_finished(_begin(study), study, jobs)
            missing = unfinished(study, jobs)
            _refuse_if_disk_too_small(study, missing)
            if missing:
                data = _make_missing(data, study, missing, workers, on_progress)
            return data
    except OSError as error:
        if error.errno is None:  # one of our own, already in words
            raise
        raise OSError(_in_words(error, study, jobs)) from error


def _make_missing(
    data: DataSet, study: StudyConfig, jobs: Sequence[Job], workers: int, on_progress: OnProgress
) -> DataSet:
    work = functools.partial(make_shard, study)
    try:
        with contextlib.closing(pool.completed(work, jobs, workers, on_progress)) as entries:
            for entry in entries:
                data = data.with_entry(entry)
                data.write()
        return data
    finally:
        remove_leftovers(data.folder)  # of workers that were ended while they wrote


def make_shard(study: StudyConfig, job: Job) -> Entry:
    """Simulate one shard and write it: a pure function of the study and the job."""
    import torch

    survey = Survey(study.grid, study.survey)
    velocity, salt = _models(study, job)
    gathers = np.empty((len(job.numbers), *survey.gather_shape), study.storage.dtype)
    for gather, records in zip(gathers, _records(study, job, velocity), strict=True):
        torch.from_numpy(gather).copy_(torch.from_numpy(records))  # ten times as fast to float16 as numpy
        pool.count_step()
    samples = Samples(gathers, velocity, salt, seed=np.array(job.numbers))
    # The commit is in the manifest alone: an edit somewhere, between two runs, must not change the shards.
    packages = {name: version for name, version in versions().items() if name != "commit"}
    attributes = {"study": recipe(study), "origin": job.origin, "versions": packages}
    size, digest = shards.write(study.storage.folder / job.file, samples, survey, attributes)
    return Entry(job.file, job.split, len(job.numbers), size, digest, job.origin)


def plan(study: StudyConfig, jobs: Sequence[Job]) -> Plan:
    """Count what ``jobs`` would take, and time one sample to estimate how long."""
    samples = sum(len(job.numbers) for job in jobs)
    pad = 2 * study.physics.pml_width
    return Plan(
        samples=samples,
        bytes=_size(study, jobs),
        steps=samples * study.survey.shots * study.survey.nt,
        cells=(study.grid.nz + pad) * (study.grid.nx + pad),
        seconds_per_sample=_seconds_per_sample(study),
    )


def recipe(study: StudyConfig) -> dict[str, Any]:
    """What all shards of a folder must share, as plain values. The memory limit changes no record."""
    return {
        **Survey(study.grid, study.survey).to_dict(),
        "physics": study.physics.model_dump(mode="json", exclude={"memory"}),
        "storage": {"dtype": study.storage.dtype},
    }


# -- one shard


def _models(study: StudyConfig, job: Job) -> tuple[NDArray[np.float32] | None, NDArray[np.uint8] | None]:
    if job.source is not None:
        velocity = job.source.velocity(job.numbers)
        return velocity, None if velocity is None else (velocity >= study.salt.threshold).astype(np.uint8)
    from data_prep.salt import generate

    drawn = [generate(study.grid, study.salt, job.origin["stream"], number) for number in job.numbers]
    return np.stack([model.velocity for model in drawn]), np.stack([model.salt for model in drawn])


def _records(
    study: StudyConfig, job: Job, velocity: NDArray[np.float32] | None
) -> Iterable[NDArray[np.float32]]:
    """Records of each sample, ``(shot, time, receiver)``: those of the source, or simulated ones."""
    known = None if job.source is None else job.source.gathers(job.numbers)
    if known is not None:
        return known
    if velocity is None:
        raise ValueError(f"{job.file}: its source has neither models nor records")
    return _simulated(study, velocity)


def _simulated(study: StudyConfig, velocity: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Simulated records of each model in turn: one model at a time bounds the memory."""
    import torch

    propagator = _propagator(study)
    for model in velocity:
        with torch.inference_mode():
            yield propagator(torch.from_numpy(model)[None])[0].numpy()


@functools.lru_cache(maxsize=1)
def _propagator_of(values: str) -> Any:
    from fwi.physics import Propagator

    study = StudyConfig.model_validate_json(values)
    return Propagator(Survey(study.grid, study.survey), study.physics)


def _propagator(study: StudyConfig) -> Any:
    return _propagator_of(study.model_dump_json(include={"grid", "survey", "physics"}))


def _size(study: StudyConfig, jobs: Sequence[Job]) -> int:
    """Bytes that the shards of ``jobs`` take on the disk."""
    gathers = (
        int(np.prod(Survey(study.grid, study.survey).gather_shape)) * np.dtype(study.storage.dtype).itemsize
    )
    models = study.grid.nz * study.grid.nx * (np.dtype(np.float32).itemsize + np.dtype(np.uint8).itemsize)
    return sum(SHARD_OVERHEAD + len(job.numbers) * (gathers + models) for job in jobs)


def _seconds_per_sample(study: StudyConfig) -> float:
    """Time a sample on one thread, as a worker has it."""
    import torch

    model = np.full((1, study.grid.nz, study.grid.nx), np.mean(study.grid.velocity), np.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        next(_simulated(study, model))  # the first call also loads libraries
        start = time.perf_counter()
        next(_simulated(study, model))
        return time.perf_counter() - start
    finally:
        torch.set_num_threads(threads)


# -- what is in the folder already


def _begin(study: StudyConfig) -> DataSet:
    """The folder's data set so far, or a new one."""
    folder, wanted = study.storage.folder, recipe(study)
    if not (folder / shards.MANIFEST).exists():
        data = DataSet(folder, wanted, provenance())
        data.write()
        return data
    data = DataSet.read(folder)
    different = data.survey.differences(Survey(study.grid, study.survey))
    for section in ("physics", "storage"):
        different += _differences(data.recipe[section], wanted[section], f"{section}.")
    if different:
        raise _other(f"{folder} holds a set of another recipe", different)
    return data


def _with_finished(data: DataSet, study: StudyConfig, jobs: Sequence[Job]) -> DataSet:
    """Check the shards that are there, and take up those that a killed run left out of the manifest."""
    _refuse_models_twice(data, jobs)
    known, before = {entry.file for entry in data.entries}, data
    for job in jobs:
        path = data.folder / job.file
        if not path.exists():
            continue
        attributes, numbers = shards.describe(path)
        different = _differences(attributes["origin"], job.origin)
        if job.file not in known:
            different += _differences(attributes["study"], recipe(study))
        if numbers != job.numbers:
            different.append(f"samples: {_span(numbers)} against {_span(job.numbers)}")
        if different:
            raise _other(f"{path} holds other models or records", different)
        if job.file not in known:  # it has its final name, so it is whole
            entry = Entry(job.file, job.split, len(numbers), path.stat().st_size, sha256(path), job.origin)
            data = data.with_entry(entry)
    if data is not before:
        data.write()
    return data


def _refuse_models_twice(data: DataSet, jobs: Sequence[Job]) -> None:
    """A file's models are in a folder once: twice, they could be trained on and tested with."""
    sources = [job.origin["source"] for job in jobs if "source" in job.origin]
    own = {job.file for job in jobs}
    for entry in data.entries:
        there = entry.origin.get("source")
        if there is None or entry.file in own:
            continue
        for source in sources:
            # No key is the only array of the file, whose name this does not know.
            same_key = there["key"] == source["key"] or None in (there["key"], source["key"])
            if there["sha256"] == source["sha256"] and same_key:
                raise ShardError(
                    f"{data.folder / entry.file} holds models of {source['file']} already; to continue its "
                    "import repeat it with the same split and validation, else choose another storage.folder"
                )


def _other(what: str, different: list[str]) -> ShardError:
    lines = "\n".join(f"  - {line}" for line in different)
    return ShardError(f"{what}:\n{lines}\nchoose another storage.folder")


def _differences(there: dict[str, Any], here: dict[str, Any], prefix: str = "") -> list[str]:
    """Name the leaves in which nested values differ, such as ``salt.seed: 0 against 1``."""
    lines = []
    for key in dict.fromkeys([*there, *here]):
        old, new = there.get(key), here.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            lines.append(f"{prefix}{key}: {old} against {new}")
    return lines


def _span(numbers: list[int]) -> str:
    return f"{len(numbers)} numbered {numbers[0]} .. {numbers[-1]}"


# -- the disk


def _refuse_if_disk_too_small(study: StudyConfig, jobs: Sequence[Job]) -> None:
    folder, needed = study.storage.folder, _size(study, jobs)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"{folder}: the set needs {_amount(needed)} more, and {_amount(free)} are free; "
            "choose another storage.folder or fewer samples"
        )


def _in_words(error: OSError, study: StudyConfig, jobs: Sequence[Job]) -> str:
    folder = study.storage.folder
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        left, free = unfinished(study, jobs), shutil.disk_usage(folder).free
        samples = sum(len(job.numbers) for job in left)
        return (
            f"{folder}: the disk is full: {_amount(free)} free, and the {samples} samples still to make need "
            f"{_amount(_size(study, left))}. "
            "What was finished is kept: make room and run the same command again"
        )
    where = f": {error.filename}" if error.filename else ""
    return f"{folder}: cannot be written to ({error.strerror}{where}); choose another storage.folder"


def _amount(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.2f} MB"
