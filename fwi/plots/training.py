"""The course of a training."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fwi.plots.style import LINE_COLOURS, Array, page

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves(metrics: Path | Mapping[str, Sequence[float]]) -> "Figure":
    """Draw the course of a training against the epochs completed.

    Args:
        metrics: Lightning's metrics.csv, or its columns by name: ``epoch`` and any of ``train/loss``,
            ``validation/loss``, ``learning_rate`` and, by the names of ``fwi.metrics.METRICS``, the metrics
            of validation such as ``validation/mae``.
            A row holds NaN (in the file: nothing) for what was not logged with it; what was logged several
            times in an epoch is averaged.

    Raises:
        ValueError: the file cannot be read, or there is nothing in it to draw.
    """
    columns = _read_csv(metrics) if isinstance(metrics, Path) else metrics
    epoch = _next_known(columns.get("epoch", ()))
    shown = {}
    for label, names in _curves().items():
        lines = {
            legend: _per_epoch(epoch, columns[name]) for name, legend in names.items() if name in columns
        }
        if any(len(values) for _, values in lines.values()):
            shown[label] = lines
    if not shown:
        source = metrics if isinstance(metrics, Path) else "the metrics"
        raise ValueError(
            f"{source}: no finished epoch to draw; it needs the column epoch and one of {_known_curves()}"
        )

    figure = page(3.0 * len(shown), 3.0, layout="constrained")
    all_axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (label, lines) in zip(all_axes, shown.items(), strict=True):
        for legend, (epochs, values) in lines.items():
            axes.plot(epochs, values, marker=".", color=LINE_COLOURS[legend], label=legend)
        axes.set(xlabel="Epoch", title=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if label == "Loss":
            axes.set_yscale("log")
            axes.legend()
    return figure


def _curves() -> dict[str, dict[str, str]]:
    """Legend of each column by the title of its panel and its name."""
    from fwi.metrics import METRICS  # with torch, which other figures do without

    validated = {name: metric for name, metric in METRICS.items() if metric.validated}
    return {
        "Loss": {"train/loss": "training", "validation/loss": "validation"},
        **{of.label("validation"): {f"validation/{name}": "validation"} for name, of in validated.items()},
        "Learning rate": {"learning_rate": "training"},
    }


def _read_csv(path: Path) -> dict[str, list[float]]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {name: [float(row[name] or "nan") for row in rows] for name in (rows[0] if rows else ())}
    except (OSError, UnicodeDecodeError, ValueError, TypeError, csv.Error) as error:
        raise ValueError(f"{path}: not a table of metrics that can be read ({error})") from None


def _next_known(epoch: Sequence[float]) -> Array:
    """Fill the epoch of rows without one: the row that closes their epoch comes after them."""
    filled = np.array(epoch, dtype=float)
    for index in reversed(range(len(filled) - 1)):
        if np.isnan(filled[index]):
            filled[index] = filled[index + 1]
    return filled


def _per_epoch(epoch: Array, values: Sequence[float]) -> tuple[Array, Array]:
    """Average what was logged within each epoch; epochs are counted from one, as completed."""
    logged = np.asarray(values, dtype=float)
    use = np.isfinite(logged) & np.isfinite(epoch) if len(epoch) else np.zeros(len(logged), dtype=bool)
    epochs, group = np.unique(epoch[use] if len(epoch) else logged[use], return_inverse=True)
    return epochs + 1, np.bincount(group, weights=logged[use]) / np.maximum(np.bincount(group), 1)


def _known_curves() -> str:
    return ", ".join(name for names in _curves().values() for name in names)
