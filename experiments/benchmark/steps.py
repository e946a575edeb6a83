"""Steps of training: the trainer's, timed in turns with something else, and plain PyTorch's."""

import itertools
import time
from collections.abc import Callable
from typing import Any

from fwi.config import StudyConfig

TIMED_STEPS = 8
"""Steps of training in a turn."""


def turns(
    study: StudyConfig, training: Any, repeats: int, other: Callable[[], int]
) -> tuple[list[float], list[float]]:
    """Samples per second of ``other`` and of the trainer's steps, in turns.

    Each epoch of the trainer is a turn of its own, and ``other`` has the next. The first of each warms up.

    Args:
        study: the study.
        training: its training split.
        repeats: turns of each.
        other: does its work and returns how many samples it saw.
    """
    import torch
    from lightning.pytorch.callbacks import LambdaCallback
    from torch.utils.data import DataLoader

    from fwi.memory import keep_freed
    from fwi.training.fit import moving_average, quiet, seeded_task, trainer

    keep_freed()  # as training does
    task = seeded_task(study, training)
    batches = first_batches(study, training)
    samples = sum(len(batch.velocity) for batch in batches)
    other_rates, trainer_rates, start = [], [], 0.0

    def begin(*_: Any) -> None:
        nonlocal start
        start = time.perf_counter()

    def end(*_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        trainer_rates.append(samples / (time.perf_counter() - start))
        begin()
        other_rates.append(other() / (time.perf_counter() - start))

    clock = LambdaCallback(on_train_epoch_start=begin, on_train_epoch_end=end)
    epochs = study.model_copy(update={"train": study.train.model_copy(update={"epochs": repeats + 1})})
    with quiet():
        callbacks = [clock, *moving_average(study, samples)]
        fit = trainer(epochs, callbacks, enable_checkpointing=False).fit
        fit(task, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    return other_rates[1:], trainer_rates[1:]


def bare_step(study: StudyConfig, task: Any, bf16: bool = False) -> Callable[[Any], Any]:
    """A training step as a first script would write it: forward, loss, backward, the study's optimiser.

    Args:
        study: the study.
        task: where its network is.
        bf16: compute the forward pass in bf16 where autocast does.

    Returns:
        What takes a step on a batch, and gives its loss.
    """
    import torch

    kind = torch.optim.Adam if study.train.optimizer == "adam" else torch.optim.AdamW
    optimizer = kind(task.parameters())

    def step(batch: Any) -> Any:
        optimizer.zero_grad()
        with torch.autocast(task.device.type, torch.bfloat16, enabled=bf16):
            loss = task.loss(task(batch.gathers.to(task.device)), batch.velocity.to(task.device))
        loss.backward()
        optimizer.step()
        return loss

    return step


def first_batches(study: StudyConfig, training: Any) -> list[Any]:
    """The first batches of the training split."""
    from fwi.data import training_loader

    here = study.data.model_copy(update={"workers": 0})
    loader = training_loader(training, here, study.train.batch_size, study.train.seed)
    return list(itertools.islice(loader, TIMED_STEPS))
