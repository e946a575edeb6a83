"""Velocity sections: one by itself, or truth, inversion and their difference."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fwi.intervals import Interval
from fwi.plots.style import (
    PANEL_WIDTH,
    Array,
    as_float,
    draw_bands,
    draw_section,
    draw_velocity,
    outline,
    page,
    percentile,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SectionRow(NamedTuple):
    """One sample of a comparison: its inversion and, where they are known, the truth and the salt in it."""

    name: str
    """Title of the row."""
    inversion: Array
    """Velocity [m/s], shape ``(depth, x)``."""
    truth: Array | None = None
    """Velocity [m/s], shape ``(depth, x)``."""
    salt: Array | None = None
    """True where there is salt, shape ``(depth, x)``; its outline is drawn."""
    remark: str = ""
    """Remark in the inversion's title, such as the outcome of its physics check."""


def sections(rows: Sequence[SectionRow], spacing: float, velocity_range: tuple[float, float]) -> "Figure":
    """Draw truth, inversion and their difference, a sample per row, all on the same two colour scales.

    Without any truth, the inversions stand alone. The difference is clipped at its 99th percentile over all
    rows.

    Args:
        rows: The samples, top to bottom.
        spacing: Cell size [m].
        velocity_range: Slowest and fastest speed of the colour scale [m/s].

    Raises:
        ValueError: there are no rows, or a truth or salt mask has another shape than its inversion.
    """
    _refuse_mismatch(rows)
    known = [row for row in rows if row.truth is not None]
    columns = 3 if known else 1
    nz, nx = rows[0].inversion.shape
    height = len(rows) * (PANEL_WIDTH * nz / nx + 0.29) + 1.1
    figure = page(columns * PANEL_WIDTH + 0.6, height)
    axes = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
    limit = percentile([row.inversion - as_float(row.truth) for row in known]) / 1000

    for row, row_axes in zip(rows, axes, strict=True):
        inversion_axes = row_axes[min(1, columns - 1)]
        velocity = draw_velocity(inversion_axes, row.inversion, spacing, velocity_range, row.salt)
        inversion_axes.set_title(", ".join(filter(None, (f"{row.name}: inversion", row.remark))))
        if row.truth is not None:
            draw_velocity(row_axes[0], row.truth, spacing, velocity_range, row.salt)
            row_axes[0].set_title(f"{row.name}: truth")
            error = row.inversion - as_float(row.truth)
            difference = draw_section(row_axes[2], error / 1000, spacing, "vik", (-limit, limit))
            outline(row_axes[2], row.salt, spacing, "limegreen")
            row_axes[2].set_title(f"difference, MAE {np.abs(error).mean():.0f} m/s")
        elif known:
            for empty in (row_axes[0], row_axes[2]):
                empty.set_axis_off()
    for panel in axes.flat:
        panel.label_outer()

    below: dict[str, Any] = {"location": "bottom", "shrink": 0.9, "pad": 0.03 / len(rows)}
    if not known:
        figure.colorbar(velocity, ax=axes, **below, aspect=25, label="Velocity (km/s)")
        return figure
    figure.colorbar(velocity, ax=axes[:, :2], **below, aspect=50, label="Velocity (km/s)")
    label = f"Inversion minus truth (km/s), clipped at ±{limit:.2g}"
    figure.colorbar(difference, ax=axes[:, 2], **below, aspect=25, extend="both", label=label)
    return figure


def velocity_model(
    velocity: Array,
    spacing: float,
    velocity_range: tuple[float, float],
    title: str,
    salt: Array | None = None,
) -> "Figure":
    """Draw one section.

    Args:
        velocity: P-wave speed [m/s], shape ``(depth, x)``.
        spacing: Cell size [m].
        velocity_range: Slowest and fastest speed of the colour scale [m/s].
        title: What is shown.
        salt: True where there is salt, shape ``(depth, x)``; its outline is drawn.
    """
    nz, nx = velocity.shape
    width = 2 * PANEL_WIDTH
    figure = page(width, width * nz / nx * 0.8 + 0.9)
    axes = figure.subplots()
    image = draw_velocity(axes, velocity, spacing, velocity_range, salt)
    axes.set_title(title)
    figure.colorbar(image, ax=axes, label="Velocity (km/s)", pad=0.02)
    return figure


def velocity_interval(
    velocity: Array, interval: Interval, spacing: float, velocity_range: tuple[float, float], title: str
) -> "Figure":
    """Draw a section beside the half-width of its interval, with the bands of top and base of salt on it.

    Args:
        velocity: P-wave speed [m/s], shape ``(depth, x)``.
        interval: its interval.
        spacing: Cell size [m].
        velocity_range: Slowest and fastest speed of the colour scale [m/s].
        title: What is shown.
    """
    nz, nx = velocity.shape
    figure = page(2 * PANEL_WIDTH + 0.6, PANEL_WIDTH * nz / nx + 1.3)
    section, width = figure.subplots(1, 2, sharex=True, sharey=True)
    below: dict[str, Any] = {"location": "bottom", "shrink": 0.9, "pad": 0.03}
    image = draw_velocity(section, velocity, spacing, velocity_range, None)
    draw_bands(section, interval.top, interval.base, spacing)
    section.set_title(title)
    figure.colorbar(image, ax=section, **below, label="Velocity (km/s); bands: top (solid) and base of salt")
    half = (as_float(interval.upper) - as_float(interval.lower)) / 2000
    image = draw_section(width, half, spacing, "lajolla", (0, percentile([half])))
    width.set_title("half-width of the interval")
    figure.colorbar(image, ax=width, **below, extend="max", label="Half-width (km/s)")
    for panel in (section, width):
        panel.label_outer()
    return figure


def _refuse_mismatch(rows: Sequence[SectionRow]) -> None:
    if not rows:
        raise ValueError("no sections to draw: give at least one row")
    for row in rows:
        for what, other in (("truth", row.truth), ("salt mask", row.salt)):
            if other is not None and other.shape != row.inversion.shape:
                raise ValueError(
                    f"{row.name}: the {what} has shape {other.shape} and the inversion {row.inversion.shape} "
                    "(depth, x): give both on the same grid"
                )
