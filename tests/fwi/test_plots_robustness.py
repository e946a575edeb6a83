import pytest

from fwi import plots
from fwi.plots import StrengthPanel

PANELS = [
    StrengthPanel("Delay [s]", ["0.01", "0.02"], [(110.0, 100.0, 120.0), (150.0, 140.0, 160.0)]),
    StrengthPanel("Dead traces", ["0.1", "0.3"], [(130.0, 120.0, 140.0), (None, None, None)]),
]


def drawn(axes):
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]


def test_each_way_has_a_panel_with_its_errors_and_intervals_over_its_strengths():
    delay, dead = plots.error_by_strength(PANELS, 100.0, 300.0).axes[:2]

    assert (delay.get_title(), dead.get_title()) == ("Delay [s]", "Dead traces")
    assert [label.get_text() for label in delay.get_xticklabels()] == ["0.01", "0.02"]
    assert ([0, 1], [110, 150]) in drawn(delay)
    assert ([0, 0], [100, 120]) in drawn(delay)
    assert ([1, 1], [140, 160]) in drawn(delay)


def test_every_panel_shows_the_error_of_clean_records_and_dashed_that_of_the_mean_model():
    for axes in plots.error_by_strength(PANELS, 100.0, 300.0).axes[:2]:
        styles = {line.get_ydata()[0]: line.get_linestyle() for line in axes.lines}
        assert styles[100.0] == "-"
        assert styles[300.0] == "--"


def test_what_was_refused_is_written_in_its_place():
    delay, dead = plots.error_by_strength(PANELS, 100.0, 300.0).axes[:2]

    assert [(text.get_text(), text.xy[0]) for text in dead.texts] == [("refused", 1)]
    assert not delay.texts


def test_panels_share_their_axis_of_errors_and_places_without_a_panel_stay_empty():
    axes = plots.error_by_strength(PANELS[:1] * 7, 100.0, None).axes

    assert len({each.get_ylim() for each in axes[:7]}) == 1
    assert axes[0].get_ylim()[0] == 0
    assert not any(each.axison for each in axes[7:])


def test_no_errors_are_refused():
    with pytest.raises(ValueError, match="no errors"):
        plots.error_by_strength([], 100.0, 300.0)
