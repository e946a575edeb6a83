"""What happens beside the optimisation: the table of epochs, progress, and Weights & Biases."""

import csv
import io
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from PIL import Image

from fwi import plots
from fwi.config import StudyConfig
from fwi.data import Sample, ShotDataset
from fwi.files import write_whole

COLUMNS = (
    "epoch",
    "step",
    "seconds",
    "learning_rate",
    "train/loss",
    "validation/loss",
    "validation/mae",
    "validation/salt_iou",
)
FIXED_SECTIONS = 4
"""Validation samples that are drawn after each epoch."""


class EpochTable(Callback):
    """Write ``metrics.csv``, a row per epoch; a resumed run goes on below the epochs that it keeps."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Mapping[str, Any]] = []
        self.before = 0.0  # seconds of the epochs before a resume

    def on_fit_start(self, trainer: Trainer, task: LightningModule) -> None:
        """Take up the rows of the epochs that the checkpoint has behind it."""
        if self.path.exists():
            with open(self.path, newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < trainer.current_epoch]
        self.before = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self.start = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        """Add the epoch's row."""
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step}
        row |= {"seconds": round(self.before + time.monotonic() - self.start, 1)}
        row |= {"learning_rate": trainer.optimizers[0].param_groups[0]["lr"]}
        row |= {name: float(value) for name, value in trainer.callback_metrics.items() if name in COLUMNS}
        self.rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.path, text.getvalue())


class ProgressLines(Callback):
    """A line per epoch with rate and time left; in a terminal also the step, on a line that is overwritten."""

    def on_train_start(self, trainer: Trainer, task: LightningModule) -> None:
        """Begin to count."""
        self.start, self.first, self.last = time.monotonic(), trainer.global_step, 0.0

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Show the step now and then."""
        if sys.stderr.isatty() and time.monotonic() - self.last > 1:
            self.last = time.monotonic()
            print(f"\r  step {trainer.global_step}, {self._left(trainer)}   ", end="", file=sys.stderr, flush=True)

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        """Show the epoch."""
        found = trainer.callback_metrics
        line = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: "
        line += ", ".join(f"{name} {float(found[name]):.4g}" for name in COLUMNS if name in found)
        print(f"\r{line}, {self._left(trainer)}", file=sys.stderr, flush=True)

    def _left(self, trainer: Trainer) -> str:
        done = trainer.global_step - self.first
        rate = done / max(time.monotonic() - self.start, 1e-9)
        left = (int(trainer.estimated_stepping_batches) - trainer.global_step) / max(rate, 1e-9)
        return f"{rate:.2f} steps/s, {left / 60:.1f} min left"


class WandbRun(Callback):
    """Log a run to Weights & Biases: config, losses, and fixed validation sections after each epoch.

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

    def on_validation_end(self, trainer: Trainer, task: LightningModule) -> None:
        """Log the epoch's figures and sections."""
        if trainer.sanity_checking or self.mode == "disabled":
            return
        import wandb

        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        found |= {"epoch": trainer.current_epoch, "learning_rate": trainer.optimizers[0].param_groups[0]["lr"]}
        figure = plots.sections(self._rows(task), self.study.grid.spacing, self.study.grid.velocity)
        image = Image.open(io.BytesIO(plots.png(figure)))
        self.run.log({**found, "sections": wandb.Image(image)}, step=trainer.global_step)

    def teardown(self, trainer: Trainer, task: LightningModule, stage: str) -> None:
        """Close the run, also after a failure."""
        if getattr(self, "run", None) is not None:
            self.run.finish()

    def _rows(self, task: LightningModule) -> list[plots.SectionRow]:
        batch = Sample(*(torch.stack(parts) for parts in zip(*self.samples, strict=True)))
        with torch.no_grad(), task.trainer.precision_plugin.forward_context():
            inverted = task(batch.gathers.to(task.device)).float().cpu().numpy()
        truths, salts = batch.velocity.numpy(), batch.salt.numpy() > 0
        return [
            plots.SectionRow(*row) for row in zip(self.names, inverted, truths, salts, strict=True)
        ]


def wandb_mode(study: StudyConfig) -> str:
    """The W&B mode in force: WANDB_MODE before the study.

    Raises:
        ValueError: the mode is unknown, or online without a key.
    """
    mode = os.environ.get("WANDB_MODE") or study.tracking.mode
    if mode not in ("offline", "online", "disabled"):
        raise ValueError(f"WANDB_MODE is '{mode}'; known: offline, online, disabled")
    if mode == "online":
        import wandb

        if not (os.environ.get("WANDB_API_KEY") or wandb.api.api_key):
            raise ValueError("W&B is to be online, but there is no key: set WANDB_API_KEY, or tracking.mode offline")
    return mode


def open_wandb(study: StudyConfig, folder: Path, mode: str) -> Any:
    """Open the folder's W&B run, the same one on every call."""
    import wandb

    return wandb.init(
        project=study.tracking.project,
        name=folder.name,
        id=folder.name,
        dir=folder,
        config=study.model_dump(mode="json"),
        mode=mode,  # type: ignore[arg-type]
        resume="allow",
        settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
    )
