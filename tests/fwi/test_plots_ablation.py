import numpy as np
import pytest

from fwi import plots
from fwi.plots import Dots

PANELS = {
    "MAE (m/s)": {
        "plain": Dots(60.0, (59.0, 61.0), None),
        "se": Dots(50.0, (48.0, 52.0), (45.0, 55.0)),
    },
    "Salt IoU": {"se": Dots(0.8, (0.8, 0.8), (0.75, 0.85))},
}


def test_each_metric_has_a_panel_with_a_row_per_variant_and_the_reference_as_a_line():
    errors, overlap = plots.dots_and_bars(PANELS, "plain").axes

    assert [label.get_text() for label in errors.get_yticklabels()] == ["plain", "se"]
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in errors.lines]
    assert ([48, 52], [1, 1]) in drawn
    assert ([45, 55], [1, 1]) in drawn
    assert ([50], [1]) in drawn
    assert ([60, 60], [0, 1]) in drawn  # from the bottom of the panel to its top
    assert overlap.get_title() == "Salt IoU"
    assert [0.8, 0.8] in [list(line.get_xdata()) for line in overlap.lines]


def test_bar_wider_than_the_dots_does_not_squeeze_them():
    panels = {"MAE (m/s)": PANELS["MAE (m/s)"] | {"cbam": Dots(55.0, (50.0, 60.0), (-500.0, 600.0))}}

    (axes,) = plots.dots_and_bars(panels, "plain").axes

    np.testing.assert_allclose(axes.get_xlim(), (48 - 3.25, 61 + 3.25))


@pytest.mark.parametrize("count", [1, 2])
def test_the_note_is_within_a_figure_of_any_number_of_panels(count):
    figure = plots.dots_and_bars(dict(list(PANELS.items())[:count]), "plain")

    figure.draw_without_rendering()
    note = figure.findobj(lambda artist: getattr(artist, "get_text", str)().startswith("Large"))[0]
    extent = note.get_window_extent()
    assert 0 <= extent.x0 < extent.x1 <= figure.bbox.width


def test_no_scores_are_refused():
    with pytest.raises(ValueError, match="no scores"):
        plots.dots_and_bars({}, "plain")
