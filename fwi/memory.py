"""The machine's memory, against which needs are compared before memory is allocated."""

import contextlib
import os
import resource
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def total() -> int:
    """Return the bytes that this process may use, within the limits of machine, container and ``ulimit``."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError):
        own = Path("/proc/self/cgroup").read_text().rpartition("::/")[2].strip()
        for file in (CGROUPS / "memory.max", CGROUPS / own / "memory.max"):
            with contextlib.suppress(OSError, ValueError):  # no such limit, or "max"
                limits.append(int(file.read_text()))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min(limits if soft == resource.RLIM_INFINITY else [*limits, soft])


def amount(size: int) -> str:
    """Format a number of bytes for messages."""
    if size < 1e4:
        return f"{size} bytes"
    return f"{size / 1e9:,.2f} GB" if size >= 1e8 else f"{size / 1e6:.2f} MB"
