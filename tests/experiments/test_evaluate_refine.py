"""``fwi evaluate --refine``: refined sections beside the network's, and how many of them are worse."""

import json
import re
import shutil

import numpy as np
import pytest

from experiments.cli import main
from fwi import load_run, naive
from fwi.config import RefineConfig
from fwi.data import ShotDataset
from fwi.manifest import DataSet
from fwi.refined_split import refine_split
from fwi.shards import read


@pytest.fixture(scope="module")
def run(any_survey_run, tmp_path_factory):
    """A run of which two sections of the test split were refined, also from a linear gradient."""
    folder = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(any_survey_run, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "disabled")
        flags = ["--checks", "1", "--refine", "2", "--budget", "3", "--against-gradient"]
        main(["evaluate", "--run", str(folder), *flags])
    return folder


@pytest.fixture(scope="module")
def refined(run):
    return json.loads((run / "evaluation.json").read_text())["refined"]


def test_starts_are_the_network_s_sections_of_evenly_spread_samples(refined, run, tiny_data):
    samples = read(tiny_data / "test-00000.h5")
    sections = load_run(run).invert(samples.gathers[[0, 3]])

    assert refined["numbers"] == [0, 3]
    errors = np.abs(sections - samples.velocity[[0, 3]]).mean(axis=(1, 2))
    np.testing.assert_allclose(refined["per_sample"]["network"]["mae"], errors, rtol=1e-4)
    assert refined["predictors"]["network"]["mae"]["mean"] == pytest.approx(errors.mean(), rel=1e-4)


def test_what_is_returned_is_the_start_or_the_candidate_and_worse_sections_are_counted(refined):
    start, candidate, returned = (
        np.array(refined["per_sample"][name]["mae"]) for name in ("network", "candidate", "refined")
    )

    accepted = ~np.isclose(returned, start)
    assert np.allclose(returned, np.where(accepted, candidate, start))
    assert refined["accepted"] == accepted.sum()
    assert refined["worse"] == {"candidate": np.mean(candidate > start), "refined": np.mean(returned > start)}
    assert 0 < refined["gradients"] <= 3
    assert refined["settings"]["gradients"] == 3


def test_refinement_from_a_linear_gradient_begins_with_the_line_that_fits_the_mean_model(
    refined, run, tiny_data
):
    line = naive.linear_gradient(load_run(run).mean_model)
    truth = read(tiny_data / "test-00000.h5").velocity[[0, 3]]

    found = np.array(refined["per_sample"]["gradient"]["mae"])
    np.testing.assert_allclose(found, np.abs(line - truth).mean(axis=(1, 2)), rtol=0.3)
    assert not np.allclose(found, refined["per_sample"]["network"]["mae"], rtol=0.01)


def test_figure_and_report_show_it(run):
    page = (run / "report.html").read_text()

    assert (run / "figures/evaluation-refined.png").stat().st_size > 1000
    assert "2 refined sections accepted; larger MAE than the network" in page


def test_interrupted_refinements_go_on_to_the_same_scores(any_survey_run, tiny_study, tmp_path, monkeypatch):
    run, dataset = load_run(any_survey_run), ShotDataset([DataSet.read(tiny_study.storage.folder)], "test")
    sections = np.stack([run.invert(dataset[number].gathers.float().numpy()) for number in range(2)])
    task = run, dataset, sections, [0, 1], RefineConfig(gradients=2)
    whole = refine_split(*task).split
    refinements = iter([run.refine])  # the second is interrupted

    def until_interrupted(*arguments, **options):
        refine = next(refinements, None)
        if refine is None:
            raise KeyboardInterrupt
        return refine(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(run, "refine", until_interrupted)
        with pytest.raises(KeyboardInterrupt):
            refine_split(*task, journals=tmp_path / "journals")
    assert [path.name for path in (tmp_path / "journals").iterdir()] == ["0.journal"]

    resumed = refine_split(*task, journals=tmp_path / "journals").split

    assert resumed.per_sample == whole.per_sample
    assert not (tmp_path / "journals").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--refine", "0"], "--refine 0: take 1 or more"),
        (["--budget", "10"], "--budget and --against-gradient are for --refine"),
        (["--against-gradient"], "--budget and --against-gradient are for --refine"),
        (["--refine", "2", "--budget", "soon"], "neither a number of gradients nor a duration"),
    ],
)
def test_flags_that_serve_nothing_are_refused_before_any_work(flags, said, any_survey_run, refused):
    assert said in refused("evaluate", "--run", any_survey_run, *flags)


def test_table_has_a_column_for_each_section(run, capsys):
    from experiments.evaluate import table
    from fwi.evaluation import Evaluation

    shown = table(Evaluation.model_validate_json((run / "evaluation.json").read_text()))

    assert re.search(r"^mean over samples +network +candidate +refined +gradient$", shown, re.MULTILINE)
