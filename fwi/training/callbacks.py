"""What happens beside the optimisation: checkpoints, the table of epochs, and progress."""

import csv
import io
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer  # noqa: TID253 - nobody imports this file but to train
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint  # noqa: TID253
from lightning.pytorch.plugins.io import TorchCheckpointIO  # noqa: TID253

from fwi import run_folder
from fwi.files import read_regular, write_whole
from fwi.inverter import FILE, Inverter
from fwi.metrics import monitored

COLUMNS = ("epoch", "step", "seconds", "learning_rate", "train/loss", *monitored())


class Checkpoints(ModelCheckpoint):
    """Keep the best epoch by validation MAE; a run folder may be moved before it is resumed."""

    def __init__(self, run: Path) -> None:
        super().__init__(
            run / run_folder.BEST.parent,
            filename=run_folder.BEST.stem,
            monitor="validation/mae",
            enable_version_counter=False,
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the best score; the trainer would forget it where the folder's name has changed."""
        best = str(Path(str(self.dirpath)) / run_folder.BEST.name)
        moved = {"dirpath": self.dirpath, "best_model_path": best, "kth_best_model_path": best}
        super().load_state_dict({**state, **moved, "best_k_models": {best: state["best_model_score"]}})


class LastCheckpoint(ModelCheckpoint):
    """Keep every epoch until the next, to go on from: the trainer's ``save_last`` skips all but the best."""

    def __init__(self, run: Path) -> None:
        super().__init__(
            run / run_folder.LAST.parent, filename=run_folder.LAST.stem, enable_version_counter=False
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up nothing: the file has always the same name."""


class WholeFiles(TorchCheckpointIO):
    """Write checkpoints whole or not at all.

    The trainer would move them from the system's folder for temporary files, which to another disk is a copy.
    With the best checkpoint, from which training can go on, goes the inverter with its weights, for use.
    """

    def __init__(self, run: Path, inverter: Inverter) -> None:
        self.run, self.inverter = run, inverter

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        """Write a checkpoint, or leave the former one."""
        run_folder.require_there(self.run)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        if Path(path).name == run_folder.BEST.name:
            weights = run_folder.inverter_weights(checkpoint)
            self.inverter.save(self.run / FILE, weights)
        write_whole(Path(path), buffer.getbuffer())


class EarlyStop(EarlyStopping):
    """Stop when a metric no longer improves; a run that ended so trains no further when it is resumed."""

    def on_train_start(self, trainer: Trainer, task: LightningModule) -> None:
        """Stop at once where patience had run out before."""
        trainer.should_stop = self.wait_count >= self.patience


class EpochTable(Callback):
    """Write ``metrics.csv``, a row per epoch; a resumed run goes on below the epochs that it keeps."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = _rows(path)
        self.before = 0.0  # seconds of the epochs before a resume

    def on_train_start(self, trainer: Trainer, task: LightningModule) -> None:
        """Take up the rows of the epochs that the checkpoint has behind it."""
        self.rows = [row for row in self.rows if int(row["epoch"]) < trainer.current_epoch]
        self.before = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self.start = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        """Add the epoch's row."""
        row: dict[str, float] = {"epoch": trainer.current_epoch, "step": trainer.global_step}
        row |= {"seconds": round(self.before + time.monotonic() - self.start, 1)}
        row |= {"learning_rate": trainer.optimizers[0].param_groups[0]["lr"]}
        row |= {name: float(value) for name, value in trainer.callback_metrics.items() if name in COLUMNS}
        self.rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.path, text.getvalue())


def _rows(path: Path) -> list[Mapping[str, Any]]:
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
            if row.keys() != set(COLUMNS):
                raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
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
        line = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: "
        line += ", ".join(f"{name} {float(found[name]):.4g}" for name in COLUMNS if name in found)
        print(f"\r{line}, {self._left(trainer)}", file=sys.stderr, flush=True)

    def _left(self, trainer: Trainer) -> str:
        done = trainer.global_step - self.first
        rate = done / max(time.monotonic() - self.start, 1e-9)
        left = (int(trainer.estimated_stepping_batches) - trainer.global_step) / max(rate, 1e-9)
        return f"{rate:.2f} steps/s, {left / 60:.1f} min left"
