"""The machine's memory, and what of it a process may have."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from fwi import memory


def machine() -> int:
    """The memory that Linux tells of [bytes]."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemTotal"))


def test_a_process_has_at_most_the_memory_of_its_machine() -> None:
    assert 0 < memory.total() <= machine()


def test_a_container_and_a_limit_of_the_shell_leave_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    unlimited = memory.total()
    (tmp_path / "memory.max").write_text("12000000\n")
    in_a_container = memory.total()
    monkeypatch.setattr(resource, "getrlimit", lambda which: (9_000_000, resource.RLIM_INFINITY))

    assert unlimited > 12_000_000
    assert in_a_container == 12_000_000
    assert memory.total() == 9_000_000


KEEPS = """
import resource, sys
import numpy as np
from fwi import memory

if sys.argv[1] == "keep":
    memory.keep_freed()
np.ones(8_000_000)  # 64 MB, more than glibc keeps by itself
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_memory_that_was_freed_is_taken_again_without_page_faults():
    faults = [
        int(subprocess.run([sys.executable, "-c", KEEPS, how], capture_output=True, text=True).stdout)
        for how in ("keep", "leave")
    ]

    assert faults[0] < faults[1] / 5
