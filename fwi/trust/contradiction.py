"""Where the records contradict a section: the energy that it does not explain, carried back to its place."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fwi.check import Checked
from fwi.survey import Survey

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

FARTHEST = 0.5
"""Largest offset whose traces are carried back, as a share of the largest offset: along straight rays,
others would be carried astray."""
WATER = 0.3
"""Energy, as a share of the mean, that is added where the section is compared with what was recorded."""


class Place(NamedTuple):
    """A place of a section [m]."""

    x: float
    """Position along the line [m]."""
    depth: float
    """Depth [m]."""

    def __str__(self) -> str:
        return f"{self.x:.0f} m along the line, {self.depth:.0f} m deep"


def contradiction(checked: Checked, survey: Survey) -> Array:
    """Map where the records contradict a section.

    The energy of the residual within a period is carried back to all places from which it can have come:
    those with the trace's time from the shot over the place to the receiver, along straight rays at the mean
    speed of the section above the place (Kirchhoff migration of energy, without phase). It is summed over
    traces and compared with the energy of the simulated gathers and the records from the same place.

    Args:
        checked: a section with its records and simulated gathers.
        survey: survey of the records.

    Returns:
        Share of the energy from each place that the section does not explain, smoothed over half a
        wavelength, shape ``(depth, x)``: near 0 where records and section agree, 1 and more where not.
    """
    recorded, simulated = checked.recorded.astype(np.float64), checked.simulated.astype(np.float64)
    live = np.any(checked.recorded, axis=1)
    simulated = simulated * live[:, None]
    period = 1 / survey.config.wavelet.frequency
    sigma = period / 2 / survey.recorded_dt
    unexplained, there = (
        ndimage.gaussian_filter1d(energy, sigma, axis=1)
        for energy in ((recorded - simulated) ** 2, (recorded**2 + simulated**2) / 2)
    )
    slow, depth = _mean_slowness(checked.section, survey), survey.depth[:, None]
    delay = survey.config.wavelet.peaks_at
    missing, energy = np.zeros(checked.section.shape), np.zeros(checked.section.shape)
    legs = {
        position: np.hypot(depth, survey.x - position) * slow
        for position in np.unique([*survey.shot_x, *survey.receiver_x.ravel()])
    }
    for shot, shot_x in enumerate(survey.shot_x):
        for receiver in np.flatnonzero(live[shot] & (survey.offset[shot] <= FARTHEST * survey.offset.max())):
            time = legs[shot_x] + legs[survey.receiver_x[shot, receiver]] + delay
            sample = np.rint(time / survey.recorded_dt).astype(int)
            within = sample < recorded.shape[1]
            sample = np.minimum(sample, recorded.shape[1] - 1)
            # Spreading makes deep places faint: every trace counts by its share of the energy at its time.
            missing += np.where(within, unexplained[shot, sample, receiver], 0.0)
            energy += np.where(within, there[shot, sample, receiver], 0.0)
    level = WATER * energy.mean(axis=1, keepdims=True)
    share = missing / np.maximum(energy + level, np.finfo(float).tiny)
    wavelength = float(np.mean(checked.section)) * period
    smooth: Array = ndimage.gaussian_filter(share, wavelength / 4 / survey.grid.spacing).astype(np.float32)
    return smooth


def strongest(contradiction: Array, survey: Survey) -> Place:
    """Return the place where the records contradict a section most, over about a wavelength around it.

    Args:
        contradiction: the map of ``contradiction``, shape ``(depth, x)``.
        survey: survey of the records.
    """
    wavelength = sum(survey.grid.velocity) / 2 / survey.config.wavelet.frequency
    # Nothing beyond the edges: there, few traces make the map uncertain.
    around = ndimage.gaussian_filter(contradiction, wavelength / 2 / survey.grid.spacing, mode="constant")
    row, column = np.unravel_index(int(np.argmax(around)), contradiction.shape)
    return Place(float(survey.x[column]), float(survey.depth[row]))


def _mean_slowness(section: Array, survey: Survey) -> Floats:
    """Mean slowness of the section from the surface to each place [s/m], shape ``(depth, x)``."""
    smooth = ndimage.gaussian_filter1d(1 / section.astype(np.float64), 2.0, axis=1)
    return np.cumsum(smooth, axis=0) / np.arange(1, len(section) + 1)[:, None]
