"""The physics check: how far a section explains the records it was inverted from.

The section is simulated on a finer grid and with another order of finite differences than the data, so that
agreement does not come from equal discretisation errors, and compared with the records shot by shot. The mean
model of the training set is compared in the same way. What the differences say of the section's error is
judged in ``fwi.trust``.
"""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from fwi.config import CheckConfig, PhysicsConfig
from fwi.misfit import correlation, gain_on_simulated, normalised_rms, time_shift, weighted_by_time
from fwi.physics import Propagator
from fwi.survey import MIN_POINTS_PER_WAVELENGTH, Survey, SurveyError
from fwi.survey_limits import points_per_wavelength

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

SHOTS_AT_ONCE = 8
"""Largest number of shots that a thread simulates at once: more of them no longer fit into its cache."""
SECTIONS_AT_ONCE = 16
"""Number of sections whose gathers are simulated before they are compared."""


class Misfit(NamedTuple):
    """The misfit of simulated against recorded gathers; arrays have the shape ``(shot,)``.

    Missing traces, which are zero throughout in the record, are left out; shots without any trace have NaN.
    """

    nrms: Floats
    """RMS of the residual over RMS of the record, weighted by time squared, after one gain for all shots."""
    correlation: Floats
    """Median over the shot's traces of their correlation at no shift."""
    shift: Floats
    """Median over the shot's traces of the time shift that correlates best [s]; positive: simulated late."""
    gain: float
    """Factor, the same for all shots, by which the simulated gathers are closest to the recorded ones."""

    @property
    def median(self) -> "Median":
        """Medians over the shots that have traces."""
        values = (self.nrms, self.correlation, np.abs(self.shift))
        return Median(*(float(np.nanmedian(each)) for each in values))


class Median(NamedTuple):
    """Medians of a misfit over the shots."""

    nrms: float
    """Median of the NRMS."""
    correlation: float
    """Median of the correlation."""
    shift: float
    """Median of the size of the time shift [s]."""


@dataclass(frozen=True)
class Checked:
    """A section that was simulated and compared with its records."""

    section: Array
    """The section [m/s], shape ``(depth, x)``."""
    recorded: Array
    """The records, shape ``(shot, time, receiver)``."""
    simulated: Array
    """Gathers of the section, of the same shape, multiplied by the gain of the misfit."""
    misfit: Misfit
    """Misfit of the section with its records, shot by shot."""
    mean_model: Misfit | None
    """Misfit of the training set's mean model with the same records; None where it was not simulated."""
    outside: float = 0.0
    """Share of the cells with speeds outside the survey's range, which were simulated with the nearest speed
    within it."""
    missing: str = ""
    """Shots and traces that were left out because they are zero throughout, in words; empty if none were."""


class PhysicsCheck:
    """Simulate sections of one survey again, and compare them with records.

    On a CPU every core simulates shots of its own, in a thread; on a GPU all shots that fit into
    ``physics.memory`` are simulated at once.

    Args:
        survey: the records' survey.
        physics: the settings with which records of this survey are simulated; the check uses another order
            and an absorbing layer of the same width in metres.
        config: the check's grid and order.
        mean_model: the training set's mean model [m/s], shape ``(depth, x)``.
        device: device on which to simulate.

    Raises:
        SurveyError: the check's grid is too coarse for its order.
    """

    def __init__(
        self,
        survey: Survey,
        physics: PhysicsConfig,
        config: CheckConfig,
        mean_model: Array,
        device: torch.device | str = "cpu",
    ) -> None:
        require_resolved(survey, physics, config)
        self.config, self.mean_model, self.device = config, mean_model, torch.device(device)
        self.survey, self.fine = survey, survey.refined(config.finer)
        self.threads = 1 if self.device.type == "cuda" else len(os.sched_getaffinity(0))
        finer = {
            "order": config.order,
            "pml_width": physics.pml_width * config.finer,
            "memory": max(1, physics.memory // self.threads),
        }
        self.propagator = Propagator(self.fine, physics.model_copy(update=finer)).to(self.device)
        self.recorded_dt = survey.recorded_dt

    def simulate(self, velocity: Array) -> Array:
        """Record one or several sections on the check's grid.

        Args:
            velocity: speeds [m/s], shape ``(depth, x)``, or ``(section, depth, x)``.

        Returns:
            Gathers, shape ``(shot, time, receiver)``, or ``(section, shot, time, receiver)``.

        Raises:
            ValueError: a section has another shape than the survey's grid, or speeds outside its range.
        """
        shape = np.shape(velocity)
        if shape[-2:] != self.mean_model.shape or len(shape) not in (2, 3):
            raise ValueError(f"section of shape {shape}, the survey's grid wants {self.mean_model.shape}")
        sections = torch.from_numpy(np.array(velocity, dtype=np.float32)).reshape(-1, *shape[-2:])
        size = (self.fine.grid.nz, self.fine.grid.nx)
        sections = sections.to(self.device)[:, None]
        fine = interpolate(sections, size=size, mode="bilinear", align_corners=True)[:, 0]
        gathers: Array = self._record(fine).cpu().numpy()
        return gathers.reshape(*shape[:-2], *self.survey.gather_shape)

    def __call__(self, velocity: Array, recorded: Array) -> Checked:
        """Compare a section with the records it was inverted from.

        Traces and shots that are zero throughout in the records are compared with nothing.

        Args:
            velocity: the section [m/s], shape ``(depth, x)``.
            recorded: the records, shape ``(shot, time, receiver)``.

        Raises:
            ValueError: section or records are not of the survey's shape, or hold impossible values.
        """
        return self.several(np.asarray(velocity)[None], np.asarray(recorded)[None])[0]

    def several(
        self, velocity: Array, recorded: Array | Sequence[Array], against_mean: bool = True
    ) -> list[Checked]:
        """Compare sections with their records: as one by one, but faster.

        Args:
            velocity: the sections [m/s], shape ``(section, depth, x)``.
            recorded: the records of each, shape ``(section, shot, time, receiver)``.
            against_mean: compare the mean model with the records as well, which for a survey's first records
                costs as much as a section.

        Raises:
            ValueError: sections or records are not of the survey's shape, or hold impossible values.
        """
        if len(velocity) != len(recorded):
            raise ValueError(f"{len(velocity)} sections cannot be compared with {len(recorded)} records")
        slowest, fastest = self.fine.grid.velocity
        found = []
        for first in range(0, len(velocity), SECTIONS_AT_ONCE):
            sections = np.asarray(velocity[first : first + SECTIONS_AT_ONCE], dtype=np.float32)
            simulated = self.simulate(np.clip(sections, slowest, fastest))
            for section, gathers, records in zip(sections, simulated, recorded[first:], strict=False):
                records = np.asarray(records, dtype=np.float32)
                misfit = compare(records, gathers, self.recorded_dt)
                found.append(
                    Checked(
                        section,
                        records,
                        gathers * np.float32(misfit.gain),
                        misfit,
                        compare(records, self._mean_gathers, self.recorded_dt) if against_mean else None,
                        float(np.mean((section < slowest) | (section > fastest))),
                        _missing(records),
                    )
                )
        return found

    @cached_property
    def _mean_gathers(self) -> Array:
        return self.simulate(self.mean_model)

    def _record(self, fine: Tensor) -> Tensor:
        """Record sections on the fine grid, shape ``(section, shot, time, receiver)``."""
        if self.device.type == "cuda":
            with torch.inference_mode():
                gathers: Tensor = self.propagator(fine)
            return gathers
        self.propagator.require_admissible(fine)
        pairs = torch.arange(len(fine) * self.survey.config.shots)
        most = min(self.propagator.shots_per_chunk(), SHOTS_AT_ONCE, -(-len(pairs) // self.threads))

        def record(part: Tensor) -> Tensor:
            with torch.inference_mode():
                return self.propagator.record(fine, part)

        with ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            parts = list(pool.map(record, torch.split(pairs, most)))
        return torch.cat(parts).reshape(len(fine), *self.survey.gather_shape)


def require_resolved(survey: Survey, physics: PhysicsConfig, config: CheckConfig) -> None:
    """Refuse a check whose grid is too coarse for its order of finite differences.

    The time step needs no such test: it is refined with the grid, and so as stable as that of the data.

    Args:
        survey: survey of the data.
        physics: how the data were simulated.
        config: how much finer and of which order the check is.

    Raises:
        SurveyError: the grid is too coarse; the message gives a refinement and the orders that would do.
    """
    points = points_per_wavelength(survey.grid, survey.config)
    needed = MIN_POINTS_PER_WAVELENGTH[config.order]
    if points * config.finer >= needed:
        return
    orders = [
        str(order)
        for order, least in MIN_POINTS_PER_WAVELENGTH.items()
        if points * config.finer >= least and order != physics.order
    ]
    raise SurveyError(
        f"check.order: {config.order} needs {needed:g} cells in the shortest wavelength, which has "
        f"{points * config.finer:.2f} where check.finer is {config.finer}: take check.finer "
        f"{math.ceil(needed / points)}" + (f", or check.order {' or '.join(orders)}" if orders else "")
    )


def compare(recorded: Array, simulated: Array, dt: float) -> Misfit:
    """Measure how gathers of the same survey differ, all of them weighted by time squared.

    Args:
        recorded: shape ``(shot, time, receiver)``; traces that are zero throughout are left out.
        simulated: the same shape.
        dt: sample interval [s].

    Raises:
        ValueError: the shapes differ, a sample is not finite, or the record is all zero.
    """
    if recorded.shape != simulated.shape:
        raise ValueError(
            f"records of shape {recorded.shape} cannot be those of a survey of {simulated.shape}"
        )
    if not np.isfinite(recorded).all():
        raise ValueError("the records hold NaN or infinite samples: mend or mute those traces first")
    live = _live(recorded)
    if not live.any():
        raise ValueError("the record is zero throughout: leave it out")
    shots = live.any(axis=1)
    data = weighted_by_time(torch.tensor(recorded[shots]), dt, power=2)
    synthetic = weighted_by_time(torch.tensor((simulated * live[:, None])[shots]), dt, power=2)
    gain = gain_on_simulated(data, synthetic)

    nrms, correlations, shifts = (np.full(len(live), np.nan) for _ in range(3))
    nrms[shots] = normalised_rms(gain * synthetic, data, over=(1, 2)).flatten().numpy()
    correlations[shots] = _median(correlation(data, synthetic).numpy(), live[shots])
    shifts[shots] = _median(time_shift(data, synthetic, dt).numpy(), live[shots])
    return Misfit(nrms, correlations, shifts, gain.item())


def _median(values: Floats, live: NDArray[np.bool_]) -> Floats:
    """Median over the live traces of each shot, shape ``(shot,)``, of values ``(shot, receiver)``."""
    medians: Floats = np.nanmedian(np.where(live, values, np.nan), axis=1)
    return medians


def _live(recorded: Array) -> NDArray[np.bool_]:
    """Tell the traces that are not zero throughout, shape ``(shot, receiver)``."""
    live: NDArray[np.bool_] = np.any(recorded, axis=1)
    return live


def _missing(recorded: Array) -> str:
    """Describe the shots and the traces of other shots that are zero throughout; empty if there are none."""
    live = _live(recorded)
    shots = int((~live.any(axis=1)).sum())
    traces = int((~live).sum()) - shots * live.shape[1]
    counts = [f"{shots} of {len(live)} shots"] * (shots > 0)
    counts += [f"{traces} {'other ' if shots else ''}traces of {live.size}"] * (traces > 0)
    return f"zero throughout and left out: {' and '.join(counts)}" if counts else ""
