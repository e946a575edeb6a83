"""The data set on disk: what other programs see of it, and what happens when it is damaged."""

import json
import os
import shutil
import sys
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import xarray
from studies import make_endless

from data_prep.make.simulate import simulate
from fwi import files, shards
from fwi.config import StudyConfig
from fwi.manifest import DataSet
from fwi.shards import Samples, ShardError
from fwi.survey import Survey

# -- the format


def test_xarray_shows_named_axes_with_coordinates_and_units(tiny_study: StudyConfig, tiny_data: Path) -> None:
    survey = Survey(tiny_study.grid, tiny_study.survey)

    with xarray.open_dataset(tiny_data / "train-00000.h5", engine="h5netcdf") as shard:
        assert shard.gathers.dims == ("sample", "shot", "time", "receiver")
        assert shard.velocity.dims == shard.salt.dims == ("sample", "depth", "x")
        for name, values, units in (
            ("time", survey.time, "s"),
            ("depth", survey.depth, "m"),
            ("x", survey.x, "m"),
            ("shot_x", survey.shot_x, "m"),
            ("receiver_x", survey.receiver_x[0], "m"),
        ):
            np.testing.assert_array_equal(shard.coords[name], values)
            assert shard.coords[name].attrs["units"] == units
        assert shard.velocity.attrs["units"] == "m/s"


def test_every_sample_is_one_checksummed_chunk_without_compression(tiny_data: Path) -> None:
    with h5py.File(tiny_data / "train-00000.h5") as file:
        for name in ("gathers", "velocity", "salt"):
            assert file[name].chunks == (1, *file[name].shape[1:])
            assert file[name].compression is None
            assert file[name].fletcher32


def test_a_shard_says_which_study_made_it_and_of_what(tiny_study: StudyConfig, tiny_data: Path) -> None:
    with shards.open_shard(tiny_data / "validation-00000.h5") as file:
        study, origin = shards.attribute(file, "study"), shards.attribute(file, "origin")
        versions = shards.attribute(file, "versions")

    assert Survey.from_dict(study) == Survey(tiny_study.grid, tiny_study.survey)
    assert origin == {"salt": tiny_study.salt.model_dump(mode="json"), "stream": 1}
    assert versions["torch"] == torch.__version__
    assert "commit" not in versions  # else equal samples of two commits were unequal shards


@pytest.mark.parametrize("precision", [np.float16, np.float32])
def test_what_is_read_is_what_was_written(
    tiny_study: StudyConfig, tmp_path: Path, precision: type[np.floating]
) -> None:
    samples, survey = random_samples(tiny_study, precision), Survey(tiny_study.grid, tiny_study.survey)

    shards.write(tmp_path / "a.h5", samples, survey, {})
    back = shards.read(tmp_path / "a.h5")

    for before, after in zip(samples, back, strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)


def test_equal_samples_give_equal_bytes_and_the_hash_of_the_file(
    tiny_study: StudyConfig, tmp_path: Path
) -> None:
    samples, survey = random_samples(tiny_study), Survey(tiny_study.grid, tiny_study.survey)

    first = shards.write(tmp_path / "a.h5", samples, survey, {"origin": {"b": 1, "a": 2}})
    second = shards.write(tmp_path / "b.h5", samples, survey, {"origin": {"a": 2, "b": 1}})

    assert first == second == ((tmp_path / "b.h5").stat().st_size, files.sha256(tmp_path / "b.h5"))


def test_a_profiler_that_holds_references_for_a_moment_changes_no_byte(
    tiny_study: StudyConfig, tmp_path: Path
) -> None:
    samples, survey = random_samples(tiny_study), Survey(tiny_study.grid, tiny_study.survey)
    held: deque[object] = deque(maxlen=20)
    done = threading.Event()

    def profile() -> None:
        while not done.wait(1e-4):
            held.append(list(sys._current_frames().values()))

    profiler = threading.Thread(target=profile)
    profiler.start()
    written = {shards.write(tmp_path / "a.h5", samples, survey, {}) for _ in range(50)}
    done.set()
    profiler.join()

    assert len(written) == 1


def test_streamer_receivers_are_stored_as_offsets_from_their_shot(
    tiny_study: StudyConfig, tmp_path: Path
) -> None:
    config = tiny_study.survey.model_copy(update={"spread": "streamer", "receivers": 8})
    survey = Survey(tiny_study.grid, config)
    samples = random_samples(tiny_study)._replace(gathers=np.zeros((2, *survey.gather_shape), np.float16))

    shards.write(tmp_path / "a.h5", samples, survey, {})

    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_allclose(file["receiver_x"][:], -(100.0 + 20.0 * np.arange(8)))


# -- writing


def test_a_write_that_fails_keeps_the_former_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "manifest.json"
    files.write_whole(path, "before")

    def fail(handle: int) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        files.write_whole(path, "after")

    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_locked_folder_is_refused_to_another_and_free_again_afterwards(tmp_path: Path) -> None:
    with (
        files.locked(tmp_path),
        pytest.raises(BlockingIOError, match="another command"),
        files.locked(tmp_path),
    ):
        pass

    with files.locked(tmp_path):
        pass


# -- damage


def test_verify_accepts_what_was_written_and_names_every_damaged_shard(tiny_copy: StudyConfig) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    data.verify()

    (data.folder / "train-00000.h5").unlink()
    cut(data.folder / "train-00001.h5", 0.5)
    flip_byte(data.folder / "test-00000.h5", 0.9)

    with pytest.raises(ShardError) as refused:
        data.verify()
    missing, truncated, changed, remedy = str(refused.value).splitlines()
    assert "train-00000.h5: missing" in missing
    assert "train-00001.h5" in truncated
    assert "truncated" in truncated
    assert "test-00000.h5" in changed
    assert "SHA-256" in changed
    assert "delete them" in remedy
    data.verify("validation")  # which is whole


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_a_truncated_shard_is_refused_at_reading(tiny_copy: StudyConfig, share: float) -> None:
    path = tiny_copy.storage.folder / "train-00000.h5"
    cut(path, share)

    with pytest.raises(ShardError, match=r"train-00000\.h5: missing, truncated, or no shard"):
        shards.read(path)


def test_a_byte_changed_in_any_region_is_refused_at_verify_and_never_read_as_something_else(
    tiny_copy: StudyConfig,
) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    path = data.folder / "train-00000.h5"
    whole, truth = path.read_bytes(), shards.read(path)
    in_samples = chunk_bytes(path)
    random = np.random.default_rng(0)
    header = random.choice(np.flatnonzero(~in_samples), 150, replace=False)
    samples = random.choice(np.flatnonzero(in_samples), 50, replace=False)

    refused = {}
    for position in (0, *header.tolist(), *samples.tolist()):
        content = bytearray(whole)
        content[position] ^= 0x10
        path.write_bytes(content)
        with pytest.raises(ShardError, match="SHA-256"):
            data.verify("train")
        try:
            # Some bytes of the header are of no consequence: padding, or the axes, which are not read.
            assert all(np.array_equal(a, b) for a, b in zip(shards.read(path), truth, strict=True))
        except ShardError as error:
            refused[position] = str(error)

    assert all(position in refused for position in (0, *samples.tolist()))
    assert sum(position in refused for position in header.tolist()) > 10
    assert all("train-00000.h5" in message for message in refused.values())


def test_a_folder_without_manifest_says_how_to_make_a_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(ShardError, match=r"no data set here .* 'fwi simulate'"):
            DataSet.read(folder)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1, 2]",
        "{}",
        '{"name": "another tool", "version": 2}',
        '{"schema": 1, "shards": [{"path": "a"}]}',
        "\0",
    ],
)
def test_a_manifest_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)

    with pytest.raises(ShardError, match="not a manifest of this project"):
        DataSet.read(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_what_may_never_end_is_not_read_for_a_manifest(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    make_endless(path, kind)

    with pytest.raises(ShardError, match="not a manifest of this project"):
        DataSet.read(tmp_path)


@pytest.mark.parametrize(
    ("where", "value", "named"),
    [
        (("shards", 0, "samples"), "2", r"shards\.0\.samples: input should be a valid integer, got '2'"),
        (("shards", 0, "samples"), 0, r"shards\.0\.samples: input should be greater than or equal to 1"),
        (("shards", 1, "origin"), None, r"shards\.1\.origin: input should be .*got None"),
        (
            ("shards", 1, "split"),
            "tests",
            r"shards\.1\.split: input should be 'train', 'validation'",
        ),
        (("provenance",), [], r"provenance: input should be .*got \[\]"),
        (("provenance", "command"), ["fwi"], r"provenance: .*command: input should be a valid string"),
        (("provenance", "versions"), 3, r"provenance: .*versions: input should be a valid dict"),
        (("shards", 1, "origin"), {}, r"shards\.1\.origin: .*salt: field required"),
        (("shards", 1, "origin"), {"source": 5}, r"shards\.1\.origin: .*source: input should be .*got 5"),
        (
            ("shards", 1, "origin"),
            {"source": {"file": "a"}},
            r"shards\.1\.origin: .*source.key: field required",
        ),
        (("recipe",), {}, r"recipe\.grid: field required"),
        (("recipe", "storage"), {"dtype": "int8"}, r"recipe\.storage\.dtype: input should be 'float16' or"),
        (("recipe", "grid", "nz"), "deep", "nz: input should be a valid integer, .*got 'deep'"),
        (("shards",), None, r"shards: input should be .*got None"),
        (
            ("shards", 0, "file"),
            "../a.h5",
            r"shards\.0\.file: .*shards are in the manifest's own folder, got",
        ),
        (("shards", 0, "file"), "/tmp/a.h5", r"shards\.0\.file: .*shards are in the manifest's own folder"),
        (("shards", 0, "file"), "..", r"shards\.0\.file: .*shards are in the manifest's own folder"),
        (("checksum",), 5, r"checksum: input should be a valid string, got 5"),
        (("shards", 0, "colour"), "red", r"shards\.0\.colour: unexpected keyword argument, got 'red'"),
    ],
)
def test_a_value_of_another_type_in_a_manifest_is_refused_with_its_key(
    tiny_copy: StudyConfig, where: tuple[str | int, ...], value: object, named: str
) -> None:
    path = tiny_copy.storage.folder / "manifest.json"
    content = inner = json.loads(path.read_text())
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    path.write_text(json.dumps(content))

    with pytest.raises(ShardError, match=rf"manifest\.json: not a manifest of this project \(.*{named}"):
        DataSet.read(path.parent)


def test_a_manifest_of_another_schema_is_refused_with_both_numbers(tiny_copy: StudyConfig) -> None:
    path = tiny_copy.storage.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 7}))

    with pytest.raises(ShardError, match="schema 7, this version reads 1"):
        DataSet.read(path.parent)


def test_a_character_changed_anywhere_in_a_manifest_is_refused_or_of_no_consequence(
    tiny_copy: StudyConfig,
) -> None:
    whole = DataSet.read(tiny_copy.storage.folder)
    path = whole.folder / "manifest.json"
    written, random = path.read_text(), np.random.default_rng(0)
    refused = 0

    for position in random.choice(len(written), 150, replace=False):
        other = str(random.choice(list("0123456789abcdef ,")))
        path.write_text(written[:position] + other + written[position + 1 :])
        try:
            assert DataSet.read(whole.folder) == whole
        except ShardError as error:
            refused += "manifest.json" in str(error)

    assert refused > 100


def test_an_edited_manifest_is_refused_with_how_to_have_it_anew(tiny_copy: StudyConfig) -> None:
    path = tiny_copy.storage.folder / "manifest.json"
    path.write_text(path.read_text().replace('"pml_width": 12', '"pml_width": 13'))

    with pytest.raises(ShardError, match=r"checksum in it is not that of its content.*delete it and repeat"):
        DataSet.read(path.parent)

    path.unlink()
    assert simulate(tiny_copy, workers=1).recipe["physics"]["pml_width"] == 12


def test_a_manifest_that_was_only_formatted_is_read(tiny_copy: StudyConfig) -> None:
    whole = DataSet.read(tiny_copy.storage.folder)
    path = whole.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2))

    assert DataSet.read(path.parent) == whole


def test_a_manifest_from_before_checksums_is_read_and_gets_one_with_the_next_write(
    tiny_copy: StudyConfig,
) -> None:
    whole = DataSet.read(tiny_copy.storage.folder)
    path = whole.folder / "manifest.json"
    now = json.loads(path.read_text())
    old = {key: value for key, value in now.items() if key != "checksum"}
    path.write_text(json.dumps(old))

    before = DataSet.read(path.parent)
    before.verify()
    before.write()

    assert before == whole
    assert json.loads(path.read_text()) == now
    assert len(now["checksum"]) == 64


def test_a_shard_with_the_sha_256_of_the_manifest_is_not_damaged_whatever_size_is_noted(
    tiny_data: Path,
) -> None:
    data = DataSet.read(tiny_data)

    assert data.damage(replace(data.entries[0], bytes=5)) == ""
    assert data.damage(replace(data.entries[0], bytes=5, sha256="0")).endswith("truncated or replaced")


def test_a_pipe_in_the_place_of_a_shard_is_not_waited_for(tiny_copy: StudyConfig) -> None:
    data = DataSet.read(tiny_copy.storage.folder)
    (data.folder / "train-00000.h5").unlink()
    os.mkfifo(data.folder / "train-00000.h5")

    with pytest.raises(ShardError, match=r"train-00000\.h5: not a regular file"):
        data.verify("train")


def random_samples(study: StudyConfig, precision: type[np.floating] = np.float16) -> Samples:
    random = np.random.default_rng(0)
    model = (2, study.grid.nz, study.grid.nx)
    return Samples(
        random.normal(size=(2, *Survey(study.grid, study.survey).gather_shape)).astype(precision),
        random.uniform(1500, 4500, model).astype(np.float32),
        (random.random(model) > 0.5).astype(np.uint8),
        np.array([3, 4]),
    )


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def flip_byte(path: Path, share: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 0x10
    path.write_bytes(content)


def chunk_bytes(path: Path) -> np.ndarray:
    """Which bytes of a shard are in the chunks of its samples."""
    inside = np.zeros(path.stat().st_size, bool)
    with h5py.File(path) as file:
        for name in Samples._fields:
            for number in range(file[name].id.get_num_chunks()):
                chunk = file[name].id.get_chunk_info(number)
                inside[chunk.byte_offset : chunk.byte_offset + chunk.size] = True
    return inside


# -- what is not in the file, or more than it


@pytest.mark.parametrize(
    "how", ["external storage", "virtual data set", "external link", "soft link", "soft link to outside"]
)
@pytest.mark.parametrize("name", ["gathers", "velocity", "salt", "seed"])
def test_an_array_that_is_kept_elsewhere_is_refused_by_its_name(
    tiny_data: Path, tmp_path: Path, how: str, name: str
) -> None:
    source, path = tiny_data / "train-00000.h5", tmp_path / "train-00000.h5"
    shutil.copy(source, path)
    with h5py.File(path, "r+") as file:
        values, kind = file[name][:], file[name].dtype
        values.tofile(tmp_path / "secret.bin")
        del file[name]
        if how == "external storage":
            outside = [(str(tmp_path / "secret.bin"), 0, values.nbytes)]
            file.create_dataset(name, shape=values.shape, dtype=kind, external=outside)
        elif how == "virtual data set":
            layout = h5py.VirtualLayout(values.shape, kind)
            layout[:] = h5py.VirtualSource(str(source), name, values.shape)
            file.create_virtual_dataset(name, layout)
        elif how == "external link":
            file[name] = h5py.ExternalLink(str(source), name)
        else:
            file["other"] = h5py.ExternalLink(str(source), "/") if how.endswith("outside") else values
            file[name] = h5py.SoftLink(f"/other/{name}" if how.endswith("outside") else "/other")

    with pytest.raises(ShardError, match=rf"train-00000\.h5: '{name}' is .*: not a shard of this project"):
        shards.read(path)


def test_an_array_of_more_than_its_file_holds_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    for name, how in {
        "many": {"shape": (10**6, 4, 50, 36), "chunks": (1, 4, 50, 36)},
        "in a chunk": {"shape": (4, 4, 50, 36), "chunks": (10**5, 4, 50, 36), "maxshape": (None, 4, 50, 36)},
    }.items():
        path = tmp_path / f"{name}.h5"
        shutil.copy(tiny_data / "train-00000.h5", path)
        with h5py.File(path, "r+") as file:
            del file["gathers"]
            file.create_dataset("gathers", dtype="f2", **how)

        with pytest.raises(ShardError, match=r"says that it holds \d+\.\d\d GB, but has 0\.\d\d MB"):
            shards.read(path)


def test_a_pipe_is_no_shard(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train-00000.h5")

    with pytest.raises(ShardError, match="is a pipe"):
        shards.open_shard(tmp_path / "train-00000.h5")
