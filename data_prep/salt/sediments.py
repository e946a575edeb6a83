"""The sediments: sea floor, compaction, layers, stringers and overpressure.

All that is layered is a function of the stratum s = z - u (see structure.py), and is looked up in a column
that is drawn once per model.
"""

from statistics import NormalDist

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from data_prep.salt.blocks import Cells, Curve, Field, random_field, relief
from fwi.config import StratifiedPreset

COLUMN = (-0.5, 1.5)
"""Shallowest and deepest stratum of a column, as shares of the depth: structure brings up some from below."""
ENTRIES = 8000
"""Entries of a column: half a metre each in a section 2 km deep."""


def sea_floor(rng: Generator, cells: Cells, preset: StratifiedPreset) -> Curve:
    """Draw the sea floor.

    Args:
        rng: random generator.
        cells: the section's cells.
        preset: ranges of the preset to draw from.

    Returns:
        Its depth [m], never above the surface, shape ``(x,)``.
    """
    mean = rng.uniform(*preset.water) * cells.depth
    height = rng.uniform(*preset.sea_floor_relief) * cells.depth
    slope = rng.normal(0.0, preset.sea_floor_fall * height / cells.length) * (cells.x - cells.length / 2)
    bumps = relief(rng, cells.x, height, rng.uniform(*preset.sea_floor_length) * cells.length)
    return np.maximum(mean + slope + bumps, 0.0)


def strata(
    rng: Generator, cells: Cells, preset: StratifiedPreset, floor: Curve, displacement: Field
) -> Field:
    """Draw the speed of the sediments, without water, basement and salt.

    Args:
        rng: random generator.
        cells: the section's cells.
        preset: ranges of the preset to draw from.
        floor: depth of the sea floor [m], shape ``(x,)``.
        displacement: how far structure has moved the strata down [m], shape ``(depth, x)``.

    Returns:
        Speed [m/s], same shape.
    """
    mud, gain, draping = (
        rng.uniform(*limits) for limits in (preset.mud_speed, preset.compaction, preset.draping)
    )
    burial = np.clip((cells.z - floor - draping * displacement) / cells.depth, 0.0, None)
    curvature = preset.compaction_curvature
    trend = mud + gain * burial * (1.0 + curvature - curvature * burial)
    sideways = random_field(
        rng,
        cells,
        rng.uniform(*preset.lateral_change),
        preset.lateral_change_length * cells.length,
        preset.lateral_change_height * cells.depth,
    )
    layers, stringers = column(rng, cells.depth, preset, mud, gain)

    entry = _entry((cells.z - displacement) / cells.depth)
    absent = NormalDist().inv_cdf(max(rng.uniform(*preset.stringer_gaps), 1e-6))
    gap = preset.stringer_gap_length * cells.length, preset.stringer_gap_height * cells.depth
    there = random_field(rng, cells, 1.0, *gap) > absent
    speed: Field = trend * (1.0 + sideways) * layers[entry] * np.where(there, stringers[entry], 1.0)
    return speed


def column(
    rng: Generator, depth: float, preset: StratifiedPreset, mud: float, gain: float
) -> tuple[Curve, Curve]:
    """Draw the strata: their speed as a factor on the trend.

    Args:
        rng: where the randomness comes from.
        depth: depth of the section [m].
        preset: the ranges to draw from.
        mud: speed at the sea floor [m/s].
        gain: gain of speed by compaction over the depth [m/s].

    Returns:
        The factors of layers with overpressure, and those of the stringers alone; shape ``(ENTRIES,)`` each,
        from the shallowest stratum to the deepest.
    """
    first, last = COLUMN
    stratum = np.linspace(first, last, ENTRIES, endpoint=False)

    bounds = np.sort(
        rng.uniform(first, last, round((last - first) * rng.integers(*preset.layers, endpoint=True)))
    )
    contrast = rng.uniform(*preset.layer_contrast) * rng.normal(size=bounds.size + 1)
    onset = (stratum - rng.uniform(*preset.overpressure_depth)) / preset.overpressure_onset
    lost = rng.uniform(*preset.overpressure) * np.clip(onset, 0.0, 1.0)
    layers = (1.0 + contrast[np.searchsorted(bounds, stratum)]) * (1.0 - lost)

    stringers = np.ones(ENTRIES)
    for _ in range(round((last - first) * rng.integers(*preset.stringers, endpoint=True))):
        top, thickness = rng.uniform(first, last), rng.uniform(*preset.stringer_thickness) / depth
        kind = rng.random()
        if kind < preset.anhydrite_share:
            factor = rng.uniform(*preset.anhydrite_speed) / (mud + gain * np.clip(top, 0.0, 1.0))
        elif kind < preset.anhydrite_share + preset.slow_stringer_share:
            factor = rng.uniform(*preset.slow_stringer)
        else:
            factor = rng.uniform(*preset.fast_stringer)
        stringers[(stratum >= top) & (stratum < top + thickness)] = factor
    return layers, stringers


def _entry(stratum: Field) -> NDArray[np.intp]:
    """Number of each stratum, given as a share of the depth, in its column."""
    first, last = COLUMN
    return np.clip((stratum - first) * (ENTRIES / (last - first)), 0, ENTRIES - 1).astype(np.intp)
