"""The survey: where sources and receivers are, when they record, and whether the grid resolves the waves.

Simulation, data sets, networks and the physics check are all given this one object.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwi.config import GridConfig, SurveyConfig
from fwi.survey_limits import (
    COURANT_LIMIT,
    HIGHEST_FREQUENCY,
    MIN_POINTS_PER_WAVELENGTH,
    ON_CELL,
    misplaced,
    oversized,
    undersampled,
    unstable,
)

__all__ = [
    "ALIAS_TOLERANCE",
    "COURANT_LIMIT",
    "HIGHEST_FREQUENCY",
    "MIN_POINTS_PER_WAVELENGTH",
    "ON_CELL",
    "Survey",
    "SurveyError",
    "differences",
]

Floats = NDArray[np.float64]

ALIAS_TOLERANCE = 1e-3
"""Largest spectrum of the wavelet above the recorded Nyquist frequency, over its peak, to leave as it is."""


ALONG_LINE = (
    "shots",
    "shot_x",
    "shot_margin",
    "receivers",
    "receiver_x",
    "spread",
    "near_offset",
    "receiver_interval",
)
"""Settings that place shots and receivers along the line: two surveys of one kind differ in these alone."""


LONGEST_LIST = 8
"""Number of values of a list that a message shows in full."""


class SurveyError(ValueError):
    """A survey that cannot be simulated as configured; the message gives values that would work."""


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
        if mistakes := misplaced(self.grid, self.config):
            raise SurveyError("\n".join(mistakes))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Survey":
        """Rebuild a survey from the values that ``to_dict`` returned."""
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
        """Position of each shot [m], shape ``(shot,)``: as configured, or else evenly spaced.

        Evenly spaced shots of a fixed spread are symmetric about the middle of the line.
        """
        if self.config.shot_x is not None:
            return np.array(self.config.shot_x)
        shots, last = self.config.shots, self.length
        if self.config.spread == "streamer":  # the whole streamer, behind the shot, must be on the line
            return np.linspace(self.config.last_offset, last, shots)
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
        even = np.linspace(0.0, self.length, config.receivers)
        line = even if config.receiver_x is None else np.array(config.receiver_x)
        return np.broadcast_to(line, (config.shots, config.receivers)).copy()

    @cached_property
    def midpoint(self) -> Floats:
        """Position halfway between shot and receiver of each trace [m], shape ``(shot, receiver)``."""
        middle: Floats = (self.shot_x[:, None] + self.receiver_x) / 2
        return middle

    @cached_property
    def offset(self) -> Floats:
        """Distance from shot to receiver of each trace [m], shape ``(shot, receiver)``."""
        distance: Floats = np.abs(self.shot_x[:, None] - self.receiver_x)
        return distance

    def layout(self, live: NDArray[np.bool_] | None = None) -> str:
        """Describe shots, receivers and offsets in words.

        Args:
            live: which traces were recorded, shape ``(shot, receiver)``; all if left out.
        """
        shots, _, receivers = self.gather_shape
        offset = self.offset if live is None or not live.any() else self.offset[live]
        return (
            f"{shots} shot{'s' * (shots > 1)}, {receivers} receivers, "
            f"offsets {offset.min():.4g} to {offset.max():.4g} m"
        )

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

    def check_flip(self, share: float) -> None:
        """Refuse to mirror samples of a survey that is not symmetric.

        Args:
            share: share of the samples to mirror.

        Raises:
            ValueError: the share is not zero, and mirrored samples would be those of another survey.
        """
        if share and not self.symmetric:
            raise ValueError(
                "data.flip: mirrored samples are right only where the survey is symmetric; set it to 0"
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
        return self.config.shots, -(-self.config.nt // self.config.keep_every), self.config.receivers

    @cached_property
    def wavelet(self) -> Floats:
        """Source time function over the simulation's steps, shape ``(nt,)``."""
        wavelet = self.config.wavelet
        t = np.arange(self.config.nt) * self.config.dt - wavelet.peaks_at
        phase = (math.pi * wavelet.frequency * t) ** 2
        ricker: Floats = (1 - 2 * phase) * np.exp(-phase)
        return ricker

    @property
    def aliases(self) -> bool:
        """Whether the wavelet has energy above the Nyquist frequency of the recorded samples."""
        ratio = 0.5 / self.recorded_dt / self.config.wavelet.frequency
        return ratio < 1 or ratio**2 * math.exp(1 - ratio**2) > ALIAS_TOLERANCE

    # -- the limits of the grid

    def check(self, order: int) -> None:
        """Refuse a survey that finite differences of this order or the machine's memory cannot simulate.

        Args:
            order: order of the finite differences in space (2, 4, 6 or 8).

        Raises:
            SurveyError: dt is unstable, the shortest wavelength unresolved, or a model or its records larger
                than the machine's memory; the message lists all of these.
        """
        mistakes = [*unstable(self.grid, self.config), *undersampled(self.grid, self.config, order)]
        if mistakes := mistakes + oversized(self.grid, self.config):
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
        """List the differences from another survey, such as ``survey.dt: 0.002 against 0.001``."""
        return differences(self.to_dict(), other.to_dict())

    def differences_in_kind(self, other: "Survey") -> list[str]:
        """List the differences from another survey except in positions along the line.

        Grid, time axis, wavelet, depths and upper edge remain; what is left to its default is compared by
        the value that it has.
        """
        return differences(self._kind, other._kind)

    @property
    def _kind(self) -> dict[str, Any]:
        values = self.to_dict()
        survey = {key: value for key, value in values["survey"].items() if key not in ALONG_LINE}
        survey["receiver_depth"] = self.receiver_depth
        survey["wavelet"]["peak_time"] = self.config.wavelet.peaks_at
        return {"grid": values["grid"], "survey": survey}


def differences(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    """List the leaves in which nested plain values differ, such as ``salt.seed: 0 against 1``.

    Args:
        one: nested keys and values.
        other: those that they are compared with.
        prefix: what stands before each key.

    Returns:
        A line for each difference.
    """
    lines = []
    for key in dict.fromkeys([*one, *other]):
        old, new = one.get(key), other.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += differences(old, new, f"{prefix}{key}.")
        elif old != new:
            lines.append(f"{prefix}{key}: {_shortened(old)} against {_shortened(new)}")
    return lines


def _shortened(value: object) -> str:
    """A value as text; of a long list, such as of receivers, its ends."""
    if not isinstance(value, list | tuple) or len(value) <= LONGEST_LIST:
        return str(value)
    return f"[{value[0]}, {value[1]}, ... {value[-1]}] ({len(value)} values)"
