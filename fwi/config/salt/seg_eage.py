"""Parameters of the preset ``seg_eage``."""

from typing import Literal

from fwi.config.base import Positive, Share
from fwi.config.salt.ranges import Extent, Extents, Factors, Numbers, Range, Shares
from fwi.config.salt.stratified import StratifiedPreset


class SegEagePreset(StratifiedPreset):
    """Salt that left its layer, in faulted growth strata, like the SEG/EAGE salt model.

    Each model holds a detached sheet, or a diapir that leans on its feeder; after Aminzadeh et al. (1997).
    """

    name: Literal["seg_eage"] = "seg_eage"
    """The preset."""
    detached_share: Share = 0.55
    """Share of bodies that are detached sheets; the others are diapirs rooted in the basement."""
    salt_position: Shares = (0.15, 0.85)
    """Position of the middle of a model's first body, as a share of the length."""
    salt_depth: Shares = (0.3, 0.7)
    """Depth of the middle of a body, as a share of the depth."""
    second_body_share: Share = 0.2
    """Share of models with a second, smaller body."""
    second_body_distance: Shares = (0.35, 0.65)
    """Distance from the first body to the second, as a share of the length; positions past the line's end
    continue at its beginning."""
    second_body_size: Factors = (0.3, 0.7)
    """Factor on the length and thickness of the second body."""

    sheet_length: Extents = (0.25, 0.7)
    """Length of a sheet, as a share of the length."""
    sheet_thickness: Extents = (0.08, 0.26)
    """Thickness of a sheet in its middle, as a share of the depth."""
    sheet_tilt: Share = 0.08
    """Standard deviation of a sheet's dip: metres down per metre along the line."""
    lobes: Numbers = (1, 3)
    """Number of lobes of a sheet besides its main body."""
    lobe_offset: Range = (-0.35, 0.35)
    """Distance along the line from the middle of the sheet to a lobe, as a share of the sheet's length."""
    lobe_level: Range = (-0.4, 0.4)
    """Depth of a lobe below the middle of the sheet, as a share of the sheet's thickness."""
    lobe_length: Factors = (0.4, 0.9)
    """Length of a lobe over that of the sheet."""
    lobe_thickness: Factors = (0.5, 1.1)
    """Thickness of a lobe over that of the sheet."""
    lobe_tilt: Share = 0.2
    """Standard deviation of a lobe's dip: metres down per metre along the line."""
    horns: Numbers = (0, 2)
    """Number of peaks on the top of a sheet and keels under it."""
    peak_share: Share = 0.65
    """Share of the peaks and keels that are peaks."""
    horn_height: Shares = (0.05, 0.16)
    """Height of a peak or keel, as a share of the depth."""
    horn_offset: Range = (-0.4, 0.4)
    """Distance along the line from the middle of the sheet to the foot of a peak or keel, as a share of the
    sheet's length."""
    horn_width: Factors = (0.6, 1.6)
    """Width of the foot of a peak or keel over its height from the middle of the sheet."""
    horn_lean: Share = 0.2
    """Standard deviation of the distance along the line from foot to tip of a peak or keel, over the same
    height."""

    bulb_width: Extents = (0.1, 0.35)
    """Width of a diapir's head, as a share of the length."""
    bulb_thickness: Factors = (0.3, 1.0)
    """Thickness of a diapir's head over its width."""
    bulb_tilt: Share = 0.2
    """Standard deviation of the head's dip: metres down per metre along the line."""
    feeder_width: Shares = (0.02, 0.1)
    """Width of a diapir's feeder at the head, as a share of the length."""
    feeder_flare: Factors = (0.7, 2.0)
    """Width of the feeder at its root over that at the head."""
    feeder_bend: Share = 0.04
    """Standard deviation of a feeder's middle about a straight line, as a share of the length."""
    feeder_fillet: Extent = 0.4
    """Radius that rounds the corners between feeder and head, as a share of the head's thickness."""
    lean: Shares = (0.0, 0.2)
    """Distance along the line from a diapir's root to its head, as a share of the length."""
    overhang_reach: Factors = (0.3, 0.8)
    """Distance along the line from the middle of the head to that of its overhang, over the head's width."""
    overhang_level: Range = (-0.3, 0.2)
    """Depth of the overhang below the middle of the head, as a share of the head's thickness."""
    overhang_length: Positive = 1.3
    """Length of the overhang over its distance from the middle of the head."""
    overhang_thickness: Factors = (0.3, 0.6)
    """Thickness of the overhang over that of the head."""
    overhang_tilt: Share = 0.2
    """Standard deviation of the overhang's dip: metres down per metre along the line."""
