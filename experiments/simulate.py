"""Making data sets: ``fwi simulate``, ``fwi import`` and ``fwi verify``."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from data_prep.simulate import Job, make, plan, salt_jobs, unfinished
from experiments.cli import Study
from experiments.progress import progress
from fwi.config import SPLITS, Split, StudyConfig
from fwi.shards import DataSet


def simulate(study: Study, workers: int = os.cpu_count() or 1, dry_run: bool = False) -> None:
    """Draw salt models, record them, and store both in the study's storage.folder.

    Stop it at any moment and run it again: it makes what is missing, and the result is the same.

    Args:
        study: the study.
        workers: processes, each of one thread.
        dry_run: only say how many samples and bytes, and about how long it takes.
    """
    _make(study, salt_jobs(study), workers, dry_run)


def import_models(
    study: Study,
    file: tyro.conf.Positional[Path],
    spacing: float,
    key: str | None = None,
    split: Split = "train",
    validation: int = 0,
    kilometres: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    workers: int = os.cpu_count() or 1,
    dry_run: bool = False,
) -> None:
    """Bring velocity models from a .npz, .npy or .mat file to the study's grid and simulate their records.

    Args:
        study: the study.
        file: the models, an array (model, depth, x) or (depth, x).
        spacing: cell size of the file's models [m].
        key: which array of a .npz or .mat.
        split: the split the models go to.
        validation: how many of them, drawn at random, go to validation instead.
        kilometres: the speeds are in km/s.
        workers: processes, each of one thread.
        dry_run: only check the models, and say how much and about how long.
    """
    from data_prep.legacy import jobs

    wanted = jobs(
        study, file, split=split, spacing=spacing, key=key, kilometres=kilometres, validation=validation
    )
    _make(study, wanted, workers, dry_run)


def verify(folder: tyro.conf.Positional[Path]) -> None:
    """Check that every shard of a data set is there and unchanged.

    Args:
        folder: the data set.
    """
    data = DataSet.read(folder)
    data.verify()
    print(f"{folder}: {_sizes(data)}; every checksum is right")


def _make(study: StudyConfig, jobs: Sequence[Job], workers: int, dry_run: bool) -> None:
    left = unfinished(study, jobs)
    if dry_run:
        estimate = plan(study, left)
        busy = max(1, min(workers, len(left)))
        seconds = estimate.seconds_per_sample
        print(
            f"{estimate.samples} samples to make in {len(left)} shards, {estimate.bytes / 1e9:.3f} GB, "
            f"in {study.storage.folder}\n"
            f"{estimate.steps:,} time steps of {estimate.cells:,} cells\n"
            f"{seconds:.2f} s a sample and core, so about {estimate.samples * seconds / busy / 3600:.2f} h "
            f"with {busy} workers"
        )
        return
    with progress("simulate", sum(len(job.numbers) for job in left), "samples") as report:
        data = make(study, jobs, workers, report)
    print(f"{study.storage.folder}: {_sizes(data)}")


def _sizes(data: DataSet) -> str:
    return ", ".join(f"{data.size(split)} {split}" for split in SPLITS if data.size(split))
