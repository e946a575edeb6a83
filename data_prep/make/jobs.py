"""Jobs: each describes one shard completely, so that any worker on any machine can make it."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from data_prep.salt import require_range
from fwi.config import SPLITS, Split, StudyConfig
from fwi.origin import Drawn, Origin
from fwi.survey import Survey

MOST_SHARDS = 100_000
"""Largest number of shards in a split: their numbers have five digits, and the manifest lists them all."""


class Source(Protocol):
    """Samples of a file, which are read as needed; it is sent to the workers by pickle."""

    def velocity(self, numbers: Sequence[int]) -> NDArray[np.float32] | None:
        """Models [m/s] on the study's grid, shape ``(sample, depth, x)``; None if only records are known."""

    def gathers(self, numbers: Sequence[int]) -> NDArray[np.float32] | None:
        """Records of the survey, shape ``(sample, shot, time, receiver)``; None to have them simulated."""


class Job(NamedTuple):
    """One shard to make."""

    file: str
    """Name of the shard."""
    split: Split
    """The split that its samples belong to."""
    numbers: Sequence[int]
    """Number of each sample in its random stream or source."""
    origin: Origin
    """Origin of the samples, for the manifest."""
    source: Source | None = None
    """Source from which the samples are read; None draws models from the study's salt preset."""


def salt_jobs(study: StudyConfig) -> list[Job]:
    """The jobs of the study's random models, split by split.

    Raises:
        ValueError: the grid's velocity range does not hold the speeds of the models, or a split would have
            more shards than a folder may hold.
    """
    require_range(study.grid, study.salt)
    jobs = []
    for stream, split in enumerate(SPLITS):
        total, step = getattr(study.storage, split), study.storage.samples_per_shard
        if total > MOST_SHARDS * step:
            raise ValueError(
                f"storage.{split}: {total:,} samples in shards of {step} are {-(-total // step):,} files, "
                f"and a folder holds {MOST_SHARDS:,} of a split: take a storage.samples_per_shard of "
                f"{-(-total // MOST_SHARDS)} or more, or fewer samples"
            )
        origin = Drawn.of(study.salt, stream)
        for first in range(0, total, step):
            numbers = range(first, min(first + step, total))
            jobs.append(Job(f"{split}-{first // step:05d}.h5", split, numbers, origin))
    return jobs


def part_of(jobs: Sequence[Job], part: str) -> list[Job]:
    """Choose every n-th job, for one task of a job array of n tasks.

    Every job belongs to exactly one of the n parts.

    Args:
        jobs: all jobs, in the same order for every task.
        part: number of the part, counted from 1, and number of parts, such as "3/8".

    Raises:
        ValueError: ``part`` does not have this form, or its number is not between 1 and n.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", part)
    number, parts = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= parts:
        raise ValueError(f"--part {part}: expected i/n with i from 1 to n, such as 3/8")
    return list(jobs[number - 1 :: parts])


def unfinished(study: StudyConfig, jobs: Sequence[Job]) -> list[Job]:
    """The jobs whose shard is not yet in the study's folder."""
    return [job for job in jobs if not (study.storage.folder / job.file).exists()]


def samples(jobs: Sequence[Job]) -> int:
    """Number of samples in the shards of ``jobs``."""
    return sum(len(job.numbers) for job in jobs)


def recipe(study: StudyConfig) -> dict[str, Any]:
    """Settings that all shards of a folder share, without the memory limit, which changes no record."""
    return {
        **Survey(study.grid, study.survey).to_dict(),
        "physics": study.physics.model_dump(mode="json", exclude={"memory"}),
        "storage": {"dtype": study.storage.dtype},
    }
