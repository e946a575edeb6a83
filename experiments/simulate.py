"""``fwi simulate``: salt models and their records to shards."""

import os
from collections.abc import Sequence

from data_prep.simulate import Job, make, plan, salt_jobs, unfinished
from experiments.cli import Study
from experiments.progress import progress
from fwi.config import SPLITS, StudyConfig
from fwi.shards import DataSet


def simulate(study: Study, workers: int = os.cpu_count() or 1, dry_run: bool = False) -> None:
    """Draw salt models, record them, and store both in the study's storage.folder.

    Stop it at any moment and run it again: it makes what is missing, and the result is the same.

    Args:
        study: the study.
        workers: processes, each of one thread.
        dry_run: only say how many samples and bytes, and about how long it takes.
    """
    make_set(study, salt_jobs(study), workers, dry_run)


def make_set(study: StudyConfig, jobs: Sequence[Job], workers: int, dry_run: bool) -> None:
    """Make the shards that are missing and say what there is; a dry run says what there would be."""
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
    print(f"{study.storage.folder}: {sizes(data)}")


def sizes(data: DataSet) -> str:
    """Samples per split, in words."""
    return ", ".join(f"{data.size(split)} {split}" for split in SPLITS if data.size(split))
