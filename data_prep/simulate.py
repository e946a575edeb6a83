"""Making a data set: models to records to shards, on this machine or a cluster, resumable at any moment.

A shard is a pure function of the study and its ``Job``. A killed run leaves only whole shards, and running it
again makes what is missing.
"""

import errno
import functools
import platform
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from data_prep import cluster, pool, resume
from data_prep.jobs import Job, Source, part_of, recipe, salt_jobs, samples, unfinished
from fwi import shards
from fwi.config import StudyConfig
from fwi.files import claimed, remove_leftovers
from fwi.shards import DataSet, Entry, Samples
from fwi.survey import Survey
from fwi.tracking import versions

__all__ = [
    "Job",
    "OnProgress",
    "Plan",
    "Source",
    "make",
    "make_shard",
    "plan",
    "recipe",
    "salt_jobs",
    "simulate",
    "unfinished",
]

OnProgress = Callable[[int], None]
"""Called with the number of samples done so far."""

Compute: TypeAlias = Callable[..., Generator[Entry | None, None, None]]
"""Gives what becomes of each of ``jobs``, and calls ``on_progress`` with the samples done."""

SHARD_OVERHEAD = 13_000
"""Bytes of a shard beside its samples: axes, attributes and HDF5's own structures."""


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


def make(
    study: StudyConfig,
    jobs: Sequence[Job],
    workers: int,
    on_progress: OnProgress = lambda done: None,
    *,
    part: str | None = None,
    scheduler: str | None = None,
) -> DataSet:
    """Make the shards of ``jobs`` that the study's folder lacks.

    Other runs may do so at the same time: no shard is made by two of them, and each returns when all that it
    was asked for are there, whoever made them.

    Args:
        study: grid, survey, physics and storage.
        jobs: the shards wanted.
        workers: processes, each of one thread.
        on_progress: told how many samples are there of those that were missing.
        part: make only this part of the jobs, such as "3/8".
        scheduler: address of a Dask scheduler, whose workers are to do it instead.

    Returns:
        The folder's whole data set, with the shards that were there before.

    Raises:
        ShardError: the folder holds a set of another recipe, a shard of other models under a job's name, or
            the same models elsewhere; or a shard there is damaged.
        ValueError: there is no such part, or Dask is not installed.
        OSError: the disk is full, the folder not writable, a worker was killed, or the scheduler lost.
    """
    if workers < 1:
        raise ValueError(f"workers: {workers} processes cannot simulate; take 1 or more")
    if len({job.file for job in jobs}) < len(jobs):
        raise ValueError("two jobs have the same file name; give each shard its own")
    wanted = jobs if part is None else part_of(jobs, part)
    Survey(study.grid, study.survey).check(study.physics.order)
    work = functools.partial(_make_unless_taken, study)
    compute: Compute = functools.partial(pool.completed, work, workers=workers)
    if scheduler is not None:
        compute = functools.partial(cluster.completed, work, scheduler=scheduler)
    folder = study.storage.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        data = resume.begin(study, jobs)
        if late := resume.finished(study, wanted, data):  # what a killed run left out of the manifest
            data = resume.note(study, jobs, late)
        missing = unfinished(study, wanted)
        _refuse_if_disk_too_small(study, missing)
        return _make_missing(study, jobs, missing, compute, on_progress) if missing else data
    except OSError as error:
        if error.errno is None:  # one of our own, already in words
            raise
        raise OSError(_in_words(error, study, wanted)) from error


def _make_missing(
    study: StudyConfig, jobs: Sequence[Job], missing: Sequence[Job], compute: Compute, on_progress: OnProgress
) -> DataSet:
    folder, total = study.storage.folder, samples(missing)
    while left := unfinished(study, missing):
        before = total - samples(left)
        try:
            entries = compute(jobs=left, on_progress=lambda done, before=before: on_progress(before + done))
            resume.note_as_they_come(study, jobs, entries)
        finally:
            _remove_leftovers(folder)  # of workers that were ended while they wrote
        for job in unfinished(study, left):  # another run is making it, or was killed at it
            with claimed(folder / job.file, wait=True):
                pass
    on_progress(total)
    data = DataSet.read(folder)
    known = {entry.file for entry in data.entries}
    late = resume.finished(study, [job for job in missing if job.file not in known], data)
    return resume.note(study, jobs, late) if late else data


def _make_unless_taken(study: StudyConfig, job: Job) -> Entry | None:
    """Make a shard, unless another run is making it or has made it meanwhile."""
    folder = study.storage.folder
    if not (folder / shards.MANIFEST).exists():
        raise OSError(
            f"{folder}: not the same folder on {platform.node()} as where the command runs; take a "
            "storage.folder on a file system that all machines share"
        )
    with claimed(folder / job.file) as ours:
        return make_shard(study, job) if ours and not (folder / job.file).exists() else None


def _remove_leftovers(folder: Path) -> None:
    for pattern in ("*.h5", shards.MANIFEST):
        remove_leftovers(folder, pattern)


def make_shard(study: StudyConfig, job: Job) -> Entry:
    """Simulate one shard and write it: a pure function of the study and the job."""
    import torch

    start, survey = time.perf_counter(), Survey(study.grid, study.survey)
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
    seconds = round(time.perf_counter() - start, 3)
    return Entry(job.file, job.split, len(job.numbers), size, digest, job.origin, seconds)


def plan(study: StudyConfig, jobs: Sequence[Job]) -> Plan:
    """Count what ``jobs`` would take, and time one sample to estimate how long."""
    count = samples(jobs)
    pad = 2 * study.physics.pml_width
    return Plan(
        samples=count,
        bytes=_size(study, jobs),
        steps=count * study.survey.shots * study.survey.nt,
        cells=(study.grid.nz + pad) * (study.grid.nx + pad),
        seconds_per_sample=_seconds_per_sample(study),
    )


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
        return (
            f"{folder}: the disk is full: {_amount(free)} free, and the {samples(left)} samples still to "
            f"make need {_amount(_size(study, left))}. "
            "What was finished is kept: make room and run the same command again"
        )
    where = f": {error.filename}" if error.filename else ""
    return f"{folder}: cannot be written to ({error.strerror}{where}); choose another storage.folder"


def _amount(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.2f} MB"
