"""Intervals about a section: how far the truth may be from each speed, and from the top and base of its salt.

A ``Spread`` holds what hints at the errors of a section, cell by cell: the head that predicts them, the
difference from the section of the mirrored record, and the deviation of several networks; for a refined
section also how far refinement moved it, and how far apart the ends of several starts are. The half-width of
an interval is a weighted sum of these sources times a factor, which ``fwi.interval_fit`` takes from sections
of known truth.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fwi.survey import differences

if TYPE_CHECKING:
    from fwi.refine import Refined

Array = NDArray[Any]

FLOOR = "floor"
"""Source that is 1 m/s everywhere: errors that nothing hints at."""
KEY = "uncertainty"
"""Name of this calibration among those of an inverter."""


class UncalibratedError(ValueError):
    """A section of a kind for which intervals are not calibrated."""


class Interval(NamedTuple):
    """Interval of a section, or of a batch of sections with a leading axis on all its arrays."""

    lower: NDArray[np.float32]
    """Lowest speed [m/s], shape ``(depth, x)``."""
    upper: NDArray[np.float32]
    """Highest speed [m/s], shape ``(depth, x)``."""
    top: NDArray[np.float32]
    """Shallowest and deepest top of salt [m], shape ``(2, x)``; NaN where the section has no salt."""
    base: NDArray[np.float32]
    """Shallowest and deepest base of salt [m], shape ``(2, x)``; NaN where the section has no salt, or where
    its salt reaches the lower edge."""


class Spread(NamedTuple):
    """A section, or a batch of them with a leading axis, with what hints at its errors."""

    section: Array
    """Velocity [m/s], shape ``(depth, x)``."""
    sources: Mapping[str, Array]
    """By name: how far the truth may be below and above, uncalibrated [m/s], shape ``(2, depth, x)``."""


class Scale(BaseModel):
    """Half-widths of intervals as fitted on sections of known truth."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sections: int
    """Number of sections of known truth."""
    weights: dict[str, Annotated[float, Field(ge=0)]]
    """Weight of each source of the spread; the sum, times the factor, is the half-width [m/s]."""
    factor: Annotated[float, Field(gt=0)]
    """Factor with the guarantee."""
    top: Annotated[float, Field(gt=0)] | None
    """Half-width of the interval of the top of salt [m]; None where too few sections had salt."""
    base: Annotated[float, Field(gt=0)] | None
    """The same for the base of salt."""
    constant: Annotated[float, Field(gt=0)]
    """Half-width [m/s] of the interval of one width for all cells, with the same guarantee: a yardstick."""


class Calibration(BaseModel):
    """Calibration of the intervals of an inverter; ``Inverter.calibration["uncertainty"]`` holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    coverage: Annotated[float, Field(gt=0, lt=1)]
    """Share of a section's cells, columns of the top, and columns of the base, that the intervals hold."""
    confidence: Annotated[float, Field(gt=0, lt=1)] | None
    """Probability, over the draw of the sections that were calibrated on, with which the expected coverage is
    reached; None for one that is reached on average over that draw."""
    threshold: float
    """Speed from which a cell of a section counts as salt [m/s]."""
    velocity: tuple[float, float]
    """Slowest and fastest speed of the grid [m/s], at which intervals end."""
    spacing: float
    """Cell size [m]."""
    network: Scale
    """Half-widths for sections as the network inverts them."""
    refined: Scale | None = None
    """Half-widths for refined sections, of those that were accepted."""
    refined_by: dict[str, Any] = {}
    """Settings by which these were refined, as ``Refined.settings``."""


def interval(spread: Spread, calibration: Calibration, scale: Scale | None = None) -> Interval:
    """Return the calibrated interval of a section, or of a batch of sections.

    Args:
        spread: the section with the sources that the scale was fitted with.
        calibration: the inverter's calibration.
        scale: which half-widths of it; those of the network's sections if left out.

    Raises:
        UncalibratedError: a source that the half-widths were fitted with is missing.
    """
    scale = scale or calibration.network
    half = scale.factor * half_width(spread, scale.weights)
    slowest, fastest = calibration.velocity
    below, above = np.moveaxis(half, -3, 0)
    faces = salt_faces(spread.section >= calibration.threshold, calibration.spacing)
    deepest = (spread.section.shape[-2] - 0.5) * calibration.spacing
    return Interval(
        np.clip(spread.section - below, slowest, fastest).astype(np.float32),
        np.clip(spread.section + above, slowest, fastest).astype(np.float32),
        _band(faces[0], scale.top, deepest),
        _band(np.where(faces[1] < deepest, faces[1], np.nan), scale.base, deepest),
    )


def read(calibration: Mapping[str, Any]) -> Calibration | None:
    """Read the calibration of the intervals from an inverter's; None where it has none.

    Raises:
        UncalibratedError: it is damaged, or of another version.
    """
    if KEY not in calibration:
        return None
    try:
        return Calibration.model_validate(calibration[KEY])
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise UncalibratedError(
            f"the inverter's calibration of intervals cannot be read ({where}: {problem['msg']}): calibrate "
            "it anew with 'fwi calibrate'"
        ) from None


def refined_interval(
    start: Array, candidate: Array, others: Sequence[Array], spread: Spread, calibration: Calibration
) -> Interval:
    """Return the calibrated interval of a refined section.

    Args:
        start: the section that refinement began with [m/s], shape ``(depth, x)``.
        candidate: the refined section [m/s], same shape.
        others: where refinement ended from other starts [m/s], each of the same shape; may be empty.
        spread: that of the network's section of the same record.
        calibration: the inverter's calibration, with half-widths for refined sections.

    Raises:
        UncalibratedError: the intervals of refined sections are not calibrated.
    """
    if calibration.refined is None:
        raise UncalibratedError(
            "the intervals of refined sections are not calibrated: refine validation sections of known "
            "truth by 'fwi calibrate --refined N', or pass them to fwi.uncertainty.calibrate_refined"
        )
    return interval(refined_spread(start, candidate, others, spread), calibration, calibration.refined)


def require_as_calibrated(refined: "Refined", own: Array, calibration: Calibration) -> None:
    """Refuse a refinement of another kind than those on which intervals were calibrated.

    Args:
        refined: the refinement.
        own: the network's section of the record [m/s], shape ``(depth, x)``.
        calibration: the inverter's calibration, with half-widths for refined sections.

    Raises:
        UncalibratedError: it was interrupted, began with another section, or has other settings.
    """
    whose = "intervals are calibrated for refinements"
    if refined.stopped == "interrupted":
        raise UncalibratedError(f"{whose} that came to their end, and this one was interrupted")
    if not np.allclose(refined.start, own, atol=1):
        raise UncalibratedError(f"{whose} of the network's own section, and this one began with another")
    if different := differences(calibration.refined_by, refined.settings):
        raise UncalibratedError(f"{whose} with other settings ({'; '.join(different)})")


def salt_faces(salt: Array, spacing: float) -> tuple[Array, Array]:
    """Return the depths of the top of the highest salt and of the base of the lowest in each column.

    Args:
        salt: True where there is salt, shape ``(..., depth, x)``.
        spacing: cell size [m]; the first cell's centre is at a depth of zero.

    Returns:
        Depths [m], each of shape ``(..., x)``; NaN in columns without salt.
    """
    there = salt.any(axis=-2)
    above = salt.argmax(axis=-2)
    down_to = salt.shape[-2] - salt[..., ::-1, :].argmax(axis=-2)
    top, base = ((cells - 0.5) * spacing for cells in (above, down_to))
    return np.where(there, np.maximum(top, 0), np.nan), np.where(there, base, np.nan)


def refined_spread(start: Array, candidate: Array, others: Sequence[Array], spread: Spread) -> Spread:
    """Describe how far a refined section may be off: where it moved, and how other starts ended.

    Args:
        start: the section that was refined [m/s], shape ``(depth, x)``.
        candidate: what refinement made of it, same shape.
        others: what it made of other starts, same shape each.
        spread: the start with the network's spread.

    Returns:
        The refined section, with the spread of its start, how far it moved, and the spread of all ends.
    """
    hints = {"moved": np.abs(candidate - start), "apart": np.std([candidate, *others], axis=0)}
    both_sides = {name: np.stack([each, each]) for name, each in hints.items()}
    return Spread(candidate, {**spread.sources, **both_sides})


def half_width(spread: Spread, weights: Mapping[str, float]) -> Array:
    """Return the weighted sum of the sources [m/s], shape ``(..., 2, depth, x)``."""
    if missing := sorted(weights.keys() - spread.sources.keys() - {FLOOR}):
        raise UncalibratedError(
            f"the intervals were calibrated with {', '.join(missing)}, which this section comes without: "
            "calibrate the inverter anew with 'fwi calibrate'"
        )
    *batch, depth, x = spread.section.shape
    half = np.full((*batch, 2, depth, x), weights[FLOOR], dtype=np.float64)
    for name, weight in weights.items():
        if name != FLOOR:
            half += weight * spread.sources[name]
    return half


def _band(depth: Array, half: float | None, deepest: float) -> NDArray[np.float32]:
    """Return depths [m] ``(..., x)`` minus and plus a half-width, shape ``(..., 2, x)``, in the section."""
    ends = np.stack([depth, depth], axis=-2)
    if half is None:
        return np.full_like(ends, np.nan, dtype=np.float32)
    band: NDArray[np.float32] = np.clip(ends + np.array([[-half], [half]]), 0, deepest).astype(np.float32)
    return band
