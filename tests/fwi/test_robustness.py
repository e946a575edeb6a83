"""Errors are those of inverting the worse records, which are the same for every run; none is lost."""

from contextlib import contextmanager

import numpy as np
import pytest

from fwi import run_folder
from fwi.config import ModelConfig, TrainConfig
from fwi.corruption import CORRUPTIONS
from fwi.data import ShotDataset
from fwi.inverter import Inverter
from fwi.manifest import DataSet
from fwi.robustness import Robustness, measure
from fwi.robustness_rows import (
    OWN,
    Row,
    fewer_receivers,
    fewer_shots,
    field,
    irregular_shots,
    rows,
    source_of,
)
from fwi.run import Run
from fwi.shards import read
from fwi.survey import Survey

SLOW, FAST = 2000.0, 3000.0  # m/s


class LevelReader(Inverter):
    """An inverter that sees nothing but how loud a record is: one speed, the faster the louder."""

    def __init__(self, study):
        super().__init__(study)
        self.seen, self.surveys = [], []

    def invert(self, gathers, survey=None):
        self.seen.append(gathers.copy())
        self.surveys.append(survey)
        return np.stack([np.full((self.survey.grid.nz, self.survey.grid.nx), speed(one)) for one in gathers])


class FullSpreadsOnly(LevelReader):
    """An inverter that refuses records with a shot that is missing."""

    def invert(self, gathers, survey=None):
        if not gathers.any(axis=(2, 3)).all():
            raise ValueError("a shot is missing")
        return super().invert(gathers)


def speed(gathers):
    return np.float32(SLOW + (FAST - SLOW) * np.tanh(np.sqrt((gathers.astype(np.float64) ** 2).mean())))


def louder(gathers, velocity, strength, random):
    return gathers * np.float32(strength)


def noisy(gathers, velocity, strength, random):
    return (gathers + strength * random.standard_normal(gathers.shape)).astype(np.float32)


WORSE = {
    "loud": Row("Louder", "", (1.0, 2.0, 4.0), louder),
    "noise": Row("White noise", "Pa", (0.1, 0.2, 0.3), noisy),
}


@pytest.fixture(scope="module")
def dataset(tiny_data):
    return ShotDataset([DataSet.read(tiny_data)], "test")


@pytest.fixture(scope="module")
def samples(tiny_data):
    return read(tiny_data / "test-00000.h5")


@pytest.fixture(scope="module")
def survey(tiny_study):
    return Survey(tiny_study.grid, tiny_study.survey)


@pytest.fixture(scope="module")
def run_of(tiny_study, tiny_data, tmp_path_factory):
    """Make a run with another inverter than a network."""
    folder = tmp_path_factory.mktemp("runs")
    run_folder.write_mean_model(folder, read(tiny_data / "train-00000.h5").velocity.mean(axis=0))

    def run_of(kind=LevelReader, seed=0, columns="midpoints"):
        small = {"channels": (4, 8), "attention": ("none", "none"), "columns": columns}
        settings = {"train": TrainConfig(seed=seed), "model": ModelConfig(**small)}
        study = tiny_study.model_copy(update=settings)
        return Run(folder, study, kind(study))

    return run_of


def mae(gathers, truth):
    return np.mean([np.abs(speed(one) - true).mean() for one, true in zip(gathers, truth, strict=True)])


def test_errors_are_those_of_the_worse_records_and_ratios_are_to_the_clean_ones(run_of, dataset, samples):
    result = measure(run_of(), dataset, worse=WORSE)

    gathers = samples.gathers.astype(np.float32)
    clean = mae(gathers, samples.velocity)
    assert result.clean.mae.mean == pytest.approx(clean, rel=1e-5)
    for case in result.row("loud").cases:
        expected = mae(gathers * case.strength, samples.velocity)
        assert case.mae.mean == pytest.approx(expected, rel=1e-5)
        assert case.ratio == pytest.approx(expected / clean, rel=1e-5)
        assert case.mae.low <= case.mae.mean <= case.mae.high
    assert len({case.mae.mean for case in result.row("loud").cases}) == 3


def test_the_mean_model_stands_beside(run_of, dataset, samples):
    run = run_of()

    result = measure(run, dataset, worse=WORSE)

    error = np.abs(run.mean_model - samples.velocity).mean()
    assert result.mean_model.mae.mean == pytest.approx(error, rel=1e-5)


def test_runs_of_any_seed_are_scored_on_the_same_records(run_of, dataset):
    one, other, again = run_of(), run_of(seed=7), run_of()

    measure(one, dataset, worse=WORSE)
    measure(other, dataset, worse={"noise": WORSE["noise"]})
    measure(again, dataset, worse=WORSE, seed=1)

    noise = one.inverter.seen[-3:]
    np.testing.assert_array_equal(noise, other.inverter.seen[-3:])
    assert not np.array_equal(noise, again.inverter.seen[-3:])


def test_strengths_of_a_row_differ_in_nothing_but_their_strength(run_of, dataset):
    run = run_of()

    measure(run, dataset, worse={"noise": WORSE["noise"]})

    clean, mild, medium, severe = (seen.astype(np.float64) for seen in run.inverter.seen)
    np.testing.assert_allclose(medium - clean, 2 * (mild - clean), atol=1e-5)
    np.testing.assert_allclose(severe - clean, 3 * (mild - clean), atol=1e-5)


def test_rows_and_samples_draw_numbers_of_their_own():
    seeds = [(0, "white", 0), (0, "white", 1), (0, "dead", 0), (1, "white", 0)]

    assert len({source_of(*seed).random() for seed in seeds}) == 4
    assert source_of(0, "white", 0).random() == source_of(0, "white", 0).random()


def test_few_samples_are_evenly_spread_and_have_the_records_that_they_have_among_all(run_of, dataset):
    few, everything = run_of(), run_of()

    result = measure(few, dataset, samples=2, worse=WORSE)
    measure(everything, dataset, worse=WORSE)

    assert result.samples == 2
    for records, of_all in zip(few.inverter.seen, everything.inverter.seen, strict=True):
        np.testing.assert_array_equal(records, of_all[[0, 3]])


def test_a_change_in_place_does_not_reach_the_next_row(run_of, dataset):
    def in_place(gathers, velocity, strength, random):
        gathers *= 0
        return gathers

    run = run_of()

    measure(run, dataset, worse={"silent": Row("silent", "", (1.0,), in_place), "loud": WORSE["loud"]})

    np.testing.assert_array_equal(run.inverter.seen[0], run.inverter.seen[2])


def test_records_that_the_network_refuses_keep_their_row_with_the_reason(run_of, dataset, survey):
    def thinned(gathers, velocity, strength, random):
        return fewer_shots(gathers, survey, strength, random)

    worse = {"shots": Row("Every other shot", "", (1.0, 2.0), thinned), "loud": WORSE["loud"]}

    result = measure(run_of(FullSpreadsOnly), dataset, worse=worse)

    whole, half = result.row("shots").cases
    assert (whole.refused, whole.ratio) == ("", 1.0)
    assert (half.refused, half.mae.mean, half.ratio) == ("a shot is missing", None, None)
    assert all(case.mae.mean for case in result.row("loud").cases)
    assert result.refusals == ["Every other shot: a shot is missing"]
    assert "2: refused" in result.table()
    assert result == Robustness.model_validate_json(result.model_dump_json())


def test_clean_records_that_are_refused_end_the_measurement(run_of, dataset):
    class Refusing(LevelReader):
        def invert(self, gathers, survey=None):
            raise ValueError("not of the run's survey")

    with pytest.raises(ValueError, match="not of the run's survey"):
        measure(run_of(Refusing), dataset, worse=WORSE)


def test_a_network_of_any_survey_gets_the_survey_of_the_records_with_them(run_of, dataset, survey):
    class EveryOtherShot(ShotDataset):
        def __getitem__(self, key):
            sample = super().__getitem__(key)
            return sample._replace(gathers=sample.gathers[::2])

    half = {"shots": 2, "shot_margin": None, "shot_x": tuple(survey.shot_x[::2].tolist())}
    records = EveryOtherShot([DataSet.read(dataset.folders[0])], "test")
    records.survey = Survey(survey.grid, survey.config.model_copy(update=half))
    run = run_of(columns="offsets")

    result = measure(run, records, samples=1)

    assert set(run.inverter.surveys) == {records.survey}
    assert {seen.shape[1:] for seen in run.inverter.seen} == {records.survey.gather_shape}
    assert not result.refusals
    with pytest.raises(ValueError, match="another survey"):
        measure(run_of(), records)


def test_progress_counts_the_sections_up_to_their_number(run_of, dataset):
    shown = []

    @contextmanager
    def progress(title, total, unit):
        shown.append((title, total, unit))
        yield shown.append

    measure(run_of(), dataset, progress=progress, worse=WORSE)

    (title, total, unit), *done = shown
    assert (title, total, unit) == ("robustness", 4 * 7, "sections")
    assert done == list(range(4, 4 * 7 + 1, 4))


def test_the_table_has_a_line_for_each_row_with_error_overlap_and_ratio(run_of, dataset):
    result = measure(run_of(), dataset, worse=WORSE)

    lines = {line.split("  ")[0]: line for line in result.table().splitlines()}
    assert lines.keys() >= {"Clean records", "Mean model", "Louder", "White noise [Pa]"}
    case = result.row("loud").cases[1]
    assert f"2: {case.mae.mean:.0f} ({case.salt_iou.mean:.2f}) x{case.ratio:.2f}" in lines["Louder"]


def test_every_corruption_is_a_row_that_keeps_shape_and_is_finite_at_each_strength(run_of, survey, samples):
    gathers, velocity = samples.gathers[0].astype(np.float32), samples.velocity[0]

    found = rows(survey, 2, run_of().simulate)

    assert set(found) == {*CORRUPTIONS, *OWN, "other_grid"}
    for name, row in found.items():
        assert len(row.strengths) == (1 if name == "other_grid" else 3)
        for strength in row.strengths:
            worse = row.records(gathers.copy(), velocity, strength, source_of(0, name, 0))
            assert worse.shape == gathers.shape
            assert worse.dtype == np.float32
            assert np.isfinite(worse).all()
        assert not np.array_equal(worse, gathers)  # at its severest


@pytest.mark.parametrize("number", [8, 9, 15, 29])
def test_fewer_shots_are_evenly_spaced_and_those_that_are_not_are_as_many(number, survey):
    gathers = np.ones((number, 5, 6), np.float32)

    for step in (2, 3, 4):
        even = fewer_shots(gathers, survey, step, source_of(0, "", 0))[:, 0, 0].nonzero()[0]
        assert set(np.diff(even)) <= {step}
        assert len(even) in (number // step, number // step + 1)
        places = set()
        for sample in range(5):
            kept = irregular_shots(gathers, survey, step, source_of(0, "", sample))
            uneven = kept[:, 0, 0].nonzero()[0]
            assert kept.sum() == len(even) * 30
            assert len(even) < 3 or len(set(np.diff(uneven))) > 1
            places.add(tuple(uneven))
        assert len(places) > 1


def test_fewer_receivers_leave_every_nth_trace_as_it_is_and_the_others_zero(survey, samples):
    gathers = samples.gathers[0].astype(np.float32)

    kept = fewer_receivers(gathers, survey, 3, source_of(0, "", 0))

    live = kept.any(axis=(0, 1)).nonzero()[0]
    np.testing.assert_array_equal(np.diff(live), 3)
    np.testing.assert_array_equal(kept[..., live], gathers[..., live])
    assert len(live) == 12


def test_field_records_are_twice_as_loud_late_and_a_tenth_of_the_traces_is_dead(survey, samples):
    gathers = samples.gathers[0].astype(np.float32)

    worse = field(gathers, survey, 1.0, source_of(0, "field", 0))

    live = worse.any(axis=1)
    assert 0.02 < 1 - live.mean() < 0.2
    assert np.abs(worse).max() == pytest.approx(2 * np.abs(gathers).max(), rel=0.25)


def test_records_of_the_other_grid_are_those_of_the_true_model_within_the_discretisation(
    run_of, survey, samples
):
    gathers = samples.gathers[:2].astype(np.float32)
    row = rows(survey, 2, run_of().simulate)["other_grid"]

    other = row.records(gathers[0], samples.velocity[0], 2.0, source_of(0, "other_grid", 0))

    residual, of_another_model = (np.linalg.norm(other - gathers[sample]) for sample in (0, 1))
    assert 0 < residual < 0.6 * of_another_model
