"""Sections in files: read for a grid, and written as .npy, picture and SEG-Y."""

from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from data_prep.segy.headers import SegyError
from data_prep.segy.write import write_section
from fwi import plots
from fwi.config import GridConfig, StudyConfig
from fwi.files import read_npy, write_npy, write_whole
from fwi.intervals import Interval, UncalibratedError
from fwi.lines import Line, LineVerdict
from fwi.refine import Refined
from fwi.refined_section import RefinedInterval

ENDS = ("lower", "upper")
"""Ends of an interval, by which their files are named."""
LONG = 2.5
"""Ratio of length to depth from which on a section's panels are drawn one below the other."""
SHARE = "share of the records' energy that the section does not explain"
"""What the map of contradictions holds."""
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


def save(
    velocity: NDArray[np.float32],
    stem: Path,
    grid: GridConfig,
    provenance: str,
    start: float = 0.0,
    *,
    picture: bool = True,
) -> str:
    """Write a section as .npy, .png and, where its cells fit, SEG-Y; says which.

    Args:
        velocity: the section [m/s], shape ``(depth, x)``.
        stem: the files' name without suffix.
        grid: its grid.
        provenance: origin of the section, for the textual header of SEG-Y.
        start: position of its first column on the line of its records [m].
        picture: draw it; not the ends of an interval, nor where ``save_interval`` draws it with its own.
    """
    write_npy(stem.with_name(f"{stem.name}.npy"), velocity)
    if picture:
        draw = plots.line_section if _is_long(velocity) else plots.velocity_model
        drawn = draw(velocity, grid.spacing, grid.velocity, stem.name)
        plots.save(drawn, stem.with_name(f"{stem.name}.png"))
    written = _save_segy(stem.with_name(f"{stem.name}.segy"), velocity, grid, provenance, start)
    return f".npy, .png{written}"


def save_interval(
    velocity: NDArray[np.float32],
    found: Interval,
    stem: Path,
    grid: GridConfig,
    provenance: str,
    start: float = 0.0,
) -> str:
    """Write both ends of a section's interval as .npy and SEG-Y, and draw it beside the section; says which.

    Args:
        velocity: the section [m/s], shape ``(depth, x)``.
        found: its interval.
        stem: name of the section's files without suffix, to which ``-lower`` and ``-upper`` are added; its
            picture is replaced by one of section and interval.
        grid: its grid.
        provenance: origin of the section and meaning of the interval, for the textual header of SEG-Y.
        start: position of its first column on the line of its records [m].
    """
    for name, at, end in zip(ENDS, _ends(stem), (found.lower, found.upper), strict=True):
        save(end, at, grid, f"{provenance}, {name} end", start, picture=False)
    if _is_long(velocity):
        drawn = plots.line_section(velocity, grid.spacing, grid.velocity, stem.name, found)
    else:
        drawn = plots.velocity_interval(velocity, found, grid.spacing, grid.velocity, stem.name)
    plots.save(drawn, stem.with_name(f"{stem.name}.png"))
    told = f"+-{(found.upper - found.lower).mean() / 2:.0f} m/s on average"
    if not np.isnan(found.top).all():
        shallow, deep = found.top[:, np.nanargmin(found.top[0])]
        told += f", crest of the salt at {shallow:.0f} to {deep:.0f} m"
    return f"{told}; written as {stem}-lower, {stem.name}-upper"


def save_refined_interval(
    line: Line,
    refined: Refined,
    stem: Path,
    provenance: str,
    truth: NDArray[np.float32] | None = None,
) -> tuple[RefinedInterval | None, str]:
    """Write the interval of the section that a refinement returns, where the run has one of it.

    Args:
        line: the line that was refined.
        refined: the refinement.
        stem: name of the section's files without suffix, as for ``save_interval``.
        provenance: origin of the section, for the textual header of SEG-Y.
        truth: the true model [m/s], shape ``(depth, x)``, where it is known.

    Returns:
        The interval that was written, if any; and in words which it is, or why there is none.
    """
    try:
        found = line.refined_interval(refined)
    except UncalibratedError as reason:
        return None, f"no interval: {reason}"
    calibration = line.run.calibration
    nominal = calibration.coverage if calibration else 0.0
    told = f"{100 * nominal:g} % interval"
    written = save_interval(refined.section, found, stem, line.survey.grid, f"{provenance}\n{told}")
    files = [end.name for end in _ends(stem)]
    return RefinedInterval.of(found, nominal, files, truth), f"{told}: {written}"


def save_map(
    velocity: NDArray[np.float32], verdict: LineVerdict, stem: Path, provenance: str, start: float = 0.0
) -> str:
    """Write the map of where the records contradict a section as .npy, .png and SEG-Y; says where.

    Args:
        velocity: the section [m/s], shape ``(depth, x)``.
        verdict: its verdict.
        stem: name of the section's files without suffix, to which ``-contradiction`` is added.
        provenance: origin of the section, for the textual header of SEG-Y.
        start: position of its first column on the line of its records [m].
    """
    grid, name = verdict.survey.grid, f"{stem.name}-contradiction"
    write_npy(stem.with_name(f"{name}.npy"), verdict.contradiction)
    title = f"{stem.name}: {verdict.remark}"
    if _is_long(velocity):
        drawn = plots.line_section(
            velocity, grid.spacing, grid.velocity, title, contradiction=verdict.contradiction
        )
    else:
        drawn = plots.contradicted(
            velocity, verdict.contradiction, verdict.worst.contradicted, grid.spacing, grid.velocity, title
        )
    plots.save(drawn, stem.with_name(f"{name}.png"))
    written = _save_segy(
        stem.with_name(f"{name}.segy"), verdict.contradiction, grid, provenance, start, SHARE
    )
    return f"where the records contradict it: {stem.with_name(name)}.npy, .png{written}"


def save_survey(study: StudyConfig, stem: Path) -> str:
    """Write grid and survey of a section as a study, by which other commands know its cells; says where.

    Args:
        study: a study of that grid and survey.
        stem: name of the section's files without suffix.
    """
    path = stem.with_name(f"{stem.name}.yaml")
    own = study.model_dump(mode="json", include={"grid", "survey"})
    write_whole(path, yaml.safe_dump(own, sort_keys=False, default_flow_style=None, width=100))
    return str(path)


def remove_interval(stem: Path) -> None:
    """Remove the files of both ends of a section's interval.

    Args:
        stem: name of the section's files without suffix.
    """
    for end in _ends(stem):
        for suffix in SUFFIXES:
            end.with_name(f"{end.name}{suffix}").unlink(missing_ok=True)


def _save_segy(
    path: Path, values: NDArray[np.float32], grid: GridConfig, provenance: str, start: float, ratio: str = ""
) -> str:
    """Write a section as SEG-Y where its cells fit; says so, or why not."""
    try:
        write_section(path, values, grid.spacing, provenance, start, ratio)
    except SegyError as error:
        return f" (no SEG-Y: {error})"
    return ", .segy"


def _is_long(velocity: NDArray[np.float32]) -> bool:
    """Whether a section is so long that its panels are drawn one below the other."""
    depth, x = velocity.shape
    return bool(x > LONG * depth)


def _ends(stem: Path) -> list[Path]:
    return [stem.with_name(f"{stem.name}-{end}") for end in ENDS]
