"""A data set as SEG-Y files: complete, each in its place, made where they are missing and only there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.segy.export import export, size
from data_prep.segy.headers import SegyError
from data_prep.segy.shots import open_shots
from data_prep.segy.velocity import read_section
from fwi import shards
from fwi.config import StudyConfig
from fwi.files import claimed
from fwi.manifest import DataSet
from fwi.shards import Samples, ShardError


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.iterdir())}


def test_every_sample_has_its_records_and_model_to_the_bit(tiny_copy: StudyConfig) -> None:
    data, told = DataSet.read(tiny_copy.storage.folder), list[int]()

    folder = export(data, told.append)

    assert told[-1] == 16
    assert told == sorted(told)
    assert len(stamps(folder)) == 2 * 16
    assert sum(path.stat().st_size for path in folder.iterdir()) == size(data.survey, 16)
    for entry in data.entries:
        samples = shards.read(data.folder / entry.file)
        assert samples.velocity is not None
        for n in range(entry.samples):
            stem = folder / f"{Path(entry.file).stem}-{n}"
            gathers = open_shots(stem.with_name(f"{stem.name}-gathers.segy"))
            section = read_section(stem.with_name(f"{stem.name}-velocity.segy"))
            np.testing.assert_array_equal(section.velocity, samples.velocity[n])
            for shot in gathers.shots:
                np.testing.assert_array_equal(gathers.read(shot.number), samples.gathers[n][shot.number - 1])


def test_only_what_is_missing_is_made_again(tiny_copy: StudyConfig) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    folder = export(data)
    before = stamps(folder)
    (folder / "train-00000-2-gathers.segy").unlink()
    (folder / ".train-00000-1-gathers.segy.77.tmp").touch()  # of a killed export

    export(data)

    changed = {name for name, stamp in stamps(folder).items() if before[name] != stamp}
    assert set(stamps(folder)) == set(before)
    assert changed == {"train-00000-2-gathers.segy", "train-00000-2-velocity.segy"}


def test_sample_that_another_process_is_writing_is_left_to_it(tiny_copy: StudyConfig) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    name = "test-00000-1-gathers.segy"
    (data.folder / "segy").mkdir()

    with claimed(data.folder / "segy" / name) as ours:
        assert ours
        export(data)

    assert len(list((data.folder / "segy").glob("*-gathers.segy"))) == 15
    assert not (data.folder / "segy" / name).exists()


def test_records_without_models_are_written_alone(tiny_copy: StudyConfig) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    entry = data.split("test")[0]
    path = data.folder / entry.file
    samples, (attributes, _) = shards.read(path), shards.describe(path)
    shards.write(path, Samples(samples.gathers, None, None, samples.seed), data.survey, attributes)

    folder = export(replace(data, entries=(entry,)))

    assert sorted(stamps(folder)) == [f"test-00000-{n}-gathers.segy" for n in range(4)]


def test_files_say_which_sample_of_which_shard_they_are(tiny_copy: StudyConfig) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    folder = export(replace(data, provenance={"versions": {"deepwave": "0.1.0", "commit": "abc"}}))

    for kind in ("gathers", "velocity"):
        text = (folder / f"validation-00000-3-{kind}.segy").read_bytes()[:3200].decode("cp037")
        assert "validation-00000.h5, sample 3" in text
        assert "number 3 of salt preset yang_ma, seed 0, validation" in text
        assert data.split("validation")[0].sha256 in text
        assert "deepwave 0.1.0, commit abc" in text


def test_damaged_shard_is_refused_by_its_name(tiny_copy: StudyConfig) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    path = data.folder / "train-00001.h5"
    path.write_bytes(path.read_bytes()[:3000])

    with pytest.raises(ShardError, match=r"train-00001\.h5"):
        export(data)


def test_disk_that_is_too_small_is_refused_before_anything_is_written(
    tiny_copy: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))

    with pytest.raises(OSError, match=r"SEG-Y needs 0\.00\d+ GB more"):
        export(data)

    assert not list((data.folder / "segy").iterdir())


def test_survey_that_does_not_fit_is_refused_before_anything_is_written(tiny_copy: StudyConfig) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    recipe = {**data.recipe, "survey": {**data.recipe["survey"], "keep_every": 20}}

    with pytest.raises(SegyError, match="40000 microseconds"):
        export(replace(data, recipe=recipe))

    assert not (data.folder / "segy").exists()
