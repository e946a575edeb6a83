"""What is suggested for a file, the import takes; what neither takes is counted."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from recordings import Recording, prepare_for

from data_prep.lines import read_line
from data_prep.segy import direct_arrival
from data_prep.segy.left_out import left_out
from data_prep.segy.placing import GeometryError
from data_prep.segy.shots import SegyShots, open_shots
from data_prep.segy.source import SegyLine
from data_prep.segy.suggest import suggest
from fwi import config
from fwi.config import GridConfig, PhysicsConfig, SurveyConfig
from fwi.survey import Survey

SPEED = 1500.0
"""Of the direct arrivals [m/s]."""


def ricker(time: NDArray[Any], peak: float) -> NDArray[Any]:
    phase = (np.pi * peak * time) ** 2
    return (1 - 2 * phase) * np.exp(-phase)


def recorded(
    shot_x: NDArray[Any], receiver_x: NDArray[Any], *, peak: float = 10.0, dt: float = 0.002, nt: int = 400
) -> Recording:
    """Direct arrivals of shots ``(shot,)`` at receivers ``(shot, receiver)`` [m], in centimetres."""
    offset = np.abs(receiver_x - shot_x[:, None]).ravel()
    time = np.arange(nt) * dt - 1.2 / peak - offset[:, None] / SPEED
    shots, receivers = receiver_x.shape
    headers = {
        9: np.repeat(np.arange(1, shots + 1), receivers),
        71: -100,
        73: np.rint(100 * np.repeat(shot_x, receivers)).astype(int),
        81: np.rint(100 * receiver_x.ravel()).astype(int),
        115: nt,
        117: round(dt * 1e6),
    }
    samples = (ricker(time, peak) / np.sqrt(1 + offset[:, None])).astype(np.float32)
    return Recording(samples, headers, binary={3217: round(dt * 1e6)})


def analytic(
    survey: Survey, physics: PhysicsConfig, speed: float, offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Direct arrivals as the simulation has them, but for their shape, in no time."""
    wavelet = survey.config.wavelet
    time = survey.time - wavelet.peaks_at - offset[:, None] / speed
    return ricker(time, wavelet.frequency) / np.sqrt(1 + offset[:, None])


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    """Lines from the near surface to the crust; fixed, one-sided, split and rolling spreads; dead traces."""
    spacing = draw(st.sampled_from([0.5, 2.0, 12.5, 25.0, 100.0]))
    shots, receivers = draw(st.integers(1, 12)), draw(st.integers(2, 24))
    spread = (np.arange(receivers) - draw(st.sampled_from([0, 0.25, 0.5, 1])) * (receivers - 1)) * spacing
    spread = spread + draw(st.sampled_from([-20, -1, 0, 0, 0.3, 1, 4])) * spacing
    shot_x = np.arange(shots) * draw(st.sampled_from([0.5, 1, 2, 3.3, 10])) * spacing
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    jitter = draw(st.sampled_from([0, 0.1, 0.4])) * spacing
    shot_x = shot_x + rng.uniform(-0.5, 0.5, shots) * jitter
    rolling = draw(st.sampled_from([0, 0, 1, 1, 0.5]))
    receiver_x = spread + rolling * shot_x[:, None] + rng.uniform(-0.5, 0.5, receivers) * jitter
    peak = SPEED / spacing / draw(st.sampled_from([4, 10, 30]))
    dt = round(draw(st.sampled_from([20e3, 50e3, 100e3])) / peak) / 1e6
    lasts = draw(st.sampled_from([0.5, 1, 2])) * np.abs(receiver_x - shot_x[:, None]).max() / SPEED
    direction = draw(st.sampled_from([-1, 1]))
    recording = recorded(
        5e4 + direction * shot_x,
        5e4 + direction * receiver_x,
        peak=peak,
        dt=dt,
        nt=min(600, round((draw(st.sampled_from([2, 4, 10])) / peak + lasts) / dt)),
    )
    dead = rng.random(len(recording.samples)) < draw(st.sampled_from([0, 0, 0.1]))
    return recording.spoiled(samples=np.where(dead[:, None], 0, recording.samples).astype(np.float32))


def test_what_is_suggested_is_taken_and_each_trace_is_used_or_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_arrival, "_direct_arrivals", analytic)
    outcomes, reasons = Counter[str](), list[str]()

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(recording=recordings())
    def check(recording: Recording) -> None:
        path = recording.write(tmp_path / "line.sgy")
        try:
            file = open_shots(path)
        except ValueError:
            outcomes["unreadable"] += 1
            return
        try:
            suggestion = suggest(file)
        except GeometryError as refusal:
            outcomes["refused"] += 1
            reasons.append(str(refusal))
            return
        outcomes["suggested"] += 1
        (tmp_path / "study.yaml").write_text(suggestion.text)

        line = prepare_for(config.load([tmp_path / "study.yaml"]), open_shots(path))

        assert line.changes == suggestion.line.changes
        assert_all_are_used_or_counted(file, line)

    check()

    assert min(outcomes["suggested"], outcomes["refused"]) > 5, outcomes
    for reason in reasons:
        assert "no survey is found that fits; the closest: " in reason
        assert "writes a study whose survey fits" not in reason


def assert_all_are_used_or_counted(file: SegyShots, line: SegyLine) -> None:
    (place,) = line.placements
    used = 0
    for i, shot in enumerate(place.shots):
        wanted = place.receiver_x(line.survey, i)
        distance = np.abs(shot.receiver_x[:, None] - wanted)
        interpolated = distance.min(axis=0).max() >= 0.01 * line.survey.grid.spacing
        near = distance.min(axis=1) <= np.abs(np.diff(wanted)).max() / 2 * (1 + 1e-6)
        used += int(near.sum()) if interpolated else len({*distance.argmin(axis=0).tolist()})
    said = [change for change in line.changes if change.startswith("left out: ")]
    counted = 0
    for sentence in said:
        of_shots = re.match(r"left out: \d+ of \d+ shots, with their (\d+) traces: ", sentence)
        of_traces = re.match(r"left out: (\d+) of the \d+ traces of \d+ shots: ", sentence)
        counted += int((of_shots or of_traces)[1])
    assert used + counted + len(file.dead) == file.layout.traces


# -- what is suggested


def opened(recording: Recording, folder: Path) -> SegyShots:
    return open_shots(recording.write(folder / "line.sgy"))


def study_of(text: str, folder: Path) -> config.StudyConfig:
    (folder / "study.yaml").write_text(text)
    return config.load([folder / "study.yaml"])


def near_surface(peak: float) -> Recording:
    """24 receivers at offsets of 10 to 56 m."""
    return recorded(np.array([1000.0]), 1010.0 + 2 * np.arange(24)[None], peak=peak, dt=0.0005, nt=600)


def test_near_the_surface_a_higher_frequency_is_suggested_if_it_was_recorded(tmp_path: Path) -> None:
    text, line = suggest(opened(near_surface(60.0), tmp_path))

    survey = study_of(text, tmp_path).survey
    assert (survey.spread, survey.receivers, survey.near_offset) == ("streamer", 24, 10.0)
    assert survey.wavelet.frequency == 20.0
    assert line.survey.config == survey


def test_low_frequencies_near_the_surface_are_refused_with_what_is_missing(tmp_path: Path) -> None:
    file = opened(near_surface(10.0), tmp_path)

    with pytest.raises(GeometryError) as refusal:
        suggest(file)
    stated = suggest(file, gain=1.0, shift=0.0).line

    assert "offsets are 10 .. 56 m, and needed is one of 75 m (half a wavelength of 10 Hz" in str(
        refusal.value
    )
    assert "no peak frequency above 10.5 Hz was recorded" in str(refusal.value)
    assert "stated with --suggest-config is taken for granted" in str(refusal.value)
    study = study_of(suggest(file, gain=1.0, shift=0.0).text, tmp_path)
    assert prepare_for(study, file, gain=1.0, shift=0.0)
    assert stated.changes[-1] == "gain: multiplied by 1, as stated"


def test_a_slower_ground_is_suggested_a_slower_grid(tmp_path: Path) -> None:
    text, _ = suggest(opened(near_surface(10.0), tmp_path), (300.0, 2500.0), gain=1.0, shift=0.0)

    assert study_of(text, tmp_path).grid.velocity == (300.0, 2500.0)


def test_a_shot_away_from_the_middle_keeps_its_whole_spread(tmp_path: Path) -> None:
    file = opened(recorded(np.array([250.0]), 10.0 * np.arange(1, 100)[None]), tmp_path)

    text, line = suggest(file)

    study = study_of(text, tmp_path)
    assert (study.survey.shot_x, study.survey.receivers, study.grid.nx) == ((240.0,), 99, 99)
    assert study.data.flip == 0
    np.testing.assert_allclose(line.placements[0].receiver_x(line.survey, 0), 10.0 * np.arange(1, 100))
    assert left_out(file, line.survey, line.placements) == []


def test_shots_about_the_middle_are_suggested_evenly_spread_for_the_sake_of_mirroring(tmp_path: Path) -> None:
    file = opened(recorded(np.array([200.0, 500.0, 800.0]), np.tile(10.0 * np.arange(103), (3, 1))), tmp_path)

    text, line = suggest(file)

    study = study_of(text, tmp_path)
    assert (study.survey.shot_x, study.data.flip) == (None, 0.5)
    assert left_out(file, line.survey, line.placements) == [
        "left out: 6 of the 309 traces of 3 shots: 6 beyond the survey's receivers"
    ]


def test_a_short_spread_is_suggested_smaller_cells(tmp_path: Path) -> None:
    shot_x = np.array([0.0, 100.0])
    file = opened(recorded(shot_x, shot_x[:, None] + 100 + 20 * np.arange(3)), tmp_path)

    text, _ = suggest(file, gain=1.0, shift=0.0)

    assert study_of(text, tmp_path).grid.nx >= 8


def test_shots_of_one_receiver_are_told_how_traces_may_be_grouped(tmp_path: Path) -> None:
    file = opened(recorded(np.array([0.0, 50.0]), np.array([[500.0], [550.0]])), tmp_path)

    with pytest.raises(GeometryError, match=r"one receiver per shot.*a source of its own.*\(--bytes\.shot\)"):
        suggest(file)


def test_shots_of_one_receiver_are_refused_for_a_network_by_naming_who_takes_other_bytes(
    tmp_path: Path,
) -> None:
    path = recorded(np.array([0.0, 50.0]), np.array([[500.0], [550.0]])).write(tmp_path / "line.sgy")
    network = Survey(GridConfig(nz=32, nx=36, spacing=20.0), SurveyConfig(shots=8, receivers=36))

    with pytest.raises(
        GeometryError, match=r"a source of its own.*read_line takes .*header_bytes.*'fwi import'"
    ):
        read_line(path, network, PhysicsConfig())


def test_a_line_that_takes_hours_to_simulate_is_refused_at_once(tmp_path: Path) -> None:
    receiver_x = 100.0 + 12.5 * np.arange(8)
    shot_x = np.arange(2) * 12.5
    long = recorded(shot_x, shot_x[:, None] + receiver_x * 1000, dt=0.008, nt=20000)

    with pytest.raises(GeometryError, match=r"too large to simulate on|would take hours; state --gain"):
        suggest(opened(long, tmp_path))


# -- what is left out


def test_the_far_side_of_a_split_spread_is_counted(tmp_path: Path) -> None:
    shot_x = 50.0 * np.arange(30)
    offsets = np.array([*range(-300, 0, 50), *range(100, 1000, 50)], float)
    file = opened(recorded(shot_x, shot_x[:, None] + offsets), tmp_path)

    _, line = suggest(file, gain=1.0, shift=0.0)

    shots = line.survey.config.shots
    assert line.survey.config.spread == "streamer"
    assert left_out(file, line.survey, line.placements) == [
        f"left out: {30 - shots} of 30 shots, with their {24 * (30 - shots)} traces: {30 - shots} beyond the "
        "survey's shots; --every METRES makes further samples along the line",
        f"left out: {6 * shots} of the {24 * shots} traces of {shots} shots: {6 * shots} beyond the survey's "
        "receivers",
    ]


def test_shots_that_are_thinned_or_beyond_the_survey_are_counted_and_taken_by_further_samples(
    tmp_path: Path,
) -> None:
    shot_x = 10.0 * np.arange(120)
    file = opened(recorded(shot_x, shot_x[:, None] - 100 - 50.0 * np.arange(12), nt=300), tmp_path)

    text, one = suggest(file, gain=1.0, shift=0.0)
    study = study_of(text, tmp_path)
    many = prepare_for(study, file, gain=1.0, shift=0.0, every=10.0)

    shots = study.survey.shots
    last = one.placements[0].shots[-1].number
    assert left_out(file, one.survey, one.placements) == [
        f"left out: {120 - shots} of 120 shots, with their {12 * (120 - shots)} traces: {120 - last} beyond "
        f"and {last - shots} between the survey's shots; --every METRES makes further samples along the line"
    ]
    assert any(change.startswith("left out: ") for change in one.changes)
    assert len(many.placements) > 1
    assert left_out(file, many.survey, many.placements) == []


def test_receivers_between_those_of_the_survey_are_counted(tmp_path: Path) -> None:
    file = opened(recorded(np.array([500.0]), 10.0 * np.arange(101)[None]), tmp_path)
    text, _ = suggest(file, gain=1.0, shift=0.0)
    study = study_of(text.replace("receivers: 101", "receivers: 51"), tmp_path)

    line = prepare_for(study, file, gain=1.0, shift=0.0)

    assert left_out(file, line.survey, line.placements) == [
        "left out: 50 of the 101 traces of 1 shots: 50 between the survey's receivers"
    ]
