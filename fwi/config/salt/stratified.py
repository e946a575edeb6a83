"""Parameters that the presets with stratified sediments share."""

from pydantic import model_validator

from fwi.config.base import Positive, Section, Share
from fwi.config.salt.ranges import (
    Dips,
    Extent,
    Extents,
    Factors,
    Metres,
    Numbers,
    Range,
    Shares,
    Speeds,
    refuse_slow_salt,
)


class StratifiedPreset(Section):
    """Water over compacting, folded and faulted strata with thin stringers, and salt.

    The parameters that the presets with stratified sediments share; each sets its own ranges where its
    geology differs.
    """

    name: str
    """The preset."""
    sediment_speeds: Speeds = (1500.0, 4200.0)
    """Speed of the water and largest speed outside the salt [m/s]; all sediments are kept between the two."""
    salt_speed: Speeds = (4400.0, 4500.0)
    """Speed of a model's salt [m/s]."""

    water: Shares = (0.01, 0.08)
    """Mean depth of the sea floor, as a share of the depth."""
    sea_floor_relief: Shares = (0.0, 0.015)
    """Standard deviation of the sea floor's depth, as a share of the depth."""
    sea_floor_length: Extents = (0.1, 0.4)
    """Distance along the line over which the sea floor changes, as a share of the length."""
    sea_floor_fall: Positive = 2.0
    """Standard deviation of the sea floor's fall along the whole line, over that of its relief."""
    mud_speed: Speeds = (1600.0, 1900.0)
    """Speed just below the sea floor [m/s]."""
    compaction: Speeds = (700.0, 2100.0)
    """Gain of speed from the sea floor to the depth of the section [m/s], steeper near the sea floor."""
    compaction_curvature: Share = 0.35
    """How much faster than on average speed is gained at the sea floor, and slower at depth; 0 is linear."""
    draping: Range = (-0.6, 1.0)
    """How far lines of equal compaction follow the folds: 1 is with the strata, 0 not, negative against."""
    lateral_change: Shares = (0.0, 0.06)
    """Standard deviation of the slow change of speed along the line, as a share of the speed."""
    lateral_change_length: Extent = 0.25
    """Distance along the line over which that changes, as a share of the length."""
    lateral_change_height: Extent = 0.5
    """Distance in depth over which that changes, as a share of the depth."""

    layers: Numbers = (8, 40)
    """Layers in the depth of the section."""
    layer_contrast: Shares = (0.0, 0.05)
    """Standard deviation of a layer's speed about the trend, as a share of it."""
    stringers: Numbers = (3, 14)
    """Number of thin beds within the depth of the section."""
    stringer_thickness: Metres = (8.0, 25.0)
    """Thickness of a stringer [m]."""
    fast_stringer: Factors = (1.1, 1.35)
    """Speed of a fast stringer over that of its surroundings."""
    slow_stringer: Factors = (0.8, 0.95)
    """Speed of a slow stringer over that of its surroundings."""
    slow_stringer_share: Share = 0.2
    """Share of stringers that are slow."""
    stringer_gaps: Shares = (0.0, 0.3)
    """Share of their length over which stringers are missing."""
    stringer_gap_length: Extent = 0.15
    """Distance along the line over which stringers come and go, as a share of the length."""
    stringer_gap_height: Extent = 0.03
    """Distance in depth over which stringers come and go, as a share of the depth."""
    anhydrite_share: Share = 0.05
    """Share of stringers that are anhydrite, nearly as fast as salt."""
    anhydrite_speed: Speeds = (3500.0, 4200.0)
    """Speed of an anhydrite stringer [m/s]."""
    overpressure: Shares = (0.0, 0.25)
    """Reduction of the sediment's speed in the overpressured zone, as a share of that speed."""
    overpressure_depth: Shares = (0.4, 0.8)
    """Depth of the top of the overpressured zone in the column, as a share of the depth."""
    overpressure_onset: Extent = 0.05
    """Thickness over which overpressure sets in, as a share of the depth."""

    dip: Range = (-0.08, 0.08)
    """Regional dip: metres down per metre along the line."""
    folds: Shares = (0.0, 0.12)
    """Standard deviation of the folds at the base of the section, as a share of its depth; smaller above."""
    fold_length: Extents = (0.12, 0.4)
    """Distance along the line over which a fold changes, as a share of the length."""
    early_folding: Share = 0.2
    """Share of a fold's height that remains at the surface: folds grew while the strata were deposited."""
    faults: Numbers = (0, 6)
    """Number of normal faults."""
    throw: Shares = (0.005, 0.08)
    """Vertical offset at a fault, as a share of the depth."""
    fault_dip: Dips = (40.0, 75.0)
    """Dip of a fault plane [degrees]."""
    fault_tip: Shares = (0.05, 0.6)
    """Depth of the upper end of a fault, as a share of the depth."""
    fault_height: Factors = (0.4, 1.2)
    """Depth of the lower end of a fault below the upper one, as a share of the depth."""
    fault_taper: Extent = 0.2
    """Height over which a fault gains its throw from its ends inwards, as a share of the depth."""
    fault_reach: Extents = (0.1, 0.5)
    """Distance from a fault over which the hanging wall's displacement halves, as a share of the length."""
    healed_fault_share: Share = 0.5
    """Share of faults that are cemented: a fast stringer along the plane."""

    basement: Factors = (0.85, 1.1)
    """Depth of the flat basement, as a share of the depth; above 1 there is none in the section."""
    basement_speed: Speeds = (2200.0, 3800.0)
    """Speed of the basement [m/s]."""
    marker_share: Share = 0.6
    """Share of models with a flat fast bed above the basement, across all structure."""
    marker_height: Shares = (0.02, 0.1)
    """Height of that bed above the basement, as a share of the depth."""

    drag: Shares = (0.0, 0.18)
    """Uplift of the strata at the salt, as a share of the depth."""
    drag_reach: Extent = 0.55
    """Distance from the salt up to which strata are dragged up, as a share of the depth."""
    subsalt_slowing: Shares = (0.0, 0.2)
    """Reduction of the sediment's speed right below the salt, as a share of that speed."""
    subsalt_reach: Extent = 0.35
    """Distance from the salt up to which sediments below it are slowed, as a share of the depth."""
    subsalt_onset: Extent = 0.2
    """Thickness around the middle of the salt over which the subsalt slowing sets in, as a share of the
    depth."""

    rugosity: Shares = (0.002, 0.012)
    """Standard deviation of the roughness of the salt's top, as a share of the depth."""
    rugosity_length: Extent = 0.03
    """Distance along the line over which the coarsest roughness changes, as a share of the length."""
    rugosity_depth: Share = 0.3
    """Depth below which roughness fades, as a share of the depth."""
    warp: Shares = (0.01, 0.05)
    """Standard deviation of the displacement that bends a body's outline, as a share of the depth."""
    warp_length: Extent = 0.1
    """Distance along the line over which that displacement changes, as a share of the length."""
    warp_height: Extent = 0.12
    """Distance in depth over which that displacement changes, as a share of the depth."""
    sharp_share: Share = 0.5
    """Share of lobes and tongues of salt with sharp tips; the others are round."""
    fillet: Extent = 0.3
    """Radius that rounds the corners between parts of a body, as a share of its thickness."""
    salt_cover: Share = 0.01
    """Least cover of sediment over salt, as a share of the depth."""

    @model_validator(mode="after")
    def _salt_is_fastest(self) -> "StratifiedPreset":
        refuse_slow_salt(self.sediment_speeds[1], self.salt_speed[0])
        return self

    @property
    def speeds(self) -> tuple[float, float]:
        """Slowest and fastest speed [m/s] of the models."""
        return self.sediment_speeds[0], self.salt_speed[1]
