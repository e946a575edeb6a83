"""Where records are simulated: batches change nothing, and how GPUs are shared can be told without one."""

import contextlib
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from processes import wait_until
from studies import config_file, content, with_storage

from data_prep.make import devices, pool, simulate
from data_prep.make.devices import CPU, Place, in_batches, place, simulated
from data_prep.salt import generate
from experiments import cli
from fwi.config import StudyConfig
from fwi.physics import Propagator
from fwi.survey import Survey

Array = NDArray[np.float32]

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture
def models(tiny_study: StudyConfig) -> Array:
    drawn = (generate(tiny_study.grid, tiny_study.salt, stream=0, index=index) for index in range(7))
    return np.stack([model.velocity for model in drawn])


@pytest.fixture
def propagator(tiny_study: StudyConfig) -> Propagator:
    return Propagator(Survey(tiny_study.grid, tiny_study.survey), tiny_study.physics)


class Recorder:
    """Stands for a propagator: a record is its model's first speed."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, velocity: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(velocity))
        return velocity[:, :1, :1]


# -- batches


@pytest.mark.parametrize("size", [3, 7, 100])
def test_models_in_batches_have_the_records_that_they_have_one_by_one(
    size: int, propagator: Propagator, models: Array
) -> None:
    alone = np.stack(list(in_batches(propagator, models, 1, "cpu")))

    together = np.stack(list(in_batches(propagator, models, size, "cpu")))

    assert together.shape == (7, *propagator.survey.gather_shape)
    assert not np.allclose(alone[0], alone[1])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6 * np.abs(alone).max())


@pytest.mark.parametrize(("size", "batches"), [(1, [1] * 7), (3, [3, 2, 2]), (6, [4, 3]), (7, [7]), (9, [7])])
def test_batches_are_few_and_equal_and_keep_every_model_in_its_place(size: int, batches: list[int]) -> None:
    propagator, models = Recorder(), np.arange(7, dtype=np.float32).reshape(7, 1, 1)

    records = list(in_batches(propagator, models, size, "cpu"))

    assert propagator.batches == batches
    assert [float(record[0, 0]) for record in records] == list(range(7))


def test_a_cpu_simulates_model_by_model(
    tiny_study: StudyConfig, models: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    propagator = Recorder()
    monkeypatch.setattr(devices, "_propagator", lambda *_: propagator)

    list(simulated(tiny_study, models, CPU))

    assert propagator.batches == [1] * 7


def test_memory_that_runs_out_is_told_in_words(models: Array) -> None:
    def greedy(velocity: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(
        OSError, match=r"the GPU's memory ran out.*fewer --workers, or with CUDA_VISIBLE_DEVICES="
    ):
        list(in_batches(greedy, models, 3, "cpu"))


# -- which device


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A machine with two GPUs, of which each process notes the one that it takes."""
    machine = SimpleNamespace(count=2, free=10_000_000_000, taken=[])
    monkeypatch.setattr(devices, "count", lambda: machine.count)
    monkeypatch.setattr(torch.cuda, "set_device", machine.taken.append)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (machine.free, 10 * machine.free))
    devices._memory.cache_clear()
    yield machine
    devices._memory.cache_clear()


@pytest.mark.parametrize(
    ("count", "device", "workers", "expected"),
    [
        (0, "auto", 16, Place(gpus=0, workers=16)),
        (2, "cpu", 16, Place(gpus=0, workers=16)),
        (2, "auto", 16, Place(gpus=2, workers=8)),
        (1, "cuda", 16, Place(gpus=1, workers=4)),
        (2, "cuda", 1, Place(gpus=2, workers=1)),
    ],
)
def test_workers_share_the_gpus_there_are_and_no_more_of_them_than_keep_each_busy(
    count: int, device: devices.Device, workers: int, expected: Place, gpus: SimpleNamespace
) -> None:
    gpus.count = count

    assert place(device, workers) == expected


def test_a_clusters_workers_simulate_on_gpus_only_if_told_to(gpus: SimpleNamespace) -> None:
    gpus.count = 0  # where the command runs

    assert place("auto", 16, "tcp://10.0.0.1:8786") == CPU
    assert place("cuda", 16, "tcp://10.0.0.1:8786") == Place(gpus=1, workers=1)


def test_a_gpu_that_is_not_there_is_refused(
    tiny_study: StudyConfig,
    tmp_path: Path,
    gpus: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gpus.count = 0
    config = config_file(with_storage(tiny_study, folder=tmp_path / "new"), tmp_path)

    with pytest.raises(SystemExit) as ended:
        cli.main(["simulate", "--config", str(config), "--device", "cuda"])

    assert ended.value.code == 2
    assert "--device cuda: PyTorch finds no GPU here; take --device cpu" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_workers_take_the_gpus_in_turn_and_each_its_share_of_the_memory(
    gpus: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = []
    for worker in range(5):
        monkeypatch.setattr(pool, "_number", worker)
        devices._memory.cache_clear()
        shares.append(devices._memory(Place(gpus=2, workers=5)))

    assert gpus.taken == [0, 1, 0, 1, 0]
    assert 3 * max(shares) < gpus.free  # three of them share the first
    assert shares == pytest.approx([0.8 * gpus.free / 3] * 5)


def test_the_gpus_memory_and_not_the_studys_decides_how_many_models_are_simulated_at_once(
    tiny_study: StudyConfig, models: Array, gpus: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def here(propagator: Propagator, velocity: Array, size: int, device: str) -> Iterator[Array]:
        assert device == "cuda"
        sizes.append(size)
        return in_batches(propagator, velocity, size, "cpu")

    small = tiny_study.physics.model_copy(update={"memory": 2**20})
    study = tiny_study.model_copy(update={"physics": small})
    expected = np.stack(list(simulated(study, models, CPU)))
    monkeypatch.setattr(devices, "in_batches", here)
    # Of a GPU's batch of one shot of float32: eleven arrays of the padded grid and more for its traces.
    shot = 4 * 11 * (24 + 2 * (12 + 4)) * (36 + 2 * (12 + 4))

    for gpus.free in (20 * 4 * shot, 10**10):
        devices._memory.cache_clear()
        records = np.stack(list(simulated(study, models, Place(gpus=1, workers=1))))
        np.testing.assert_allclose(records, expected, rtol=0, atol=1e-6 * np.abs(expected).max())

    few, many = sizes
    assert 1 < few < 20 * 0.8
    assert many > 100 * few


def test_a_survey_of_which_not_even_one_model_fits_is_simulated_in_chunks_of_its_shots(
    tiny_study: StudyConfig, models: Array, gpus: SimpleNamespace
) -> None:
    gpus.free = 2**20

    propagator, size = devices.filling(tiny_study, Place(gpus=1, workers=1))

    assert size == 1
    assert propagator.shots_per_chunk() < tiny_study.survey.shots


def test_a_gpu_that_refuses_is_told_in_words(gpus: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCompile with ...")

    monkeypatch.setattr(torch.cuda, "mem_get_info", refuse)

    with pytest.raises(
        OSError, match=r"cannot be used \(CUDA error: .* unavailable\); take --workers 2 where"
    ):
        devices._memory(Place(gpus=2, workers=8))


def number_once_all_are_here(folder: Path, workers: int, job: int) -> int:
    """Wait for the other workers, so that none does all the jobs."""
    (folder / str(job)).touch()
    wait_until(lambda: len(list(folder.iterdir())) == workers, "all workers")
    return pool.number()


def test_each_worker_of_a_pool_has_its_own_number(tmp_path: Path) -> None:
    work = functools.partial(number_once_all_are_here, tmp_path, 2)

    with contextlib.closing(pool.completed(work, [0, 1], 2, lambda done: None)) as numbers:
        assert sorted(numbers) == [0, 1]

    assert pool.number() == 0


def test_a_shard_names_the_gpu_that_simulated_it_and_no_other(
    tiny_study: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = with_storage(tiny_study, folder=tmp_path)
    job = simulate.salt_jobs(study)[0]
    monkeypatch.setattr(devices, "simulated", lambda study, velocity, place: simulated(study, velocity, CPU))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    attributes = []

    for where in (Place(gpus=1, workers=1), CPU):
        simulate.make_shard(study, job, where)
        with h5py.File(tmp_path / job.file) as file:
            attributes.append(dict(file.attrs))

    on_gpu, on_cpu = attributes
    assert json.loads(on_gpu.pop("gpu")) == "NVIDIA H100"
    assert on_gpu == on_cpu


# -- with a GPU


@needs_gpu
def test_a_gpu_gives_the_same_bits_in_batches_of_any_size_and_the_cpus_records_to_rounding(
    propagator: Propagator, models: Array
) -> None:
    on_cpu = np.stack(list(in_batches(propagator, models, 1, "cpu")))

    alone, together = (np.stack(list(in_batches(propagator, models, size, "cuda"))) for size in (1, 4))

    np.testing.assert_array_equal(together, alone)
    assert np.linalg.norm(alone - on_cpu) < 1e-4 * np.linalg.norm(on_cpu)


@needs_gpu
def test_any_number_of_workers_makes_the_same_set_on_a_gpu(tiny_study: StudyConfig, tmp_path: Path) -> None:
    sets = [with_storage(tiny_study, folder=tmp_path / str(workers)) for workers in (1, 3)]

    for study, workers in zip(sets, (1, 3), strict=True):
        simulate.make(study, simulate.salt_jobs(study), workers, device="cuda")

    assert content(sets[0].storage.folder) == content(sets[1].storage.folder)
