"""Repairing a data set: the same bytes again, only where they were lost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from shard_edits import flip_byte, rewrite

from data_prep.make import pool
from data_prep.make.jobs import Job, salt_jobs
from data_prep.verify.repair import jobs_of, repair
from data_prep.verify.verify import inspect
from fwi.config import SPLITS, StudyConfig
from fwi.files import sha256
from fwi.manifest import DataSet, Entry
from fwi.origin import parse_origin
from fwi.shards import Samples, ShardError


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
        lambda s: s._replace(gathers=s.gathers.astype(np.float32)),
    ],
    ids=["models", "records", "precision"],
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


# -- what is not replaced


def with_entry(number: int, **changes: object) -> Callable[[DataSet], DataSet]:
    """Make one entry of a manifest wrong."""

    def change(data: DataSet) -> DataSet:
        entries = list(data.entries)
        entries[number] = replace(entries[number], **changes)
        return replace(data, entries=tuple(entries))

    return change


def with_origin(number: int, **changes: object) -> Callable[[DataSet], DataSet]:
    return lambda data: with_entry(
        number, origin=parse_origin(data.entries[number].origin.to_dict() | changes)
    )(data)


def with_recipe(section: str, **changes: object) -> Callable[[DataSet], DataSet]:
    return lambda data: replace(data, recipe=data.recipe | {section: data.recipe[section] | changes})


WRONG = {
    "physics": (with_recipe("physics", pml_width=13), "physics.pml_width: 13 against 12"),
    "grid": (with_recipe("grid", nz=25), "grid.nz: 25 against 24"),
    "survey": (with_recipe("survey", dt=0.003), "survey.dt: 0.003 against 0.002"),
    "precision": (with_recipe("storage", dtype="float32"), "storage.dtype: float32 against float16"),
    "seed": (
        lambda data: with_origin(0, salt=data.entries[0].origin.salt.to_dict() | {"seed": 4})(data),
        "seed: 4 ",
    ),
    "stream": (with_origin(0, stream=2), "draws train-00000.h5 from stream 2"),
    "samples": (with_entry(0, samples=5), "samples: 5 against 4"),
    "samples of the last": (with_entry(1, samples=3), "samples: 3 against 4"),
    "bytes": (with_entry(0, bytes=99), "bytes: 99 against"),
    "SHA-256": (with_entry(0, sha256="0" * 64), "train-00000.h5 is what is made again"),
    "name": (with_entry(0, file="train-00007.h5"), "calls train-00000.h5 train-00007.h5"),
    "another's name": (with_entry(0, file="train-00001.h5"), "lists train-00001.h5 2 times"),
    "split": (with_entry(0, split="test"), "has train-00000.h5 in the test split"),
}
"""Manifests in which one value is wrong, and what is said of it."""


@pytest.mark.parametrize("also_damaged", [False, True])
@pytest.mark.parametrize("what", WRONG)
def test_a_manifest_with_a_wrong_value_is_refused_and_no_shard_is_touched(
    tiny_copy: StudyConfig, what: str, also_damaged: bool
) -> None:
    folder = tiny_copy.storage.folder
    if also_damaged:
        flip_byte(folder / "test-00000.h5", 0.7)
    change, said = WRONG[what]
    wrong = change(DataSet.read(folder))
    before = contents(folder)

    found = inspect(wrong, resimulate=0)
    with pytest.raises(ShardError, match=r"the manifest is wrong, not the shards") as refused:
        repair(wrong, ["train-00000.h5", "test-00000.h5"], workers=1)

    assert found.problems
    assert said in str(refused.value)
    assert "delete it and repeat the command that made the set" in str(refused.value)
    assert contents(folder) == before


def test_whatever_character_of_a_manifest_changes_no_good_shard_is_lost_and_nothing_wrong_is_called_sound(
    tiny_copy: StudyConfig,
) -> None:
    folder, random = tiny_copy.storage.folder, np.random.default_rng(0)
    whole, written = DataSet.read(folder), without_checksum(folder)
    before, wrongly_sound, refused = contents(folder), [], 0
    characters = [position for position, character in enumerate(written) if character.isalnum()]

    for position in random.choice(characters, 40, replace=False).tolist():
        kind = "0123456789" if written[position].isdigit() else "abcdefghijklmnopqrstuvwxyz"
        other = str(random.choice(list(kind.replace(written[position], ""))))
        (folder / "manifest.json").write_text(written[:position] + other + written[position + 1 :])
        try:
            found = inspect(DataSet.read(folder), resimulate=0)
            repair(found.data, [problem.file for problem in found.problems if problem.remake], workers=1)
            if not found.problems and replace(found.data, provenance=whole.provenance) != whole:
                wrongly_sound.append(position)
        except ShardError:
            refused += 1
        assert contents(folder) == before

    assert wrongly_sound == []
    assert refused > 25


def test_a_shard_stays_until_its_successor_is_whole(
    tiny_copy: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_copy.storage.folder
    for file in ("train-00000.h5", "test-00000.h5"):
        flip_byte(folder / file, 0.7)
    before = contents(folder)
    here = pool.completed

    def killed(**arguments: Any) -> Iterator[Entry]:
        yield next(here(**arguments))
        raise OSError("a worker was killed")

    monkeypatch.setattr(
        pool,
        "completed",
        lambda work, jobs, workers, on_progress: killed(
            work=work, jobs=jobs, workers=workers, on_progress=on_progress
        ),
    )
    with pytest.raises(OSError, match="a worker was killed"):
        repair(DataSet.read(folder), ["train-00000.h5", "test-00000.h5"], workers=1)

    assert contents(folder) == before
    assert not (folder / ".repair").exists()


def test_a_repair_that_was_killed_leaves_what_the_next_one_removes_and_follows_no_link(
    tiny_copy: StudyConfig, tiny_data: Path, tmp_path: Path
) -> None:
    folder = tiny_copy.storage.folder
    flip_byte(folder / "test-00000.h5", 0.7)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious.txt").write_text("precious")

    (folder / ".repair").symlink_to(tmp_path / "outside")
    repair(DataSet.read(folder), ["test-00000.h5"], workers=1)
    (folder / ".repair").mkdir()
    (folder / ".repair" / "test-00000.h5").symlink_to(tmp_path / "outside" / "precious.txt")
    flip_byte(folder / "test-00000.h5", 0.7)
    repair(DataSet.read(folder), ["test-00000.h5"], workers=1)

    assert (folder / "test-00000.h5").read_bytes() == (tiny_data / "test-00000.h5").read_bytes()
    assert (tmp_path / "outside" / "precious.txt").read_text() == "precious"
    assert not (folder / ".repair").exists()


# -- where the bytes are not made again


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make shards whose bytes are others, as with other versions or on another processor."""
    monkeypatch.setattr("data_prep.make.simulate.versions", lambda: {"deepwave": "0.0.2"})


@pytest.mark.usefixtures("elsewhere")
def test_another_processor_s_shard_is_taken_if_it_makes_a_whole_one_as_it_is(tiny_copy: StudyConfig) -> None:
    folder = tiny_copy.storage.folder
    flip_byte(folder / "test-00000.h5", 0.7)

    (said,) = repair(DataSet.read(folder), ["test-00000.h5"], workers=1)

    assert "not byte for byte what it was" in said
    assert inspect(DataSet.read(folder), resimulate=16).problems == []


@pytest.mark.usefixtures("elsewhere")
def test_a_whole_shard_is_told_from_a_damaged_one_even_by_another_processor(tiny_copy: StudyConfig) -> None:
    folder = tiny_copy.storage.folder
    wrong = with_entry(0, sha256="0" * 64)(DataSet.read(folder))
    before = contents(folder)

    with pytest.raises(
        ShardError, match=r"train-00000\.h5 is what is made again; the manifest notes another"
    ):
        repair(wrong, ["train-00000.h5"], workers=1)

    assert contents(folder) == before


@pytest.mark.usefixtures("elsewhere")
def test_a_whole_shard_that_was_called_damaged_stays(tiny_copy: StudyConfig) -> None:
    folder = tiny_copy.storage.folder
    before = contents(folder)

    said = repair(DataSet.read(folder), ["train-00000.h5"], workers=1)

    assert said == ["train-00000.h5: left as it is, for that is what is made again"]
    assert contents(folder) == before


@pytest.mark.usefixtures("elsewhere")
def test_a_shard_that_nothing_vouches_for_replaces_none(tiny_copy: StudyConfig) -> None:
    folder = tiny_copy.storage.folder
    files = [entry.file for entry in DataSet.read(folder).entries]
    flip_byte(folder / "test-00000.h5", 0.7)
    others = files[:-1]

    def louder(samples: Samples) -> Samples:
        return samples._replace(gathers=samples.gathers * np.float16(1.1))

    rewrite(folder, "train-00000.h5", louder)
    before = contents(folder)
    with pytest.raises(ShardError, match=r"train-00000\.h5, which is whole, would be made otherwise here"):
        repair(DataSet.read(folder), ["test-00000.h5"], workers=1)
    assert contents(folder) == before

    for file in others:
        (folder / file).unlink()
    before = contents(folder)
    with pytest.raises(ShardError, match="no whole shard of the same models is left to tell"):
        repair(DataSet.read(folder), ["test-00000.h5"], workers=1)
    assert contents(folder) == before


def test_a_damaged_shard_of_which_the_manifest_has_the_name_wrong_is_not_made_by_that_name(
    tiny_copy: StudyConfig,
) -> None:
    folder = tiny_copy.storage.folder
    wrong = with_entry(1, file="train-04001.h5")(DataSet.read(folder))
    flip_byte(folder / "train-00001.h5", 0.7)
    before = contents(folder)

    with pytest.raises(ShardError, match=r"train-04001\.h5 is missing, and may be train-00001\.h5"):
        repair(wrong, ["train-04001.h5"], workers=1)

    assert contents(folder) == before


def test_an_array_that_became_a_group_is_made_again(tiny_copy: StudyConfig, tiny_data: Path) -> None:
    path = tiny_copy.storage.folder / "train-00001.h5"
    with h5py.File(path, "r+") as file:
        del file["gathers"]
        file.create_group("gathers")
    data = DataSet.read(path.parent)
    with_entry(1, bytes=path.stat().st_size, sha256=sha256(path))(data).write()

    found = inspect(DataSet.read(path.parent), resimulate=0)
    repair(found.data, [problem.file for problem in found.problems if problem.remake], workers=1)

    assert path.read_bytes() == (tiny_data / "train-00001.h5").read_bytes()


def test_a_damaged_shard_of_which_the_manifest_has_the_number_of_samples_wrong_is_not_replaced(
    tiny_copy: StudyConfig,
) -> None:
    folder = tiny_copy.storage.folder
    wrong = with_entry(3, samples=3)(DataSet.read(folder))
    (folder / "test-00000.h5").write_bytes(b"nothing is left")

    with pytest.raises(ShardError, match=r"test-00000\.h5 made again has \d+ bytes, the manifest notes \d+"):
        repair(wrong, ["test-00000.h5"], workers=1)

    assert (folder / "test-00000.h5").read_bytes() == b"nothing is left"


def test_imported_shards_are_left_alone(tiny_copy: StudyConfig) -> None:
    folder = tiny_copy.storage.folder
    source = {"file": "salt.npz", "key": None, "sha256": "0", "spacing": 20.0}
    rewrite(folder, "train-00000.h5", lambda samples: samples, parse_origin({"source": source}))
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


# -- helpers


def contents(folder: Path) -> dict[str, bytes]:
    """Every shard of a folder."""
    return {path.name: path.read_bytes() for path in folder.glob("*.h5")}


def without_checksum(folder: Path) -> str:
    """The text of a manifest as it was before there were checksums in them."""
    head, checksum, *rest = (folder / "manifest.json").read_text().splitlines(keepends=True)
    assert checksum.startswith('"checksum"')
    return "".join([head, *rest])
