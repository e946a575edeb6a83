"""The random velocity models: for each preset its name and parameters.

Ranges are drawn from uniformly, once per model or once per thing (layer, fault, body). Depths and heights are
shares of the section's depth, positions and widths shares of its length, so that a preset is the same geology
on a section of any size; what is thin everywhere (stringers, sutures) is in metres.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fwi.config.base import Count, Positive, Section, Share, by_name


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"must ascend, got {limits[0]:g} .. {limits[1]:g}: swap the two")
    return limits


def _not_empty(parts: tuple[Section, ...]) -> tuple[Section, ...]:
    if not parts:
        raise ValueError("a mixture needs a preset to draw from: write [{preset: seg_eage}], or leave it out")
    return parts


Finite = Annotated[float, Field(allow_inf_nan=False)]
Range = Annotated[tuple[Finite, Finite], AfterValidator(_ascending)]
Shares = Annotated[tuple[Share, Share], AfterValidator(_ascending)]
Speeds = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]
"""Two speeds [m/s]."""
Metres = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]
Factors = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]
Number = Annotated[int, Field(ge=0, le=100)]
Numbers = Annotated[tuple[Number, Number], AfterValidator(_ascending)]
Dip = Annotated[float, Field(ge=20, le=90)]
Dips = Annotated[tuple[Dip, Dip], AfterValidator(_ascending)]
"""Angles from the horizontal [degrees]."""


class YangMaPreset(Section):
    """Flat layers pierced by a dome or holding a lens, like the public set of Yang and Ma (2019)."""

    name: Literal["yang_ma"] = "yang_ma"
    """The preset."""
    lens_share: Share = 0.5
    """Share of models whose salt is a lens; the others are domes with their base below the section."""

    @property
    def speeds(self) -> tuple[float, float]:
        """Slowest and fastest speed [m/s] of the models."""
        return 2000.0, 4500.0


class StratifiedPreset(Section):
    """Water, and strata that compact with depth, are folded, faulted and crossed by thin stringers.

    What the presets with stratified sediments share; each has its own ranges where its geology differs.
    """

    name: str
    """The preset."""
    sediment_speeds: Speeds = (1500.0, 4200.0)
    """Speed of the water, and the fastest outside the salt [m/s]: all else is kept between the two."""
    salt_speed: Speeds = (4400.0, 4500.0)
    """Speed of a model's salt [m/s]."""

    water: Shares = (0.01, 0.08)
    """Mean depth of the sea floor, as a share of the depth."""
    sea_floor_relief: Shares = (0.0, 0.015)
    """Standard deviation of the sea floor's depth, as a share of the depth."""
    mud_speed: Speeds = (1600.0, 1900.0)
    """Speed just below the sea floor [m/s]."""
    compaction: Speeds = (700.0, 2100.0)
    """Gain of speed from the sea floor to the depth of the section [m/s], faster at first than at last."""
    draping: Range = (-0.6, 1.0)
    """How far lines of equal compaction follow the folds: 1 is with the strata, 0 not, negative against."""
    lateral_change: Shares = (0.0, 0.06)
    """Standard deviation of the slow change of speed along the line, as a share of the speed."""

    layers: Numbers = (8, 40)
    """Layers in the depth of the section."""
    layer_contrast: Shares = (0.0, 0.05)
    """Standard deviation of a layer's speed about the trend, as a share of it."""
    stringers: Numbers = (3, 14)
    """Thin beds in the depth of the section."""
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
    anhydrite_share: Share = 0.05
    """Share of stringers that are anhydrite, nearly as fast as salt."""
    anhydrite_speed: Speeds = (3500.0, 4200.0)
    """Speed of an anhydrite stringer [m/s]."""
    overpressure: Shares = (0.0, 0.25)
    """Share of its speed that sediment loses below the top of the overpressured zone."""
    overpressure_depth: Shares = (0.4, 0.8)
    """Depth of the top of the overpressured zone in the column, as a share of the depth."""

    dip: Range = (-0.08, 0.08)
    """Regional dip: metres down per metre along the line."""
    folds: Shares = (0.0, 0.12)
    """Standard deviation of the folds at the depth of the section, as a share of it; less above."""
    fold_length: Shares = (0.12, 0.4)
    """Distance along the line over which a fold changes, as a share of the length."""
    faults: Numbers = (0, 6)
    """Normal faults."""
    throw: Shares = (0.005, 0.08)
    """Vertical offset at a fault, as a share of the depth."""
    fault_dip: Dips = (40.0, 75.0)
    """Dip of a fault plane [degrees]."""
    healed_fault_share: Share = 0.5
    """Share of faults that are cemented: a fast stringer along the plane."""

    basement: Annotated[tuple[Positive, Positive], AfterValidator(_ascending)] = (0.85, 1.1)
    """Depth of the flat basement, as a share of the depth; above 1 there is none in the section."""
    basement_speed: Speeds = (2200.0, 3800.0)
    """Speed of the basement [m/s]."""
    marker_share: Share = 0.6
    """Share of models with a flat fast bed above the basement, across all structure."""

    drag: Shares = (0.0, 0.18)
    """Uplift of the strata at the salt, as a share of the depth."""
    subsalt_slowing: Shares = (0.0, 0.2)
    """Share of its speed that sediment lacks right below the salt."""

    @model_validator(mode="after")
    def _salt_is_fastest(self) -> "StratifiedPreset":
        if self.sediment_speeds[1] >= self.salt_speed[0]:
            raise ValueError(
                f"sediments reach {self.sediment_speeds[1]:g} m/s and salt begins at {self.salt_speed[0]:g}: "
                "set sediment_speeds below salt_speed, for a cell is salt by its speed"
            )
        return self

    @property
    def speeds(self) -> tuple[float, float]:
        """Slowest and fastest speed [m/s] of the models."""
        return self.sediment_speeds[0], self.salt_speed[1]


class SegEagePreset(StratifiedPreset):
    """Salt that left its layer, in faulted growth strata: of the kind of the SEG/EAGE salt model.

    Each model holds a detached sheet, or a diapir that leans on its feeder; after Aminzadeh et al. (1997).
    """

    name: Literal["seg_eage"] = "seg_eage"
    """The preset."""
    detached_share: Share = 0.55
    """Share of bodies that are detached sheets; the others are diapirs rooted in the basement."""
    second_body_share: Share = 0.2
    """Share of models with a second, smaller body."""
    salt_depth: Shares = (0.3, 0.7)
    """Depth of the middle of a body, as a share of the depth."""
    sheet_length: Shares = (0.25, 0.7)
    """Length of a sheet, as a share of the length."""
    sheet_thickness: Shares = (0.08, 0.26)
    """Thickness of a sheet in its middle, as a share of the depth."""
    bulb_width: Shares = (0.1, 0.35)
    """Width of a diapir's head, as a share of the length."""
    feeder_width: Shares = (0.02, 0.1)
    """Width of a diapir's feeder, as a share of the length."""
    lean: Shares = (0.0, 0.2)
    """Distance along the line from a diapir's root to its head, as a share of the length."""
    horns: Numbers = (0, 2)
    """Peaks on the top of a sheet and keels under it."""
    horn_height: Shares = (0.05, 0.16)
    """Height of a peak or keel, as a share of the depth."""
    rugosity: Shares = (0.002, 0.012)
    """Standard deviation of the roughness of the salt's top, as a share of the depth."""
    warp: Shares = (0.01, 0.05)
    """Standard deviation of the displacement that bends a body's outline, as a share of the depth."""


class GulfPreset(StratifiedPreset):
    """Deep water over salt canopies and minibasins: of the kind of BP 2004 and SEAM.

    Tongues spread from feeders at their own levels and meet in sutures; between them sink minibasins; after
    Billette and Brandsberg-Dahl (2005) and Fehler and Keliher (2011).
    """

    name: Literal["gulf"] = "gulf"
    """The preset."""
    water: Shares = (0.08, 0.3)
    """Mean depth of the sea floor, as a share of the depth."""
    sea_floor_relief: Shares = (0.0, 0.03)
    """Standard deviation of the sea floor's depth, as a share of the depth."""
    compaction: Speeds = (1200.0, 2600.0)
    """Gain of speed from the sea floor to the depth of the section [m/s], faster at first than at last."""
    stringers: Numbers = (0, 8)
    """Thin beds in the depth of the section."""
    faults: Numbers = (0, 4)
    """Normal faults."""
    overpressure_depth: Shares = (0.5, 0.9)
    """Depth of the top of the overpressured zone in the column, as a share of the depth."""
    marker_share: Share = 0.1
    """Share of models with a flat fast bed above the basement, across all structure."""

    feeders: Annotated[tuple[Count, Count], AfterValidator(_ascending)] = (1, 4)
    """Places along the line where salt rose and spread."""
    rooted_share: Share = 0.6
    """Share of feeders that still reach their mother salt; the others are welded, their tongues detached."""
    canopy_depth: Shares = (0.3, 0.55)
    """Depth of a tongue, as a share of the depth."""
    tongue_length: Shares = (0.08, 0.35)
    """Reach of a tongue to one side of its feeder, as a share of the length."""
    tongue_thickness: Shares = (0.06, 0.24)
    """Thickness of a tongue at its feeder, as a share of the depth."""
    tongue_climb: Range = (-0.05, 0.15)
    """Rise of a tongue from its feeder to its tip, as a share of the depth."""
    feeder_width: Shares = (0.02, 0.15)
    """Width of a feeder, as a share of the length."""
    minibasin: Shares = (0.0, 0.25)
    """Sinking of the strata between the feeders at the depth of the canopy, as a share of the depth."""
    suture_share: Share = 0.5
    """Share of places where two tongues meet that hold trapped sediment."""
    suture_thickness: Metres = (15.0, 60.0)
    """Thickness of the sediment in a suture [m]."""
    mother_salt_share: Share = 0.4
    """Share of models with autochthonous salt near the base of the section."""
    mother_salt_depth: Shares = (0.85, 1.0)
    """Depth of the base of the autochthonous salt, as a share of the depth."""
    mother_salt_thickness: Shares = (0.01, 0.08)
    """Mean thickness of the autochthonous salt, as a share of the depth."""
    pockets: Numbers = (0, 4)
    """Slow pockets of gas or overpressured mud in the sediments."""
    pocket_slowing: Shares = (0.05, 0.2)
    """Share of its speed that sediment lacks in the middle of a pocket."""
    rugosity: Shares = (0.002, 0.012)
    """Standard deviation of the roughness of the salt's top, as a share of the depth."""
    warp: Shares = (0.01, 0.05)
    """Standard deviation of the displacement that bends a body's outline, as a share of the depth."""


SinglePreset = Annotated[
    YangMaPreset | SegEagePreset | GulfPreset, Field(discriminator="name"), BeforeValidator(by_name)
]
"""One geology: a name, or a mapping with parameters."""


class MixedPart(Section):
    """One of the geologies that a mixture draws from."""

    preset: SinglePreset
    """The geology."""
    weight: Positive = 1.0
    """How often it is drawn, over the sum of all weights."""


class MixedPreset(Section):
    """Each model of a geology drawn by weight, a share of them without salt."""

    name: Literal["mixed"] = "mixed"
    """The preset."""
    parts: Annotated[tuple[MixedPart, ...], AfterValidator(_not_empty)] = (
        MixedPart(preset=YangMaPreset(), weight=2.0),
        MixedPart(preset=SegEagePreset(), weight=2.0),
        MixedPart(preset=GulfPreset(), weight=1.0),
    )
    """The geologies with their weights."""
    no_salt_share: Share = 0.1
    """Share of models that keep their sediments and hold no salt."""

    @property
    def speeds(self) -> tuple[float, float]:
        """Slowest and fastest speed [m/s] of the models."""
        slowest, fastest = zip(*(part.preset.speeds for part in self.parts), strict=True)
        return min(slowest), max(fastest)


Preset = Annotated[
    YangMaPreset | SegEagePreset | GulfPreset | MixedPreset,
    Field(discriminator="name"),
    BeforeValidator(by_name),
]
"""The geology to draw from: a name, or a mapping with parameters."""


class SaltConfig(Section):
    """The random velocity models."""

    preset: Preset = YangMaPreset()
    """The geology to draw from."""
    seed: Annotated[int, Field(ge=0)] = 0
    """A sample depends on this seed, its split and its index, and on nothing else."""
    threshold: Positive = 4250.0
    """A cell at least this fast [m/s] is salt, imported or inverted: midway from sediment to salt."""
