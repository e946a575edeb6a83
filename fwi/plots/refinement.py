"""The refinement of sections: what it changed, how the misfit fell, and what it explains of the records."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fwi.plots.records import clip_note, clip_of, draw_gather
from fwi.plots.style import (
    LINE_COLOURS,
    PANEL_WIDTH,
    Array,
    as_float,
    draw_section,
    draw_velocity,
    outline,
    page,
    percentile,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAST_STAGE = "all shots"
"""Name of the stage that fits the shots that were held out as well."""
WIDTH = 0.75 * PANEL_WIDTH
"""Width of one of up to five panels in a row [inch]."""


class RefinedRow(NamedTuple):
    """One refined section and, where they are known, the truth and the salt in it."""

    name: str
    """Title of the row."""
    start: Array
    """The section that the refinement began with [m/s], shape ``(depth, x)``."""
    refined: Array
    """The section that it ended with [m/s], same shape."""
    truth: Array | None = None
    """The true model [m/s], same shape."""
    salt: Array | None = None
    """True where there is salt, same shape; its outline is drawn."""
    remark: str = ""
    """Remark in the refined section's title, such as whether it is returned."""


class MisfitPoint(NamedTuple):
    """The misfit after some gradients."""

    gradients: float
    """Number of gradients so far."""
    stage: str
    """Stage of the refinement."""
    misfit: float
    """What is minimised: the misfit of the data, and the penalty of the section."""
    data_misfit: float
    """Misfit with the records alone."""


class GatherRow(NamedTuple):
    """One shot as recorded and as simulated from the section before and after the refinement."""

    name: str
    """Title of the row."""
    recorded: Array
    """Pressure, shape ``(time, receiver)``."""
    before: Array
    """Pressure, same shape."""
    after: Array
    """Pressure, same shape."""
    receiver_x: Array
    """Position of each receiver [m], shape ``(receiver,)``."""


def refined_sections(
    rows: Sequence[RefinedRow], spacing: float, velocity_range: tuple[float, float]
) -> "Figure":
    """Draw start, refined section and their differences from the truth, a sample per row.

    Without any truth the difference is that of the refined section from its start. All sections share one
    colour scale, and all differences another, clipped at their 99th percentile.

    Args:
        rows: the samples, top to bottom.
        spacing: Cell size [m].
        velocity_range: Slowest and fastest speed of the colour scale [m/s].

    Raises:
        ValueError: there are no rows, or what belongs to one differs in shape.
    """
    _refuse_mismatch(rows)
    known = any(row.truth is not None for row in rows)
    panels = [_panels(row, known) for row in rows]
    columns = len(panels[0])
    nz, nx = rows[0].start.shape
    figure = page(columns * WIDTH + 0.6, len(rows) * (WIDTH * nz / nx + 0.4) + 1.1)
    axes = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
    limit = percentile([values for row in panels for _, values, kind in row if kind == "difference"]) / 1000
    sections = 3 if known else 2
    for row, row_axes, drawn in zip(rows, axes, panels, strict=True):
        for panel, (title, values, kind) in zip(row_axes, drawn, strict=True):
            if kind == "none":
                panel.set_axis_off()
            elif kind == "section":
                speeds = draw_velocity(panel, values, spacing, velocity_range, row.salt)
            else:
                differences = draw_section(panel, values / 1000, spacing, "vik", (-limit, limit))
                outline(panel, row.salt, spacing, "limegreen")
            panel.set_title(title, fontsize="small")
            panel.label_outer()
    below: dict[str, Any] = {"location": "bottom", "shrink": 0.9, "pad": 0.04 / len(rows)}
    left, right = axes[:, :sections], axes[:, sections:]
    figure.colorbar(speeds, ax=left, **below, aspect=50, label="Velocity (km/s)")
    of = "Section minus truth" if known else "Refined minus start"
    label = f"{of} (km/s), clipped at ±{limit:.2g}"
    figure.colorbar(differences, ax=right, **below, aspect=35, extend="both", label=label)
    return figure


def misfit_over_gradients(history: Sequence[MisfitPoint], held_out: tuple[float, float] | None) -> "Figure":
    """Draw the misfit against the gradients computed, stage by stage.

    Args:
        history: the misfit after each step, in order.
        held_out: misfit of the shots that were held out, at the start and after the stages that did not fit
            them; None where none were.

    Raises:
        ValueError: there is no history.
    """
    if not history:
        raise ValueError("no history to draw: the refinement ended before its first step")
    figure = page(2 * PANEL_WIDTH, 3.4, layout="constrained")
    axes = figure.subplots()
    stages = list(dict.fromkeys(point.stage for point in history))
    for number, stage in enumerate(stages):
        points = [point for point in history if point.stage == stage]
        gradients = [point.gradients for point in points]
        first = number == 0
        for values, colour, label in (
            ([point.misfit for point in points], LINE_COLOURS["validation"], "with the section's penalty"),
            ([point.data_misfit for point in points], LINE_COLOURS["training"], "of the fitted records"),
        ):
            axes.plot(gradients, values, ".-", color=colour, label=label if first else None, markersize=3)
        if len(stages) > 1:
            axes.axvline(gradients[0], color=LINE_COLOURS["training"], linewidth=0.6, linestyle=":")
            axes.annotate(
                f" {stage}", (gradients[0], 1), xycoords=("data", "axes fraction"), va="top", fontsize="small"
            )
    if held_out is not None and all(np.isfinite(held_out)):
        unseen = [point.gradients for point in history if point.stage != LAST_STAGE] or [0.0]
        axes.plot((0.0, unseen[-1]), held_out, "D", color="#a23b1e", markersize=5, label="of held-out shots")
    axes.set(xlabel="Gradients", ylabel="Misfit", yscale="log")
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def error_over_gradients(lines: Mapping[str, tuple[Array, Array]], label: str) -> "Figure":
    """Draw the error of several refinements against the gradients computed.

    Args:
        lines: number of gradients and error after them, arrays of the shape ``(step,)``, by the name of what
            is compared.
        label: what the error is.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not lines:
        raise ValueError("no errors to draw: give at least one refinement")
    figure = page(2 * PANEL_WIDTH, 3.6, layout="constrained")
    axes = figure.subplots()
    for name, (gradients, errors) in lines.items():
        axes.plot(gradients, errors, label=name, linewidth=1.4)
    axes.set(xlabel="Gradients", ylabel=label)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def residuals(rows: Sequence[GatherRow], dt: float) -> "Figure":
    """Draw shots as recorded and what the section before and after the refinement leaves of them.

    All gathers have the grey scale of the recorded ones: see ``fwi.plots.gathers``.

    Args:
        rows: the shots, top to bottom.
        dt: Time between two samples [s].

    Raises:
        ValueError: there are no rows, or a shot's gathers differ in shape.
    """
    if not rows:
        raise ValueError("no shots to draw: give at least one")
    for row in rows:
        if not row.recorded.shape == row.before.shape == row.after.shape:
            shapes = f"{row.recorded.shape}, {row.before.shape} and {row.after.shape}"
            raise ValueError(f"{row.name}: gathers of shapes {shapes}: give those of one survey")
    clip = clip_of([row.recorded for row in rows], dt)
    figure = page(3 * WIDTH + 0.6, len(rows) * WIDTH + 0.6, layout="constrained")
    axes = figure.subplots(len(rows), 3, sharey=True, squeeze=False)
    for row, row_axes in zip(rows, axes, strict=True):
        panels = {
            f"{row.name}: recorded": row.recorded,
            "minus simulated, before": row.recorded - row.before,
            "minus simulated, after": row.recorded - row.after,
        }
        for panel, (title, gather) in zip(row_axes, panels.items(), strict=True):
            draw_gather(panel, gather, row.receiver_x, dt, clip)
            panel.set_title(title, fontsize="small")
            panel.label_outer()
    figure.supxlabel(clip_note(clip), fontsize="small")
    return figure


def _panels(row: RefinedRow, known: bool) -> list[tuple[str, Array, str]]:
    """Title, values and kind of each panel of a row."""
    refined = ", ".join(filter(None, ("refined", row.remark)))
    sections = [(f"{row.name}: start", row.start, "section"), (refined, row.refined, "section")]
    if not known:
        change = as_float(row.refined) - as_float(row.start)
        title = f"refined minus start, {np.abs(change).mean():.0f} m/s"
        return [*sections, (title, change, "difference")]
    if row.truth is None:
        empty = ("", row.start, "none")
        return [empty, *sections, empty, empty]
    errors = [as_float(section) - as_float(row.truth) for section in (row.start, row.refined)]
    titles = [
        f"{name}: MAE {np.abs(error).mean():.0f} m/s"
        for name, error in zip(("start", "refined"), errors, strict=True)
    ]
    differences = [(title, error, "difference") for title, error in zip(titles, errors, strict=True)]
    return [(f"{row.name}: truth", row.truth, "section"), *sections, *differences]


def _refuse_mismatch(rows: Sequence[RefinedRow]) -> None:
    if not rows:
        raise ValueError("no sections to draw: give at least one row")
    for row in rows:
        for what, other in (("refined section", row.refined), ("truth", row.truth), ("salt mask", row.salt)):
            if other is not None and other.shape != row.start.shape:
                raise ValueError(
                    f"{row.name}: the {what} has shape {other.shape} and the start {row.start.shape} "
                    "(depth, x): give both on the same grid"
                )
