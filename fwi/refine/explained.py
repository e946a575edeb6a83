"""What a section explains of records, with the source that it takes for that."""

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


class Explained(NamedTuple):
    """What a section explains of the records."""

    simulator: Simulator
    recorded: Array
    true: Array
    """Gathers of the section, on the grid that is taken as true, shape ``(shot, time, receiver)``."""
    lacking: Array
    """What its gathers on the refinement's grid lack of them."""
    source: SourceMatch

    @property
    def matched(self) -> Array:
        """Gathers of the section with the recorded source."""
        gathers: Array = self.source.apply(torch.from_numpy(self.true)).float().numpy()
        return gathers

    def misfit(self, power: float, highest: float | None = None) -> RecordMisfit:
        """The misfit of other sections, with the source of this one and the grid's error as of it."""
        return RecordMisfit(self.simulator, self.recorded, self.source, self.lacking, power, highest)

    def unexplained(self, power: float, shots: Numbers) -> float:
        """The misfit of this section with some shots."""
        nothing = np.zeros_like(self.lacking)
        misfit = RecordMisfit(self.simulator, self.recorded, self.source, nothing, power)
        return misfit.of(self.true, shots)

    def time_shift(self, shots: Numbers) -> float:
        """Size of the time shift [s] that ``LARGE_SHIFTS`` of the traces stay below."""
        dt = self.simulator.survey.recorded_dt
        recorded, simulated = (
            weighted_by_time(torch.from_numpy(each[shots]), dt, 2) for each in (self.recorded, self.matched)
        )
        shifts = time_shift(recorded, simulated, dt)
        return float(shifts[recorded.any(1)].abs().quantile(LARGE_SHIFTS))
