"""Guards that end a hopeless training: its loss is not finite, or its run folder is gone."""

import math
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer  # noqa: TID253 - nobody imports this file but to train
from lightning.pytorch.callbacks import Callback  # noqa: TID253
from torch import Tensor

from fwi import interrupts, run_folder


class FiniteLoss(Callback):
    """End the training at the step whose loss is NaN or infinite, on every device; nothing of it is saved.

    Raises:
        ValueError: with the step and the likely causes.
    """

    def __init__(self, run: Path) -> None:
        self.run = run

    def on_before_backward(self, trainer: Trainer, task: LightningModule, loss: Tensor) -> None:
        """Refuse a loss, a scalar, that is not finite, before anything follows from it.

        Args:
            trainer: the trainer.
            task: what is trained.
            loss: the loss of the step, a scalar.
        """
        finite = bool(torch.isfinite(loss))
        if not trainer.strategy.reduce_boolean_decision(finite):
            self._end(trainer, "training loss", loss.item(), trainer.global_step + 1)

    def on_validation_end(self, trainer: Trainer, task: LightningModule) -> None:
        """Look at the scores of an epoch, before a checkpoint of it is kept."""
        for name in ("validation/loss", "validation/mae"):
            value = float(trainer.callback_metrics[name])
            if not math.isfinite(value):
                self._end(trainer, name, value, trainer.global_step)

    def _end(self, trainer: Trainer, what: str, value: float, step: int) -> None:
        shown = "not finite on another device" if math.isfinite(value) else f"{value:g}"
        kept = (
            f"the run keeps its epoch {trainer.current_epoch}"
            if (self.run / run_folder.LAST).exists()
            else "no epoch was finished"
        )
        raise ValueError(
            f"{self.run}: the {what} is {shown} at step {step} (epoch {trainer.current_epoch + 1}); {kept}. "
            "Likely causes: train.learning_rate is too high (try a tenth of it, or a longer train.warmup), "
            "train.clip is 0, train.precision is too coarse for these amplitudes (try 32), or some records "
            "are damaged or huge ('fwi verify' finds them). Begin another --run with that mended"
        )


class RunFolder(Callback):
    """End the training as soon as its folder was moved or deleted.

    Raises:
        RunError: the folder was moved or deleted.
    """

    def __init__(self, run: Path) -> None:
        self.run = run

    def on_train_batch_start(self, *_: Any) -> None:
        """Look before each step, also for an interruption that a library has swallowed."""
        interrupts.check()
        run_folder.require_there(self.run)

    def on_validation_epoch_start(self, *_: Any) -> None:
        """Look before the scores, from which figures and checkpoints follow."""
        run_folder.require_there(self.run)

    def on_train_epoch_end(self, *_: Any) -> None:
        """Look before the epoch is written down."""
        run_folder.require_there(self.run)
