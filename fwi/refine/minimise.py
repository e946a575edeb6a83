"""The minimisation of an objective over sections within speed limits."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

UNIT = 100.0
"""Speed that the optimiser takes as one [m/s], as a quadratic mean over the cells."""

SCALE = 1000.0
"""Factor of the objective: the optimiser's first step is as long as the gradient."""

CORRECTIONS = 20
"""Pairs of steps and changes of the gradient from which L-BFGS estimates curvature."""

MOST_STEPS = 10_000_000
"""Steps that no budget allows: ``stop`` ends the search."""

SETTLED = 1e-7
"""Relative decrease of the objective in one iteration below which the minimum counts as reached."""


class Evaluation(NamedTuple):
    """The objective at a section."""

    misfit: float
    """Misfit with the records."""
    penalty: float
    """Penalty of a rough section: see ``fwi.refine.objective``."""
    gradient: Array
    """Gradient of misfit plus penalty [1 / (m/s)], shape ``(depth, x)``."""

    @property
    def objective(self) -> float:
        """Misfit and penalty together, which are minimised."""
        return self.misfit + self.penalty


class _Stopped(Exception):  # noqa: N818 - it is no error
    """Leave the optimiser, which has no other way out between two evaluations of a line search."""


def minimise(
    objective: Callable[[Array], Evaluation],
    start: Array,
    velocity_range: tuple[float, float],
    stop: Callable[[Array, Evaluation], str],
    spread: Array | None = None,
) -> str:
    """Minimise by L-BFGS-B (Byrd et al., 1995, SIAM J. Sci. Comput. 16(5)) within the speed limits.

    Bounds keep the gradient of cells at a limit, where salt lies. A sigmoid would flatten it there.

    Each cell is measured in units of its spread. Many sections explain the records; the search then finds one
    that differs from the start mostly where the start is uncertain, as if the spread were the standard
    deviation of a prior (preconditioning by the prior's covariance).

    Args:
        objective: function of a section ``(depth, x)`` [m/s].
        start: section to begin with, whose cells outside the limits are moved onto them.
        velocity_range: slowest and fastest speed [m/s].
        stop: function of each section that was evaluated and its evaluation; it returns why the search shall
            end there, or an empty text to go on. It sees every section, and so can keep the best.
        spread: how far the start may be off in each cell, shape ``(depth, x)``, of which only ratios between
            cells matter; the same everywhere if left out.

    Returns:
        Why the search ended: ``converged``, or what ``stop`` said.
    """
    from scipy.optimize import Bounds, minimize

    unit = np.full(start.shape, UNIT)
    if spread is not None:
        unit *= spread / np.sqrt(np.mean(np.square(spread, dtype=np.float64)))

    def scaled(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        section = np.clip(x.reshape(start.shape) * unit, *velocity_range).astype(np.float32)
        found = objective(section)
        if why := stop(section, found):
            raise _Stopped(why)
        return SCALE * found.objective, (SCALE * unit * found.gradient).ravel()

    slowest, fastest = velocity_range
    try:
        minimize(
            scaled,
            (np.clip(start, slowest, fastest) / unit).ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=Bounds((slowest / unit).ravel(), (fastest / unit).ravel()),
            options={
                "maxcor": CORRECTIONS,
                "ftol": SETTLED,
                "gtol": 0.0,
                "maxiter": MOST_STEPS,
                "maxfun": MOST_STEPS,
            },
        )
    except _Stopped as stopped:
        return str(stopped)
    return "converged"
