"""Building blocks of salt models that several presets share."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fwi.config import GridConfig

Curve = NDArray[np.float64]
"""Depths or heights [m] at the positions of the columns, shape ``(nx,)``."""
Field = NDArray[np.float64]
"""Values at the cells, shape ``(nz, nx)``."""
Mask = NDArray[np.bool_]
"""True in the selected cells, shape ``(nz, nx)``."""


CURVE_WAVES, FIELD_WAVES = 48, 32
"""Numbers of cosines in a random curve and in a random field, large enough for a sum close to Gaussian."""


class SaltModel(NamedTuple):
    """One velocity model."""

    velocity: NDArray[np.float32]
    """P-wave speed [m/s], shape ``(nz, nx)``."""
    salt: NDArray[np.uint8]
    """1 in the salt, 0 elsewhere, shape ``(nz, nx)``."""


class Geology(NamedTuple):
    """A section of sediments with the salt in it: what a preset draws, and a model is composed of."""

    sediment: Field
    """Speed of all that is not salt [m/s], also where the salt is."""
    salt: Mask
    """Where the salt is."""
    salt_speed: float
    """Speed of the salt [m/s]."""

    def model(self) -> SaltModel:
        """Put the salt into the sediments."""
        velocity = np.where(self.salt, self.salt_speed, self.sediment).astype(np.float32)
        return SaltModel(velocity, self.salt.astype(np.uint8))

    def without_salt(self) -> "Geology":
        """The same sediments alone."""
        return self._replace(salt=np.zeros_like(self.salt))


class Cells(NamedTuple):
    """Where the cells of a grid are, from the first one [m]."""

    x: Curve
    """Positions of the columns, shape ``(nx,)``."""
    z: NDArray[np.float64]
    """Depths of the rows, shape ``(nz, 1)``."""

    @classmethod
    def of(cls, grid: GridConfig) -> "Cells":
        """The cells of a grid."""
        x, z = np.arange(grid.nx, dtype=float), np.arange(grid.nz, dtype=float)
        return cls(x * grid.spacing, z[:, None] * grid.spacing)

    @property
    def length(self) -> float:
        """Length of the section [m]."""
        return float(self.x[-1])

    @property
    def depth(self) -> float:
        """Depth of the section [m]."""
        return float(self.z[-1, 0])


def relief(rng: Generator, x: Curve, height: float, correlation_length: float) -> Curve:
    """Draw a smooth random curve: Gaussian, stationary, correlation exp(-(distance / length)^2 / 2).

    A sum of cosines of random wavenumber and phase, so it is known between the columns too.

    Args:
        rng: where the randomness comes from.
        x: positions of the columns [m].
        height: standard deviation [m].
        correlation_length: distance over which the curve changes [m].

    Returns:
        The curve [m], shape ``(nx,)``.
    """
    wavenumber = rng.normal(0.0, 1.0 / correlation_length, (CURVE_WAVES, 1))
    phase = rng.uniform(0.0, 2.0 * np.pi, (CURVE_WAVES, 1))
    curve: Curve = height * np.sqrt(2.0 / CURVE_WAVES) * np.cos(wavenumber * x + phase).sum(axis=0)
    return curve


def random_field(rng: Generator, cells: Cells, height: float, length: float, thickness: float) -> Field:
    """Draw a smooth random field: ``relief`` in two dimensions.

    Args:
        rng: where the randomness comes from.
        cells: where to know it.
        height: standard deviation, in any unit.
        length: distance along the line over which it changes [m].
        thickness: distance in depth over which it changes [m].
    """
    each = (FIELD_WAVES, 1)
    along = rng.normal(0.0, 1.0 / length, each) * cells.x
    along += rng.uniform(0.0, 2.0 * np.pi, each)
    down = rng.normal(0.0, 1.0 / thickness, FIELD_WAVES) * cells.z
    # cos(along + down) as products of matrices: a cosine per cell and wave would take most of the time.
    field = np.cos(down) @ np.cos(along) - np.sin(down) @ np.sin(along)
    scaled: Field = height * np.sqrt(2.0 / FIELD_WAVES) * field
    return scaled
