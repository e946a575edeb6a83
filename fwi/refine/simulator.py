"""The shots of a survey, simulated with or without a gradient: in parallel, and in bounded memory."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fwi.config import PhysicsConfig
from fwi.physics import Propagator
from fwi.survey import Survey

Array = NDArray[np.float32]
Result = TypeVar("Result")

HISTORY_INTERVAL = 5
"""Time steps between the states of the wavefield that gradients are computed from."""


class Simulator:
    """Simulate the shots of a survey, with or without a gradient, as fast as the machine can.

    On a CPU every thread simulates shots of its own, because threads that share a time step wait for each
    other.
    On a GPU all shots that fit into ``physics.memory`` are simulated at once.

    Args:
        survey: geometry, time axis and wavelet.
        physics: order and absorbing layer, and the bytes that all shots simulated at once may take.
        threads: number of threads on a CPU; one per core if left out.

    Raises:
        SurveyError: the survey is unstable or undersampled at this order.
    """

    def __init__(self, survey: Survey, physics: PhysicsConfig, threads: int | None = None) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        on_gpu = self.device.type == "cuda"
        self.threads = 1 if on_gpu else threads or len(os.sched_getaffinity(0))
        each = physics.model_copy(update={"memory": physics.memory // self.threads})
        self.survey, self.propagator = survey, Propagator(survey, each).to(self.device)

    def simulate(self, velocity: Array) -> Array:
        """Record a section ``(depth, x)`` [m/s]: gathers ``(shot, time, receiver)``."""
        model = self._model(velocity)

        def record(shots: Tensor) -> Tensor:
            with torch.no_grad():
                return self.propagator.record(model, shots).cpu()

        every = np.arange(self.survey.config.shots)
        gathers: Array = torch.cat(self._over(every, record)).numpy()
        return gathers

    def misfit_and_gradient(
        self, velocity: Array, shots: NDArray[np.int64], misfit: Callable[[Tensor, Tensor], Tensor]
    ) -> tuple[float, Array]:
        """Sum a misfit over shots, and differentiate the sum with respect to the section.

        Args:
            velocity: the section [m/s], shape ``(depth, x)``.
            shots: the shots to sum over.
            misfit: function of simulated gathers ``(shot, time, receiver)`` and the numbers of their shots;
                it must be a sum over the shots.

        Returns:
            The misfit, and its gradient [1 / (m/s)], shape ``(depth, x)``.
        """

        def differentiate(chunk: Tensor) -> tuple[float, Tensor]:
            model = self._model(velocity).requires_grad_()
            value = misfit(self.propagator.record(model, chunk, HISTORY_INTERVAL), chunk)
            (gradient,) = torch.autograd.grad(value, model)
            return float(value.detach()), gradient[0].double().cpu()

        values, gradients = zip(*self._over(shots, differentiate, gradient=True), strict=True)
        return sum(values), torch.stack(gradients).sum(0).float().numpy()

    def _model(self, velocity: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(velocity, dtype=np.float32))[None].to(self.device)

    def _over(
        self, shots: NDArray[np.int64], function: Callable[[Tensor], Result], gradient: bool = False
    ) -> list[Result]:
        """Call a function of each chunk of shots, in threads, and return the results in order."""
        most = self.propagator.shots_per_chunk(gradient, HISTORY_INTERVAL)
        chunks = max(-(-len(shots) // most), min(self.threads, len(shots)))
        parts = [torch.from_numpy(part).to(self.device) for part in np.array_split(shots, chunks)]
        with ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(function, parts))
