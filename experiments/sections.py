"""Sections in files: read for a grid, and written as .npy, picture and SEG-Y."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.headers import SegyError
from data_prep.segy.write import write_section
from fwi import plots
from fwi.config import GridConfig
from fwi.files import read_npy, write_npy
from fwi.intervals import Interval

ENDS = ("lower", "upper")
"""Ends of an interval, by which their files are named."""
SUFFIXES = (".npy", ".png", ".segy")
"""Files of a section."""


def read_section(path: Path, grid: GridConfig, whose: str) -> NDArray[np.float32]:
    """Read a section that fits a grid: velocity [m/s], shape ``(depth, x)``.

    Args:
        path: a .npy.
        grid: the grid.
        whose: description of the grid's owner in messages, such as "the run".

    Raises:
        ValueError: the file is no .npy, or holds another shape, or speeds outside the grid's range.
    """
    shape = (grid.nz, grid.nx)
    velocity = read_npy(path, shape)
    if velocity.shape != shape:
        raise ValueError(f"{path}: shape {velocity.shape}, {whose}'s grid is {shape}")
    slowest, fastest = grid.velocity
    if velocity.dtype.kind not in "fiu":
        raise ValueError(f"{path}: values of type {velocity.dtype}; a section holds speeds in m/s")
    if not ((velocity >= slowest) & (velocity <= fastest)).all():
        raise ValueError(
            f"{path}: speeds of {velocity.min():g} .. {velocity.max():g}, which go outside grid.velocity "
            f"{slowest:g} .. {fastest:g} m/s: give the section in m/s and within that range"
        )
    return velocity.astype(np.float32)


def save(velocity: NDArray[np.float32], stem: Path, grid: GridConfig, provenance: str) -> str:
    """Write a section as .npy, .png and, where its cells fit, SEG-Y; says which.

    Args:
        velocity: the section [m/s], shape ``(depth, x)``.
        stem: the files' name without suffix.
        grid: its grid.
        provenance: origin of the section, for the textual header of SEG-Y.
    """
    write_npy(stem.with_name(f"{stem.name}.npy"), velocity)
    drawn = plots.velocity_model(velocity, grid.spacing, grid.velocity, stem.name)
    plots.save(drawn, stem.with_name(f"{stem.name}.png"))
    try:
        write_section(stem.with_name(f"{stem.name}.segy"), velocity, grid.spacing, provenance)
    except SegyError as error:
        return f".npy, .png (no SEG-Y: {error})"
    return ".npy, .png, .segy"


def save_interval(
    velocity: NDArray[np.float32], found: Interval, stem: Path, grid: GridConfig, provenance: str
) -> str:
    """Write both ends of a section's interval as the section is, and draw it beside the section; says which.

    Args:
        velocity: the section [m/s], shape ``(depth, x)``.
        found: its interval.
        stem: name of the section's files without suffix, to which ``-lower`` and ``-upper`` are added; its
            picture is replaced by one of section and interval.
        grid: its grid.
        provenance: origin of the section and meaning of the interval, for the textual header of SEG-Y.
    """
    for name, end in zip(ENDS, (found.lower, found.upper), strict=True):
        save(end, stem.with_name(f"{stem.name}-{name}"), grid, f"{provenance}, {name} end")
    drawn = plots.velocity_interval(velocity, found, grid.spacing, grid.velocity, stem.name)
    plots.save(drawn, stem.with_name(f"{stem.name}.png"))
    told = f"+-{(found.upper - found.lower).mean() / 2:.0f} m/s on average"
    if not np.isnan(found.top).all():
        shallow, deep = found.top[:, np.nanargmin(found.top[0])]
        told += f", crest of the salt at {shallow:.0f} to {deep:.0f} m"
    return f"{told}; written as {stem}-lower, {stem.name}-upper"
