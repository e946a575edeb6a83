"""``fwi benchmark devices``: the trainer's steps on all devices against its steps on one of them."""

import os
import time
from pathlib import Path
from typing import Any

from data_prep.make.jobs import salt_jobs
from data_prep.make.simulate import make
from experiments.benchmark.commands import stored
from experiments.benchmark.figures import Bench, Figure, Result, result
from fwi.config import StudyConfig


def measure(bench: Bench) -> Result:
    """Samples per second of steps on one device, and on all of them: GPUs, or processes on the CPU."""
    import torch

    samples = bench.samples or 256
    batch = bench.study.train.batch_size
    study = stored(bench.study, bench.folder / "data", train=samples, validation=batch)
    make(study, salt_jobs(study), bench.workers)
    devices = torch.cuda.device_count() or bench.workers
    # A process among several on the CPU has its share of the threads; one alone gets no more here.
    threads = max(1, (os.cpu_count() or 1) // devices)
    one, several = [], []
    for turn in range(bench.repeats):
        one.append(_rate(study, bench.folder / f"one-{turn}", 1, threads))
        several.append(_rate(study, bench.folder / f"several-{turn}", devices, threads))
    kind = "GPU" if torch.cuda.is_available() else f"process of {threads} thread{'s' * (threads > 1)}"
    single = Figure("one device", "samples/s", one, f"the trainer's steps on one {kind}, loading included")
    shared = Figure(f"{devices} devices", "samples/s", several, "the same steps, shared by as many")
    return result(
        samples, [single, shared, shared.by(single, "speed-up", "all devices by one", 0.9 * devices)]
    )


def _rate(study: StudyConfig, run: Path, devices: int, threads: int) -> float:
    """Samples per second in the second epoch of a training; in the first, processes start."""
    import torch
    from lightning.pytorch.callbacks import LambdaCallback

    from fwi import run_folder
    from fwi.training import ranks
    from fwi.training.fit import datasets, fit, quiet, take_part
    from fwi.training.processes import together

    train = study.train.model_copy(update={"epochs": 2, "devices": devices})
    study = study.model_copy(update={"train": train})
    run_folder.begin(run, study)
    steps = study.storage.train // train.batch_size
    clock: list[float] = []

    def note(trainer: Any, task: Any, *batch_and_number: Any) -> None:
        if trainer.current_epoch == 1:
            clock.append(time.perf_counter())

    callback = LambdaCallback(on_train_batch_start=note, on_train_batch_end=note)
    rank, before = ranks.find(train), torch.get_num_threads()
    torch.set_num_threads(threads * devices)
    try:
        with quiet(), together(rank, take_part, study, run, False) as gather:
            fit(rank, gather, study, run, False, datasets(study), [callback])
    finally:
        torch.set_num_threads(before)
    return steps * train.batch_size / (clock[-1] - clock[0])
