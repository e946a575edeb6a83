"""Progress of long work: a bar in a terminal, a line now and then elsewhere; both with rate and time left."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from experiments.terminal import escaped, unescaped

LINE_EVERY = 15.0
"""Seconds between lines where there is no terminal."""


class Report(Protocol):
    """What shows progress: it is called with the number done so far, and a remark such as a misfit."""

    def __call__(self, done: int, remark: str = "") -> None:
        """Show the number done so far."""


@contextmanager
def progress(title: str, total: int, unit: str) -> Iterator[Report]:
    """Show progress while the block runs; call what it yields with the number done so far."""
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"{unit}, {{task.fields[remark]}}{{task.fields[rate]}}/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        # Beside the bar, rich prints what others do, and obeys the sequences in it.
        with Progress(*columns, console=Console(file=unescaped(sys.stderr))) as bar, escaped():
            task, start = bar.add_task(title, total=total, rate="...", remark=""), time.monotonic()

            def update(done: int, remark: str = "") -> None:
                rate = _rate(done / max(time.monotonic() - start, 1e-9))
                bar.update(task, completed=done, rate=rate, remark=_remark(remark))

            yield update
        return
    yield _Lines(title, total, unit)


class _Lines:
    def __init__(self, title: str, total: int, unit: str) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.start = self.last = time.monotonic()
        self.shown = 0

    def __call__(self, done: int, remark: str = "") -> None:
        now = time.monotonic()
        if done == self.shown or (now - self.last < LINE_EVERY and done < self.total):
            return
        self.last, self.shown = now, done
        rate = done / max(now - self.start, 1e-9)
        left = (self.total - done) / rate if rate else float("inf")
        print(
            f"{self.title}: {done}/{self.total} {self.unit}, {_remark(remark)}{_rate(rate)}/s, "
            f"{left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def _remark(text: str) -> str:
    return f"{text}, " if text else ""


def _rate(per_second: float) -> str:
    return f"{per_second:.1f}" if per_second >= 1 else f"{per_second:.2g}"
