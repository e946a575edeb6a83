"""What several test files share: one tiny study, and its data set, simulated once per test run.

``tiny_study`` is 24 x 36 cells, 4 shots and half a second: a sample takes some 50 ms. Its ``storage.folder``
is ``tiny_data``, which is everybody's: read it, and take ``tiny_copy`` to change or damage something.
"""

import pickle
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from studies import SimulateHere, with_storage

from data_prep.make import devices, pool
from data_prep.make.jobs import Job
from data_prep.make.simulate import make_shard, recipe, salt_jobs
from fwi import run_folder, shards
from fwi.config import GridConfig, ModelConfig, StorageConfig, StudyConfig, SurveyConfig, TrainConfig
from fwi.inverter import Inverter
from fwi.inverter_file import FILE
from fwi.manifest import DataSet, Entry

# A shell that starts the tests in the background has them ignore Ctrl-C, which some of them press.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def on_one_thread() -> Iterator[None]:
    """Equal sums in every process; and on arrays as small as those of tests, more threads only cost."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> StudyConfig:
    """A study whose records are made in seconds; two shards of 4 to train, one to validate, one to test."""
    return StudyConfig(
        grid=GridConfig(nz=24, nx=36, spacing=20.0),
        survey=SurveyConfig(shots=4, shot_margin=80.0, receivers=36, dt=0.002, nt=250, keep_every=5),
        storage=StorageConfig(
            folder=tmp_path_factory.mktemp("tiny"), train=8, validation=4, test=4, samples_per_shard=4
        ),
    )


@pytest.fixture(scope="session")
def simulate_here() -> SimulateHere:
    """Simulate a study in this process: an oracle for what a pool of processes makes of it."""

    def simulate(study: StudyConfig) -> DataSet:
        data = DataSet(study.storage.folder, recipe(study), provenance={})
        for job in salt_jobs(study):
            data = data.with_entry(make_shard(study, job, devices.place("auto", workers=1)))
        data.write()
        return data

    return simulate


@pytest.fixture
def pool_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make shards in this process, one after another, where a worker would take seconds to start.

    Work and jobs are pickled as on their way to a worker. Gives the files that were made.
    """
    made: list[str] = []

    def completed(
        work: Callable[[Job], Entry | None], jobs: list[Job], workers: int, on_progress: Callable[[int], None]
    ) -> Iterator[Entry | None]:
        for job in jobs:
            there, what = pickle.loads(pickle.dumps((work, job)))
            if entry := there(what):
                made.append(entry.file)
            yield entry

    monkeypatch.setattr(pool, "completed", completed)
    return made


@pytest.fixture(scope="session")
def tiny_data(tiny_study: StudyConfig, simulate_here: SimulateHere) -> Path:
    """Folder of the data set of ``tiny_study``. Read only: it is shared by all tests."""
    return simulate_here(tiny_study).folder


@pytest.fixture(scope="session")
def other_study(tiny_study: StudyConfig, tmp_path_factory: pytest.TempPathFactory) -> StudyConfig:
    """``tiny_study`` with fewer shots, and half of its receivers at irregular places."""
    receiver_x = (0.0, 13.3, 55.0, 93.1, 120.0, 188.8, 220.0, 260.0, 291.2, 340.0)
    receiver_x += (366.6, 420.0, 455.5, 500.0, 511.1, 580.0, 622.2, 700.0)
    positions = {"shots": 3, "shot_x": (93.3, 340.0, 611.7), "shot_margin": None}
    positions |= {"receivers": 18, "receiver_x": receiver_x}
    study = tiny_study.model_copy(update={"survey": tiny_study.survey.model_copy(update=positions)})
    return with_storage(
        study, folder=tmp_path_factory.mktemp("other"), train=0, validation=0, test=2, samples_per_shard=2
    )


@pytest.fixture(scope="session")
def other_data(other_study: StudyConfig, simulate_here: SimulateHere) -> Path:
    """Folder of the data set of ``other_study``, a test split alone. Read only: it is shared by all tests."""
    return simulate_here(other_study).folder


@pytest.fixture(scope="session")
def any_survey_run(
    tiny_study: StudyConfig, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run of ``tiny_study`` that takes any survey, not trained. Read only: it is shared by all tests."""
    model = ModelConfig(channels=(8, 16), columns="offsets", offsets=8, attention=("none", "se"))
    study = tiny_study.model_copy(update={"model": model, "train": TrainConfig(precision="32")})
    folder = tmp_path_factory.mktemp("runs") / "any"
    run_folder.begin(folder, study)
    mean_model = shards.read(tiny_data / "train-00000.h5").velocity.mean(axis=0)
    run_folder.write_mean_model(folder, mean_model)
    torch.manual_seed(0)
    inverter = Inverter(study, mean_model=mean_model)
    torch.nn.init.normal_(inverter.network.head.project.weight)  # so that its sections depend on the record
    inverter.save(folder / FILE)
    return folder


@pytest.fixture
def tiny_copy(tiny_study: StudyConfig, tiny_data: Path, tmp_path: Path) -> StudyConfig:
    """``tiny_study`` with a copy of its data set of the test's own."""
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_data, folder)
    return with_storage(tiny_study, folder=folder)
