"""Unfinished data sets: the shards that a folder holds, whether they fit the study, and the manifest.

Several runs, on one machine or on many, may work in a folder at the same time. They share the manifest: a run
that changes it locks it first, reads it again, and writes it as a whole.
"""

import contextlib
import time
from collections.abc import Generator, Iterable, Sequence

from data_prep.make.jobs import Job, recipe
from fwi import shards
from fwi.config import StudyConfig
from fwi.files import claimed, sha256
from fwi.manifest import MANIFEST, DataSet, Entry
from fwi.origin import Drawn, in_full, parse_origin
from fwi.provenance import provenance
from fwi.shards import ShardError
from fwi.survey import Survey, differences

NOTING_SHARE = 0.05
"""Largest share of a run's time that is spent on the manifest, which is written as a whole each time."""

ELSEWHERE = "choose another storage.folder"


def begin(study: StudyConfig, jobs: Sequence[Job]) -> DataSet:
    """Read the data set that the study's folder holds so far, or begin a new one.

    Raises:
        ShardError: the set has another recipe, or holds the models of the jobs under other names.
    """
    manifest = study.storage.folder / MANIFEST
    if not manifest.exists():
        with claimed(manifest, wait=True):
            if not manifest.exists():
                DataSet(study.storage.folder, recipe(study), provenance()).write()
    return _read(study, jobs)


def finished(study: StudyConfig, jobs: Sequence[Job], noted: DataSet) -> list[Entry]:
    """Check the shards of ``jobs`` that exist, and return those that the manifest lacks.

    Args:
        study: the study.
        jobs: the shards that are wanted.
        noted: the manifest as it is.

    Raises:
        ShardError: a shard does not hold the samples of its job, or is damaged.
    """
    known, found = {entry.file for entry in noted.entries}, []
    for job in jobs:
        path = noted.folder / job.file
        if not path.exists():
            continue
        attributes, numbers = shards.describe(path)
        different = differences(
            in_full(parse_origin(attributes["origin"])).to_dict(), in_full(job.origin).to_dict()
        )
        if job.file not in known:
            different += differences(attributes["study"], recipe(study))
        if numbers != list(job.numbers):
            different.append(f"samples: {_span(numbers)} against {_span(job.numbers)}")
        shards.refuse_differences(f"{path} holds other models or records", different, ELSEWHERE)
        if job.file not in known:  # it has its final name, so it is whole
            found.append(
                Entry(job.file, job.split, len(numbers), path.stat().st_size, sha256(path), job.origin)
            )
    return found


def note(study: StudyConfig, jobs: Sequence[Job], entries: Sequence[Entry]) -> DataSet:
    """Add finished shards of ``jobs`` to the manifest.

    Args:
        study: the study.
        jobs: the shards that are wanted.
        entries: those that are finished.

    Returns:
        The manifest as it is then.

    Raises:
        ShardError: another run has meanwhile added the same models under other names.
    """
    with claimed(study.storage.folder / MANIFEST, wait=True):
        data = _read(study, jobs).with_entries(entries)
        data.write()
    return data


def note_as_they_come(
    study: StudyConfig, jobs: Sequence[Job], entries: Generator[Entry | None, None, None]
) -> None:
    """Add shards to the manifest in batches soon after they are finished, also those before an error.

    If the run is killed, at most one batch is missing in the manifest; ``finished`` finds it in the next run.

    Args:
        study: the study.
        jobs: the shards that are wanted.
        entries: yields each shard that is finished, and None in between.
    """
    batch: list[Entry] = []
    due = 0.0
    try:
        with contextlib.closing(entries):
            for entry in filter(None, entries):
                batch.append(entry)
                start = time.monotonic()
                if start >= due:
                    note(study, jobs, batch)
                    batch.clear()
                    due = time.monotonic() + (time.monotonic() - start) / NOTING_SHARE
    finally:
        if batch:
            note(study, jobs, batch)


def _read(study: StudyConfig, jobs: Sequence[Job]) -> DataSet:
    data, wanted = DataSet.read(study.storage.folder), recipe(study)
    different = data.survey.differences(Survey(study.grid, study.survey))
    for section in ("physics", "storage"):
        different += differences(data.recipe[section], wanted[section], f"{section}.")
    shards.refuse_differences(f"{data.folder} holds a set of another recipe", different, ELSEWHERE)
    _refuse_models_twice(data, jobs)
    return data


def _refuse_models_twice(data: DataSet, jobs: Iterable[Job]) -> None:
    """Refuse models of a file that the folder holds already: they could be in training and test data."""
    own = {job.file for job in jobs}
    # A file's jobs share their source, so there are few however many jobs there are.
    imports = (job.origin.source for job in jobs if not isinstance(job.origin, Drawn))
    sources = {(digest, source.key, source.file) for source in imports for digest in source.digests}
    for entry in data.entries:
        if isinstance(entry.origin, Drawn) or entry.file in own:
            continue
        there = entry.origin.source
        for digest, key, file in sources:
            # No key is the only array of the file, whose name this does not know.
            if digest in there.digests and (there.key == key or None in (there.key, key)):
                raise ShardError(
                    f"{data.folder / entry.file} holds models of {file} already; to continue its "
                    f"import repeat it with the same split and validation, else {ELSEWHERE}"
                )


def _span(numbers: Sequence[int]) -> str:
    return f"{len(numbers)} numbered {numbers[0]} .. {numbers[-1]}" if numbers else "none"
