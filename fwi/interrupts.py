"""Ctrl-C and the request to end (SIGTERM), raised as an exception at any moment, but only once.

A command runs within ``raised()``; code that starts processes does so within ``held_back()``.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import parent_process, resource_tracker
from multiprocessing.connection import wait
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)

PATIENCE = 1.0
"""Seconds after a first signal in which a second is taken as the same one, because ``timeout`` signals both
the command and its group. A later signal ends the program without waiting for it to clean up."""


class Interrupted(KeyboardInterrupt):
    """The user pressed Ctrl-C, or a scheduler asked the program to end."""


def check() -> None:
    """Raise again an interruption that a library has swallowed; for each step of long work.

    Raises:
        Interrupted: a signal came within the block of ``raised()`` that is running.
    """
    if _running is not None and _running.number is not None:
        raise Interrupted


class Interruption:
    """The signal that ended a block of ``raised()``, if one did."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._since = 0.0

    def came(self, patience: float = 0.0) -> bool:
        """Whether a signal arrived, or arrives within a short time.

        Args:
            patience: time to wait for a signal [s]: a signal to the whole group of processes can end a
                worker, and the worker's end can be noticed, before the signal arrives here.
        """
        with contextlib.suppress(Interrupted):
            if self.number is None:
                time.sleep(patience)
        return self.number is not None

    @property
    def exit_code(self) -> int:
        """Exit code that a shell expects after a signal: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.number or signal.SIGINT)

    def _take(self, number: int, _: FrameType | None) -> None:
        if self.number is None:
            self.number, self._since = number, time.monotonic()
            raise Interrupted
        if time.monotonic() - self._since > PATIENCE:
            os.write(2, b"fwi: error: interrupted twice, so ended at once; what was finished is kept\n")
            os._exit(self.exit_code)

    def _again(self) -> None:
        number, self.number = self.number, None
        os.kill(os.getpid(), number or signal.SIGINT)


_running: Interruption | None = None  # what the innermost block of raised() has yielded


@contextlib.contextmanager
def raised() -> Iterator[Interruption]:
    """Raise ``Interrupted`` in the block at Ctrl-C and at SIGTERM; for the main thread.

    Libraries turn it into errors of their own, so the yielded object says whether a signal arrived. After a
    signal, errors of other threads and of finalisers are not shown, as they are only its consequence.
    """
    global _running
    interruption = Interruption()
    outer, _running = _running, interruption
    before = {number: signal.getsignal(number) for number in SIGNALS}
    thread_hook, final_hook = threading.excepthook, sys.unraisablehook

    def in_thread(failure: Any) -> None:
        if interruption.number is None:
            thread_hook(failure)

    def in_finaliser(failure: Any) -> None:
        if isinstance(failure.exc_value, Interrupted):  # Python drops what is raised there
            threading.Timer(0.05, interruption._again).start()
        elif interruption.number is None:
            final_hook(failure)

    threading.excepthook, sys.unraisablehook = in_thread, in_finaliser
    for number in SIGNALS:
        signal.signal(number, interruption._take)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        threading.excepthook, sys.unraisablehook = thread_hook, final_hook
        _running = outer


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM while processes are started; this process receives them after the block.

    Ctrl-C does not reach the started processes, and none is left half started. Nor do they run the caller's
    script again.
    """
    came: list[int] = []
    # Another thread may take the signal, whose handler then runs here although this thread blocks it.
    here = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in SIGNALS} if here else {}
    for number in before:
        signal.signal(number, lambda number, _: came.append(number))
    resource_tracker.ensure_running()  # which, begun in the block, would end what the next line does
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # processes started now inherit this
    try:
        with _without_script():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@contextlib.contextmanager
def _without_script() -> Iterator[None]:
    """Start processes that do not run the caller's script again, as they would where it has no main guard.

    What they do is imported from this project, so they need nothing of the script.
    """
    main = sys.modules["__main__"]
    script = main.__dict__.pop("__file__", None) if main.__spec__ is None else None
    try:
        yield
    finally:
        if script is not None:
            main.__file__ = script


def end_with_parent() -> None:
    """End this process as soon as its parent is gone, whatever it is doing; run it in a separate thread."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
