"""The weights of a run: checkpoints to resume training from, and the inverter to use."""

import io
import shlex
import zipfile
from pathlib import Path
from typing import Any

import torch

from fwi import run_folder
from fwi.config import StudyConfig
from fwi.files import require_regular, write_whole
from fwi.inverter import Inverter, load
from fwi.inverter_file import FILE
from fwi.run_folder import RunError

DECISIVE = ("grid", "survey", "model")
"""Sections of a study in which a checkpoint and its run must agree for the weights to mean anything."""
PREFIX = "inverter."
"""Prefix of the names of weights in a checkpoint, as the inverter is a part of the training task."""
PARTS = {
    "epoch": int,
    "global_step": int,
    "state_dict": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "callbacks": dict,
    "loops": dict,
}
"""Entries of a checkpoint that a resumed training needs, with their types."""


def inverter(folder: Path, study: StudyConfig, which: Path | None = None) -> Inverter:
    """Load the inverter of a run, ready to invert.

    Args:
        folder: the run.
        study: the run's study.
        which: checkpoint to take the weights from, ``run_folder.BEST`` or ``run_folder.LAST``; the run's
            inverter file if left out.

    Raises:
        ValueError: the file is missing, damaged, or of another study.
    """
    if which is None and (folder / FILE).exists():
        made = load(folder / FILE)
        _require_own(folder, folder / FILE, made.study, study)
        return made
    content = read(folder, which or run_folder.BEST, study, weights_alone=True)
    if which is None:
        raise RunError(
            f"{folder / FILE}: no such file, although the run has a checkpoint: make it anew with "
            f"'fwi convert {shlex.quote(str(folder))}'"
        )
    made = Inverter(study, mean_model=run_folder.read_mean_model(folder))
    try:
        made.load_state_dict(inverter_weights(content))
    except (RuntimeError, TypeError, AttributeError) as error:
        why = str(error).strip().splitlines()[-1].strip()
        raise RunError(f"{folder / which}: not the weights of this run's network ({why})") from None
    return made.ready()


def read(
    folder: Path, which: Path, study: StudyConfig, weights_alone: bool = False, earlier: bool = False
) -> dict[str, Any]:
    """Read a checkpoint of a run and make sure that it belongs to the run's study.

    Args:
        folder: the run.
        which: ``run_folder.BEST`` or ``run_folder.LAST``.
        study: the run's study.
        weights_alone: require the weights only, because no training is resumed from the checkpoint.
        earlier: accept a checkpoint of an earlier version as well.

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
            # torch writes these checksums but does not compare them.
            if (damaged := file.testzip()) is not None:
                raise ValueError(f"the checksum of its part {damaged} differs")
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        parts = {"state_dict": dict} if weights_alone or which == run_folder.BEST else PARTS
        wrong = [name for name, kind in parts.items() if not isinstance(checkpoint.get(name), kind)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} is missing or of another type")
        stated = checkpoint["hyper_parameters"]["study"]
        # Keys added since then take their defaults, which keep the behaviour of the earlier version.
        trained = StudyConfig.model_validate({section: stated[section] for section in DECISIVE})
    except Exception as error:  # torch raises many kinds for a damaged file
        raise RunError(f"{path}: not a readable checkpoint ({type(error).__name__}: {error})") from None
    if not earlier and of_earlier_version(checkpoint):
        raise RunError(
            f"{path}: written by an earlier version, whose weights had other names: bring the run up to "
            f"date with 'fwi convert {shlex.quote(str(folder))}'"
        )
    _require_own(folder, path, trained, study)
    return checkpoint


def of_earlier_version(checkpoint: dict[str, Any]) -> bool:
    """Whether the weights of a checkpoint have the names of versions before the inverter."""
    return any(str(name).startswith(("network.", "transform.")) for name in checkpoint["state_dict"])


def _require_own(folder: Path, path: Path, trained: StudyConfig, study: StudyConfig) -> None:
    """Refuse weights that were trained with another grid, survey or network than the run's study has.

    Args:
        folder: the run.
        path: the file with the weights.
        trained: the study that the weights were trained with.
        study: the run's study.

    Raises:
        RunError: settings differ; the message names all of them.
    """
    where = "checkpoint" if path.suffix == ".ckpt" else "inverter"
    different = [
        f"{key}: {past} in the {where}, {present} in {run_folder.CONFIG}"
        for key, past, present in run_folder.changed(trained, study)
        if key.partition(".")[0] in DECISIVE
    ]
    if different:
        raise RunError(
            f"{path} is of another study than {folder / run_folder.CONFIG}:\n" + "\n".join(different)
        )


def write(path: Path, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint whole, or leave the former one."""
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_whole(path, buffer.getbuffer())


def inverter_weights(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint by their names in the inverter."""
    return {name.removeprefix(PREFIX): weights for name, weights in checkpoint["state_dict"].items()}
