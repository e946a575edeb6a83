"""The pool of processes, interrupted while many jobs end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import PATIENCE, Running

ROUNDS = 4
INTERRUPTED = f"""
import random, signal, time
from data_prep.make import pool
from fwi import interrupts

if __name__ == "__main__":
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    for _ in range({ROUNDS}):
        with interrupts.raised():
            try:
                results = pool.completed(time.sleep, [0.001] * 3000, 2, lambda steps: None)
                next(results)
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.001, 0.3))
                for _ in results:
                    pass
            except KeyboardInterrupt:
                print("interrupted", flush=True)
"""

UNGUARDED = """
import time
from data_prep.make import pool

print("the script begins", flush=True)
print(len(list(pool.completed(time.sleep, [0.001] * 3, 2, lambda steps: None))), __file__ is not None)
"""


@pytest.fixture
def running() -> Iterator[Running]:
    processes = Running()
    yield processes
    processes.end()


@pytest.mark.slow
def test_a_pool_that_is_interrupted_at_any_moment_ends(running: Running, tmp_path: Path) -> None:
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)

    out, errors = running.start(script, PYTHONPATH=".").communicate(timeout=PATIENCE)

    assert out == ROUNDS * "interrupted\n", errors


def test_a_script_without_a_main_guard_is_run_once(running: Running, tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED)

    out, errors = running.start(script, PYTHONPATH=".").communicate(timeout=PATIENCE)

    assert out == "the script begins\n3 True\n", errors
