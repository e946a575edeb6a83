"""The minimisation of an objective over sections within speed limits, by a number of gradients."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[np.float32]

UNIT = 100.0
"""Speed that the optimiser takes as one [m/s]."""

SCALE = 1000.0
"""Factor of the objective: the optimiser's first step is as long as the gradient."""

CORRECTIONS = 20
"""Pairs of steps and changes of the gradient from which L-BFGS estimates curvature."""

SETTLED = 1e-7
"""Relative decrease of the objective in one iteration below which the minimum counts as reached."""


class Evaluation(NamedTuple):
    """The objective at a section."""

    misfit: float
    penalty: float
    gradient: Array
    """Gradient of misfit plus penalty [1 / (m/s)], shape ``(depth, x)``."""

    @property
    def objective(self) -> float:
        """What is minimised."""
        return self.misfit + self.penalty


class _Stopped(Exception):  # noqa: N818 - it is no error
    """Leave the optimiser, which has no other way out between two evaluations of a line search."""


def minimise(
    objective: Callable[[Array], Evaluation],
    start: Array,
    velocity_range: tuple[float, float],
    gradients: int,
    stop: Callable[[Array, Evaluation], str] = lambda _, __: "",
) -> str:
    """Minimise by L-BFGS-B (Byrd et al., 1995, SIAM J. Sci. Comput. 16(5)) within the speed limits.

    Bounds keep the gradient of cells at a limit, where salt lies. A sigmoid would flatten it there.

    Args:
        objective: function of a section ``(depth, x)`` [m/s].
        start: section to begin with, whose cells outside the limits are moved onto them.
        velocity_range: slowest and fastest speed [m/s].
        gradients: largest number of evaluations.
        stop: function of each section that was evaluated and its evaluation, which returns why the search
            shall end there, or nothing to go on. It sees the best section pass.

    Returns:
        Why the search ended: ``converged``, ``budget``, or what ``stop`` said.
    """
    evaluated = 0

    def scaled(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        nonlocal evaluated
        if evaluated >= gradients:
            raise _Stopped("budget")
        section = np.clip(x.reshape(start.shape) * UNIT, *velocity_range).astype(np.float32)
        found = objective(section)
        evaluated += 1
        if why := stop(section, found):
            raise _Stopped(why)
        return SCALE * found.objective, SCALE * UNIT * found.gradient.astype(np.float64).ravel()

    slowest, fastest = velocity_range
    try:
        minimize(
            scaled,
            np.clip(start, slowest, fastest).astype(np.float64).ravel() / UNIT,
            jac=True,
            method="L-BFGS-B",
            bounds=[(slowest / UNIT, fastest / UNIT)] * start.size,
            options={
                "maxcor": CORRECTIONS,
                "ftol": SETTLED,
                "gtol": 0.0,
                "maxiter": gradients,
                "maxfun": gradients + 1,
            },
        )
    except _Stopped as stopped:
        return str(stopped)
    return "converged"
