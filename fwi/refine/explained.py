"""How far a section explains records, once the source is matched to them."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fwi.misfit import time_shift, weighted_by_time
from fwi.refine.record_misfit import Numbers, RecordMisfit
from fwi.refine.simulator import Simulator
from fwi.refine.source import SourceMatch

Array = NDArray[np.float32]

LARGE_SHIFTS = 0.9
"""Share of the traces whose time shift decides on the first band: the latest ones may be anything."""

ABOVE_NOISE = 3.0
"""RMS of a trace, over that of the noise, from which its time shift is one of its arrivals."""


class Explained(NamedTuple):
    """What a section explains of the records."""

    simulator: Simulator
    """Simulates the section on the refinement's grid."""
    recorded: Array
    """The records, shape ``(shot, time, receiver)``."""
    true: Array
    """Gathers of the section on the finer grid, which is taken as true, shape ``(shot, time, receiver)``."""
    lacking: Array
    """The same less its gathers on the refinement's grid: the error of that grid."""
    source: SourceMatch
    """Gain, delay and wavelet of the recorded source."""

    @property
    def matched(self) -> Array:
        """Gathers of the section with the recorded source."""
        gathers: Array = self.source.apply(torch.from_numpy(self.true)).float().numpy()
        return gathers

    def misfit(self, power: float, highest: float | None = None) -> RecordMisfit:
        """The misfit of other sections, with the source and the grid's error of this one."""
        return RecordMisfit(self.simulator, self.recorded, self.source, self.lacking, power, highest)

    def unexplained(self, power: float, shots: Numbers) -> float:
        """Return the misfit of this section with some shots.

        Args:
            power: power of the time by which the records are weighted.
            shots: numbers of the shots that count, shape ``(chosen shot,)``.
        """
        nothing = np.zeros_like(self.lacking)
        misfit = RecordMisfit(self.simulator, self.recorded, self.source, nothing, power)
        return misfit.of(self.true, shots)

    def time_shift(self, shots: Numbers, power: float, noise: float) -> float:
        """Return the time shift [s] that is not exceeded by most of the traces above the noise.

        The share ``LARGE_SHIFTS`` of them has shifts of at most this size, early or late.

        Args:
            shots: numbers of the shots whose traces count, shape ``(chosen shot,)``.
            power: power of the time by which traces are weighted.
            noise: RMS of the noise; traces of less than ``ABOVE_NOISE`` times as much tell no shift.
        """
        dt = self.simulator.survey.recorded_dt
        recorded = torch.from_numpy(self.recorded[shots])
        telling = recorded.any(1) & (recorded.square().mean(1).sqrt() >= ABOVE_NOISE * noise)
        if not telling.any():
            return 0.0
        simulated = torch.from_numpy(self.matched[shots])
        shifts = time_shift(weighted_by_time(recorded, dt, power), weighted_by_time(simulated, dt, power), dt)
        return float(shifts[telling].abs().quantile(LARGE_SHIFTS))
