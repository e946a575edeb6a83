"""Making a data set: the same bytes however it is made, interrupted or hindered."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from studies import SimulateHere, with_storage

from data_prep import pool, simulate
from data_prep.simulate import Job
from experiments import cli
from fwi import files, shards
from fwi.config import StudyConfig, YangMaPreset
from fwi.shards import DataSet, ShardError

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
"""Seconds to wait for another process on a busy machine before a test fails."""


@pytest.fixture
def no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if it simulates: all that it wants is there, or is to be refused before."""

    def refuse(*arguments: object) -> None:
        raise AssertionError("processes were started")

    monkeypatch.setattr(pool, "completed", refuse)


# -- the same set in any case


def test_workers_and_order_change_no_byte_and_progress_counts_all_samples(
    tiny_study: StudyConfig, tiny_data: Path, tmp_path: Path
) -> None:
    study, done = with_storage(tiny_study, folder=tmp_path / "other"), []

    data = simulate.make(study, simulate.salt_jobs(study)[::-1], workers=2, on_progress=done.append)

    assert content(data.folder) == content(tiny_data)
    assert data == DataSet.read(data.folder)
    assert done == sorted(done)
    assert done[-1] == 16


def test_a_run_makes_and_counts_only_what_is_missing(tiny_copy: StudyConfig, tiny_data: Path) -> None:
    folder, study, done = tiny_copy.storage.folder, with_storage(tiny_copy, test=8), []
    (folder / "train-00001.h5").unlink()
    jobs = simulate.salt_jobs(study)

    left = simulate.unfinished(study, jobs)
    data = simulate.make(study, jobs, workers=1, on_progress=done.append)

    assert [job.file for job in left] == ["train-00001.h5", "test-00001.h5"]
    assert done[-1] == 8
    assert (data.size("train"), data.size("test")) == (8, 8)
    before, after = content(tiny_data), content(folder)
    assert after.keys() - before.keys() == {"test-00001.h5"}
    assert all(after[name] == before[name] for name in before if name.endswith(".h5"))
    data.verify()


@pytest.mark.usefixtures("no_pool")
def test_a_finished_set_is_left_alone(tiny_copy: StudyConfig) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_copy.storage.folder.iterdir()}

    simulate.simulate(tiny_copy, workers=1)

    assert before == {path: path.stat().st_mtime_ns for path in tiny_copy.storage.folder.iterdir()}


@pytest.mark.usefixtures("no_pool")
def test_shards_that_a_killed_run_did_not_note_are_taken_up_and_its_leftovers_removed(
    tiny_copy: StudyConfig, tiny_data: Path
) -> None:
    folder = tiny_copy.storage.folder
    whole = DataSet.read(folder)
    DataSet(folder, whole.recipe, {}, whole.entries[:1]).write()
    (folder / ".train-00000.h5.123.tmp").write_bytes(b"half a sha")

    simulate.simulate(tiny_copy, workers=1)

    assert content(folder) == content(tiny_data)


# -- what does not go together


@pytest.mark.usefixtures("no_pool")
@pytest.mark.parametrize(
    ("section", "change", "named"),
    [
        ("survey", {"nt": 240}, "survey.nt: 250 against 240"),
        ("grid", {"nx": 40}, "grid.nx: 36 against 40"),
        ("physics", {"pml_width": 20}, "physics.pml_width: 12 against 20"),
        ("storage", {"dtype": "float32"}, "storage.dtype: float16 against float32"),
        ("salt", {"seed": 1}, "salt.seed: 0 against 1"),
        ("salt", {"preset": YangMaPreset(lens_share=1.0)}, "salt.preset.lens_share: 0.5 against 1.0"),
        ("storage", {"samples_per_shard": 8}, r"samples: 4 numbered 0 \.\. 3 against 8 numbered 0 \.\. 7"),
    ],
)
def test_another_recipe_in_the_same_folder_is_refused_naming_what_differs(
    tiny_copy: StudyConfig, section: str, change: dict[str, object], named: str
) -> None:
    before = content(tiny_copy.storage.folder)
    other = tiny_copy.model_copy(update={section: getattr(tiny_copy, section).model_copy(update=change)})

    with pytest.raises(ShardError, match=rf"{named}\n(.*\n)*choose another storage\.folder"):
        simulate.simulate(other, workers=1)

    assert content(tiny_copy.storage.folder) == before


@pytest.mark.usefixtures("no_pool")
def test_shards_of_another_recipe_are_refused_even_without_their_manifest(tiny_copy: StudyConfig) -> None:
    (tiny_copy.storage.folder / "manifest.json").unlink()
    survey = tiny_copy.survey.model_copy(update={"nt": 240})

    with pytest.raises(ShardError, match=r"survey\.nt: 250 against 240"):
        simulate.simulate(tiny_copy.model_copy(update={"survey": survey}), workers=1)


@pytest.mark.usefixtures("no_pool")
def test_the_memory_limit_is_no_part_of_the_recipe(tiny_copy: StudyConfig) -> None:
    physics = tiny_copy.physics.model_copy(update={"memory": 2**22})

    simulate.simulate(tiny_copy.model_copy(update={"physics": physics}), workers=1)


@pytest.mark.usefixtures("no_pool")
def test_a_damaged_shard_is_not_taken_for_finished(tiny_copy: StudyConfig) -> None:
    path = tiny_copy.storage.folder / "train-00000.h5"
    path.write_bytes(path.read_bytes()[:1000])

    with pytest.raises(ShardError, match=r"train-00000\.h5: missing, truncated, or no shard"):
        simulate.simulate(tiny_copy, workers=1)


@pytest.mark.usefixtures("no_pool")
def test_what_cannot_be_asked_for_is_refused_before_any_work(tiny_study: StudyConfig, tmp_path: Path) -> None:
    study = with_storage(tiny_study, folder=tmp_path / "new")
    jobs = simulate.salt_jobs(study)

    with pytest.raises(ValueError, match="workers: 0 processes"):
        simulate.make(study, jobs, workers=0)
    with pytest.raises(ValueError, match="two jobs have the same file name"):
        simulate.make(study, [*jobs, jobs[0]], workers=1)

    assert not study.storage.folder.exists()


@pytest.mark.usefixtures("no_pool")
def test_a_folder_in_which_another_command_writes_is_refused(tiny_copy: StudyConfig) -> None:
    with (
        files.locked(tiny_copy.storage.folder),
        pytest.raises(OSError, match="another command is writing here"),
    ):
        simulate.simulate(tiny_copy, workers=1)


class Uniform(NamedTuple):
    """Models of one speed, on the grid of ``tiny_study``, to be simulated."""

    speed: float

    def velocity(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        return np.full((len(numbers), 24, 36), self.speed, np.float32)

    def gathers(self, numbers: Sequence[int]) -> None:
        pass


def test_an_error_in_a_worker_reaches_the_caller_and_keeps_what_was_finished(
    tiny_study: StudyConfig, tmp_path: Path
) -> None:
    study = with_storage(tiny_study, folder=tmp_path / "new")
    good = Job("train-good.h5", "train", [0], {"source": {"sha256": "a", "key": None}}, Uniform(2000.0))
    bad = Job("train-bad.h5", "train", [1], {"source": {"sha256": "b", "key": None}}, Uniform(8000.0))

    with pytest.raises(ValueError, match="velocity is 8000 m/s"):
        simulate.make(study, [good, bad], workers=1)

    assert names(study.storage.folder) == {"manifest.json", "train-good.h5"}
    data = DataSet.read(study.storage.folder)
    data.verify()
    assert data.size("train") == 1


# -- the dry run


def test_the_plan_has_the_numbers_of_the_set_that_is_made(tiny_study: StudyConfig, tiny_data: Path) -> None:
    plan = simulate.plan(tiny_study, simulate.salt_jobs(tiny_study))

    assert plan.samples == 16
    assert plan.bytes == pytest.approx(sum(path.stat().st_size for path in tiny_data.glob("*.h5")), rel=0.03)
    assert plan.steps == 16 * 4 * 250
    assert plan.cells == (24 + 24) * (36 + 24)
    assert 0 < plan.seconds_per_sample < 10


def test_the_plan_times_one_thread_and_gives_the_others_back(
    tiny_study: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def records(*arguments: object) -> Iterator[None]:
        used.append(torch.get_num_threads())
        yield

    monkeypatch.setattr(simulate, "_simulated", records)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    simulate.plan(tiny_study, [])
    after = torch.get_num_threads()
    torch.set_num_threads(before)

    assert set(used) == {1}
    assert after == 2


def test_a_dry_run_writes_nothing(
    tiny_study: StudyConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_file(with_storage(tiny_study, folder=tmp_path / "new"), tmp_path)

    cli.main(["simulate", "--config", str(config), "--dry-run"])

    assert "16 samples to make in 4 shards" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


# -- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB, room for two of the four shards of the tiny study."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.usefixtures("no_pool")
def test_a_disk_too_small_is_refused_before_any_work(
    tiny_study: StudyConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = with_storage(tiny_study, folder=tmp_path / "new")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 123_456))

    message = failure(["simulate", "--config", str(config_file(study, tmp_path))], capsys)

    assert f"{tmp_path / 'new'}: the set needs 0.35 MB more, and 0.12 MB are free" in message
    assert names(study.storage.folder) == {"manifest.json"}


def test_a_disk_that_fills_on_the_way_keeps_what_was_finished(
    tiny_study: StudyConfig,
    tiny_data: Path,
    small_disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = small_disk / "set"
    study = with_storage(tiny_study, folder=folder)
    monkeypatch.setattr(simulate, "_refuse_if_disk_too_small", lambda *arguments: None)  # it was free then

    message = failure(["simulate", "--config", str(config_file(study, tmp_path)), "--workers", "1"], capsys)

    assert f"{folder}: the disk is full: 0.0" in message
    assert re.search(r"the 8 samples still to make need 0\.1\d MB", message)
    assert "run the same command again" in message
    data = DataSet.read(folder)
    data.verify()
    assert names(folder) == {"manifest.json", *(entry.file for entry in data.entries)}
    assert all(content(folder)[entry.file] == content(tiny_data)[entry.file] for entry in data.entries)


def test_a_folder_that_cannot_be_written_is_refused(
    tiny_study: StudyConfig, small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True, capture_output=True)

    for folder, reason in (
        (small_disk, "Read-only file system"),
        (small_disk / "set", "Read-only file system"),
        (tmp_path / "file/set", "Not a directory"),
        (tmp_path / "file", "File exists"),
    ):
        config = config_file(with_storage(tiny_study, folder=folder), tmp_path)
        message = failure(["simulate", "--config", str(config)], capsys)
        assert f"{folder}: cannot be written to ({reason}" in message
        assert "choose another storage.folder" in message


# -- interruptions: the command as a user starts it, in a group of processes of its own


@pytest.fixture
def long_study(tiny_study: StudyConfig, tmp_path: Path) -> StudyConfig:
    """Many small shards, so that there are many moments to interrupt."""
    return with_storage(tiny_study, folder=tmp_path / "set", train=40, samples_per_shard=2)


@pytest.fixture
def start(long_study: StudyConfig, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start ``fwi simulate`` of the long study; whatever is left of it is killed after the test."""
    config, running = config_file(long_study, tmp_path), []
    command = [sys.executable, "-m", "experiments.cli", "simulate", "--config", str(config), "--workers", "2"]

    def take_interrupts() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a test run in the background may ignore

    def start() -> subprocess.Popen[str]:
        running.append(
            subprocess.Popen(
                command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                start_new_session=True, preexec_fn=take_interrupts,
            )
        )  # fmt: skip
        return running[-1]

    yield start
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.slow
def test_killed_at_any_moment_its_workers_end_and_the_next_run_makes_the_very_same_set(
    long_study: StudyConfig,
    start: Callable[[], subprocess.Popen[str]],
    simulate_here: SimulateHere,
    tmp_path: Path,
) -> None:
    folder = long_study.storage.folder
    moments: dict[str, Callable[[subprocess.Popen[str]], bool]] = {
        "workers are starting": lambda process: len(children(process.pid)) >= 2,
        "the first shard is there": lambda process: shards_in(folder) >= 1,
        "a shard is half written, where the disk is slow enough to see it": lambda process: (
            any(folder.glob(".*.h5.*.tmp")) or shards_in(folder) >= 8
        ),
        "half of the shards are there": lambda process: shards_in(folder) >= 12,
    }

    for moment, has_come in moments.items():
        process = start()
        wait_until(lambda: has_come(process), f"{moment}, or {process.poll()}")  # noqa: B023
        workers = children(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: not any(alive(worker) for worker in workers), "workers end", 10.0)  # noqa: B023
        assert shards_in(folder) < 24, f"killed too late for '{moment}'"
    last = start()
    output, errors = last.communicate(timeout=PATIENCE)

    assert last.returncode == 0, errors
    assert "40 train, 4 validation, 4 test" in output
    uninterrupted = simulate_here(with_storage(long_study, folder=tmp_path / "uninterrupted"))
    assert content(folder) == content(uninterrupted.folder)


@pytest.mark.slow
def test_ctrl_c_ends_with_a_message_and_the_same_command_completes_the_set(
    long_study: StudyConfig,
    start: Callable[[], subprocess.Popen[str]],
    simulate_here: SimulateHere,
    tmp_path: Path,
) -> None:
    folder = long_study.storage.folder
    moments: dict[str, Callable[[subprocess.Popen[str]], bool]] = {
        "workers are starting": lambda process: len(children(process.pid)) >= 2,
        "shards are there": lambda process: shards_in(folder) >= 3,
    }

    for moment, has_come in moments.items():
        process = start()
        wait_until(lambda: has_come(process), f"{moment}, or {process.poll()}")  # noqa: B023
        workers = children(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        _, errors = process.communicate(timeout=PATIENCE)

        assert process.returncode == 2, errors
        *progress, message = errors.splitlines()
        assert message.startswith("fwi: error: interrupted"), errors
        assert all(line.startswith("simulate: ") for line in progress), errors
        assert not any(alive(worker) for worker in workers)
        assert not list(folder.glob(".*"))
        DataSet.read(folder).verify()
        assert shards_in(folder) < 24, f"interrupted too late for '{moment}'"
    last = start()
    _, errors = last.communicate(timeout=PATIENCE)

    assert last.returncode == 0, errors
    uninterrupted = simulate_here(with_storage(long_study, folder=tmp_path / "uninterrupted"))
    assert content(folder) == content(uninterrupted.folder)


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_the_command_with_a_way_on(
    long_study: StudyConfig, start: Callable[[], subprocess.Popen[str]]
) -> None:
    folder = long_study.storage.folder
    process = start()
    wait_until(lambda: shards_in(folder) >= 1, "the first shard")
    workers = children(process.pid)

    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE)

    assert process.returncode == 2, errors
    assert "fwi: error: a worker was killed, perhaps because the memory ran out" in errors
    assert "Run the same command again" in errors
    assert "Traceback" not in errors
    assert not any(alive(worker) for worker in workers)
    assert not list(folder.glob(".*"))
    DataSet.read(folder).verify()


# -- helpers


def content(folder: Path) -> dict[str, object]:
    """All that two runs must agree in: the hash of every file, and of the manifest all but when and where."""
    found: dict[str, object] = {path.name: files.sha256(path) for path in folder.iterdir()}
    manifest = json.loads((folder / shards.MANIFEST).read_text())
    return found | {shards.MANIFEST: {key: manifest[key] for key in manifest if key != "provenance"}}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def shards_in(folder: Path) -> int:
    return len(list(folder.glob("*.h5")))


def config_file(study: StudyConfig, folder: Path) -> Path:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study.model_dump(mode="json")))
    return path


def failure(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What ``fwi`` says when it refuses a command."""
    with pytest.raises(SystemExit) as ended:
        cli.main(command)
    assert ended.value.code == 2
    return capsys.readouterr().err


def children(process: int) -> list[int]:
    """The worker processes of a command, without the tracker of its semaphores."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return [int(child) for child in found if "spawn_main" in command_line(child)]
    return []


def command_line(process: str) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/cmdline").read_text()
    return ""


def alive(process: int) -> bool:
    """Whether a process runs; one that is dead but not yet collected by its new parent does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def wait_until(come: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not come():
        assert time.monotonic() < end, f"waited {patience:g} s for: {what}"
        time.sleep(0.001)
