"""The training task: network, normalisation, loss and optimiser in the form that the trainer drives."""

import math
from typing import Any, Literal

import torch
from lightning import LightningModule  # noqa: TID253 - nobody imports this file but to train or invert
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig  # noqa: TID253
from torch import Tensor

from fwi import losses, metrics, networks
from fwi.config import StudyConfig
from fwi.data import GatherTransform, Sample
from fwi.survey import Survey


class InversionTask(LightningModule):
    """Gathers to velocity, as a study describes it.

    Everything that inversion needs is in the checkpoint: the study as plain values, the weights, and the
    normalisation's two numbers.

    Args:
        study: the study as plain values (``StudyConfig.model_dump(mode="json")``).
        transform: the normalisation; left out where weights are loaded anyway.
    """

    def __init__(self, study: dict[str, Any], transform: GatherTransform | None = None) -> None:
        super().__init__()
        self.save_hyperparameters({"study": study})
        self.study = StudyConfig.model_validate(study)
        survey = Survey(self.study.grid, self.study.survey)
        self.transform = transform or GatherTransform(self.study.data.amplitude)
        self.network = networks.build(self.study.model, survey)
        self.loss = losses.build(self.study.train.loss, survey.grid.velocity, self.study.salt.threshold)
        self._scores: dict[str, list[Tensor]] = {}

    def forward(self, gathers: Tensor) -> Tensor:
        """Invert gathers as they are stored.

        Args:
            gathers: pressure, shape ``(batch, shot, time, receiver)``.

        Returns:
            P-wave speed [m/s], shape ``(batch, depth, x)``.
        """
        velocity: Tensor = self.network(self._in_memory_order(self.transform(gathers)))
        return velocity

    def lay_out(self) -> None:
        """Bring the weights into the memory order of the study; compile the network if it says so."""
        train = self.study.train
        self.to(memory_format=torch.channels_last if train.channels_last else torch.contiguous_format)
        if train.compile:
            self.network.compile()

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
        """Adam or AdamW; the learning rate warms up linearly and falls along a cosine, step by step."""
        train = self.study.train
        optimizer: torch.optim.Optimizer
        if train.optimizer == "adam":
            optimizer = torch.optim.Adam(self.parameters(), train.learning_rate)
        else:
            optimizer = torch.optim.AdamW(
                self.parameters(), train.learning_rate, weight_decay=train.weight_decay
            )
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = train.warmup * steps if train.schedule == "cosine" else 0.0

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            if train.schedule == "constant":
                return 1.0
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, steps - warmup))))

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

    def _in_memory_order(self, gathers: Tensor) -> Tensor:
        if self.study.train.channels_last:
            return gathers.to(memory_format=torch.channels_last)
        return gathers


def precision(wanted: str) -> Literal["32-true", "bf16-mixed"]:
    """bf16 autocast where it is wanted, or where ``auto`` finds hardware that computes in bf16."""
    if wanted == "auto":
        if torch.cuda.is_available():
            wanted = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
        else:
            wanted = "bf16" if torch.cpu._is_avx512_bf16_supported() else "32"
    return "bf16-mixed" if wanted == "bf16" else "32-true"
