"""A pool of processes for long work that may be interrupted.

No process outlives its parent, and all of them count their progress. Processes of one thread each scale
better than threads within the wave equation.
"""

import contextlib
import multiprocessing
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from fwi.interrupts import check, end_with_parent, held_back

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")

REPORT_EVERY = 0.5
"""Longest time between two readings of the count of steps [s]."""

_steps_done: Any = None  # a counter shared with the parent, set in workers alone
_number = 0


def completed(
    work: Callable[[JobT], ResultT], jobs: Sequence[JobT], workers: int, on_progress: Callable[[int], None]
) -> Generator[ResultT]:
    """Do each job in one of several processes.

    Closing the generator ends the processes at once.

    Args:
        work: function of a job, which may call ``count_step``. It is sent by pickle, as the jobs are.
        jobs: the jobs, at least one.
        workers: number of processes, each of one thread.
        on_progress: called in this process with the number of steps that all workers have counted.

    Yields:
        The results, in the order in which the jobs are finished.

    Raises:
        ChildProcessError: a worker was killed.
        Exception: whatever ``work`` raises.
    """
    with _pool(min(workers, len(jobs))) as (executor, counter):
        # Not futures.wait(): it locks every future, and an interruption there leaves locks taken that the
        # executor's thread needs in order to end.
        finished: SimpleQueue[Future[ResultT]] = SimpleQueue()
        with held_back():
            for job in jobs:
                executor.submit(work, job).add_done_callback(finished.put)
        done, waiting = 0, len(jobs)
        while waiting:
            check()
            ended = _all_of(finished, patience=REPORT_EVERY)
            waiting -= len(ended)
            if counter.value != done:
                done = counter.value
                on_progress(done)
            for future in sorted(ended, key=lambda future: future.exception() is not None):
                yield future.result()  # what succeeded first, lest an error hide it


def count_step() -> None:
    """Count a step of the work for the parent's progress; outside of a worker this does nothing."""
    if _steps_done is not None:
        with _steps_done.get_lock():
            _steps_done.value += 1


def number() -> int:
    """Number of this worker in its pool, counted from 0; 0 outside of a worker."""
    return _number


def _all_of(queue: SimpleQueue[JobT], patience: float) -> list[JobT]:
    """Take all items out of the queue; wait at most ``patience`` seconds for the first one."""
    items = []
    with contextlib.suppress(Empty):
        items.append(queue.get(timeout=patience))
        while True:
            items.append(queue.get_nowait())
    return items


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    context = multiprocessing.get_context("spawn")
    counter, started = context.Value("q", 0), context.Value("q", 0)
    executor = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(counter, started))
    others = set(multiprocessing.active_children())
    try:
        yield executor, counter
    except BaseException as error:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        executor.shutdown(wait=True, cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise ChildProcessError(
                "a worker was killed, perhaps because the memory ran out; what was finished is kept. "
                "Run the same command again to continue, with fewer workers if it was the memory"
            ) from None
        raise
    executor.shutdown()


def _start_worker(counter: Any, started: Any) -> None:
    global _steps_done, _number
    threading.Thread(target=end_with_parent, daemon=True).start()  # before anything that takes time
    import torch

    torch.set_num_threads(1)
    _steps_done = counter
    with started.get_lock():
        _number = started.value
        started.value += 1
