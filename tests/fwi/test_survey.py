import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fwi.config import GridConfig, SurveyConfig, WaveletConfig
from fwi.survey import MIN_POINTS_PER_WAVELENGTH, Survey, SurveyError, differences

ORDERS = tuple(MIN_POINTS_PER_WAVELENGTH)


def survey(grid: dict | None = None, frequency: float = 10.0, **changes) -> Survey:
    """A survey over 101 x 151 cells of 20 m, with changes."""
    return Survey(
        GridConfig(**grid or {}), SurveyConfig(wavelet=WaveletConfig(frequency=frequency), **changes)
    )


def refusal(**changes) -> str:
    with pytest.raises(SurveyError) as caught:
        survey(**changes)
    return str(caught.value)


def suggested(pattern: str, message: str) -> float:
    """The number that a message gives where the pattern has its group."""
    found = re.search(pattern, message)
    assert found, message
    return float(found.group(1))


# -- mirroring


def test_samples_are_mirrored_in_a_symmetric_survey_alone():
    lopsided = survey(shots=2, shot_x=(100.0, 300.0))

    survey(shots=2).check_flip(0.5)
    lopsided.check_flip(0.0)
    with pytest.raises(ValueError, match=r"data.flip.*set it to 0"):
        lopsided.check_flip(0.5)


# -- a fixed spread


@given(nx=st.integers(8, 400), spacing=st.floats(1, 100), data=st.data())
@settings(max_examples=100, deadline=None)
def test_shots_are_by_default_evenly_spaced_on_the_line_and_symmetric(nx, spacing, data):
    shots = data.draw(st.integers(1, nx - 1), label="shots")

    made = survey({"nx": nx, "spacing": spacing}, shots=shots, depth=0.0, receivers=nx)

    assert made.symmetric
    np.testing.assert_allclose(made.shot_x + made.shot_x[::-1], made.length, rtol=1e-12)
    assert made.shot_x[0] > 0
    assert made.shot_x[-1] < made.length
    if shots > 1:
        np.testing.assert_allclose(np.diff(made.shot_x), made.length / shots, rtol=1e-9)


def test_a_shot_margin_is_the_distance_of_the_outermost_shots_from_the_ends():
    made = survey(shots=15, shot_margin=100.0)

    np.testing.assert_allclose(made.shot_x, np.arange(100.0, 2901.0, 200.0), atol=1e-9)
    assert made.symmetric


def test_shots_are_where_they_are_said_to_be():
    made = survey(shots=3, shot_x=(0.0, 340.0, 3000.0))

    np.testing.assert_array_equal(made.shot_x, [0.0, 340.0, 3000.0])
    assert not made.symmetric
    assert Survey.from_dict(made.to_dict()) == made
    np.testing.assert_array_equal(made.refined(2).shot_x, made.shot_x)


@pytest.mark.parametrize(
    ("shot_x", "changes", "complaint"),
    [
        ((0.0, 340.0), {}, "survey.shot_x: 2 positions for survey.shots 3"),
        ((0.0, 340.0, 3001.0), {}, "survey.shot_x: 3001 m is beyond the 3000 m line"),
        ((0.0, 340.0, 330.0), {}, "survey.shot_x: must ascend by a cell, 20 m, or more"),
        ((0.0, 340.0, 350.0), {}, "survey.shot_x: must ascend by a cell, 20 m, or more"),
        ((0.0, 340.0, 680.0), {"shot_margin": 0.0}, "survey.shot_x: excludes survey.shot_margin"),
        (
            (2000.0, 2340.0, 2680.0),
            {"spread": "streamer", "receivers": 60},
            "survey.shot_x: excludes a streamer's shots",
        ),
    ],
)
def test_shots_that_cannot_be_there_are_refused(shot_x, changes, complaint):
    assert complaint in refusal(shots=3, shot_x=shot_x, **changes)


def test_receivers_of_a_fixed_spread_line_the_grid_from_end_to_end():
    made = survey(receivers=76)

    assert made.receiver_x.shape == (15, 76)
    np.testing.assert_allclose(made.receiver_x, np.tile(np.arange(0.0, 3001.0, 40.0), (15, 1)), atol=1e-9)


def test_receivers_are_where_they_are_said_to_be_for_every_shot():
    made = survey(shots=2, receivers=3, receiver_x=(0.0, 333.3, 2990.0))

    np.testing.assert_array_equal(made.receiver_x, [[0.0, 333.3, 2990.0]] * 2)
    assert not made.symmetric
    assert survey(shots=2, receivers=3, receiver_x=(10.0, 1500.0, 2990.0)).symmetric
    assert Survey.from_dict(made.to_dict()) == made
    np.testing.assert_array_equal(made.refined(2).receiver_x, made.receiver_x)


@pytest.mark.parametrize(
    ("receiver_x", "changes", "complaint"),
    [
        ((0.0, 340.0), {}, "survey.receiver_x: 2 positions for survey.receivers 3"),
        ((0.0, 340.0, 3001.0), {}, "survey.receiver_x: 3001 m is beyond the 3000 m line"),
        ((0.0, 340.0, 330.0), {}, "survey.receiver_x: must ascend by half a cell, 10 m, or more"),
        ((0.0, 340.0, 349.0), {}, "survey.receiver_x: must ascend by half a cell, 10 m, or more"),
        (
            (0.0, 340.0, 680.0),
            {"spread": "streamer"},
            "survey.receiver_x: excludes a streamer's receivers; leave out one of the two",
        ),
    ],
)
def test_receivers_that_cannot_be_there_are_refused(receiver_x, changes, complaint):
    assert complaint in refusal(receivers=3, receiver_x=receiver_x, **changes)


def test_survey_of_a_version_without_listed_receivers_is_the_same_survey():
    made = survey()
    older = made.to_dict()
    del older["survey"]["receiver_x"]

    assert Survey.from_dict(older) == made
    assert Survey.from_dict(older).differences(made) == []
    assert differences(older, made.to_dict()) == []


# -- surveys of one kind


@pytest.mark.parametrize(
    "changes",
    [
        {"shots": 3, "shot_x": (0.0, 333.3, 2000.0), "receivers": 2, "receiver_x": (50.0, 80.0)},
        {"spread": "streamer", "receivers": 20},
        {"shot_margin": 300.0, "receiver_depth": 20.0},
    ],
)
def test_surveys_of_one_kind_differ_in_positions_along_the_line_alone(changes):
    assert survey(**changes).differences(survey())
    assert survey(**changes).differences_in_kind(survey()) == []


def test_what_sets_a_survey_apart_in_kind_is_told():
    other = survey({"nz": 90}, frequency=9.0, depth=40.0, dt=0.001, shots=3)

    assert other.differences_in_kind(survey()) == [
        "grid.nz: 90 against 101",
        "survey.depth: 40.0 against 20.0",
        "survey.receiver_depth: 40.0 against 20.0",
        "survey.dt: 0.001 against 0.002",
        "survey.wavelet.frequency: 9.0 against 10.0",
        "survey.wavelet.peak_time: 0.16666666666666666 against 0.15",
    ]


def test_layout_is_told_in_words():
    made = survey(shots=2, shot_x=(0.0, 1000.0), receivers=2, receiver_x=(50.0, 2400.0))

    assert made.layout() == "2 shots, 2 receivers, offsets 50 to 2400 m"
    recorded = np.array([[False, False], [True, True]])
    assert made.layout(recorded) == "2 shots, 2 receivers, offsets 950 to 1400 m"


def test_receivers_are_as_deep_as_the_shots_unless_told_otherwise():
    assert survey(depth=40.0).receiver_depth == 40.0
    assert survey(depth=40.0, receiver_depth=2000.0).receiver_depth == 2000.0


# -- a streamer


def streamer(**changes) -> Survey:
    return survey(
        spread="streamer", **{"receivers": 60, "near_offset": 110.0, "receiver_interval": 25.0} | changes
    )


def test_a_streamer_trails_each_shot_and_stays_on_the_line():
    made = streamer(shots=9)

    offsets = made.shot_x[:, None] - made.receiver_x
    np.testing.assert_allclose(offsets, np.tile(110.0 + 25.0 * np.arange(60), (9, 1)), atol=1e-9)
    assert made.receiver_x.min() == pytest.approx(0.0, abs=1e-9)
    assert made.shot_x[-1] == made.length
    np.testing.assert_allclose(np.diff(made.shot_x), np.diff(made.shot_x)[0])
    assert not made.symmetric


def test_a_streamer_longer_than_the_line_is_refused_with_the_number_that_fits():
    message = refusal(spread="streamer", receivers=200, near_offset=110.0, receiver_interval=25.0)

    fits = int(suggested(r"at most (\d+) fit", message))
    assert "survey.receivers" in message
    assert streamer(receivers=fits, shots=1).receiver_x.min() >= -1e-9
    with pytest.raises(SurveyError, match=r"survey\.receivers"):
        streamer(receivers=fits + 1, shots=1)


def test_a_streamer_that_begins_beyond_the_line_is_told_to_come_closer():
    assert "smaller survey.near_offset" in refusal(spread="streamer", receivers=2, near_offset=5000.0)


def test_a_streamer_finer_than_the_cells_is_refused_with_the_least_interval():
    message = refusal(spread="streamer", receivers=60, receiver_interval=12.5)

    least = suggested(r"take ([\d.]+) m or more", message)
    assert streamer(receiver_interval=least).receiver_x.shape == (15, 60)


@given(
    nx=st.integers(8, 300),
    spacing=st.floats(5, 50),
    near=st.floats(1, 500),
    stretch=st.floats(1, 4),
    receivers=st.integers(2, 100),
    shots=st.integers(1, 50),
)
@settings(max_examples=200, deadline=None)
def test_a_streamer_is_wholly_on_the_line_or_refused(nx, spacing, near, stretch, receivers, shots):
    interval = stretch * spacing
    room = (nx - 1) - (near + (receivers - 1) * interval) / spacing  # cells along which the shots can move
    assume(abs(room) > 1e-3)
    assume(abs(room - (shots - 1)) > 1e-3)
    geometry = {"near_offset": near, "receiver_interval": interval, "receivers": receivers, "shots": shots}

    def made() -> Survey:
        return survey({"nx": nx, "spacing": spacing}, depth=0.0, spread="streamer", **geometry)

    if room < 0:
        with pytest.raises(SurveyError, match=r"survey\.receivers"):
            made()
    elif room < shots - 1:
        with pytest.raises(SurveyError, match=r"survey\.shots"):
            made()
    else:
        assert made().receiver_x.min() >= -1e-6 * spacing
        assert made().shot_x.max() <= made().length * (1 + 1e-12)
        assert made().receiver_x.shape == (shots, receivers)


# -- what is refused


def test_more_receivers_than_columns_of_cells_are_refused_with_the_number_that_fits():
    message = refusal(receivers=152)

    fits = int(suggested(r"survey\.receivers: .* at most (\d+) fit", message))
    assert fits == 151
    assert survey(receivers=fits).receiver_x.shape == (15, 151)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shot_margin": 700.0},
        {"shot_margin": 1500.0},
        {"spread": "streamer", "receivers": 60},
    ],
)
def test_shots_closer_than_cells_are_refused_with_the_number_that_fits(changes):
    fits = int(suggested(r"survey\.shots: .* at most (\d+) fit", refusal(shots=1000, **changes)))

    assert len(np.unique(survey(shots=fits, **changes).shot_x)) == fits
    with pytest.raises(SurveyError, match=r"survey\.shots"):
        survey(shots=fits + 1, **changes)


def test_a_shot_margin_past_the_middle_is_refused_with_the_largest():
    assert suggested(r"take ([\d.]+) m or less", refusal(shot_margin=1600.0)) == 1500.0


@pytest.mark.parametrize("key", ["depth", "receiver_depth"])
def test_a_depth_between_rows_of_cells_is_refused_with_the_rows_beside_it(key):
    message = refusal(**{key: 50.0})

    assert message == f"survey.{key}: 50 m is between rows; take 40 or 60 m"
    assert survey(**{key: 60.0})


@pytest.mark.parametrize("key", ["depth", "receiver_depth"])
def test_a_depth_below_the_grid_is_refused_with_the_last_row(key):
    message = refusal(**{key: 2020.0})

    assert f"survey.{key}: 2020 m is below the last row, at 2000 m" in message
    assert survey(**{key: 2000.0})


def test_sources_on_a_free_surface_are_refused():
    assert "put them at 20 m or deeper" in refusal(depth=0.0, top="free")
    assert survey(depth=0.0, top="absorbing").shot_depth == 0.0
    assert survey(depth=20.0, top="free").shot_depth == 20.0


def test_all_misplacements_are_told_at_once():
    message = refusal(depth=50.0, shots=1000, receivers=1000)

    assert [line.split(":")[0] for line in message.splitlines()] == [
        "survey.depth",
        "survey.shots",
        "survey.receivers",
    ]


# -- what the grid can carry


@given(spacing=st.floats(1, 100), fastest=st.floats(2000, 7000), excess=st.floats(1.001, 50))
@settings(max_examples=100, deadline=None)
def test_an_unstable_time_step_is_refused_with_one_that_is_stable(spacing, fastest, excess):
    limit = 0.65 * spacing / (fastest * np.sqrt(2))
    grid = {"spacing": spacing, "velocity": (1500.0, fastest)}
    frequency = 1500 / (2.5 * spacing * 3.1)
    unstable = survey(grid, frequency, depth=0.0, dt=limit * excess)

    with pytest.raises(SurveyError, match=r"survey\.dt: .* is unstable") as caught:
        unstable.check(8)

    stable = suggested(r"take dt <= ([\d.e-]+) s", str(caught.value))
    survey(grid, frequency, depth=0.0, dt=stable).check(8)
    assert stable > 0.98 * limit


@pytest.mark.parametrize("order", ORDERS)
@given(spacing=st.floats(1, 100), slowest=st.floats(300, 3000), excess=st.floats(1.001, 3))
@settings(max_examples=30, deadline=None)
def test_too_few_cells_per_wavelength_are_refused_with_what_suffices(order, spacing, slowest, excess):
    least = MIN_POINTS_PER_WAVELENGTH[order]
    frequency = excess * slowest / (2.5 * spacing * least)
    velocity = (slowest, 4500.0)
    coarse = survey({"spacing": spacing, "velocity": velocity}, frequency, depth=0.0, dt=1e-5)

    with pytest.raises(SurveyError, match=r"survey\.wavelet\.frequency: .* cells of") as caught:
        coarse.check(order)

    message = str(caught.value)
    slower = suggested(r"frequency <= ([\d.e+-]+) Hz", message)
    survey({"spacing": spacing, "velocity": velocity}, slower, depth=0.0, dt=1e-5).check(order)
    finer = suggested(r"grid\.spacing <= ([\d.e+-]+) m", message)
    dt = suggested(r"with survey\.dt <= ([\d.e+-]+) s", message)
    survey({"spacing": finer, "velocity": velocity}, frequency, depth=0.0, dt=dt).check(order)
    if "or physics.order" in message:
        coarse.check(int(suggested(r"or physics\.order (\d)", message)))
    else:
        with pytest.raises(SurveyError):
            coarse.check(8)


def test_instability_and_undersampling_are_told_at_once():
    with pytest.raises(SurveyError) as caught:
        survey(frequency=30.0, dt=0.01).check(8)

    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "survey.dt",
        "survey.wavelet.frequency",
    ]


def test_the_least_cells_per_wavelength_at_two_and_a_half_times_the_peak_suffice():
    survey({"spacing": 20.0, "velocity": (1500.0, 4500.0)}, frequency=10.0).check(8)  # exactly 3 cells


# -- the time axis


def test_times_are_those_of_the_samples_kept():
    made = survey(dt=0.002, nt=1001, keep_every=5)

    assert made.gather_shape == (15, 201, 151)
    assert made.recorded_dt == pytest.approx(0.01)
    np.testing.assert_allclose(made.time, np.arange(201) * 0.01)


def test_the_wavelet_has_its_peak_frequency_and_its_peak_time():
    made = survey(frequency=8.0, dt=0.001, nt=2000)

    spectrum = np.abs(np.fft.rfft(made.wavelet, 2**16))
    assert np.fft.rfftfreq(2**16, 0.001)[spectrum.argmax()] == pytest.approx(8.0, abs=0.02)
    assert np.arange(2000)[made.wavelet.argmax()] * 0.001 == pytest.approx(1.5 / 8.0, abs=0.001)
    assert made.wavelet.max() == pytest.approx(1.0, abs=1e-3)
    assert abs(made.wavelet[0]) < 1e-6
    assert abs(made.wavelet.sum()) < 1e-3 * np.abs(made.wavelet).sum()


@pytest.mark.parametrize("keep_every", [1, 5, 6, 7, 8, 10, 20])
def test_aliasing_is_expected_where_the_wavelet_has_energy_above_the_recorded_nyquist_frequency(keep_every):
    made = survey(frequency=10.0, dt=0.002, keep_every=keep_every)

    spectrum = np.abs(np.fft.rfft(made.wavelet, 2**16))
    above = np.fft.rfftfreq(2**16, 0.002) >= 0.5 / made.recorded_dt - 1e-9
    assert made.aliases == (spectrum[above].max() > 1e-3 * spectrum.max())


# -- one survey and another


@given(
    nx=st.integers(8, 60),
    shots=st.integers(1, 7),
    receivers=st.integers(2, 8),
    keep_every=st.integers(1, 6),
    nt=st.integers(7, 60),
    factor=st.integers(1, 4),
)
@settings(max_examples=100, deadline=None)
def test_a_refined_survey_records_at_the_same_times_and_places(nx, shots, receivers, keep_every, nt, factor):
    made = survey({"nx": nx, "nz": 9}, shots=shots, receivers=receivers, keep_every=keep_every, nt=nt)

    fine = made.refined(factor)

    np.testing.assert_allclose(fine.shot_x, made.shot_x, atol=1e-9)
    np.testing.assert_allclose(fine.receiver_x, made.receiver_x, atol=1e-9)
    np.testing.assert_allclose(fine.time, made.time, atol=1e-12)
    assert (fine.shot_depth, fine.receiver_depth) == (made.shot_depth, made.receiver_depth)
    assert (fine.length, fine.bottom) == pytest.approx((made.length, made.bottom))
    assert fine.grid.spacing * factor == pytest.approx(made.grid.spacing)
    np.testing.assert_allclose(fine.wavelet[::factor], made.wavelet, atol=1e-12)


def test_a_refined_streamer_records_at_the_same_places():
    made = streamer()

    np.testing.assert_allclose(made.refined(3).receiver_x, made.receiver_x, atol=1e-9)


@given(
    shots=st.integers(1, 5), depth=st.sampled_from([0.0, 20.0, 400.0]), margin=st.none() | st.floats(0, 500)
)
@settings(max_examples=30, deadline=None)
def test_plain_values_rebuild_the_survey(shots, depth, margin):
    assume(shots > 1 or margin is None)
    made = survey(shots=shots, depth=depth, shot_margin=margin)

    rebuilt = Survey.from_dict(made.to_dict())

    assert rebuilt == made
    assert rebuilt.differences(made) == []


def test_differences_name_each_key_with_both_values():
    first = survey({"nx": 151}, frequency=10.0, dt=0.002)
    second = survey({"nx": 161}, frequency=8.0, dt=0.001)

    assert first.differences(second) == [
        "grid.nx: 151 against 161",
        "survey.dt: 0.002 against 0.001",
        "survey.wavelet.frequency: 10.0 against 8.0",
    ]


@pytest.mark.parametrize("peak_time", [None, 0.1, 0.2])
def test_the_wavelet_peaks_when_it_is_said_to(peak_time):
    made = Survey(GridConfig(), SurveyConfig(wavelet=WaveletConfig(frequency=10.0, peak_time=peak_time)))

    assert made.wavelet.argmax() * made.config.dt == pytest.approx(peak_time or 0.15)
    assert made.wavelet.max() == pytest.approx(1)
    assert abs(made.wavelet[0]) < 1e-3


def test_a_wavelet_that_would_begin_with_a_jump_is_refused():
    with pytest.raises(ValueError, match=r"begins with a jump: peak_time must be 0\.1 s or later"):
        WaveletConfig(frequency=10.0, peak_time=0.09)


@pytest.mark.parametrize(
    ("grid", "survey", "said"),
    [
        ({"nz": 1001, "nx": 1001}, {}, "grid.nz, grid.nx: to simulate 1001 x 1001 cells takes 32.06 MB"),
        (
            {},
            {"nt": 20_000, "keep_every": 1},
            "survey.nt: to record 20000 samples of 20000 time steps takes 1.60",
        ),
        (
            {},
            {"shots": 100, "nt": 2000, "keep_every": 1},
            "survey.shots, survey.receivers: a record of 100 sh",
        ),
    ],
)
def test_what_is_larger_than_the_memory_is_refused_by_its_size(grid, survey, said, monkeypatch):
    monkeypatch.setattr("fwi.survey_limits.total", lambda: 20_000_000)
    large = Survey(GridConfig(**grid), SurveyConfig(**survey))

    with pytest.raises(SurveyError) as caught:
        large.check(8)

    assert said in str(caught.value)
    assert "this machine has 20.00 MB" in str(caught.value)
    Survey(GridConfig(), SurveyConfig()).check(8)
