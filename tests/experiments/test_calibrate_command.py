import json
import shutil

import pytest

from experiments.cli import main
from fwi import load_run, run_folder
from fwi.calibrate import TRUST
from fwi.shards import read


def test_command_goes_from_a_run_to_a_verdict_in_the_report(
    any_survey_run, tiny_data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = tmp_path / "run"
    shutil.copytree(any_survey_run, run)

    main(["calibrate", "--run", str(run), "--models", "6", "--presets", "yang_ma", "gulf"])
    calibrated = capsys.readouterr().out
    main(["evaluate", "--run", str(run), "--checks", "2"])
    main(
        [
            "invert",
            str(tiny_data / "test-00000.h5"),
            "--run",
            str(run),
            "--sample",
            "0",
            "--out",
            str(tmp_path),
        ]
    )

    assert "A section is wrong that has a salt IoU below 0.7 or" in calibrated
    assert f"written: {run / TRUST}" in calibrated
    kinds = json.loads((run / TRUST).read_text())["trust"]["kinds"]
    # The study's records are of models of yang_ma: fresh ones of that preset are at home too.
    assert {"home", "gulf", "salt moved"} <= kinds.keys()
    assert "yang_ma" not in kinds
    assert kinds["home"]["sections"] == 2 + 3
    assert [noted["stage"] for noted in run_folder.notes(run)][-2:] == ["calibrate", "evaluate"]
    shown = capsys.readouterr().out
    assert "physics check: 0 of 2 sections believed" in shown
    assert "  doubtful: wrong with a probability of" in shown
    report = (run / "report.html").read_text()
    assert "A section is wrong that has a salt IoU" in report
    assert "<tr><th>salt moved</th>" in report


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--models", "-1"], "--models takes 0 or more"),
        (["--presets", "mixed"], "--presets mixed: no preset of one geology; known: yang_ma"),
        (["--models", "0"], "4 sections of the network are too few to calibrate its verdict"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(any_survey_run, tmp_path, refused, flags, said):
    run = tmp_path / "run"
    shutil.copytree(any_survey_run, run)

    assert said in refused("calibrate", "--run", run, *flags)


def test_presets_are_kept_within_the_speeds_of_the_grid_or_left_out():
    from experiments.calibrate import within

    assert within("gulf", (2000.0, 4500.0)).speeds == (2000.0, 4500.0)
    assert within("gulf", (1500.0, 4500.0)).speeds == (1500.0, 4500.0)
    assert within("gulf", (1500.0, 4400.0)) is None


def test_verdict_of_records_of_another_survey_is_given_too(any_survey_run, other_study, other_data, tmp_path):
    from fwi.survey import Survey

    run = tmp_path / "run"
    shutil.copytree(any_survey_run, run)
    main(["calibrate", "--run", str(run), "--models", "12", "--presets", "yang_ma"])
    samples = read(other_data / "test-00000.h5")
    trained, survey = load_run(run), Survey(other_study.grid, other_study.survey)

    verdict = trained.check(trained.invert(samples.gathers[0], survey), samples.gathers[0], survey)

    assert verdict.believed is not None
