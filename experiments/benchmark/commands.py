"""Commands in processes of their own, on small data sets of a study, and what they took."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from fwi import config
from fwi.config import StudyConfig
from fwi.files import write_whole


class Usage(NamedTuple):
    """The resources that a command used."""

    seconds: float
    cpu_seconds: float
    """CPU time of all its processes."""
    peak: float
    """Largest resident memory of one of its processes [MB]."""


def command(study: StudyConfig, *arguments: str) -> Usage:
    """Run an ``fwi`` command on a study, as a user would."""
    file = study.storage.folder.with_suffix(".yaml")
    write_whole(file, config.dump(study))
    words = [sys.executable, "-m", "experiments", arguments[0], "--config", str(file), *arguments[1:]]
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        process = subprocess.Popen(words, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise OSError(f"'fwi {arguments[0]}' failed:\n{log.read().decode(errors='replace')}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6)


def stored(study: StudyConfig, folder: Path, **storage: int) -> StudyConfig:
    """The study with another, small data set, one epoch, and no tracking."""
    values = {"folder": folder, "validation": 0, "test": 0, **storage}
    return study.model_copy(
        update={
            "storage": study.storage.model_copy(update=values),
            "data": study.data.model_copy(update={"extra_folders": ()}),
            "train": study.train.model_copy(update={"epochs": 1}),
            "tracking": study.tracking.model_copy(update={"mode": "disabled"}),
        }
    )
