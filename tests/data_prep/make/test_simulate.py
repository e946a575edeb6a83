"""Making a data set: the same bytes however it is made, interrupted or hindered."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
import torch
from disks import mounted
from numpy.typing import NDArray
from processes import PATIENCE, Running, alive, children, wait_until
from studies import SimulateHere, config_file, content, shards_in, with_storage

from data_prep.make import devices, pool, resume, simulate
from data_prep.make.simulate import Job
from experiments import cli
from fwi import files
from fwi.config import StudyConfig, YangMaPreset
from fwi.manifest import DataSet, Entry
from fwi.origin import Drawn, parse_origin
from fwi.shards import ShardError


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


def test_a_run_makes_and_counts_only_what_is_missing(
    tiny_copy: StudyConfig, tiny_data: Path, pool_here: list[str]
) -> None:
    folder, study, done = tiny_copy.storage.folder, with_storage(tiny_copy, test=8), []
    (folder / "train-00001.h5").unlink()
    jobs = simulate.salt_jobs(study)

    left = simulate.unfinished(study, jobs)
    data = simulate.make(study, jobs, workers=1, on_progress=done.append)

    assert [job.file for job in left] == pool_here == ["train-00001.h5", "test-00001.h5"]
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


class Uniform(NamedTuple):
    """Models of one speed, on the grid of ``tiny_study``, to be simulated."""

    speed: float

    def velocity(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        return np.full((len(numbers), 24, 36), self.speed, np.float32)

    def gathers(self, numbers: Sequence[int]) -> None:
        pass


class Overtaken(NamedTuple):
    """Models whose other import finishes while these are read."""

    study: StudyConfig
    other: Job

    def velocity(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        simulate.make(self.study, [self.other], workers=1)
        return Uniform(2000.0).velocity(numbers)

    def gathers(self, numbers: Sequence[int]) -> None:
        pass


def test_an_error_in_a_worker_reaches_the_caller_and_keeps_what_was_finished(
    tiny_study: StudyConfig, tmp_path: Path
) -> None:
    study = with_storage(tiny_study, folder=tmp_path / "new")
    good = Job(
        "train-good.h5",
        "train",
        [0],
        parse_origin({"source": {"file": "a", "sha256": "a", "key": None}}),
        Uniform(2000.0),
    )
    bad = Job(
        "train-bad.h5",
        "train",
        [1],
        parse_origin({"source": {"file": "b", "sha256": "b", "key": None}}),
        Uniform(8000.0),
    )

    with pytest.raises(ValueError, match="velocity is 8000 m/s"):
        simulate.make(study, [good, bad], workers=1)

    assert names(study.storage.folder) == {"manifest.json", "train-good.h5"}
    data = DataSet.read(study.storage.folder)
    data.verify()
    assert data.size("train") == 1


def test_a_velocity_range_without_the_salt_is_refused_before_anything_is_written(
    tiny_study: StudyConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_file(with_storage(tiny_study, folder=tmp_path / "new"), tmp_path)

    message = failure(
        ["simulate", "--config", str(config), "--grid.velocity", "1500", "4400", "--survey.dt", "0.002"],
        capsys,
    )

    assert "hold speeds of 2000 .. 4500 m/s: widen it" in message
    assert not (tmp_path / "new").exists()


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

    monkeypatch.setattr(devices, "simulated", records)
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

    shown = capsys.readouterr().out
    assert re.search(r"16 samples to make in 4 shards, 0\.\d\d MB, in", shown)
    assert re.search(r"so about \d+ s with", shown)
    assert not (tmp_path / "new").exists()


# -- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB, room for two of the four shards of the tiny study."""
    with mounted(tmp_path / "disk", "256k") as folder:
        yield folder


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


@pytest.mark.usefixtures("pool_here")
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


class Command(NamedTuple):
    """``fwi simulate`` of a study with many small shards, so that there are many moments to interrupt."""

    study: StudyConfig
    running: Running

    @property
    def folder(self) -> Path:
        return self.study.storage.folder

    def start(self, *flags: str) -> subprocess.Popen[str]:
        config = config_file(self.study, self.folder.parent)
        return self.running.start("-m", "experiments", "simulate", "--config", config, *flags)

    def interrupt(self, moment: str, signal_number: int, group: bool = False) -> subprocess.Popen[str]:
        """Start it, send it a signal (and its workers too, as a terminal does) at the moment, see all end."""
        has_come: dict[str, Callable[[], bool]] = {
            "workers are starting": lambda: len(children(process.pid)) >= 2,
            "shards are being made": lambda: (
                shards_in(self.folder) >= 2 and any(self.folder.glob(".*.h5.lock"))
            ),
        }
        process = self.start("--workers", "2")
        wait_until(lambda: has_come[moment]() or process.poll() is not None, moment)
        workers = children(process.pid)
        (os.killpg if group else os.kill)(process.pid, signal_number)
        process.wait(PATIENCE)
        wait_until(lambda: not any(map(alive, workers)), "workers end", 10.0)
        assert shards_in(self.folder) < 24, f"too late for '{moment}'"
        return process


SMALL_SHARDS = {"train": 40, "samples_per_shard": 2}


@pytest.fixture
def command(tiny_study: StudyConfig, tmp_path: Path) -> Iterator[Command]:
    running = Running()
    yield Command(with_storage(tiny_study, folder=tmp_path / "set", **SMALL_SHARDS), running)
    running.end()


@pytest.fixture(scope="module")
def uninterrupted(
    tiny_study: StudyConfig, simulate_here: SimulateHere, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, object]:
    """Content of the set of ``command`` as one process makes it from begin to end."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    return content(simulate_here(with_storage(tiny_study, folder=folder, **SMALL_SHARDS)).folder)


@pytest.mark.slow
def test_killed_at_any_moment_its_workers_end_and_the_next_run_makes_the_very_same_set(
    command: Command, uninterrupted: dict[str, object]
) -> None:
    for moment in ("workers are starting", "shards are being made"):
        command.interrupt(moment, signal.SIGKILL)
    last = command.start("--workers", "2")
    output, errors = last.communicate(timeout=PATIENCE)

    assert last.returncode == 0, errors
    assert "40 train, 4 validation, 4 test" in output
    assert content(command.folder) == uninterrupted


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["workers are starting", "shards are being made"])
def test_ctrl_c_ends_with_a_message_and_a_sound_set(command: Command, moment: str) -> None:
    process = command.interrupt(moment, signal.SIGINT, group=True)
    _, errors = process.communicate()

    assert process.returncode == 130, errors
    *progress, message = errors.splitlines()
    assert message.startswith("fwi: error: interrupted; the same command goes on"), errors
    assert all(line.startswith("simulate: ") for line in progress), errors
    assert not list(command.folder.glob(".*"))
    DataSet.read(command.folder).verify()


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_the_command_with_a_way_on(command: Command) -> None:
    process = command.start("--workers", "2")
    wait_until(lambda: shards_in(command.folder) >= 1, "the first shard")
    workers = children(process.pid)

    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE)

    assert process.returncode == 2, errors
    assert "fwi: error: a worker was killed, perhaps because the memory ran out" in errors
    assert "Run the same command again" in errors
    assert "Traceback" not in errors
    assert not any(map(alive, workers))
    assert not list(command.folder.glob(".*"))
    DataSet.read(command.folder).verify()


# -- several runs at once


@pytest.mark.slow
def test_runs_at_once_share_the_work_and_write_no_file_twice(
    command: Command, uninterrupted: dict[str, object]
) -> None:
    written: dict[Path, set[tuple[int, int]]] = defaultdict(set)
    runs = [command.start("--workers", "1", *flags) for flags in (["--part", "1/2"], ["--part", "1/2"], [])]

    def note_files() -> bool:
        for path in command.folder.glob("*.h5"):
            written[path].add((path.stat().st_ino, path.stat().st_mtime_ns))
        return all(run.poll() is not None for run in runs)

    wait_until(note_files, "all three runs")
    said = [run.communicate() for run in runs]

    assert [run.returncode for run in runs] == [0, 0, 0], said
    assert len(written) == 24
    assert all(len(versions) == 1 for versions in written.values())
    assert content(command.folder) == uninterrupted


@pytest.mark.parametrize("other_run", ["finishes", "is killed"])
def test_a_shard_that_another_run_is_making_is_waited_for_and_made_here_only_if_that_run_dies(
    tiny_copy: StudyConfig, pool_here: list[str], tiny_data: Path, other_run: str
) -> None:
    folder, done = tiny_copy.storage.folder, []
    whole = DataSet.read(folder)
    DataSet(folder, whole.recipe, {}, whole.entries[:1]).write()
    for entry in whole.entries[1:]:
        (folder / entry.file).unlink()
    theirs = "train-00001.h5"

    def report(samples_there: int) -> None:
        done.append(samples_there)

    def other() -> None:
        with files.claimed(folder / theirs):
            claimed.set()
            wait_until(lambda: len(pool_here) == 2, "our shards")
            if other_run == "finishes":
                files.write_whole(folder / theirs, (tiny_data / theirs).read_bytes())

    claimed = threading.Event()
    thread = threading.Thread(target=other)
    thread.start()
    claimed.wait()
    simulate.make(tiny_copy, simulate.salt_jobs(tiny_copy), workers=1, on_progress=report)
    thread.join()

    ours = ["validation-00000.h5", "test-00000.h5"]
    assert pool_here == (ours if other_run == "finishes" else [*ours, theirs])
    assert content(folder) == content(tiny_data)
    assert done[-1] == 12


def test_parts_are_disjoint_and_all_of_them_are_the_set(
    tiny_study: StudyConfig, pool_here: list[str], tiny_data: Path, tmp_path: Path
) -> None:
    study = with_storage(tiny_study, folder=tmp_path / "parts")

    for part in ("3/3", "1/3", "2/3"):
        data = simulate.make(study, simulate.salt_jobs(study), workers=1, part=part)

    assert sorted(pool_here) == sorted(entry.file for entry in data.entries)
    assert pool_here[0] == "validation-00000.h5"
    assert content(data.folder) == content(tiny_data)


@pytest.mark.usefixtures("pool_here")
def test_parts_of_an_import_are_not_taken_for_the_same_models_twice(
    tiny_study: StudyConfig, tmp_path: Path
) -> None:
    study = with_storage(tiny_study, folder=tmp_path / "new")
    origin = parse_origin({"source": {"file": "models.npy", "sha256": "a", "key": None}})
    jobs = [
        Job(f"train-models-{number}.h5", "train", [number], origin, Uniform(2000.0 + number))
        for number in range(3)
    ]

    for part in ("2/2", "1/2"):
        data = simulate.make(study, jobs, workers=1, part=part)

    assert [entry.file for entry in data.entries] == [job.file for job in jobs]


@pytest.mark.usefixtures("no_pool")
@pytest.mark.parametrize("part", ["0/4", "5/4", "1/0", "2", "a/b", "-1/4", "1/4/2"])
def test_a_part_that_does_not_exist_is_refused(
    tiny_study: StudyConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    config = config_file(with_storage(tiny_study, folder=tmp_path / "new"), tmp_path)

    message = failure(["simulate", "--config", str(config), f"--part={part}"], capsys)

    assert f"--part {part}: expected i/n with i from 1 to n, such as 3/8" in message
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("pool_here")
def test_of_two_imports_of_the_same_models_at_once_the_second_to_finish_a_shard_is_refused(
    tiny_study: StudyConfig, tmp_path: Path
) -> None:
    study = with_storage(tiny_study, folder=tmp_path / "new")
    origin = parse_origin({"source": {"file": "models.npy", "sha256": "a", "key": None}})

    first = Job("train-models.h5", "train", [0], origin, Uniform(2000.0))
    second = Job("test-models.h5", "test", [0], origin, Overtaken(study, first))

    with pytest.raises(ShardError, match=r"train-models\.h5 holds models of models\.npy already"):
        simulate.make(study, [second], workers=1)

    assert [entry.file for entry in DataSet.read(study.storage.folder).entries] == ["train-models.h5"]


def test_a_manifest_that_takes_long_to_write_is_written_seldom(
    tiny_study: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = with_storage(tiny_study, folder=tmp_path)
    origin = Drawn.of(study.salt, 0)
    jobs = [Job(f"train-{number:05d}.h5", "train", [number], origin) for number in range(1000)]
    resume.begin(study, jobs)
    written, write = [], DataSet.write

    def write_slowly(data: DataSet) -> None:
        written.append(len(data.entries))
        time.sleep(0.1)
        write(data)

    monkeypatch.setattr(DataSet, "write", write_slowly)
    resume.note_as_they_come(study, jobs, (Entry(job.file, job.split, 1, 1, "", origin) for job in jobs))

    assert written == [1, 1000]
    assert len(DataSet.read(tmp_path).entries) == 1000


# -- helpers


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def failure(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What ``fwi`` says when it refuses a command."""
    with pytest.raises(SystemExit) as ended:
        cli.main(command)
    assert ended.value.code == 2
    return capsys.readouterr().err


# -- sizes


def test_a_billion_samples_are_jobs_at_once_or_refused_by_arithmetic(tiny_study: StudyConfig) -> None:
    large = with_storage(tiny_study, train=10**9, samples_per_shard=10**6)
    many = with_storage(tiny_study, train=10**9, samples_per_shard=50)

    jobs = [job for job in simulate.salt_jobs(large) if job.split == "train"]

    assert (len(jobs), jobs[-1].numbers) == (1000, range(999 * 10**6, 10**9))
    with pytest.raises(ValueError, match=r"storage\.train: .* are 20,000,000 files.* of 10000 or more"):
        simulate.salt_jobs(many)


@pytest.mark.usefixtures("no_pool")
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_shard_that_memory_does_not_hold_is_refused_before_anything_is_written(
    dry_run: bool, tiny_study: StudyConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = with_storage(tiny_study, folder=tmp_path / "new", train=10**9, samples_per_shard=10**6)
    flags = ["--dry-run"] * dry_run

    message = failure(["simulate", "--config", str(config_file(study, tmp_path)), *flags], capsys)

    assert "storage.samples_per_shard: a shard of 1,000,000 samples takes" in message
    assert not study.storage.folder.exists()


def test_a_dry_run_says_when_the_disk_is_too_small(
    tiny_study: StudyConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = with_storage(tiny_study, folder=tmp_path / "new/set")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 123_456))

    cli.main(["simulate", "--config", str(config_file(study, tmp_path)), "--dry-run"])

    assert "0.12 MB are free there: choose another storage.folder" in capsys.readouterr().out


@pytest.mark.parametrize("workers", [0, 10**6])
def test_more_processes_than_a_machine_runs_are_refused(tiny_study: StudyConfig, workers: int) -> None:
    with pytest.raises(ValueError, match=f"workers: {workers} processes cannot simulate; take 1 to 1024"):
        simulate.make(tiny_study, simulate.salt_jobs(tiny_study), workers)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("origin", None, "not a shard of this project .no attribute 'origin'"),
        ("origin", "[1]", r"not a shard of this project .attribute 'origin' is \[1\], no mapping"),
        ("origin", 7, "not a shard of this project .no attribute 'origin'"),
        ("origin", '{"salt": 1}', r"damaged \(stream: field required|damaged \(salt: input should be"),
        ("study", None, "not a shard of this project .no attribute 'study'"),
        ("study", '"a"', "not a shard of this project .attribute 'study' is 'a', no mapping"),
        ("versions", None, "not a shard of this project .no attribute 'versions'"),
        ("schema", None, "not a shard of this project .schema None, this version reads 1"),
        ("schema", [1, 2], "not a shard of this project .schema "),
    ],
)
def test_a_shard_whose_attributes_are_not_a_shard_s_is_refused_by_its_name(
    name: str, value: object, said: str, tiny_copy: StudyConfig
) -> None:
    folder = tiny_copy.storage.folder
    (folder / "manifest.json").unlink()
    with h5py.File(folder / "train-00001.h5", "r+") as file:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value

    with pytest.raises(ShardError, match=rf"train-00001\.h5: ({said})"):
        simulate.make(tiny_copy, simulate.salt_jobs(tiny_copy), workers=1)


@pytest.mark.parametrize("seed", [None, np.array([b"a"] * 4), np.zeros(0, int), np.zeros((2, 2), int)])
def test_a_shard_whose_samples_are_not_numbered_is_refused_by_its_name(
    seed: NDArray[np.generic] | None, tiny_copy: StudyConfig
) -> None:
    folder = tiny_copy.storage.folder
    with h5py.File(folder / "train-00001.h5", "r+") as file:
        del file["seed"]
        if seed is not None:
            file["seed"] = seed

    with pytest.raises(ShardError, match=r"train-00001\.h5"):
        simulate.make(tiny_copy, simulate.salt_jobs(tiny_copy), workers=1)
