"""The misfit of a section with records, as a refinement fits it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fwi.misfit import band_passed, weighted_by_time
from fwi.refine.noise import noise_share
from fwi.refine.simulator import Simulator
from fwi.refine.source import SourceMatch

Array = NDArray[np.float32]
Numbers = NDArray[np.int64]


class RecordMisfit:
    r"""The misfit of a section with the records of some shots: 0 if it explains them, 1 if it is silent.

    .. math:: \frac{\sum (t^p (s * (d_{sim}(v) + c) - d))^2}{\sum (t^p d)^2}

    with sums over the shots, and both gathers in the same band. The source match s and the correction c of
    the grid's error are held fixed.

    Args:
        simulator: simulates the survey's shots.
        recorded: the records d, shape ``(shot, time, receiver)``; traces that are zero throughout are left
            out.
        source: how simulated gathers become those of the recorded source.
        correction: what simulated gathers lack for the coarseness of their grid, of the shape of the records.
        power: power p of the time.
        highest: highest frequency of the band [Hz]; all frequencies if left out.
    """

    def __init__(
        self,
        simulator: Simulator,
        recorded: Array,
        source: SourceMatch,
        correction: Array,
        power: float,
        highest: float | None = None,
    ) -> None:
        self.simulator, self.source, self.power, self.highest = simulator, source, power, highest
        self.dt = simulator.survey.recorded_dt
        data = self._tensor(recorded)
        weights = data.any(1, keepdim=True) * source.completeness(data.shape[1]).to(data.device)
        self.weights = weighted_by_time(weights.expand(-1, data.shape[1], -1), self.dt, power)
        self.data, self.correction = self._in_band(data), self._tensor(correction)
        self.energy = ((self.weights * self.data) ** 2).sum((1, 2))

    def __call__(self, velocity: Array, shots: Numbers) -> tuple[float, Array]:
        """Return the misfit of a section ``(depth, x)`` [m/s], and its gradient [1 / (m/s)].

        Args:
            velocity: the section [m/s], shape ``(depth, x)``.
            shots: the shots that are fitted.
        """
        value, gradient = self.simulator.misfit_and_gradient(velocity, shots, self._summed)
        energy = float(self.energy[shots].sum())
        return value / energy, gradient / np.float32(energy)

    def of(self, simulated: Array, shots: Numbers) -> float:
        """Return the misfit of simulated gathers.

        Args:
            simulated: gathers of all shots on the record's grid, shape ``(shot, time, receiver)``.
            shots: numbers of the shots that count, shape ``(chosen shot,)``.
        """
        chosen = torch.from_numpy(shots).to(self.data.device)
        value = self._summed(self._tensor(simulated)[chosen], chosen)
        return float(value / self.energy[chosen].sum())

    def of_noise(self, level: float, shots: Numbers) -> float:
        """Return the misfit of a section that explains all but noise: see ``noise_share``.

        Args:
            level: RMS of the noise.
            shots: numbers of the shots that count, shape ``(chosen shot,)``.
        """
        chosen = torch.from_numpy(shots).to(self.data.device)
        return noise_share(self.data[chosen], self.weights[chosen], level)

    def _summed(self, simulated: Tensor, shots: Tensor) -> Tensor:
        matched = self._in_band(self.source.of(shots).apply(simulated + self.correction[shots]))
        return ((self.weights[shots] * (matched - self.data[shots])) ** 2).sum()

    def _in_band(self, gathers: Tensor) -> Tensor:
        return gathers if self.highest is None else band_passed(gathers, self.dt, 0.0, self.highest)

    def _tensor(self, gathers: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(gathers, np.float32)).to(self.simulator.device)
