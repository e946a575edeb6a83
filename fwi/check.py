"""The physics check: whether a section explains the records it was inverted from.

The section is simulated on a finer grid and with another order of finite differences than the data, so that
agreement does not come from equal discretisation errors, and compared with the records shot by shot. The mean
model of the training set is compared in the same way; a section must explain the records clearly better than
the mean model to be believed.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from fwi.config import CheckConfig, PhysicsConfig
from fwi.misfit import correlation, gain_on_simulated, normalised_rms, time_shift, weighted_by_time
from fwi.physics import Propagator
from fwi.survey import MIN_POINTS_PER_WAVELENGTH, Survey, SurveyError
from fwi.survey_limits import points_per_wavelength

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


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
    correlation: float
    shift: float
    """Median of the size of the time shift [s]."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a physics check."""

    believed: bool
    reasons: tuple[str, ...]
    """The reasons for the verdict, one sentence each."""
    misfit: Misfit
    mean_model: Misfit
    simulated: Array
    """Gathers of the section, shape ``(shot, time, receiver)``, multiplied by the gain."""
    missing: str = ""
    """Shots and traces that were left out because they are zero throughout, in words; empty if none were."""

    @property
    def word(self) -> str:
        """``believed`` or ``doubtful``."""
        return "believed" if self.believed else "doubtful"

    @property
    def remark(self) -> str:
        """The verdict in two words, for the title of a figure."""
        return f"{self.word}, NRMS {self.misfit.median.nrms:.2f}"

    def __str__(self) -> str:
        return f"{self.word}: {'; '.join(self.findings)}"

    @property
    def findings(self) -> tuple[str, ...]:
        """The reasons for the verdict, and what was left out, if anything was."""
        return (*self.reasons, *([self.missing] if self.missing else []))

    def summary(self) -> dict[str, object]:
        """The medians over shots and the values of each shot, for tables and files."""
        shots = {"nrms": self.misfit.nrms, "correlation": self.misfit.correlation, "shift": self.misfit.shift}
        return {
            **self.misfit.median._asdict(),
            "mean_model_nrms": self.mean_model.median.nrms,
            "verdict": self.word,
            "reasons": list(self.findings),
            "per_shot": {name: values.tolist() for name, values in shots.items()},
        }


class PhysicsCheck:
    """Re-simulate sections of one survey and compare them with records.

    Args:
        survey: the records' survey.
        physics: the settings with which records of this survey are simulated; the check uses another order
            and an absorbing layer of the same width in metres.
        config: the check's grid and order, and the limits of what is believed.
        mean_model: the training set's mean model [m/s], shape ``(depth, x)``.

    Raises:
        SurveyError: the check's grid is too coarse for its order.
    """

    def __init__(
        self, survey: Survey, physics: PhysicsConfig, config: CheckConfig, mean_model: Array
    ) -> None:
        require_resolved(survey, physics, config)
        self.config, self.mean_model = config, mean_model
        self.fine = survey.refined(config.refine)
        finer = {"order": config.order, "pml_width": physics.pml_width * config.refine}
        self.propagator = Propagator(self.fine, physics.model_copy(update=finer))
        self.recorded_dt = survey.recorded_dt

    def simulate(self, velocity: Array) -> Array:
        """Record a section ``(depth, x)`` [m/s] on the check's grid: ``(shot, time, receiver)``.

        Raises:
            ValueError: the section has another shape than the survey's grid, or speeds outside its range.
        """
        if np.shape(velocity) != self.mean_model.shape:
            raise ValueError(
                f"section of shape {np.shape(velocity)}, the survey's grid wants {self.mean_model.shape}"
            )
        section = torch.from_numpy(np.ascontiguousarray(velocity, dtype=np.float32))
        size = (self.fine.grid.nz, self.fine.grid.nx)
        fine = interpolate(section[None, None], size=size, mode="bilinear", align_corners=True)[0]
        with torch.inference_mode():
            gathers: Array = self.propagator(fine)[0].numpy()
        return gathers

    def __call__(self, velocity: Array, recorded: Array) -> Verdict:
        """Judge a section by the records it was inverted from.

        Traces and shots that are zero throughout in the records are compared with nothing. A section with
        speeds outside the survey's range is simulated with the nearest admissible speeds, and not believed,
        however well it explains the records.

        Args:
            velocity: the section [m/s], shape ``(depth, x)``.
            recorded: the records, shape ``(shot, time, receiver)``.

        Raises:
            ValueError: section or records are not of the survey's shape, or hold impossible values.
        """
        recorded = np.asarray(recorded, dtype=np.float32)
        slowest, fastest = self.fine.grid.velocity
        simulated = self.simulate(np.clip(velocity, slowest, fastest))
        found = compare(recorded, simulated, self.recorded_dt)
        mean = compare(recorded, self._mean_gathers, self.recorded_dt)
        believed, reasons = self._judge(found, mean)
        outside = float(np.mean((velocity < slowest) | (velocity > fastest)))
        if outside:
            impossible = f"{outside:.0%} of the cells are outside {slowest:g} .. {fastest:g} m/s"
            believed, reasons = False, (impossible, *(() if believed else reasons))
        return Verdict(believed, reasons, found, mean, simulated * np.float32(found.gain), _missing(recorded))

    @cached_property
    def _mean_gathers(self) -> Array:
        return self.simulate(self.mean_model)

    def _judge(self, found: Misfit, mean: Misfit) -> tuple[bool, tuple[str, ...]]:
        (nrms, correlation, shift), mean_nrms = found.median, mean.median.nrms
        tests = [
            (
                nrms <= self.config.nrms_share * mean_nrms,
                f"NRMS {nrms:.2f}, {nrms / mean_nrms:.0%} of the mean model's {mean_nrms:.2f}",
                f"at most {self.config.nrms_share:.0%}",
            ),
            (
                correlation >= self.config.correlation,
                f"trace correlation {correlation:.2f}",
                f"at least {self.config.correlation:.2f}",
            ),
            (
                shift <= self.config.shift,
                f"time shift {shift * 1000:.1f} ms",
                f"at most {self.config.shift * 1000:.0f} ms",
            ),
        ]
        failed = tuple(f"{finding} ({limit} is believed)" for passed, finding, limit in tests if not passed)
        return not failed, failed or tuple(finding for _, finding, _ in tests)


def require_resolved(survey: Survey, physics: PhysicsConfig, config: CheckConfig) -> None:
    """Refuse a check whose grid is too coarse for its order of finite differences.

    The time step needs no such test: it is refined with the grid, and so as stable as that of the data.

    Raises:
        SurveyError: the grid is too coarse; the message gives a refinement and the orders that would do.
    """
    points = points_per_wavelength(survey.grid, survey.config)
    needed = MIN_POINTS_PER_WAVELENGTH[config.order]
    if points * config.refine >= needed:
        return
    orders = [
        str(order)
        for order, least in MIN_POINTS_PER_WAVELENGTH.items()
        if points * config.refine >= least and order != physics.order
    ]
    raise SurveyError(
        f"check.order: {config.order} needs {needed:g} cells in the shortest wavelength, which has "
        f"{points * config.refine:.2f} where check.refine is {config.refine}: take check.refine "
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
