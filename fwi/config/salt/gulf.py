"""Parameters of the preset ``gulf``."""

from typing import Literal

from fwi.config.base import Share
from fwi.config.salt.ranges import Counts, Extent, Extents, Factors, Metres, Numbers, Range, Shares, Speeds
from fwi.config.salt.stratified import StratifiedPreset


class GulfPreset(StratifiedPreset):
    """Deep water over salt canopies and minibasins, like the BP 2004 and SEAM models.

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
    """Gain of speed from the sea floor to the depth of the section [m/s], steeper near the sea floor."""
    stringers: Numbers = (0, 8)
    """Number of thin beds within the depth of the section."""
    faults: Numbers = (0, 4)
    """Number of normal faults."""
    overpressure_depth: Shares = (0.5, 0.9)
    """Depth of the top of the overpressured zone in the column, as a share of the depth."""
    marker_share: Share = 0.1
    """Share of models with a flat fast bed above the basement, across all structure."""

    feeders: Counts = (1, 4)
    """Number of places along the line where salt rose and spread."""
    feeder_position: Shares = (0.1, 0.9)
    """Position of a feeder within its part of the line, as a share of that part; all parts are equal."""
    rooted_share: Share = 0.6
    """Share of feeders that still reach their mother salt; the others are welded, their tongues detached."""
    feeder_width: Shares = (0.02, 0.15)
    """Width of a feeder at the canopy, as a share of the length."""
    feeder_flare: Factors = (0.7, 2.5)
    """Width of a feeder at its root over that at the canopy."""
    feeder_lean: Share = 0.09
    """Standard deviation of the distance along the line from root to canopy, as a share of the length."""
    feeder_bend: Share = 0.05
    """Standard deviation of a feeder's middle about a straight line, as a share of the length."""
    feeder_fillet: Extent = 0.5
    """Radius that rounds the corners between feeder and tongues, as a share of the tongues' thickness."""

    canopy_depth: Shares = (0.3, 0.55)
    """Depth of a tongue, as a share of the depth."""
    tongue_length: Extents = (0.08, 0.35)
    """Reach of a tongue to one side of its feeder, as a share of the length."""
    tongue_overlap: Share = 0.2
    """Distance that a tongue reaches past its feeder to the other side, as a share of its reach."""
    tongue_thickness: Extents = (0.06, 0.24)
    """Largest thickness of the tongues of a feeder, as a share of the depth."""
    tongue_share: Factors = (0.6, 1.0)
    """Thickness of one tongue over the largest thickness of its feeder's tongues."""
    tongue_climb: Range = (-0.05, 0.15)
    """Rise of a tongue from its feeder to its tip, as a share of the depth."""
    canopy_fillet: Extent = 0.03
    """Radius that rounds corners where tongues meet or rise from mother salt, as a share of the depth."""
    suture_share: Share = 0.5
    """Share of places where two tongues meet that hold trapped sediment."""
    suture_thickness: Metres = (15.0, 60.0)
    """Thickness of the sediment in a suture [m]."""
    suture_reach: Share = 0.1
    """Distance below a tongue at which the sediment in a suture ends, as a share of the depth."""
    suture_pinch: Extent = 0.1
    """Height above its lower end over which a suture's sediment thins out, as a share of the depth."""

    minibasin: Shares = (0.0, 0.25)
    """Sinking of the strata between the feeders at the depth of the canopy, as a share of the depth."""
    minibasin_flank: Extents = (0.08, 0.2)
    """Distance from a feeder over which strata are held up, as a share of the length."""
    minibasin_loss: Share = 0.5
    """Share of the sinking that is lost from the canopy to twice its depth."""
    minibasin_least: Share = 0.3
    """Share of the sinking that is left at any depth below the canopy."""

    mother_salt_share: Share = 0.4
    """Share of models with autochthonous salt near the base of the section."""
    mother_salt_depth: Shares = (0.85, 1.0)
    """Depth of the base of the autochthonous salt, as a share of the depth."""
    mother_salt_thickness: Shares = (0.01, 0.08)
    """Mean thickness of the autochthonous salt, as a share of the depth."""
    mother_salt_relief: Share = 0.8
    """Standard deviation of the autochthonous salt's thickness over its mean; it shapes pillows and welds."""
    mother_salt_length: Extents = (0.08, 0.2)
    """Distance along the line over which that salt's thickness changes, as a share of the length."""

    pockets: Numbers = (0, 4)
    """Number of slow pockets of gas or overpressured mud in the sediments."""
    pocket_depth: Shares = (0.2, 0.9)
    """Depth of a pocket, as a share of the depth."""
    pocket_length: Extents = (0.05, 0.25)
    """Length of a pocket, as a share of the length."""
    pocket_thickness: Extents = (0.01, 0.05)
    """Thickness of a pocket, as a share of the depth."""
    pocket_tilt: Share = 0.1
    """Standard deviation of a pocket's dip: metres down per metre along the line."""
    pocket_slowing: Shares = (0.05, 0.2)
    """Reduction of the sediment's speed in the middle of a pocket, as a share of that speed."""
    pocket_rim: Extent = 0.5
    """Width of the rim in which a pocket's slowing sets in, as a share of the way from edge to middle."""
