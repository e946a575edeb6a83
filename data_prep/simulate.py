"""Making a data set: models to records to shards, in a pool of processes, resumable at any moment.

A shard is a pure function of the study and its ``Job``. One thread per process scales better than threads
within the wave equation; a killed run leaves only whole shards, and running it again makes what is missing.
"""

import contextlib
import functools
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing.connection import wait as wait_for_handle
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


from fwi import shards
from fwi.config import SPLITS, Split, StudyConfig
from fwi.files import remove_leftovers, sha256
from fwi.shards import DataSet, Entry, Samples, ShardError
from fwi.survey import Survey
from fwi.tracking import provenance, versions

OnProgress = Callable[[int], None]
"""Called with the number of samples simulated so far."""


class Job(NamedTuple):
    """One shard to make."""

    file: str
    split: Split
    numbers: list[int]
    """Number of each sample in its stream or source."""
    origin: dict[str, Any]
    """Where the models come from, for the manifest."""
    models: NDArray[np.float32] | None = None
    """The models [m/s], shape ``(sample, depth, x)``; None draws them from the study's salt preset."""


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
        OSError: the disk is full or the folder not writable.
    """
    return make(study, salt_jobs(study), workers, on_progress)


def salt_jobs(study: StudyConfig) -> list[Job]:
    """The shards of the study's random models, split by split."""
    jobs = []
    for stream, split in enumerate(SPLITS):
        total, step = getattr(study.storage, split), study.storage.samples_per_shard
        origin = {"salt": study.salt.model_dump(mode="json"), "stream": stream}
        jobs += [
            Job(f"{split}-{first // step:05d}.h5", split, list(range(first, min(first + step, total))), origin)
            for first in range(0, total, step)
        ]
    return jobs


def make(
    study: StudyConfig, jobs: Sequence[Job], workers: int, on_progress: OnProgress = lambda done: None
) -> DataSet:
    """Make the shards of ``jobs`` that the study's folder lacks.

    Args:
        study: grid, survey, physics and storage.
        jobs: the shards wanted.
        workers: processes, each of one thread.
        on_progress: told the samples done in this run.

    Raises:
        ShardError: the folder holds a set of another recipe, or a shard of another origin under a job's name.
        OSError: the disk is full or the folder not writable.
    """
    Survey(study.grid, study.survey).check(study.physics.order)
    data = _begin(study)
    remove_leftovers(data.folder)
    data, missing = _without_finished(data, jobs)
    _refuse_if_disk_too_small(study, missing)
    done = 0
    if not missing:
        return data
    with _pool(min(workers, len(missing))) as (executor, counter):
        waiting = {executor.submit(make_shard, study, job) for job in missing}
        while waiting:
            finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in finished:
                data = data.with_entry(future.result())
                data.write()
            if counter.value != done:
                done = counter.value
                on_progress(done)
    return data


def make_shard(study: StudyConfig, job: Job) -> Entry:
    """Simulate one shard and write it: a pure function of the study and the job."""
    velocity, salt = _models(study, job)
    gathers = np.empty((len(job.numbers), *Survey(study.grid, study.survey).gather_shape), study.storage.dtype)
    for i, records in enumerate(_records(study, velocity)):
        gathers[i] = records
        _count_one()
    seed = np.array(job.numbers)
    attributes = {"study": _recipe(study), "origin": job.origin, "versions": versions()}
    path = study.storage.folder / job.file
    size, digest = shards.write(
        path, Samples(gathers, velocity, salt, seed), Survey(study.grid, study.survey), attributes
    )
    return Entry(job.file, job.split, len(job.numbers), size, digest, job.origin)


def plan(study: StudyConfig, jobs: Sequence[Job]) -> Plan:
    """Count what ``jobs`` would take, and time one sample to estimate how long."""
    survey = Survey(study.grid, study.survey)
    samples = sum(len(job.numbers) for job in jobs)
    itemsize = np.dtype(study.storage.dtype).itemsize
    per_sample = int(np.prod(survey.gather_shape)) * itemsize + study.grid.nz * study.grid.nx * 5
    pad = 2 * study.physics.pml_width
    middle = np.full((1, study.grid.nz, study.grid.nx), np.mean(study.grid.velocity), np.float32)
    next(_records(study, middle))  # the first call also loads libraries
    start = time.perf_counter()
    next(_records(study, middle))
    seconds = time.perf_counter() - start
    return Plan(
        samples,
        samples * per_sample,
        samples * survey.config.shots * survey.config.nt,
        (study.grid.nz + pad) * (study.grid.nx + pad),
        seconds,
    )


def _models(study: StudyConfig, job: Job) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    if job.models is not None:
        return job.models, (job.models >= study.salt.threshold).astype(np.uint8)
    from data_prep.salt import generate

    drawn = [generate(study.grid, study.salt, job.origin["stream"], number) for number in job.numbers]
    return np.stack([model.velocity for model in drawn]), np.stack([model.salt for model in drawn])


def _records(study: StudyConfig, velocity: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Records of each model in turn, ``(shot, time, receiver)``: one model at a time bounds the memory."""
    import torch

    propagator = _propagator(study)
    for model in velocity:
        with torch.inference_mode():
            yield propagator(torch.from_numpy(model)[None])[0].numpy()


@functools.lru_cache(maxsize=1)
def _propagator_of(recipe: str) -> Any:
    from fwi.physics import Propagator

    study = StudyConfig.model_validate_json(recipe)
    return Propagator(Survey(study.grid, study.survey), study.physics)


def _propagator(study: StudyConfig) -> Any:
    return _propagator_of(study.model_dump_json(include={"grid", "survey", "physics"}))


def _recipe(study: StudyConfig) -> dict[str, Any]:
    """What all shards of a folder must share. The memory limit changes no record."""
    return {
        **Survey(study.grid, study.survey).to_dict(),
        "physics": study.physics.model_dump(mode="json", exclude={"memory"}),
        "storage": {"dtype": study.storage.dtype},
    }


def _begin(study: StudyConfig) -> DataSet:
    """The folder's data set so far, or a new one."""
    folder, recipe = study.storage.folder, _recipe(study)
    if not (folder / shards.MANIFEST).exists():
        data = DataSet(folder, recipe, provenance())
        data.write()
        return data
    data = DataSet.read(folder)
    different = data.survey.differences(Survey(study.grid, study.survey))
    for section in ("physics", "storage"):
        old, new = data.recipe[section], recipe[section]
        different += [f"{section}.{key}: {old.get(key)} against {new[key]}" for key in new if old.get(key) != new[key]]
    if different:
        raise ShardError(
            f"{folder} holds a set of another recipe; choose another storage.folder.\n"
            + "\n".join(f"  - {line}" for line in different)
        )
    return data


def _without_finished(data: DataSet, jobs: Sequence[Job]) -> tuple[DataSet, list[Job]]:
    """Leave out the jobs whose shard is there, taking up those that a killed run left out of the manifest."""
    known = {entry.file: entry for entry in data.entries}
    missing, found = [], False
    for job in jobs:
        path, entry = data.folder / job.file, known.get(job.file)
        if not path.exists():
            missing.append(job)
            continue
        if entry is None:
            # Named finally, so whole; the run was killed before it could note it.
            entry = Entry(job.file, job.split, len(job.numbers), path.stat().st_size, sha256(path), job.origin)
            data, found = data.with_entry(entry), True
        if (entry.samples, entry.origin) != (len(job.numbers), job.origin):
            raise ShardError(
                f"{path} holds {entry.samples} samples of {entry.origin}, this run would put {len(job.numbers)} of "
                f"{job.origin} there; choose another storage.folder"
            )
    if found:
        data.write()
    return data, missing


def _refuse_if_disk_too_small(study: StudyConfig, jobs: Sequence[Job]) -> None:
    itemsize = np.dtype(study.storage.dtype).itemsize
    per_sample = int(np.prod(Survey(study.grid, study.survey).gather_shape)) * itemsize
    needed = sum(len(job.numbers) for job in jobs) * per_sample
    free = shutil.disk_usage(study.storage.folder).free
    if needed > free:
        raise OSError(
            f"{study.storage.folder}: the set needs {needed / 1e9:.2f} GB and {free / 1e9:.2f} GB are free; "
            "choose another storage.folder or fewer samples"
        )


# -- the pool of processes

_samples_done: Any = None  # a counter shared with the parent, set in workers alone


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    """Processes of one thread each, which end with their parent whatever ends it; and their count of samples."""
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    executor = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(counter,))
    try:
        yield executor, counter
    except BaseException:
        # Nothing half-made is worth waiting for: shards have their name only when they are whole.
        for process in multiprocessing.active_children():
            process.terminate()
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    executor.shutdown()


def _start_worker(counter: Any) -> None:
    global _samples_done
    import torch

    _samples_done = counter
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_handle([parent.sentinel])
        os._exit(1)


def _count_one() -> None:
    if _samples_done is not None:
        with _samples_done.get_lock():
            _samples_done.value += 1
