"""Style that all figures share: sections in km, colours, clipping, and saving to files."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
"""Percentile at which amplitudes are clipped, so that a few strong values do not hide the others."""
PANEL_WIDTH = 3.8
"""Width of one panel [inch]: three side by side fill a page."""
LINE_COLOURS = {"training": "#7f8c8d", "validation": "#11467b"}


def page(width: float, height: float, layout: Any = "compressed") -> "Figure":
    """Make an empty figure.

    Args:
        width: width [inches].
        height: height [inches].
        layout: matplotlib's way of arranging axes.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)


def draw_velocity(
    axes: "Axes", velocity: Array, spacing: float, velocity_range: tuple[float, float], salt: Array | None
) -> "AxesImage":
    """Draw a section of speeds in km/s, with the outline of the salt.

    Args:
        axes: where to draw.
        velocity: the section [m/s], shape ``(depth, x)``.
        spacing: size of the cells [m].
        velocity_range: slowest and fastest speed of the colours [m/s].
        salt: true where there is salt, same shape; None for no outline.
    """
    slowest, fastest = velocity_range
    image = draw_section(axes, as_float(velocity) / 1000, spacing, "batlow", (slowest / 1000, fastest / 1000))
    outline(axes, salt, spacing, "black")
    return image


def draw_section(
    axes: "Axes", values: Array, spacing: float, colours: str, limits: tuple[float, float]
) -> "AxesImage":
    """Draw a value for each cell of a section, on axes in km.

    Args:
        axes: where to draw.
        values: the values, shape ``(depth, x)``.
        spacing: size of the cells [m].
        colours: name of a colour map of cmcrameri.
        limits: smallest and largest value of the colours.
    """
    from cmcrameri import cm

    nz, nx = values.shape
    cell = spacing / 1000
    # Positions count from the centre of the first cell, so that cell begins half a cell before zero.
    edges = (-cell / 2, (nx - 0.5) * cell, (nz - 0.5) * cell, -cell / 2)
    axes.set(xlabel="Distance (km)", ylabel="Depth (km)")
    return axes.imshow(values, extent=edges, cmap=getattr(cm, colours), vmin=limits[0], vmax=limits[1])


def outline(axes: "Axes", salt: Array | None, spacing: float, colour: str) -> None:
    """Draw the line around the salt, where there is salt.

    Args:
        axes: where to draw.
        salt: true where there is salt, shape ``(depth, x)``; None for no line.
        spacing: size of the cells [m].
        colour: colour of the line.
    """
    if salt is None or salt.all() or not salt.any():
        return
    nz, nx = salt.shape
    x, depth = np.arange(nx) * spacing / 1000, np.arange(nz) * spacing / 1000
    axes.contour(x, depth, salt.astype(float), levels=[0.5], colors=colour, linewidths=0.9)


def draw_bands(axes: "Axes", top: Array, base: Array, spacing: float) -> None:
    """Draw the bands in which top (solid) and base (dashed) of salt lie.

    Args:
        axes: where to draw.
        top: shallowest and deepest top of salt [m], shape ``(2, x)``; NaN where there is none.
        base: the same for its base.
        spacing: size of the cells [m].
    """
    x = np.arange(top.shape[1]) * spacing / 1000
    for band, style in ((top, "-"), (base, "--")):
        shallow, deep = as_float(band) / 1000
        axes.fill_between(x, shallow, deep, color="black", alpha=0.2, linewidth=0)
        axes.plot(x, shallow, x, deep, color="black", linestyle=style, linewidth=0.8)


def as_float(values: Array | None) -> Array:
    """Convert values of any shape to double precision; the shape is kept."""
    return np.asarray(values, dtype=np.float64)


def percentile(arrays: Sequence[Array]) -> float:
    """Return the amplitude at which to clip gathers of any shape.

    For gathers of zeros any positive number will do.
    """
    if not arrays:
        return 1.0
    amplitudes = np.abs(np.concatenate([array.ravel() for array in arrays]))
    return float(np.percentile(amplitudes, CLIP_PERCENTILE)) or float(amplitudes.max()) or 1.0


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
