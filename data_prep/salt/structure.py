"""Structure: how far folds, faults and salt have moved the strata.

A displacement field u(z, x), positive downward, says how far a cell's sediment lies below its place in the
undeformed column: it belongs to the stratum s = z - u. So strata are functions of s alone, and are folded and
faulted by the field.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from data_prep.salt.blocks import Cells, Field, Mask, relief
from fwi.config import StratifiedPreset


class Fault(NamedTuple):
    """A normal fault: the strata above its inclined plane have slid down."""

    tip: tuple[float, float]
    """Position and depth of its upper end [m]."""
    root: float
    """Depth of its lower end [m]."""
    slope: float
    """Metres along the line per metre of depth; positive dips towards the line's end."""
    throw: float
    """Vertical offset of the strata across the plane, midway between the ends [m]."""
    reach: float
    """Distance from the plane over which the hanging wall's displacement halves [m]."""
    taper: float
    """Height over which it gains its throw below the tip, and loses it above the root [m]."""

    def distance(self, cells: Cells) -> Field:
        """Distance along the line from the plane into the hanging wall [m]."""
        plane = self.tip[0] + self.slope * (cells.z - self.tip[1])
        distance: Field = np.copysign(1.0, self.slope) * (cells.x - plane)
        return distance

    def displacement(self, cells: Cells) -> Field:
        """Downward displacement of the strata [m]: all of it in the hanging wall."""
        ends = np.minimum(cells.z - self.tip[1], self.root - cells.z) / self.taper
        distance = self.distance(cells)
        moved: Field = self.throw * np.clip(ends, 0.0, 1.0) / (1.0 + (distance / self.reach) ** 2)
        return np.where(distance > 0.0, moved, 0.0)

    def plane(self, cells: Cells, thickness: float) -> Mask:
        """The cells within a sheet of the given thickness [m] about the plane."""
        across = np.abs(self.distance(cells)) / np.hypot(1.0, self.slope)
        plane: Mask = (across < thickness / 2.0) & (cells.z > self.tip[1]) & (cells.z < self.root)
        return plane


def folds(rng: Generator, cells: Cells, preset: StratifiedPreset) -> Field:
    """Draw the displacement by regional dip and folding: a vertical shear that grows with depth.

    Args:
        rng: random generator.
        cells: the section's cells.
        preset: ranges of the preset to draw from.

    Returns:
        Downward displacement [m], shape ``(depth, x)``.
    """
    dip = rng.uniform(*preset.dip) * (cells.x - rng.uniform(0.0, cells.length))
    height = rng.uniform(*preset.folds) * cells.depth
    shape = dip + relief(rng, cells.x, height, rng.uniform(*preset.fold_length) * cells.length)
    growth = preset.early_folding + (1.0 - preset.early_folding) * cells.z / cells.depth
    return growth * shape


def draw_fault(rng: Generator, cells: Cells, preset: StratifiedPreset) -> Fault:
    """Draw a fault anywhere in the section, dipping either way.

    Args:
        rng: random generator.
        cells: the section's cells.
        preset: ranges of the preset to draw from.
    """
    slope = 1.0 / np.tan(np.radians(rng.uniform(*preset.fault_dip)))
    tip = rng.uniform(*preset.fault_tip) * cells.depth
    return Fault(
        tip=(rng.uniform(0.0, 1.0) * cells.length, tip),
        root=tip + rng.uniform(*preset.fault_height) * cells.depth,
        slope=max(slope, 1e-3) * rng.choice((-1.0, 1.0)),
        throw=rng.uniform(*preset.throw) * cells.depth,
        reach=rng.uniform(*preset.fault_reach) * cells.length,
        taper=preset.fault_taper * cells.depth,
    )


def drag(salt_distance: Field, height: float, reach: float) -> Field:
    """Return the displacement of strata that rising salt has dragged up.

    Args:
        salt_distance: distance from the salt [m], negative inside, shape ``(depth, x)``.
        height: uplift at the salt [m].
        reach: distance from the salt up to which there is any [m].

    Returns:
        Downward displacement [m], negative, same shape.
    """
    near = np.clip(1.0 - salt_distance / reach, 0.0, 1.0)
    lifted: Field = -height * near**2
    return lifted
