"""Naive predictions of a section, which any sensible network must beat."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BLUR = 30.0  # m, standard deviation of the naive "blurred truth"
SHIFT = 10.0  # m, by which the naive "shifted truth" is too deep


class Predictor(NamedTuple):
    """The title of a naive predictor in tables, and the knowledge it uses."""

    title: str
    """Its name in tables."""
    meaning: str
    """What it predicts, in words."""


PREDICTORS = {
    "mean": Predictor("mean model", "the mean of the training models, whatever the record"),
    "left edge": Predictor("left edge", "the truth's left edge carried through the section: layers, no salt"),
    "blurred truth": Predictor("blurred truth", "all in its place, but nothing sharp"),
    "shifted truth": Predictor("shifted truth", "all sharp, but a little too deep"),
}
"""The naive predictors by name; they use knowledge that the network has to infer from the records."""


def predictions(
    truth: NDArray[Any], mean_model: NDArray[Any], spacing: float
) -> dict[str, NDArray[np.float32]]:
    """Make the predictions that any sensible network must beat.

    The lengths are in metres, so that they mean the same on any grid: the truth is blurred by a Gaussian of
    30 m (three cells of 10 m) and moved 10 m deeper (half a cell of 20 m, by linear interpolation).

    Args:
        truth: True velocity [m/s], shape ``(batch, depth, x)``.
        mean_model: Mean of the training split's models [m/s], shape ``(depth, x)``.
        spacing: Cell size [m].

    Returns:
        Predicted velocity [m/s], shape ``(batch, depth, x)``, by name. ``left edge`` repeats the true model's
        first column along x: the layers are known, the salt is not.
    """
    truth = np.asarray(truth, dtype=np.float32)
    sigma, deeper = BLUR / spacing, SHIFT / spacing
    return {
        "mean": np.repeat(np.asarray(mean_model, dtype=np.float32)[None], len(truth), axis=0),
        "left edge": np.repeat(truth[:, :, :1], truth.shape[2], axis=2),
        "blurred truth": ndimage.gaussian_filter(truth, (0, sigma, sigma), mode="nearest"),
        "shifted truth": ndimage.shift(truth, (0, deeper, 0), order=1, mode="nearest"),
    }


def linear_gradient(mean_model: NDArray[Any]) -> NDArray[np.float32]:
    """Make the start that full-waveform inversion without a network has: a speed that is linear in depth.

    Args:
        mean_model: Mean of the training models [m/s], shape ``(depth, x)``, to which the line is fitted by
            least squares; its limits are kept.

    Returns:
        Velocity [m/s], same shape.
    """
    of_depth = np.asarray(mean_model, dtype=np.float64).mean(axis=1)
    row = np.arange(len(of_depth))
    line = np.polynomial.Polynomial.fit(row, of_depth, 1)(row).clip(np.min(mean_model), np.max(mean_model))
    return np.repeat(line.astype(np.float32)[:, None], np.shape(mean_model)[1], axis=1)
