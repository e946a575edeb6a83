"""The run folder: what it holds, how it is begun, and how a trained network is taken from it."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fwi import config
from fwi.config import StudyConfig
from fwi.files import read_npy, write_npy, write_whole

CONFIG, PROVENANCE, MEAN_MODEL = "config.yaml", "provenance.json", "mean_model.npy"
BEST, LAST = Path("checkpoints/best.ckpt"), Path("checkpoints/last.ckpt")
DECISIVE = ("grid", "survey", "model")
"""Sections of a study in which a checkpoint and its run must agree for the weights to mean anything."""


class RunError(ValueError):
    """A run folder that is missing, incomplete, or another's."""


def require_new(folder: Path) -> None:
    """Refuse a folder that already holds a run.

    Raises:
        RunError: it does.
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


def require_own(folder: Path, given: StudyConfig) -> None:
    """Refuse to continue a run with another study than it was begun with.

    Raises:
        RunError: there is no run, or its study is another; every setting that differs is named.
    """
    different = [
        f"  - {key}: {wanted} given, {own} in the run"
        for key, own, wanted in changed(read_study(folder), given)
    ]
    if different:
        raise RunError(
            f"{folder} goes on with the study it was begun with; leave these out, or begin another --run:\n"
            + "\n".join(different)
        )


def changed(before: StudyConfig, after: StudyConfig) -> Iterator[tuple[str, Any, Any]]:
    """The settings in which two studies differ, such as ``train.epochs``, with both values as plain ones."""
    old, new = (study.model_dump(mode="json") for study in (before, after))
    for section, values in new.items():
        for key, value in values.items():
            if value != old[section][key]:
                yield f"{section}.{key}", old[section][key], value


def note(folder: Path, stage: str, provenance: dict[str, Any]) -> None:
    """Add to ``provenance.json`` that a stage (training, evaluation) ran, below the earlier ones."""
    path = folder / PROVENANCE
    noted = json.loads(path.read_text()) if path.exists() else []
    write_whole(path, json.dumps([*noted, {"stage": stage, **provenance}], indent=1))


def write_mean_model(folder: Path, model: NDArray[np.float32]) -> None:
    """Keep the training set's mean model, which predictions and records are compared with."""
    write_npy(folder / MEAN_MODEL, model)


def read_mean_model(folder: Path) -> NDArray[np.float32]:
    """The training set's mean model [m/s], shape ``(depth, x)``.

    Raises:
        ValueError: it is missing or damaged.
    """
    return read_npy(folder / MEAN_MODEL)


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
    return config.load([folder / CONFIG])


def read_checkpoint(folder: Path, which: Path, study: StudyConfig) -> dict[str, Any]:
    """Read a checkpoint of a run and make sure that it belongs to the run's study.

    Args:
        folder: the run.
        which: ``BEST`` or ``LAST``.
        study: the run's study.

    Raises:
        RunError: the checkpoint is missing, damaged, or of a study with another grid, survey or network.
    """
    path = folder / which
    if not path.exists():
        raise RunError(
            f"{path}: no such checkpoint; the run has not finished an epoch, continue it with --resume"
        )
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        told = checkpoint["hyper_parameters"]["study"]
        # Keys that came later stand at the defaults, with which the code does what it did before them.
        trained = StudyConfig.model_validate({section: told[section] for section in DECISIVE})
    except Exception as error:  # torch raises many kinds for a damaged file
        raise RunError(f"{path}: not a readable checkpoint ({type(error).__name__}: {error})") from None
    different = [
        f"{key}: {past} in the checkpoint, {present} in {CONFIG}"
        for key, past, present in changed(trained, study)
        if key.partition(".")[0] in DECISIVE
    ]
    if different:
        raise RunError(f"{path} is of another study than {folder / CONFIG}:\n" + "\n".join(different))
    return checkpoint
