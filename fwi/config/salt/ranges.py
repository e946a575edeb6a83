"""The kinds of parameters that presets have.

Values are drawn uniformly from a range, once per model or once per object (layer, fault, body). Depths and
heights are shares of the section's depth, positions and widths shares of its length, so that a preset gives
the same geology on a section of any size; objects that are thin everywhere (stringers, sutures) are given in
metres.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from fwi.config.base import NOT_TRUTH, Finite, Positive, Share, ascending

Range = Annotated[tuple[Finite, Finite], AfterValidator(ascending)]
Shares = Annotated[tuple[Share, Share], AfterValidator(ascending)]
Extent = Annotated[float, Field(gt=0, le=1), NOT_TRUTH]
"""A share above zero, such as a width that is divided by."""
Extents = Annotated[tuple[Extent, Extent], AfterValidator(ascending)]
Speeds = Annotated[tuple[Positive, Positive], AfterValidator(ascending)]
"""Two speeds [m/s]."""
Metres = Annotated[tuple[Positive, Positive], AfterValidator(ascending)]
Factors = Annotated[tuple[Positive, Positive], AfterValidator(ascending)]
Number = Annotated[int, Field(ge=0, le=100), NOT_TRUTH]
Numbers = Annotated[tuple[Number, Number], AfterValidator(ascending)]
Some = Annotated[int, Field(ge=1, le=100), NOT_TRUTH]
Counts = Annotated[tuple[Some, Some], AfterValidator(ascending)]
Dip = Annotated[float, Field(ge=20, le=90), NOT_TRUTH]
Dips = Annotated[tuple[Dip, Dip], AfterValidator(ascending)]
"""Angles from the horizontal [degrees]."""


def refuse_slow_salt(sediment: float, salt: float) -> None:
    """Refuse sediments as fast as the salt.

    Args:
        sediment: the fastest of the sediments [m/s].
        salt: the slowest of the salt [m/s].

    Raises:
        ValueError: the sediment is as fast as the salt; cells are recognised as salt by their speed.
    """
    if sediment >= salt:
        raise ValueError(
            f"sediments reach {sediment:g} m/s and salt begins at {salt:g}: "
            "set sediment_speeds below salt_speed, for a cell is salt by its speed"
        )
