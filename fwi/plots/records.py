"""Shot gathers: recorded beside simulated, or below the models that they were recorded over."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fwi.plots.style import (
    CLIP_PERCENTILE,
    LINE_COLOURS,
    PANEL_WIDTH,
    Array,
    as_float,
    draw_velocity,
    page,
    percentile,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID_PANEL = (2.5, 2.9)
"""Width and height of one of many gathers [inch]."""


class SampleColumn(NamedTuple):
    """One sample of a data set: its model, where that is known, and one of its gathers."""

    name: str
    """Title of the column."""
    gather: Array
    """Pressure, shape ``(time, receiver)``."""
    velocity: Array | None = None
    """Velocity [m/s], shape ``(depth, x)``."""
    salt: Array | None = None
    """True where there is salt, shape ``(depth, x)``; its outline is drawn."""


def gathers(
    recorded: Array,
    simulated: Array | None,
    receiver_x: Array,
    dt: float,
    names: tuple[str, str] = ("Recorded", "Simulated"),
) -> "Figure":
    """Draw one shot as recorded, as simulated, and their difference, all in the grey scale of the record.

    Amplitudes are multiplied by time to compensate most of the geometrical spreading; otherwise the direct
    wave would hide the reflections. They are clipped at the 99th percentile of the record, which the figure
    states with its value.

    Args:
        recorded: Pressure, shape ``(time, receiver)``.
        simulated: Pressure of the same shape, or None to show the record alone.
        receiver_x: Position of each receiver [m], shape ``(receiver,)``, in any order.
        dt: Time between two samples [s].
        names: Titles of the two gathers.

    Raises:
        ValueError: the gathers differ in shape, or the receivers are not one per trace.
    """
    if simulated is not None and simulated.shape != recorded.shape:
        raise ValueError(
            f"{names[0]} has shape {recorded.shape} and {names[1]} {simulated.shape} (time, receiver): "
            "compare gathers of the same survey, sampled alike"
        )
    if len(receiver_x) != recorded.shape[1]:
        raise ValueError(
            f"{len(receiver_x)} receiver positions for {recorded.shape[1]} traces: give one per trace of "
            "(time, receiver)"
        )
    panels = {names[0]: recorded}
    if simulated is not None:
        panels |= {names[1]: simulated, f"{names[0]} minus {names[1].lower()}": recorded - simulated}
    clip = clip_of([recorded], dt)

    figure = page(len(panels) * PANEL_WIDTH + 0.6, 5.4)
    all_axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, gather) in zip(all_axes, panels.items(), strict=True):
        draw_gather(axes, gather, receiver_x, dt, clip)
        axes.set_title(name)
        axes.label_outer()
    figure.supxlabel(clip_note(clip), fontsize="small")
    return figure


def gather_grid(
    panels: Sequence[tuple[str, Array]], receiver_x: Array, dt: float, columns: int = 5
) -> "Figure":
    """Draw versions of one gather in rows, all in the grey scale of the first.

    Args:
        panels: Title and pressure ``(time, receiver)`` of each version.
        receiver_x: Position of each receiver [m], shape ``(receiver,)``, in any order.
        dt: Time between two samples [s].
        columns: Number of panels in a row.
    """
    rows, clip = -(-len(panels) // columns), clip_of([panels[0][1]], dt)
    figure = page(columns * GRID_PANEL[0] + 0.6, rows * GRID_PANEL[1] + 0.5, layout="constrained")
    all_axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (title, gather) in zip(all_axes, panels, strict=False):
        draw_gather(axes, gather, receiver_x, dt, clip)
        axes.set_title(title, fontsize="medium")
    for number, axes in enumerate(all_axes):
        if number >= len(panels):
            axes.set_axis_off()
        if number % columns:
            axes.set_ylabel("")
        if number + columns < len(panels):
            axes.set_xlabel("")
        else:
            axes.tick_params(labelbottom=True)
    figure.suptitle(clip_note(clip), fontsize="medium")
    return figure


def samples(
    columns: Sequence[SampleColumn],
    spacing: float,
    velocity_range: tuple[float, float],
    receiver_x: Array,
    dt: float,
    histogram: tuple[Array, Array] | None = None,
) -> "Figure":
    """Draw samples of a data set side by side, models above gathers, and the speeds of the set below.

    Args:
        columns: The samples, left to right; all with a model, or none.
        spacing: Cell size [m].
        velocity_range: Slowest and fastest speed of the colour scale [m/s].
        receiver_x: Position of each receiver of the gathers [m], shape ``(receiver,)``.
        dt: Time between two samples of a trace [s].
        histogram: Edges of bins of speed [m/s] and the share of cells in each.
    """
    modelled = [column for column in columns if column.velocity is not None]
    heights = [*([1.0] if modelled else []), 1.4, *([0.7] if histogram else [])]
    figure = page(len(columns) * PANEL_WIDTH + 0.6, 2.6 * sum(heights), layout="constrained")
    grid = figure.add_gridspec(len(heights), len(columns), height_ratios=heights)
    models = [figure.add_subplot(grid[0, index]) for index in range(len(modelled))]
    records = [figure.add_subplot(grid[1 if modelled else 0, index]) for index in range(len(columns))]

    for axes, column in zip(models, modelled, strict=True):
        image = draw_velocity(axes, as_float(column.velocity), spacing, velocity_range, column.salt)
        axes.set_title(column.name, fontsize="small")
    if modelled:
        figure.colorbar(image, ax=models, label="Velocity (km/s)")
    clip = clip_of([column.gather for column in columns], dt)
    for axes, column in zip(records, columns, strict=True):
        draw_gather(axes, column.gather, receiver_x, dt, clip)
        if not modelled:
            axes.set_title(column.name, fontsize="small")
    for axes in models[1:] + records[1:]:
        axes.set_ylabel("")
    if histogram is not None:
        edges, share = histogram
        axes = figure.add_subplot(grid[-1, :])
        axes.stairs(100 * share, edges / 1000, fill=True, color=LINE_COLOURS["validation"])
        axes.set(xlabel="Velocity (km/s)", ylabel="Cells (%)")
    figure.suptitle(clip_note(clip), fontsize="small")
    return figure


def draw_gather(axes: "Axes", gather: Array, receiver_x: Array, dt: float, clip: float) -> None:
    """Draw amplitudes times time in grey, black positive, traces along the line and time downward.

    Args:
        axes: where to draw.
        gather: pressure, shape ``(time, receiver)``.
        receiver_x: positions of the receivers [m], shape ``(receiver,)``.
        dt: interval of the samples [s].
        clip: amplitude times time that is drawn as black.
    """
    along_line = np.argsort(receiver_x, kind="stable")
    distance, time = np.asarray(receiver_x)[along_line] / 1000, np.arange(len(gather)) * dt
    shown = gather[:, along_line] * time[:, np.newaxis]
    axes.pcolormesh(distance, time, shown, cmap="gray_r", vmin=-clip, vmax=clip, shading="nearest")
    axes.set(xlabel="Distance (km)", ylabel="Time (s)")
    if not axes.yaxis_inverted():
        axes.invert_yaxis()


def clip_of(gathers: Sequence[Array], dt: float) -> float:
    """Return the amplitude times time at which gathers are clipped.

    Args:
        gathers: gathers that are drawn alike, shape ``(time, receiver)`` each.
        dt: interval of the samples [s].
    """
    return percentile([gather * np.arange(len(gather))[:, np.newaxis] * dt for gather in gathers])


def clip_note(clip: float) -> str:
    """The scale of a figure of gathers, in words."""
    return f"Amplitude times time, black positive; clip ±{clip:.3g} ({CLIP_PERCENTILE}th percentile)"
