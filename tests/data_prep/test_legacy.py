"""Velocity models from other people's files: read, checked, put on the grid, and traceable to their file."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from data_prep import legacy
from data_prep.legacy import ModelError
from data_prep.simulate import Job, make
from fwi.config import GridConfig, StudyConfig
from fwi.files import sha256
from fwi.shards import DataSet, ShardError

RANGE = (1500.0, 4500.0)
PUBLIC = Path(__file__).resolve().parents[3] / "shared/data"

Models = NDArray[np.float32]


def random_models(number: int = 3, nz: int = 24, nx: int = 36) -> Models:
    return np.random.default_rng(0).uniform(1600, 4400, (number, nz, nx)).astype(np.float32)


# -- reading


def write_npy(path: Path, models: Models) -> None:
    np.save(path, models)


def write_npz(path: Path, models: Models) -> None:
    with open(path, "wb") as file:  # to a name, savez would add a suffix of its own
        np.savez(file, vmodel=models)


def write_mat5(path: Path, models: Models) -> None:
    savemat(path, {"vmodel": models})


def write_mat73(path: Path, models: Models) -> None:
    """As MATLAB does: HDF5 behind 512 bytes of its own, axes reversed, helpers in a group named #refs#."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["vmodel"] = models.T
        file["#refs#/a"] = np.zeros(2)


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.npy", write_npy), ("a.NPZ", write_npz), ("a.mat", write_mat5), ("b.mat", write_mat73)],
)
def test_models_come_back_from_every_format(
    tmp_path: Path, name: str, write: Callable[[Path, Models], None]
) -> None:
    models = random_models()
    write(tmp_path / name, models)

    read = legacy.read_models(tmp_path / name, None, RANGE)

    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, models)


def test_one_model_without_a_leading_axis_is_one_model(tmp_path: Path) -> None:
    model = random_models(1)[0]
    np.save(tmp_path / "a.npy", model.astype(np.float64))

    np.testing.assert_array_equal(legacy.read_models(tmp_path / "a.npy", None, RANGE), model[None])


def test_whole_numbers_are_speeds_too(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", random_models().astype(np.uint16))

    assert legacy.read_models(tmp_path / "a.npy", None, RANGE).dtype == np.float32


def test_the_key_chooses_among_several_arrays(tmp_path: Path) -> None:
    models = random_models()
    np.savez(tmp_path / "a.npz", train=models, test=models[:1])

    np.testing.assert_array_equal(legacy.read_models(tmp_path / "a.npz", "test", RANGE), models[:1])


@pytest.mark.parametrize("key", [None, "vp"])
@pytest.mark.parametrize("write", [np.savez, savemat], ids=["npz", "mat"])
def test_several_arrays_without_a_right_key_are_listed(
    tmp_path: Path, write: Callable[..., None], key: str | None
) -> None:
    arrays = {"train": random_models(), "test": random_models(1)}
    path = tmp_path / ("a.npz" if write is np.savez else "a.mat")
    write(path, **arrays) if write is np.savez else write(path, arrays)

    with pytest.raises(ModelError, match="choose with --key one of train, test"):
        legacy.read_models(path, key, RANGE)


def test_a_group_in_a_matlab_file_is_no_array(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["set/vmodel"] = random_models()

    with pytest.raises(ModelError, match="has no array 'set'"):
        legacy.read_models(tmp_path / "a.mat", "set", RANGE)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.mat"])
@pytest.mark.parametrize("kept", [0, 100, 3000])
def test_a_truncated_or_foreign_file_is_refused(tmp_path: Path, name: str, kept: int) -> None:
    path = tmp_path / name
    {".npy": write_npy, ".npz": write_npz, ".mat": write_mat5}[path.suffix](path, random_models())
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(ModelError, match=f"{name}: cannot be read as {path.suffix}"):
        legacy.read_models(path, None, RANGE)


def test_other_kinds_of_files_and_missing_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"models are read from \.npy, \.npz, \.mat, not from '\.bin'"):
        legacy.read_models(tmp_path / "a.bin", None, RANGE)
    with pytest.raises(ModelError, match=r"a\.npy: no such file"):
        legacy.read_models(tmp_path / "a.npy", None, RANGE)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (np.zeros((2, 3, 4, 5)), r"shape \(2, 3, 4, 5\), expected \(model, depth, x\) or \(depth, x\)"),
        (np.zeros((0, 24, 36)), r"shape \(0, 24, 36\)"),
        (np.zeros((24, 36), complex), "of type complex128, expected numbers"),
        (np.array(["salt"]), "expected numbers"),
    ],
)
def test_arrays_that_are_no_models_are_refused(tmp_path: Path, values: NDArray, complaint: str) -> None:
    np.save(tmp_path / "a.npy", values)

    with pytest.raises(ModelError, match=complaint):
        legacy.read_models(tmp_path / "a.npy", None, RANGE)


# -- units and speeds


@pytest.mark.parametrize(
    ("speed", "complaint"),
    [
        (np.nan, "is not a finite speed"),
        (np.inf, "is not a finite speed"),
        (-2000.0, "is not a positive speed"),
        (0.0, "is not a positive speed"),
        (1000.0, r"is outside grid\.velocity 1500 \.\. 4500 m/s"),
        (6000.0, r"is outside grid\.velocity 1500 \.\. 4500 m/s"),
    ],
)
def test_an_impossible_speed_is_refused_with_its_place(tmp_path: Path, speed: float, complaint: str) -> None:
    models = random_models()
    models[1, 2, 3] = speed
    np.save(tmp_path / "a.npy", models)

    with pytest.raises(ModelError, match=rf"model 1, cell \(depth 2, x 3\): .*{complaint}"):
        legacy.read_models(tmp_path / "a.npy", None, RANGE)


def test_kilometres_per_second_are_refused_unless_said(tmp_path: Path) -> None:
    models = random_models()
    np.save(tmp_path / "a.npy", models / 1000)

    with pytest.raises(ModelError, match="look like km/s; if so, add --kilometres"):
        legacy.read_models(tmp_path / "a.npy", None, RANGE)
    read = legacy.read_models(tmp_path / "a.npy", None, RANGE, kilometres=True)

    np.testing.assert_allclose(read, models, rtol=1e-6)


# -- the grid


def test_every_second_cell_of_a_10_m_model_is_its_20_m_model() -> None:
    models = random_models(2, 201, 301)

    on_grid = legacy.on_grid(models, 10.0, GridConfig(nz=101, nx=151, spacing=20.0))

    np.testing.assert_array_equal(on_grid, models[:, ::2, ::2])


def test_a_coarser_model_is_repeated_without_new_speeds() -> None:
    models = random_models(1, 13, 19)

    on_grid = legacy.on_grid(models, 40.0, GridConfig(nz=25, nx=37, spacing=20.0))

    np.testing.assert_array_equal(on_grid[:, ::2, ::2], models)
    assert set(np.unique(on_grid)) == set(np.unique(models))


def test_a_model_of_the_grids_spacing_is_unchanged() -> None:
    models = random_models()

    np.testing.assert_array_equal(legacy.on_grid(models, 20.0, GridConfig(nz=24, nx=36)), models)


@pytest.mark.parametrize(
    ("nz", "nx", "compared"),
    [(24, 40, "larger"), (30, 36, "larger"), (20, 36, "smaller"), (24, 30, "smaller")],
)
def test_a_model_of_another_size_is_refused_with_the_numbers_that_fit(
    nz: int, nx: int, compared: str
) -> None:
    with pytest.raises(ModelError, match=f"{compared} than the grid") as refused:
        legacy.on_grid(random_models(1, nz, nx), 20.0, GridConfig(nz=24, nx=36))

    assert f"{(nz - 1) * 20} m deep and {(nx - 1) * 20} m long" in str(refused.value)
    assert f"set grid.nz {nz} and grid.nx {nx}" in str(refused.value)


# -- the shards they become


@pytest.fixture
def models_file(tmp_path: Path) -> Path:
    np.save(tmp_path / "models.npy", random_models(10))
    return tmp_path / "models.npy"


def test_the_validation_share_is_disjoint_whole_and_seeded(
    tiny_study: StudyConfig, models_file: Path
) -> None:
    first, again = (
        legacy.jobs(tiny_study, models_file, split="train", spacing=20.0, validation=3) for _ in range(2)
    )
    salt = tiny_study.salt.model_copy(update={"seed": 1})
    other = legacy.jobs(
        tiny_study.model_copy(update={"salt": salt}), models_file, split="train", spacing=20.0, validation=3
    )

    assert sorted(numbers_of(first, "train") + numbers_of(first, "validation")) == list(range(10))
    assert len(numbers_of(first, "validation")) == 3
    assert numbers_of(first, "validation") == numbers_of(again, "validation")
    assert numbers_of(first, "validation") != numbers_of(other, "validation")


def test_each_shard_holds_the_models_of_its_numbers(tiny_study: StudyConfig, models_file: Path) -> None:
    models = np.load(models_file)

    jobs = legacy.jobs(tiny_study, models_file, split="test", spacing=20.0, validation=3)

    assert {job.split for job in jobs} == {"test", "validation"}
    assert len({job.file for job in jobs}) == len(jobs) == 3
    for job in jobs:
        assert len(job.numbers) <= tiny_study.storage.samples_per_shard
        np.testing.assert_array_equal(job.source.velocity(job.numbers), models[job.numbers])


def test_the_source_is_named_with_its_hash(tiny_study: StudyConfig, models_file: Path) -> None:
    jobs = legacy.jobs(tiny_study, models_file, split="train", spacing=20.0)

    source = {"file": "models.npy", "key": None, "sha256": sha256(models_file), "spacing": 20.0}
    assert all(job.origin == {"source": source} for job in jobs)


def test_odd_names_of_files_and_keys_give_plain_names_of_shards(
    tiny_study: StudyConfig, tmp_path: Path
) -> None:
    np.savez(tmp_path / "my models.v2.npz", **{"set/one": random_models(1)})

    (job,) = legacy.jobs(
        tiny_study, tmp_path / "my models.v2.npz", split="train", spacing=20.0, key="set/one"
    )

    assert job.file == "train-my_models_v2-set_one-00000.h5"


@pytest.mark.parametrize("validation", [-1, 10, 11])
def test_a_validation_share_that_leaves_nothing_is_refused(
    tiny_study: StudyConfig, models_file: Path, validation: int
) -> None:
    with pytest.raises(ModelError, match=f"--validation {validation}: .* has 10 models"):
        legacy.jobs(tiny_study, models_file, split="train", spacing=20.0, validation=validation)


def test_a_validation_share_of_the_validation_split_is_refused(
    tiny_study: StudyConfig, models_file: Path
) -> None:
    with pytest.raises(ModelError, match="leave out one of the two"):
        legacy.jobs(tiny_study, models_file, split="validation", spacing=20.0, validation=3)


def test_imported_models_join_a_simulated_set_and_are_taken_once(
    tiny_copy: StudyConfig, models_file: Path
) -> None:
    jobs = legacy.jobs(tiny_copy, models_file, split="train", spacing=20.0, validation=3)
    before = DataSet.read(tiny_copy.storage.folder)

    data = make(tiny_copy, jobs, workers=1)

    assert data == DataSet.read(tiny_copy.storage.folder)
    assert (data.size("train"), data.size("validation"), data.size("test")) == (8 + 7, 4 + 3, 4)
    assert all(entry in data.entries for entry in before.entries)
    data.verify()
    for other in (
        legacy.jobs(tiny_copy, models_file, split="train", spacing=20.0, validation=2),
        legacy.jobs(tiny_copy, models_file, split="test", spacing=20.0),
    ):
        with pytest.raises(ShardError, match=r"models\.npy already|holds other models"):
            make(tiny_copy, other, workers=1)
    reseeded = tiny_copy.model_copy(update={"salt": tiny_copy.salt.model_copy(update={"seed": 1})})
    with pytest.raises(ShardError, match="holds other models or records"):
        make(
            reseeded, legacy.jobs(reseeded, models_file, split="train", spacing=20.0, validation=3), workers=1
        )


# -- the public models


@pytest.mark.skipif(not PUBLIC.exists(), reason="the public models are not here")
def test_the_public_salt_models_fit_the_half_resolution_study() -> None:
    grid = GridConfig(nz=101, nx=151, spacing=20.0, velocity=RANGE)

    test = legacy.on_grid(legacy.read_models(PUBLIC / "fcnvmb_models.npz", "test", RANGE), 10.0, grid)
    slices = [
        legacy.on_grid(legacy.read_models(PUBLIC / "seg_salt_slices.npz", key, RANGE), 10.0, grid)
        for key in ("saltv1", "saltv2", "saltv5")
    ]

    assert test.shape == (50, 101, 151)
    assert (test == 4500.0).any(axis=(1, 2)).all()  # there is salt in every one of them
    assert [bool((one >= 4250.0).any()) for one in slices] == [True, False, True]


def numbers_of(jobs: list[Job], split: str) -> list[int]:
    return [number for job in jobs if job.split == split for number in job.numbers]
