"""The training task: inverter, loss and optimiser in the form that the trainer drives."""

import math
from typing import Any, Literal

import torch
from lightning import LightningModule  # noqa: TID253 - nobody imports this file but to train or invert
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig  # noqa: TID253
from torch import Tensor

from fwi import losses, metrics
from fwi.config import StudyConfig
from fwi.data import Sample
from fwi.inverter import Array, Inverter, in_bf16
from fwi.normalisation import Normalisation
from fwi.training.start import held_parts


class InversionTask(LightningModule):
    """The training of an inverter, as a study describes it.

    Args:
        study: the study.
        normalise: the amplitudes of the training records; left out where weights are loaded anyway.
        mean_model: mean of the training models [m/s], which the inverter keeps.
    """

    def __init__(
        self, study: StudyConfig, normalise: Normalisation | None = None, mean_model: Array | None = None
    ) -> None:
        super().__init__()
        self.study = study
        self.inverter = Inverter(study, normalise, mean_model)
        self.loss = losses.build(study.train.loss, study.grid.velocity, study.salt.threshold)
        kind = study.model.uncertainty
        self.spread_loss = None if kind == "none" else losses.SpreadLoss(kind, study.grid.velocity)
        self.frozen = study.train.freeze
        self.held = held_parts(self.inverter.network, study.train)
        for part in self.held:
            part.requires_grad_(False)
        self.train()
        self._scores: dict[str, list[Tensor]] = {}

    def forward(self, gathers: Tensor) -> Tensor:
        """Invert gathers ``(batch, shot, time, receiver)`` to velocity ``(batch, depth, x)`` [m/s]."""
        velocity: Tensor = self.inverter(gathers)
        return velocity

    def train(self, mode: bool = True) -> "InversionTask":
        """Set the training mode, except in held parts, whose statistics stay as they are."""
        super().train(mode)
        for part in self.held:
            part.eval()
        return self

    def lay_out(self) -> None:
        """Bring the weights into the memory order of the study, and compile the network if it says so."""
        self.inverter.lay_out()
        if self.study.train.compile:
            self.inverter.network.compile()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the study with the weights, as plain values."""
        checkpoint["hyper_parameters"] = {"study": self.study.model_dump(mode="json")}

    def training_step(self, batch: Sample, _: int) -> Tensor:
        """Compute the loss of one batch; the loss of the spread, if any, changes the spread's head alone."""
        velocity, spread = self._invert(batch)
        loss: Tensor = self.loss(velocity, batch.velocity)
        self._log("train/loss", loss, batch)
        if spread is None or self.spread_loss is None:
            return loss
        uncertainty: Tensor = self.spread_loss(velocity, spread, batch.velocity)
        self._log("train/uncertainty", uncertainty, batch)
        return uncertainty if self.frozen else loss + uncertainty

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient of the spread's head apart, so that this head does not change the training.

        Args:
            optimizer: the optimiser.
            gradient_clip_val: largest norm; the study's ``train.clip`` is taken.
            gradient_clip_algorithm: the trainer's name of how it clips.
        """
        if not gradient_clip_val:
            return
        head = self.inverter.network.spread
        apart = [] if head is None else list(head.parameters())
        others = set(self.parameters()) - set(apart)
        for part in ([each for each in self.parameters() if each in others], apart):
            torch.nn.utils.clip_grad_norm_(part, gradient_clip_val)

    def on_validation_epoch_start(self) -> None:
        """Forget the last epoch's scores."""
        self._scores = {name: [] for name in metrics.monitored()}
        if self.spread_loss is not None:
            self._scores["validation/uncertainty"] = []

    def validation_step(self, batch: Sample, _: int) -> None:
        """Score one batch, sample by sample."""
        velocity, spread = self._invert(batch)
        velocity, salt, spacing = velocity.float(), batch.salt > 0, self.study.grid.spacing
        loss = self.loss(velocity, batch.velocity)
        if spread is not None and self.spread_loss is not None:
            uncertainty = self.spread_loss(velocity, spread, batch.velocity)
            self._scores["validation/uncertainty"].append(uncertainty.expand(len(velocity)))
        self._scores["validation/loss"].append(loss.expand(len(velocity)))
        for name, metric in metrics.METRICS.items():
            if metric.validated:
                scores = metric.function(velocity, batch.velocity, salt, spacing)
                self._scores[f"validation/{name}"].append(scores)

    def on_validation_epoch_end(self) -> None:
        """Average the scores over the samples of all devices; samples without salt have no IoU."""
        self.log_dict({name: self._mean(name, values) for name, values in self._scores.items()})

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam or AdamW; the learning rate rises linearly, stays, and falls along a cosine, step by step."""
        train = self.study.train
        trained = [each for each in self.parameters() if each.requires_grad]
        optimizer: torch.optim.Optimizer
        if train.optimizer == "adam":
            optimizer = torch.optim.Adam(trained, train.learning_rate)
        else:
            optimizer = torch.optim.AdamW(trained, train.learning_rate, weight_decay=train.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = 0.0 if train.schedule == "constant" else train.warmup * steps
        fall = warmup if train.schedule == "cosine" else max(warmup, (1 - train.decay) * steps)

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            if train.schedule == "constant" or step < fall:
                return 1.0
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - fall) / max(1.0, steps - fall))))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _invert(self, batch: Sample) -> tuple[Tensor, Tensor | None]:
        """Return the sections of a batch and, where the study asks for it, their spread."""
        if self.spread_loss is None:
            return self(batch.gathers), None
        velocity, spread = self.inverter(batch.gathers, spread=True)
        return velocity, spread

    def _log(self, name: str, loss: Tensor, batch: Sample) -> None:
        """Log the mean of a loss over an epoch's batches."""
        self.log(name, loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(batch.velocity))

    def _mean(self, name: str, values: list[Tensor]) -> Tensor:
        """Mean of one score over all devices' samples that have it; NaN where one that all have is NaN."""
        scores = torch.cat(values) if values else torch.empty(0, device=self.device)
        metric = metrics.METRICS.get(name.removeprefix("validation/"))
        if metric is not None and metric.needs_salt:
            scores = scores[~scores.isnan()]
        sum_and_count = torch.stack([scores.sum(), scores.new_tensor(len(scores))])
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(sum_and_count)
        return sum_and_count[0] / sum_and_count[1]


def precision(wanted: str) -> Literal["32-true", "bf16-mixed"]:
    """The trainer's name for the precision in which an inverter computes."""
    return "bf16-mixed" if in_bf16(wanted) else "32-true"
