import json
import re
import shutil

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from experiments.cli import main
from experiments.evaluate import evaluate
from fwi import load_run, run_folder
from fwi.shards import read


@pytest.fixture(scope="module")
def run(trained_run, tmp_path_factory):
    """A run that is evaluated on its test split."""
    folder = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(trained_run, folder, symlinks=True)
    evaluate(folder, checks=2)
    return folder


@pytest.fixture(scope="module")
def result(run):
    return json.loads((run / "evaluation.json").read_text())


@pytest.fixture(scope="module")
def test_split(tiny_data):
    return read(tiny_data / "test-00000.h5")


@pytest.fixture(scope="module")
def sections(run, tiny_data, tmp_path_factory):
    """The run's sections of the test split, as ``fwi invert`` saves them."""
    out = tmp_path_factory.mktemp("sections")
    main(["invert", str(tiny_data / "test-00000.h5"), "--run", str(run), "--out", str(out), "--no-check"])
    return np.stack([np.load(out / f"test-00000-{number}.npy") for number in range(4)])


def test_errors_are_those_of_the_saved_sections(result, sections, test_split):
    error = sections - test_split.velocity
    mae, rmse = np.abs(error).mean(axis=(1, 2)), np.sqrt((error**2).mean(axis=(1, 2)))

    network = result["predictors"]["network"]
    np.testing.assert_allclose(result["per_sample"]["mae"], mae, rtol=1e-5)
    assert network["mae"]["mean"] == pytest.approx(mae.mean(), rel=1e-5)
    assert network["rmse"]["mean"] == pytest.approx(rmse.mean(), rel=1e-5)
    assert network["mae"]["median"] == pytest.approx(np.median(mae), rel=1e-5)
    assert network["mae"]["samples"] == 4


def test_similarity_and_overlap_are_those_of_the_saved_sections(result, sections, test_split):
    similarity, overlap = [], []
    for section, truth, salt in zip(sections, test_split.velocity, test_split.salt > 0, strict=True):
        first, second = (np.pad((v - 1500) / 3000, 5) for v in (section, truth))
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
        _, local = structural_similarity(first, second, full=True, **options)
        similarity.append(local[5:-5, 5:-5].mean())
        # Salt is what is faster than midway between the salt and the fastest sediment.
        found = section > (truth[salt].max() + truth[~salt].max()) / 2
        overlap.append((found & salt).sum() / (found | salt).sum())

    np.testing.assert_allclose(result["per_sample"]["ssim_openfwi"], similarity, rtol=1e-3)
    np.testing.assert_allclose(result["per_sample"]["salt_iou"], overlap, atol=1e-6)


def test_naive_mean_is_that_of_the_training_split(result, test_split, tiny_data):
    training = np.concatenate([read(path).velocity for path in sorted(tiny_data.glob("train-*.h5"))])

    error = np.abs(training.mean(axis=0) - test_split.velocity).mean()

    assert result["predictors"]["mean"]["mae"]["mean"] == pytest.approx(error, rel=1e-5)


def test_naive_left_edge_repeats_the_first_column_of_the_truth(result, test_split):
    error = np.abs(test_split.velocity[:, :, :1] - test_split.velocity).mean()

    assert result["predictors"]["left edge"]["mae"]["mean"] == pytest.approx(error, rel=1e-5)


def test_verdicts_are_those_of_checking_the_saved_sections(result, run, sections, test_split):
    assert [checked["sample"] for checked in result["check"]] == ["test 0", "test 3"]

    verdict = load_run(run).check(sections[3], test_split.gathers[3])

    assert result["check"][1]["nrms"] == pytest.approx(verdict.summary()["nrms"], rel=1e-3)
    assert result["check"][1]["verdict"] == verdict.summary()["verdict"]
    for name in ("nrms", "correlation", "shift"):
        shots = result["check"][1]["per_shot"][name]
        np.testing.assert_allclose(shots, getattr(verdict.misfit, name), rtol=1e-3, atol=1e-6)


def test_report_and_figures_are_written_and_the_stage_noted(run, result):
    assert "<html" in (run / "report.html").read_text()
    for figure in result["captions"]:
        assert (run / f"figures/{figure}.png").stat().st_size > 1000
    assert [noted["stage"] for noted in json.loads((run / run_folder.PROVENANCE).read_text())] == [
        "train",
        "evaluate",
    ]


def test_table_of_the_means_is_in_the_offline_wandb_run(run, result):
    (written,) = run.glob("wandb/offline-run-*/files/media/table/*.json")

    table = json.loads(written.read_text())
    rows = {row[0]: dict(zip(table["columns"][1:], row[1:], strict=True)) for row in table["data"]}
    assert rows.keys() == result["predictors"].keys()
    assert rows["network"]["mae"] == pytest.approx(result["predictors"]["network"]["mae"]["mean"])


def test_another_split_is_evaluated_beside_and_shown_on_the_terminal(
    trained_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = tmp_path / "run"
    shutil.copytree(trained_run, run, symlinks=True)

    main(["evaluate", "--run", str(run), "--split", "validation", "--checks", "1", "--name", "valid"])

    result = json.loads((run / "evaluation-valid.json").read_text())
    assert (result["split"], result["samples"], len(result["check"])) == ("validation", 4, 1)
    shown = capsys.readouterr().out
    assert re.search(rf"^mae +{result['predictors']['network']['mae']['mean']:.1f} ", shown, re.MULTILINE)
    assert "physics check: 1 section checked, not calibrated" in shown


def test_network_of_any_survey_is_scored_on_another_one(any_survey_run, other_data, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(any_survey_run, run)

    evaluate(run, data=other_data, checks=1, name="other")

    result = json.loads((run / "evaluation-other.json").read_text())
    assert result["samples"] == 2
    assert len(result["check"][0]["per_shot"]["nrms"]) == 3
    assert (run / "figures/evaluation-other-gathers.png").exists()
    assert f"2 test samples of {other_data}" in capsys.readouterr().out
