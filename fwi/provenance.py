"""The provenance of a result: versions, commit, machine and time."""

import datetime
import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("salt-fwi", "torch", "deepwave", "numpy", "h5py", "lightning")


def versions() -> dict[str, str]:
    """Return the versions of the packages that affect results, and this project's commit in a checkout."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    commit = _commit()
    return {**found, "commit": commit} if commit else found


def provenance() -> dict[str, Any]:
    """Return versions, time, command and machine of this process."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": versions(),
        "machine": {"system": platform.platform(), "processor": _processor(), "cpus": os.cpu_count()},
    }


def _commit() -> str | None:
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return (
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
            or None
        )
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
