"""The error of a network as its records get worse."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fwi.plots.style import LINE_COLOURS, page

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
"""Panels beside each other."""
FAINT, STRONG = LINE_COLOURS["training"], LINE_COLOURS["validation"]


class StrengthPanel(NamedTuple):
    """One way of making records worse."""

    title: str
    """Title of the panel."""
    strengths: Sequence[str]
    """The strengths, from mild to severe, as they are written below the axis."""
    errors: Sequence[tuple[float | None, float | None, float | None]]
    """Mean error [m/s] at each strength with the ends of its interval; None where there is no error."""


def error_by_strength(
    panels: Sequence[StrengthPanel], clean: float | None, mean_model: float | None
) -> "Figure":
    """Draw the error against the strength, a small panel for each way of making records worse.

    Strengths have different units, so they stand at equal distances, mild to severe, with their values. All
    panels share the axis of the error.

    Args:
        panels: what is drawn.
        clean: Mean error on clean records [m/s], a thin line.
        mean_model: Error of the mean model [m/s], a dashed line.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not panels:
        raise ValueError("no errors to draw: give at least one way of making records worse")
    down = math.ceil(len(panels) / COLUMNS)
    across = min(COLUMNS, len(panels))
    figure = page(2.2 * across + 0.6, 1.75 * down + 0.5, layout="constrained")
    all_axes = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    for axes, panel in zip(all_axes, panels, strict=False):
        _draw(axes, panel, clean, mean_model)
    for axes in all_axes[len(panels) :]:
        axes.set_axis_off()
    all_axes[0].set_ylim(bottom=0)
    figure.supylabel("MAE (m/s)", fontsize="medium")
    note = "Strength, mild to severe; bar: 95 % interval; thin line: clean records; dashed: mean model"
    figure.supxlabel(note, fontsize="small")
    return figure


def _draw(axes: "Axes", panel: StrengthPanel, clean: float | None, mean_model: float | None) -> None:
    if clean is not None:
        axes.axhline(clean, color=FAINT, linewidth=0.8)
    if mean_model is not None:
        axes.axhline(mean_model, color=FAINT, linewidth=1.2, linestyle="--")
    means = [math.nan if mean is None else mean for mean, _, _ in panel.errors]
    axes.plot(range(len(means)), means, "o-", color=STRONG, markersize=4)
    for at, (mean, low, high) in enumerate(panel.errors):
        if mean is None:
            axes.annotate(
                "refused",
                (at, 0.5),
                xycoords=("data", "axes fraction"),
                rotation=90,
                ha="center",
                va="center",
                fontsize="x-small",
                color=FAINT,
            )
        elif low is not None and high is not None:
            axes.plot([at, at], [low, high], "-", color=STRONG, linewidth=1.2)
    axes.set(xticks=range(len(means)), xticklabels=panel.strengths, xlim=(-0.4, len(means) - 0.6))
    axes.set_title(panel.title, fontsize="small")
    axes.tick_params(labelsize="small")
    axes.grid(axis="y", alpha=0.3)
