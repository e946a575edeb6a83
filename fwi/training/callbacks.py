"""Callbacks of a training: checkpoints, the table of epochs, progress, and Weights & Biases."""

import csv
import io
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer  # noqa: TID253 - nobody imports this file but to train
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint  # noqa: TID253
from lightning.pytorch.plugins.io import TorchCheckpointIO  # noqa: TID253
from PIL import Image

from fwi import checkpoints, plots, run_folder
from fwi.config import StudyConfig
from fwi.data import Sample, ShotDataset
from fwi.files import read_regular, write_whole
from fwi.inverter import Inverter
from fwi.inverter_file import FILE
from fwi.metrics import monitored
from fwi.training.wandb import open_wandb, wandb_mode

FIXED_SECTIONS = 4
"""Number of validation samples that are drawn as figures after each epoch."""
COLUMNS = ("epoch", "step", "seconds", "learning_rate", "train/loss", *monitored())
UNCERTAINTY = "validation/uncertainty"
"""Loss of the spread on the validation split."""
OF_UNCERTAINTY = ("train/uncertainty", UNCERTAINTY)
"""Further columns of a training with a head that predicts the spread."""


def columns(study: StudyConfig) -> tuple[str, ...]:
    """Return the names of the figures that a training logs after each epoch."""
    return COLUMNS if study.model.uncertainty == "none" else COLUMNS + OF_UNCERTAINTY


class Checkpoints(ModelCheckpoint):
    """Keep the checkpoint of the best epoch, also of a run whose folder was moved before it is resumed.

    Args:
        run: the run's folder.
        frozen: choose the best epoch by the loss of the spread, because nothing else is trained, and not by
            the validation MAE.
    """

    def __init__(self, run: Path, frozen: bool = False) -> None:
        super().__init__(
            run / run_folder.BEST.parent,
            filename=run_folder.BEST.stem,
            monitor=UNCERTAINTY if frozen else "validation/mae",
            enable_version_counter=False,
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the best score from a checkpoint, also where the folder's name has changed."""
        best = str(Path(str(self.dirpath)) / run_folder.BEST.name)
        moved = {"dirpath": self.dirpath, "best_model_path": best, "kth_best_model_path": best}
        super().load_state_dict({**state, **moved, "best_k_models": {best: state["best_model_score"]}})


class LastCheckpoint(ModelCheckpoint):
    """Write a checkpoint after every epoch, to resume from (``save_last`` would write the best alone)."""

    def __init__(self, run: Path) -> None:
        super().__init__(
            run / run_folder.LAST.parent, filename=run_folder.LAST.stem, enable_version_counter=False
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing from a checkpoint, because the file always has the same name."""


class WholeFiles(TorchCheckpointIO):
    """Write checkpoints whole or not at all.

    The trainer would write them to the system's folder for temporary files and move them, which is a copy,
    and may be cut short, where that is another disk. Beside the best checkpoint the inverter is written with
    the same weights.
    """

    def __init__(self, run: Path, inverter: Inverter) -> None:
        self.run, self.inverter = run, inverter

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        """Write a checkpoint, or leave the former one.

        Args:
            checkpoint: what is written.
            path: the file.
            storage_options: options of other kinds of storage, of which there are none here.
        """
        run_folder.require_there(self.run)
        if Path(path).name == run_folder.BEST.name:
            weights = checkpoints.inverter_weights(checkpoint)
            self.inverter.save(self.run / FILE, weights)
        checkpoints.write(Path(path), checkpoint)


class EarlyStop(EarlyStopping):
    """Stop when a metric no longer improves; a run that ended so trains no further when it is resumed."""

    def on_train_start(self, trainer: Trainer, task: LightningModule) -> None:
        """Stop at once where patience had run out before."""
        trainer.should_stop = self.wait_count >= self.patience


class EpochTable(Callback):
    """Write ``metrics.csv``, a row per epoch; a resumed run goes on below the epochs that it keeps.

    Args:
        path: the file.
        columns: names of what the training logs, as ``columns`` returns them.
    """

    def __init__(self, path: Path, columns: Sequence[str] = COLUMNS) -> None:
        self.path, self.columns = path, columns
        self.rows = _rows(path, columns)
        self.before = 0.0  # seconds of the epochs before a resume

    def on_train_start(self, trainer: Trainer, task: LightningModule) -> None:
        """Keep the rows of the epochs that the resumed checkpoint has finished."""
        self.rows = [row for row in self.rows if int(row["epoch"]) < trainer.current_epoch]
        self.before = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self.start = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        """Add the epoch's row."""
        row: dict[str, float] = {"epoch": trainer.current_epoch, "step": trainer.global_step}
        row |= {"seconds": round(self.before + time.monotonic() - self.start, 1)}
        row |= {"learning_rate": trainer.optimizers[0].param_groups[0]["lr"]}
        found = trainer.callback_metrics
        row |= {name: float(value) for name, value in found.items() if name in self.columns}
        self.rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.path, text.getvalue())


def _rows(path: Path, columns: Sequence[str]) -> list[Mapping[str, Any]]:
    """The rows of a table of epochs, none where there is none yet.

    Raises:
        RunError: it is damaged, or another program's.
    """
    if not path.exists():
        return []
    try:
        text = read_regular(path, run_folder.LARGEST_TABLE).decode("utf-8")
        rows: list[Mapping[str, Any]] = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        for row in rows:
            if row.keys() != set(columns):
                raise ValueError(f"its columns are not {', '.join(columns)}")
            int(row["epoch"]), float(row["seconds"])
    except (ValueError, TypeError, csv.Error) as error:
        raise run_folder.RunError(
            f"{path}: damaged ({error}); bring it back from a copy, or delete it, and the table goes on anew"
        ) from None
    return rows


class ProgressLines(Callback):
    """A line per epoch with rate and time left; in a terminal also the step, on a line of its own."""

    def on_train_start(self, trainer: Trainer, task: LightningModule) -> None:
        """Begin to count."""
        self.start, self.first, self.last = time.monotonic(), trainer.global_step, 0.0

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Show the step now and then."""
        if sys.stderr.isatty() and time.monotonic() - self.last > 1:
            self.last = time.monotonic()
            line = f"\r  step {trainer.global_step}, {self._left(trainer)}   "
            print(line, end="", file=sys.stderr, flush=True)

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        """Show the epoch."""
        found = trainer.callback_metrics
        shown = COLUMNS + OF_UNCERTAINTY
        line = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: "
        line += ", ".join(f"{name} {float(found[name]):.4g}" for name in shown if name in found)
        print(f"\r{line}, {self._left(trainer)}", file=sys.stderr, flush=True)

    def _left(self, trainer: Trainer) -> str:
        done = trainer.global_step - self.first
        rate = done / max(time.monotonic() - self.start, 1e-9)
        left = (int(trainer.estimated_stepping_batches) - trainer.global_step) / max(rate, 1e-9)
        return f"{rate:.2f} steps/s, {left / 60:.1f} min left"


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
        """Close the run, also after a failure.

        Args:
            trainer: the trainer.
            task: what is trained.
            stage: the stage that ends.
        """
        if getattr(self, "run", None) is not None:
            self.run.finish()

    def _rows(self, task: LightningModule) -> list[plots.SectionRow]:
        batch = Sample(*(torch.stack(parts) for parts in zip(*self.samples, strict=True)))
        with torch.no_grad(), task.trainer.precision_plugin.forward_context():
            inverted = task(batch.gathers.to(task.device)).float().cpu().numpy()
        truths, salts = batch.velocity.numpy(), batch.salt.numpy() > 0
        return [plots.SectionRow(*row) for row in zip(self.names, inverted, truths, salts, strict=True)]
