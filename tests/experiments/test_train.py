import contextlib
import errno
import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from disks import mounted
from processes import PATIENCE, forked
from trainings import (
    assert_same_training,
    best_score,
    checkpoint,
    history,
    table,
    train_until,
    untracked,
    wandb_files,
    wandb_records,
)

from experiments.cli import main
from experiments.train import train
from fwi import checkpoints, run_folder
from fwi.config import CorruptConfig, StudyConfig, TrackingConfig
from fwi.inverter_file import FILE
from fwi.shards import read
from fwi.training import wandb
from fwi.training.callbacks import WandbRun
from fwi.training.fit import datasets
from fwi.training.task import InversionTask


def train_until_killed_in_the_third_epoch(flags: list[str]) -> None:
    step = InversionTask.training_step

    def deadly_step(task, batch, number):
        if task.global_step == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(task, batch, number)

    InversionTask.training_step = deadly_step
    main(flags)


def own_environment(**changes: str) -> dict[str, str]:
    """The environment for a process that is to open W&B by itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")} | changes


def test_run_folder_holds_what_later_commands_need(trained_run, trained_study):
    assert run_folder.read_study(trained_run) == trained_study
    for name in (
        run_folder.PROVENANCE,
        run_folder.MEAN_MODEL,
        run_folder.BEST,
        run_folder.LAST,
        FILE,
        "metrics.csv",
        "wandb",
    ):
        assert (trained_run / name).exists()
    assert not list(trained_run.rglob("*.tmp"))


def test_mean_model_is_that_of_the_training_split(trained_run, tiny_data):
    training = np.concatenate([read(path).velocity for path in sorted(tiny_data.glob("train-*.h5"))])

    np.testing.assert_allclose(run_folder.read_mean_model(trained_run), training.mean(axis=0), rtol=1e-6)


def test_table_has_a_row_for_each_epoch(trained_run):
    rows = table(trained_run)

    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["step"] for row in rows] == ["2", "4", "6", "8"]
    assert float(rows[-1]["learning_rate"]) == 0
    assert all(float(row["validation/mae"]) > 0 for row in rows)


def test_best_checkpoint_is_of_the_epoch_with_the_least_validation_mae(trained_run):
    errors = [float(row["validation/mae"]) for row in table(trained_run)]

    assert checkpoint(trained_run, run_folder.BEST)["epoch"] == int(np.argmin(errors))
    assert best_score(checkpoint(trained_run)) == pytest.approx(min(errors))
    assert checkpoint(trained_run, run_folder.LAST)["epoch"] == 3


def test_training_goes_on_from_the_last_epoch_although_another_was_the_best(trained_study, tmp_path):
    study = untracked(trained_study, learning_rate=0.05, ema=0.1)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(study, whole)
    errors = [float(row["validation/mae"]) for row in table(whole)]
    assert int(np.argmin(errors[:3])) < 2, errors

    with pytest.raises(RuntimeError, match="power cut"):
        train_until(7, study, cut)
    assert checkpoint(cut, run_folder.LAST)["epoch"] == 2
    train(study, cut, resume=True)

    assert_same_training(cut, whole)


def test_training_on_corrupted_records_resumes_to_the_result_of_an_uninterrupted_one(trained_study, tmp_path):
    clean = untracked(trained_study, epochs=2)
    corrupt = clean.data.model_copy(update={"corrupt": CorruptConfig(share=0.667)})
    study, whole, cut = clean.model_copy(update={"data": corrupt}), tmp_path / "whole", tmp_path / "cut"
    train(study, whole)

    with pytest.raises(RuntimeError, match="power cut"):
        train_until(3, study, cut)
    train(study, cut, resume=True)

    assert_same_training(cut, whole)
    train(clean, tmp_path / "clean")
    assert table(tmp_path / "clean") != table(whole)


def test_tiny_network_learns_a_handful_of_samples_by_heart(trained_study, tmp_path):
    study = untracked(trained_study, epochs=60, learning_rate=5e-3, ema=0.0, weight_decay=0.0)
    study = study.model_copy(update={"data": study.data.model_copy(update={"flip": 0.0})})

    train(study, tmp_path / "run")

    losses = [float(row["train/loss"]) for row in table(tmp_path / "run")]
    assert max(losses[-5:]) < losses[0] / 3


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_killed_training_resumes_to_the_result_of_an_uninterrupted_one(
    workers, trained_study, trained_run, study_file, tmp_path
):
    run = tmp_path / "killed"
    flags = ["train", "--config", str(study_file), "--data.workers", str(workers), "--run", str(run)]
    flags += ["--tracking.mode", "disabled"]

    killed = forked(train_until_killed_in_the_third_epoch, flags)
    killed.join(PATIENCE)
    assert killed.exitcode == -signal.SIGKILL
    assert len(table(run)) == 2
    main(["train", "--run", str(run), "--resume"])

    assert_same_training(run, trained_run)


def test_interrupted_run_may_be_moved_before_it_is_resumed(trained_study, trained_run, tmp_path):
    study = untracked(trained_study)
    with pytest.raises(RuntimeError, match="power cut"):
        train_until(7, study, tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")

    train(study, tmp_path / "there", resume=True)

    assert_same_training(tmp_path / "there", trained_run)
    assert not (tmp_path / "here").exists()


def test_run_interrupted_in_its_first_epoch_starts_over_on_resume(trained_study, trained_run, tmp_path):
    with pytest.raises(RuntimeError, match="power cut"):
        train_until(1, untracked(trained_study), tmp_path / "run")

    train(untracked(trained_study), tmp_path / "run", resume=True)

    assert_same_training(tmp_path / "run", trained_run)


def test_disk_that_fills_keeps_the_last_epoch_from_which_training_goes_on(
    trained_study, trained_run, study_file, tmp_path, monkeypatch, refused
):
    run, flush, written = tmp_path / "run", os.fsync, []

    def flush_until_full(handle: int) -> None:
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        written.extend([name] if ".ckpt" in name else [])
        if len(written) == 3:  # the best and the last of the first epoch are there
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(handle)

    monkeypatch.setattr(os, "fsync", flush_until_full)
    said = refused("train", "--config", study_file, "--tracking.mode", "disabled", "--run", run)
    monkeypatch.undo()

    assert f"{run / run_folder.BEST}: No space left on device: make room" in said
    assert {path.name for path in (run / "checkpoints").iterdir()} == {
        run_folder.BEST.name,
        run_folder.LAST.name,
    }
    assert checkpoint(run, run_folder.BEST)["epoch"] == checkpoint(run, run_folder.LAST)["epoch"] == 0
    main(["train", "--run", str(run), "--resume"])
    assert_same_training(run, trained_run)


def test_resuming_a_finished_run_changes_nothing(trained_study, trained_run, tmp_path):
    run = tmp_path / "finished"
    shutil.copytree(trained_run, run, symlinks=True)

    train(trained_study, run, resume=True)

    assert_same_training(run, trained_run)


def test_training_stops_early_and_stays_stopped(trained_study, tmp_path):
    # The IoU of a network that has learnt nothing yet stays zero.
    stop = trained_study.train.early_stop.model_copy(update={"metric": "validation/salt_iou", "patience": 2})
    study = untracked(trained_study, epochs=6, learning_rate=1e-6, early_stop=stop)

    train(study, tmp_path / "run")
    rows = table(tmp_path / "run")
    train(study, tmp_path / "run", resume=True)

    assert [row["validation/salt_iou"] for row in rows] == ["0.0"] * 3
    assert table(tmp_path / "run") == rows


def test_saved_weights_are_the_moving_average_of_clipped_steps(trained_study, tmp_path, monkeypatch):
    study = untracked(trained_study, epochs=3, clip=0.01, ema=0.7)
    weights, norms = [], []

    def watch(task, *_):
        weights.append({name: value.detach().clone() for name, value in task.named_parameters()})
        norms.append(torch.stack([value.grad.norm() for value in task.parameters()]).norm())

    monkeypatch.setattr(InversionTask, "on_train_batch_end", watch)
    train(study, tmp_path / "run")

    # The average begins after half an epoch: with the second step of two.
    saved = checkpoint(tmp_path / "run")
    for name in weights[0]:
        average = weights[1][name]
        for step in weights[2:]:
            average = 0.7 * average + 0.3 * step[name]
        torch.testing.assert_close(saved["state_dict"][name], average)
        assert torch.equal(saved["current_model_state"][name], weights[-1][name])
    torch.testing.assert_close(torch.stack(norms), torch.full((6,), 0.01), rtol=1e-3, atol=0)


def test_training_never_opens_the_test_split(trained_study, tmp_path, monkeypatch):
    opened = []

    def spy_on(module, name):
        original = getattr(module, name)

        class Spy(original if isinstance(original, type) else object):
            def __new__(cls, path, *arguments, **options):
                opened.append(Path(str(path)).name)
                return original(path, *arguments, **options)

        monkeypatch.setattr(module, name, Spy)

    spy_on(h5py, "File")
    monkeypatch.setattr("fwi.manifest.sha256", lambda path: opened.append(path.name) or _sha256(path))
    train(untracked(trained_study, epochs=1), tmp_path / "run")

    assert {"train-00000.h5", "train-00001.h5", "validation-00000.h5"} == set(opened)


def _sha256(path: Path) -> str:
    from fwi.files import sha256

    return sha256(path)


def test_terminal_shows_a_line_per_epoch_and_nothing_of_the_libraries(trained_study, tmp_path, capfd):
    epochs = trained_study.train.model_copy(update={"epochs": 2})

    train(trained_study.model_copy(update={"train": epochs}), tmp_path / "run")

    shown = capfd.readouterr()
    lines = [line for line in shown.err.replace("\r", "").splitlines() if line]
    *lines, calibration = lines
    assert len(lines) == 2
    assert calibration.startswith("calibrate: 4/4 samples")
    assert all(line.startswith(f"epoch {number}/2: train/loss") for number, line in enumerate(lines, start=1))
    assert shown.out.startswith(f"{tmp_path / 'run'}: 2 epochs, best validation MAE")
    assert "verdicts not calibrated: 4 sections of the network are too few" in shown.out.splitlines()[1]
    assert len(shown.out.splitlines()) == 2


@pytest.mark.slow
def test_ctrl_c_ends_with_exit_code_130_and_a_run_that_can_go_on(study_file, tmp_path):
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.mkdir()
    flags = ["train", "--config", str(study_file), "--run", str(run), "--data.workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", *flags, "--train.epochs", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=own_environment(HOME=str(elsewhere), TMPDIR=str(elsewhere)),
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (run / run_folder.LAST).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert f"fwi: error: interrupted; go on with: fwi train --run {run} --resume" in errors
    assert "Traceback" not in errors
    checkpoints.read(run, run_folder.LAST, run_folder.read_study(run))
    assert not [path for path in elsewhere.rglob("*") if "wandb" in path.name]


def test_ctrl_c_between_beginning_a_run_and_its_first_step_says_how_to_go_on(
    study_file, tmp_path, monkeypatch, interrupted
):
    run = tmp_path / "run"
    monkeypatch.setattr(run_folder, "write_mean_model", lambda *_: signal.raise_signal(signal.SIGINT))

    command = ("train", "--config", study_file, "--run", run, "--tracking.mode", "disabled")
    said = interrupted(signal.SIGINT, *command)

    assert f"interrupted; go on with: fwi train --run {run} --resume" in said
    assert (run / run_folder.CONFIG).exists()


def test_a_signal_that_a_library_swallows_ends_the_training_before_its_next_step(
    study_file, tmp_path, monkeypatch, interrupted
):
    def swallow(*_: object) -> None:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(InversionTask, "on_train_epoch_start", swallow)
    run = tmp_path / "run"

    said = interrupted(
        signal.SIGTERM, "train", "--config", study_file, "--run", run, "--tracking.mode", "disabled"
    )

    assert f"interrupted; go on with: fwi train --run {run} --resume" in said
    assert not (run / run_folder.LAST).exists()


# -- Weights & Biases


def test_offline_run_has_the_config_the_losses_and_the_sections_of_each_epoch(trained_run, trained_study):
    (file,) = wandb_files(trained_run)
    logged, rows = history(file), table(trained_run)

    assert len(logged) == 4
    for entry, row in zip(logged, rows, strict=True):
        for name in ("epoch", "train/loss", "validation/loss", "validation/mae", "learning_rate"):
            assert entry[name] == pytest.approx(float(row[name])), name
        assert entry["_step"] == int(row["step"])
        path = entry.get("sections/path") or entry["sections"]["path"]
        assert list(trained_run.glob(f"wandb/offline-run-*/files/{path}"))
    begun = next(record.run for record in wandb_records(file) if record.HasField("run"))
    config = {item.key: yaml.safe_load(item.value_json) for item in begun.config.update}
    assert StudyConfig.model_validate({k: v for k, v in config.items() if k != "_wandb"}) == trained_study


def test_four_fixed_sections_of_the_validation_split_are_drawn(trained_study, tmp_path):
    eight, validation = datasets(trained_study)

    tracked, of_more = (WandbRun(trained_study, tmp_path, samples) for samples in (validation, eight))

    assert tracked.names == ["validation 0", "validation 1", "validation 2", "validation 3"]
    assert of_more.names == ["validation 0", "validation 2", "validation 4", "validation 7"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 20 kB: room for a run's first files, and for nothing that W&B writes."""
    with mounted(tmp_path / "disk", "20k") as folder:
        yield folder


@pytest.mark.slow
def test_full_disk_is_told_once_and_not_by_the_threads_of_wandb(study_file, tiny_disk):
    flags = ["--config", str(study_file), "--run", str(tiny_disk / "run")]

    done = subprocess.run(
        [sys.executable, "-m", "experiments", "train", *flags],
        capture_output=True,
        text=True,
        env=own_environment(),
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.startswith(f"fwi: error: {tiny_disk / 'run/wandb'}: No space left on device")
    assert len(done.stderr.splitlines()) == 1


def test_run_of_any_name_is_a_legal_wandb_run(trained_study, tmp_path):
    run = tmp_path / ("a name #1: with/slash " + "x" * 80)

    train(untracked(trained_study, epochs=1).model_copy(update={"tracking": TrackingConfig()}), run)

    (file,) = wandb_files(run)
    begun = next(record.run for record in wandb_records(file) if record.HasField("run"))
    assert len(begun.run_id) <= 64
    assert not set(begun.run_id) & set("/\\#?%: ")


def test_disabled_wandb_leaves_no_trace_but_the_table(trained_study, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")

    train(trained_study, tmp_path / "run")

    assert not (tmp_path / "run/wandb").exists()
    assert len(table(tmp_path / "run")) == 4


@pytest.mark.parametrize(
    ("mode", "said"), [("online", "there is no key: set WANDB_API_KEY"), ("dryrun", "known: offline, online")]
)
def test_wandb_that_cannot_work_is_refused_before_anything_is_written(
    mode, said, study_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("WANDB_MODE", mode)
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(SystemExit, match="2"):
        main(["train", "--config", str(study_file), "--run", str(tmp_path / "run")])

    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


class Refusing(http.server.BaseHTTPRequestHandler):
    """A server of W&B that knows no key."""

    def do_POST(self) -> None:
        """Refuse."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(401)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(params=["refuses the key", "does not answer"])
def server(request) -> Iterator[str]:
    """Address of a server of W&B that is of no use."""
    if request.param == "does not answer":
        yield "http://127.0.0.1:9"
        return
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as refusing:
        threading.Thread(target=refusing.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{refusing.server_port}"
        refusing.shutdown()


def test_wandb_that_cannot_go_online_says_so_soon_and_goes_on_offline(
    server, trained_study, tmp_path, monkeypatch, capsys
):
    run = tmp_path / "a run"
    run.mkdir()
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", server)
    monkeypatch.setattr(wandb, "ANSWER", 1.0)

    begin = time.monotonic()
    opened = wandb.open_wandb(trained_study, run, "online")
    opened.log({"train/loss": 1.0})
    opened.finish()

    assert time.monotonic() - begin < 20
    said = capsys.readouterr().err
    assert "W&B cannot go online (" in said
    assert f"send what is logged with: wandb sync '{run / 'wandb'}'/offline-run-*" in said
    assert len(list(run.glob("wandb/offline-run-*/*.wandb"))) == 1
