"""Making a data set: models are drawn or read, their records simulated, and both stored in shards.

The work runs on this machine or on a cluster. A shard depends only on the study and its ``Job``. A killed run
leaves only whole shards, and the same run started again makes the missing ones.
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

from data_prep.make import cluster, devices, pool, resume
from data_prep.make.devices import CPU, Device, Place
from data_prep.make.jobs import Job, Source, part_of, recipe, salt_jobs, samples, unfinished
from fwi import memory, shards
from fwi.config import MOST_WORKERS, StudyConfig
from fwi.files import claimed, remove_leftovers
from fwi.manifest import MANIFEST, DataSet, Entry
from fwi.origin import Drawn
from fwi.provenance import versions
from fwi.shards import Samples
from fwi.survey import Survey

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
"""Makes the shards of ``jobs`` and yields the entry of each, or None if another run makes it."""

SHARD_OVERHEAD = 13_000
"""Size of a shard without its samples [bytes]: axes, attributes and the structures of HDF5."""


class Plan(NamedTuple):
    """Size and duration of a simulation."""

    samples: int
    """Number of samples."""
    bytes: int
    """Size of the shards."""
    steps: int
    """Number of time steps, over all shots of all samples."""
    cells: int
    """Number of cells of one time step, including the absorbing layer."""
    seconds_per_sample: float
    """Measured time per sample, alone on a thread or in a batch that fills a worker's share of a GPU."""


def simulate(study: StudyConfig, workers: int, on_progress: OnProgress = lambda done: None) -> DataSet:
    """Draw the study's salt models, simulate their records, and store the shards that do not exist yet.

    Args:
        study: the study; its ``storage`` says where and how many.
        workers: number of processes.
        on_progress: is told the number of samples that are done.

    Returns:
        The manifest of the finished set.

    Raises:
        ShardError: the folder holds a set of another recipe.
        OSError: for the reasons of ``make``.
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
    device: Device = "auto",
) -> DataSet:
    """Make the shards of ``jobs`` that the study's folder lacks.

    Several runs may work at the same time: no shard is made twice, and each run returns when all its shards
    exist, whichever run made them.

    Args:
        study: grid, survey, physics and storage.
        jobs: the shards wanted.
        workers: number of processes, each of one thread.
        on_progress: called with the number of missing samples that have been made so far.
        part: the part of the jobs to make, such as "3/8"; None makes all.
        scheduler: address of a Dask scheduler whose workers do the jobs; None uses this machine.
        device: the device for the simulation, as in ``devices.place``.

    Returns:
        The whole data set of the folder, including the shards that existed before.

    Raises:
        ShardError: the folder holds a set of another recipe, a shard of other models under the name of a job,
            the same models under another name, or a damaged shard.
        ValueError: ``part`` or ``device`` does not exist, Dask is not installed, or a shard is larger than
            the machine's memory.
        OSError: the disk or a GPU is full, the folder is not writable, a worker was killed, or the scheduler
            was lost.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise ValueError(f"workers: {workers} processes cannot simulate; take 1 to {MOST_WORKERS}")
    if len({job.file for job in jobs}) < len(jobs):
        raise ValueError("two jobs have the same file name; give each shard its own")
    wanted = jobs if part is None else part_of(jobs, part)
    Survey(study.grid, study.survey).check(study.physics.order)
    place = devices.place(device, workers, scheduler)
    work = functools.partial(_make_unless_taken, study, place)
    compute: Compute = functools.partial(pool.completed, work, workers=place.workers)
    if scheduler is not None:
        compute = functools.partial(cluster.completed, work, scheduler=scheduler)
    folder = study.storage.folder
    try:
        if scheduler is None:
            _refuse_too_large_shards(study, wanted)
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


def _make_unless_taken(study: StudyConfig, place: Place, job: Job) -> Entry | None:
    """Make a shard, unless another run is making it or has made it meanwhile."""
    folder = study.storage.folder
    if not (folder / MANIFEST).exists():
        raise OSError(
            f"{folder}: not the same folder on {platform.node()} as where the command runs; take a "
            "storage.folder on a file system that all machines share"
        )
    with claimed(folder / job.file) as ours:
        return make_shard(study, job, place) if ours and not (folder / job.file).exists() else None


def _remove_leftovers(folder: Path) -> None:
    for pattern in ("*.h5", MANIFEST):
        remove_leftovers(folder, pattern)


def make_shard(study: StudyConfig, job: Job, place: Place = CPU) -> Entry:
    """Simulate one shard and write it.

    Its content depends only on study, job and kind of device.

    Args:
        study: the study.
        job: which samples, and the file's name.
        place: the device that simulates.

    Returns:
        The shard's entry for the manifest.
    """
    import torch

    start, survey = time.perf_counter(), Survey(study.grid, study.survey)
    velocity, salt = _models(study, job)
    known = None if job.source is None else job.source.gathers(job.numbers)
    records: Iterable[NDArray[np.float32]] = (
        _simulated(study, job, velocity, place) if known is None else known
    )
    gathers = np.empty((len(job.numbers), *survey.gather_shape), study.storage.dtype)
    for gather, record in zip(gathers, records, strict=True):
        torch.from_numpy(gather).copy_(torch.from_numpy(record))  # ten times as fast to float16 as numpy
        pool.count_step()
    samples = Samples(gathers, velocity, salt, seed=np.array(job.numbers))
    # The commit is in the manifest alone: an edit somewhere, between two runs, must not change the shards.
    packages = {name: version for name, version in versions().items() if name != "commit"}
    attributes: dict[str, Any] = {
        "study": recipe(study),
        "origin": job.origin.to_dict(),
        "versions": packages,
    }
    if place.gpus and known is None:
        attributes["gpu"] = torch.cuda.get_device_name()
    size, digest = shards.write(study.storage.folder / job.file, samples, survey, attributes)
    seconds = round(time.perf_counter() - start, 3)
    return Entry(job.file, job.split, len(job.numbers), size, digest, job.origin, seconds)


def plan(study: StudyConfig, jobs: Sequence[Job], place: Place = CPU) -> Plan:
    """Count the samples, bytes and steps of ``jobs``, and measure the time of a sample or of a GPU's batch.

    Args:
        study: the study.
        jobs: the shards to make.
        place: the device that simulates.

    Raises:
        ValueError: the survey or a shard is larger than the machine's memory.
    """
    Survey(study.grid, study.survey).check(study.physics.order)
    _refuse_too_large_shards(study, jobs)
    count = samples(jobs)
    pad = 2 * study.physics.pml_width
    return Plan(
        samples=count,
        bytes=_size(study, jobs),
        steps=count * study.survey.shots * study.survey.nt,
        cells=(study.grid.nz + pad) * (study.grid.nx + pad),
        seconds_per_sample=_seconds_per_sample(study, place),
    )


# -- one shard


def _models(study: StudyConfig, job: Job) -> tuple[NDArray[np.float32] | None, NDArray[np.uint8] | None]:
    if job.source is not None:
        velocity = job.source.velocity(job.numbers)
        return velocity, None if velocity is None else (velocity >= study.salt.threshold).astype(np.uint8)
    if not isinstance(job.origin, Drawn):
        raise ValueError(f"{job.file}: its samples come from files, and it has no source that reads them")
    from data_prep.salt import generate

    drawn = [generate(study.grid, study.salt, job.origin.stream, number) for number in job.numbers]
    return np.stack([model.velocity for model in drawn]), np.stack([model.salt for model in drawn])


def _simulated(
    study: StudyConfig, job: Job, velocity: NDArray[np.float32] | None, place: Place
) -> Iterator[NDArray[np.float32]]:
    if velocity is None:
        raise ValueError(f"{job.file}: its source has neither models nor records")
    return devices.simulated(study, velocity, place)


def _size(study: StudyConfig, jobs: Sequence[Job]) -> int:
    """Size of the shards of ``jobs`` on the disk [bytes]."""
    gathers = (
        int(np.prod(Survey(study.grid, study.survey).gather_shape)) * np.dtype(study.storage.dtype).itemsize
    )
    models = study.grid.nz * study.grid.nx * (np.dtype(np.float32).itemsize + np.dtype(np.uint8).itemsize)
    return sum(SHARD_OVERHEAD + len(job.numbers) * (gathers + models) for job in jobs)


def _seconds_per_sample(study: StudyConfig, place: Place) -> float:
    """Measure the time of a sample on one thread, as a worker has, or of a shard's samples on a GPU."""
    import torch

    count = study.storage.samples_per_shard if place.gpus else 1
    models = np.full((count, study.grid.nz, study.grid.nx), np.mean(study.grid.velocity), np.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(2):  # the first time also loads libraries
            start = time.perf_counter()
            for _ in devices.simulated(study, models, place):
                pass
        return (time.perf_counter() - start) / count
    finally:
        torch.set_num_threads(threads)


# -- the disk


def _refuse_too_large_shards(study: StudyConfig, jobs: Sequence[Job]) -> None:
    """Refuse shards that do not fit into the memory twice: as arrays, and as the file made from these."""
    largest = max(jobs, key=lambda job: len(job.numbers), default=None)
    if largest is not None and (needed := 2 * _size(study, [largest])) > memory.total():
        raise ValueError(
            f"storage.samples_per_shard: a shard of {len(largest.numbers):,} samples takes "
            f"{memory.amount(needed)} to make, and this machine has {memory.amount(memory.total())}: "
            "take fewer"
        )


def free_space(folder: Path) -> int:
    """Free space on the disk of a folder, which need not exist yet [bytes]."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def _refuse_if_disk_too_small(study: StudyConfig, jobs: Sequence[Job]) -> None:
    folder, needed = study.storage.folder, _size(study, jobs)
    free = free_space(folder)
    if needed > free:
        raise OSError(
            f"{folder}: the set needs {memory.amount(needed)} more, and {memory.amount(free)} are free; "
            "choose another storage.folder or fewer samples"
        )


def _in_words(error: OSError, study: StudyConfig, jobs: Sequence[Job]) -> str:
    folder = study.storage.folder
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        left, free = unfinished(study, jobs), free_space(folder)
        return (
            f"{folder}: the disk is full: {memory.amount(free)} free, and the {samples(left)} samples still "
            f"to make need {memory.amount(_size(study, left))}. "
            "What was finished is kept: make room and run the same command again"
        )
    where = f": {error.filename}" if error.filename else ""
    return f"{folder}: cannot be written to ({error.strerror}{where}); choose another storage.folder"
