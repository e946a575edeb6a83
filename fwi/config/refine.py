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
    """Share of the shots that the first stage does not fit, as evidence for or against what it finds."""
    first_stage: Share = 0.4
    """Share of the gradients for the stages before the last one, which fits all shots."""
    accept: Share = 0.8
    """Largest misfit of the shots held out with which the refined section is returned, as a share of that
    of the start; else the start is returned."""
    noise: NotNegative = 1.0
    """Multiple of the misfit that the records' noise has, at which the refinement stops; 0: never."""
    race: Count = 10
    """Gradients that each start of several gets before the best one goes on."""
