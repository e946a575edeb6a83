"""Salt models of the kind of the Gulf of Mexico: BP 2004 (Billette and Brandsberg-Dahl, 2005) and SEAM."""

import numpy as np
from numpy.random import Generator

from data_prep.salt.blocks import Cells, Field, Geology, relief
from data_prep.salt.bodies import ROOT, Place, Point, ellipse, lens, smooth_union, stalk, warped
from data_prep.salt.stratified import stratified
from fwi.config import GridConfig, GulfPreset


def gulf(grid: GridConfig, preset: GulfPreset, rng: Generator) -> Geology:
    """Draw tongues that spread from feeders and meet in sutures, with minibasins between, in deep water.

    Args:
        grid: the grid.
        preset: ranges of the preset to draw from.
        rng: random generator.

    Returns:
        The sediments and the salt in them; ``model()`` puts the two together.
    """
    cells = Cells.of(grid)
    feeders = draw_feeders(rng, cells, preset)
    sinking = minibasins(rng, cells, preset, feeders)
    place = warped(rng, cells, preset)
    place = place._replace(z=place.z - sinking)  # the canopy sags with the strata

    if rng.random() < preset.mother_salt_share:
        base = rng.uniform(*preset.mother_salt_depth) * cells.depth
        salt = canopy(rng, cells, place, preset, feeders, base)
        salt = smooth_union(salt, mother_salt(rng, cells, preset, base), preset.canopy_fillet * cells.depth)
    else:
        salt = canopy(rng, cells, place, preset, feeders, ROOT * cells.depth)
    depth = float(np.mean([feeder.z for feeder in feeders]))
    return stratified(rng, cells, preset, salt, depth, sinking, slowing=pockets(rng, cells, preset))


def draw_feeders(rng: Generator, cells: Cells, preset: GulfPreset) -> list[Point]:
    """Draw where salt rose and at which depth it spread, from one end of the line to the other.

    Args:
        rng: random generator.
        cells: the section's cells.
        preset: ranges of the preset to draw from.

    Returns:
        Place of each feeder at the level at which it spread [m].
    """
    count = int(rng.integers(*preset.feeders, endpoint=True))
    x = (np.arange(count) + rng.uniform(*preset.feeder_position, count)) * cells.length / count
    return [Point(position, rng.uniform(*preset.canopy_depth) * cells.depth) for position in x]


def minibasins(rng: Generator, cells: Cells, preset: GulfPreset, feeders: list[Point]) -> Field:
    """Draw how far strata have sunk between the feeders: most at the canopy, less above and below.

    Args:
        rng: random generator.
        cells: the section's cells.
        preset: ranges of the preset to draw from.
        feeders: places where salt rose and spread [m].

    Returns:
        Downward displacement [m], shape ``(depth, x)``.
    """
    width = rng.uniform(*preset.minibasin_flank) * cells.length
    high = np.max([np.exp(-(((cells.x - feeder.x) / width) ** 2)) for feeder in feeders], axis=0)
    level = np.mean([feeder.z for feeder in feeders])
    below = 1.0 + preset.minibasin_loss - preset.minibasin_loss * cells.z / level
    share = np.clip(cells.z / level, 0.0, 1.0) * np.clip(below, preset.minibasin_least, 1.0)
    sinking: Field = rng.uniform(*preset.minibasin) * cells.depth * share * (1.0 - high)
    return sinking


def canopy(
    rng: Generator, cells: Cells, place: Place, preset: GulfPreset, feeders: list[Point], root: float
) -> Field:
    """Draw the tongues of all feeders, joined where they meet but for the sediment in sutures.

    Args:
        rng: where the randomness comes from.
        cells: the cells.
        place: where to evaluate the body.
        preset: the ranges to draw from.
        feeders: where the tongues spread.
        root: depth from which the feeders rise [m].
    """
    salt = tongues(rng, cells, place, preset, feeders[0], root)
    for feeder in feeders[1:]:
        other = tongues(rng, cells, place, preset, feeder, root)
        thickness = rng.uniform(*preset.suture_thickness)
        end = (rng.uniform(*preset.canopy_depth) + preset.suture_reach) * cells.depth
        if rng.random() < preset.suture_share:
            # The two meet where neither is nearer; the sediment between them pinches out downwards.
            pinch = np.clip((end - cells.z) / (preset.suture_pinch * cells.depth), 0.0, 1.0)
            gap = thickness * pinch - np.abs(salt - other)
            salt = np.maximum(np.minimum(salt, other), gap)
        else:
            salt = smooth_union(salt, other, preset.canopy_fillet * cells.depth)
    return salt


def tongues(
    rng: Generator, cells: Cells, place: Place, preset: GulfPreset, feeder: Point, root: float
) -> Field:
    """Draw the salt that spread to both sides of a feeder, and the feeder where it is still rooted.

    Args:
        rng: random generator.
        cells: the section's cells.
        place: the displaced cells.
        preset: ranges of the preset to draw from.
        feeder: place where the salt spread [m].
        root: depth of the feeder's root [m].

    Returns:
        Distance from that salt [m], negative inside, shape ``(depth, x)``.
    """
    thickness = rng.uniform(*preset.tongue_thickness) * cells.depth
    bodies = []
    for side in (-1.0, 1.0):
        reach = rng.uniform(*preset.tongue_length) * cells.length
        slope = -side * rng.uniform(*preset.tongue_climb) * cells.depth / reach
        middle = (1.0 - preset.tongue_overlap) / 2 * side * reach
        centre = Point(feeder.x + middle, feeder.z + slope * middle)
        shape = lens if rng.random() < preset.sharp_share else ellipse
        length, share = (1.0 + preset.tongue_overlap) * reach, rng.uniform(*preset.tongue_share)
        bodies.append(shape(place, centre, length, thickness * share, slope))
    salt = smooth_union(bodies[0], bodies[1], preset.fillet * thickness)
    width = rng.uniform(*preset.feeder_width) * cells.length
    foot = Point(feeder.x + rng.normal(0.0, preset.feeder_lean) * cells.length, root)
    bend = rng.normal(0.0, preset.feeder_bend) * cells.length
    if rng.random() < preset.rooted_share:
        stem = stalk(place, feeder, foot, width, width * rng.uniform(*preset.feeder_flare), bend)
        salt = smooth_union(salt, stem, preset.feeder_fillet * thickness)
    return salt


def mother_salt(rng: Generator, cells: Cells, preset: GulfPreset, base: float) -> Field:
    """Draw autochthonous salt: a layer with pillows and welds on a flat base.

    Args:
        rng: random generator.
        cells: the section's cells.
        preset: ranges of the preset to draw from.
        base: depth of its base [m].

    Returns:
        Distance from that salt [m], negative inside, shape ``(depth, x)``.
    """
    mean = rng.uniform(*preset.mother_salt_thickness) * cells.depth
    height, length = preset.mother_salt_relief * mean, rng.uniform(*preset.mother_salt_length) * cells.length
    thickness = mean + relief(rng, cells.x, height, length)
    return np.maximum(base - thickness - cells.z, cells.z - base)


def pockets(rng: Generator, cells: Cells, preset: GulfPreset) -> Field:
    """Draw slow pockets in the sediment.

    Args:
        rng: random generator.
        cells: the section's cells.
        preset: ranges of the preset to draw from.

    Returns:
        Share by which they reduce the speed, shape ``(depth, x)``.
    """
    slowing = np.zeros((cells.z.size, cells.x.size))
    place = Place(cells.x, cells.z)
    for _ in range(rng.integers(*preset.pockets, endpoint=True)):
        x = rng.uniform(0.0, 1.0) * cells.length
        centre = Point(x, rng.uniform(*preset.pocket_depth) * cells.depth)
        length = rng.uniform(*preset.pocket_length) * cells.length
        thickness = rng.uniform(*preset.pocket_thickness) * cells.depth
        tilt = rng.normal(0.0, preset.pocket_tilt)
        within = -ellipse(place, centre, length, thickness, tilt) / (thickness / 2) / preset.pocket_rim
        slowing = np.maximum(slowing, rng.uniform(*preset.pocket_slowing) * np.clip(within, 0.0, 1.0))
    return slowing
