"""The run folder: what it holds, how it is begun, and how a trained network is taken from it."""

import json
import shlex
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fwi import config
from fwi.config import StudyConfig
from fwi.data import ShotDataset
from fwi.files import read_npy, read_regular, require_regular, sha256, write_npy, write_whole

CONFIG, PROVENANCE, MEAN_MODEL = "config.yaml", "provenance.json", "mean_model.npy"
CHECKSUMS = "checksums.json"
"""SHA-256 of what is written once: study and mean model. Checkpoints carry checksums of their own."""
BEST, LAST = Path("checkpoints/best.ckpt"), Path("checkpoints/last.ckpt")
LARGEST_TABLE = 20_000_000
"""Bytes of the largest list of stages, checksums or epochs: each of these takes some hundred."""
DECISIVE = ("grid", "survey", "model")
"""Sections of a study in which a checkpoint and its run must agree for the weights to mean anything."""
ELSEWHERE = ("train.devices", "train.nodes")
"""What a run may be continued with otherwise than it was begun with: results are equal within rounding."""
PREFIX = "inverter."
"""What the names of weights in a checkpoint begin with: the training holds the inverter."""
PARTS = {
    "epoch": int,
    "global_step": int,
    "state_dict": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "callbacks": dict,
    "loops": dict,
}
"""What of a checkpoint a training goes on from."""


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
    """The samples of a training, as its run notes them: how many, and a checksum of all."""
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

    Raises:
        RunError: the file is damaged, or the run is gone.
    """
    require_there(folder)
    entries = [*notes(folder), {"stage": stage, **provenance}]
    write_whole(folder / PROVENANCE, json.dumps(entries, indent=1))


def write_mean_model(folder: Path, model: NDArray[np.float32]) -> None:
    """Keep the training set's mean model, which predictions and records are compared with."""
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
    study = config.load([folder / CONFIG])
    what = f"bring it back, or delete its line in {CHECKSUMS} if the change is meant"
    _require_unchanged(folder, CONFIG, what)
    return study


def read_checkpoint(
    folder: Path, which: Path, study: StudyConfig, weights_alone: bool = False, earlier: bool = False
) -> dict[str, Any]:
    """Read a checkpoint of a run and make sure that it belongs to the run's study.

    Args:
        folder: the run.
        which: ``BEST`` or ``LAST``.
        study: the run's study.
        weights_alone: they are to be used, and no training is to go on from the checkpoint.
        earlier: take one of an earlier version as well.

    Raises:
        RunError: the checkpoint is missing, damaged, or of a study with another grid, survey or network.
    """
    path = folder / which
    if not path.exists():
        raise RunError(
            f"{path}: no such checkpoint; the run has not finished an epoch, continue it with --resume"
        )
    try:
        require_regular(path)
        with zipfile.ZipFile(path) as file:
            if sum(part.file_size for part in file.infolist()) > path.stat().st_size:  # torch packs nothing
                raise ValueError("its parts are said to be larger than the file")
            # The checksums that torch writes and does not compare.
            if (damaged := file.testzip()) is not None:
                raise ValueError(f"the checksum of its part {damaged} differs")
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        parts = {"state_dict": dict} if weights_alone or which == BEST else PARTS
        wrong = [name for name, kind in parts.items() if not isinstance(checkpoint.get(name), kind)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} is missing or of another type")
        told = checkpoint["hyper_parameters"]["study"]
        # Keys that came later stand at the defaults, with which the code does what it did before them.
        trained = StudyConfig.model_validate({section: told[section] for section in DECISIVE})
    except Exception as error:  # torch raises many kinds for a damaged file
        raise RunError(f"{path}: not a readable checkpoint ({type(error).__name__}: {error})") from None
    if not earlier and of_earlier_version(checkpoint):
        raise RunError(
            f"{path}: written by an earlier version, whose weights had other names: bring the run up to "
            f"date with 'fwi convert {shlex.quote(str(folder))}'"
        )
    require_own_model(folder, path, trained, study)
    return checkpoint


def of_earlier_version(checkpoint: dict[str, Any]) -> bool:
    """Whether a checkpoint's weights have the names that they had before there were inverters."""
    return any(str(name).startswith(("network.", "transform.")) for name in checkpoint["state_dict"])


def require_own_model(folder: Path, path: Path, trained: StudyConfig, study: StudyConfig) -> None:
    """Refuse weights that were trained with another grid, survey or network than the run's study has.

    Args:
        folder: the run.
        path: the file with the weights.
        trained: what they were trained with.
        study: the run's study.

    Raises:
        RunError: naming every setting that differs.
    """
    where = "checkpoint" if path.suffix == ".ckpt" else "inverter"
    different = [
        f"{key}: {past} in the {where}, {present} in {CONFIG}"
        for key, past, present in changed(trained, study)
        if key.partition(".")[0] in DECISIVE
    ]
    if different:
        raise RunError(f"{path} is of another study than {folder / CONFIG}:\n" + "\n".join(different))


def inverter_weights(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint by the names that they have in the inverter."""
    return {name.removeprefix(PREFIX): weights for name, weights in checkpoint["state_dict"].items()}


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
