"""Refinement of a section by full-waveform inversion: the section ``refine`` of a study."""

from typing import Annotated, Literal

from pydantic import Field

from fwi.config.base import NOT_TRUTH, Count, NotNegative, Positive, Section, Share


class RefineConfig(Section):
    """Refinement of a section by full-waveform inversion."""

    gradients: Count = 150
    """Largest number of gradients, each of which simulates every shot and its adjoint."""
    minutes: Positive | None = None
    """Largest duration [min]; null for no limit."""
    power: Annotated[float, Field(ge=0, le=4), NOT_TRUTH] = 1.0
    """Power of the time by which the misfit weights the records, so that late reflections count."""
    smoothness: NotNegative = 0.1
    """Weight of the total variation of the section, in 1000 m/s from cell to cell, against the misfit."""
    source: Literal["known", "shots", "wavelet"] = "shots"
    """Properties of the source that are estimated from the records. ``known``: one gain of all shots.
    ``shots``: gain and delay of each shot. ``wavelet``: also a filter by which its wavelet differs."""
    held_out: Share = 0.15
    """Share of the shots that the first part of the refinement does not fit: evidence for what it found."""
