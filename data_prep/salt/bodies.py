"""Salt bodies as implicit functions: about the distance from the salt [m], negative inside it.

Bodies are joined by ``smooth_union``, and bent by evaluating them at displaced cells (``warped``), so that
they have overhangs, which no pair of top and base curves has.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from data_prep.salt.blocks import Cells, Field, random_field, relief
from fwi.config import StratifiedPreset

ROOT = 1.2
"""Depth from which feeders rise, as a share of the section's: below it however their outline is bent."""

OCTAVES = (1.0, 0.5, 0.25)
"""Heights and lengths of the parts of a rough curve over those of its coarsest: rough at all scales."""


class Point(NamedTuple):
    """A place in the section [m]."""

    x: float
    """Position along the line [m]."""
    z: float
    """Depth [m]."""


class Place(NamedTuple):
    """Where the bodies are evaluated [m]: the cells, displaced."""

    x: Field
    """Positions along the line [m], shape ``(nz, nx)``."""
    z: Field
    """Depths [m], same shape."""


def warped(rng: Generator, cells: Cells, preset: StratifiedPreset) -> Place:
    """Displace the cells by smooth random fields, and the salt's top by its roughness.

    Roughness fades with depth, as the base is smoother. Bodies are drawn at the displaced places, which bends
    their outlines.

    Args:
        rng: random generator.
        cells: the section's cells.
        preset: ranges of the preset to draw from.

    Returns:
        The displaced places of all cells.
    """
    roughness, warp = (rng.uniform(*limits) * cells.depth for limits in (preset.rugosity, preset.warp))
    length, thickness = preset.warp_length * cells.length, preset.warp_height * cells.depth
    x = cells.x + random_field(rng, cells, warp, length, thickness)
    z = cells.z + random_field(rng, cells, warp, length, thickness)
    rough = np.zeros_like(cells.x)
    for octave in OCTAVES:
        rough += relief(rng, cells.x, octave * roughness, preset.rugosity_length * octave * cells.length)
    return Place(x, z + rough * np.clip(1.0 + preset.rugosity_depth - cells.z / cells.depth, 0.0, 1.0))


def lens(place: Place, centre: Point, length: float, thickness: float, tilt: float = 0.0) -> Field:
    """Draw a lens with sharp tips.

    Args:
        place: the displaced cells.
        centre: middle of the lens [m].
        length: length [m].
        thickness: thickness in the middle [m].
        tilt: dip: metres down per metre along the line.

    Returns:
        Distance from the lens [m], negative inside, shape ``(depth, x)``.
    """
    dx = place.x - centre.x
    dz = place.z - centre.z - tilt * dx
    distance: Field = np.abs(dz) - (1.0 - (dx / (length / 2)) ** 2) * thickness / 2
    return distance


def ellipse(place: Place, centre: Point, length: float, thickness: float, tilt: float = 0.0) -> Field:
    """Draw an ellipse.

    Args:
        place: where to evaluate it.
        centre: its middle [m].
        length: length of its axis along the line [m].
        thickness: length of its axis in depth [m].
        tilt: metres down per metre along the line, by which its long axis is sheared.

    Returns:
        Distance from the ellipse [m], about, negative inside, shape ``(depth, x)``.
    """
    dx = place.x - centre.x
    dz = place.z - centre.z - tilt * dx
    radius = np.sqrt((dx / (length / 2)) ** 2 + (dz / (thickness / 2)) ** 2)
    distance: Field = (radius - 1.0) * min(length, thickness) / 2
    return distance


def stalk(
    place: Place, top: Point, base: Point, top_width: float, base_width: float, bend: float = 0.0
) -> Field:
    """Draw a feeder, peak or keel: a band from one depth to another, as wide as stated in between.

    Args:
        place: where to evaluate it.
        top: its upper end [m].
        base: its lower end [m].
        top_width: width along the line at the upper end [m]; 0 is a point.
        base_width: width at the lower end [m].
        bend: how far the middle of the band lies beside the straight line [m].
    """
    down = np.clip((place.z - top.z) / (base.z - top.z), 0.0, 1.0)
    middle = top.x + (base.x - top.x) * down + bend * 4.0 * down * (1.0 - down)
    half_width = (top_width + (base_width - top_width) * down) / 2
    beside = np.abs(place.x - middle) - half_width
    return np.maximum(beside, np.maximum(top.z - place.z, place.z - base.z))


def smooth_union(one: Field, other: Field, radius: float) -> Field:
    """Join two bodies, and fill the corner between them with a fillet.

    Args:
        one: distance from one body [m], negative inside, shape ``(depth, x)``.
        other: the same of the other body.
        radius: radius of the fillet [m], about.

    Returns:
        Distance from both together [m], same shape.
    """
    share = np.clip(0.5 + 0.5 * (other - one) / radius, 0.0, 1.0)
    joined: Field = other + (one - other) * share - radius * share * (1.0 - share)
    return joined
