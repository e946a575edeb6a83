"""The figure of a line: a panel for each thing that is known of its section."""

import numpy as np
import pytest

from fwi import plots
from fwi.intervals import Interval

SHAPE = (20, 90)


@pytest.fixture
def section():
    velocity = np.full(SHAPE, 2000.0, np.float32)
    velocity[8:14, 30:50] = 4500.0
    return velocity


@pytest.fixture
def interval(section):
    top = np.full((2, SHAPE[1]), np.nan, np.float32)
    top[:, 30:50] = [[140.0], [190.0]]
    return Interval(section - 100, section + 300, top, top + 120)


def panels(figure):
    return {axes.get_title().split(",")[0].split(";")[0]: axes for axes in figure.axes if axes.get_title()}


def test_each_thing_that_is_known_has_a_panel_in_km(section, interval):
    unexplained = np.linspace(0, 1, section.size, dtype=np.float32).reshape(SHAPE)
    everything = {"interval": interval, "contradiction": unexplained, "truth": section + 50}

    figure = plots.line_section(section, 20.0, (1500.0, 4500.0), "believed", **everything)

    drawn = panels(figure)
    assert list(drawn) == [
        "truth",
        "section",
        "half-width of the interval",
        "where the records contradict it",
    ]
    shown = {name: np.asarray(axes.images[0].get_array()) for name, axes in drawn.items()}
    np.testing.assert_allclose(shown["section"], section / 1000)
    np.testing.assert_allclose(shown["half-width of the interval"], 0.2, rtol=1e-5)
    assert "MAE 50 m/s" in drawn["section"].get_title()
    band = drawn["section"].lines[0].get_ydata()
    np.testing.assert_allclose(band[30:50], 0.14)
    assert figure.get_suptitle() == "believed"
    assert drawn["section"].images[0].get_extent()[1] == pytest.approx(1.79)


def test_a_section_alone_is_drawn_alone(section):
    figure = plots.line_section(section, 20.0, (1500.0, 4500.0), "")

    assert list(panels(figure)) == ["section"]
