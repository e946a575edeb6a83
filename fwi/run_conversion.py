"""Conversion of run folders of earlier versions to the form of this version."""

from pathlib import Path
from typing import Any

from fwi import checkpoints, run_folder
from fwi.files import locked, refuse_links
from fwi.inverter_file import FILE

OF_WEIGHTS = ("state_dict", "current_model_state")
"""Parts of a checkpoint that name weights: those to use, and, of an averaged training, the latest."""


def convert(folder: Path) -> list[Path]:
    """Bring settings and weights of a run to their names of today, and write its inverter.

    In versions before the inverter, a checkpoint named network and normalisation separately, and the network
    had another name where records were sorted by midpoint.

    Args:
        folder: the run's folder.

    Returns:
        The files that were written; none of a run that is up to date.

    Raises:
        RunError: there is no run, or a checkpoint is missing, damaged, or of another network.
    """
    study = run_folder.read_study(folder)
    refuse_links(folder, "checkpoints")
    written = []
    with locked(folder):
        for which in (run_folder.LAST, run_folder.BEST):
            if not (folder / which).exists() and which == run_folder.LAST:
                continue
            checkpoint = checkpoints.read(folder, which, study, weights_alone=True, earlier=True)
            if not checkpoints.of_earlier_version(checkpoint):
                continue
            for part in OF_WEIGHTS:
                if part in checkpoint:
                    checkpoint[part] = _renamed(checkpoint[part])
            checkpoints.write(folder / which, checkpoint)
            written.append(folder / which)
        if run_folder.renew_study(folder, study):
            written.append(folder / run_folder.CONFIG)
        if written or not (folder / FILE).exists():
            checkpoints.inverter(folder, study, run_folder.BEST).save(folder / FILE)
            written.append(folder / FILE)
    return written


def _renamed(weights: dict[str, Any]) -> dict[str, Any]:
    begins = {"network.network.": "network.", "network.": "network.", "transform.": "normalise."}
    renamed = {}
    for name, values in weights.items():
        old = next((begin for begin in begins if name.startswith(begin)), "")
        renamed[checkpoints.PREFIX + begins.get(old, "") + name.removeprefix(old)] = values
    return renamed
