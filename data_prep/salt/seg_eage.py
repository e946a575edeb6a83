"""Salt models of the kind of the SEG/EAGE salt model (Aminzadeh, Brac and Kunz, 1997)."""

import numpy as np
from numpy.random import Generator

from data_prep.salt.blocks import Cells, Field, Geology
from data_prep.salt.bodies import ROOT, Place, Point, ellipse, lens, smooth_union, stalk, warped
from data_prep.salt.stratified import stratified
from fwi.config import GridConfig, SegEagePreset


def seg_eage(grid: GridConfig, preset: SegEagePreset, rng: Generator) -> Geology:
    """Draw a detached sheet or a leaning diapir, now and then two, in faulted, stringered sediments.

    Args:
        grid: the grid.
        preset: ranges of the preset to draw from.
        rng: random generator.

    Returns:
        The sediments and the salt in them; ``model()`` puts the two together.
    """
    cells = Cells.of(grid)
    place = warped(rng, cells, preset)
    draw = sheet if rng.random() < preset.detached_share else diapir
    middle = Point(
        rng.uniform(*preset.salt_position) * cells.length, rng.uniform(*preset.salt_depth) * cells.depth
    )
    distance = draw(rng, cells, place, preset, middle, 1.0)
    if rng.random() < preset.second_body_share:
        draw = sheet if rng.random() < preset.detached_share else diapir
        other = Point(
            (middle.x + rng.uniform(*preset.second_body_distance) * cells.length) % cells.length,
            rng.uniform(*preset.salt_depth) * cells.depth,
        )
        size = rng.uniform(*preset.second_body_size)
        distance = np.minimum(distance, draw(rng, cells, place, preset, other, size))
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
        middle: centre of the sheet [m].
        size: factor on the body's length and thickness.
    """
    length = rng.uniform(*preset.sheet_length) * cells.length * size
    thickness = rng.uniform(*preset.sheet_thickness) * cells.depth * size
    tilt = rng.normal(0.0, preset.sheet_tilt)
    fillet = preset.fillet * thickness
    distance = ellipse(place, middle, length, thickness, tilt)
    for _ in range(rng.integers(*preset.lobes, endpoint=True)):
        along = rng.uniform(*preset.lobe_offset) * length
        level = rng.uniform(*preset.lobe_level) * thickness
        centre = Point(middle.x + along, middle.z + tilt * along + level)
        shape = lens if rng.random() < preset.sharp_share else ellipse
        size_along = rng.uniform(*preset.lobe_length) * length
        size_down = rng.uniform(*preset.lobe_thickness) * thickness
        lobe = shape(place, centre, size_along, size_down, rng.normal(0.0, preset.lobe_tilt))
        distance = smooth_union(distance, lobe, fillet)
    for _ in range(rng.integers(*preset.horns, endpoint=True)):
        along = rng.uniform(*preset.horn_offset) * length
        foot = Point(middle.x + along, middle.z + tilt * along)
        height = rng.uniform(*preset.horn_height) * cells.depth * size + thickness / 2
        width = rng.uniform(*preset.horn_width) * height
        tip = foot.x + rng.normal(0.0, preset.horn_lean) * height
        if rng.random() < preset.peak_share:
            horn = stalk(place, Point(tip, foot.z - height), foot, 0.0, width)
        else:
            horn = stalk(place, foot, Point(tip, foot.z + height), width, 0.0)
        distance = smooth_union(distance, horn, fillet)
    return distance


def diapir(
    rng: Generator, cells: Cells, place: Place, preset: SegEagePreset, middle: Point, size: float
) -> Field:
    """Draw a diapir: a head on a leaning feeder, with an overhang to one side.

    Args:
        rng: random generator.
        cells: the section's cells.
        place: the displaced cells.
        preset: ranges of the preset to draw from.
        middle: middle of the head [m].
        size: factor of the head's width and thickness.

    Returns:
        Distance from the diapir [m], negative inside, shape ``(depth, x)``.
    """
    width = rng.uniform(*preset.bulb_width) * cells.length * size
    thickness = rng.uniform(*preset.bulb_thickness) * width
    feeder = rng.uniform(*preset.feeder_width) * cells.length * size
    side = rng.choice((-1.0, 1.0))
    root = Point(middle.x - side * rng.uniform(*preset.lean) * cells.length, ROOT * cells.depth)
    bend = rng.normal(0.0, preset.feeder_bend) * cells.length
    head = ellipse(place, middle, width, thickness, rng.normal(0.0, preset.bulb_tilt))
    stem = stalk(place, middle, root, feeder, feeder * rng.uniform(*preset.feeder_flare), bend)
    distance = smooth_union(head, stem, preset.feeder_fillet * thickness)
    reach = rng.uniform(*preset.overhang_reach) * width
    tongue = Point(middle.x + side * reach, middle.z + rng.uniform(*preset.overhang_level) * thickness)
    shape = lens if rng.random() < preset.sharp_share else ellipse
    tongue_thickness = rng.uniform(*preset.overhang_thickness) * thickness
    tilt = rng.normal(0.0, preset.overhang_tilt)
    overhang = shape(place, tongue, preset.overhang_length * reach, tongue_thickness, tilt)
    return smooth_union(distance, overhang, preset.fillet * thickness)
