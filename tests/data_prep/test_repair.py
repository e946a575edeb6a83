"""Repairing a data set: the same bytes again, only where they were lost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from shard_edits import flip_byte, rewrite

from data_prep import pool
from data_prep.jobs import Job, salt_jobs
from data_prep.repair import jobs_of, repair
from data_prep.verify import inspect
from fwi.config import SPLITS, StudyConfig
from fwi.shards import DataSet, Entry, Samples, ShardError


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch):
    """Make shards in this process, on one thread: starting others takes longer than these tests."""

    def here(
        work: Callable[[Job], Entry], jobs: Sequence[Job], workers: int, on_progress: Callable[[int], None]
    ) -> Iterator[Entry]:
        for done, job in enumerate(jobs, start=1):
            yield work(job)
            on_progress(4 * done)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(pool, "completed", here)
    yield
    torch.set_num_threads(threads)


def test_damaged_shards_get_their_bytes_again_and_good_ones_are_not_touched(
    tiny_copy: StudyConfig, tiny_data: Path
) -> None:
    folder, done = tiny_copy.storage.folder, []
    (folder / "train-00001.h5").unlink()
    flip_byte(folder / "test-00000.h5", 0.7)
    good = {name: (folder / name).stat().st_mtime_ns for name in ("train-00000.h5", "validation-00000.h5")}

    said = repair(DataSet.read(folder), ["test-00000.h5", "train-00001.h5"], 1, done.append)

    assert said == [
        "train-00001.h5: made again, byte for byte what it was",
        "test-00000.h5: made again, byte for byte what it was",
    ]
    for path in tiny_data.glob("*.h5"):
        assert (folder / path.name).read_bytes() == path.read_bytes()
    assert good == {name: (folder / name).stat().st_mtime_ns for name in good}
    assert DataSet.read(folder) == replace(DataSet.read(tiny_data), folder=folder)
    assert done[-1] == 8


def test_a_shard_that_the_manifest_has_wrong_is_noted_anew_with_what_differs(
    tiny_copy: StudyConfig, tiny_data: Path
) -> None:
    def spoil(samples: Samples) -> Samples:
        samples.gathers[2] = np.nan
        return samples

    folder = tiny_copy.storage.folder
    rewrite(folder, "train-00000.h5", spoil)
    data = replace(DataSet.read(folder), provenance={"versions": {"deepwave": "0.0.1"}})

    (said,) = repair(data, ["train-00000.h5"], workers=1)

    assert "train-00000.h5: made again, but not byte for byte what it was" in said
    assert "deepwave: 0.0.1 against 0.1.0" in said
    assert (folder / "train-00000.h5").read_bytes() == (tiny_data / "train-00000.h5").read_bytes()
    DataSet.read(folder).verify()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s._replace(velocity=np.where(s.salt == 1, s.velocity, s.velocity + 1.0).astype(np.float32)),
        lambda s: s._replace(gathers=s.gathers[[1, 0, 3, 2]]),
    ],
    ids=["models", "records"],
)
def test_a_shard_whose_checksum_is_right_but_not_its_content_is_made_again(
    tiny_copy: StudyConfig, tiny_data: Path, spoil: Callable[[Samples], Samples]
) -> None:
    folder = tiny_copy.storage.folder
    rewrite(folder, "test-00000.h5", spoil)
    found = inspect(DataSet.read(folder), resimulate=16)

    repair(found.data, [problem.file for problem in found.problems if problem.remake], workers=1)

    assert (folder / "test-00000.h5").read_bytes() == (tiny_data / "test-00000.h5").read_bytes()
    assert inspect(DataSet.read(folder), resimulate=16).problems == []


def test_imported_shards_are_left_alone(tiny_copy: StudyConfig) -> None:
    folder = tiny_copy.storage.folder
    source = {"file": "salt.npz", "key": None, "sha256": "0", "spacing": 20.0}
    rewrite(folder, "train-00000.h5", lambda samples: samples, {"source": source})
    flip_byte(folder / "train-00000.h5", 0.7)
    before = (folder / "train-00000.h5").read_bytes()

    said = repair(DataSet.read(folder), ["train-00000.h5"], workers=1)

    assert said == []
    assert (folder / "train-00000.h5").read_bytes() == before


def test_nothing_is_deleted_where_this_version_would_make_other_records(tiny_copy: StudyConfig) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    physics = data.recipe["physics"] | {"correct_dispersion": None}
    other = replace(data, recipe=data.recipe | {"physics": {**physics, "correct_dispersion": "yes"}})

    with pytest.raises(ShardError, match=r"physics\.correct_dispersion: yes against True"):
        repair(other, ["train-00000.h5"], workers=1)

    data.verify()


@pytest.mark.parametrize("total", [1, 4, 7, 12])
def test_the_jobs_of_a_set_are_those_that_made_it(tiny_study: StudyConfig, total: int) -> None:
    counts = dict.fromkeys(SPLITS, total)
    study = tiny_study.model_copy(update={"storage": tiny_study.storage.model_copy(update=counts)})
    jobs = salt_jobs(study)
    entries = tuple(Entry(job.file, job.split, len(job.numbers), 0, "", job.origin) for job in jobs)
    data = DataSet(study.storage.folder, {}, {}, entries)

    assert list(jobs_of(data).values()) == jobs


def test_a_last_shard_without_its_sisters_has_no_known_numbers(tiny_study: StudyConfig) -> None:
    job = salt_jobs(tiny_study)[1]
    entry = Entry(job.file, job.split, 4, 0, "", job.origin)

    assert jobs_of(DataSet(tiny_study.storage.folder, {}, {}, (entry,))) == {}
