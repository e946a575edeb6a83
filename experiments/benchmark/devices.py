"""``fwi benchmark devices``: training on all devices against training on one of them."""

import csv
import os

from data_prep.jobs import salt_jobs
from data_prep.simulate import make
from experiments.benchmark.commands import command, stored
from experiments.benchmark.figures import Bench, Figure, Result, result
from fwi.config import StudyConfig

EPOCHS = 3
"""Epochs of a turn, of which the first is not counted: processes start in it."""


def measure(bench: Bench) -> Result:
    """Samples per second of ``fwi train`` on each of the devices alone and on all: GPUs, or CPU processes."""
    import torch

    samples = bench.samples or 256
    study = stored(bench.study, bench.folder / "data", train=samples, validation=bench.study.train.batch_size)
    make(study, salt_jobs(study), bench.workers)
    devices = torch.cuda.device_count() or bench.workers
    # A process among several on the CPU has its share of the threads; one alone gets no more here.
    threads = max(1, (os.cpu_count() or 1) // devices)
    one, all_of_them = [], []
    for turn in range(bench.repeats):
        one.append(_rate(bench, study, f"one-{turn}", 1, threads))
        all_of_them.append(_rate(bench, study, f"all-{turn}", devices, threads * devices))
    kind = "GPU" if torch.cuda.is_available() else f"process of {threads} thread{'s' * (threads > 1)}"
    single = Figure("one device", "samples/s", one, f"fwi train on one {kind}, validation included")
    several = Figure(f"{devices} devices", "samples/s", all_of_them, "the same steps, shared by as many")
    return result(
        samples, [single, several, several.by(single, "speed-up", "all devices by one", 0.9 * devices)]
    )


def _rate(bench: Bench, study: StudyConfig, name: str, devices: int, threads: int) -> float:
    run = bench.folder / name
    flags = ["--run", str(run), "--train.epochs", str(EPOCHS), "--train.devices", str(devices)]
    command(study, "train", *flags, OMP_NUM_THREADS=str(threads))
    with open(run / "metrics.csv", newline="") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    batch = study.train.batch_size
    return (EPOCHS - 1) * (study.storage.train // batch * batch) / (seconds[-1] - seconds[0])
