"""Windows along a line: they cover it, and hold the shots and receivers that lie within them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surveys import NETWORK, a_line

from fwi.lines import windows


@settings(max_examples=60, deadline=None)
@given(
    columns=st.integers(8, 400),
    shots=st.integers(1, 40),
    factor=st.sampled_from([0.5, 1.0, 1.6]),
    overlap=st.floats(0, 0.9),
)
def test_each_trace_within_a_window_keeps_shot_and_receiver(columns, shots, factor, overlap):
    line = a_line(columns, min(shots, columns // 2), factor)

    for window in windows(line, NETWORK, overlap=overlap):
        start = window.first * NETWORK.grid.spacing
        of_line = factor * line.shot_x[window.shots], factor * line.receiver_x[0, window.receivers]
        for there, own in zip(of_line, (window.survey.shot_x, window.survey.receiver_x[0]), strict=True):
            np.testing.assert_allclose(there - start, own, atol=1e-5)
            assert own.min() >= 0
            assert own.max() <= NETWORK.length
        assert window.survey.differences_in_kind(NETWORK) == []


@pytest.mark.parametrize("overlap", [0.0, 0.5, 2 / 3])
@pytest.mark.parametrize("columns", [36, 37, 50, 72, 73, 401])
def test_windows_cover_a_long_line_evenly_and_overlap_as_much_as_is_asked_for(columns, overlap):
    found = windows(a_line(columns, shots=columns // 2), NETWORK, overlap=overlap)

    firsts = np.array([window.first for window in found])
    steps = np.diff(firsts)
    assert firsts[0] == 0
    assert firsts[-1] == columns - 36
    assert (steps <= np.ceil(36 * (1 - overlap))).all()
    assert np.ptp(steps) <= 1 if len(steps) else columns == 36


@pytest.mark.parametrize(("columns", "first"), [(35, 0), (34, -1), (20, -8), (9, -13)])
def test_a_line_that_is_shorter_lies_in_the_middle_of_one_window(columns, first):
    (window,) = windows(a_line(columns, shots=3), NETWORK)

    assert window.first == first
    assert window.survey.receiver_x[0, 0] == pytest.approx(-first * 20.0)
    assert len(window.receivers) == columns


def test_windows_without_a_live_trace_are_left_out_and_silent_shots_of_others():
    line = a_line(144, shots=24)
    live = np.ones((24, 144), bool)
    live[:, 30:109] = False
    live[1] = False

    found = windows(line, NETWORK, live, overlap=0.0)

    assert [window.first for window in found] == [0, 108]
    assert 1 not in found[0].shots


def test_a_window_takes_its_part_of_the_gathers_and_may_be_thinned():
    line = a_line(100, shots=20)
    gathers = np.random.default_rng([0]).normal(size=line.gather_shape).astype(np.float32)
    window = windows(line, NETWORK)[1]

    few = window.thinned(3)

    assert window.of(gathers).shape == window.survey.gather_shape
    np.testing.assert_array_equal(
        window.of(gathers)[2, :, 5], gathers[window.shots[2], :, window.receivers[5]]
    )
    assert few.survey.config.shots == 3
    assert (few.shots[0], few.shots[-1]) == (window.shots[0], window.shots[-1])
    np.testing.assert_allclose(few.survey.shot_x, line.shot_x[few.shots] - window.first * 20)
