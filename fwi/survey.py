"""The survey: where the sources and receivers are, when they record, and what the grid can carry.

Everything below (simulation, data sets, networks, physics check) is given this one object.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwi.config import GridConfig, SurveyConfig

Floats = NDArray[np.float64]

COURANT_LIMIT = 0.65
"""Largest v dt sqrt(2) / h: every order is stable (up to 1.000, 0.866, 0.813, 0.784 for 2, 4, 6, 8)."""

HIGHEST_FREQUENCY = 2.5
"""Multiple of a Ricker wavelet's peak frequency above which it has no energy worth resolving."""

MIN_POINTS_PER_WAVELENGTH = {2: 8.0, 4: 4.0, 6: 3.5, 8: 3.0}
"""By order, the cells that the shortest wavelength needs; with fewer, reflections are off by over a tenth."""

ALIAS_TOLERANCE = 1e-3
"""Spectrum of the wavelet above the recorded Nyquist frequency, relative to its peak, to leave there."""


ON_CELL = 1e-6
"""Distance from a cell, in cells, below which a position is on it: room for rounding alone."""


class SurveyError(ValueError):
    """A survey that cannot be simulated as configured; the message gives the numbers that would do."""


@dataclass(frozen=True)
class Survey:
    """A 2-D survey over a grid. Positions are in metres from the first cell, and need not lie on cells in x.

    Args:
        grid: the velocity model's grid.
        config: sources, receivers and time axis.

    Raises:
        SurveyError: sources or receivers lie outside the grid, between rows of cells, or closer than cells.
    """

    grid: GridConfig
    config: SurveyConfig

    def __post_init__(self) -> None:
        mistakes = [*self._misplaced_depths(), *self._misplaced_along_line()]
        if mistakes:
            raise SurveyError("\n".join(mistakes))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Survey":
        """Rebuild a survey from what ``to_dict`` gave."""
        return cls(GridConfig.model_validate(values["grid"]), SurveyConfig.model_validate(values["survey"]))

    def to_dict(self) -> dict[str, Any]:
        """Plain values that describe the survey wholly, for files and checkpoints."""
        return {"grid": self.grid.model_dump(mode="json"), "survey": self.config.model_dump(mode="json")}

    # -- the model

    @property
    def length(self) -> float:
        """Distance between the first and the last cell along the line [m]."""
        return (self.grid.nx - 1) * self.grid.spacing

    @property
    def bottom(self) -> float:
        """Depth of the last cell [m]."""
        return (self.grid.nz - 1) * self.grid.spacing

    @cached_property
    def depth(self) -> Floats:
        """Depth of each row of cells [m], shape ``(nz,)``."""
        return np.arange(self.grid.nz, dtype=np.float64) * self.grid.spacing

    @cached_property
    def x(self) -> Floats:
        """Position of each column of cells [m], shape ``(nx,)``."""
        return np.arange(self.grid.nx, dtype=np.float64) * self.grid.spacing

    # -- sources and receivers

    @cached_property
    def shot_x(self) -> Floats:
        """Position of each shot [m], shape ``(shot,)``: evenly spaced, in a fixed spread symmetrically."""
        if self.config.shot_x is not None:
            return np.array(self.config.shot_x)
        shots, last = self.config.shots, self.length
        if self.config.spread == "streamer":  # the whole streamer, behind the shot, must be on the line
            return np.linspace(self._last_offset, last, shots)
        if shots == 1:
            return np.array([last / 2])
        margin = last / (2 * shots) if self.config.shot_margin is None else self.config.shot_margin
        return np.linspace(margin, last - margin, shots)

    @cached_property
    def receiver_x(self) -> Floats:
        """Position of each receiver of each shot [m], shape ``(shot, receiver)``."""
        config = self.config
        if config.spread == "streamer":
            offsets = config.near_offset + np.arange(config.receivers) * config.receiver_interval
            return self.shot_x[:, None] - offsets
        line = np.linspace(0.0, self.length, config.receivers)
        return np.broadcast_to(line, (config.shots, config.receivers)).copy()

    @property
    def shot_depth(self) -> float:
        """Depth of the sources [m]."""
        return self.config.depth

    @property
    def receiver_depth(self) -> float:
        """Depth of the receivers [m]."""
        return self.config.depth if self.config.receiver_depth is None else self.config.receiver_depth

    @cached_property
    def symmetric(self) -> bool:
        """Whether mirroring shots, receivers and model gives records of the same survey."""
        return bool(
            np.allclose(self.shot_x, self.length - self.shot_x[::-1])
            and np.allclose(self.receiver_x, self.length - self.receiver_x[::-1, ::-1])
        )

    # -- time

    @cached_property
    def time(self) -> Floats:
        """Times of the recorded samples [s], shape ``(time,)``."""
        return np.arange(0, self.config.nt, self.config.keep_every, dtype=np.float64) * self.config.dt

    @property
    def recorded_dt(self) -> float:
        """Interval of the recorded samples [s]."""
        return self.config.dt * self.config.keep_every

    @property
    def gather_shape(self) -> tuple[int, int, int]:
        """Shape of one model's records: ``(shot, time, receiver)``."""
        return self.config.shots, len(self.time), self.config.receivers

    @cached_property
    def wavelet(self) -> Floats:
        """Source time function over the simulation's steps, shape ``(nt,)``."""
        frequency, peak_time = self.config.wavelet.frequency, self.config.wavelet.peak_time
        t = np.arange(self.config.nt) * self.config.dt - (peak_time or 1.5 / frequency)
        phase = (math.pi * frequency * t) ** 2
        ricker: Floats = (1 - 2 * phase) * np.exp(-phase)
        return ricker

    @property
    def aliases(self) -> bool:
        """Whether the wavelet has energy above the Nyquist frequency of the recorded samples."""
        ratio = 0.5 / self.recorded_dt / self.config.wavelet.frequency
        return ratio < 1 or ratio**2 * math.exp(1 - ratio**2) > ALIAS_TOLERANCE

    # -- what the grid can carry

    def check(self, order: int) -> None:
        """Refuse what finite differences of this order would get wrong.

        Args:
            order: order of the finite differences in space (2, 4, 6 or 8).

        Raises:
            SurveyError: dt is unstable or the shortest wavelength unresolved; both are said at once.
        """
        mistakes = [*self._instability(), *self._undersampling(order)]
        if mistakes:
            raise SurveyError("\n".join(mistakes))

    def refined(self, factor: int) -> "Survey":
        """The same survey on a grid ``factor`` times finer in space and time, recording the same samples."""
        grid = {
            "nz": (self.grid.nz - 1) * factor + 1,
            "nx": (self.grid.nx - 1) * factor + 1,
            "spacing": self.grid.spacing / factor,
        }
        time = {
            "dt": self.config.dt / factor,
            "nt": (self.config.nt - 1) * factor + 1,
            "keep_every": self.config.keep_every * factor,
        }
        return Survey(self.grid.model_copy(update=grid), self.config.model_copy(update=time))

    def differences(self, other: "Survey") -> list[str]:
        """Name what differs from another survey: ``survey.dt: 0.002 against 0.001``; empty if nothing."""
        return differences(self.to_dict(), other.to_dict())

    @property
    def _last_offset(self) -> float:
        """Distance from the shot to the streamer's last receiver [m]."""
        return self.config.near_offset + (self.config.receivers - 1) * self.config.receiver_interval

    def _misplaced_depths(self) -> list[str]:
        spacing, mistakes = self.grid.spacing, []
        depths = {"survey.depth": self.config.depth, "survey.receiver_depth": self.config.receiver_depth}
        for key, depth in depths.items():
            if depth is None:
                continue
            row = depth / spacing
            if depth > self.bottom:
                mistakes.append(f"{key}: {depth:g} m is below the last row, at {self.bottom:g} m")
            elif abs(row - round(row)) > ON_CELL:
                above = math.floor(row) * spacing
                mistakes.append(
                    f"{key}: {depth:g} m is between rows; take {above:g} or {above + spacing:g} m"
                )
        if self.config.top == "free" and min(self.shot_depth, self.receiver_depth) <= 0:
            mistakes.append(
                "survey.depth: sources and receivers on a free surface neither emit nor record; "
                f"put them at {spacing:g} m or deeper"
            )
        return mistakes

    def _misplaced_shots(self) -> list[str]:
        """What is wrong with shots whose positions are given."""
        given, config = self.config.shot_x or (), self.config
        mistakes = []
        if config.spread == "streamer" or config.shot_margin is not None:
            other = "a streamer's shots" if config.spread == "streamer" else "survey.shot_margin"
            mistakes.append(f"survey.shot_x: excludes {other}; leave out one of the two")
        if len(given) != config.shots:
            mistakes.append(f"survey.shot_x: {len(given)} positions for survey.shots {config.shots}")
        if any(b - a < self.grid.spacing * (1 - ON_CELL) for a, b in pairwise(given)):
            mistakes.append(f"survey.shot_x: must ascend by a cell, {self.grid.spacing:g} m, or more")
        if given and max(given) > self.length * (1 + ON_CELL):
            mistakes.append(f"survey.shot_x: {max(given):g} m is beyond the {self.length:g} m line")
        return mistakes

    def _misplaced_along_line(self) -> list[str]:
        config, spacing, length = self.config, self.grid.spacing, self.length
        if config.spread == "streamer":
            if config.receiver_interval < spacing * (1 - ON_CELL):
                return [
                    f"survey.receiver_interval: {config.receiver_interval:g} m is closer than the cells; "
                    f"take {spacing:g} m or more"
                ]
            fits = _whole((length - config.near_offset) / config.receiver_interval) + 1
            if config.receivers > fits:
                return [
                    f"survey.receivers: the streamer's last receiver is {self._last_offset:g} m behind the "
                    f"shot, but the line is {length:g} m long; "
                    + (f"at most {fits} fit" if fits >= 2 else "take a smaller survey.near_offset")
                ]
            most_shots = _whole((length - self._last_offset) / spacing) + 1
        else:
            margin = config.shot_margin
            if margin is not None and margin > length / 2:
                return [
                    f"survey.shot_margin: {margin:g} m is past the middle of the {length:g} m line; "
                    f"take {length / 2:g} m or less"
                ]
            most_shots = self.grid.nx - 1 if margin is None else _whole((length - 2 * margin) / spacing) + 1
        mistakes = [] if config.shot_x is None else self._misplaced_shots()
        if config.shots > most_shots and config.shot_x is None:
            mistakes.append(
                f"survey.shots: {config.shots} shots are closer than the {spacing:g} m cells; "
                f"at most {most_shots} fit"
            )
        if config.spread == "fixed" and config.receivers > self.grid.nx:
            mistakes.append(
                f"survey.receivers: {config.receivers} receivers are closer than the {spacing:g} m cells; "
                f"at most {self.grid.nx} fit"
            )
        return mistakes

    def _instability(self) -> list[str]:
        fastest, spacing = self.grid.velocity[1], self.grid.spacing
        courant = fastest * self.config.dt * math.sqrt(2) / spacing
        if courant <= COURANT_LIMIT * (1 + 1e-9):
            return []
        return [
            f"survey.dt: {self.config.dt:g} s is unstable: Courant number {courant:.3f} at {fastest:g} m/s "
            f"on {spacing:g} m cells, the limit is {COURANT_LIMIT}; take dt <= "
            f"{self._largest_dt(spacing):g} s (and more nt and keep_every in proportion)"
        ]

    def _undersampling(self, order: int) -> list[str]:
        slowest, spacing = self.grid.velocity[0], self.grid.spacing
        peak = self.config.wavelet.frequency
        highest = HIGHEST_FREQUENCY * peak
        points = slowest / highest / spacing * (1 + 1e-9)
        needed = MIN_POINTS_PER_WAVELENGTH[order]
        if points >= needed:
            return []
        finer = _round_down(slowest / highest / needed)
        slower = _round_down(slowest / (HIGHEST_FREQUENCY * spacing * needed))
        orders = [o for o, least in MIN_POINTS_PER_WAVELENGTH.items() if points >= least]
        return [
            f"survey.wavelet.frequency: {peak:g} Hz reaches {highest:g} Hz, whose wavelength at {slowest:g} "
            f"m/s has {points:.2f} cells of {spacing:g} m; order {order} needs {needed:g}: take "
            f"grid.spacing <= {finer:g} m (with survey.dt <= {self._largest_dt(finer):g} s) or a frequency "
            f"<= {slower:g} Hz" + (f", or physics.order {orders[0]}" if orders else "")
        ]

    def _largest_dt(self, spacing: float) -> float:
        """Largest stable time step [s] on cells of ``spacing`` [m]."""
        return _round_down(COURANT_LIMIT * spacing / (self.grid.velocity[1] * math.sqrt(2)))


def differences(there: dict[str, Any], here: dict[str, Any], prefix: str = "") -> list[str]:
    """Name the leaves in which nested plain values differ, such as ``salt.seed: 0 against 1``."""
    lines = []
    for key in dict.fromkeys([*there, *here]):
        old, new = there.get(key), here.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += differences(old, new, f"{prefix}{key}.")
        elif old != new:
            lines.append(f"{prefix}{key}: {old} against {new}")
    return lines


def _whole(ratio: float) -> int:
    """How often one length goes into another; at least 0."""
    return max(0, math.floor(ratio + ON_CELL))


def _round_down(value: float) -> float:
    """Three significant digits, never more than the value."""
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / step + 1e-9) * step
