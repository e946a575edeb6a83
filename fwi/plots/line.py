"""The section of a line, with how sure it is and where its records contradict it, one below the other."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fwi.intervals import Interval
from fwi.plots.style import Array, as_float, draw_bands, draw_section, draw_velocity, page, percentile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 10.0
"""Width of the figure [inch]."""
PANEL_HEIGHT = (1.5, 4.5)
"""Least and largest height of one panel [inch]; depth is stretched or pressed to fit."""


def line_section(
    velocity: Array,
    spacing: float,
    velocity_range: tuple[float, float],
    title: str,
    interval: Interval | None = None,
    contradiction: Array | None = None,
    truth: Array | None = None,
) -> "Figure":
    """Draw the section of a line and what is known of it, each over the whole width of the page.

    Args:
        velocity: P-wave speed [m/s], shape ``(depth, x)``.
        spacing: Cell size [m].
        velocity_range: Slowest and fastest speed of the colour scale [m/s].
        title: What is shown, such as the verdict.
        interval: its interval, of which the half-width is drawn, and the bands of top and base of salt.
        contradiction: share of the energy from each place that the section does not explain, same shape.
        truth: the true speed [m/s], same shape, where it is known.
    """
    nz, nx = velocity.shape
    height = float(np.clip(WIDTH * nz / nx, *PANEL_HEIGHT))
    count = 1 + sum(each is not None for each in (interval, contradiction, truth))
    figure = page(WIDTH, count * (height + 0.5) + 0.4)
    axes = iter(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])
    panel: Axes
    if truth is not None:
        panel = next(axes)
        _with_bar(
            figure, panel, draw_velocity(panel, truth, spacing, velocity_range, None), "Velocity (km/s)"
        )
        panel.set_title("truth")
    panel = next(axes)
    _with_bar(figure, panel, draw_velocity(panel, velocity, spacing, velocity_range, None), "Velocity (km/s)")
    told = "section"
    if truth is not None:
        told += f", MAE {np.abs(as_float(velocity) - as_float(truth)).mean():.0f} m/s"
    if interval is not None:
        told += "; bands: top (solid) and base (dashed) of salt"
        draw_bands(panel, interval.top, interval.base, spacing)
    panel.set_title(told)
    if interval is not None:
        panel = next(axes)
        half = (as_float(interval.upper) - as_float(interval.lower)) / 2000
        image = draw_section(panel, half, spacing, "lajolla", (0, percentile([half])))
        _with_bar(figure, panel, image, "Half-width (km/s)")
        panel.set_title("half-width of the interval")
    if contradiction is not None:
        panel = next(axes)
        limits = (0.0, max(1.0, float(contradiction.max())))
        image = draw_section(panel, contradiction, spacing, "lajolla_r", limits)
        _with_bar(figure, panel, image, "Unexplained share")
        panel.set_title("where the records contradict it")
    for panel in figure.axes[:count]:
        panel.set_aspect("auto")
        panel.label_outer()
    figure.suptitle(title)
    return figure


def _with_bar(figure: "Figure", panel: "Axes", image: Any, label: str) -> None:
    figure.colorbar(image, ax=panel, label=label, pad=0.01, aspect=12)
