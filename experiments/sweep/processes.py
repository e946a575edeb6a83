"""Runs as processes of their own: several at once, one's crash is its own, and none outlives the sweep."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NamedTuple

from experiments import cli
from fwi.files import appending
from fwi.interrupts import check, end_with_parent, held_back

LOG = "sweep.log"
"""File in the run's folder with the output of its commands."""
LOOK_EVERY = 2.0
"""Seconds between two looks at the progress."""


class Work(NamedTuple):
    """Commands to be run one after the other."""

    folder: Path
    """Where they are logged."""
    commands: list[list[str]]
    """Arguments of ``fwi``."""
    environment: dict[str, str]


def finished(work: Sequence[Work], workers: int, look: Callable[[], None]) -> Generator[tuple[Path, str]]:
    """Do all the work, several pieces at once; a generator to be closed, which ends the processes at once.

    Args:
        work: the pieces, in the order in which they are begun.
        workers: processes at once, which share the cores.
        look: called now and then.

    Yields:
        Folder of each piece, in the order in which they end, and what went wrong if something did.
    """
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // max(1, min(workers, len(work))))
    share = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    waiting = list(work)
    active: dict[int, tuple[SpawnProcess, Path]] = {}
    try:
        while waiting or active:
            while waiting and len(active) < workers:
                folder, commands, environment = waiting.pop(0)
                folder.mkdir(parents=True, exist_ok=True)
                process = context.Process(target=_run, args=(commands, folder / LOG, share | environment))
                with held_back():
                    process.start()
                active[process.sentinel] = (process, folder)
            check()
            ended = wait(list(active), LOOK_EVERY)
            for sentinel in [each for each in active if each in ended]:
                process, folder = active.pop(sentinel)
                process.join()
                yield folder, _failure(folder / LOG, process.exitcode)
            look()
    finally:
        for process, _ in active.values():
            process.kill()  # a run goes on from its last epoch after that as after anything else
            process.join()


def _failure(log: Path, code: int | None) -> str:
    if code is not None and code < 0:
        return (
            f"killed by signal {-code}, perhaps because the memory ran out: then take fewer --workers ({log})"
        )
    if code == 0:
        return ""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f"failed: {lines[-1] if lines else f'exit code {code}'} ({log})"


def _run(commands: Sequence[Sequence[str]], log: Path, environment: dict[str, str]) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    os.environ |= environment  # before torch is imported, which counts its threads then
    with appending(log) as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    for arguments in commands:
        print("$ fwi", *arguments, flush=True)
        cli.main(arguments)
