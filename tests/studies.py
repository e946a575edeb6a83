"""Helpers of the tests that are no fixtures."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from fwi import config, files
from fwi.config import StudyConfig
from fwi.manifest import MANIFEST, DataSet

SimulateHere = Callable[[StudyConfig], DataSet]


def with_storage(study: StudyConfig, **changes: object) -> StudyConfig:
    """The same study, stored otherwise."""
    return study.model_copy(update={"storage": study.storage.model_copy(update=changes)})


def config_file(study: StudyConfig, folder: Path) -> Path:
    """A study as a file for the command line."""
    path = folder / "study.yaml"
    path.write_text(config.dump(study))
    return path


def content(folder: Path) -> dict[str, object]:
    """All that two runs must agree in: the hash of every file, and of the manifest all but when and where."""
    found: dict[str, object] = {path.name: files.sha256(path) for path in folder.iterdir()}
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["provenance"], manifest["checksum"]  # which is of the provenance, too
    for entry in manifest["shards"]:
        del entry["seconds"]
    return found | {MANIFEST: manifest}


def shards_in(folder: Path) -> int:
    """How many shards are finished."""
    return len(list(folder.glob("*.h5")))


def make_endless(path: Path, kind: str) -> None:
    """Put what has no end in the place of a file: a pipe, a device, or a terabyte that takes no room."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with open(path, "wb") as file:
            file.truncate(10**12)
