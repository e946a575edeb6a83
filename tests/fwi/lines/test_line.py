"""A line is inverted in windows, checked stretch by stretch, and refined as a whole."""

import numpy as np
import pytest
import torch

import fwi
from fwi.config import PhysicsConfig, RefineConfig
from fwi.lines import Line, scaled, windows
from fwi.physics import Propagator
from fwi.shards import read
from fwi.survey import Survey


@pytest.fixture(scope="module")
def run(any_survey_run):
    return fwi.load_run(any_survey_run)


@pytest.fixture(scope="module")
def samples(tiny_data):
    return read(tiny_data / "test-00000.h5")


@pytest.fixture(scope="module")
def long_line(run, samples):
    """Three models of the network's grid side by side, and their records."""
    velocity = np.concatenate(
        [samples.velocity[0], samples.velocity[0][:, ::-1], samples.velocity[1]], axis=1
    )
    grid = run.survey.grid.model_copy(update={"nx": velocity.shape[1]})
    places = {"shots": 12, "shot_margin": None, "receivers": velocity.shape[1]}
    survey = Survey(grid, run.survey.config.model_copy(update=places))
    with torch.inference_mode():
        gathers = Propagator(survey, PhysicsConfig())(torch.from_numpy(velocity)[None])[0].numpy()
    return velocity, gathers, survey


def test_records_of_the_networks_own_survey_are_inverted_and_checked_as_by_the_run(run, samples):
    line = Line(run, samples.gathers[0], run.survey)

    section = line.invert()

    np.testing.assert_array_equal(section, run.invert(samples.gathers[0]))
    assert str(line.check(section)) == str(run.check(section, samples.gathers[0]))


@pytest.mark.parametrize("factor", [0.625, 1.6])
def test_a_line_in_other_lengths_and_times_has_the_same_section_and_misfit(run, long_line, factor):
    velocity, gathers, survey = long_line
    own, other = Line(run, gathers, survey), Line(run, 3 * gathers, scaled(survey, 1 / factor))

    np.testing.assert_allclose(other.invert(), own.invert(), atol=0.1)
    here, there = own.check(velocity), other.check(velocity)
    for one, two in zip(here.stretches, there.stretches, strict=True):
        np.testing.assert_allclose(two.verdict.misfit.nrms, one.verdict.misfit.nrms, rtol=1e-3)
        np.testing.assert_allclose(two.verdict.misfit.shift, one.verdict.misfit.shift / factor, atol=1e-4)
        place, other_place = one.verdict.contradicted, two.verdict.contradicted
        np.testing.assert_allclose(np.multiply(other_place, factor), place)
    np.testing.assert_allclose(
        [there.span(each) for each in there.stretches],
        np.array([here.span(each) for each in here.stretches]) / factor,
    )


def test_each_cell_of_a_long_section_is_a_mean_of_the_windows_that_hold_it(run, long_line):
    _, gathers, survey = long_line
    line = Line(run, gathers, survey)
    lowest, highest = np.full((24, 108), np.inf), np.full((24, 108), -np.inf)
    for window in windows(survey, run.survey):
        section = run.invert(window.of(gathers), window.survey)
        lowest[:, window.columns] = np.minimum(lowest[:, window.columns], section)
        highest[:, window.columns] = np.maximum(highest[:, window.columns], section)

    section = line.invert()

    assert section.shape == (24, 108)
    assert (section >= lowest - 0.1).all()
    assert (section <= highest + 0.1).all()
    assert not line.outside.any()


def test_true_speeds_of_a_long_line_explain_its_records_and_others_do_not(run, long_line):
    velocity, gathers, survey = long_line
    line = Line(run, gathers, survey)
    wrong = velocity.copy()
    wrong[12:, 80:] = 3500.0

    true, false = line.check(velocity), line.check(wrong)

    assert [each.first for each in true.stretches] == [0, 36, 72]
    assert max(each.verdict.misfit.median.nrms for each in true.stretches) < 0.35
    left, _, right = (each.verdict.misfit.median.nrms for each in false.stretches)
    assert left == true.stretches[0].verdict.misfit.median.nrms
    assert right > 2 * true.stretches[2].verdict.misfit.median.nrms
    assert false.worst is false.stretches[2].verdict
    assert false.worst.contradicted.x > 72 * 20
    assert false.contradiction.shape == velocity.shape


def test_a_shorter_line_lies_within_the_networks_section(run, samples):
    places = {"shots": 2, "shot_x": (100.0, 300.0), "shot_margin": None, "receivers": 21}
    grid = run.survey.grid.model_copy(update={"nx": 21})
    survey = Survey(grid, run.survey.config.model_copy(update=places))
    gathers = samples.gathers[0][:2, :, 7:28].astype(np.float32)
    line = Line(run, gathers, survey)
    (window,) = windows(survey, run.survey)

    section = line.invert()

    whole = run.invert(gathers, window.survey)
    np.testing.assert_allclose(section, whole[:, -window.first : 21 - window.first], atol=0.1)
    verdict = line.check(section)
    assert verdict.contradiction.shape == (24, 21)
    assert verdict.span(verdict.stretches[0]) == (0.0, 400.0)


def test_a_gap_in_which_nothing_was_recorded_is_told(run, long_line):
    _, gathers, survey = long_line
    silent = gathers.copy()
    silent[2:10] = 0

    line = Line(run, silent, survey)

    outside = np.flatnonzero(line.outside)
    assert len(outside)
    assert ((outside > 20) & (outside < 88)).all()
    assert line.gaps == [(20.0 * outside[0], 20.0 * outside[-1])]
    np.testing.assert_array_equal(line.invert()[:, outside[0]], line.invert()[:, outside[0] - 1])
    assert np.isfinite(line.invert()).all()


def test_refinement_of_the_whole_line_lowers_its_misfit(run, long_line):
    velocity, gathers, survey = long_line
    start = velocity.copy()
    start[10:, 50:60] *= 0.94
    real = scaled(survey, 1 / 1.6)

    refined = Line(run, gathers, real).refine(start, config=RefineConfig(gradients=4, accept=0.95))

    assert refined.section.shape == velocity.shape
    assert refined.accepted
    assert refined.held_out_after < 0.95 * refined.held_out_before


def test_a_line_of_which_no_factor_makes_one_of_the_networks_is_refused_with_numbers(run, long_line):
    _, gathers, survey = long_line
    wavelet = survey.config.wavelet.model_copy(update={"frequency": 12.0})
    other = Survey(survey.grid, survey.config.model_copy(update={"wavelet": wavelet}))

    with pytest.raises(ValueError, match=r"peak frequency \(Hz\): 12 against 10"):
        Line(run, gathers, other)


def test_a_network_of_one_survey_refuses_another_line(samples, long_line, tiny_study, any_survey_run):
    run = fwi.load_run(any_survey_run)
    model = run.study.model.model_copy(update={"columns": "recorded"})
    study = run.study.model_copy(update={"model": model})
    alone = fwi.Run(run.folder, study, fwi.Inverter(study, mean_model=run.mean_model))
    _, gathers, survey = long_line

    with pytest.raises(ValueError, match="is not the one that the network was trained for"):
        Line(alone, gathers, survey)
