"""Lines of another scale than a network's: read, they are what is simulated on their survey, at its scale."""

from pathlib import Path

import numpy as np
import pytest
import torch
from recorded_lines import (
    LINE,
    NETWORK,
    PHYSICS,
    changed,
    ending,
    gathers_of_line,
    model,
    nrms,
    simulated,
    written,
)

from data_prep.lines import RecordedLine, choose_network, read_line
from fwi.config import GridConfig, SurveyConfig, WaveletConfig
from fwi.physics import Propagator
from fwi.survey import Survey


@pytest.fixture(autouse=True)
def silent(capsys):
    """Each of these tests also holds that nothing is printed."""
    yield
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""


def read(path, gathers, survey: Survey = LINE, **options) -> RecordedLine:
    return read_line(written(path / "line.sgy", gathers, survey), NETWORK, PHYSICS, **options)


def at_network_scale(line: RecordedLine) -> Survey:
    """The survey of a line in the network's metres and seconds."""
    positions = {
        "shots": line.survey.config.shots,
        "shot_x": tuple((line.survey.shot_x * line.factor).tolist()),
        "shot_margin": None,
        "receivers": line.survey.config.receivers,
        "receiver_x": tuple((line.survey.receiver_x[0] * line.factor).tolist()),
    }
    grid = NETWORK.grid.model_copy(update={"nx": line.survey.grid.nx})
    return Survey(grid, NETWORK.config.model_copy(update=positions))


def starting(line: RecordedLine, word: str) -> list[str]:
    """The sentences of a line that begin with a word."""
    return [each for each in (*line.changes, *line.warnings) if each.startswith(word)]


# -- the records


def test_line_at_half_the_lengths_and_times_is_that_simulated_at_the_scale_of_the_network(tmp_path):
    line = read(tmp_path, gathers_of_line())

    speeds = torch.from_numpy(model(line.survey.grid))[None]
    with torch.inference_mode():
        at_scale = Propagator(at_network_scale(line), PHYSICS)(speeds)[0].numpy()

    assert line.factor == 1.6
    assert line.start == 0.0
    assert nrms(line.gathers[0], simulated(line.survey)) < 0.02
    assert nrms(line.gathers[0], at_scale) < 0.02


def test_survey_of_a_line_is_the_networks_but_for_scale_and_positions(tmp_path):
    line = read(tmp_path, gathers_of_line())

    survey = line.survey
    assert line.gathers.shape == (1, 7, 60, 81)
    assert line.gathers.dtype == np.float32
    assert (survey.grid.nz, survey.grid.nx, survey.grid.spacing) == (32, 81, 12.5)
    assert survey.config.wavelet.frequency == pytest.approx(16.0)
    np.testing.assert_allclose(survey.time, NETWORK.time / 1.6)
    np.testing.assert_allclose(survey.shot_x, LINE.shot_x, atol=1e-3)
    np.testing.assert_allclose(survey.receiver_x, LINE.receiver_x)
    assert survey.shot_depth == survey.receiver_depth == 12.5
    assert starting(line, "scale") == [
        "scale: lengths and times multiplied by 1.6 are those of the network: 81 columns of 32 cells of "
        "12.5 m, and a wavelet of 16 Hz"
    ]
    assert "what comes after 0.3688 s, until 0.4975 s, is left out" in starting(line, "time")[0]
    assert line.warnings == ()


def test_line_begins_with_its_first_shot_or_receiver_and_receivers_are_on_the_grid(tmp_path):
    shots, receivers = (105.0, 300.0, 600.0), tuple(np.arange(137.5, 638.0, 12.5).tolist())
    part = changed(
        LINE, shots=3, shot_x=shots, shot_margin=None, receivers=len(receivers), receiver_x=receivers
    )

    line = read(tmp_path, simulated(part), part)

    assert line.start == 100.0
    np.testing.assert_allclose(line.survey.shot_x, np.array(shots) - 100)
    np.testing.assert_allclose(line.survey.receiver_x[0], np.array(receivers) - 100)
    assert line.survey.length == pytest.approx(537.5)


def test_stated_lower_frequency_gives_the_records_of_that_wavelet_and_reaches_deeper(tmp_path):
    deep = changed(LINE, depth=25.0, nt=700)
    lower = changed(deep, wavelet=WaveletConfig(frequency=8.0))

    line = read(tmp_path, simulated(deep), deep, frequency=8.0)

    assert line.factor == 0.8
    assert line.survey.grid.spacing == 25.0
    assert nrms(line.gathers[0], read(tmp_path, simulated(lower), lower, frequency=8.0).gathers[0]) < 0.08
    assert "shaped to 8 Hz, as stated: what is reached is 2" in starting(line, "peak frequency")[0]
    assert starting(line, "bottom")[0].startswith("bottom: 775 m is reached")


def test_records_of_a_band_pass_wavelet_are_shaped_to_the_closest_ricker(tmp_path):
    frequency = np.fft.rfftfreq(1024, LINE.recorded_dt)
    ricker = (frequency / 16) ** 2 * np.exp(-((frequency / 16) ** 2))
    ormsby = np.clip((frequency - 2) / 2, 0, 1) * np.clip((40 - frequency) / 10, 0, 1)
    ratio = np.divide(ormsby, ricker, out=np.zeros_like(ricker), where=ormsby > 0)
    gathers = np.fft.irfft(np.fft.rfft(gathers_of_line(), 1024, axis=1) * ratio[:, None], axis=1)[:, :200]

    line = read(tmp_path, gathers.astype(np.float32))

    assert line.factor == 1.6
    assert nrms(line.gathers[0], simulated(line.survey)) < 0.08  # 0.44 as recorded
    assert "and to whose amplitudes theirs are shaped" in line.changes[0]


def test_deeper_reach_of_a_lower_frequency_is_suggested_as_far_as_the_recorded_time_goes(tmp_path):
    line = read(tmp_path, gathers_of_line())

    (sentence,) = starting(line, "bottom")
    assert sentence == (
        "bottom: 387.5 m is reached; what is below is left out; --frequency 11.9 reaches 522.8 m, in coarser "
        "cells"
    )


def test_streamer_on_other_places_for_each_shot_becomes_one_spread_of_half_cells(tmp_path):
    towed = changed(
        LINE,
        spread="streamer",
        shots=6,
        shot_margin=None,
        receivers=24,
        near_offset=100.0,
        receiver_interval=12.5,
    )

    line = read(tmp_path, simulated(towed), towed)

    offset = line.survey.offset[line.gathers[0].any(axis=1)]
    assert nrms(line.gathers[0], simulated(line.survey)) < 0.05
    assert offset.min() >= 100 - 3.2
    assert offset.max() <= 387.5 + 3.2
    assert (line.gathers[0].any(axis=1).sum(axis=1) == 24).all()
    assert len(starting(line, "surface: receivers were towed")) == 1


def test_dead_traces_are_missing(tmp_path):
    gathers = gathers_of_line().copy()
    gathers[2, :, 10:20] = 0

    line = read(tmp_path, gathers)

    np.testing.assert_array_equal(line.gathers[0].any(axis=1), gathers.any(axis=1))


def test_swell_is_filtered_away_and_else_low_frequencies_are_kept(tmp_path):
    gathers = gathers_of_line()
    time = np.arange(gathers.shape[1]) * LINE.recorded_dt
    swell = gathers.std() * np.sin(2 * np.pi * 1.5 * time[:, None] + np.arange(81.0))

    clean, filtered = read(tmp_path, gathers), read(tmp_path, (gathers + swell).astype(np.float32))

    assert starting(clean, "band")[0].startswith("band: up to 40 Hz passed")
    assert starting(filtered, "band")[0].startswith("band: 4 .. 40 Hz passed")


# -- time zero and polarity


@pytest.mark.parametrize("samples", [-24, 18, 36], ids=["earlier", "later", "more than a period later"])
def test_records_of_another_time_zero_are_shifted_onto_the_direct_arrival(samples, tmp_path):
    gathers = gathers_of_line()
    begun = gathers[:, max(-samples, 0) :]
    moved = np.pad(begun, ((0, 0), (max(samples, 0), 0), (0, 0)))

    line = read(tmp_path, moved, ending(LINE, moved.shape[1]))

    wanted = read(tmp_path, gathers).gathers[0]
    far = LINE.offset > 300  # near traces that begin earlier begin within their wavelets
    assert nrms(line.gathers[0] * far[:, None], wanted * far[:, None]) < 0.08
    shift = -samples * LINE.recorded_dt
    assert float(starting(line, "shift")[0].split()[1]) == pytest.approx(shift, abs=0.002)


def test_reversed_records_are_multiplied_by_minus_one(tmp_path):
    line = read(tmp_path, -37 * gathers_of_line())

    assert nrms(line.gathers[0], read(tmp_path, gathers_of_line()).gathers[0]) < 0.01
    assert "polarity: the direct arrival is reversed, and the records are multiplied by -1" in line.changes


def test_muted_direct_arrivals_leave_records_as_they_are_with_a_warning(tmp_path):
    muted = gathers_of_line().copy()
    time = np.arange(muted.shape[1]) * LINE.recorded_dt
    muted[time[None, :, None] < (LINE.offset / 1600 + 0.16)[:, None, :]] = 0

    line = read(tmp_path, muted)
    stated = read(tmp_path, muted, shift=0.05)

    (warning,) = starting(line, "time zero")
    assert "no direct arrival is recognised at offsets of 95.83 .. 270.8 m" in warning
    assert starting(line, "shift") == []
    assert starting(stated, "shift") == ["shift: 0.05 s added, as stated"]


# -- what is refused


def test_frequency_above_the_recorded_one_is_refused_with_it(tmp_path):
    with pytest.raises(ValueError, match=r"--frequency 20 Hz is above what was recorded, .* of 1[56].* Hz"):
        read(tmp_path, gathers_of_line(), frequency=20.0)
    with pytest.raises(ValueError, match="--frequency 5000 Hz is above what was recorded"):
        read(tmp_path, gathers_of_line(), frequency=5000.0)


@pytest.mark.parametrize("options", [{"frequency": 0.0}, {"frequency": np.nan}, {"shift": np.inf}])
def test_stated_values_that_are_no_numbers_are_refused_by_their_flags(options, tmp_path):
    (flag,) = options

    with pytest.raises(ValueError, match=rf"--{flag} .*: expected a"):
        read(tmp_path, gathers_of_line(), **options)


def test_records_of_less_than_half_the_networks_time_are_refused_with_what_would_fit(tmp_path):
    short = gathers_of_line()[:, :60]

    with pytest.raises(
        ValueError, match=r"0\.1475 s, and the network needs 0\.3\d* s, 5\.9 periods"
    ) as refused:
        read(tmp_path, short, ending(LINE, 60))

    assert "58.2 % of it is not recorded, and at most 50 % may be" in str(refused.value)
    assert "take a network whose records last 2.47 periods or less" in str(refused.value)


def test_depths_beyond_a_quarter_wavelength_are_refused_with_the_frequency_that_would_do(tmp_path):
    with pytest.raises(ValueError, match=r"sources are at 50 m, .* at 12\.5 m: .* 23\.4 m apart") as refused:
        read(tmp_path, gathers_of_line(), changed(LINE, depth=50.0, receiver_depth=12.5))

    assert "take a --frequency of 11.4 Hz or less" in str(refused.value)


def test_line_of_less_than_eight_columns_is_refused(tmp_path):
    part = changed(
        LINE, shots=1, shot_margin=None, shot_x=(25.0,), receivers=6, receiver_x=(0, 12.5, 25, 37.5, 50, 60)
    )

    with pytest.raises(
        ValueError, match=r"spread over 60 m, .* 8 columns of 12\.5 m or more, which are 87\.5 m"
    ):
        read(tmp_path, simulated(part), part)


def test_line_that_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("fwi.survey_limits.total", lambda: 10**5)

    with pytest.raises(
        ValueError, match=r"take a part of the line:\n.*a record of 7 shots x 60 samples x 81"
    ):
        read(tmp_path, gathers_of_line())


def test_other_files_are_refused_with_those_that_are_read(tmp_path):
    (tmp_path / "line.txt").write_text("0 1 2")

    with pytest.raises(ValueError, match=r"read from a shard \(.h5\), a .npy or SEG-Y .*, not from '.txt'"):
        read_line(tmp_path / "line.txt", NETWORK, PHYSICS)


# -- the choice of a network


def test_network_that_reaches_deepest_in_the_recorded_time_is_chosen(tmp_path):
    half = changed(NETWORK, nt=150)
    networks = {"half": half, "whole": NETWORK}
    path = written(tmp_path / "line.sgy", gathers_of_line())
    short = written(tmp_path / "short.sgy", gathers_of_line()[:, :90], ending(LINE, 90))

    name, why = choose_network(path, networks)

    assert name == "whole"
    assert why.startswith("whole: the records last 8")
    assert "of which it takes 5.9" in why
    assert choose_network(short, networks)[0] == "half"
    assert choose_network(path, networks, frequency=8.0)[0] == "half"


def test_own_grid_scaled_to_one_is_snapped_to_it(tmp_path):
    survey = Survey(
        GridConfig(nz=24, nx=50, spacing=20.0), SurveyConfig(shots=5, receivers=50, nt=300, keep_every=2)
    )

    line = read(tmp_path, simulated(survey), survey)

    assert line.factor == 1.0
    assert line.survey.differences_in_kind(NETWORK) == ["grid.nx: 50 against 36"]


PUBLIC = Path(__file__).resolve().parents[4] / "shared/data/segy"


@pytest.mark.skipif(not PUBLIC.exists(), reason="the public files are not here")
def test_marine_records_of_the_field_are_read_and_doubted():
    path = PUBLIC / "viking_four_shots.segy"

    line = read_line(path, NETWORK, PHYSICS, spreading="point")
    lower = read_line(path, NETWORK, PHYSICS, spreading="point", frequency=10.0)

    assert 2.5 < line.factor < 3.5
    assert lower.factor == 1.0
    assert lower.survey.bottom == NETWORK.bottom
    for read in (line, lower):
        assert np.isfinite(read.gathers).all()
        assert len(starting(read, "wavelet: the records' amplitudes were")) == 1
        assert len(starting(read, "surface: receivers were towed")) == 1
