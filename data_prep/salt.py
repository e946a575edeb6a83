"""Random 2-D salt velocity models: flat-lying sediments pierced by a dome or holding a lens of salt.

A model is drawn in two steps. First its geology, as curves in metres: the depth of each interface and the
top and base of the salt along the line. Then its picture: the curves sampled at the cells of a grid. So the
same (seed, stream, index) is the same geology on any grid, and a preset is a short recipe of the building
blocks below.

The curves belong to a section 2 km deep and 3 km long, that of Yang and Ma (2019); a grid of another extent
shows the same section stretched to it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fwi.config import GridConfig, SaltConfig

Curve = NDArray[np.float64]
"""Depths or heights [m] at the positions of the columns, shape ``(nx,)``."""

SECTION_DEPTH = 2000.0
SECTION_LENGTH = 3000.0
SALT_SPEED = 4500.0
SEDIMENT_SPEEDS = (2000.0, 4000.0)


class SaltModel(NamedTuple):
    """One velocity model."""

    velocity: NDArray[np.float32]
    """P-wave speed [m/s], shape ``(nz, nx)``."""
    salt: NDArray[np.uint8]
    """1 in the salt, 0 elsewhere, shape ``(nz, nx)``."""


def generate(grid: GridConfig, salt: SaltConfig, stream: int, index: int) -> SaltModel:
    """Draw one model; the same arguments give the same model, whoever asks and in whatever order.

    Args:
        grid: where the geology is sampled.
        salt: preset, seed and share of lenses.
        stream: number of the split (0 train, 1 validation, 2 test), so that no two splits share a model.
        index: number of the model in its split.

    Raises:
        ValueError: the grid's velocity range does not hold the speeds of the models.
    """
    slowest, fastest = grid.velocity
    if slowest > SEDIMENT_SPEEDS[0] or fastest < SALT_SPEED:
        raise ValueError(
            f"grid.velocity is {slowest:g} .. {fastest:g} m/s, but the salt models hold speeds of "
            f"{SEDIMENT_SPEEDS[0]:g} .. {SALT_SPEED:g} m/s: widen it to hold these"
        )
    rng = np.random.default_rng([salt.seed, stream, index])
    return PRESETS[salt.preset](grid, salt, rng)


def yang_ma(grid: GridConfig, salt: SaltConfig, rng: Generator) -> SaltModel:
    """Draw a model like those of the simulated set of Yang and Ma (Geophysics 84(4), 2019).

    5 to 10 layers, 2000 to 4000 m/s, and one body of salt at 4500 m/s: a dome with a high and a low crest and
    its base below the section, or a lens near 1200 m depth.
    """
    x = np.linspace(0.0, SECTION_LENGTH, grid.nx)
    z = np.linspace(0.0, SECTION_DEPTH, grid.nz)

    if rng.random() < salt.lens_share:
        top, base = lens(rng, x)
        roughness = 8.6
    else:
        top, base = dome(rng, x)
        # In the published set one dome in seven lies in markedly rougher sediments, and no lens does.
        roughness = rng.uniform(13.0, 25.0) if rng.random() < 1 / 7 else 8.6
    speeds, interfaces = sediments(rng, x, roughness)

    above = np.zeros((grid.nz, grid.nx), np.intp)
    for interface in interfaces:
        above += z[:, None] >= interface
    mask = (z[:, None] >= top) & (z[:, None] <= base)
    velocity = np.where(mask, SALT_SPEED, speeds[above]).astype(np.float32)
    return SaltModel(velocity, mask.astype(np.uint8))


PRESETS: Mapping[str, Callable[[GridConfig, SaltConfig, Generator], SaltModel]] = {"yang_ma": yang_ma}
"""The geologies to draw from, by ``SaltConfig.preset``."""


class SaltStatistics(NamedTuple):
    """What one model looks like, in numbers that two sets of models can be compared by."""

    layers: int
    """Different speeds outside the salt."""
    area_share: float
    """Share of the section that is salt."""
    crest_depth: float
    """Depth of the shallowest salt [m]; NaN without salt, as all below."""
    base_depth: float
    """Depth of the deepest salt [m]."""
    width: float
    """Length of the line under which there is salt [m]."""
    crests: int
    """Summits of the top of the salt that stand 20 m or more above their surroundings."""
    roughness: float
    """Standard deviation of the shallowest interface's depth [m], without a tenth of the line at each end."""


def statistics(velocity: NDArray[np.floating], spacing: float) -> SaltStatistics:
    """Measure one model of layers and salt.

    Args:
        velocity: P-wave speed [m/s], shape ``(nz, nx)``; 4450 m/s and more is taken as salt.
        spacing: cell size [m].
    """
    from scipy.signal import find_peaks

    nz, nx = velocity.shape
    salt = velocity >= SALT_SPEED - 50.0
    under_line = salt.any(axis=0)
    speeds = np.unique(velocity[~salt])
    if speeds.size > 1:
        interior = np.arange(nx // 10, nx - nx // 10)
        below = (velocity > speeds[0])[:, interior]
        first = below.argmax(axis=0)
        sediment = below.any(axis=0) & ~salt[first, interior]
        roughness = float(np.std(first[sediment])) * spacing if sediment.any() else float("nan")
    else:
        roughness = 0.0
    if not under_line.any():
        nan = float("nan")
        return SaltStatistics(speeds.size, 0.0, nan, nan, nan, 0, roughness)

    rows = np.flatnonzero(salt.any(axis=1))
    # Sunk to the base of the section outside the salt, so that a summit at the edge of the salt counts too.
    top = np.where(under_line, salt.argmax(axis=0), nz)
    summits, _ = find_peaks(-np.pad(top, 1, constant_values=nz) * spacing, prominence=20.0)
    return SaltStatistics(
        layers=speeds.size,
        area_share=float(salt.mean()),
        crest_depth=float(rows[0]) * spacing,
        base_depth=float(rows[-1]) * spacing,
        width=float(under_line.sum()) * spacing,
        crests=len(summits),
        roughness=roughness,
    )


class Flank(NamedTuple):
    """How the surface of a salt body runs from one turning point to the next, always up or always down.

    The share of the climb done at the share t of the way is a ramp and a step together,
    ``ramp t + (1 - ramp) (1 - (1 - t^delay)^haste)``: the step is Kumaraswamy's distribution function.
    Both 1 are a straight flank; a large ``haste`` climbs early and then is flat, a large ``delay`` is flat
    first, both together make a cliff between two flats.
    """

    delay: float
    haste: float
    ramp: float

    def climb(self, t: Curve) -> Curve:
        """Share of the climb, 0 to 1, at each share ``t`` of the way."""
        step = 1.0 - (1.0 - t**self.delay) ** self.haste
        return self.ramp * t + (1.0 - self.ramp) * step


def sediments(rng: Generator, x: Curve, roughness: float) -> tuple[Curve, Curve]:
    """Draw a column of 5 to 10 layers that get faster with depth, and lay it out along the line.

    All interfaces follow one relief, as beds laid down one on the other do.

    Args:
        rng: where the randomness comes from.
        x: positions of the columns [m].
        roughness: standard deviation of the relief [m].

    Returns:
        Speed of each layer [m/s], shape ``(layers,)``, and depth of each interface [m], ``(layers - 1, nx)``.
    """
    layers = int(rng.integers(5, 11))
    speeds = np.sort(rng.uniform(*SEDIMENT_SPEEDS, layers))
    thinnest = np.full(layers, 160.0)
    thinnest[[0, -1]] += 40.0
    to_share_out = SECTION_DEPTH - thinnest.sum()
    thickness = thinnest + to_share_out * rng.dirichlet(np.ones(layers))
    flat = np.cumsum(thickness)[:-1, None]

    common = relief(rng, x, roughness, correlation_length=50.0)
    return speeds, flat + common + bent_ends(rng, x, layers - 1)


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


def bent_ends(rng: Generator, x: Curve, interfaces: int) -> Curve:
    """Bend interfaces up or down within some 100 m of both ends of the line, as the published models do.

    Args:
        rng: where the randomness comes from.
        x: positions of the columns [m].
        interfaces: how many; at one end most of them bend the same way.

    Returns:
        What to add to the depths [m], shape ``(interfaces, nx)``.
    """
    bend = np.zeros((interfaces, x.size))
    for distance in (x, SECTION_LENGTH - x):
        own = rng.exponential(20.0) * rng.normal(size=(interfaces, 1))
        bend += (rng.normal(0.0, 45.0) + own) * np.exp(-distance / 41.0)
    return bend


def dome(rng: Generator, x: Curve) -> tuple[Curve, Curve]:
    """Draw a salt dome: the depths of its top and of its base [m], the base below the section."""
    left = 274.0 + rng.gamma(4.0, 14.0)
    right = 2703.0 - rng.gamma(4.0, 14.0)
    crest = 150.0 + 1250.0 * rng.beta(2.8, 2.4)
    if rng.random() < 1 / 30:
        height = one_hump(rng, x, left, right, crest, (outer_flank(rng), outer_flank(rng)))
    else:
        height = two_humps(rng, x, left, right, crest)
    return _where_inside(x, left, right, SECTION_DEPTH - height), np.full_like(x, np.inf)


def lens(rng: Generator, x: Curve) -> tuple[Curve, Curve]:
    """Draw a salt lens: the depths of its top and of its base [m], meeting in thin edges."""
    left = 280.0 + rng.gamma(2.5, 24.0)
    right = 2680.0 - rng.gamma(4.0, 19.0)
    edge = rng.uniform(1000.0, 1350.0) + rng.normal(0.0, 15.0) * (x - left) / (right - left)
    if rng.random() < 1 / 4:
        crest = rng.uniform(0.0, 220.0)
        upper = one_hump(rng, x, left, right, crest, (outer_flank(rng), outer_flank(rng)))
    else:
        upper = two_humps(rng, x, left, right, rng.triangular(20.0, 200.0, 290.0))
    below = (inner_flank(rng, 1.3, 1.3), inner_flank(rng, 0.15, 0.9))
    lower = one_hump(rng, x, left, right, rng.normal(225.0, 47.0), below)
    return _where_inside(x, left, right, edge - upper), edge + lower


def two_humps(rng: Generator, x: Curve, left: float, right: float, crest: float) -> Curve:
    """Draw the upper surface of a body: a high crest, a saddle and a low crest.

    Args:
        rng: where the randomness comes from.
        x: positions of the columns [m].
        left: position of the left foot [m].
        right: position of the right foot [m].
        crest: height of the first crest [m]; the second reaches about half of it.

    Returns:
        Height above the feet [m], shape ``(nx,)``; 0 outside them.
    """
    gaps = rng.dirichlet((1.75, 2.6, 2.6, 1.75))
    position = left + (right - left) * np.r_[0.0, np.cumsum(gaps[:3]), 1.0]
    second = crest * np.clip(rng.normal(0.54, 0.17), 0.1, 1.3)
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
