"""Making a data set on a Dask cluster of two worker processes, any of which may be lost."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deadly import Deadly
from processes import Running, alive, wait_until
from studies import SimulateHere, config_file, content, shards_in, with_storage

from data_prep.make import devices, simulate
from data_prep.make.simulate import Job
from experiments import cli
from fwi.config import StudyConfig
from fwi.origin import parse_origin

SCHEDULER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""
CONFIG = Path(__file__).resolve().parents[3] / "configs/cluster_slurm.yaml"


class Cluster:
    """A scheduler in a process of its own, with two workers."""

    def __init__(self, running: Running, folder: Path) -> None:
        script = folder / "scheduler.py"
        script.write_text(SCHEDULER)
        self.process = running.start(
            script,
            DASK_CONFIG=str(CONFIG),
            DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1",
            PYTHONPATH=str(Path(__file__).parents[2]),
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    running = Running()
    yield Cluster(running, tmp_path_factory.mktemp("cluster"))
    running.end()


@pytest.fixture
def study(tiny_study: StudyConfig, tmp_path: Path) -> StudyConfig:
    return with_storage(tiny_study, folder=tmp_path / "set", train=24, samples_per_shard=4)


@pytest.fixture(autouse=True)
def no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sets without a cluster on the CPU, as one of a cluster is."""
    monkeypatch.setattr(devices, "count", lambda: 0)


@pytest.fixture
def refused(study: StudyConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """What ``fwi simulate --scheduler`` says when it gives up."""

    def refused(scheduler: str) -> str:
        config = config_file(study, tmp_path)
        with pytest.raises(SystemExit) as ended:
            cli.main(["simulate", "--config", str(config), "--scheduler", scheduler])
        assert ended.value.code == 2
        errors = capsys.readouterr().err
        assert "Traceback" not in errors
        return errors

    return refused


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_shard_changes_no_byte_of_the_set(
    cluster: Cluster, study: StudyConfig, simulate_here: SimulateHere, tmp_path: Path
) -> None:
    folder, done, killed = study.storage.folder, [], []

    def has_been_killed() -> bool:
        with contextlib.suppress(FileNotFoundError):  # finished while we looked
            if shards_in(folder) >= 2 and (victim := being_made(folder)):
                os.kill(victim[1], signal.SIGKILL)
                killed.append(victim)
        return bool(killed)

    killer = threading.Thread(target=wait_until, args=(has_been_killed, "a shard being made"))
    killer.start()
    data = simulate.make(
        study, simulate.salt_jobs(study), workers=1, on_progress=done.append, scheduler=cluster.address
    )
    killer.join()

    [(shard, worker)] = killed
    assert not alive(worker)
    assert shard in {entry.file for entry in data.entries}
    assert done == sorted(done)
    assert done[-1] == 32
    alone = simulate_here(with_storage(study, folder=tmp_path / "alone"))
    assert content(folder) == content(alone.folder)


@pytest.mark.slow
def test_a_shard_that_kills_its_workers_is_named_after_two_of_them(
    cluster: Cluster, study: StudyConfig
) -> None:
    origin = parse_origin({"source": {"file": "models.npy", "sha256": "a", "key": None}})
    good = simulate.salt_jobs(study)[:2]
    jobs = [*good, Job("train-deadly.h5", "train", [0], origin, Deadly())]

    with pytest.raises(
        ChildProcessError, match=r"train-deadly\.h5: 2 workers were killed while they made it"
    ):
        simulate.make(study, jobs, workers=1, scheduler=cluster.address)

    data = simulate.make(study, good, workers=1, scheduler=cluster.address)
    data.verify()
    assert len(data.entries) == 2


@pytest.mark.slow
def test_a_lost_scheduler_is_told_in_words_and_the_set_completed_without_it(
    study: StudyConfig, refused: Callable[[str], str], simulate_here: SimulateHere, tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    folder, running = study.storage.folder, Running()
    lost = Cluster(running, tmp_path)

    def kill_scheduler() -> None:
        wait_until(lambda: shards_in(folder) >= 1, "the first shard")
        os.kill(lost.process.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_scheduler)
    killer.start()
    message = refused(lost.address)
    killer.join()
    before = shards_in(folder)
    simulate.simulate(study, workers=1)
    running.end()

    assert f"fwi: error: {lost.address}: the Dask scheduler was lost; what was finished is kept" in message
    assert 1 <= before < 8
    alone = simulate_here(with_storage(study, folder=tmp_path / "alone"))
    assert content(folder) == content(alone.folder)


def test_an_address_where_nobody_answers_is_refused(refused: Callable[[str], str]) -> None:
    pytest.importorskip("distributed")

    message = refused("nobody")

    assert "fwi: error: nobody: no Dask scheduler answers there (missing port number" in message


def test_without_dask_a_scheduler_is_refused_with_what_to_install(
    refused: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    message = refused("tcp://127.0.0.1:8786")

    assert "pip install 'dask>=2025.1' 'distributed>=2025.1'" in message


def test_a_worker_that_sees_another_folder_says_so(
    study: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(work: Callable[[Job], object], jobs: list[Job], **_: object) -> Iterator[object]:
        (study.storage.folder / "manifest.json").unlink()
        yield work(jobs[0])

    monkeypatch.setattr(simulate.cluster, "completed", elsewhere)

    with pytest.raises(OSError, match=r"not the same folder on .*; take a storage\.folder on a file system"):
        simulate.make(study, simulate.salt_jobs(study), workers=1, scheduler="tcp://127.0.0.1:1")


def test_the_slurm_configuration_has_a_thread_to_a_worker_and_says_which_shard_kills() -> None:
    dask_config = pytest.importorskip("dask.config")

    settings = dask_config.collect([str(CONFIG)], env={})

    slurm = settings["jobqueue"]["slurm"]
    assert slurm["processes"] == slurm["cores"]
    assert settings["distributed"]["scheduler"]["worker-saturation"] == 1.0


# -- helpers


def being_made(folder: Path) -> tuple[str, int] | None:
    """The shard that was begun last and is not finished, and the process that makes it."""
    locks = sorted(folder.glob(".*.h5.lock"), key=lambda lock: lock.stat().st_mtime_ns)
    shard = locks[-1].name[1:].removesuffix(".lock") if locks else ""
    owner = locks[-1].read_text().split() if locks else []
    return (shard, int(owner[1])) if owner and not (folder / shard).exists() else None
