"""Variants of a study beside each other."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fwi.plots.style import LINE_COLOURS, page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTE_WIDTH = 6.0
"""Width of the note below the panels [inch]."""
FAINT, STRONG = LINE_COLOURS["training"], LINE_COLOURS["validation"]


class Dots(NamedTuple):
    """A variant's score."""

    mean: float
    """Mean over the trainings."""
    by_seed: Sequence[float]
    """The score of each training."""
    bar: tuple[float, float] | None
    """Interval of the mean relative to the reference; None for the reference and for a single training."""


def dots_and_bars(panels: Mapping[str, Mapping[str, Dots]], reference: str) -> "Figure":
    """Draw scores with their intervals, a panel per metric and a row per variant.

    A panel is as wide as its dots: of three seeds that differ widely, the bar runs off it on either side.

    Args:
        panels: what is drawn, by metric and variant.
        reference: the variant whose mean is a vertical line; a bar that misses the line differs from it.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not panels:
        raise ValueError("no scores to draw: give at least one metric")
    rows = max(len(panel) for panel in panels.values())
    figure = page(max(3.0 * len(panels) + 1.0, NOTE_WIDTH), 0.3 * rows + 1.4, layout="constrained")
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    for axes, (label, panel) in zip(all_axes, panels.items(), strict=True):
        for name, dots in panel.items():
            row = names.index(name)
            if dots.bar is not None:
                axes.plot(dots.bar, [row, row], "-", color=STRONG, linewidth=2)
            axes.plot(dots.mean, row, "D", color=STRONG, markersize=6)
            seeds = {"color": "white", "markeredgecolor": FAINT, "markersize": 4}
            axes.plot(dots.by_seed, [row] * len(dots.by_seed), "o", **seeds)
        if reference in panel:
            axes.axvline(panel[reference].mean, color=FAINT, linewidth=1, zorder=0)
        axes.set(title=label, yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        dots_at = [value for dots in panel.values() for value in (dots.mean, *dots.by_seed)]
        margin = 0.25 * (max(dots_at) - min(dots_at)) or 1.0
        axes.set_xlim(min(dots_at) - margin, max(dots_at) + margin)
        axes.title.set_size("medium")
        axes.grid(axis="x", alpha=0.3)
    note = f"Large: mean; small: seeds; bar: 95 % interval of the difference to {reference}, the grey line"
    figure.supxlabel(note, fontsize="small")
    return figure
