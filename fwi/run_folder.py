"""The run folder: its files, how a run is begun, and checks before it is resumed or used."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwi import config
from fwi.config import StudyConfig
from fwi.data import ShotDataset
from fwi.files import read_npy, read_regular, sha256, write_npy, write_whole

CONFIG, PROVENANCE, MEAN_MODEL = "config.yaml", "provenance.json", "mean_model.npy"
CHECKSUMS = "checksums.json"
"""SHA-256 of what is written once: study and mean model. Checkpoints carry checksums of their own."""
BEST, LAST = Path("checkpoints/best.ckpt"), Path("checkpoints/last.ckpt")
LARGEST_TABLE = 20_000_000
"""Bytes of the largest list of stages, checksums or epochs: each of these takes some hundred."""
ELSEWHERE = ("train.devices", "train.nodes")
"""Settings that may change when a run is resumed, because results stay equal within rounding."""


class RunError(ValueError):
    """A run folder that is missing, incomplete, or another's."""


def require_new(folder: Path) -> None:
    """Refuse a folder that already holds a run.

    Raises:
        RunError: the folder holds a run.
    """
    if (folder / CONFIG).exists():
        raise RunError(f"{folder} holds a run; continue it with --resume, or choose another --run")


def begin(folder: Path, study: StudyConfig) -> None:
    """Start a new run folder with its study.

    Raises:
        RunError: the folder already holds a run.
        OSError: it is not writable.
    """
    require_new(folder)
    write_whole(folder / CONFIG, config.dump(study))
    _seal(folder, CONFIG)


def require_own(folder: Path, given: StudyConfig) -> None:
    """Refuse to continue a run with another study than it was begun with.

    Raises:
        RunError: there is no run, or its study is another; every setting that differs is named.
    """
    different = [
        f"  - {key}: {wanted} given, {own} in the run"
        for key, own, wanted in changed(read_study(folder), given)
        if key not in ELSEWHERE
    ]
    if different:
        raise RunError(
            f"{folder} goes on with the study it was begun with; leave these out, or begin another --run:\n"
            + "\n".join(different)
        )


def described(training: ShotDataset, validation: ShotDataset) -> dict[str, dict[str, Any]]:
    """Describe the samples of a training, as its run stores them: their number and a common checksum."""
    parts = {"training": training, "validation": validation}
    return {name: {"samples": len(part), "sha256": part.digest()} for name, part in parts.items()}


def require_same_data(folder: Path, data: dict[str, dict[str, Any]]) -> None:
    """Refuse to go on with other samples than those that a run was begun with.

    Args:
        folder: the run; an older one, which has not noted its samples, is not refused.
        data: the samples, as ``described``.

    Raises:
        RunError: the data sets have changed, or what was noted is damaged.
    """
    noted = [entry["data"] for entry in notes(folder) if entry.get("stage") == "train" and "data" in entry]
    if noted and noted[-1] != data:
        try:
            before, now = (
                " and ".join(f"{there[part]['samples']} {part}" for part in there)
                for there in (noted[-1], data)
            )
        except (TypeError, LookupError):
            raise RunError(
                f"{folder / PROVENANCE}: damaged (its 'data' tell no numbers of samples); bring it back "
                "from a copy, or delete it, and what it noted is lost"
            ) from None
        raise RunError(
            f"{folder} was begun with {before} samples, and its data sets now hold {now} samples that are "
            "others or in another order: bring them back as they were, or begin another --run"
        )


def changed(before: StudyConfig, after: StudyConfig) -> Iterator[tuple[str, Any, Any]]:
    """The settings in which two studies differ, such as ``train.epochs``, with both values as plain ones."""
    old, new = (study.model_dump(mode="json") for study in (before, after))
    for section, values in new.items():
        for key, value in values.items():
            if value != old[section][key]:
                yield f"{section}.{key}", old[section][key], value


def require_there(folder: Path) -> None:
    """Refuse to write into a run that is no longer there, which would leave pieces of one.

    Raises:
        RunError: the folder was moved or deleted.
    """
    if not (folder / CONFIG).exists():
        raise RunError(
            f"{folder} is gone: it was moved or deleted while this command wrote into it. Go on with "
            "'fwi train --resume' where it is now, or begin again"
        )


def notes(folder: Path) -> list[dict[str, Any]]:
    """The stages (training, evaluation) that a run went through, as ``provenance.json`` lists them.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / PROVENANCE
    if not path.exists():
        return []
    noted = _read_json(path)
    if not isinstance(noted, list) or not all(isinstance(entry, dict) for entry in noted):
        raise RunError(
            f"{path}: damaged (not a list of stages); delete it, and the next command begins it anew"
        )
    return noted


def note(folder: Path, stage: str, provenance: dict[str, Any]) -> None:
    """Add to ``provenance.json`` that a stage (training, evaluation) ran, below the earlier ones.

    Args:
        folder: the run's folder.
        stage: name of the stage.
        provenance: time, command, versions and machine, as ``fwi.provenance.provenance`` gives them.

    Raises:
        RunError: the file is damaged, or the run is gone.
    """
    require_there(folder)
    entries = [*notes(folder), {"stage": stage, **provenance}]
    write_whole(folder / PROVENANCE, json.dumps(entries, indent=1))


def write_mean_model(folder: Path, model: NDArray[np.float32]) -> None:
    """Keep the training set's mean model, which predictions and records are compared with.

    Args:
        folder: the run's folder.
        model: the mean model [m/s], shape ``(depth, x)``.
    """
    write_npy(folder / MEAN_MODEL, model)
    _seal(folder, MEAN_MODEL)


def read_mean_model(folder: Path) -> NDArray[np.float32]:
    """The training set's mean model [m/s], shape ``(depth, x)``.

    Raises:
        ValueError: it is missing or damaged.
    """
    model = read_npy(folder / MEAN_MODEL)
    _require_unchanged(folder, MEAN_MODEL, "bring it back from a copy, or train anew")
    return model


def read_study(folder: Path) -> StudyConfig:
    """Read the study of a run.

    Raises:
        RunError: there is no run.
    """
    if not (folder / CONFIG).exists():
        raise RunError(
            f"{folder}: no run here ({CONFIG} is missing); train one with "
            f"'fwi train --run {shlex.quote(str(folder))}'"
        )
    study = config.load([folder / CONFIG], earlier=True)
    what = f"bring it back, or delete its line in {CHECKSUMS} if the change is meant"
    _require_unchanged(folder, CONFIG, what)
    return study


def renew_study(folder: Path, study: StudyConfig) -> bool:
    """Write the study of a run anew where its file has settings of an earlier version.

    Args:
        folder: the run.
        study: its study, as it was read.

    Returns:
        Whether it was written.
    """
    try:
        config.load([folder / CONFIG])
    except config.ConfigError:
        write_whole(folder / CONFIG, config.dump(study))
        _seal(folder, CONFIG)
        return True
    return False


def _seal(folder: Path, name: str) -> None:
    """Note the SHA-256 of a file that is not to change any more."""
    write_whole(folder / CHECKSUMS, json.dumps({**_checksums(folder), name: sha256(folder / name)}, indent=1))


def _require_unchanged(folder: Path, name: str, remedy: str) -> None:
    """Refuse a file that is not what was sealed; one that never was, in an older run, is taken as it is."""
    noted = _checksums(folder).get(name)
    if noted is not None and noted != sha256(folder / name):
        raise RunError(f"{folder / name} has changed since it was written (SHA-256 differs): {remedy}")


def _checksums(folder: Path) -> dict[str, Any]:
    path = folder / CHECKSUMS
    found = _read_json(path) if path.exists() else {}
    if not isinstance(found, dict):
        raise RunError(f"{path}: damaged (not a list of checksums); bring it back from a copy, or delete it")
    return found


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_regular(path, LARGEST_TABLE))
    except (ValueError, RecursionError) as error:
        raise RunError(
            f"{path}: damaged ({error}); bring it back from a copy, or delete it, and what it noted is lost"
        ) from None
