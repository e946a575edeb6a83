"""Signals at random moments of long commands, which their workers get too, as from a terminal."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import PATIENCE, Running, alive, children, wait_until
from studies import config_file, with_storage

from fwi import checkpoints, run_folder
from fwi.config import StudyConfig
from fwi.manifest import DataSet

START = """
import faulthandler, sys
faulthandler.dump_traceback_later(90, exit=True)  # says where a command hangs
sys.argv[0] = "fwi"
print("begun", flush=True)
from experiments.__main__ import main
main()
"""
LATEST = 7.0
"""Seconds after its start at which a command gets a signal, at the latest."""


@pytest.fixture
def running() -> Iterator[Running]:
    processes = Running()
    yield processes
    processes.end()


def interrupt(running: Running, command: list[str], number: int) -> str:
    """Start a command, send it and its workers a signal at a random moment; gives its last line."""
    seed = random.randrange(10**6)
    moment = random.Random(seed).uniform(0.0, LATEST)
    place = f"seed {seed}: signal {number} after {moment:.2f} s"
    process = running.start("-c", START, *command, OMP_NUM_THREADS="1")
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(moment)
    workers = children(process.pid)

    os.killpg(process.pid, number)

    out, errors = process.communicate(timeout=PATIENCE)
    lines = [
        line
        for line in errors.replace("\r", "\n").splitlines()
        if not line.startswith(("epoch", "simulate:"))
    ]
    if process.returncode == -signal.SIGTERM:  # it had not reached its first line
        lines.append("fwi: error: interrupted; run the same command again")
    else:
        assert process.returncode == 128 + number, f"{place}\n{out}{errors}"
    assert len(lines) == 1, f"{place}\n{errors}"
    assert lines[0].startswith("fwi: error: interrupted; "), f"{place}\n{errors}"
    wait_until(lambda: not any(map(alive, workers)), f"{place}: the end of the workers", 15.0)
    return lines[0]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_training_ends_with_the_command_that_goes_on(
    running: Running, study_file: Path, tmp_path: Path, number: int
) -> None:
    run = tmp_path / "a run"
    flags = ["--train.epochs", "100000", "--data.workers", "1"]

    said = interrupt(running, ["train", "--config", str(study_file), "--run", str(run), *flags], number)

    if (run / run_folder.CHECKSUMS).exists():  # it had begun
        assert said.endswith(f"go on with: fwi train --run '{run}' --resume")
    if (run / run_folder.LAST).exists():
        checkpoints.read(run, run_folder.LAST, run_folder.read_study(run))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_simulation_ends_with_a_sound_set(
    running: Running, tiny_study: StudyConfig, tmp_path: Path, number: int
) -> None:
    study = with_storage(tiny_study, folder=tmp_path / "set", train=2000, samples_per_shard=2)
    command = ["simulate", "--config", str(config_file(study, tmp_path)), "--workers", "2"]

    interrupt(running, command, number)

    if study.storage.folder.exists():
        assert not list(study.storage.folder.glob(".*.lock"))
        if (study.storage.folder / "manifest.json").exists():
            DataSet.read(study.storage.folder).verify()
