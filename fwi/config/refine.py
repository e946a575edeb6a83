"""Refinement of a section by full-waveform inversion: the section ``refine`` of a study."""

import re
from typing import Annotated, Literal

from pydantic import Field

from fwi.config.base import LARGEST, NOT_TRUTH, Count, NotNegative, Positive, Section, Share

StartName = Literal["mirrored", "flooded", "without_salt"]

MINUTES = {"s": 1 / 60, "min": 1.0, "h": 60.0}
"""Units of a budget of time, in minutes."""
UNLIMITED = 1_000_000
"""Number of gradients that no budget of time allows."""


class RefineConfig(Section):
    """Refinement of a section by full-waveform inversion."""

    gradients: Count = 150
    """Largest number of gradients, each of which simulates every shot and its adjoint."""
    minutes: Positive | None = None
    """Largest duration [min]; null for no limit."""
    power: Annotated[float, Field(ge=0, le=4), NOT_TRUTH] = 2.0
    """Power of the time by which the misfit weights the records, so that late reflections count; at most 1
    for noisy ones."""
    smoothness: NotNegative = 0.05
    """Weight of the total variation of the section, in 1000 m/s from cell to cell, against the misfit."""
    source: Literal["known", "shots", "wavelet"] = "shots"
    """Properties of the source that are estimated from the records. ``known``: one gain of all shots.
    ``shots``: gain and delay of each shot. ``wavelet``: also a filter by which its wavelet differs."""
    held_out: Annotated[float, Field(ge=0, le=0.5), NOT_TRUTH] = 0.5
    """Share of the shots that the first stage does not fit, as evidence for or against what it finds; its
    gradients cost less for it."""
    first_stage: Share = 0.5
    """Share of the gradients for the stages before the last one, which fits all shots."""
    accept: Share = 0.8
    """Largest misfit of the shots held out with which the refined section is returned, as a share of that
    of the start, both without that of the records' noise; else the start is returned."""
    noise: NotNegative = 1.0
    """Multiple of the misfit that the records' noise has, at which the refinement stops; 0: never."""
    starts: tuple[StartName, ...] = ()
    """Starts that are raced against the network's section: ``mirrored``, the mean with that of the mirrored
    record; ``flooded``, with salt from its top to the bottom; ``without_salt``, with sediments in its
    place."""
    race: Count = 10
    """Gradients that each start of several gets before the best one goes on."""

    def within(self, budget: str) -> "RefineConfig":
        """Return the same settings with another budget.

        Args:
            budget: number of gradients, such as ``150`` or ``150 gradients``, or a duration, such as
                ``10 min``, ``600 s`` or ``0.5 h``.

        Raises:
            ValueError: the budget is neither.
        """
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([a-z]*)\s*", budget)
        number, unit = (float(found[1]), found[2]) if found else (0.0, "")
        if unit in MINUTES and 0 < number * MINUTES[unit] <= LARGEST:
            return self.model_copy(update={"minutes": number * MINUTES[unit], "gradients": UNLIMITED})
        if unit in ("", "gradient", "gradients") and number.is_integer() and 1 <= number <= UNLIMITED:
            return self.model_copy(update={"gradients": int(number), "minutes": None})
        raise ValueError(
            f"a budget of {budget!r:.60} is neither a number of gradients nor a duration: write 150, "
            f"'150 gradients', '10 min', '600 s' or '0.5 h'"
        )
