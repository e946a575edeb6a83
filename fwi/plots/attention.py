"""Attention maps of a network, drawn over the inverted section and over the record."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fwi.plots.records import SampleColumn, clip_of, draw_gather
from fwi.plots.style import (
    LINE_COLOURS,
    PANEL_WIDTH,
    Array,
    as_float,
    draw_section,
    draw_velocity,
    outline,
    page,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    from fwi.networks.attended import Attended

COLUMNS = 3
"""Panels beside each other: with more, the letters of a figure as wide as a page are too small to read."""
COLOURS = "lajolla"
SALT = "dodgerblue"


def attention_maps(
    sample: SampleColumn,
    looked: "Sequence[Attended]",
    cell: tuple[int, int],
    spacing: float,
    velocity_range: tuple[float, float],
    receiver_x: Array,
    dt: float,
) -> "Figure":
    """Draw an inverted section and, panel by panel, the map of each attention mechanism of the network.

    Maps on the record's axes are drawn over the gather, the others on the section's axes; factors that are
    constant over a map are drawn as one step per channel. Every panel has its own colour range, given in its
    title. The line is the outline of the inverted salt, the star the cell whose weights are shown.

    Args:
        sample: the record's name, one of its gathers, and the inverted section and salt.
        looked: the attention maps, in the order of the panels.
        cell: row and column of the section whose weights are shown.
        spacing: cell size [m].
        velocity_range: slowest and fastest speed of the colour scale [m/s].
        receiver_x: position of each receiver of the gather [m], shape ``(receiver,)``.
        dt: time between two samples of a trace [s].
    """
    velocity = as_float(sample.velocity)
    nz, nx = velocity.shape
    columns = min(COLUMNS, len(looked) + 1)
    rows = math.ceil((len(looked) + 1) / columns)
    width = 0.75 * PANEL_WIDTH
    figure = page(columns * width + 0.6, rows * (width * nz / nx + 0.65) + 1.0)
    grid = figure.subplots(rows, columns, squeeze=False)
    axes = grid.ravel().tolist()
    for empty in axes[len(looked) + 1 :]:
        empty.set_axis_off()

    speeds = draw_velocity(axes[0], velocity, spacing, velocity_range, sample.salt)
    axes[0].set_title(sample.name, fontsize="medium")
    for panel, look in zip(axes[1:], looked, strict=False):
        if look.values.ndim == 1:
            _draw_steps(panel, look)
        elif look.axes == "record":
            _draw_over_gather(panel, look, sample.gather, receiver_x, dt)
        else:
            _draw_over_section(panel, look, sample, spacing)
        panel.set_title(_title(look), fontsize="medium")
        panel.set_box_aspect(nz / nx)
        if look.kind == "weight" and look.axes == "section":
            _mark(panel, cell, spacing)
    if any(look.kind == "weight" for look in looked):
        _mark(axes[0], cell, spacing)
    _label_outer(axes[: len(looked) + 1], columns)

    below: dict[str, Any] = {"location": "bottom", "shrink": 0.8, "pad": 0.04 / rows, "aspect": 30}
    figure.colorbar(speeds, ax=grid[:, : columns // 2], label="Velocity (km/s)", **below)
    scale = figure.colorbar(
        _own_range(),
        ax=grid[:, columns // 2 :],
        label="Factor, weight, change or shot, in each panel's range",
        **below,
    )
    scale.set_ticks([0, 1], labels=["least", "most"])
    return figure


def _draw_steps(axes: "Axes", look: "Attended") -> None:
    factors = np.sort(look.values)[::-1]
    axes.axhline(1.0, color=LINE_COLOURS["training"], linewidth=0.8)
    axes.stairs(factors, baseline=None, color=LINE_COLOURS["validation"], linewidth=1.5)
    axes.set(xlabel="Channels, largest first", ylabel="Factor")


def _draw_over_section(axes: "Axes", look: "Attended", sample: SampleColumn, spacing: float) -> None:
    shown = look.spread(*as_float(sample.velocity).shape)
    draw_section(axes, shown, spacing, COLOURS, _range(look))
    outline(axes, sample.salt, spacing, SALT)


def _draw_over_gather(axes: "Axes", look: "Attended", gather: Array, receiver_x: Array, dt: float) -> None:
    """Lay the weights over the gather, which shines through."""
    from cmcrameri import cm

    draw_gather(axes, gather, receiver_x, dt, clip_of([gather], dt))
    along_line = np.argsort(receiver_x, kind="stable")
    shown = look.spread(*gather.shape)[:, along_line]
    distance, time = np.asarray(receiver_x)[along_line] / 1000, np.arange(len(gather)) * dt
    low, high = _range(look)
    axes.pcolormesh(
        distance, time, shown, cmap=getattr(cm, COLOURS), vmin=low, vmax=high, alpha=0.6, shading="nearest"
    )


def _mark(axes: "Axes", cell: tuple[int, int], spacing: float) -> None:
    depth, x = (number * spacing / 1000 for number in cell)
    axes.plot(x, depth, "*", color="white", markeredgecolor="black", markersize=9)


def _own_range() -> "ScalarMappable":
    from cmcrameri import cm
    from matplotlib.cm import ScalarMappable

    return ScalarMappable(cmap=getattr(cm, COLOURS))


def _range(look: "Attended") -> tuple[float, float]:
    return float(look.values.min()), float(look.values.max())


def _title(look: "Attended") -> str:
    low, high = _range(look)
    if look.kind == "change":
        return f"without one of the shots:\nchange up to {high:.0f} m/s"
    if look.kind == "shot":
        return f"which shot that is:\nat {low / 1000:.2f} to {high / 1000:.2f} km"
    digits = 3 if look.kind == "weight" else 2
    return f"{look.place}: {look.mechanism},\n{look.kind}s {low:.{digits}f} to {high:.{digits}f}"


def _label_outer(panels: "Sequence[Axes]", columns: int) -> None:
    """Leave out what a section's neighbour to the left or below says as well."""
    for index, panel in enumerate(panels):
        if panel.get_ylabel() != "Depth (km)":
            continue
        if index % columns:
            panel.set_ylabel("")
            panel.tick_params(labelleft=False)
        if index + columns < len(panels):
            panel.set_xlabel("")
            panel.tick_params(labelbottom=False)
