"""The best-fit line through places on the map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.segy.line import Line, metres

X = np.array([0.0, 25.0, 130.0, 400.0, 1000.0])


@given(
    angle=st.floats(0, 180, exclude_max=True),
    east=st.floats(-1e6, 1e6),
    north=st.floats(-1e7, 1e7),
    aside=st.lists(st.floats(-10, 10), min_size=5, max_size=5),
)
def test_a_line_keeps_distances_wherever_it_heads(
    angle: float, east: float, north: float, aside: list[float]
) -> None:
    heading = np.exp(1j * np.radians(angle))
    places = east + 1j * north + heading * (X + 1j * np.array(aside))

    along, off = Line.through(places).project(places)

    along = along if along[-1] > along[0] else along[::-1][0] - along
    np.testing.assert_allclose(np.diff(along), np.diff(X), atol=0.5)
    assert np.abs(off).max() <= 25


@given(angle=st.floats(0, 360), east=st.floats(-1e6, 1e6), north=st.floats(-1e7, 1e7))
def test_positions_on_the_line_lead_back_to_the_map(angle: float, east: float, north: float) -> None:
    places = east + 1j * north + np.exp(1j * np.radians(angle)) * X
    line = Line.through(places)

    back = line.places(line.project(places)[0])

    np.testing.assert_allclose(back, places, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("heading", "azimuth"),
    [
        (1, 90),
        (-1, 90),
        (1j, 0),
        (-1j, 0),
        (2 + 1j, 63.43),
        (-2 - 1j, 63.43),
        (1 - 3j, 341.57),
        (3 - 1j, 108.43),
    ],
)
def test_a_line_runs_east_or_else_north(heading: complex, azimuth: float) -> None:
    places = 500 + 100j + heading * X

    line = Line.through(places)

    assert line.azimuth == pytest.approx(azimuth, abs=0.01)


@pytest.mark.parametrize("turn", [1, 1j])
def test_along_an_axis_of_the_map_positions_are_the_coordinates(turn: complex) -> None:
    easting = X + 1234.5678
    places = easting * turn + 77 * (1j if turn == 1 else 1)

    along, off = Line.through(places).project(places)

    np.testing.assert_array_equal(along, easting)
    assert not off.any()


@pytest.mark.parametrize(
    ("position", "said"),
    [
        (-2.83072e-12, "0"),
        (-0.0, "0"),
        (-0.0004, "0"),
        (-4.0, "-4"),
        (9.24369, "9.244"),
        (np.float32(12.5), "12.5"),
        (np.int64(120), "120"),
        (6123456.789, "6123456.789"),
    ],
)
def test_positions_are_said_to_the_millimetre_and_never_minus_zero(position: float, said: str) -> None:
    assert metres(position) == said
