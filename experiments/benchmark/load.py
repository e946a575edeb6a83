"""``fwi benchmark load``: the rate of the loader against the rate at which training uses samples."""

from data_prep.make.jobs import salt_jobs
from data_prep.make.simulate import make
from experiments.benchmark.commands import stored
from experiments.benchmark.figures import Bench, Figure, Result, result
from experiments.benchmark.steps import turns


def measure(bench: Bench) -> Result:
    """Samples per second of the loader alone and of the trainer's steps."""
    from fwi.data import ShotDataset, training_loader

    samples = bench.samples or 64
    study = stored(bench.study, bench.folder / "data", train=samples)
    training = ShotDataset([make(study, salt_jobs(study), bench.workers)], "train")
    loader = training_loader(training, study.data, study.train.batch_size, study.train.seed)
    loaded, eaten = turns(
        study, training, bench.repeats, lambda: sum(len(batch.velocity) for batch in loader)
    )

    processes = f"data.workers {study.data.workers}"
    supply = Figure(
        "loader", "samples/s", loaded, f"an epoch of the loader alone, {processes}, files in memory"
    )
    demand = Figure("training step", "samples/s", eaten, "steps of the trainer on batches in memory")
    return result(samples, [supply, demand, supply.by(demand, "supply", "loader by training step", 3.0)])
