"""Commands in processes of their own, to be watched and killed, for tests."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PATIENCE = 120.0
"""Seconds to wait for another process on a busy machine before a test fails."""


class Running:
    """Processes that a test started, each in a group of its own, to be killed when it ends."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        """Start Python with these arguments, in the repository."""

        def take_interrupts() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a test run in the background may ignore

        self.started.append(
            subprocess.Popen(
                [sys.executable, *map(str, arguments)], cwd=REPOSITORY, env=os.environ | environment,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                start_new_session=True, preexec_fn=take_interrupts,
            )
        )  # fmt: skip
        return self.started[-1]

    def end(self) -> None:
        """Kill what is left."""
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def forked(work: Callable[..., None], *arguments: object) -> multiprocessing.Process:
    """Start work in a copy of this process, which has imported already what takes seconds to import."""
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    return process


def alive(process: int) -> bool:
    """Whether a process runs; one that is dead but not yet collected by its new parent does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def children(process: int) -> list[int]:
    """The worker processes of a command, without the tracker of its semaphores."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return [int(child) for child in found if "spawn_main" in _command_line(child)]
    return []


def wait_until(come: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait, and fail after a while."""
    end = time.monotonic() + patience
    while not come():
        assert time.monotonic() < end, f"waited {patience:g} s for: {what}"
        time.sleep(0.005)


def _command_line(process: str) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/cmdline").read_text()
    return ""
