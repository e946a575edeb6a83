"""``fwi simulate``: salt models and their records to shards."""

import os
from typing import Annotated

import tyro

from data_prep.make.devices import Device
from data_prep.make.forecast import forecast
from data_prep.make.jobs import part_of, salt_jobs, samples, unfinished
from data_prep.make.simulate import make
from data_prep.segy import export
from data_prep.segy.write import require_fits
from experiments.flags import Study
from experiments.progress import progress
from fwi.config import SPLITS, StudyConfig
from fwi.manifest import DataSet
from fwi.memory import amount
from fwi.survey import Survey


def simulate(
    study: Study,
    workers: int = os.cpu_count() or 1,
    part: str | None = None,
    scheduler: str | None = None,
    device: Device = "auto",
    segy: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    dry_run: bool = False,
) -> None:
    """Draw salt models, record them, and store both in the study's storage.folder.

    Stop it at any moment and run it again: it makes what is missing, and the result is the same. Runs may
    share a folder: started twice, on one machine or two, they share the work.

    Args:
        study: the study.
        workers: processes, each of one thread; on GPUs at most four each.
        part: make part i of n alone, such as 3/8: in a job array --part $SLURM_ARRAY_TASK_ID/8.
        scheduler: have the workers of this Dask scheduler do it, such as tcp://10.0.0.1:8786.
        device: what simulates; auto is every GPU of this machine if it has any, and the CPU for a scheduler's
            workers, for whom cuda is a GPU of its own each. The two differ by rounding.
        segy: also write each sample's records and model as SEG-Y, in the folder segy beside the shards.
        dry_run: only say how many samples and bytes, and about how long it takes.
    """
    jobs = salt_jobs(study)
    if not jobs:
        raise ValueError(
            f"storage.{', storage.'.join(SPLITS)} are all 0: give one of them the samples to make"
        )
    if segy:
        if part is not None:
            raise ValueError(
                "--segy: the SEG-Y are of the whole set; repeat the command without --part at the end"
            )
        require_fits(Survey(study.grid, study.survey))
    if dry_run:
        print(forecast(study, jobs, workers, part=part, scheduler=scheduler, device=device))
    else:
        left = unfinished(study, jobs if part is None else part_of(jobs, part))
        with progress("simulate", samples(left), "samples") as report:
            data = make(study, jobs, workers, report, part=part, scheduler=scheduler, device=device)
        print(f"{study.storage.folder}: {data.sizes}")
    if segy:
        write_segy(study, dry_run)


def write_segy(study: StudyConfig, dry_run: bool) -> None:
    """Write the finished samples as SEG-Y; a dry run says how much that will be once all are."""
    if dry_run:
        count = samples(salt_jobs(study))
        size = export.size(Survey(study.grid, study.survey), count)
        print(f"{2 * count} SEG-Y files, {amount(size)}")
        return
    data = DataSet.read(study.storage.folder)
    with progress("SEG-Y", sum(entry.samples for entry in data.entries), "samples") as report:
        folder = export.export(data, report)
    print(f"{folder}: {data.sizes} as SEG-Y")
