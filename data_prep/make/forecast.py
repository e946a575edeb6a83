"""Forecast of the effort to make a data set: samples, bytes, time steps, and estimated time."""

from collections.abc import Sequence

from data_prep.make import devices
from data_prep.make.devices import Device
from data_prep.make.jobs import Job, part_of, unfinished
from data_prep.make.simulate import free_space, plan
from fwi.config import StudyConfig
from fwi.memory import amount


def forecast(
    study: StudyConfig,
    jobs: Sequence[Job],
    workers: int,
    *,
    part: str | None = None,
    scheduler: str | None = None,
    device: Device = "auto",
) -> str:
    """Describe what ``make`` with the same arguments would do; one sample is simulated to measure its time.

    Args:
        study: the study.
        jobs: the shards to make.
        workers: number of processes.
        part: ``i/n`` for part i of n alone.
        scheduler: address of a Dask scheduler.
        device: what simulates.

    Returns:
        Lines of text, with a warning if the disk is too small.

    Raises:
        ValueError: for the reasons of ``make``, or the survey or a shard is larger than the machine's memory.
    """
    left = unfinished(study, jobs if part is None else part_of(jobs, part))
    place = devices.place(device, workers, scheduler)
    wanted = plan(study, left, place)
    busy, unit = (place.gpus, "GPU") if place.gpus else (max(1, min(workers, len(left))), "worker")
    seconds = wanted.seconds_per_sample
    lines = [
        f"{wanted.samples} samples to make in {len(left)} shards, {amount(wanted.bytes)}, "
        f"in {study.storage.folder}",
        f"{wanted.steps:,} time steps of {wanted.cells:,} cells",
        f"{seconds:.3g} s a sample and {unit}, so about {duration(wanted.samples * seconds / busy)} "
        f"with {busy} {unit}{'s' * (busy > 1)}",
    ]
    if wanted.bytes > (free := free_space(study.storage.folder)):
        lines.append(f"{amount(free)} are free there: choose another storage.folder or fewer samples")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Format a waiting time in seconds (at least one), minutes or hours."""
    if seconds < 100:
        return f"{max(1, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
