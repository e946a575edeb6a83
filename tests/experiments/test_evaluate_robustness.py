import json
import re
import shutil

import pytest
from PIL import Image

from experiments.cli import main
from fwi.corruption import CORRUPTIONS


@pytest.fixture(scope="module")
def run(trained_run, tmp_path_factory):
    """A run whose robustness is measured on two samples."""
    folder = tmp_path_factory.mktemp("robust") / "run"
    shutil.copytree(trained_run, folder, symlinks=True)
    main(["evaluate", "--run", str(folder), "--checks", "1", "--robustness", "--samples", "2"])
    return folder


@pytest.fixture(scope="module")
def result(run):
    return json.loads((run / "robustness.json").read_text())


def test_every_corruption_is_measured_at_its_strengths_beside_the_mean_model(result):
    strengths = {row["name"]: tuple(case["strength"] for case in row["cases"]) for row in result["rows"]}

    assert strengths.items() >= {name: each.strengths for name, each in CORRUPTIONS.items()}.items()
    assert {"irregular_shots", "field", "other_grid"} <= strengths.keys()
    for row in result["rows"]:
        for case in row["cases"]:
            assert case["ratio"] == pytest.approx(case["mae"]["mean"] / result["clean"]["mae"]["mean"])
            assert not case["refused"]
    assert result["samples"] == 2
    assert result["mean_model"]["mae"]["mean"] > 0


def test_figure_and_report_show_it(run, result):
    page = (run / "report.html").read_text()

    with Image.open(run / "figures/robustness.png") as figure:
        assert min(figure.size) > 500
    assert "Not measured yet" not in page
    assert all(f"<tr><th>{row['title']}" in page for row in result["rows"])


def test_wandb_has_the_table_and_the_figure(run, result):
    tables = [json.loads(path.read_text()) for path in run.glob("wandb/offline-run-*/files/media/table/*")]

    (table,) = [table for table in tables if table["columns"][0] == "records"]
    rows = {(row[0], row[1]): row[2] for row in table["data"]}
    gain = next(row for row in result["rows"] if row["name"] == "gain")
    assert rows["Gain [factor]", 2.0] == pytest.approx(gain["cases"][1]["mae"]["mean"])
    assert len(list(run.glob("wandb/offline-run-*/files/media/images/robustness_figure*.png"))) == 1


def test_the_table_is_shown_on_the_terminal_and_its_files_are_named_as_the_evaluation_s(
    trained_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = tmp_path / "run"
    shutil.copytree(trained_run, run, symlinks=True)

    flags = ["--split", "validation", "--checks", "1", "--name", "valid", "--robustness", "--samples", "1"]
    main(["evaluate", "--run", str(run), *flags])

    result = json.loads((run / "robustness-valid.json").read_text())
    shown = capsys.readouterr().out
    assert "robustness, 1 validation samples" in shown
    for row in result["rows"]:
        mean = row["cases"][0]["mae"]["mean"]
        assert re.search(rf"^{re.escape(row['title'])}.*: {mean:.0f} \(", shown, re.MULTILINE)
    assert (run / "figures/robustness-valid.png").exists()


@pytest.mark.parametrize("flags", [["--samples", "3"], ["--samples", "0", "--robustness"]])
def test_a_number_of_samples_that_serves_nothing_is_refused(refused, trained_run, flags):
    assert "take 1 or more, with --robustness" in refused("evaluate", "--run", trained_run, *flags)
