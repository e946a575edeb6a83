"""Salt models of the kind of the SEG/EAGE salt model (Aminzadeh, Brac and Kunz, 1997)."""

import numpy as np
from numpy.random import Generator

from data_prep.salt.blocks import Cells, Field, Geology
from data_prep.salt.bodies import Place, Point, ellipse, lens, smooth_union, stalk, warped
from data_prep.salt.stratified import stratified
from fwi.config import GridConfig, SegEagePreset


def seg_eage(grid: GridConfig, preset: SegEagePreset, rng: Generator) -> Geology:
    """Draw a detached sheet or a leaning diapir, now and then two, in faulted, stringered sediments."""
    cells = Cells.of(grid)
    roughness, warp = (rng.uniform(*limits) * cells.depth for limits in (preset.rugosity, preset.warp))
    place = warped(rng, cells, warp, roughness)
    draw = sheet if rng.random() < preset.detached_share else diapir
    middle = Point(rng.uniform(0.15, 0.85) * cells.length, rng.uniform(*preset.salt_depth) * cells.depth)
    distance = draw(rng, cells, place, preset, middle, 1.0)
    if rng.random() < preset.second_body_share:
        draw = sheet if rng.random() < preset.detached_share else diapir
        other = Point(
            (middle.x + rng.uniform(0.35, 0.65) * cells.length) % cells.length,
            rng.uniform(*preset.salt_depth) * cells.depth,
        )
        distance = np.minimum(distance, draw(rng, cells, place, preset, other, rng.uniform(0.3, 0.7)))
    return stratified(rng, cells, preset, distance, middle.z)


def sheet(
    rng: Generator, cells: Cells, place: Place, preset: SegEagePreset, middle: Point, size: float
) -> Field:
    """Draw a detached sheet: lenses in a row, with peaks on top and keels below.

    Args:
        rng: where the randomness comes from.
        cells: the cells.
        place: where to evaluate the body.
        preset: the ranges to draw from.
        middle: of the sheet [m].
        size: factor on the body's length and thickness.
    """
    length = rng.uniform(*preset.sheet_length) * cells.length * size
    thickness = rng.uniform(*preset.sheet_thickness) * cells.depth * size
    tilt = rng.normal(0.0, 0.08)
    fillet = 0.3 * thickness
    distance = ellipse(place, middle, length, thickness, tilt)
    for _ in range(rng.integers(1, 4)):
        along = rng.uniform(-0.35, 0.35) * length
        centre = Point(middle.x + along, middle.z + tilt * along + rng.uniform(-0.4, 0.4) * thickness)
        shape = lens if rng.random() < 0.5 else ellipse
        size_along, size_down = rng.uniform(0.4, 0.9) * length, rng.uniform(0.5, 1.1) * thickness
        lobe = shape(place, centre, size_along, size_down, rng.normal(0.0, 0.2))
        distance = smooth_union(distance, lobe, fillet)
    for _ in range(rng.integers(*preset.horns, endpoint=True)):
        along = rng.uniform(-0.4, 0.4) * length
        foot = Point(middle.x + along, middle.z + tilt * along)
        height = rng.uniform(*preset.horn_height) * cells.depth * size + thickness / 2
        width = rng.uniform(0.6, 1.6) * height
        tip = foot.x + rng.normal(0.0, 0.2) * height
        if rng.random() < 0.65:
            horn = stalk(place, Point(tip, foot.z - height), foot, 0.0, width)
        else:
            horn = stalk(place, foot, Point(tip, foot.z + height), width, 0.0)
        distance = smooth_union(distance, horn, fillet)
    return distance


def diapir(
    rng: Generator, cells: Cells, place: Place, preset: SegEagePreset, middle: Point, size: float
) -> Field:
    """Draw a diapir: a head on a leaning feeder, with an overhang to one side; arguments as of ``sheet``."""
    width = rng.uniform(*preset.bulb_width) * cells.length * size
    thickness = rng.uniform(0.3, 1.0) * width
    feeder = rng.uniform(*preset.feeder_width) * cells.length * size
    side = rng.choice((-1.0, 1.0))
    root = Point(middle.x - side * rng.uniform(*preset.lean) * cells.length, 1.2 * cells.depth)
    bend = rng.normal(0.0, 0.04) * cells.length
    head = ellipse(place, middle, width, thickness, rng.normal(0.0, 0.2))
    distance = smooth_union(
        head, stalk(place, middle, root, feeder, feeder * rng.uniform(0.7, 2.0), bend), 0.4 * thickness
    )
    reach = rng.uniform(0.3, 0.8) * width
    tongue = Point(middle.x + side * reach, middle.z + rng.uniform(-0.3, 0.2) * thickness)
    shape = lens if rng.random() < 0.5 else ellipse
    overhang = shape(place, tongue, 1.3 * reach, rng.uniform(0.3, 0.6) * thickness, rng.normal(0.0, 0.2))
    return smooth_union(distance, overhang, 0.3 * thickness)
