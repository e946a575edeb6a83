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
        self._scores: dict[str, list[Tensor]] = {}

    def forward(self, gathers: Tensor) -> Tensor:
        """Invert gathers: see ``Inverter.forward``."""
        velocity: Tensor = self.inverter(gathers)
        return velocity

    def lay_out(self) -> None:
        """Bring the weights into the memory order of the study; compile the network if it says so."""
        self.inverter.lay_out()
        if self.study.train.compile:
            self.inverter.network.compile()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the study with the weights, as plain values."""
        checkpoint["hyper_parameters"] = {"study": self.study.model_dump(mode="json")}

    def training_step(self, batch: Sample, _: int) -> Tensor:
        """Misfit of one batch."""
        loss: Tensor = self.loss(self(batch.gathers), batch.velocity)
        self.log(
            "train/loss", loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(batch.velocity)
        )
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the last epoch's scores."""
        self._scores = {name: [] for name in metrics.monitored()}

    def validation_step(self, batch: Sample, _: int) -> None:
        """Score one batch, sample by sample."""
        velocity, salt, spacing = self(batch.gathers).float(), batch.salt > 0, self.study.grid.spacing
        loss = self.loss(velocity, batch.velocity)
        self._scores["validation/loss"].append(loss.expand(len(velocity)))
        for name, metric in metrics.METRICS.items():
            if metric.validated:
                scores = metric.function(velocity, batch.velocity, salt, spacing)
                self._scores[f"validation/{name}"].append(scores)

    def on_validation_epoch_end(self) -> None:
        """Average over the samples of all devices; one without salt has no IoU."""
        self.log_dict({name: self._mean(name, values) for name, values in self._scores.items()})

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Adam or AdamW; the learning rate rises linearly, stays, and falls along a cosine, step by step."""
        train = self.study.train
        optimizer: torch.optim.Optimizer
        if train.optimizer == "adam":
            optimizer = torch.optim.Adam(self.parameters(), train.learning_rate)
        else:
            optimizer = torch.optim.AdamW(
                self.parameters(), train.learning_rate, weight_decay=train.weight_decay
            )
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
