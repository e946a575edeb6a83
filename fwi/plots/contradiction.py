"""A section beside the map of where its records contradict it."""

from typing import TYPE_CHECKING

from fwi.plots.style import PANEL_WIDTH, Array, draw_section, draw_velocity, page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE_GAP = 0.1
"""Margin above and below each panel [inch]: less, and the title of the figure touches those of the panels."""


def contradicted(
    velocity: Array,
    contradiction: Array,
    place: tuple[float, float],
    spacing: float,
    velocity_range: tuple[float, float],
    title: str,
) -> "Figure":
    """Draw a section, and beside it where the records contradict it.

    Args:
        velocity: P-wave speed [m/s], shape ``(depth, x)``.
        contradiction: share of the energy from each place that the section does not explain, same shape.
        place: where the contradiction is strongest, along the line and in depth [m]; a cross is drawn there.
        spacing: Cell size [m].
        velocity_range: Slowest and fastest speed of the colour scale [m/s].
        title: What is shown, such as the verdict.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    nz, nx = velocity.shape
    apart = ConstrainedLayoutEngine(compress=True, h_pad=TITLE_GAP)
    figure = page(2 * PANEL_WIDTH + 0.6, PANEL_WIDTH * nz / nx + 1.7, apart)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    speeds = draw_velocity(left, velocity, spacing, velocity_range, None)
    shares = draw_section(
        right, contradiction, spacing, "lajolla_r", (0.0, max(1.0, float(contradiction.max())))
    )
    left.set_title("section")
    right.set_title("where the records contradict it")
    for axes in (left, right):
        axes.plot(place[0] / 1000, place[1] / 1000, "x", color="black", markersize=9, markeredgewidth=2)
        axes.label_outer()
    figure.suptitle(title)
    figure.colorbar(speeds, ax=left, location="bottom", label="Velocity (km/s)")
    figure.colorbar(shares, ax=right, location="bottom", label="Unexplained share")
    return figure
