"""Figures: velocity sections, shot gathers and training curves.

Everything that comes in is in SI units; kilometres and km/s exist in this file alone. The figures are built
on matplotlib's Figure itself, without pyplot: no window, no global state, nothing that has to be closed.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwi.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = NDArray[Any]

DPI = 150
CLIP_PERCENTILE = 99
"""Beyond this percentile of amplitudes, a few strong values would leave the rest without contrast."""
PANEL_WIDTH = 3.8
"""Width of one panel [inch]: three side by side fill a page."""


class SectionRow(NamedTuple):
    """One sample of a comparison: its inversion and, where they are known, the truth and the salt in it."""

    name: str
    inversion: Array
    """Velocity [m/s], shape ``(depth, x)``."""
    truth: Array | None = None
    """Velocity [m/s], shape ``(depth, x)``."""
    salt: Array | None = None
    """True where there is salt, shape ``(depth, x)``; its outline is drawn."""
    remark: str = ""
    """Said of the inversion in its title, such as the outcome of its physics check."""


class SampleColumn(NamedTuple):
    """One sample of a data set: its model, where that is known, and one of its gathers."""

    name: str
    gather: Array
    """Pressure, shape ``(time, receiver)``."""
    velocity: Array | None = None
    """Velocity [m/s], shape ``(depth, x)``."""
    salt: Array | None = None
    """True where there is salt, shape ``(depth, x)``; its outline is drawn."""


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
    figure = _figure(columns * PANEL_WIDTH + 0.6, height)
    axes = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
    limit = _percentile([row.inversion - _float(row.truth) for row in known]) / 1000

    for row, row_axes in zip(rows, axes, strict=True):
        inversion_axes = row_axes[min(1, columns - 1)]
        velocity = _draw_velocity(inversion_axes, row.inversion, spacing, velocity_range, row.salt)
        inversion_axes.set_title(", ".join(filter(None, (f"{row.name}: inversion", row.remark))))
        if row.truth is not None:
            _draw_velocity(row_axes[0], row.truth, spacing, velocity_range, row.salt)
            row_axes[0].set_title(f"{row.name}: truth")
            error = row.inversion - _float(row.truth)
            difference = _draw_section(row_axes[2], error / 1000, spacing, "vik", (-limit, limit))
            _outline(row_axes[2], row.salt, spacing, "limegreen")
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
    figure = _figure(width, width * nz / nx * 0.8 + 0.9)
    axes = figure.subplots()
    image = _draw_velocity(axes, velocity, spacing, velocity_range, salt)
    axes.set_title(title)
    figure.colorbar(image, ax=axes, label="Velocity (km/s)", pad=0.02)
    return figure


def gathers(
    recorded: Array,
    simulated: Array | None,
    receiver_x: Array,
    dt: float,
    names: tuple[str, str] = ("Recorded", "Simulated"),
) -> "Figure":
    """Draw one shot as recorded, as simulated, and what is left, all in the grey scale of the record.

    Amplitudes are multiplied by time, which makes up for most of the spreading of the waves: without it the
    direct wave leaves nothing of the reflections to see. They are clipped at the 99th percentile of the
    record, and the figure says so, and at what value.

    Args:
        recorded: Pressure, shape ``(time, receiver)``.
        simulated: Pressure of the same shape, or None to show the record alone.
        receiver_x: Position of each receiver [m], shape ``(receiver,)``, in any order.
        dt: Time between two samples [s].
        names: What the two gathers are called.

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
    along_line = np.argsort(receiver_x, kind="stable")
    distance = np.asarray(receiver_x)[along_line] / 1000
    time = np.arange(recorded.shape[0])[:, np.newaxis] * dt
    clip = _percentile([recorded * time])

    figure = _figure(len(panels) * PANEL_WIDTH + 0.6, 5.4)
    all_axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    grey: dict[str, Any] = {"cmap": "gray_r", "vmin": -clip, "vmax": clip, "shading": "nearest"}
    for axes, (name, gather) in zip(all_axes, panels.items(), strict=True):
        axes.pcolormesh(distance, time[:, 0], gather[:, along_line] * time, **grey)
        axes.set(title=name, xlabel="Distance (km)", ylabel="Time (s)")
        axes.label_outer()
    all_axes[0].invert_yaxis()
    note = f"Amplitude times time, black positive; clip ±{clip:.3g} ({CLIP_PERCENTILE}th percentile)"
    figure.supxlabel(note, fontsize="small")
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
    figure = _figure(len(columns) * PANEL_WIDTH + 0.6, 2.6 * sum(heights), layout="constrained")
    grid = figure.add_gridspec(len(heights), len(columns), height_ratios=heights)
    models = [figure.add_subplot(grid[0, index]) for index in range(len(modelled))]
    records = [figure.add_subplot(grid[1 if modelled else 0, index]) for index in range(len(columns))]

    for axes, column in zip(models, modelled, strict=True):
        image = _draw_velocity(axes, _float(column.velocity), spacing, velocity_range, column.salt)
        axes.set_title(column.name, fontsize="small")
    if modelled:
        figure.colorbar(image, ax=models, label="Velocity (km/s)")
    along_line = np.argsort(receiver_x, kind="stable")
    distance = np.asarray(receiver_x)[along_line] / 1000
    time = np.arange(columns[0].gather.shape[0])[:, np.newaxis] * dt
    clip = _percentile([column.gather * time for column in columns])
    for axes, column in zip(records, columns, strict=True):
        shown = column.gather[:, along_line] * time
        axes.pcolormesh(distance, time[:, 0], shown, cmap="gray_r", vmin=-clip, vmax=clip, shading="nearest")
        axes.invert_yaxis()
        axes.set(xlabel="Distance (km)", ylabel="Time (s)")
        if not modelled:
            axes.set_title(column.name, fontsize="small")
    for axes in models[1:] + records[1:]:
        axes.set_ylabel("")
    if histogram is not None:
        edges, share = histogram
        axes = figure.add_subplot(grid[-1, :])
        axes.stairs(100 * share, edges / 1000, fill=True, color=_LINE_COLOURS["validation"])
        axes.set(xlabel="Velocity (km/s)", ylabel="Cells (%)")
    note = f"Amplitude times time, black positive; clip ±{clip:.3g} ({CLIP_PERCENTILE}th percentile)"
    figure.suptitle(note, fontsize="small")
    return figure


def curves(metrics: Path | Mapping[str, Sequence[float]]) -> "Figure":
    """Draw the course of a training against the epochs completed.

    Args:
        metrics: Lightning's metrics.csv, or its columns by name: ``epoch`` and any of ``train/loss``,
            ``validation/loss``, ``validation/mae`` [m/s], ``validation/salt_iou`` and ``learning_rate``.
            A row holds NaN (in the file: nothing) for what was not logged with it; what was logged several
            times in an epoch is averaged.

    Raises:
        ValueError: the file cannot be read, or there is nothing in it to draw.
    """
    columns = _read_csv(metrics) if isinstance(metrics, Path) else metrics
    epoch = _next_known(columns.get("epoch", ()))
    shown = {}
    for label, names in _CURVES.items():
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

    figure = _figure(3.0 * len(shown), 3.0, layout="constrained")
    all_axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (label, lines) in zip(all_axes, shown.items(), strict=True):
        for legend, (epochs, values) in lines.items():
            axes.plot(epochs, values, marker=".", color=_LINE_COLOURS[legend], label=legend)
        axes.set(xlabel="Epoch", title=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if label == "Loss":
            axes.set_yscale("log")
            axes.legend()
    return figure


def png(figure: "Figure") -> bytes:
    """Render a figure; equal figures give equal bytes, for neither time nor software is noted in them."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def save(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG; the file appears whole or not at all.

    Raises:
        ValueError: the name does not end in .png.
    """
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path}: figures are written as PNG; let the name end in .png")
    write_whole(path, png(figure))


_CURVES = {
    "Loss": {"train/loss": "training", "validation/loss": "validation"},
    "Validation MAE (m/s)": {"validation/mae": "validation"},
    "Validation salt IoU": {"validation/salt_iou": "validation"},
    "Learning rate": {"learning_rate": "training"},
}
_LINE_COLOURS = {"training": "#7f8c8d", "validation": "#11467b"}


def _figure(width: float, height: float, layout: Any = "compressed") -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)


def _draw_velocity(
    axes: "Axes", velocity: Array, spacing: float, velocity_range: tuple[float, float], salt: Array | None
) -> "AxesImage":
    slowest, fastest = velocity_range
    image = _draw_section(axes, _float(velocity) / 1000, spacing, "batlow", (slowest / 1000, fastest / 1000))
    _outline(axes, salt, spacing, "black")
    return image


def _draw_section(
    axes: "Axes", values: Array, spacing: float, colours: str, limits: tuple[float, float]
) -> "AxesImage":
    from cmcrameri import cm

    nz, nx = values.shape
    cell = spacing / 1000
    # Positions count from the centre of the first cell, so that cell begins half a cell before zero.
    edges = (-cell / 2, (nx - 0.5) * cell, (nz - 0.5) * cell, -cell / 2)
    axes.set(xlabel="Distance (km)", ylabel="Depth (km)")
    return axes.imshow(values, extent=edges, cmap=getattr(cm, colours), vmin=limits[0], vmax=limits[1])


def _outline(axes: "Axes", salt: Array | None, spacing: float, colour: str) -> None:
    if salt is None or salt.all() or not salt.any():
        return
    nz, nx = salt.shape
    x, depth = np.arange(nx) * spacing / 1000, np.arange(nz) * spacing / 1000
    axes.contour(x, depth, salt.astype(float), levels=[0.5], colors=colour, linewidths=0.9)


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


def _float(values: Array | None) -> Array:
    return np.asarray(values, dtype=np.float64)


def _percentile(arrays: Sequence[Array]) -> float:
    """The amplitude at which to clip; of silence, any."""
    if not arrays:
        return 1.0
    amplitudes = np.abs(np.concatenate([array.ravel() for array in arrays]))
    return float(np.percentile(amplitudes, CLIP_PERCENTILE)) or float(amplitudes.max()) or 1.0


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
    return ", ".join(name for names in _CURVES.values() for name in names)
