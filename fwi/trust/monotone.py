"""Small monotone models: each figure of a check can only raise the probability that a section is wrong."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Weights(NamedTuple):
    """A linear function of standardised figures."""

    intercept: float
    """Value of the function where all figures are zero."""
    figures: Floats
    """Weight of each figure, zero or positive."""

    def of(self, values: Floats) -> Floats:
        """Apply the function to figures ``(section, figure)``: values ``(section,)``."""
        result: Floats = self.intercept + values @ self.figures
        return result


def logistic(values: Floats, wrong: NDArray[Any], counts: Floats, ridge: float) -> Weights:
    """Fit the log-odds of being wrong.

    Minimises the mean logistic loss plus ``ridge`` times half the sum of squared weights, with weights that
    are not negative.

    Args:
        values: standardised figures, larger where a section is worse, shape ``(section, figure)``.
        wrong: which sections are wrong, shape ``(section,)``.
        counts: how much each section counts, shape ``(section,)``.
        ridge: strength of the penalty on large weights.
    """
    target, share = np.asarray(wrong, dtype=float), counts / counts.sum()

    def loss(parameters: Floats) -> tuple[float, Floats]:
        odds = parameters[0] + values @ parameters[1:]
        residual = share * (probability(odds) - target)
        value = share @ (np.logaddexp(0, odds) - target * odds) + ridge / 2 * parameters[1:] @ parameters[1:]
        return value, np.concatenate([[residual.sum()], residual @ values + ridge * parameters[1:]])

    # Without a wrong section, or a right one, the best intercept is infinite: one half of a section is added.
    base = (share @ target * len(wrong) + 0.5) / (len(wrong) + 1)
    return _fitted(loss, np.log(base / (1 - base)), values.shape[1], (-20.0, 20.0))


def regression(values: Floats, target: Floats, counts: Floats, ridge: float) -> Weights:
    """Fit a quantity by least squares with weights that are not negative; see ``logistic``.

    Args:
        values: standardised figures, larger where a section is worse, shape ``(section, figure)``.
        target: the quantity, shape ``(section,)``.
        counts: how much each section counts, shape ``(section,)``.
        ridge: strength of the penalty on large weights.
    """
    share = counts / counts.sum()

    def loss(parameters: Floats) -> tuple[float, Floats]:
        residual = parameters[0] + values @ parameters[1:] - target
        value = share @ residual**2 / 2 + ridge / 2 * parameters[1:] @ parameters[1:]
        gradient = np.concatenate([[share @ residual], (share * residual) @ values + ridge * parameters[1:]])
        return value, gradient

    return _fitted(loss, float(share @ target), values.shape[1], (None, None))


def probability(odds: Floats) -> Floats:
    """Turn log-odds of any shape into probabilities."""
    return np.exp(-np.logaddexp(0, -odds))


def _fitted(loss: Any, intercept: float, figures: int, limits: tuple[float | None, float | None]) -> Weights:
    from scipy.optimize import minimize

    start = np.concatenate([[intercept], np.zeros(figures)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[limits, *[(0.0, None)] * figures]).x
    return Weights(float(found[0]), found[1:])
