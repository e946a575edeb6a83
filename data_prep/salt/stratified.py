"""Salt in its surroundings: what the presets with stratified sediments have in common."""

import numpy as np
from numpy.random import Generator

from data_prep.salt.blocks import Cells, Field, Geology
from data_prep.salt.sediments import sea_floor, strata
from data_prep.salt.structure import drag, draw_fault, folds
from fwi.config import StratifiedPreset


def stratified(
    rng: Generator,
    cells: Cells,
    preset: StratifiedPreset,
    salt_distance: Field,
    salt_depth: float,
    displacement: Field | float = 0.0,
    slowing: Field | float = 0.0,
) -> Geology:
    """Draw sea floor, structure, sediments and basement about a body of salt.

    Args:
        rng: random generator.
        cells: the section's cells.
        preset: ranges of the preset to draw from.
        salt_distance: distance from the salt [m], negative inside, shape ``(depth, x)``.
        salt_depth: depth of about the middle of the salt [m]; sediments below it are slowed.
        displacement: downward displacement of the strata by the preset's own structure [m], same shape.
        slowing: share by which the speed of the sediment is reduced, same shape.

    Returns:
        The sediments and the salt in them; ``model()`` puts the two together.
    """
    floor = sea_floor(rng, cells, preset)
    displacement = displacement + folds(rng, cells, preset)
    uplift = rng.uniform(*preset.drag) * cells.depth
    displacement += drag(salt_distance, uplift, preset.drag_reach * cells.depth)
    healed = []
    for _ in range(rng.integers(*preset.faults, endpoint=True)):
        fault = draw_fault(rng, cells, preset)
        displacement += fault.displacement(cells)
        thickness, factor = rng.uniform(*preset.stringer_thickness), rng.uniform(*preset.fast_stringer)
        if rng.random() < preset.healed_fault_share:
            healed.append((fault.plane(cells, thickness), factor))

    speed = strata(rng, cells, preset, floor, displacement)
    for plane, factor in healed:
        speed[plane] *= factor
    below = np.clip(0.5 + (cells.z - salt_depth) / (preset.subsalt_onset * cells.depth), 0.0, 1.0)
    near = np.clip(1.0 - np.maximum(salt_distance, 0.0) / (preset.subsalt_reach * cells.depth), 0.0, 1.0)
    speed *= (1.0 - slowing) * (1.0 - rng.uniform(*preset.subsalt_slowing) * below * near)

    bottom = rng.uniform(*preset.basement) * cells.depth
    marker = bottom - rng.uniform(*preset.marker_height) * cells.depth
    marker_rows = np.abs(cells.z[:, 0] - marker) < rng.uniform(*preset.stringer_thickness) / 2
    marker_factor = rng.uniform(*preset.fast_stringer)
    if rng.random() < preset.marker_share:
        speed[marker_rows] *= marker_factor
    basement = np.broadcast_to(cells.z >= bottom, speed.shape)
    speed[basement] = rng.uniform(*preset.basement_speed)

    slowest, fastest = preset.sediment_speeds
    np.clip(speed, slowest, fastest, out=speed)
    speed[cells.z < floor] = slowest
    salt = (salt_distance < 0.0) & ~basement & (cells.z >= floor + preset.salt_cover * cells.depth)
    return Geology(speed, salt, rng.uniform(*preset.salt_speed))
