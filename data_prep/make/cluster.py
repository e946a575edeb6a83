"""Jobs on a Dask cluster. Workers may come and go: if one is lost, another worker does its job.

Scheduler and workers need this package, and a shared file system on which the study's folder has the same
path. Each worker writes its records directly into the folder, and only returns a small result.
"""

import contextlib
import functools
import logging
import os
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from data_prep.make.jobs import Job

ResultT = TypeVar("ResultT")

PATIENCE = "15s"
"""Longest time that a scheduler may take to answer the first call."""


def completed(
    work: Callable[[Job], ResultT], jobs: Sequence[Job], scheduler: str, on_progress: Callable[[int], None]
) -> Generator[ResultT, None, None]:
    """Do each job on one of a cluster's workers.

    Closing the generator withdraws the jobs that have not begun.

    Args:
        work: function of a job. It is sent to the workers by pickle, as the jobs are.
        jobs: the jobs, at least one.
        scheduler: address of the Dask scheduler, such as "tcp://10.0.0.1:8786".
        on_progress: called with the number of samples in the jobs that are done.

    Yields:
        The results, in the order in which the jobs are finished.

    Raises:
        ValueError: Dask is not installed.
        ConnectionError: the scheduler cannot be reached, or the connection was lost.
        ChildProcessError: more workers were killed during a job than the scheduler allows.
        Exception: whatever ``work`` raises.
    """
    with _client(scheduler) as client:
        from distributed import CancelledError, KilledWorker, as_completed
        from distributed.comm.core import CommClosedError

        # Names of this run alone: another run's jobs on the same scheduler may have the same files.
        names = [(f"shard-{uuid.uuid4().hex}", job.file) for job in jobs]
        futures = client.map(functools.partial(_as_here, work, Path.cwd()), jobs, key=names, pure=False)
        job_of, done = dict(zip(futures, jobs, strict=True)), 0
        for future in as_completed(futures, loop=client.loop):  # type: ignore[no-untyped-call]
            job = job_of.pop(future)
            try:
                result: ResultT = future.result()
            except (CancelledError, CommClosedError):
                raise ConnectionError(
                    f"{scheduler}: the Dask scheduler was lost; what was finished is kept. Start it again, "
                    "and run the same command again to continue"
                ) from None
            except KilledWorker as death:
                raise ChildProcessError(
                    f"{job.file}: {death.allowed_failures + 1} workers were killed while they made it, "
                    "perhaps because their memory ran out; what was finished is kept. Give the workers more "
                    "memory and run the same command again, or take a smaller storage.samples_per_shard in "
                    "another folder"
                ) from None
            future.release()
            done += len(job.numbers)
            on_progress(done)
            yield result


def _as_here(work: Callable[[Job], ResultT], folder: Path, job: Job) -> ResultT:
    """Do a job on a worker, on one thread and in the client's folder, so that relative paths agree."""
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(OSError):  # the paths may all be absolute
        os.chdir(folder)
    return work(job)


@contextlib.contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError:
        raise ValueError(
            "a scheduler needs Dask, which is not installed: "
            "pip install 'dask>=2025.1' 'distributed>=2025.1', or this package with its extra: '.[cluster]'"
        ) from None
    with _silent("distributed"):
        try:
            get_address_host_port(scheduler)  # a client of no address at all would not end
            client = Client(scheduler, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise ConnectionError(
                f"{scheduler}: no Dask scheduler answers there ({error}); 'dask scheduler' prints its address"
            ) from None
        with client:
            yield client


@contextlib.contextmanager
def _silent(package: str) -> Iterator[None]:
    """Silence the log of a package: its errors are raised with messages of this package."""
    loggers = [
        logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith(package)
    ]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
