"""A training's record in Weights & Biases: its settings, losses, and sections of the validation split."""

import io
import logging
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from lightning import LightningModule, Trainer  # noqa: TID253 - nobody imports this file but to train
from lightning.pytorch.callbacks import Callback  # noqa: TID253
from PIL import Image

from fwi import plots
from fwi.config import StudyConfig
from fwi.data import Sample, ShotDataset

ANSWER = 10.0
"""Seconds that W&B's server has to answer when an online run is opened."""
Mode = Literal["offline", "online", "disabled"]
FIXED_SECTIONS = 4
"""Validation samples that are drawn after each epoch."""


class WandbRun(Callback):
    """Log a run to Weights & Biases: config, losses, and fixed validation sections after each epoch.

    It comes before the moving average among the callbacks, and so draws what the averaged weights invert.

    Offline unless the study or WANDB_MODE says otherwise; never asks for anything.

    Args:
        study: what is logged as the run's config.
        folder: the run's folder; W&B writes to ``wandb/`` in it.
        validation: where the sections come from.

    Raises:
        ValueError: W&B is to be online, but there is no key.
    """

    def __init__(self, study: StudyConfig, folder: Path, validation: ShotDataset) -> None:
        self.study, self.folder = study, folder
        self.mode = wandb_mode(study)
        count = min(FIXED_SECTIONS, len(validation))
        numbers = torch.linspace(0, len(validation) - 1, count).long().tolist()
        self.names = [f"validation {number}" for number in numbers]
        self.samples = [validation[number] for number in numbers] if self.mode != "disabled" else []

    def on_fit_start(self, trainer: Trainer, task: LightningModule) -> None:
        """Open the run."""
        self.run = open_wandb(self.study, self.folder, self.mode)

    def on_validation_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        """Draw the sections while the weights are those that were validated."""
        if self.samples:
            figure = plots.sections(self._rows(task), self.study.grid.spacing, self.study.grid.velocity)
            self.drawn = Image.open(io.BytesIO(plots.png(figure)))

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        """Log the epoch's figures and sections."""
        if not self.samples:
            return
        import wandb

        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        found |= {"epoch": trainer.current_epoch}
        found |= {"learning_rate": trainer.optimizers[0].param_groups[0]["lr"]}
        try:
            self.run.log({**found, "sections": wandb.Image(self.drawn)}, step=trainer.global_step)
        except OSError as error:
            error.filename = str(self.folder / "wandb")  # not the system's folder that W&B copies from
            raise

    def teardown(self, trainer: Trainer, task: LightningModule, stage: str) -> None:
        """Close the run, also after a failure."""
        if getattr(self, "run", None) is not None:
            self.run.finish()

    def _rows(self, task: LightningModule) -> list[plots.SectionRow]:
        batch = Sample(*(torch.stack(parts) for parts in zip(*self.samples, strict=True)))
        with torch.no_grad(), task.trainer.precision_plugin.forward_context():
            inverted = task(batch.gathers.to(task.device)).float().cpu().numpy()
        truths, salts = batch.velocity.numpy(), batch.salt.numpy() > 0
        return [plots.SectionRow(*row) for row in zip(self.names, inverted, truths, salts, strict=True)]


def wandb_mode(study: StudyConfig) -> Mode:
    """The W&B mode in force: WANDB_MODE before the study.

    Raises:
        ValueError: the mode is unknown, or online without a key.
    """
    wanted = os.environ.get("WANDB_MODE") or study.tracking.mode
    mode: Mode | None = next((known for known in get_args(Mode) if known == wanted), None)
    if mode is None:
        raise ValueError(f"WANDB_MODE is '{wanted}'; known: {', '.join(get_args(Mode))}")
    if mode == "online":
        import wandb

        if not (os.environ.get("WANDB_API_KEY") or wandb.api.api_key):
            raise ValueError(
                "W&B is to be online, but there is no key: set WANDB_API_KEY, or tracking.mode to offline"
            )
    return mode


def open_wandb(study: StudyConfig, folder: Path, mode: Mode) -> Any:
    """Open the folder's W&B run, the same one on every call; all its files stay in the folder.

    An online run whose server does not answer, or refuses the key, says so and goes on offline.

    Raises:
        ValueError: W&B refuses, for example the project's name.
    """
    # Its reports of errors go to a server too, for which a command would wait at its end.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    for kind in ("CACHE", "CONFIG", "DATA"):
        os.environ.setdefault(f"WANDB_{kind}_DIR", str(folder.resolve() / "wandb"))
    # W&B logs from threads of its own until the process ends: on a full disk, a traceback for every line.
    logging.raiseExceptions = False
    path = folder.resolve()
    # Sweeps have runs of the same names. W&B takes up to 64 characters, and not all of them.
    identity = re.sub(r"[^\w.-]", "-", f"{path.parent.name}-{path.name}", flags=re.ASCII)[-64:]
    return _opened(
        mode,
        project=study.tracking.project,
        name=path.name,
        id=identity,
        dir=folder,
        config=study.model_dump(mode="json"),
    )


def _opened(mode: Mode, **run: Any) -> Any:
    import wandb

    online = mode == "online"
    patience = {} if "WANDB_INIT_TIMEOUT" in os.environ or not online else {"init_timeout": ANSWER}
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, **patience)
    try:
        return wandb.init(mode=mode, resume="allow" if online else None, settings=settings, **run)
    except wandb.Error as error:
        why = " ".join(str(error).split())
        if not online:
            raise ValueError(
                f"W&B does not start ({why}); mend that, or set tracking.mode to disabled"
            ) from error
    wandb.teardown(exit_code=1)  # else the run's name counts as taken
    offline = shlex.quote(str(run["dir"] / "wandb"))
    print(
        f"W&B cannot go online ({why}): it goes on offline; send what is logged with: wandb sync "
        f"{offline}/offline-run-*",
        file=sys.stderr,
    )
    return _opened("offline", **run)
