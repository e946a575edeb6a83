"""Velocity sections from SEG-Y or SU: speeds in m/s, cell sizes from the headers, and a study's grid."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.foreign.velocity import SLOWEST_ROCK, ModelError, on_grid, refuse_impossible
from data_prep.segy.geometry import FEET, FOOT
from data_prep.segy.headers import Columns, HeaderBytes, present, scaled
from data_prep.segy.line import Line, Places
from data_prep.segy.scan import Scan, read_samples, scan
from data_prep.segy.write import METRES_BELOW
from fwi.config import GridConfig
from fwi.origin import ImportedModels, ModelFiles

BYTES = HeaderBytes(receiver_x=181, receiver_y=185)
"""A section's traces are at CDPs, whose coordinates are read here in place of a receiver's."""

OFF_EVEN = 0.25
"""Distance of a trace from its evenly spaced place, in traces, that is put down to rounded coordinates."""

SAME_SPACING = 0.01
"""Share by which two cell sizes may differ and still count as one."""


class Section(NamedTuple):
    """A velocity section of a file."""

    velocity: NDArray[np.float32]
    """P-wave speed [m/s], shape ``(depth, x)``."""
    dz: float
    """Height of a cell [m]."""
    dx: float
    """Width of a cell [m]."""
    findings: tuple[str, ...]
    """What is odd about the file and what was done about it, each in a sentence."""


@dataclass(frozen=True)
class SegyVelocity:
    """Files of one velocity section each, brought to a grid: models of shards whose records are simulated.

    Args:
        paths: SEG-Y or SU.
        kilometres: the speeds are in km/s.
        spacing: size of square cells [m], where the headers do not hold it or are wrong.
        grid: the grid wanted.

    Raises:
        ModelError: a file is named twice.
    """

    paths: tuple[Path, ...]
    kilometres: bool
    spacing: float | None
    grid: GridConfig

    def __post_init__(self) -> None:
        for number, path in enumerate(self.paths):
            if path.resolve() in [other.resolve() for other in self.paths[:number]]:
                raise ModelError(f"{path}: named twice; its section is taken once")

    def __len__(self) -> int:
        return len(self.paths)

    def velocity(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Models [m/s] of the files by their numbers, shape ``(sample, depth, x)``."""
        sections = [self.section(number) for number in numbers]
        on = [on_grid(each.velocity[None], (each.dz, each.dx), self.grid)[0] for each in sections]
        return np.stack(on)

    def gathers(self, numbers: Sequence[int]) -> None:
        """Return None: the files hold no records."""

    def section(self, number: int) -> Section:
        """Read a file's section on its own cells, with what is odd about it.

        Raises:
            SegyError: as ``read_section``.
            ModelError: as ``read_section``, or the section is of another size than the grid.
        """
        path = self.paths[number]
        found = read_section(path, self.grid.velocity, kilometres=self.kilometres, spacing=self.spacing)
        on_grid(found.velocity[None], (found.dz, found.dx), self.grid)
        return found

    def origin(self, numbers: Sequence[int], digest: Callable[[Path], str]) -> ImportedModels:
        """Describe where some models come from, for the manifest."""
        paths = [self.paths[number] for number in numbers]
        names = f"{paths[0].name} .. {paths[-1].name}" if len(paths) > 1 else paths[0].name
        digests = [digest(path) for path in paths]
        return ImportedModels(source=ModelFiles(file=names, key=None, sha256=digests, spacing=self.spacing))

    @property
    def stem(self) -> str:
        """Common part of the shards' names: the names of the first and the last file."""
        names = dict.fromkeys(path.stem for path in (self.paths[0], self.paths[-1]))
        return re.sub(r"[^\w-]", "_", "-".join(names))


def read_section(
    path: Path,
    velocity_range: tuple[float, float] = (0.0, np.inf),
    *,
    kilometres: bool = False,
    spacing: float | None = None,
) -> Section:
    """Read a velocity section, one trace per column, and the size of its cells.

    The sample interval is dz in millimetres, below 100 in metres (as revision 2 has it); dx is the distance
    of neighbouring traces, by CDP X and Y (bytes 181 and 185) or else source X and Y (73 and 77).

    Args:
        path: SEG-Y or SU.
        velocity_range: slowest and fastest admissible speed [m/s].
        kilometres: the file is in km/s.
        spacing: size of square cells [m], instead of that of the headers.

    Raises:
        SegyError: the file is no SEG-Y or SU, or damaged.
        ModelError: the headers do not hold the cells' size, or speeds are NaN, not positive, in the other
            unit, or out of range.
    """
    path = Path(path)
    found = scan(path, BYTES)
    layout, columns, findings = found.layout, found.columns, found.findings
    metres = 1.0
    if layout.units == FEET:
        metres = FOOT
        findings.append("the binary header says feet (byte 3255): depths, distances and speeds are converted")
    if columns["delay"].any():
        findings.append(
            f"the first sample is said to be at {columns['delay'].max()} (byte 109); taken as the surface"
        )

    places = _places(columns, metres)
    backward = _runs_backward(places)
    if spacing is None:
        dz, dx = _dz(found, metres), _dx(path, places)
        if abs(dz - dx) > SAME_SPACING * min(dz, dx):
            findings.append(f"cells are {dz:g} m high and {dx:g} m wide: both axes are resampled")
    else:
        dz = dx = spacing
    if backward:
        findings.append("the traces run against the coordinates: the section is turned round")

    speeds = read_samples(layout, np.arange(layout.traces)).T
    if kilometres and (speeds >= SLOWEST_ROCK).any():
        raise ModelError(
            f"{path}: speeds of {np.nanmin(speeds):g} .. {np.nanmax(speeds):g} are no km/s; leave out "
            "--kilometres"
        )
    unit = np.float32(1000 if kilometres else metres)
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is refused below
        velocity = np.ascontiguousarray(speeds[:, ::-1] if backward else speeds) * unit
    refuse_impossible(path, velocity[None], velocity_range)
    return Section(velocity, dz, dx, tuple(findings))


def _dz(scan: Scan, metres: float) -> float:
    """Height of the cells [m]."""
    stated = sorted({*present(scan.columns["interval"]), scan.layout.interval} - {0})
    if len(stated) != 1:
        what = (
            f"several sample intervals ({', '.join(f'{each:g}' for each in stated[:4])})"
            if stated
            else "no sample interval"
        )
        raise ModelError(
            f"{scan.path}: {what} in its headers (bytes 3217 and 117), which should be the cells' height "
            "in millimetres; say --spacing, or correct the headers"
        )
    interval = float(stated[0])
    dz = (interval if interval < METRES_BELOW else interval / 1000) * metres
    scan.findings.append(f"the sample interval, {interval:g}, is taken as a depth of {dz:g} m")
    return dz


def _dx(path: Path, places: Places) -> float:
    """Distance of neighbouring traces [m]."""
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(places)))])
    if not along[-1]:
        raise ModelError(
            f"{path}: the headers do not tell how wide the cells are: the traces' coordinates (bytes 181 and "
            "185, or 73 and 77) are all alike, or angles; say --spacing, or write them into the headers"
        )
    dx = along[-1] / (len(along) - 1)
    off = np.abs(along - dx * np.arange(len(along)))
    if off.max() > OFF_EVEN * dx:
        worst = int(off.argmax())
        raise ModelError(
            f"{path}: traces are not evenly spaced: {dx:g} m apart on average, but trace {worst + 1} is "
            f"{off[worst]:g} m off its place; cut one line out of a volume, resample an uneven section"
        )
    return float(dx)


def _places(columns: Columns, metres: float) -> Places:
    """The traces on the map [m], all at 0 where the headers do not hold their places, shape ``(trace,)``."""
    if np.isin(columns["coordinate_units"], (2, 3, 4)).any():  # angles
        return np.zeros(len(columns["coordinate_units"]), np.complex128)
    x, y, source_x, source_y = (
        scaled(columns[name], columns["coordinate_scalar"]) * metres
        for name in ("receiver_x", "receiver_y", "source_x", "source_y")
    )
    alike = len(np.unique(x)) == 1 and len(np.unique(y)) == 1
    places: Places = source_x + 1j * source_y if alike else x + 1j * y
    return places


def _runs_backward(places: Places) -> bool:
    """Whether the line, which runs east or north, meets the last trace first."""
    if len(np.unique(places)) < 2:
        return False
    x, _ = Line.through(places).project(places)
    return bool(x[-1] < x[0])
