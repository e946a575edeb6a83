"""Settings and results of a benchmark: figures measured turn by turn, and their table."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fwi.config import StudyConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure


class Bench(NamedTuple):
    """Settings of a benchmark."""

    study: StudyConfig
    samples: int | None
    """None: as many as the measurement needs."""
    workers: int
    folder: Path
    """Temporary: where data sets and runs are made."""
    repeats: int
    variants: tuple[Path, ...] = ()
    """Studies that are merged over this one, each by itself."""
    only: tuple[str, ...] = ()
    """Which cases to measure; none is all."""
    run: Path | None = None
    """A trained run, whose sections are refined."""


class Result(NamedTuple):
    """The results of a benchmark."""

    samples: int
    rows: list[tuple[str, ...]]
    """The table, its head first."""
    figures: list[dict[str, Any]]
    """The same as plain values, turn by turn."""
    notes: Sequence[str] = ()
    """Lines below the table."""
    drawn: "Callable[[], MatplotlibFigure] | None" = None
    """Draws a figure of the results."""


class Figure(NamedTuple):
    """A quantity measured turn by turn."""

    name: str
    unit: str
    turns: list[float]
    meaning: str
    target: float | None = None

    @property
    def value(self) -> float:
        """The median over the turns."""
        return statistics.median(self.turns)

    def by(self, other: "Figure", name: str, meaning: str, target: float | None = None) -> "Figure":
        """Divide by another figure, turn by turn."""
        ratios = [value / reference for value, reference in zip(self.turns, other.turns, strict=True)]
        return Figure(name, "x", ratios, meaning, target)


def result(samples: int, figures: Sequence[Figure]) -> Result:
    """The table of some figures."""
    rows: list[tuple[str, ...]] = [("", "median", "lowest .. highest", "target", "what it is")]
    for figure in figures:
        spread = f"{number(min(figure.turns))} .. {number(max(figure.turns))}"
        target = f"{figure.target:g}" if figure.target else ""
        rows.append((figure.name, f"{number(figure.value)} {figure.unit}", spread, target, figure.meaning))
    return Result(samples, rows, [{**figure._asdict(), "value": figure.value} for figure in figures])


def growth(large: Figure, peak: float, samples: int) -> list[Figure]:
    """The peak of memory with a quarter of the set, and what the whole set adds."""
    small = Figure(
        f"peak, {samples} samples", "MB", [peak] * len(large.turns), "the same with a quarter of the set"
    )
    return [small, large.by(small, "memory", "peak by peak: 1 where memory does not grow with the data set")]


def cell_updates(study: StudyConfig) -> int:
    """Cell updates that a sample takes: cells with their absorbing layer, times time steps, times shots."""
    grid, width = study.grid, study.physics.pml_width
    above = 0 if study.survey.top == "free" else width
    return (grid.nz + width + above) * (grid.nx + 2 * width) * study.survey.nt * study.survey.shots


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of a table as text, columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
