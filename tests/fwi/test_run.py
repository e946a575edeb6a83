import shlex

import numpy as np
import pytest
import torch

import fwi
from fwi import run_folder
from fwi.config import ModelConfig, TrainConfig
from fwi.data import ShotDataset
from fwi.inverter import BATCH, Inverter
from fwi.inverter_file import FILE
from fwi.manifest import DataSet
from fwi.normalisation import Normalisation
from fwi.run import Run
from fwi.run_folder import RunError
from fwi.shards import ShardError, read
from fwi.survey import Survey
from fwi.training.task import InversionTask


@pytest.fixture(scope="module")
def study(tiny_study):
    small = ModelConfig(channels=(4, 8), attention=("se", "ca"))
    return tiny_study.model_copy(update={"model": small, "train": TrainConfig(precision="32")})


@pytest.fixture(scope="module")
def folder(study, tiny_data, tmp_path_factory):
    """A run whose two checkpoints hold other (untrained) weights."""
    folder = tmp_path_factory.mktemp("runs") / "untrained"
    run_folder.begin(folder, study)
    run_folder.write_mean_model(folder, read(tiny_data / "train-00000.h5").velocity.mean(axis=0))
    plain = study.model_dump(mode="json")
    (folder / run_folder.BEST).parent.mkdir()
    for seed, which in enumerate((run_folder.BEST, run_folder.LAST)):
        torch.manual_seed(seed)
        task = InversionTask(
            study, Normalisation(study.data.amplitude, 1e-3, 2.0), run_folder.read_mean_model(folder)
        )
        torch.save({"state_dict": task.state_dict(), "hyper_parameters": {"study": plain}}, folder / which)
        if which == run_folder.BEST:
            task.inverter.save(folder / FILE)
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return fwi.load_run(folder)


@pytest.fixture(scope="module")
def samples(tiny_data):
    return read(tiny_data / "test-00000.h5")


def test_three_lines_invert_and_check_a_record(folder, samples, study):
    run = fwi.load_run(folder)
    section = run.invert(samples.gathers[0])
    verdict = run.check(section, samples.gathers[0])

    assert section.shape == (study.grid.nz, study.grid.nx)
    assert section.dtype == np.float32
    assert verdict.believed is None
    assert str(verdict).endswith(f"not calibrated: fwi calibrate --run {folder}")


def test_true_model_explains_the_records_that_an_untrained_network_does_not(run, samples):
    section = run.invert(samples.gathers[0])

    truth, other = run.checks(np.stack([samples.velocity[0], section]), samples.gathers[[0, 0]])

    assert truth.misfit.median.nrms < 0.3 * other.misfit.median.nrms


def test_several_records_are_inverted_as_one_by_one(run, samples):
    gathers = np.resize(samples.gathers, (BATCH + 3, *samples.gathers.shape[1:]))

    sections = run.invert(gathers)

    assert sections.shape[0] == BATCH + 3
    for number in (0, BATCH, BATCH + 2):
        np.testing.assert_allclose(sections[number], run.invert(gathers[number]), rtol=1e-5)


@pytest.mark.parametrize("kind", ["<f2", "<f8", ">f4"])
def test_records_of_any_floating_type_and_byte_order_are_taken(run, samples, kind):
    stored = samples.gathers[0]

    np.testing.assert_array_equal(run.invert(stored.astype(kind)), run.invert(stored))


def test_records_need_not_be_contiguous(run, samples):
    reversed_twice = samples.gathers[0][..., ::-1].copy()[..., ::-1]

    np.testing.assert_array_equal(run.invert(reversed_twice), run.invert(samples.gathers[0]))


def test_best_and_last_weights_can_be_had(folder, samples):
    best, last = fwi.load_run(folder), fwi.load_run(folder, run_folder.LAST)

    assert not np.allclose(best.invert(samples.gathers[0]), last.invert(samples.gathers[0]))


def test_records_of_another_survey_are_refused_with_the_shape_wanted(run, samples):
    with pytest.raises(ValueError, match=r"\(4, 50, 35\) do not fit .* \(4, 50, 36\)"):
        run.invert(samples.gathers[0, :, :, :-1])
    with pytest.raises(ValueError, match="do not fit"):
        run.invert(samples.gathers[0, 0])


def test_records_with_a_sample_that_is_not_finite_are_refused(run, samples):
    gathers = samples.gathers.copy()
    gathers[1, 2, 30, 4] = np.nan

    with pytest.raises(ValueError, match="NaN or infinite"):
        run.invert(gathers)


@pytest.fixture(scope="module")
def any_run(any_survey_run):
    """A run whose network takes any survey."""
    return fwi.load_run(any_survey_run)


@pytest.fixture(scope="module")
def other(other_data):
    """The test split of another survey than the runs', and the survey."""
    return ShotDataset([DataSet.read(other_data)], "test")


def test_network_of_one_survey_scores_no_data_set_of_another_and_says_which_would(run, other):
    with pytest.raises(ShardError) as refusal:
        run.evaluate(other)

    first, *_, last = str(refusal.value).splitlines()
    assert first == f"{other.folders[0]} was made for another survey than that of the run {run.folder}:"
    assert "survey.receivers: 18 against 36" in str(refusal.value)
    assert last == "networks trained with model.columns: offsets take any shots and receivers"


def test_run_of_any_survey_scores_and_checks_a_data_set_of_another(any_run, other, other_data):
    samples = read(other_data / "test-00000.h5")

    evaluation, sections, truth, _, verdicts = any_run.evaluate(other, checks=1)

    np.testing.assert_allclose(sections, any_run.invert(samples.gathers, other.survey), rtol=1e-5)
    errors = np.abs(sections - truth).mean(axis=(1, 2))
    np.testing.assert_allclose(evaluation.per_sample["mae"], errors, rtol=1e-5)
    assert verdicts[0].simulated.shape == other.survey.gather_shape
    assert len(evaluation.check[0].per_shot.nrms) == 3


def test_true_models_explain_the_records_of_either_survey(any_run, samples, other, other_data):
    elsewhere = read(other_data / "test-00000.h5")

    first = any_run.check(samples.velocity[0], samples.gathers[0])
    second = any_run.check(elsewhere.velocity[0], elsewhere.gathers[0], other.survey)
    again = any_run.check(samples.velocity[0], samples.gathers[0])
    assert max(verdict.misfit.median.nrms for verdict in (first, second, again)) < 0.2


def test_record_with_missing_shots_and_traces_is_inverted_and_checked(any_run, samples):
    gathers = samples.gathers[0].copy()
    gathers[1] = 0
    gathers[2, :, 5:9] = 0

    verdict = any_run.check(samples.velocity[0], gathers)

    assert not np.allclose(any_run.invert(gathers), any_run.invert(samples.gathers[0]))
    assert verdict.misfit.median.nrms < 0.2
    assert verdict.missing == "zero throughout and left out: 1 of 4 shots and 4 other traces of 144"


def test_data_set_of_another_kind_is_refused_by_what_sets_it_apart(any_run, other):
    grid = other.survey.grid.model_copy(update={"nz": 30})
    deeper = Survey(grid, other.survey.config.model_copy(update={"depth": 40.0}))

    with pytest.raises(ShardError) as refusal:
        any_run.require(deeper, "data/deeper")

    assert [line.split(":")[0] for line in str(refusal.value).splitlines()[1:]] == [
        "  - grid.nz",
        "  - survey.depth",
        "  - survey.receiver_depth",
    ]


def test_traces_beyond_the_offsets_of_a_streamer_that_was_trained_on_are_told(study, run, any_run, other):
    towed = {"spread": "streamer", "receivers": 10, "near_offset": 100.0, "shot_margin": None}
    columns = study.model.model_copy(update={"columns": "offsets"})
    survey = study.survey.model_copy(update=towed)
    streamer = Run(run.folder, study, Inverter(study.model_copy(update={"survey": survey, "model": columns})))

    beyond = int((other.survey.offset > 280).sum())
    assert streamer.beyond(other.survey) == f"{beyond} traces have offsets beyond 280 m and are left out"
    assert any_run.beyond(other.survey) == ""
    assert run.beyond(run.survey) == ""


def test_the_command_that_makes_a_missing_run_can_be_pasted(tmp_path):
    with pytest.raises(RunError) as refusal:
        fwi.load_run(tmp_path / "my run (1)")

    command = str(refusal.value).split("train one with '")[1].removesuffix("'")
    assert shlex.split(command) == ["fwi", "train", "--run", str(tmp_path / "my run (1)")]


def test_missing_run_is_refused_saying_how_to_make_one(tmp_path):
    with pytest.raises(RunError, match=r"no run here .* 'fwi train --run"):
        fwi.load_run(tmp_path / "nowhere")


def test_a_run_scores_a_data_set_silently_and_gives_the_sections_that_the_scores_are_of(
    run, samples, tiny_data, capfd
):
    dataset = ShotDataset([DataSet.read(tiny_data)], "test")

    evaluation, sections, truth, salt, verdicts = run.evaluate(dataset, checks=2)

    np.testing.assert_allclose(sections, run.invert(samples.gathers), rtol=1e-5)
    np.testing.assert_array_equal(truth, samples.velocity)
    errors = np.abs(sections - truth).mean(axis=(1, 2))
    np.testing.assert_allclose(evaluation.per_sample["mae"], errors, rtol=1e-5)
    assert evaluation.predictors["network"]["mae"].mean == pytest.approx(errors.mean(), rel=1e-5)
    assert evaluation.split == "test"
    assert evaluation.data == str(tiny_data)
    assert list(verdicts) == [0, 3]
    assert [checked.sample for checked in evaluation.check] == ["test 0", "test 3"]
    assert salt.shape == truth.shape
    assert capfd.readouterr() == ("", "")
