"""What users do wrong: exit code 2, a message that says what and how to mend it, and nothing half-written.

Bad velocity models, full disks and Ctrl-C while simulating are tried with the tests of simulation and import.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml

import fwi
from experiments.cli import main
from fwi import config, run_folder
from fwi.config import StudyConfig
from fwi.files import locked
from fwi.inverter_file import FILE
from fwi.run import Run
from fwi.shards import read


@pytest.fixture(autouse=True)
def untracked(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")


@pytest.fixture
def run(trained_run, tmp_path) -> Path:
    """A finished run of the test's own, to spoil."""
    shutil.copytree(trained_run, tmp_path / "run", symlinks=True)
    return tmp_path / "run"


@pytest.fixture
def spoilt_study(trained_study, tiny_copy) -> StudyConfig:
    """``trained_study`` with a data set of the test's own, to spoil."""
    return trained_study.model_copy(update={"storage": tiny_copy.storage})


def written(study: StudyConfig, folder: Path) -> Path:
    path = folder / "study.yaml"
    path.write_text(config.dump(study))
    return path


def tree(folder: Path) -> dict[Path, bytes]:
    """The content of every file of a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    # W&B's service ends its log of the finished training when it gets to it.
    return {path: path.read_bytes() for path in files if "wandb" not in path.relative_to(folder).parts}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change_one_byte(path: Path) -> None:
    """Flip one bit of the first sample's gathers."""
    with h5py.File(path) as file:
        where = file["gathers"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[where + 100] ^= 1
    path.write_bytes(content)


# -- the study


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"train": {"epoch": 3}}, "train.epoch: unknown key; known here: epochs"),
        (
            {"model": {"attention": ["none", "sse", "ca"]}},
            "model.attention.1: unknown name 'sse'; known: 'none'",
        ),
        ({"model": {"attention": ["se", "ca"]}}, "2 entries, but 3 levels of channels need 3"),
        ({"survey": {"shots": 0}}, "survey.shots: input should be greater than or equal to 1, got 0"),
        ({"grid": {"velocity": [1.5, 4.5]}}, "looks like km/s: give it in m/s"),
    ],
)
def test_study_with_a_mistake_is_refused_by_its_key(section, said, study_file, tmp_path, refused):
    study = yaml.safe_load(study_file.read_text())
    for name, values in section.items():
        study[name] |= values
    study_file.write_text(yaml.safe_dump(study))

    assert said in refused("train", "--config", study_file, "--run", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "said"), [("grid: {nz: [", "not valid YAML"), ("- nz", "got a list"), (None, "no such file")]
)
def test_file_that_is_no_study_is_refused(content, said, tmp_path, refused):
    path = tmp_path / "study.yaml"
    if content is not None:
        path.write_text(content)

    assert said in refused("train", "--config", path, "--run", tmp_path / "run")


# -- the data set


@pytest.mark.parametrize(
    ("damage", "said"), [(truncate, "truncated or replaced"), (change_one_byte, "its content changed")]
)
@pytest.mark.parametrize("shard", ["train-00001.h5", "validation-00000.h5"])
def test_training_on_a_damaged_shard_is_refused(damage, said, shard, spoilt_study, tmp_path, refused):
    damage(spoilt_study.storage.folder / shard)

    message = refused("train", "--config", written(spoilt_study, tmp_path), "--run", tmp_path / "run")

    assert shard in message
    assert said in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", [truncate, change_one_byte, Path.unlink])
def test_evaluating_on_a_damaged_shard_is_refused(damage, run, spoilt_study, refused):
    damage(spoilt_study.storage.folder / "test-00000.h5")
    before = tree(run)

    assert "test-00000.h5" in refused("evaluate", "--run", run, "--data", spoilt_study.storage.folder)
    assert tree(run) == before


@pytest.mark.parametrize("damage", [truncate, change_one_byte, Path.unlink])
def test_inverting_a_damaged_shard_is_refused(damage, trained_run, spoilt_study, tmp_path, refused):
    shard = spoilt_study.storage.folder / "test-00000.h5"
    damage(shard)

    assert "test-00000.h5" in refused("invert", shard, "--run", trained_run, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_training_without_a_data_set_says_how_to_make_one(trained_study, tmp_path, refused):
    storage = trained_study.storage.model_copy(update={"folder": tmp_path / "nowhere"})
    study = trained_study.model_copy(update={"storage": storage})

    said = refused("train", "--config", written(study, tmp_path), "--run", tmp_path / "run")

    assert "nowhere: no data set here" in said
    assert "fwi simulate" in said


def test_training_on_records_of_another_survey_is_refused_naming_what_differs(study_file, tmp_path, refused):
    flags = ["--survey.nt", "200", "--survey.wavelet.frequency", "8"]

    said = refused("train", "--config", study_file, *flags, "--run", tmp_path / "run")

    assert "survey.nt: 250 against 200" in said
    assert "survey.wavelet.frequency: 10.0 against 8.0" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--check.order", "2"], "check.order: 2 needs 8 cells in the shortest wavelength, which has 6.00"),
        (
            ["--model.channels", *"4444444", "--model.attention", *["none"] * 7, "--train.batch-size", "1"],
            "a training batch of one sample",
        ),
    ],
)
def test_study_that_would_fail_in_training_or_its_check_is_refused_before(
    flags, said, study_file, tmp_path, refused
):
    assert said in refused("train", "--config", study_file, *flags, "--run", tmp_path / "run")
    assert not (tmp_path / "run").exists()


# -- the run


@pytest.mark.parametrize(
    "command", [["evaluate"], ["train", "--resume"], ["invert", "shots.npy"], ["check", "a.npy", "b.npy"]]
)
def test_missing_run_is_refused_saying_how_to_train_one(command, tmp_path, refused):
    said = refused(*command, "--run", tmp_path / "nowhere")

    assert "no run here" in said
    assert "fwi train --run" in said
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [(["--checks", 0], "--checks 0: take 1 or more"), (["--name", "a/b"], "--name 'a/b': take letters")],
)
def test_evaluation_of_no_use_is_refused_before_any_work(flags, said, run, refused):
    before = tree(run)

    assert said in refused("evaluate", "--run", run, *flags)
    assert tree(run) == before


def test_run_without_a_finished_epoch_is_not_evaluated(run, refused):
    shutil.rmtree(run / "checkpoints")
    (run / FILE).unlink()

    assert "has not finished an epoch, continue it with --resume" in refused("evaluate", "--run", run)


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_checkpoint_of_another_study_is_refused_naming_what_differs(command, run, trained_study, refused):
    model = trained_study.model.model_copy(update={"channels": (8, 16, 24)})
    (run / run_folder.CONFIG).write_text(config.dump(trained_study.model_copy(update={"model": model})))
    (run / run_folder.CHECKSUMS).unlink()  # or the study is refused before the checkpoint is looked at
    before = tree(run)

    said = refused(command, "--run", run, *(["--resume"] if command == "train" else []))

    where = "checkpoint" if command == "train" else "inverter"
    assert f"model.channels: [8, 16, 32] in the {where}, [8, 16, 24] in config.yaml" in said
    assert tree(run) == before


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_truncated_weights_are_refused(command, run, refused):
    for which in (run_folder.BEST, run_folder.LAST, FILE):
        truncate(run / which)
    before = tree(run)

    said = refused(command, "--run", run, *(["--resume"] if command == "train" else []))

    assert ("not a readable checkpoint" if command == "train" else "not an inverter, or damaged") in said
    assert tree(run) == before


def test_existing_run_is_not_trained_over(run, study_file, refused):
    before = tree(run)

    assert "continue it with --resume" in refused("train", "--config", study_file, "--run", run)
    assert tree(run) == before


@pytest.mark.parametrize("flag", [["--train.epochs", "40"], ["--train.epochs=41"], ["--config", "{file}"]])
def test_resuming_with_other_settings_is_refused_rather_than_ignored(flag, run, tmp_path, refused):
    """Also with one that is the default."""
    (tmp_path / "more.yaml").write_text("train: {epochs: 50}")
    before = tree(run)

    said = refused(
        "train", "--run", run, "--resume", *(part.format(file=tmp_path / "more.yaml") for part in flag)
    )

    assert re.search(r"train.epochs: (40|41|50) given, 4 in the run", said)
    assert said.count("given") == 1
    assert tree(run) == before


def test_resuming_takes_settings_that_are_the_runs_own(run, tmp_path):
    (tmp_path / "same.yaml").write_text("train: {epochs: 4}")
    before = (run / "metrics.csv").read_text()

    flags = ["--resume", "--config", str(tmp_path / "same.yaml"), "--train.ema", "0.5"]
    main(["train", "--run", str(run), *flags])

    assert [line.split(",")[:2] for line in (run / "metrics.csv").read_text().splitlines()] == [
        line.split(",")[:2] for line in before.splitlines()
    ]


@pytest.mark.parametrize(
    ("command", "name"), [("train", "checkpoints"), ("train", "wandb"), ("evaluate", "figures")]
)
def test_run_whose_folder_leads_elsewhere_is_not_written_to(command, name, study_file, tmp_path, refused):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    study = ["--config", study_file] if command == "train" else []

    said = refused(command, *study, "--run", tmp_path / "run")

    assert f"run/{name}: a link to {tmp_path / 'elsewhere'}, and no folder of its own" in said
    assert [path.name for path in (tmp_path / "run").iterdir()] == [name]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_run_that_another_process_trains_is_left_alone(run, refused):
    with locked(run):
        said = refused("train", "--run", run, "--resume")

    assert "another command is writing here" in said


# -- where the output goes


@pytest.fixture
def blocked_by_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file"


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    if os.geteuid() != 0:
        yield folder
        return
    # Root may write anywhere but to a file system that is read-only.
    command = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("place", ["blocked_by_a_file", "read_only"])
def test_folder_that_cannot_be_written_is_refused(
    place, trained_run, study_file, tiny_data, request, refused
):
    out = request.getfixturevalue(place) / "out"
    shard = tiny_data / "test-00000.h5"

    for command in (
        ["train", "--config", study_file, "--run", out],
        ["invert", shard, "--run", trained_run, "--out", out],
    ):
        said = refused(*command)
        assert f"fwi: error: {out}: " in said
        assert "choose another place" in said
    assert not out.exists()


# -- records and sections


def test_shard_of_another_survey_is_not_inverted(trained_run, tiny_study, simulate_here, tmp_path, refused):
    survey = tiny_study.survey.model_copy(update={"shots": 2})
    storage = tiny_study.storage.model_copy(
        update={"folder": tmp_path / "other", "train": 0, "validation": 0, "test": 1}
    )
    other = simulate_here(tiny_study.model_copy(update={"survey": survey, "storage": storage}))

    inverted = refused("invert", other.folder / "test-00000.h5", "--run", trained_run, "--out", tmp_path)
    evaluated = refused("evaluate", "--run", trained_run, "--data", other.folder)

    for said in (inverted, evaluated):
        assert "survey.shots: 2 against 4" in said
    assert not list(tmp_path.glob("*.npy"))


def test_npy_whose_survey_is_another_is_not_inverted(trained_run, trained_study, tmp_path, refused):
    np.save(tmp_path / "line.npy", np.ones((4, 50, 36), np.float32))
    survey = trained_study.survey.model_copy(update={"dt": 0.001})
    file = written(trained_study.model_copy(update={"survey": survey}), tmp_path)

    said = refused("invert", tmp_path / "line.npy", "--run", trained_run, "--survey", file, "--out", tmp_path)

    assert "survey.dt: 0.001 against 0.002" in said


class Payload:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def zeros(path: Path, *shape: int, kind: str = "float32") -> None:
    np.save(path, np.zeros(shape, kind))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: zeros(path, 4, 50, 35), "4, 50, 35) do not fit their survey"),
        (lambda path: zeros(path, 50, 36), "expected floating-point gathers"),
        (lambda path: zeros(path, 4, 50, 36, kind="int16"), "expected floating-point gathers"),
        (lambda path: np.save(path, np.full((4, 50, 36), np.nan)), "NaN or infinite"),
        (lambda path: path.write_bytes(b""), "not a readable .npy"),
        (lambda path: path.write_bytes(b"\x93NUMPY\x01\x00"), "not a readable .npy"),
        (lambda path: np.save(path, np.array([Payload()]), allow_pickle=True), "not a readable .npy"),
        (lambda path: None, "no such file"),
    ],
)
def test_records_that_are_none_are_refused(spoil, said, trained_run, tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    spoil(tmp_path / "line.npy")

    assert said in refused("invert", "line.npy", "--run", trained_run)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("silent", "flags", "said"),
    [
        (np.s_[1], ["--no-check"], "line.npy, sample 1: the record is zero throughout"),
        (np.s_[1], [], "line.npy, sample 1: the record is zero throughout"),
        (np.s_[1, 2], [], None),
    ],
)
def test_silent_record_is_refused_before_another_is_inverted(
    silent, flags, said, trained_run, tiny_data, tmp_path, refused
):
    gathers = read(tiny_data / "test-00000.h5").gathers[:2]
    gathers[silent] = 0
    np.save(tmp_path / "line.npy", gathers)
    command = ["invert", tmp_path / "line.npy", "--run", trained_run, "--out", tmp_path / "out", *flags]

    if said is None:
        main([str(word) for word in command])
        assert (tmp_path / "out/line-1.npy").exists()
    else:
        assert said in refused(*command)
        assert not (tmp_path / "out").exists()


def test_file_of_no_records_is_not_inverted(trained_run, tmp_path, refused):
    zeros(tmp_path / "line.npy", 0, 4, 50, 36)

    said = refused("invert", tmp_path / "line.npy", "--run", trained_run, "--out", tmp_path / "out")

    assert "line.npy holds no samples" in said


def test_nothing_to_simulate_is_refused(study_file, tmp_path, refused):
    flags = [f"--storage.{split}=0" for split in ("train", "validation", "test")]

    said = refused("simulate", "--config", study_file, *flags, "--storage.folder", tmp_path / "none")

    assert "storage.train, storage.validation, storage.test are all 0" in said
    assert not (tmp_path / "none").exists()


def test_sample_that_a_file_lacks_is_refused(trained_run, tiny_data, tmp_path, refused):
    said = refused(
        "invert", tiny_data / "test-00000.h5", "--run", trained_run, "--sample", 4, "--out", tmp_path
    )

    assert "samples 0 to 3" in said


def test_section_of_another_grid_is_not_checked(trained_run, tiny_data, tmp_path, refused):
    zeros(tmp_path / "section.npy", 24, 35)

    said = refused(
        "check", tmp_path / "section.npy", tiny_data / "test-00000.h5", "--run", trained_run, "--sample", "0"
    )

    assert "shape (24, 35), the line's grid is (24, 36)" in said


def test_section_of_an_unknown_one_of_several_samples_is_not_checked(
    trained_run, tiny_data, tmp_path, refused
):
    np.save(tmp_path / "section.npy", read(tiny_data / "test-00000.h5").velocity[3])

    said = refused("check", tmp_path / "section.npy", tiny_data / "test-00000.h5", "--run", trained_run)

    assert "holds 4 samples: say with --sample which" in said


def test_section_with_an_impossible_speed_is_not_checked(trained_run, tiny_data, tmp_path, refused):
    np.save(tmp_path / "section.npy", read(tiny_data / "test-00000.h5").velocity[0] / 1000)

    said = refused(
        "check", tmp_path / "section.npy", tiny_data / "test-00000.h5", "--run", trained_run, "--sample", "0"
    )

    assert "which go outside grid.velocity 1500 .. 4500 m/s" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["section", "{shard}", "--sample", "9"], "samples 0 to 3"),
        (["gather", "{shard}", "--shot", "4"], "shots 0 to 3"),
        (["section"], "'fwi plot section' draws from a file: name it, as in 'fwi plot section FILE'"),
        (
            ["section", "{shard}", "--shot", "1"],
            "does not take --shot; it takes FILE, --sample",
        ),
        (["gather", "{shard}", "--run", "{run}"], "'fwi plot gather' does not take --run"),
        (["gather", "line.npy"], "gathers from a shard"),
        (["section", "line.npy", "--sample", "1"], "which holds one and no samples"),
        (["attention"], "draws what a trained network attends to: name its --run"),
        (
            ["attention", "{shard}", "--run", "{run}"],
            "does not take FILE; it takes --run",
        ),
        (["attention", "--run", "{run}", "--sample", "4"], "samples 0 to 3"),
        (["attention", "--run", "{run}", "--shot", "4"], "shots 0 to 3"),
        (["attention", "--run", "{run}", "--at", "720", "100"], "the section is 700 m long and 460 m deep"),
        (
            ["attention", "--run", "{run}", "--data", "{shard}", "--split", "test"],
            "splits are of a data set",
        ),
        (["attention", "--run", "{run}", "--data", "elsewhere"], "elsewhere"),
    ],
)
def test_plot_of_what_is_not_there_is_refused(flags, said, trained_run, tiny_data, tmp_path, refused):
    names = {"shard": tiny_data / "test-00000.h5", "run": trained_run}
    flags = [flag.format(**names) for flag in flags]

    assert said in refused("plot", *flags, "--out", tmp_path / "figure.png")
    assert not (tmp_path / "figure.png").exists()


def test_plot_of_an_empty_npy_is_refused(tmp_path, refused):
    (tmp_path / "empty.npy").write_bytes(b"")

    said = refused("plot", "section", tmp_path / "empty.npy", "--out", tmp_path / "figure.png")

    assert "not a readable .npy" in said


# -- Ctrl-C


def test_ctrl_c_during_an_evaluation_leaves_the_run_as_it_was(run, monkeypatch, interrupted):
    monkeypatch.setattr(Run, "checks", lambda *_: signal.raise_signal(signal.SIGINT))
    before = tree(run)

    assert "run the same command again" in interrupted(signal.SIGINT, "evaluate", "--run", run)
    assert tree(run) == before


def test_weights_that_are_not_numbers_are_not_scored(run, refused):
    inverter = fwi.load(run)
    with torch.no_grad():
        for weights in inverter.parameters():
            weights.fill_(torch.nan)
    inverter.save(run / FILE)

    assert "the network has diverged" in refused("evaluate", "--run", run)
    assert not (run / "evaluation.json").exists()
