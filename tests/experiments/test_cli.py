import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import pytest
import yaml

from experiments.cli import COMMANDS, main
from experiments.flags import Study
from fwi import config
from fwi.config import StudyConfig

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def shown_study(capsys: pytest.CaptureFixture[str], *flags: str) -> StudyConfig:
    """The study that ``fwi config show`` prints."""
    main(["config", "show", *flags])
    return config.validate(StudyConfig, yaml.safe_load(capsys.readouterr().out), "shown")


# -- help


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_overview_names_every_command(arguments, capsys):
    main(arguments)

    shown = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", shown, re.MULTILINE)


@pytest.mark.parametrize("arguments", [["--help"], ["config", "show"]])
def test_what_needs_no_heavy_library_imports_none(arguments):
    report = "print(*sys.modules, file=sys.stderr)"
    script = f"import sys; from experiments.cli import main; main(sys.argv[1:]); {report}"

    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )

    heavy = {"torch", "scipy", "h5py", "lightning", "deepwave", "matplotlib", "wandb", "torchmetrics"}
    assert not heavy & set(done.stderr.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])

    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: fwi {command}" in shown
    if command in ("demo", "simulate", "train", "config"):
        assert "--config FILE" in shown
        assert "Passes over the training split." in shown


@pytest.mark.parametrize("start", ["module", "script"])
def test_ctrl_c_while_the_command_line_is_imported_ends_without_a_traceback(start, tmp_path):
    (tmp_path / "tyro.py").write_text("raise KeyboardInterrupt")
    project = tomllib.loads((CONFIGS.parent / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["fwi"].partition(":")
    starts = {
        "module": ["-m", "experiments"],
        "script": ["-c", f"from {module} import {function}; {function}()"],
    }

    done = subprocess.run(
        [sys.executable, *starts[start], "--help"],
        cwd=CONFIGS.parent,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (130, "fwi: error: interrupted; run the same command again\n")


def test_version_is_told_where_the_project_is_installed(capsys, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", {"salt-fwi": "1.2.3"}.__getitem__)

    main(["--version"])

    assert capsys.readouterr().out == "fwi 1.2.3\n"


def test_unknown_command_is_refused_with_the_known_ones(refused):
    said = refused("tarin")

    assert "unknown command 'tarin'" in said
    assert "train" in said


# -- fwi config


def test_defaults_are_shown_as_a_study_that_reads_back(capsys):
    assert shown_study(capsys) == StudyConfig()


def test_every_study_of_the_project_is_shown_as_it_is_loaded(capsys):
    for path in sorted(set(CONFIGS.glob("*.yaml")) - {CONFIGS / "cluster_slurm.yaml"}):
        assert shown_study(capsys, "--config", str(path)) == config.load([path])


def test_files_merge_left_to_right_in_either_spelling(capsys, tmp_path):
    (tmp_path / "a.yaml").write_text("train: {epochs: 3, clip: 0.5}")
    (tmp_path / "b.yaml").write_text("train: {epochs: 4}")

    study = shown_study(capsys, "--config", str(tmp_path / "a.yaml"), f"--config={tmp_path / 'b.yaml'}")

    assert (study.train.epochs, study.train.clip) == (4, 0.5)


def test_schema_describes_every_section(capsys):
    main(["config", "schema"])

    schema = json.loads(capsys.readouterr().out)
    assert set(schema["properties"]) == set(StudyConfig.model_fields)
    assert "Passes over the training split" in str(schema["$defs"]["TrainConfig"])


def test_valid_study_is_summed_up(capsys):
    main(["config", "validate", "--config", str(CONFIGS / "demo.yaml")])

    assert "51 x 76 cells of 40 m; 8 shots x 100 samples of 0.02 s" in capsys.readouterr().out


def test_unstable_time_step_is_refused_before_any_work(refused):
    said = refused("config", "validate", "--survey.dt", "0.01")

    assert "survey.dt: 0.01 s is unstable" in said
    assert "take dt <= " in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--survey.keep-every", "1000", "--survey.nt", "1000"],
            "keep_every 1000 keeps one sample of nt 1000",
        ),
        (["--train.loss", "{}"], "train.loss: has no terms: write one or more of l1, mse, ssim"),
        (["--data.extra-folders", "data/../data/salt"], "data/salt and data/../data/salt are one folder"),
        (["--data.extra-folders", "data/b", "data/b"], "data/b and data/b are one folder"),
        (["--check.order", "2"], "take check.finer 3, or check.order 4 or 6"),
        (
            ["--model.name", "fcnvmb_unet", "--survey.receivers", "21"],
            "fcnvmb_unet cuts the model out of an output of the record's size",
        ),
        (
            ["--model.channels", *"444444444", "--survey.receivers", "20", "--train.batch-size", "1"],
            "take train.batch_size 2 or more",
        ),
    ],
)
def test_study_that_would_be_refused_later_is_not_valid(flags, said, refused):
    assert said in refused("config", "validate", *flags)


# -- flags


def test_flags_go_before_files(capsys):
    flags = ["--train.epochs", "3", "--survey.wavelet.frequency", "4", "--grid.velocity", "2100", "4400"]

    study = shown_study(capsys, "--config", str(CONFIGS / "demo.yaml"), *flags)

    assert study.train.epochs == 3
    assert study.survey.wavelet.frequency == 4
    assert study.grid.velocity == (2100, 4400)
    assert study.grid.nz == config.load([CONFIGS / "demo.yaml"]).grid.nz


def test_attention_is_a_list_of_names_or_of_mappings(capsys):
    entries = ["none", "se", "cbam", "{name: se, reduction: 4}"]

    study = shown_study(capsys, "--model.channels", "8", "16", "32", "64", "--model.attention", *entries)

    assert [entry.name for entry in study.model.attention] == ["none", "se", "cbam", "se"]
    assert (study.model.attention[1].reduction, study.model.attention[3].reduction) == (16, 4)


def test_loss_is_a_mapping(capsys):
    assert shown_study(capsys, "--train.loss", "{l1: 1, ssim: 0.5}").train.loss == {"l1": 1, "ssim": 0.5}


def test_demo_is_of_the_study_that_is_made_for_it_unless_another_is_given(monkeypatch, tmp_path):
    shown = []

    def demo(study: Study) -> None:
        """Instead of the demo."""
        shown.append(study)

    monkeypatch.setattr("experiments.demo.demo", demo)
    (tmp_path / "other.yaml").write_text("train: {epochs: 7}")

    main(["demo", "--train.epochs", "2"])
    main(["demo", "--config", str(tmp_path / "other.yaml")])

    made_for_it = config.load([CONFIGS / "salt_demo.yaml", CONFIGS / "demo_short.yaml"])
    epochs = made_for_it.train.model_copy(update={"epochs": 2})
    assert shown == [
        made_for_it.model_copy(update={"train": epochs}),
        config.load([tmp_path / "other.yaml"]),
    ]


@pytest.mark.parametrize(("command", "resumes"), [("simulate", True), ("import", True), ("verify", False)])
def test_ctrl_c_says_that_a_command_goes_on_where_it_does(command, resumes, monkeypatch, interrupted):
    monkeypatch.setattr("experiments.cli._run", lambda *_: signal.raise_signal(signal.SIGINT))

    said = interrupted(signal.SIGINT, command)

    assert ("the same command goes on" in said) == resumes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_error_that_an_interruption_causes_is_told_as_the_interruption(number, monkeypatch, interrupted):
    def lose_a_worker(*_):
        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()  # the group's signal, a little later
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Terminated.")

    monkeypatch.setattr("experiments.cli._run", lose_a_worker)

    assert "run the same command again" in interrupted(number, "verify")


def test_memory_that_does_not_suffice_is_told_without_a_traceback(monkeypatch, refused):
    def allocate(*_):
        raise MemoryError("Unable to allocate 8.00 TiB")

    monkeypatch.setattr("experiments.cli._run", allocate)

    assert "the memory does not suffice (Unable to allocate 8.00 TiB)" in refused("verify")


def test_interruption_that_a_library_swallows_or_turns_into_an_exit_ends_the_command_all_the_same(
    monkeypatch, interrupted
):
    def swallow_and_exit(*_):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        sys.exit(1)

    monkeypatch.setattr("experiments.cli._run", swallow_and_exit)

    interrupted(signal.SIGINT, "verify")


def test_interruption_while_a_finaliser_runs_comes_after_it(monkeypatch, interrupted):
    class Interrupting:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    def finalise_and_go_on(*_):
        Interrupting()
        time.sleep(10)

    monkeypatch.setattr("experiments.cli._run", finalise_and_go_on)

    interrupted(signal.SIGTERM, "verify")


def test_optional_metric_and_switches_are_flags(capsys):
    study = shown_study(capsys, "--train.early-stop.metric", "validation/mae", "--train.compile")

    assert study.train.early_stop.metric == "validation/mae"
    assert study.train.compile


def test_all_mistakes_of_the_flags_are_told_at_once_each_with_its_key(refused):
    flags = ["--train.epochs", "0", "--grid.nz", "3", "--model.skip", "foo", "--data.flip", "2"]

    said = refused("config", "show", *flags)

    assert "4 mistakes" in said
    for key in (
        "train.epochs",
        "grid.nz",
        "model.skip.0: unknown name 'foo'; known: 'none', 'se'",
        "data.flip",
    ):
        assert f"  - {key}" in said


def test_flags_and_file_must_fit_each_other(refused):
    said = refused("config", "show", "--config", CONFIGS / "demo.yaml", "--model.channels", "8", "16")

    assert "4 entries, but 2 levels of channels need 2" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--train.epochs", "many"], "Error parsing --train.epochs"),
        (["--train.optimizer", "sgd"], "adamw"),
        (["--train.epoch", "3"], "--train.epochs"),
        (["--model.attention", "{name: se, reduction: "], "not valid YAML"),
        (["--train.loss", "{l3: 1}"], "'l3' is not offered; known: 'l1', 'mse', 'ssim' or 'salt'"),
        (["--config"], "--config needs a value"),
    ],
)
def test_flag_that_cannot_be_read_is_refused_saying_what_would_do(flags, said, refused):
    assert said in refused("config", "show", *flags)


def test_output_may_be_cut_by_the_program_that_reads_it():
    command = f"{sys.executable} -m experiments config schema | head -n 1"

    cut = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )

    assert (cut.returncode, cut.stdout, cut.stderr) == (0, "{\n", "")


def test_every_slot_takes_names_and_mappings_side_by_side_from_a_file(capsys, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "model: {channels: [8, 16, 32], attention: [none, {name: se, squeeze: dct}, ca], skip: [none, gate], "
        "bottleneck: [{name: pmfs, levels: 2}, self], resample: stn}"
    )

    assert shown_study(capsys, "--config", str(path)) == config.load([path])
