"""Records with their own shots and receivers: what of them is kept, and what must agree all the same."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from data_prep.records import Records, read, read_for
from data_prep.segy.placing import GeometryError
from data_prep.segy.recorded import recorded_survey
from data_prep.segy.shots import SegyShots, open_shots
from data_prep.segy.write import write_gathers
from fwi import load_run, shards
from fwi.config import StudyConfig
from fwi.shards import ShardError
from fwi.survey import Survey


@pytest.fixture
def kind(tiny_study: StudyConfig) -> Survey:
    """The survey whose grid, time axis and wavelet are wanted."""
    return Survey(tiny_study.grid, tiny_study.survey)


@pytest.fixture
def other(other_study: StudyConfig) -> Survey:
    return Survey(other_study.grid, other_study.survey)


@pytest.fixture
def shard(other_data: Path) -> Path:
    return other_data / "test-00000.h5"


@pytest.fixture
def gathers(shard: Path) -> np.ndarray:
    return shards.read(shard).gathers


@pytest.fixture
def segy(gathers: np.ndarray, other: Survey, tmp_path: Path) -> Path:
    """The first record as SEG-Y."""
    write_gathers(tmp_path / "line.sgy", gathers[0], other, "a test")
    return tmp_path / "line.sgy"


def gain_of(records: Records) -> float:
    (gain,) = (float(each.split()[3].rstrip(";")) for each in records.changes if each.startswith("gain"))
    return gain


def assert_same_places(survey: Survey, other: Survey) -> None:
    """Shots and receivers are at the same places, to the centimetre."""
    np.testing.assert_allclose(survey.shot_x, other.shot_x, rtol=0, atol=0.01)
    np.testing.assert_allclose(survey.receiver_x, other.receiver_x, rtol=0, atol=0.01)


def moved(file: SegyShots, by: float) -> SegyShots:
    """The file with its line elsewhere on the map."""
    shots = (replace(shot, x=shot.x + by, receiver_x=shot.receiver_x + by) for shot in file.shots)
    return replace(file, shots=tuple(shots))


def test_shard_keeps_its_survey(shard, gathers, kind, other):
    records = read(shard, kind, own_survey=True)

    assert records.survey == other
    np.testing.assert_array_equal(records.gathers, gathers)
    assert records.changes == ()
    with pytest.raises(ShardError) as refusal:
        read(shard, kind)
    assert "survey.receiver_x: [0.0, 13.3, ... 700.0] (18 values) against None" in str(refusal.value)
    assert "model.columns: offsets take any shots and receivers" in str(refusal.value)


def test_npy_keeps_the_survey_of_its_file(gathers, kind, other, other_study, tmp_path):
    np.save(tmp_path / "line.npy", gathers)
    (tmp_path / "survey.yaml").write_text(
        yaml.safe_dump(other_study.model_dump(mode="json", include={"grid", "survey"}))
    )

    records = read(tmp_path / "line.npy", kind, made_for=tmp_path / "survey.yaml", own_survey=True)

    assert records.survey == other
    np.testing.assert_array_equal(records.gathers, gathers)
    with pytest.raises(ValueError, match=r"shape \(3, 50, 18\), .* have \(4, 50, 36\): .* --survey STUDY"):
        read(tmp_path / "line.npy", kind, own_survey=True)


def test_segy_keeps_its_shots_and_receivers_and_their_records(segy, gathers, kind, other):
    records = read(segy, kind, own_survey=True)

    assert_same_places(records.survey, other)
    assert records.survey.differences_in_kind(kind) == []
    off = np.linalg.norm(records.gathers[0] / gain_of(records) - gathers[0]) / np.linalg.norm(gathers[0])
    assert off < 0.1  # the band below a quarter of the peak frequency is cut away
    assert "receivers: where they were recorded, none interpolated" in records.changes


def test_dead_traces_and_shots_of_segy_are_missing_and_the_others_as_they_are(gathers, kind, other, tmp_path):
    write_gathers(tmp_path / "whole.sgy", gathers[0], other, "a test")
    dead = gathers[0].copy()
    dead[0, :, 4:9] = 0
    dead[2, :, 0] = 0
    write_gathers(tmp_path / "dead.sgy", dead, other, "a test")

    whole, records = (read(tmp_path / f"{name}.sgy", kind, own_survey=True) for name in ("whole", "dead"))

    np.testing.assert_array_equal(records.gathers[0].any(axis=1), dead.any(axis=1))
    live = np.broadcast_to(dead.any(axis=1)[:, None], dead.shape)
    kept, expected = records.gathers[0] / gain_of(records), whole.gathers[0] / gain_of(whole)
    # Of the gains no more than four digits are shown.
    np.testing.assert_allclose(kept[live], expected[live], rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    assert "missing: 6 of 54 traces, which are zero" in records.changes


def test_receivers_of_a_streamer_are_one_spread_with_missing_traces(kind, tmp_path):
    towed = {"spread": "streamer", "near_offset": 100.0, "receiver_interval": 40.0, "receivers": 10}
    config = kind.config.model_copy(update={**towed, "shots": 3, "shot_margin": None})
    streamer = Survey(kind.grid, config)
    gathers = np.random.default_rng(0).standard_normal(streamer.gather_shape).astype(np.float32)
    write_gathers(tmp_path / "line.sgy", gathers, streamer, "a test")

    survey, placement = recorded_survey(open_shots(tmp_path / "line.sgy"), kind)

    np.testing.assert_allclose(survey.shot_x, streamer.shot_x)
    assert survey.config.receivers == len(np.unique(streamer.receiver_x))
    for shot, recorded in enumerate(placement.recorded):
        np.testing.assert_allclose(survey.receiver_x[shot, recorded], np.sort(streamer.receiver_x[shot]))


def test_line_elsewhere_on_the_map_is_moved_by_whole_cells_to_the_middle_of_the_grid(segy, kind, other):
    shorter = replace(open_shots(segy), shots=open_shots(segy).shots[:2])
    ends = [replace(shot, receiver_x=shot.receiver_x[3:13]) for shot in shorter.shots]
    file = moved(replace(shorter, shots=tuple(ends)), 431_000.0)  # 93.1 .. 455.5 m of 700 m

    survey, placement = recorded_survey(file, kind)

    np.testing.assert_allclose(
        survey.receiver_x[0], 160 + np.array(other.receiver_x[0, 3:13]) - 93.1, atol=0.01
    )
    np.testing.assert_allclose(placement.start, 431_000 + 93.1 - 160, atol=0.01)
    for shot in range(2):
        np.testing.assert_allclose(placement.receiver_x(survey, shot), file.shots[shot].receiver_x, atol=0.01)


def test_receivers_closer_than_half_a_cell_are_taken_once(segy, kind):
    file = open_shots(segy)
    first, *others = file.shots
    wobbling = replace(first, receiver_x=first.receiver_x + np.linspace(3, 0, len(first.receiver_x)))
    together, placement = recorded_survey(replace(file, shots=(wobbling, *others)), kind)

    apart = np.diff(together.receiver_x[0])
    assert apart.min() >= 10 * (1 - 1e-6)
    for shot, recorded in zip((wobbling, *others), placement.recorded, strict=True):
        places = together.receiver_x[0, recorded]
        assert np.abs(shot.receiver_x[:, None] - places).min(axis=0).max() < 10


@pytest.mark.parametrize(
    ("grid", "survey", "told"),
    [
        ({}, {"dt": 0.001, "nt": 500, "keep_every": 10}, "survey.dt: 0.002 against 0.001"),
        ({"velocity": (1500.0, 4400.0)}, {}, r"grid.velocity: \[1500.0, 4500.0\] against"),
        ({}, {"wavelet": {"frequency": 9.0}}, "survey.wavelet.frequency: 10.0 against 9.0"),
        ({}, {"depth": 40.0}, "survey.depth: 20.0 against 40.0"),
    ],
)
def test_records_of_another_kind_are_refused_by_their_differences_in_kind_alone(
    grid, survey, told, shard, tiny_study
):
    plain = tiny_study.model_dump()
    plain["grid"] |= grid
    plain["survey"] |= survey
    wanted = Survey.from_dict(plain)

    with pytest.raises(ShardError, match=told) as refusal:
        read(shard, wanted, own_survey=True)

    assert "survey.shots" not in str(refusal.value)


def test_segy_longer_than_the_grid_is_refused_with_both_lengths(segy, kind):
    shorter = Survey(
        kind.grid.model_copy(update={"nx": 31}), kind.config.model_copy(update={"receivers": 31})
    )

    with pytest.raises(GeometryError, match="spread over 700 m, and the grid is 600 m long"):
        read(segy, shorter, own_survey=True)


def test_run_of_any_survey_is_told_whose_records_it_gets(any_survey_run, shard, segy):
    run = load_run(any_survey_run)

    from_shard, from_segy = (read_for(run, path) for path in (shard, segy))

    assert from_shard.changes == ("survey: 3 shots, 18 receivers, offsets 0 to 611.7 m",)
    assert from_segy.changes[0].startswith("survey: 3 shots, 18 receivers, offsets 0 to ")
    assert re.match("line: the survey's x = 0 lies at 0 m", from_segy.changes[1])
