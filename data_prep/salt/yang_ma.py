"""Salt models like those of the simulated set of Yang and Ma (Geophysics 84(4), 2019).

The curves belong to a section 2 km deep and 3 km long, that of the published set; a grid of another extent
shows the same section stretched to it.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from data_prep.salt.blocks import Curve, Geology, relief
from fwi.config import GridConfig, YangMaPreset
from fwi.config.salt.yang_ma import SECTION_DEPTH, SECTION_LENGTH


def yang_ma(grid: GridConfig, preset: YangMaPreset, rng: Generator) -> Geology:
    """Draw a model of flat-lying sediments pierced by a dome or holding a lens of salt.

    Each model has one body of salt: a dome with a high and a low crest and its base below the section, or a
    lens. The numbers in the code, of gamma, beta and lognormal distributions and of the shapes of flanks,
    were fitted to the published set; they have no meaning by themselves and are no parameters.

    Args:
        grid: the grid, to which the published section is stretched.
        preset: ranges of the preset to draw from.
        rng: random generator.

    Returns:
        The sediments and the salt in them; ``model()`` puts the two together.
    """
    x = np.linspace(0.0, SECTION_LENGTH, grid.nx)
    z = np.linspace(0.0, SECTION_DEPTH, grid.nz)

    if rng.random() < preset.lens_share:
        top, base = lens(rng, x, preset)
        roughness = preset.relief
    else:
        top, base = dome(rng, x, preset)
        rough = rng.random() < preset.rough_share
        roughness = rng.uniform(*preset.rough_relief) if rough else preset.relief
    speeds, interfaces = sediments(rng, x, preset, roughness)

    above = np.zeros((grid.nz, grid.nx), np.intp)
    for interface in interfaces:
        above += z[:, None] >= interface
    mask = (z[:, None] >= top) & (z[:, None] <= base)
    return Geology(speeds[above], mask, preset.salt_speed)


class Flank(NamedTuple):
    """How the surface of a salt body runs from one turning point to the next, always up or always down.

    The share of the climb done at the share t of the way is a ramp and a step together,
    ``ramp t + (1 - ramp) (1 - (1 - t^delay)^haste)``: the step is Kumaraswamy's distribution function.
    Both 1 are a straight flank; a large ``haste`` climbs early and then is flat, a large ``delay`` is flat
    first, both together make a cliff between two flats.
    """

    delay: float
    """How long the flank is flat at first; 1 for not at all."""
    haste: float
    """How early it climbs; 1 for evenly."""
    ramp: float
    """Share of the climb that is even."""

    def climb(self, t: Curve) -> Curve:
        """Share of the climb, 0 to 1, at each share ``t`` of the way."""
        step = 1.0 - (1.0 - t**self.delay) ** self.haste
        return self.ramp * t + (1.0 - self.ramp) * step


def sediments(rng: Generator, x: Curve, preset: YangMaPreset, roughness: float) -> tuple[Curve, Curve]:
    """Draw a column of layers that get faster with depth, and lay it out along the line.

    All interfaces follow one relief, as beds laid down one on the other do.

    Args:
        rng: where the randomness comes from.
        x: positions of the columns [m].
        preset: the ranges to draw from.
        roughness: standard deviation of the relief [m].

    Returns:
        Speed of each layer [m/s], shape ``(layers,)``, and depth of each interface [m], ``(layers - 1, nx)``.
    """
    layers = int(rng.integers(*preset.layers, endpoint=True))
    speeds = np.sort(rng.uniform(*preset.sediment_speeds, layers))
    thinnest = np.full(layers, preset.least_thickness)
    thinnest[[0, -1]] = preset.least_at_ends
    to_share_out = SECTION_DEPTH - thinnest.sum()
    thickness = thinnest + to_share_out * rng.dirichlet(np.ones(layers))
    flat = np.cumsum(thickness)[:-1, None]

    common = relief(rng, x, roughness, preset.relief_length)
    return speeds, flat + common + bent_ends(rng, x, preset, layers - 1)


def bent_ends(rng: Generator, x: Curve, preset: YangMaPreset, interfaces: int) -> Curve:
    """Bend interfaces up or down near both ends of the line, as the published models do.

    Args:
        rng: where the randomness comes from.
        x: positions of the columns [m].
        preset: the ranges to draw from.
        interfaces: how many; at one end most of them bend the same way.

    Returns:
        What to add to the depths [m], shape ``(interfaces, nx)``.
    """
    bend = np.zeros((interfaces, x.size))
    for distance in (x, SECTION_LENGTH - x):
        own = rng.exponential(preset.own_bend) * rng.normal(size=(interfaces, 1))
        bend += (rng.normal(0.0, preset.bend) + own) * np.exp(-distance / preset.bend_length)
    return bend


def dome(rng: Generator, x: Curve, preset: YangMaPreset) -> tuple[Curve, Curve]:
    """Draw a salt dome, whose base is below the section.

    Args:
        rng: random generator.
        x: positions along the published line [m], shape ``(x,)``.
        preset: ranges of the preset to draw from.

    Returns:
        Depths of its top and of its base [m], same shape each.
    """
    left = preset.dome_feet[0] + rng.gamma(4.0, 14.0)
    right = preset.dome_feet[1] - rng.gamma(4.0, 14.0)
    lowest, highest = preset.dome_height
    crest = lowest + (highest - lowest) * rng.beta(2.8, 2.4)
    if rng.random() < preset.dome_single_share:
        height = one_hump(rng, x, left, right, crest, (outer_flank(rng), outer_flank(rng)))
    else:
        height = two_humps(rng, x, preset, left, right, crest)
    return _where_inside(x, left, right, SECTION_DEPTH - height), np.full_like(x, np.inf)


def lens(rng: Generator, x: Curve, preset: YangMaPreset) -> tuple[Curve, Curve]:
    """Draw a salt lens, whose top and base meet in thin edges.

    Args:
        rng: random generator.
        x: positions along the published line [m], shape ``(x,)``.
        preset: ranges of the preset to draw from.

    Returns:
        Depths of its top and of its base [m], same shape each.
    """
    left = preset.lens_feet[0] + rng.gamma(2.5, 24.0)
    right = preset.lens_feet[1] - rng.gamma(4.0, 19.0)
    edge = rng.uniform(*preset.lens_depth) + rng.normal(0.0, preset.lens_fall) * (x - left) / (right - left)
    if rng.random() < preset.lens_single_share:
        crest = rng.uniform(*preset.lens_single_height)
        upper = one_hump(rng, x, left, right, crest, (outer_flank(rng), outer_flank(rng)))
    else:
        lowest, highest = preset.lens_height
        crest = rng.triangular(lowest, preset.lens_height_mode, highest)
        upper = two_humps(rng, x, preset, left, right, crest)
    below = (inner_flank(rng, 1.3, 1.3), inner_flank(rng, 0.15, 0.9))
    keel = rng.normal(preset.lens_keel, preset.lens_keel_spread)
    lower = one_hump(rng, x, left, right, keel, below)
    return _where_inside(x, left, right, edge - upper), edge + lower


def two_humps(
    rng: Generator, x: Curve, preset: YangMaPreset, left: float, right: float, crest: float
) -> Curve:
    """Draw the upper surface of a body: a high crest, a saddle and a low crest.

    Args:
        rng: where the randomness comes from.
        x: positions of the columns [m].
        preset: the ranges to draw from.
        left: position of the left foot [m].
        right: position of the right foot [m].
        crest: height of the first crest [m]; the second is a share of it.

    Returns:
        Height above the feet [m], shape ``(nx,)``; 0 outside them.
    """
    gaps = rng.dirichlet((1.75, 2.6, 2.6, 1.75))
    position = left + (right - left) * np.r_[0.0, np.cumsum(gaps[:3]), 1.0]
    share = rng.normal(preset.second_crest, preset.second_crest_spread)
    second = crest * np.clip(share, 0.1, 1.3)
    # The wider the trough between the crests, the deeper it is.
    saddle = min(crest, second) * rng.beta(1.1, 2.4) ** (0.5 + 0.9 * (gaps[1] + gaps[2]))
    flanks = (outer_flank(rng), inner_flank(rng, 1.8, 1.5), inner_flank(rng, 0.95, 1.45), outer_flank(rng))
    return _surface(x, position, np.array([0.0, crest, saddle, second, 0.0]), flanks)


def one_hump(
    rng: Generator, x: Curve, left: float, right: float, crest: float, flanks: tuple[Flank, Flank]
) -> Curve:
    """Draw a surface with one crest, or turned over the base of a lens; the rest as in ``two_humps``."""
    middle = left + (right - left) * np.clip(rng.normal(0.5, 0.16), 0.08, 0.92)
    return _surface(x, np.array([left, middle, right]), np.array([0.0, crest, 0.0]), flanks)


def outer_flank(rng: Generator) -> Flank:
    """Draw the flank from the foot of a body to its crest: straight to domed."""
    return Flank(delay=1.0, haste=1.0 + rng.lognormal(-0.95, 0.9), ramp=0.0)


def inner_flank(rng: Generator, delay: float, haste: float) -> Flank:
    """Draw a flank between crest and saddle: from a ramp to shelves and a cliff.

    Args:
        rng: where the randomness comes from.
        delay: mean of the logarithm of ``Flank.delay``.
        haste: mean of the logarithm of ``Flank.haste``.
    """
    spread = ((1.3, 0.8, 0.12), (0.8, 1.9, 0.15), (0.12, 0.15, 0.07))
    log_delay, log_haste, ramp = rng.multivariate_normal((delay, haste, 0.27), spread, method="cholesky")
    return Flank(
        np.exp(np.clip(log_delay, -0.8, 3.8)), np.exp(np.clip(log_haste, -0.8, 3.8)), np.clip(ramp, 0.0, 0.8)
    )


def _surface(x: Curve, position: Curve, height: Curve, flanks: tuple[Flank, ...]) -> Curve:
    """Join turning points by flanks. The last flank climbs from the right foot, the others left to right."""
    curve = np.zeros_like(x)
    for number, flank in enumerate(flanks):
        start, end = (number, number + 1) if number + 1 < len(flanks) else (number + 1, number)
        t = (x - position[start]) / (position[end] - position[start])
        here = (t >= 0.0) & (t <= 1.0)
        curve[here] = height[start] + (height[end] - height[start]) * flank.climb(t[here])
    return curve


def _where_inside(x: Curve, left: float, right: float, depth: Curve) -> Curve:
    """Leave a top as it is between the feet and sink it below any section elsewhere."""
    return np.where((x >= left) & (x <= right), depth, np.inf)
