"""Other people's models and records as a data set: paired, calibrated, split, traceable to their files."""

import pickle
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.io import savemat
from studies import with_storage

from data_prep.foreign import datasets, formats
from data_prep.foreign.calibration import RecordsError
from data_prep.foreign.containers import FormatError
from data_prep.foreign.velocity import ModelError, on_grid
from data_prep.make.jobs import Job
from data_prep.make.simulate import make, make_shard, recipe
from fwi import config
from fwi.config import GridConfig, StudyConfig
from fwi.files import sha256
from fwi.manifest import DataSet
from fwi.physics import Propagator
from fwi.shards import Samples, ShardError, read
from fwi.survey import Survey

ROOT = Path(__file__).resolve().parents[3]
PUBLIC = ROOT / "../shared/data"

Numbers = NDArray[np.float32]


def random_models(number: int = 3, nz: int = 24, nx: int = 36) -> Numbers:
    return np.random.default_rng(0).uniform(1600, 4400, (number, nz, nx)).astype(np.float32)


def simulated(study: StudyConfig, models: Numbers, **survey: object) -> Numbers:
    """Records of models, ``(model, shot, time, receiver)``."""
    changed = study.survey.model_copy(update=survey)
    with torch.inference_mode():
        return Propagator(Survey(study.grid, changed), study.physics)(torch.from_numpy(models)).numpy()


def numbers_of(jobs: list[Job], split: str) -> list[int]:
    return [number for job in jobs if job.split == split for number in job.numbers]


def jobs_of(
    study: StudyConfig, *files: Path, split: str = "train", validation: int = 0, **how: Any
) -> list[Job]:
    source = datasets.find(study, files, **{"spacing": 20.0} | how).source
    return datasets.jobs(study, source, split=split, validation=validation)  # type: ignore[arg-type]


def stored(study: StudyConfig, jobs: list[Job]) -> list[Samples]:
    """Make the shards of jobs in this process, and read them."""
    data = DataSet(study.storage.folder, recipe(study), provenance={})
    for job in jobs:
        data = data.with_entry(make_shard(study, job))
    data.write()
    return [read(study.storage.folder / job.file) for job in jobs]


@pytest.fixture
def study(tiny_study: StudyConfig, tmp_path: Path) -> StudyConfig:
    """``tiny_study`` with an empty folder of its own and without rounding of records."""
    return with_storage(tiny_study, folder=tmp_path / "set", dtype="float32")


@pytest.fixture
def models_file(tmp_path: Path) -> Path:
    np.save(tmp_path / "models.npy", random_models(10))
    return tmp_path / "models.npy"


# -- models


def test_the_validation_share_is_disjoint_whole_and_seeded(study: StudyConfig, models_file: Path) -> None:
    first, again = (jobs_of(study, models_file, validation=3) for _ in range(2))
    salt = study.salt.model_copy(update={"seed": 1})
    other = jobs_of(study.model_copy(update={"salt": salt}), models_file, validation=3)

    assert sorted(numbers_of(first, "train") + numbers_of(first, "validation")) == list(range(10))
    assert len(numbers_of(first, "validation")) == 3
    assert numbers_of(first, "validation") == numbers_of(again, "validation")
    assert numbers_of(first, "validation") != numbers_of(other, "validation")


def test_each_shard_holds_the_models_of_its_numbers(study: StudyConfig, models_file: Path) -> None:
    models = np.load(models_file)

    jobs = jobs_of(study, models_file, split="test", validation=3)

    assert {job.split for job in jobs} == {"test", "validation"}
    assert len({job.file for job in jobs}) == len(jobs) == 3
    for job in jobs:
        assert len(job.numbers) <= study.storage.samples_per_shard
        np.testing.assert_array_equal(job.source.velocity(job.numbers), models[job.numbers])
        assert job.source.gathers(job.numbers) is None


def test_the_source_is_named_with_its_hash_as_ever(study: StudyConfig, models_file: Path) -> None:
    source = {"file": "models.npy", "key": None, "sha256": sha256(models_file), "spacing": 20.0}

    assert all(job.origin.to_dict() == {"source": source} for job in jobs_of(study, models_file))


def test_odd_names_of_files_and_keys_give_plain_names_of_shards(study: StudyConfig, tmp_path: Path) -> None:
    np.savez(tmp_path / "my models.v2.npz", **{"set/one": random_models(1)})

    (job,) = jobs_of(study, tmp_path / "my models.v2.npz", key="set/one")

    assert job.file == "train-my_models_v2-set_one-00000.h5"


@pytest.mark.parametrize("validation", [-1, 10, 11])
def test_a_validation_share_that_leaves_nothing_is_refused(
    study: StudyConfig, models_file: Path, validation: int
) -> None:
    with pytest.raises(ModelError, match=f"--validation {validation}: there are 10 samples"):
        jobs_of(study, models_file, validation=validation)


def test_a_validation_share_of_the_validation_split_is_refused(study: StudyConfig, models_file: Path) -> None:
    with pytest.raises(ModelError, match="leave out one of the two"):
        jobs_of(study, models_file, split="validation", validation=3)


@pytest.mark.usefixtures("pool_here")
def test_imported_models_join_a_simulated_set_and_are_taken_once(
    tiny_copy: StudyConfig, models_file: Path
) -> None:
    jobs = jobs_of(tiny_copy, models_file, validation=3)
    before = DataSet.read(tiny_copy.storage.folder)

    data = make(tiny_copy, jobs, workers=1)

    assert data == DataSet.read(tiny_copy.storage.folder)
    assert (data.size("train"), data.size("validation"), data.size("test")) == (8 + 7, 4 + 3, 4)
    assert all(entry in data.entries for entry in before.entries)
    data.verify()
    for other in (
        jobs_of(tiny_copy, models_file, validation=2),
        jobs_of(tiny_copy, models_file, split="test"),
    ):
        with pytest.raises(ShardError, match=r"models\.npy already|holds other models"):
            make(tiny_copy, other, workers=1)
    reseeded = tiny_copy.model_copy(update={"salt": tiny_copy.salt.model_copy(update={"seed": 1})})
    with pytest.raises(ShardError, match="holds other models or records"):
        make(reseeded, jobs_of(reseeded, models_file, validation=3), workers=1)


def test_kilometres_per_second_become_metres_per_second(study: StudyConfig, models_file: Path) -> None:
    models = np.load(models_file)
    np.save(models_file, models / 1000)

    with pytest.raises(ModelError, match="add --kilometres"):
        jobs_of(study, models_file)
    (first, *_) = jobs_of(study, models_file, unit="km/s")

    np.testing.assert_allclose(first.source.velocity([0, 1]), models[:2], rtol=1e-6)


def test_every_model_is_checked_before_anything_is_made(study: StudyConfig, models_file: Path) -> None:
    models = np.load(models_file)
    models[9, 23, 35] = np.nan
    np.save(models_file, models)

    with pytest.raises(ModelError, match=r"model 9, cell \(depth 23, x 35\): nan is not a finite speed"):
        jobs_of(study, models_file)


def test_the_cell_size_is_asked_for_unless_the_set_is_known(study: StudyConfig, models_file: Path) -> None:
    with pytest.raises(ModelError, match=r"models\.npy: --spacing is needed"):
        datasets.find(study, [models_file])


def test_nothing_to_import_is_said(study: StudyConfig) -> None:
    with pytest.raises(ModelError, match="nothing to import"):
        datasets.find(study, [])


def test_importing_takes_memory_for_a_piece_of_the_file_alone(study: StudyConfig, tmp_path: Path) -> None:
    path = tmp_path / "models.npy"
    models = np.lib.format.open_memmap(path, "w+", np.float32, (50_000, 24, 36))  # 173 MB
    models[:] = 2000.0
    del models

    tracemalloc.start()
    jobs = jobs_of(with_storage(study, samples_per_shard=1000), path)
    jobs[-1].source.velocity(jobs[-1].numbers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(numbers_of(jobs, "train")) == 50_000
    assert peak < path.stat().st_size / 2
    assert len(pickle.dumps(jobs[-1])) < 5000


# -- models with their records


@pytest.mark.parametrize("steps", ["as kept", "all"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_records_with_another_gain_and_sign_are_stored_as_simulated_ones(
    study: StudyConfig, tmp_path: Path, steps: str, sign: int
) -> None:
    models = random_models(6)
    kept = simulated(study, models)
    factor = sign * 3.7e5
    recorded = kept if steps == "as kept" else simulated(study, models, keep_every=1)
    np.save(tmp_path / "model1.npy", models[:, None])
    np.save(tmp_path / "data1.npy", factor * recorded)

    found = datasets.find(study, [tmp_path / "model1.npy"], tmp_path / "data1.npy", spacing=20.0)
    jobs = datasets.jobs(study, found.source, split="train")
    shards = stored(study, jobs)

    gathers = np.concatenate([samples.gathers for samples in shards])
    np.testing.assert_allclose(gathers, kept, atol=1e-4 * np.abs(kept).max())
    np.testing.assert_array_equal(np.concatenate([samples.velocity for samples in shards]), models)
    origin = jobs[0].origin.source.records
    assert origin.gain * factor == pytest.approx(1, rel=1e-3)
    assert origin.nrms < 1e-3
    assert origin.sha256 == sha256(tmp_path / "data1.npy")
    assert any(
        re.search(r"gain -?2\.702\de-06: .*4 models are within NRMS 0", line) for line in found.findings
    )


def test_records_of_other_models_are_refused(study: StudyConfig, tmp_path: Path) -> None:
    models = random_models(4)
    np.save(tmp_path / "model.npy", models)
    np.save(tmp_path / "data.npy", simulated(study, models[[1, 2, 3, 0]]))

    with pytest.raises(RecordsError, match=r"do not match their models: .* --gain"):
        jobs_of(study, tmp_path / "model.npy", records=tmp_path / "data.npy")
    (job,) = jobs_of(study, tmp_path / "model.npy", records=tmp_path / "data.npy", gain=2.0)

    assert job.origin.source.records.nrms is None
    np.testing.assert_allclose(job.source.gathers([3]), 2 * np.load(tmp_path / "data.npy")[[3]])


@pytest.mark.parametrize("shape", [(4, 250, 30), (5, 50, 36), (4, 100, 36)])
def test_records_of_another_survey_are_refused_with_the_numbers(
    study: StudyConfig, tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    np.save(tmp_path / "model.npy", random_models(2))
    np.save(tmp_path / "data.npy", np.ones((2, *shape), np.float32))

    with pytest.raises(RecordsError) as refused:
        jobs_of(study, tmp_path / "model.npy", records=tmp_path / "data.npy")

    shots, samples, receivers = shape
    assert f"data.npy: {shots} shots, {samples} samples, {receivers} receivers, but" in str(refused.value)
    assert "survey has 4 shots, 50 samples (250 steps), 36 receivers" in str(refused.value)
    assert f"set survey.shots {shots}, survey.nt {samples}" in str(refused.value)


def test_thinning_that_would_alias_is_refused(study: StudyConfig, tmp_path: Path) -> None:
    models = random_models(2)
    np.save(tmp_path / "model.npy", models)
    np.save(tmp_path / "data.npy", simulated(study, models, keep_every=1))
    survey = study.survey.model_copy(update={"keep_every": 25})

    with pytest.raises(RecordsError, match=r"survey\.keep_every 25: .* energy is above 10 Hz"):
        jobs_of(
            study.model_copy(update={"survey": survey}),
            tmp_path / "model.npy",
            records=tmp_path / "data.npy",
        )


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda data: data[3, 1, 2].fill(np.nan), "records 3 hold a sample that is not finite"),
        (lambda data: data[3, 1, 2].fill(np.inf), "records 3 hold a sample that is not finite"),
        (lambda data: data[3].fill(0), "records 3 are zero throughout"),
        (lambda data: data[3].__imul__(1e9), "which float16 cannot store: --gain"),
        (lambda data: data.__imul__(1e-9), "which float16 cannot store: --gain"),
    ],
)
def test_records_that_no_shard_can_hold_are_refused(
    tiny_study: StudyConfig, tmp_path: Path, spoil: Callable[[Numbers], None], complaint: str
) -> None:
    data = simulated(tiny_study, random_models(4))
    spoil(data)
    np.save(tmp_path / "data.npy", data)

    with pytest.raises(RecordsError, match=rf"data\.npy: .*{complaint}"):
        datasets.find(tiny_study, [], tmp_path / "data.npy")


def test_records_alone_give_shards_without_models(study: StudyConfig, tmp_path: Path) -> None:
    records = simulated(study, random_models(5))
    np.save(tmp_path / "data.npy", records)

    found = datasets.find(study, [tmp_path / "data.npy"])  # four axes of more than one are records
    shards = stored(study, datasets.jobs(study, found.source, split="test"))

    assert all(samples.velocity is None for samples in shards)
    np.testing.assert_array_equal(np.concatenate([samples.gathers for samples in shards]), records)
    assert "gain 1: there are no models to calibrate it with" in found.findings


def test_numbers_of_models_and_records_must_agree(study: StudyConfig, tmp_path: Path) -> None:
    np.save(tmp_path / "model.npy", random_models(3))
    np.save(tmp_path / "data.npy", np.ones((2, 4, 50, 36), np.float32))

    with pytest.raises(ModelError, match=r"3 models in .*model\.npy, but records of 2 in .*data\.npy"):
        jobs_of(study, tmp_path / "model.npy", records=tmp_path / "data.npy")


def test_files_whose_numbers_differ_do_not_pair(study: StudyConfig, tmp_path: Path) -> None:
    np.save(tmp_path / "model1.npy", random_models(2))
    np.save(tmp_path / "data2.npy", np.ones((2, 4, 50, 36), np.float32))

    with pytest.raises(ModelError, match=r"model1\.npy \(2\) would go with data2\.npy \(2\)"):
        jobs_of(study, tmp_path / "model1.npy", records=tmp_path / "data2.npy")


# -- many files


def write_yang_ma(folder: Path, study: StudyConfig, numbers: range) -> tuple[Numbers, Numbers]:
    """A folder ``vmodel`` and a folder ``georec``, one sample per file, and what is in them."""
    models = random_models(len(numbers))
    records = simulated(study, models)
    for name, key, values in (
        ("vmodel", "vmodel", models.astype(np.float64)),
        ("georec", "Rec", -20 * records.transpose(0, 2, 3, 1)),
    ):
        (folder / name).mkdir(exist_ok=True)
        for number, value in zip(numbers, values, strict=True):
            savemat(folder / name / f"{name}{number}.mat", {key: value})
    return models, records


def test_yang_and_mas_folders_become_one_set(study: StudyConfig, tmp_path: Path) -> None:
    models, records = write_yang_ma(tmp_path, study, range(1, 13))

    found = datasets.find(study, [tmp_path / "vmodel"], tmp_path / "georec", spacing=20.0)
    jobs = datasets.jobs(study, found.source, split="train", validation=2)

    assert "vmodel1.mat .. vmodel12.mat (12 files): recognised as Yang and Ma models, 12" in found.findings[0]
    assert found.source.gain == pytest.approx(-1 / 20, rel=1e-3)
    for job, samples in zip(jobs, stored(study, jobs), strict=True):
        np.testing.assert_array_equal(samples.velocity, models[job.numbers])
        np.testing.assert_allclose(samples.gathers, records[job.numbers], atol=1e-5)
        files = [tmp_path / f"vmodel/vmodel{number + 1}.mat" for number in job.numbers]
        assert job.origin.source.sha256 == [sha256(file) for file in files]


def test_files_named_in_any_order_are_taken_in_the_order_of_their_numbers(
    study: StudyConfig, tmp_path: Path
) -> None:
    models = random_models(11)
    files = [tmp_path / f"vmodel{number}.npy" for number in range(1, 12)]
    for file, model in zip(files, models, strict=True):
        np.save(file, model)

    source = datasets.find(study, sorted(files), spacing=20.0).source  # as a shell sorts: 1, 10, 11, 2 ...

    np.testing.assert_array_equal(source.velocity(range(11)), models)
    with pytest.raises(FormatError, match=r"vmodel1\.npy: named twice"):
        datasets.find(study, [*files, files[0]], spacing=20.0)


def test_one_file_of_many_that_is_there_already_is_refused(study: StudyConfig, tmp_path: Path) -> None:
    write_yang_ma(tmp_path, study, range(1, 7))
    stored(study, jobs_of(study, tmp_path / "vmodel", records=tmp_path / "georec"))

    again = jobs_of(study, tmp_path / "vmodel/vmodel3.mat", split="test")

    with pytest.raises(ShardError, match=r"holds models of vmodel3\.mat already"):
        make(study, again, workers=1)


def test_files_of_different_shape_are_refused(study: StudyConfig, tmp_path: Path) -> None:
    np.save(tmp_path / "a1.npy", random_models(2))
    np.save(tmp_path / "a2.npy", random_models(2, 24, 30))

    with pytest.raises(
        FormatError, match=r"a2\.npy: models of shape \(24, 30\), but .*a1\.npy has \(24, 36\)"
    ):
        jobs_of(study, tmp_path)


def test_a_folder_of_openfwi_is_models_and_records(tmp_path: Path) -> None:
    study = with_storage(config.load([ROOT / "configs/openfwi.yaml"]), folder=tmp_path / "set")
    models = np.full((2, 70, 70), 2000, np.float32)
    models[:, 40:] = np.array([2500, 3000])[:, None, None]
    for number in (1, 2):
        np.save(tmp_path / f"model{number}.npy", models[:, None])
        np.save(tmp_path / f"data{number}.npy", 100 * simulated(study, models))

    found = datasets.find(study, [tmp_path])

    assert len(found.source) == 4
    assert found.source.gain == pytest.approx(0.01, rel=1e-4)
    assert "recognised as OpenFWI models, 4 of 70 x 70 cells at 10 m" in found.findings[0]
    assert "recognised as OpenFWI records, 4 of 5 x 1000 x 70" in found.findings[1]


def test_openfwi_records_for_another_study_name_the_study_that_fits(
    study: StudyConfig, tmp_path: Path
) -> None:
    np.save(tmp_path / "data1.npy", np.ones((1, 5, 1000, 70), np.float32))

    with pytest.raises(RecordsError, match=r"take --config configs/openfwi\.yaml"):
        datasets.find(study, [tmp_path / "data1.npy"])


# -- the public models


@pytest.mark.skipif(not PUBLIC.exists(), reason="the public models are not here")
def test_the_public_salt_models_fit_the_half_resolution_study() -> None:
    grid = GridConfig(nz=101, nx=151, spacing=20.0, velocity=(1500.0, 4500.0))

    (test,) = formats.find(PUBLIC / "fcnvmb_models.npz", "test")
    models = on_grid(test.read(range(test.samples)), 10.0, grid)

    assert models.shape == (50, 101, 151)
    assert (models == 4500.0).any(axis=(1, 2)).all()  # there is salt in every one of them


# -- which way round, in which unit, and how large


def layered_models(number: int = 1, nz: int = 24, nx: int = 36, salt: bool = True) -> Numbers:
    """Gently dipping layers that get faster downwards, with or without a block of salt in them."""
    random = np.random.default_rng(0)
    z, x = np.mgrid[0:nz, 0:nx]
    models = np.empty((number, nz, nx), np.float32)
    for model in models:
        edges = np.sort(random.uniform(2, nz, 5))
        model[:] = np.linspace(1600, 3600, 6)[np.searchsorted(edges, z + 0.1 * x)]
        if salt:
            model[nz // 2 : nz - 3, nx // 3 : nx // 2] = 4400
    return models


def test_raw_floats_read_in_the_wrong_order_are_refused_with_the_flag_that_reads_them(
    study: StudyConfig, tmp_path: Path
) -> None:
    models = layered_models()
    path = tmp_path / "vp.bin"
    models[0].T.tofile(path)

    with pytest.raises(ModelError, match=r"vp\.bin: .*stripes: .* If so, add --axes x-depth; if not, --a"):
        jobs_of(study, path, shape=(24, 36))
    (job,) = jobs_of(study, path, shape=(24, 36), axes="x-depth")
    stated = datasets.find(study, [path], shape=(24, 36), spacing=20.0, axes="depth-x")

    np.testing.assert_array_equal(job.source.velocity([0]), models)
    assert job.origin.source.axes == "x-depth"
    assert "--axes depth-x takes them so" in stated.findings[-1]


def test_raw_floats_of_a_square_model_with_depth_fastest_are_exchanged(
    study: StudyConfig, tmp_path: Path
) -> None:
    square = study.model_copy(update={"grid": GridConfig(nz=30, nx=30, spacing=20.0)})
    models = layered_models(nz=30, nx=30, salt=False)
    models[0].T.tofile(tmp_path / "vp.bin")

    with pytest.raises(ModelError, match=r"exchanged: .* If so, add --axes x-depth; if not, --axes depth-x"):
        jobs_of(square, tmp_path / "vp.bin", shape=(30, 30))
    (job,) = jobs_of(square, tmp_path / "vp.bin", shape=(30, 30), axes="x-depth")

    np.testing.assert_array_equal(job.source.velocity([0]), models)


def test_models_stored_line_first_are_refused_with_the_flag_that_turns_them(
    study: StudyConfig, tmp_path: Path
) -> None:
    square = study.model_copy(update={"grid": GridConfig(nz=30, nx=30, spacing=20.0)})
    models, others = layered_models(4, 30, 30), layered_models(4)
    np.save(tmp_path / "square.npy", models.transpose(0, 2, 1))
    np.save(tmp_path / "other.npy", others.transpose(0, 2, 1))

    with pytest.raises(ModelError, match=r"depth and line look exchanged: .* If so, add --axes x-depth"):
        jobs_of(square, tmp_path / "square.npy")
    with pytest.raises(ModelError, match=r"they fit: if they are stored \(x, depth\), add --axes x-depth"):
        jobs_of(study, tmp_path / "other.npy")
    (job,) = jobs_of(square, tmp_path / "square.npy", axes="x-depth")
    (other,) = jobs_of(study, tmp_path / "other.npy", axes="x-depth")

    np.testing.assert_array_equal(job.source.velocity(range(4)), models)
    np.testing.assert_array_equal(other.source.velocity(range(4)), others)
    np.save(tmp_path / "right.npy", others)
    with pytest.raises(ModelError, match="exchanged they fit: leave out --axes x-depth"):
        jobs_of(study, tmp_path / "right.npy", axes="x-depth")


def test_an_array_made_of_numbers_in_the_wrong_order_is_told_how_to_be_made(
    study: StudyConfig, tmp_path: Path
) -> None:
    models = layered_models()
    stripes = models.transpose(0, 2, 1).reshape(models.shape)
    np.save(tmp_path / "vp.npy", stripes)

    with pytest.raises(ModelError, match=r"stripes: .*v\.reshape\(-1, nx, nz\)\.swapaxes\(1, 2\)"):
        jobs_of(study, tmp_path / "vp.npy")
    np.testing.assert_array_equal(stripes.reshape(-1, 36, 24).swapaxes(1, 2), models)


def test_models_along_the_last_axis_are_told_to_be_along_the_first(
    study: StudyConfig, tmp_path: Path
) -> None:
    savemat(tmp_path / "a.mat", {"vp": layered_models(7).transpose(1, 2, 0)})

    with pytest.raises(ModelError, match=r"24 x 36 x 7 numbers, of which the first two axes are the grid's"):
        jobs_of(study, tmp_path / "a.mat")


def test_big_endian_floats_are_refused_with_the_flag_that_reads_them(
    study: StudyConfig, tmp_path: Path
) -> None:
    models, path = layered_models(), tmp_path / "vp.bin"
    path.write_bytes(models.astype(">f4").tobytes())

    with pytest.raises(FormatError, match=r"look big-endian, and are 1600 \.\. 4400 then: add --endian big"):
        jobs_of(study, path, shape=(24, 36))
    (job,) = jobs_of(study, path, shape=(24, 36), big_endian=True)
    np.testing.assert_array_equal(job.source.velocity([0]), models)

    models.tofile(path)
    with pytest.raises(FormatError, match=r"look little-endian, .*: leave out --endian big"):
        jobs_of(study, path, shape=(24, 36), big_endian=True)


def test_slowness_becomes_speed_and_its_unit_is_noted(study: StudyConfig, tmp_path: Path) -> None:
    models = layered_models(2)
    np.save(tmp_path / "slowness.npy", 1 / models)

    with pytest.raises(ModelError, match=r"look like slowness in s/m .*; if so, add --unit s/m"):
        jobs_of(study, tmp_path / "slowness.npy")
    (job,) = jobs_of(study, tmp_path / "slowness.npy", unit="s/m")

    np.testing.assert_allclose(job.source.velocity([0, 1]), models, rtol=1e-5)
    assert job.origin.source.unit == "s/m"


def test_a_header_of_madagascar_needs_no_flags(study: StudyConfig, tmp_path: Path) -> None:
    models = layered_models()
    (models[0].T / 1000).tofile(tmp_path / "vp.rsf@")
    sizes = "n1=24 d1=0.02 o1=0.1 unit1=km n2=36 d2=0.02 unit2=km unit=km/s"
    (tmp_path / "vp.rsf").write_text(f'{sizes} data_format="native_float" in="./vp.rsf@"')

    found = datasets.find(study, [tmp_path / "vp.rsf"])
    (job,) = datasets.jobs(study, found.source, split="train")

    np.testing.assert_allclose(job.source.velocity([0]), models, rtol=1e-6)
    said = "\n".join(found.findings)
    assert "vp.rsf: .rsf taken as models, 1 of 24 x 36 cells at 20 m" in said
    assert f"numbers in {tmp_path}/vp.rsf@" in said
    assert "o1=0.1 left unused" in said
    assert job.origin.source.sha256 == sha256(tmp_path / "vp.rsf@")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.h5", "a.bin"])
def test_models_of_another_size_are_refused_before_they_are_read(
    study: StudyConfig, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = np.ones((3, 40, 50), np.float32)
    write = {
        "a.npy": lambda path: np.save(path, models),
        "a.npz": lambda path: np.savez_compressed(path, models=models),
        "a.h5": lambda path: h5py.File(path, "w").create_dataset("models", data=models).file.close(),
        "a.bin": models.tofile,
    }
    write[name](tmp_path / name)
    monkeypatch.setattr(formats, "read", lambda *_: pytest.fail("read before its size was compared"))

    with pytest.raises(ModelError, match=rf"{name}: the models are 780 m deep and 980 m long"):
        jobs_of(study, tmp_path / name, shape=(3, 40, 50) if name == "a.bin" else None)


def test_files_of_different_cell_size_are_refused(study: StudyConfig, tmp_path: Path) -> None:
    for number, size in enumerate((20, 10)):
        layered_models()[0].T.tofile(tmp_path / f"vp{number}.rsf@")
        (tmp_path / f"vp{number}.rsf").write_text(
            f"n1=24 d1={size} unit1=m n2=36 d2={size} unit2=m data_format=native_float in=./vp{number}.rsf@"
        )

    with pytest.raises(ModelError, match=r"cells of .*20\.0 m.*: import them one by one"):
        datasets.find(study, [tmp_path])


def test_models_alike_in_both_directions_are_remarked_upon_and_imported(
    study: StudyConfig, tmp_path: Path
) -> None:
    wall = np.full((1, 24, 36), 2000, np.float32)
    wall[:, 4:, 15:20] = 4400
    np.save(tmp_path / "wall.npy", wall)

    found = datasets.find(study, [tmp_path / "wall.npy"], spacing=20.0)

    assert re.search(
        r"wall\.npy: .*are depth and line exchanged\? If so, add --axes x-depth", found.findings[-1]
    )
    np.testing.assert_array_equal(found.source.velocity([0]), wall)


@pytest.mark.parametrize("flags", [{"unit": "s/m"}, {"axes": "x-depth"}, {"big_endian": True}])
def test_flags_of_models_are_refused_for_records_alone(
    study: StudyConfig, tmp_path: Path, flags: dict[str, Any]
) -> None:
    np.save(tmp_path / "data.npy", np.ones((2, 4, 50, 36), np.float32))

    with pytest.raises(ModelError, match=r"--\w+.*: without use .*leave out"):
        datasets.find(study, [], tmp_path / "data.npy", **flags)
