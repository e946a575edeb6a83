"""Building blocks of salt models: what more than one preset is made of."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Curve = NDArray[np.float64]
"""Depths or heights [m] at the positions of the columns, shape ``(nx,)``."""


class SaltModel(NamedTuple):
    """One velocity model."""

    velocity: NDArray[np.float32]
    """P-wave speed [m/s], shape ``(nz, nx)``."""
    salt: NDArray[np.uint8]
    """1 in the salt, 0 elsewhere, shape ``(nz, nx)``."""


def relief(rng: Generator, x: Curve, height: float, correlation_length: float) -> Curve:
    """Draw a smooth random curve: Gaussian, stationary, correlation exp(-(distance / length)^2 / 2).

    A sum of cosines of random wavenumber and phase, so it is known between the columns too.

    Args:
        rng: where the randomness comes from.
        x: positions of the columns [m].
        height: standard deviation [m].
        correlation_length: distance over which the curve changes [m].
    """
    waves = 48
    wavenumber = rng.normal(0.0, 1.0 / correlation_length, (waves, 1))
    phase = rng.uniform(0.0, 2.0 * np.pi, (waves, 1))
    curve: Curve = height * np.sqrt(2.0 / waves) * np.cos(wavenumber * x + phase).sum(axis=0)
    return curve
