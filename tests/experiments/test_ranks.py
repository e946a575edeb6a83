"""A training on two devices, which are two processes on the CPU: what it gives, and how it ends."""

import itertools
import multiprocessing
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from processes import PATIENCE, forked
from trainings import checkpoint, history, table, train_until, untracked, wandb_files

from experiments.cli import main
from experiments.train import train
from fwi.config import StudyConfig, TrainConfig
from fwi.data import EpochSampler
from fwi.training import ranks
from fwi.training.processes import Pipes
from fwi.training.ranks import Rank
from fwi.training.task import InversionTask

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="with GPUs, devices are GPUs")


def on_two(study: StudyConfig, **changes: object) -> StudyConfig:
    return study.model_copy(update={"train": study.train.model_copy(update={"devices": 2, **changes})})


def assert_equal_within_rounding(run: Path, other: Path) -> None:
    for row, same in zip(table(run), table(other), strict=True):
        for name, value in row.items():
            assert float(value) == pytest.approx(float(same[name]), rel=1e-4), name
    one, two = checkpoint(run), checkpoint(other)
    for part in ("state_dict", "current_model_state"):
        assert one[part].keys() == two[part].keys()
        off = torch.cat([(each - two[part][name]).abs().flatten() for name, each in one[part].items()])
        # Adam divides a gradient by its own size: of one that is next to nothing, rounding makes a step.
        assert off.mean() < 0.1 * TrainConfig().learning_rate


# -- what it gives


@pytest.fixture(scope="module")
def shared_run(trained_study: StudyConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``trained_run`` again, by two processes, stopped in the third of four epochs and resumed."""
    run = tmp_path_factory.mktemp("shared") / "run"
    with pytest.raises(RuntimeError, match="power cut"):
        train_until(5, on_two(trained_study), run)
    train(on_two(trained_study), run, resume=True)
    return run


@pytest.mark.slow
def test_two_processes_give_what_one_gives_and_go_on_where_they_were_stopped(shared_run, trained_run):
    assert_equal_within_rounding(shared_run, trained_run)


@pytest.mark.slow
def test_two_processes_leave_the_files_of_one_run(shared_run, trained_run):
    def names(run: Path) -> set[str]:
        named_by_content = {"wandb", "calibration"}
        return {path.name for path in run.rglob("*") if not named_by_content & {*path.relative_to(run).parts}}

    assert names(shared_run) == names(trained_run)
    files = wandb_files(shared_run)
    assert len({file.name for file in files}) == 1  # the W&B run's name
    assert [entry["epoch"] for file in files for entry in history(file)] == [0, 1, 2, 3]


def test_run_of_two_devices_may_go_on_with_one(shared_run, trained_study):
    before = table(shared_run)

    train(trained_study, shared_run, resume=True)

    assert table(shared_run) == before


def train_as(place: dict[str, str], said: Path, flags: list[str]) -> None:
    """Run ``fwi train`` with an environment, and what it says in a file."""
    os.environ |= place
    with open(said, "w") as sys.stdout:
        sys.stderr = sys.stdout
        main(["train", *flags])


@pytest.fixture
def launched(study_file: Path, tmp_path: Path) -> list[str]:
    """What two processes that srun starts for one run say."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = {"SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"}
    job |= {"SLURM_NNODES": "1", "SLURM_NODEID": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    flags = ["--config", str(study_file), "--run", str(tmp_path / "run"), "--tracking.mode", "disabled"]
    said, processes = [tmp_path / "first", tmp_path / "second"], []
    for number, file in enumerate(said):
        place = job | {"SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)}
        processes.append(forked(train_as, place, file, flags))
    try:
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0, 0], [file.read_text() for file in said]
        return [file.read_text() for file in said]
    finally:
        for process in processes:
            process.kill()


@pytest.mark.slow
def test_processes_that_srun_starts_share_one_run(launched, trained_run, tmp_path):
    assert_equal_within_rounding(tmp_path / "run", trained_run)
    assert launched[0].count("epoch ") == 4
    assert launched[1] == ""


@pytest.mark.parametrize(("size", "batch", "devices"), [(24, 8, 2), (25, 8, 4), (6, 6, 3), (5, 4, 1)])
def test_devices_take_together_the_samples_that_one_takes_in_each_step(size, batch, devices):
    samplers = [EpochSampler(size, 0.5, 7, batch, device, devices) for device in range(devices)]
    for sampler in samplers:
        sampler.set_epoch(3)
    alone = EpochSampler(size, 0.5, 7)
    alone.set_epoch(3)

    whole, drawn = list(alone), [list(sampler) for sampler in samplers]

    part = batch // devices
    for step in range(size // batch):
        taken = [sample for samples in drawn for sample in samples[step * part : (step + 1) * part]]
        assert taken == whole[step * batch : (step + 1) * batch]
    assert [len(samples) for samples in drawn] == [len(sampler) for sampler in samplers]


# -- how it ends


@pytest.mark.slow
@pytest.mark.usefixtures("copied")
def test_loss_that_is_no_number_on_one_device_ends_both(trained_study, tmp_path, monkeypatch):
    step = InversionTask.training_step

    def spoilt_step(task, batch, number):
        return step(task, batch, number) * (1.0 if task.trainer.is_global_zero else torch.nan)

    monkeypatch.setattr(InversionTask, "training_step", spoilt_step)

    with pytest.raises(ValueError, match="training loss is not finite on another device at step 1 "):
        train(on_two(untracked(trained_study)), tmp_path / "run")

    assert not multiprocessing.active_children()


@pytest.mark.slow
@pytest.mark.usefixtures("copied")
def test_killed_process_ends_the_other_with_a_way_on(trained_study, tmp_path, monkeypatch):
    step = InversionTask.training_step

    def deadly_step(task, batch, number):
        if task.trainer.is_global_zero and task.global_step == 2:
            multiprocessing.active_children()[0].kill()
        return step(task, batch, number)

    monkeypatch.setattr(InversionTask, "training_step", deadly_step)

    with pytest.raises(ChildProcessError, match=r"device 1 was killed by signal 9.* --resume"):
        train(on_two(untracked(trained_study)), tmp_path / "run")
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
    assert not torch.distributed.is_initialized()


@pytest.mark.slow
@pytest.mark.usefixtures("copied")
def test_ctrl_c_ends_both_processes(study_file, tmp_path, monkeypatch, interrupted):
    step = InversionTask.training_step

    def interrupted_step(task, batch, number):
        if task.trainer.is_global_zero and task.global_step == 1:
            signal.raise_signal(signal.SIGINT)
        return step(task, batch, number)

    monkeypatch.setattr(InversionTask, "training_step", interrupted_step)
    flags = ("--run", tmp_path / "run", "--train.devices", 2, "--tracking.mode", "disabled")

    said = interrupted(signal.SIGINT, "train", "--config", study_file, *flags)

    assert f"go on with: fwi train --run {tmp_path / 'run'} --resume" in said
    assert not multiprocessing.active_children()


def test_tensors_are_gathered_by_number_and_an_ended_process_is_told():
    ends: list[dict] = [{}, {}, {}]
    for one, other in itertools.combinations(range(3), 2):
        ends[one][other], ends[other][one] = multiprocessing.Pipe()
    pipes = [Pipes(number, others) for number, others in enumerate(ends)]

    def gather(number: int) -> list[torch.Tensor]:
        return [pipes[number](torch.full((2, 3), 10.0 * number + turn)) for turn in range(50)]

    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(gather, range(3)))

    for turns in zip(*found, strict=True):
        assert all(torch.equal(turns[0], turn) for turn in turns)
    assert found[0][7][:, 0, 0].tolist() == [7, 17, 27]
    for connection in ends[2].values():
        connection.close()
    with pytest.raises(RuntimeError, match="another process of this training has ended"):
        pipes[0](torch.zeros(2))


# -- which processes there are


def test_one_process_is_the_rule_without_gpus():
    assert ranks.find(TrainConfig()) == Rank(number=0, processes=1)


def test_all_gpus_that_divide_the_batch_are_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 6)

    assert ranks.find(TrainConfig(batch_size=16)).processes == 4
    assert ranks.find(TrainConfig(batch_size=16, devices=6)).processes == 6


@pytest.mark.parametrize("cores", [2, 8])
def test_more_devices_than_there_are_are_refused(cores, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)

    with pytest.raises(ValueError, match=f"this machine has {cores} cores"):
        ranks.find(TrainConfig(devices=cores + 1))


def test_several_nodes_need_a_launcher():
    with pytest.raises(ValueError, match="srun or torchrun"):
        ranks.find(TrainConfig(nodes=2))


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_NTASKS": "8", "SLURM_PROCID": "5", "SLURM_NTASKS_PER_NODE": "4", "SLURM_JOB_NAME": "train"},
        {"TORCHELASTIC_RUN_ID": "1", "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "GROUP_RANK": "1"},
    ],
)
def test_process_finds_the_place_that_its_launcher_gave_it(variables, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert ranks.find(TrainConfig(nodes=2, devices=4)) == Rank(5, 8, nodes=2, launched=True)
    assert ranks.find(TrainConfig(nodes=2)) == Rank(5, 8, nodes=2, launched=True)
    with pytest.raises(ValueError, match="8 processes were started"):
        ranks.find(TrainConfig(nodes=2, devices=2))


def test_srun_that_does_not_say_how_many_processes_a_node_has_is_refused(monkeypatch):
    for name, value in {"SLURM_NTASKS": "8", "SLURM_PROCID": "5", "SLURM_JOB_NAME": "train"}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ValueError, match="--ntasks-per-node, equal to train"):
        ranks.find(TrainConfig(nodes=2))


def test_batch_that_the_devices_cannot_share_is_refused_with_those_that_they_can():
    Rank(processes=3).require_equal_parts(6)

    with pytest.raises(ValueError, match=r"train\.batch_size 6 or 9"):
        Rank(processes=3).require_equal_parts(8)
