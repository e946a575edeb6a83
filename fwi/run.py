"""Using a trained run: records in, velocity sections out, and the physics check of each.

>>> run = fwi.load_run("runs/salt")
>>> section = run.invert(gathers)
>>> verdict = run.check(section, gathers)
"""

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fwi import run_folder
from fwi.check import PhysicsCheck, Verdict
from fwi.config import StudyConfig
from fwi.networks.attended import Attended, attended
from fwi.survey import Survey
from fwi.training.task import InversionTask, precision

Array = NDArray[np.float32]

BATCH = 16
"""Records that pass through the network at once."""


def load_run(folder: Path | str, checkpoint: Path = run_folder.BEST) -> "Run":
    """Load a trained network with all that inverting and checking needs.

    Args:
        folder: the run's folder.
        checkpoint: ``run_folder.BEST`` by validation MAE, or ``run_folder.LAST``.

    Raises:
        RunError: the folder or the checkpoint is missing, damaged, or of another study.
    """
    folder = Path(folder)
    study = run_folder.read_study(folder)
    content = run_folder.read_checkpoint(folder, checkpoint, study, weights_alone=True)
    task = InversionTask(study.model_dump(mode="json"))
    try:
        task.load_state_dict(content["state_dict"])
    except (RuntimeError, TypeError, AttributeError) as error:
        why = str(error).strip().splitlines()[-1].strip()
        raise run_folder.RunError(
            f"{folder / checkpoint}: not the weights of this run's network ({why})"
        ) from None
    return Run(folder, study, task)


class Run:
    """A trained network with its study.

    Args:
        folder: where it was trained.
        study: its study.
        task: network and normalisation, with their trained weights.
    """

    def __init__(self, folder: Path, study: StudyConfig, task: InversionTask) -> None:
        self.folder, self.study = folder, study
        self.survey = Survey(study.grid, study.survey)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        order = torch.channels_last if study.train.channels_last else torch.contiguous_format
        self.task = task.to(device).to(memory_format=order).eval()

    def invert(self, gathers: Array) -> Array:
        """Invert records of the run's survey.

        Args:
            gathers: pressure, shape ``(shot, time, receiver)``, or ``(batch, shot, time, receiver)``.

        Returns:
            P-wave speed [m/s], shape ``(depth, x)``, or ``(batch, depth, x)``.

        Raises:
            ValueError: the records have another shape than the survey's, or hold NaN or infinite samples, or
                the network makes such speeds of them.
        """
        parts = torch.split(self._batch(gathers), BATCH)
        with torch.inference_mode(), self._autocast():
            sections = torch.cat([self.task(part.to(self.task.device)).float().cpu() for part in parts])
        velocity: Array = sections.reshape(*np.shape(gathers)[:-3], *sections.shape[1:]).numpy()
        if not np.isfinite(velocity).all():
            raise ValueError(
                f"{self.folder}: the network has diverged: its weights make NaN or infinite speeds of these "
                "records; train another --run, with a lower train.learning_rate"
            )
        return velocity

    def attended(self, gathers: Array, cell: tuple[int, int]) -> list[Attended]:
        """What each attention of the network looks at in one record: see ``fwi.networks.attended``.

        Args:
            gathers: pressure, shape ``(shot, time, receiver)``.
            cell: row and column of the section for which to say what is gathered.

        Raises:
            ValueError: the record does not fit, or the network has no attention to look at.
        """
        with torch.inference_mode(), self._autocast():
            return attended(self.task, self._batch(gathers).to(self.task.device), cell)

    def check(self, velocity: Array, gathers: Array) -> Verdict:
        """Judge a section by its records: see ``fwi.check.PhysicsCheck``."""
        return self._physics(velocity, gathers)

    def _batch(self, gathers: Array) -> torch.Tensor:
        gathers = np.array(gathers, dtype=np.float32)  # a copy, which of a mapped file may be written to
        if gathers.shape[-3:] != self.survey.gather_shape or gathers.ndim not in (3, 4):
            raise ValueError(
                f"records of shape {gathers.shape} do not fit the run's survey, (shot, time, receiver) = "
                f"{self.survey.gather_shape}: bring them to that survey, or train for theirs"
            )
        if not np.isfinite(gathers).all():
            raise ValueError("the records hold NaN or infinite samples: mend or mute those traces first")
        return torch.from_numpy(gathers.reshape(-1, *self.survey.gather_shape))

    def _autocast(self) -> torch.autocast:
        bf16 = precision(self.study.train.precision) == "bf16-mixed"
        return torch.autocast(self.task.device.type, torch.bfloat16, enabled=bf16)

    @cached_property
    def _physics(self) -> PhysicsCheck:
        mean = run_folder.read_mean_model(self.folder)
        return PhysicsCheck(self.survey, self.study.physics, self.study.check, mean)
