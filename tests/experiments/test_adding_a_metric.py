"""A metric is added by its function and its entry in METRICS: all that scores and prints then has it."""

import json
import re
import shutil

import numpy as np
import pytest
import torch

from experiments.cli import main
from experiments.sweep import summary
from experiments.sweep.variants import Variant
from fwi import config, metrics, plots
from fwi.config import ConfigError, StudyConfig
from fwi.data import Sample
from fwi.normalisation import Normalisation
from fwi.survey import Survey
from fwi.training.task import InversionTask


def share_within_500(prediction, truth, salt, spacing):
    """Share of the cells [%] whose speed is off by less than 500 m/s."""
    return 100 * ((prediction - truth).abs() < 500).float().mean(dim=(1, 2))


@pytest.fixture(autouse=True)
def toy(monkeypatch) -> metrics.Metric:
    metric = metrics.Metric(share_within_500, "cells within 500 m/s", "%", best="max", validated=True)
    monkeypatch.setitem(metrics.METRICS, "toy", metric)
    return metric


def test_an_added_metric_is_scored_and_may_stop_a_training():
    truth = np.full((1, 8, 10), 2000.0)
    prediction = truth.copy()
    prediction[:, :2] += 600

    scores = metrics.score(prediction, truth, truth > 4000, spacing=20.0)
    study = config.validate(StudyConfig, {"train": {"early_stop": {"metric": "validation/toy"}}}, "a study")

    assert scores["toy"] == pytest.approx(75)
    assert metrics.monitored()[study.train.early_stop.metric] == "max"


def test_a_metric_that_training_does_not_take_cannot_stop_it(monkeypatch, toy):
    monkeypatch.setitem(metrics.METRICS, "toy", toy._replace(validated=False))

    with pytest.raises(ConfigError, match=r"'validation/toy' is not offered; known: .*'validation/salt_iou'"):
        config.validate(StudyConfig, {"train": {"early_stop": {"metric": "validation/toy"}}}, "a study")


def test_an_added_metric_is_taken_in_validation_and_drawn_epoch_by_epoch(trained_study):
    torch.manual_seed(0)
    task = InversionTask(trained_study, Normalisation(trained_study.data.amplitude, 1.0, 1.0)).eval()
    grid = trained_study.grid
    gathers = torch.randn(2, *Survey(grid, trained_study.survey).gather_shape)
    truth = torch.full((2, grid.nz, grid.nx), 2000.0)
    logged = {}
    task.log_dict = logged.update

    task.on_validation_epoch_start()
    with torch.no_grad():
        task.validation_step(Sample(gathers, truth, torch.zeros_like(truth, dtype=torch.uint8)), 0)
        expected = share_within_500(task(gathers), truth, None, 0.0).mean()
    task.on_validation_epoch_end()

    torch.testing.assert_close(logged["validation/toy"], expected)
    figure = plots.curves({"epoch": [0, 1], "validation/toy": [10, 20]})
    assert [axes.get_title() for axes in figure.axes] == ["Validation cells within 500 m/s (%)"]


def test_an_added_metric_is_printed_and_reported_with_title_and_unit(
    trained_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = tmp_path / "run"
    shutil.copytree(trained_run, run, symlinks=True)

    main(["evaluate", "--run", str(run), "--checks", "1"])

    mean = json.loads((run / "evaluation.json").read_text())["predictors"]["network"]["toy"]["mean"]
    shown = f"{mean:.3g}" if mean < 10 else f"{mean:.1f}"
    assert re.search(rf"^toy +{re.escape(shown)} ", capsys.readouterr().out, re.MULTILINE)
    assert 'Cells within 500 m/s <span class="unit">(%)</span>' in (run / "report.html").read_text()


@pytest.mark.parametrize(("best", "chosen"), [("max", "se"), ("min", "plain")])
def test_an_added_metric_is_compared_by_a_sweep_in_its_own_direction(
    tmp_path, monkeypatch, toy, best, chosen
):
    monkeypatch.setitem(metrics.METRICS, "toy", toy._replace(best=best))
    monkeypatch.setattr(summary, "CHOSEN_METRIC", "toy")
    runs = {}
    for name, share in (("plain", 40.0), ("se", 60.0)):
        runs[name] = {0: tmp_path / name}
        runs[name][0].mkdir()
        per_sample = {metric: [share, share + 2] for metric in metrics.METRICS}
        summary.evaluation(runs[name][0], "validation").write_text(json.dumps({"per_sample": per_sample}))
    variants = [Variant(name, StudyConfig(), parameters=1, multiply_adds=1) for name in runs]

    summary.write(tmp_path, variants, runs, ["validation"], "plain")

    table = (tmp_path / summary.TABLE).read_text()
    assert json.loads((tmp_path / summary.NUMBERS).read_text())["best"] == chosen
    assert "| Cells within 500 m/s (%) |" in table
    assert "in bold the best by validation cells within 500 m/s" in table
    assert f"| **{chosen}** |" in table


def test_evaluations_of_before_a_metric_was_added_are_compared_without_it(tmp_path):
    per_sample = {metric: [1.0, 2.0] for metric in metrics.METRICS if metric != "toy"}
    summary.evaluation(tmp_path, "validation").write_text(json.dumps({"per_sample": per_sample}))

    found = summary.compare({"plain": {0: tmp_path}}, "validation", "plain")

    assert found["plain"].scores["toy"] is None
    assert found["plain"].scores["mae"].mean == 1.5
