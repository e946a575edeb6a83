"""``fwi benchmark train``: the trainer's step against plain PyTorch, and its memory on a growing data set."""

from collections.abc import Callable
from typing import Any

from data_prep.make.jobs import salt_jobs
from data_prep.make.simulate import make
from experiments.benchmark.commands import command, stored
from experiments.benchmark.figures import Bench, Figure, Result, growth, result
from experiments.benchmark.steps import bare_step, first_batches, turns
from fwi.config import StudyConfig


def measure(bench: Bench) -> Result:
    """Samples per second of the trainer's steps and of a plain script's; peak memory of ``fwi train``."""
    samples = bench.samples or 256
    # A quarter of the set comes first: making a set goes on from what is there.
    peaks = []
    for size in (samples // 4, samples):
        study = stored(
            bench.study,
            bench.folder / "data",
            train=size,
            validation=bench.study.train.batch_size,
            samples_per_shard=max(1, samples // 4 // bench.workers),
        )
        data = make(study, salt_jobs(study), bench.workers)
        # Before this process loads torch: a child's peak is never less than its parent's.
        # As many steps of either set: the first steps of any training still raise its peak.
        flags = ["--run", str(bench.folder / f"run-{size}"), "--train.epochs", str(samples // size)]
        peaks.append(command(study, "train", *flags).peak)

    from fwi.data import ShotDataset

    training = ShotDataset([data], "train")
    plain_rates, rates = turns(study, training, bench.repeats, _plain_training(study, training))

    step = Figure(
        "training step",
        "samples/s",
        rates,
        "the trainer's, as the study has it, on batches in memory",
    )
    plain = Figure(
        "plain PyTorch", "samples/s", plain_rates, "same network, loss, optimiser; eager float32, contiguous"
    )
    large = Figure(f"peak, {samples} samples", "MB", peaks[1:], "memory of fwi train's largest process")
    return result(
        samples,
        [
            step,
            plain,
            step.by(plain, "speed-up", "training step by plain PyTorch", 3.0),
            large,
            *growth(large, peaks[0], samples // 4),
        ],
    )


def _plain_training(study: StudyConfig, training: Any) -> Callable[[], int]:
    """An epoch of the study's network as a first script would train it."""
    import torch

    from fwi.normalisation import Normalisation
    from fwi.training.task import InversionTask

    contiguous = study.model_copy(update={"train": study.train.model_copy(update={"channels_last": False})})
    normalise = Normalisation.measured(study.data, training)
    task = InversionTask(contiguous, normalise)
    task.to("cuda" if torch.cuda.is_available() else "cpu")
    step = bare_step(study, task)
    batches = first_batches(study, training)

    def epoch() -> int:
        for batch in batches:
            loss = step(batch)
        loss.item()  # waits for the device
        return sum(len(batch.velocity) for batch in batches)

    return epoch
