"""Figures of a refinement: shared scales, what is subtracted from what, and what is missing."""

import numpy as np
import pytest

from fwi import plots

SPACING, RANGE = 20.0, (1500.0, 4500.0)
TRUTH = np.full((20, 30), 2000.0)
TRUTH[8:14, 10:20] = 4500.0
SALT = TRUTH > 4000


def row(**changes: object) -> plots.RefinedRow:
    """A start that is 200 m/s too fast, and a refined section that is 50 m/s too slow."""
    return plots.RefinedRow("test 3", TRUTH + 200, TRUTH - 50, TRUTH, SALT)._replace(**changes)


def test_start_refined_section_and_their_errors_stand_beside_the_truth_on_shared_scales():
    figure = plots.refined_sections([row(), row(name="test 5", remark="not accepted")], SPACING, RANGE)

    panels = figure.axes[:10]
    assert [panel.get_title() for panel in panels[5:]] == [
        "test 5: truth",
        "test 5: start",
        "refined, not accepted",
        "start: MAE 200 m/s",
        "refined: MAE 50 m/s",
    ]
    assert {panel.images[0].get_clim() for panel in panels[:3]} == {(1.5, 4.5)}
    assert panels[3].images[0].get_clim() == panels[9].images[0].get_clim() == pytest.approx((-0.2, 0.2))
    assert panels[3].images[0].get_array()[0, 0] == pytest.approx(0.2)
    assert panels[4].images[0].get_array()[0, 0] == pytest.approx(-0.05)


def test_without_truth_the_change_is_drawn():
    figure = plots.refined_sections([row(truth=None, salt=None)], SPACING, RANGE)

    titles = [panel.get_title() for panel in figure.axes[:3]]
    assert titles == ["test 3: start", "refined", "refined minus start, 250 m/s"]
    assert figure.axes[2].images[0].get_array()[0, 0] == pytest.approx(-0.25)


def test_sections_of_different_grids_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"refined section has shape \(19, 30\) and the start \(20, 30\)"):
        plots.refined_sections([row(refined=TRUTH[1:])], SPACING, RANGE)
    with pytest.raises(ValueError, match="at least one row"):
        plots.refined_sections([], SPACING, RANGE)


def test_misfit_is_drawn_over_gradients_with_its_stages_and_held_out_shots():
    history = [plots.MisfitPoint(n, "first" if n < 3 else "all shots", 1 / n, 0.5 / n) for n in range(1, 6)]

    axes = plots.misfit_over_gradients(history, (0.9, 0.2)).axes[0]

    drawn = [line for line in axes.get_lines() if line.get_label() == "of held-out shots"]
    assert list(drawn[0].get_ydata()) == [0.9, 0.2]
    assert list(drawn[0].get_xdata()) == [0, 2]  # from then on they are fitted
    assert [text.get_text().strip() for text in axes.texts] == ["first", "all shots"]
    assert axes.get_yscale() == "log"
    without = plots.misfit_over_gradients(history, (float("nan"), float("nan"))).axes[0]
    assert "of held-out shots" not in [line.get_label() for line in without.get_lines()]
    with pytest.raises(ValueError, match="before its first step"):
        plots.misfit_over_gradients([], None)


def test_residuals_before_and_after_have_the_clip_of_the_records():
    recorded = np.random.default_rng(0).normal(size=(50, 10))
    shot = plots.GatherRow("shot 2", recorded, 0.5 * recorded, 0.9 * recorded, np.arange(10) * 20.0)

    figure = plots.residuals([shot], dt=0.01)

    meshes = [axes.collections[0] for axes in figure.axes]
    assert len({mesh.get_clim() for mesh in meshes}) == 1
    of_recorded, before, after = (np.asarray(mesh.get_array()) for mesh in meshes)
    np.testing.assert_allclose(before, 0.5 * of_recorded)
    np.testing.assert_allclose(after, 0.1 * of_recorded, atol=1e-12)
    assert "clip" in figure.get_supxlabel()
    with pytest.raises(ValueError, match="those of one survey"):
        plots.residuals([shot._replace(after=recorded[1:])], dt=0.01)


def test_errors_of_several_refinements_are_lines_with_names():
    axes = plots.error_over_gradients({"network": (np.arange(3), np.array([3.0, 2, 1]))}, "MAE").axes[0]

    assert [line.get_label() for line in axes.get_lines()] == ["network"]
    assert axes.get_ylim()[0] == 0
    with pytest.raises(ValueError, match="at least one refinement"):
        plots.error_over_gradients({}, "MAE")
