"""Parameters of the preset ``yang_ma``."""

from typing import Literal

from pydantic import model_validator

from fwi.config.base import Positive, Section, Share
from fwi.config.salt.ranges import Counts, Metres, Range, Speeds, refuse_slow_salt

SECTION_DEPTH, SECTION_LENGTH = 2000.0, 3000.0
"""Depth and length of the published section [m], to which the parameters refer."""


class YangMaPreset(Section):
    """Flat layers pierced by a dome or holding a lens, like the public set of Yang and Ma (2019).

    Lengths in metres refer to the published section of 2 km by 3 km, which is stretched to the grid.
    """

    name: Literal["yang_ma"] = "yang_ma"
    """The preset."""
    lens_share: Share = 0.5
    """Share of models whose salt is a lens; the others are domes with their base below the section."""
    sediment_speeds: Speeds = (2000.0, 4000.0)
    """Speed of the layers [m/s], which get faster with depth."""
    salt_speed: Positive = 4500.0
    """Speed of the salt [m/s]."""

    layers: Counts = (5, 10)
    """Number of layers."""
    least_thickness: Positive = 160.0
    """Least thickness of a layer [m]."""
    least_at_ends: Positive = 200.0
    """Least thickness of the first and the last layer [m]."""
    relief: Positive = 8.6
    """Standard deviation of the depth of the interfaces [m]."""
    relief_length: Positive = 50.0
    """Distance along the line over which that depth changes [m]."""
    rough_share: Share = 1 / 7
    """Share of the domes in markedly rougher sediments; lenses have none, as in the published set."""
    rough_relief: Metres = (13.0, 25.0)
    """Standard deviation of the depth of the interfaces in rougher sediments [m]."""
    bend: Positive = 45.0
    """Standard deviation of the bend, up or down, of all interfaces together at an end of the line [m]."""
    own_bend: Positive = 20.0
    """Standard deviation of each interface's additional bend [m], as a mean over the models."""
    bend_length: Positive = 41.0
    """Distance from the end of the line over which a bend decays [m]."""

    dome_feet: Range = (274.0, 2703.0)
    """Positions between which all domes stand [m]."""
    dome_height: Metres = (150.0, 1400.0)
    """Height of the first crest of a dome above the base of the section [m]."""
    dome_single_share: Share = 1 / 30
    """Share of domes with one crest; the others have two."""
    lens_feet: Range = (280.0, 2680.0)
    """Positions between which all lenses lie [m]."""
    lens_depth: Metres = (1000.0, 1350.0)
    """Depth of the left edge of a lens [m]."""
    lens_fall: Positive = 15.0
    """Standard deviation of the depth of a lens's right edge below its left one [m]."""
    lens_single_share: Share = 1 / 4
    """Share of lenses with one crest; the others have two."""
    lens_single_height: Range = (0.0, 220.0)
    """Height of a single crest above the edges [m]."""
    lens_height: Range = (20.0, 290.0)
    """Height of the first of two crests above the edges [m]."""
    lens_height_mode: Positive = 200.0
    """Most frequent height of the first of two crests [m]."""
    lens_keel: Positive = 225.0
    """Mean depth of a lens below its edges [m]."""
    lens_keel_spread: Positive = 47.0
    """Standard deviation of the depth of a lens below its edges [m]."""
    second_crest: Share = 0.54
    """Mean height of the second crest over that of the first."""
    second_crest_spread: Share = 0.17
    """Standard deviation of the ratio of the two heights."""

    @model_validator(mode="after")
    def _can_be_drawn(self) -> "YangMaPreset":
        refuse_slow_salt(self.sediment_speeds[1], self.salt_speed)
        most = self.layers[1]
        thickness = (most - 2) * self.least_thickness + 2 * self.least_at_ends
        if thickness > SECTION_DEPTH:
            raise ValueError(
                f"{most} layers of least thickness take {thickness:g} m of the section's "
                f"{SECTION_DEPTH:g} m: take fewer layers, or a smaller least_thickness"
            )
        low, high = self.lens_height
        if not low <= self.lens_height_mode <= high or low == high:
            raise ValueError(
                f"lens_height_mode is {self.lens_height_mode:g} m, outside lens_height "
                f"{low:g} .. {high:g} m: take it within"
            )
        for what, (left, right) in {"dome_feet": self.dome_feet, "lens_feet": self.lens_feet}.items():
            if not 0.0 <= left < right <= SECTION_LENGTH:
                raise ValueError(
                    f"{what} {left:g} .. {right:g} m: take them within the section, 0 .. {SECTION_LENGTH:g} m"
                )
        return self

    @property
    def speeds(self) -> tuple[float, float]:
        """Slowest and fastest speed [m/s] of the models."""
        return self.sediment_speeds[0], self.salt_speed
