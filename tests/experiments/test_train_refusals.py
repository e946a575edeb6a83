"""What a training refuses to begin with or to go on from, and what ends one that can come to nothing."""

import dataclasses
import json
import shutil
from pathlib import Path

import h5py
import pytest
import torch
from studies import with_storage
from trainings import assert_same_training, checkpoint, table, untracked

from data_prep.make.simulate import simulate
from experiments.cli import main
from experiments.train import train
from fwi import checkpoints, run_folder
from fwi.files import sha256
from fwi.inverter_file import FILE
from fwi.manifest import DataSet
from fwi.origin import parse_origin
from fwi.training.task import InversionTask

# -- a loss that is no number


def test_loss_that_is_no_number_ends_the_training_at_its_step_without_a_checkpoint(
    study_file, tmp_path, refused, monkeypatch
):
    def spoil(task, *_):
        for weights in task.parameters():
            weights.data.fill_(torch.nan)

    monkeypatch.setattr(InversionTask, "on_train_batch_end", spoil)
    flags = ("--config", study_file, "--tracking.mode", "disabled")

    said = refused("train", *flags, "--run", tmp_path / "run")

    assert "the training loss is nan at step 2 (epoch 1); no epoch was finished" in said
    assert "train.learning_rate is too high" in said
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("moment", "step", "said", "kept"),
    [
        ("on_train_batch_start", 4, r"training loss is nan at step 5 \(epoch 3\)", 1),
        ("on_train_batch_end", 4, r"validation/loss is nan at step 4 \(epoch 2\)", 0),
    ],
)
def test_epochs_before_the_loss_was_no_number_are_kept(
    moment, step, said, kept, trained_study, tmp_path, monkeypatch
):
    def spoil(task, *_):
        if task.global_step == step:
            for weights in task.parameters():
                weights.data.fill_(torch.nan)

    monkeypatch.setattr(InversionTask, moment, spoil)

    with pytest.raises(ValueError, match=said):
        train(untracked(trained_study, ema=0.0), tmp_path / "run")

    best, last = checkpoint(tmp_path / "run", run_folder.BEST), checkpoint(tmp_path / "run")
    assert best["epoch"] <= last["epoch"] == kept
    assert all(weights.isfinite().all() for weights in best["state_dict"].values())


def test_step_that_the_memory_does_not_hold_is_told_with_its_remedies(trained_study, tmp_path, monkeypatch):
    def allocate(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(InversionTask, "training_step", allocate)

    with pytest.raises(ValueError, match=r"a step of 4 samples: take a smaller train\.batch_size"):
        train(untracked(trained_study), tmp_path / "run")


# -- the run's folder


@pytest.mark.parametrize("how", ["deleted", "moved"])
def test_training_whose_folder_is_gone_ends_at_once_and_leaves_nothing_behind(
    how, trained_study, tmp_path, monkeypatch
):
    run, steps, step = tmp_path / "run", [], InversionTask.training_step

    def lose_the_folder(task, batch, number):
        steps.append(task.global_step)
        if task.global_step == 3:
            shutil.rmtree(run) if how == "deleted" else run.rename(tmp_path / "elsewhere")
        return step(task, batch, number)

    monkeypatch.setattr(InversionTask, "training_step", lose_the_folder)

    with pytest.raises(run_folder.RunError, match="is gone: it was moved or deleted"):
        train(untracked(trained_study), run)

    assert steps[-1] == 3
    assert not run.exists()
    if how == "moved":
        monkeypatch.undo()
        train(untracked(trained_study), tmp_path / "elsewhere", resume=True)
        assert len(table(tmp_path / "elsewhere")) == 4


# -- the data set


def test_set_smaller_than_its_study_is_refused_with_the_command_that_completes_it(
    trained_study, tmp_path, monkeypatch
):
    larger = with_storage(trained_study, train=12)
    monkeypatch.setattr(
        "sys.argv", ["fwi", "train", "--config", "a study.yaml", "--run", "r", "--train.epochs", "2"]
    )

    with pytest.raises(ValueError, match="holds 8 of the study's 12 train samples") as refusal:
        train(larger, tmp_path / "run")

    assert "complete it with 'fwi simulate --config 'a study.yaml' --train.epochs 2'" in str(refusal.value)
    assert "set storage.train to 8" in str(refusal.value)
    assert not (tmp_path / "run").exists()


def test_imported_set_is_as_large_as_its_files(trained_study, tiny_copy, tmp_path):
    data = DataSet.read(tiny_copy.storage.folder)
    origin = parse_origin({"source": {"file": "x.npy", "key": None, "sha256": "0"}})
    imported = tuple(dataclasses.replace(entry, origin=origin) for entry in data.entries)
    DataSet(data.folder, data.recipe, {}, imported).write()

    larger = with_storage(trained_study, folder=data.folder, train=12)
    train(untracked(larger, epochs=1), tmp_path / "run")

    (noted,) = run_folder.notes(tmp_path / "run")
    assert noted["data"]["training"]["samples"] == 8


@pytest.mark.usefixtures("pool_here")
def test_records_without_models_are_refused_before_a_run_is_begun(trained_study, tiny_copy, tmp_path):
    data = DataSet.read(tiny_copy.storage.folder)
    alone = []
    for entry in data.split("train"):
        path = data.folder / entry.file
        with h5py.File(path, "r+") as file:
            del file["velocity"], file["salt"]
        alone.append(dataclasses.replace(entry, bytes=path.stat().st_size, sha256=sha256(path)))
    data.with_entries(alone).write()

    with pytest.raises(ValueError, match="holds records alone"):
        train(untracked(with_storage(trained_study, folder=data.folder)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_run_goes_on_only_with_the_samples_that_it_was_begun_with(trained_study, tiny_copy, tmp_path):
    study = untracked(with_storage(trained_study, folder=tiny_copy.storage.folder), epochs=1)
    run = tmp_path / "run"
    train(study, run)
    simulate(with_storage(study, train=12), workers=1)

    with pytest.raises(
        run_folder.RunError, match=r"begun with 8 training and 4 validation samples.* now hold 12"
    ):
        train(study, run, resume=True)


# -- files of a run that are not what they were


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished training, to be damaged."""
    return Path(shutil.copytree(trained_run, tmp_path / "run", symlinks=True))


@pytest.mark.parametrize("content", ["5", "{bad", '["x"]', "[" * 100_000, ""])
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_damaged_provenance_is_refused_by_name_before_any_work(content, command, run, refused):
    (run / run_folder.PROVENANCE).write_text(content)

    said = refused(command, "--run", run, *(["--resume"] if command == "train" else []))

    assert f"{run / run_folder.PROVENANCE}: damaged" in said
    assert not (run / "evaluation.json").exists()


@pytest.mark.parametrize("content", ["foo\n1\n", "epoch,step\n1,2\n", None, "\0\1", "é"])
def test_damaged_table_of_epochs_is_refused_by_name_when_the_training_is_resumed(content, run, refused):
    path = run / "metrics.csv"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"\n1,", b"\nx,") if content is None else content.encode("utf-16"))

    assert f"{path}: damaged" in refused("train", "--run", run, "--resume")
    assert path.read_bytes() != whole


@pytest.mark.parametrize("part", [*checkpoints.PARTS, "hyper_parameters"])
def test_last_checkpoint_that_lacks_a_part_is_refused_by_name(part, run, refused):
    content = checkpoint(run)
    del content[part]
    torch.save(content, run / run_folder.LAST)

    assert f"{run / run_folder.LAST}: not a readable checkpoint" in refused("train", "--run", run, "--resume")


@pytest.mark.parametrize("part", ["state_dict", "optimizer_states", "loops", "current_model_state"])
def test_last_checkpoint_with_foreign_contents_is_refused_by_name(part, run, refused):
    content = checkpoint(run)
    content[part] = [{}] if isinstance(content[part], list) else {"foreign": torch.zeros(1)}
    torch.save(content, run / run_folder.LAST)

    assert f"{run / run_folder.LAST}: " in refused("train", "--run", run, "--resume")


@pytest.mark.parametrize("weights", [{}, {"inverter.foreign": torch.zeros(1)}])
def test_best_checkpoint_with_foreign_weights_is_refused_by_name(weights, run, refused):
    torch.save({**checkpoint(run, run_folder.BEST), "state_dict": weights}, run / run_folder.BEST)
    (run / FILE).unlink()

    said = refused("convert", run)

    assert f"{run / run_folder.BEST}: not the weights of this run's network" in said


def test_older_run_without_checksums_goes_on(run, trained_study, trained_run):
    (run / run_folder.CHECKSUMS).unlink()
    noted = json.loads((run / run_folder.PROVENANCE).read_text())
    del noted[0]["data"]
    (run / run_folder.PROVENANCE).write_text(json.dumps(noted))

    main(["train", "--run", str(run), "--resume"])

    assert_same_training(run, trained_run)
