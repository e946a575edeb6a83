"""Figures say what they show: units, directions, shared scales, the salt, the clip."""

import io
import os

import numpy as np
import pytest
from cmcrameri import cm

from fwi import plots
from fwi.networks.attended import Attended

SPACING = 20.0
RANGE = (1500.0, 4500.0)
NAN = float("nan")


def row(name: str = "test 3", error: float = 100.0) -> plots.SectionRow:
    """Two layers with a block of salt, and an inversion that is too fast above and too slow below."""
    truth = np.full((40, 60), 2000.0)
    truth[20:] = 3000.0
    salt = np.zeros(truth.shape, dtype=bool)
    salt[15:30, 20:40] = True
    truth[salt] = 4500.0
    inversion = truth.copy()
    inversion[:20] += error
    inversion[20:] -= error
    return plots.SectionRow(name, inversion, truth, salt)


def outlines(axes):
    """The vertices [km] of every contour in a panel."""
    from matplotlib.contour import ContourSet

    contours = [child for child in axes.get_children() if isinstance(child, ContourSet)]
    return [path.vertices for contour in contours for path in contour.get_paths()]


def labels_of_colour_bars(figure):
    bars = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    return [axes.get_xlabel() or axes.get_ylabel() for axes in bars]


def colour_at_the_centre(png: bytes):
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(png))
    return tuple(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2])


def test_sections_are_drawn_in_km_with_depth_downward():
    truth = plots.sections([row()], SPACING, RANGE).axes[0]

    left, right, bottom, top = truth.images[0].get_extent()
    assert (truth.get_xlabel(), truth.get_ylabel()) == ("Distance (km)", "Depth (km)")
    assert (left, right) == pytest.approx((-0.01, 1.19))
    assert (bottom, top) == pytest.approx((0.79, -0.01))
    assert truth.yaxis_inverted()
    assert truth.images[0].get_array()[0, 0] == pytest.approx(2.0)


def test_truth_and_inversion_of_all_rows_share_the_velocity_range():
    figure = plots.sections([row("a"), row("b", error=700.0)], SPACING, RANGE)

    velocities = [axes.images[0] for axes in figure.axes[:6] if "difference" not in axes.get_title()]
    assert len(velocities) == 4
    assert {image.get_clim() for image in velocities} == {(1.5, 4.5)}
    assert {image.get_cmap().name for image in velocities} == {"batlow"}
    assert labels_of_colour_bars(figure)[0] == "Velocity (km/s)"


def test_difference_is_inversion_minus_truth_on_one_scale_symmetric_about_zero():
    figure = plots.sections([row("a", error=100.0), row("b", error=500.0)], SPACING, RANGE)

    first, second = figure.axes[2].images[0], figure.axes[5].images[0]
    assert first.get_array()[0, 0] == pytest.approx(0.1)
    assert first.get_array()[-1, 0] == pytest.approx(-0.1)
    assert first.get_clim() == second.get_clim() == pytest.approx((-0.5, 0.5))
    assert first.get_cmap().name == "vik"
    assert labels_of_colour_bars(figure)[1] == "Inversion minus truth (km/s), clipped at ±0.5"


def test_a_few_wild_cells_do_not_set_the_scale_of_the_difference():
    wild = row(error=100.0)
    wild.inversion[0, :5] += 2000.0

    image = plots.sections([wild], SPACING, RANGE).axes[2].images[0]

    assert image.get_clim() == pytest.approx((-0.1, 0.1))


def test_sections_name_the_sample_and_its_mae():
    figure = plots.sections([row("test 7", error=123.0)], SPACING, RANGE)

    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles == ["test 7: truth", "test 7: inversion", "difference, MAE 123 m/s"]


def test_the_outline_of_the_true_salt_is_drawn_where_the_salt_is_in_all_three_panels():
    figure = plots.sections([row()], SPACING, RANGE)

    for axes in figure.axes[:3]:
        vertices = np.concatenate(outlines(axes))
        x, depth = vertices.T
        # Cells 20 to 39 and 15 to 29; the outline runs half way to the neighbouring cells.
        assert (x.min(), x.max()) == pytest.approx((0.39, 0.79))
        assert (depth.min(), depth.max()) == pytest.approx((0.29, 0.59))


def test_a_section_without_salt_has_no_outline():
    without = row()._replace(salt=np.zeros((40, 60), dtype=bool))

    figure = plots.sections([without], SPACING, RANGE)

    assert not any(outlines(axes) for axes in figure.axes[:3])


def test_without_truth_the_inversions_stand_alone():
    rows = [row(name)._replace(truth=None, salt=None) for name in "ab"]

    figure = plots.sections(rows, SPACING, RANGE)

    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in panels] == ["a: inversion", "b: inversion"]
    assert labels_of_colour_bars(figure) == ["Velocity (km/s)"]


def test_a_row_without_truth_leaves_its_places_empty_beside_rows_that_have_one():
    figure = plots.sections([row("a"), row("b")._replace(truth=None)], SPACING, RANGE)

    assert [bool(axes.images) for axes in figure.axes[:6]] == [True, True, True, False, True, False]


def test_truth_on_another_grid_is_refused_with_both_shapes():
    mismatched = row()._replace(truth=np.full((40, 61), 2000.0))

    with pytest.raises(ValueError, match=r"test 3: the truth has shape \(40, 61\).*\(40, 60\).*same grid"):
        plots.sections([mismatched], SPACING, RANGE)


def test_no_sections_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        plots.sections([], SPACING, RANGE)


def test_a_single_model_has_its_title_its_colour_bar_and_its_salt():
    figure = plots.velocity_model(row().truth, SPACING, RANGE, "SEG/EAGE slice", row().salt)

    axes = figure.axes[0]
    assert axes.get_title() == "SEG/EAGE slice"
    assert axes.images[0].get_clim() == (1.5, 4.5)
    assert axes.yaxis_inverted()
    assert len(outlines(axes)) == 1
    assert labels_of_colour_bars(figure) == ["Velocity (km/s)"]


def shot(seed: int = 0):
    return np.random.default_rng(seed).normal(size=(200, 30)), np.arange(30) * 50.0


def test_gathers_show_record_simulation_and_residual_in_the_scale_of_the_record():
    recorded, receiver_x = shot()
    simulated = 0.5 * recorded

    panels = plots.gathers(recorded, simulated, receiver_x, dt=0.01).axes

    # What is drawn is amplitude times time.
    clip = np.percentile(np.abs(recorded * np.arange(200)[:, None] * 0.01), 99)
    meshes = [axes.collections[0] for axes in panels]
    assert [axes.get_title() for axes in panels] == ["Recorded", "Simulated", "Recorded minus simulated"]
    assert all(mesh.get_clim() == pytest.approx((-clip, clip)) for mesh in meshes)
    np.testing.assert_allclose(meshes[2].get_array(), 0.5 * meshes[0].get_array())
    assert {mesh.get_cmap().name for mesh in meshes} == {"gray_r"}


def test_gathers_print_their_clip_and_their_gain():
    recorded, receiver_x = shot()

    figure = plots.gathers(recorded, None, receiver_x, dt=0.01)

    clip = figure.axes[0].collections[0].get_clim()[1]
    note = figure.get_supxlabel()
    assert f"±{clip:.3g} (99th percentile)" in note
    assert "times time" in note


def test_gathers_have_time_downward_in_s_and_distance_in_km():
    recorded, receiver_x = shot()

    axes = plots.gathers(recorded, None, receiver_x, dt=0.01).axes[0]

    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Distance (km)", "Time (s)")
    assert axes.yaxis_inverted()
    assert sorted(axes.get_ylim()) == pytest.approx([-0.005, 1.995])
    assert axes.get_xlim() == pytest.approx((-0.025, 1.475))


def test_traces_stand_at_their_receivers_whatever_their_order():
    recorded, receiver_x = shot()
    shuffled = np.random.default_rng(1).permutation(30)

    in_order = plots.gathers(recorded, None, receiver_x, dt=0.01)
    in_disorder = plots.gathers(recorded[:, shuffled], None, receiver_x[shuffled], dt=0.01)

    assert plots.png(in_order) == plots.png(in_disorder)


def test_a_silent_record_can_be_drawn():
    figure = plots.gathers(np.zeros((20, 4)), None, np.arange(4) * 10.0, dt=0.01)

    assert colour_at_the_centre(plots.png(figure)) == pytest.approx((0.5, 0.5, 0.5, 1), abs=0.01)


def test_versions_of_a_gather_stand_in_rows_in_the_scale_of_the_first():
    recorded, receiver_x = shot()
    panels = [("clean", recorded), ("loud", 10 * recorded), ("dead", 0 * recorded)]

    figure = plots.gather_grid(panels, receiver_x, dt=0.01, columns=2)

    drawn = [axes for axes in figure.axes if axes.collections]
    assert [axes.get_title() for axes in drawn] == ["clean", "loud", "dead"]
    assert len({axes.collections[0].get_clim() for axes in drawn}) == 1
    alone = plots.gathers(recorded, None, receiver_x, dt=0.01)
    assert drawn[1].collections[0].get_clim() == alone.axes[0].collections[0].get_clim()
    assert [axes.get_xlabel() for axes in drawn] == ["", "Distance (km)", "Distance (km)"]
    assert [axes.get_ylabel() for axes in drawn] == ["Time (s)", "", "Time (s)"]


def test_samples_stand_above_their_gathers_and_the_speeds_of_the_set_in_km_per_s():
    truth = row()
    gather = np.random.default_rng(0).normal(size=(50, 4))
    columns = [plots.SampleColumn(name, gather, truth.truth, truth.salt) for name in ("first", "second")]
    histogram = np.array([1500.0, 3000.0, 4500.0]), np.array([0.75, 0.25])

    figure = plots.samples(columns, SPACING, RANGE, np.array([0.0, 60.0, 40.0, 20.0]), 0.01, histogram)

    models, records, speeds = figure.axes[:2], figure.axes[2:4], figure.axes[-1]
    assert [axes.get_title() for axes in models] == ["first", "second"]
    assert all(len(outlines(axes)) == 1 for axes in models)
    drawn = records[0].collections[0].get_array()
    np.testing.assert_allclose(drawn[-1], gather[-1][[0, 3, 2, 1]] * 0.49)
    assert records[0].yaxis_inverted()
    (bars,) = speeds.patches
    np.testing.assert_allclose(bars.get_data().values, [75.0, 25.0])
    np.testing.assert_allclose(bars.get_data().edges, [1.5, 3.0, 4.5])
    assert (speeds.get_xlabel(), speeds.get_ylabel()) == ("Velocity (km/s)", "Cells (%)")


def test_samples_without_models_are_their_gathers_alone():
    figure = plots.samples(
        [plots.SampleColumn("field", np.ones((50, 4)))], SPACING, RANGE, np.arange(4.0), 0.01
    )

    (only,) = figure.axes
    assert only.get_title() == "field"
    assert only.get_ylabel() == "Time (s)"


def test_gathers_of_two_surveys_are_refused():
    recorded, receiver_x = shot()

    with pytest.raises(ValueError, match=r"\(200, 30\).*\(100, 30\).*same survey"):
        plots.gathers(recorded, recorded[:100], receiver_x, dt=0.01)
    with pytest.raises(ValueError, match="29 receiver positions for 30 traces"):
        plots.gathers(recorded, None, receiver_x[1:], dt=0.01)


def attention_of_a_sample(*looked: Attended, receivers: int = 6):
    """A figure of attention over the block of salt, whose middle gathers."""
    truth = row()
    gather = np.random.default_rng(0).normal(size=(50, receivers))
    sample = plots.SampleColumn("test 3, inverted", gather, truth.truth, truth.salt)
    receiver_x = np.arange(receivers)[::-1] * 240.0
    return plots.attention_maps(sample, looked, (22, 30), SPACING, RANGE, receiver_x, 0.01)


def coarse(kind="factor", axes="section", size=(10, 15), stride=(4, 4)) -> Attended:
    """A map that grows from 0.5 at its first cell to 1.5 at its last."""
    values = np.linspace(0.5, 1.5, size[0] * size[1]).reshape(size)
    return Attended("skip 2", "gate", kind, values, axes, stride)


def test_attention_lies_over_the_section_in_km_with_the_inverted_salt():
    figure = attention_of_a_sample(coarse())

    section, panel = figure.axes[:2]
    assert section.get_title() == "test 3, inverted"
    assert panel.get_title() == "skip 2: gate,\nfactors 0.50 to 1.50"
    assert panel.images[0].get_extent() == section.images[0].get_extent()
    assert panel.images[0].get_clim() == (0.5, 1.5)
    np.testing.assert_array_equal(panel.images[0].get_array()[4:8, 8:12], coarse().values[1, 2])
    np.testing.assert_array_equal(outlines(panel)[0], outlines(section)[0])
    assert labels_of_colour_bars(figure) == [
        "Velocity (km/s)",
        "Factor, weight, change or shot, in each panel's range",
    ]


def test_attention_to_the_record_lies_over_its_gather():
    figure = attention_of_a_sample(coarse("weight", "record", (13, 3), (4, 2)))

    panel = figure.axes[1]
    gather, weights = panel.collections
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("Distance (km)", "Time (s)")
    assert panel.yaxis_inverted()
    assert panel.get_title() == "skip 2: gate,\nweights 0.500 to 1.500"
    assert weights.get_clim() == (0.5, 1.5)
    assert gather.get_array().shape == weights.get_array().shape == (50, 6)
    # The first traces of the record are the last along this line.
    spread = np.repeat(np.repeat(coarse("weight", "record", (13, 3)).values, 4, axis=0)[:50], 2, axis=1)
    np.testing.assert_array_equal(weights.get_array(), spread[:, ::-1])


def test_a_star_marks_the_cell_that_gathers():
    figure = attention_of_a_sample(coarse(), coarse("weight"), coarse("weight", "record", (13, 3), (4, 2)))

    stars = [[line.get_xydata().tolist() for line in axes.lines] for axes in figure.axes[:4]]
    assert stars == [[[pytest.approx([0.6, 0.44])]], [], [[pytest.approx([0.6, 0.44])]], []]


def test_factors_of_channels_are_drawn_largest_first():
    factors = np.array([0.9, 1.2, 1.0])

    figure = attention_of_a_sample(Attended("encoder 1", "se", "factor", factors))

    (steps,) = figure.axes[1].patches
    assert steps.get_data().values.tolist() == [1.2, 1.0, 0.9]
    assert figure.axes[1].get_title() == "encoder 1: se,\nfactors 0.90 to 1.20"


def test_panels_of_attention_have_letters_that_are_legible_on_a_page():
    figure = attention_of_a_sample(*[coarse()] * 8)

    width, _ = figure.get_size_inches()
    titles = [axes.title.get_fontsize() for axes in figure.axes if axes.get_title()]
    assert len(titles) == 9
    assert min(titles) / 72 > 0.015 * width  # 9 pixels, where the page gives it 600


@pytest.mark.parametrize("count", [1, 3, 4, 12])
def test_any_number_of_panels_of_attention_has_its_place(count):
    figure = attention_of_a_sample(*[coarse()] * count)

    assert sum(bool(axes.images) for axes in figure.axes if axes.get_label() != "<colorbar>") == count + 1


LOG = """epoch,step,train/loss,validation/loss,validation/mae,learning_rate
,4,,,,0.001
0,9,,0.5,300,
0,9,0.8,,,
,14,,,,0.0005
1,19,0.5,,,
1,19,0.3,,,
1,19,,0.25,150,
"""


def lines(figure):
    """Points of every curve by panel title and legend."""
    return {
        (axes.get_title(), line.get_label()): line.get_xydata().tolist()
        for axes in figure.axes
        for line in axes.lines
    }


def test_curves_of_a_sparse_log_are_drawn_against_completed_epochs(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(LOG)

    drawn = lines(plots.curves(path))

    assert drawn.keys() == {
        ("Loss", "training"),
        ("Loss", "validation"),
        ("Validation MAE (m/s)", "validation"),
        ("Learning rate", "training"),
    }
    assert drawn["Loss", "training"] == [[1, 0.8], [2, pytest.approx(0.4)]]
    assert drawn["Validation MAE (m/s)", "validation"] == [[1, 300], [2, 150]]
    assert drawn["Learning rate", "training"] == [[1, 0.001], [2, 0.0005]]


def test_curves_of_columns_and_of_their_file_are_the_same(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,validation/mae\n0,300\n0,\n1,150\n")
    columns = {"epoch": [0, 0, 1], "validation/mae": [300, NAN, 150]}

    assert lines(plots.curves(path)) == lines(plots.curves(columns))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "epoch,step\n0,9\n",
        "validation/mae\n300\n",
        "epoch,validation/mae\n0,\n",
        "epoch,train/loss\n0,high\n",
    ],
    ids=["empty", "no curve", "no epoch", "nothing logged", "not a number"],
)
def test_a_log_with_nothing_to_draw_is_refused_by_name(tmp_path, text):
    path = tmp_path / "metrics.csv"
    path.write_text(text)

    with pytest.raises(ValueError, match=r"metrics\.csv"):
        plots.curves(path)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.sections([row()], SPACING, RANGE),
        lambda: plots.velocity_model(row().truth, SPACING, RANGE, "a model"),
        lambda: plots.gathers(shot()[0], shot(1)[0], shot()[1], 0.01),
        lambda: plots.curves({"epoch": [0, 1], "train/loss": [0.5, 0.2]}),
        lambda: attention_of_a_sample(coarse(), coarse("weight", "record", (13, 3), (4, 2))),
    ],
    ids=["sections", "model", "gathers", "curves", "attention"],
)
def test_equal_input_gives_equal_bytes(tmp_path, draw):
    plots.save(draw(), tmp_path / "first.png")
    plots.save(draw(), tmp_path / "second.png")

    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_a_saved_figure_shows_what_was_drawn(tmp_path):
    path = tmp_path / "figures" / "model.png"

    plots.save(plots.velocity_model(np.full((40, 60), 4500.0), SPACING, RANGE, "all salt"), path)

    assert colour_at_the_centre(path.read_bytes()) == pytest.approx(cm.batlow(1.0), abs=1 / 255)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        plots.save(plots.curves({"epoch": [0], "train/loss": [0.5]}), path)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_figure_under_another_name_than_png_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"figure\.jpg.*\.png"):
        plots.save(plots.curves({"epoch": [0], "train/loss": [0.5]}), tmp_path / "figure.jpg")


@pytest.mark.parametrize("columns", [60, 120])
def test_the_title_of_a_contradicted_section_stands_clear_of_those_of_its_panels(columns):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    section = np.full((40, columns), 2000.0)
    figure = plots.contradicted(section, np.zeros(section.shape), (400.0, 300.0), SPACING, RANGE, "doubtful")

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    lower_edge = figure.texts[0].get_window_extent(renderer).y0
    titles = [axes.title.get_window_extent(renderer).y1 for axes in figure.axes if axes.get_title()]

    assert len(titles) == 2
    assert lower_edge - max(titles) > 0.05 * figure.dpi


def test_drawing_leaves_no_figure_open_in_pyplot():
    import matplotlib.pyplot as plt

    plots.png(plots.sections([row()], SPACING, RANGE))

    assert plt.get_fignums() == []
