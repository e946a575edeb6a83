"""The survey: where the sources and receivers are, when they record, and what the grid can carry.

Everything below (simulation, data sets, networks, physics check) is given this one object.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwi.config import GridConfig, SurveyConfig

Floats = NDArray[np.float64]

COURANT_LIMIT = 0.65
"""Largest v dt sqrt(2) / h; every order is stable here (critical 1.000, 0.866, 0.813, 0.784 for 2, 4, 6, 8)."""

HIGHEST_FREQUENCY = 2.5
"""Multiple of a Ricker wavelet's peak frequency above which it has no energy worth resolving."""

MIN_POINTS_PER_WAVELENGTH = {2: 8.0, 4: 4.0, 6: 3.5, 8: 3.0}
"""By order, the cells that the shortest wavelength needs; fewer and reflections are off by more than a tenth."""

ALIAS_TOLERANCE = 1e-3
"""Spectrum of the wavelet above the recorded Nyquist frequency, relative to its peak, that is left in place."""


class SurveyError(ValueError):
    """A survey that cannot be simulated as configured; the message gives the numbers that would do."""


@dataclass(frozen=True)
class Survey:
    """A 2-D survey over a grid. Positions are ``(depth, x)`` in metres from the first cell.

    Args:
        grid: the velocity model's grid.
        config: sources, receivers and time axis.

    Raises:
        SurveyError: sources or receivers lie outside the grid, or coincide.
    """

    grid: GridConfig
    config: SurveyConfig

    def __post_init__(self) -> None:
        mistakes = self._positions_outside()
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
        return np.arange(self.grid.nz) * self.grid.spacing

    @cached_property
    def x(self) -> Floats:
        """Position of each column of cells [m], shape ``(nx,)``."""
        return np.arange(self.grid.nx) * self.grid.spacing

    # -- sources and receivers

    @cached_property
    def shot_x(self) -> Floats:
        """Position of each shot [m], shape ``(shot,)``: evenly spaced, on cells, symmetric under a flip."""
        config = self.config
        last = self.length
        if config.spread == "streamer":  # the whole streamer, behind the shot, must be on the line
            first = config.near_offset + (config.receivers - 1) * config.receiver_interval
            return self._on_cells(np.linspace(first, last, config.shots))
        margin = config.shot_margin if config.shot_margin is not None else last / (2 * config.shots)
        positions = self._on_cells(np.linspace(margin, last - margin, config.shots))
        if config.shots == 1:
            return self._on_cells(np.array([last / 2]))
        # Rounding to cells may break the tie of a half either way: mirror the left half.
        half = config.shots // 2
        positions[config.shots - half :] = last - positions[:half][::-1]
        return positions

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
        return np.arange(0, self.config.nt, self.config.keep_every) * self.config.dt

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
        """The source's pressure rate over the simulation's time steps, shape ``(nt,)``; peaks at 1.5 / frequency."""
        frequency = self.config.wavelet.frequency
        t = np.arange(self.config.nt) * self.config.dt - 1.5 / frequency
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
        grid = self.grid.model_copy(
            update={
                "nz": (self.grid.nz - 1) * factor + 1,
                "nx": (self.grid.nx - 1) * factor + 1,
                "spacing": self.grid.spacing / factor,
            }
        )
        config = self.config.model_copy(
            update={
                "dt": self.config.dt / factor,
                "nt": (self.config.nt - 1) * factor + 1,
                "keep_every": self.config.keep_every * factor,
                # Positions were put on the coarse cells: keep them there.
                "shot_margin": float(self.shot_x[0])
                if self.config.spread == "fixed" and self.config.shots > 1
                else self.config.shot_margin,
            }
        )
        return Survey(grid, config)

    def differences(self, other: "Survey") -> list[str]:
        """Name what differs from another survey, such as ``survey.dt: 0.002 against 0.001``; empty if nothing."""
        mine, theirs = _leaves(self.to_dict()), _leaves(other.to_dict())
        return [f"{key}: {mine[key]} against {theirs[key]}" for key in mine if mine[key] != theirs[key]]

    def _on_cells(self, positions: Floats) -> Floats:
        return np.asarray(np.round(positions / self.grid.spacing) * self.grid.spacing, dtype=np.float64)

    def _positions_outside(self) -> list[str]:
        config, mistakes = self.config, []
        for key, value in (("survey.depth", self.shot_depth), ("survey.receiver_depth", self.receiver_depth)):
            if value > self.bottom:
                mistakes.append(f"{key}: {value:g} m is below the grid, whose last row is at {self.bottom:g} m")
        if config.top == "free" and min(self.shot_depth, self.receiver_depth) <= 0:
            mistakes.append(
                f"survey.depth: sources and receivers on a free surface neither emit nor record; "
                f"put them at {self.grid.spacing:g} m or deeper"
            )
        if config.spread == "streamer":
            needed = config.near_offset + (config.receivers - 1) * config.receiver_interval
            if needed > self.length:
                fits = int((self.length - config.near_offset) / config.receiver_interval) + 1
                mistakes.append(
                    f"survey.receivers: the streamer's last receiver is {needed:g} m behind the shot, but the "
                    f"grid is {self.length:g} m long; at most {max(fits, 0)} receivers fit"
                )
                return mistakes
        elif config.shot_margin is not None and config.shot_margin > self.length / 2:
            mistakes.append(
                f"survey.shot_margin: {config.shot_margin:g} m is past the middle of the {self.length:g} m line"
            )
            return mistakes
        if len(np.unique(self.shot_x)) < config.shots:
            mistakes.append(
                f"survey.shots: {config.shots} shots do not fit on separate cells of the {self.length:g} m line"
            )
        if config.spread == "fixed" and config.receivers > self.grid.nx:
            mistakes.append(
                f"survey.receivers: {config.receivers} receivers are closer than the {self.grid.spacing:g} m "
                f"cells; at most {self.grid.nx}"
            )
        return mistakes

    def _instability(self) -> list[str]:
        fastest = self.grid.velocity[1]
        courant = fastest * self.config.dt * math.sqrt(2) / self.grid.spacing
        if courant <= COURANT_LIMIT * (1 + 1e-9):
            return []
        largest = COURANT_LIMIT * self.grid.spacing / (fastest * math.sqrt(2))
        return [
            f"survey.dt: {self.config.dt:g} s is unstable: Courant number {courant:.3f} at {fastest:g} m/s on "
            f"{self.grid.spacing:g} m cells, the limit is {COURANT_LIMIT}; take dt <= {_round_down(largest):g} s "
            "(and more nt and keep_every in proportion)"
        ]

    def _undersampling(self, order: int) -> list[str]:
        highest = HIGHEST_FREQUENCY * self.config.wavelet.frequency
        slowest = self.grid.velocity[0]
        points = slowest / highest / self.grid.spacing
        needed = MIN_POINTS_PER_WAVELENGTH[order]
        if points >= needed * (1 - 1e-9):
            return []
        spacing = slowest / highest / needed
        frequency = slowest / (HIGHEST_FREQUENCY * self.grid.spacing * needed)
        orders = [o for o, least in MIN_POINTS_PER_WAVELENGTH.items() if points >= least]
        return [
            f"survey.wavelet.frequency: {self.config.wavelet.frequency:g} Hz reaches {highest:g} Hz, whose wavelength "
            f"at {slowest:g} m/s has {points:.2f} cells of {self.grid.spacing:g} m; order {order} needs "
            f"{needed:g}: take grid.spacing <= {_round_down(spacing):g} m or a frequency <= {_round_down(frequency):g} Hz"
            + (f", or physics.order {orders[0]}" if orders else "")
        ]


def _round_down(value: float) -> float:
    """Three significant digits, never more than the value."""
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / step + 1e-9) * step


def _leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _leaves(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
