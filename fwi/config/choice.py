"""The choice of a mechanism: its options, its class, the slots it fits and how it joins maps."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from fwi.config.base import MOST_LEVELS, NOT_TRUTH, Section

Slot = Literal["attention", "skip", "bottleneck", "resample"]
"""The place where a network attends: the ends of its blocks, its skip connections, its deepest level, or
the step in which features of (time, receiver) become features of (depth, x)."""

Join = Literal["filter", "gate", "gather", "fuse", "levels"]
"""Which maps a mechanism takes and how it combines them.

``filter`` takes one map and returns it weighted or warped. ``gate``, ``gather`` and ``fuse`` take two maps;
on a skip connection these are the encoder's map and the decoder's. ``gate`` weights the encoder's map by the
coarser map of the decoder; in ``gather`` each cell of the first map takes a weighted sum over the cells of
the second; ``fuse`` merges both into one map. ``levels`` takes a list of maps, fine to coarse.
"""

TAKES: dict[Join, str] = {
    "filter": "one map",
    "gate": "two maps",
    "gather": "two maps",
    "fuse": "two maps",
    "levels": "a list of maps",
}
"""The maps that a mechanism takes, as messages describe them."""

CHOICES: "list[type[Choice]]" = []
"""All choices that a study can name, in the order in which they are defined."""


class Choice(Section):
    """A mechanism by name, with its options and their defaults.

    Its fields are the options that a study can set; the mechanism's class takes them by the same names.
    """

    attends: ClassVar[str | None] = None
    """The mechanism's class as ``module:class``; None for a choice that needs no module."""
    slots: ClassVar[tuple[Slot, ...]] = ("attention", "skip", "bottleneck")
    """The slots of a network that the mechanism may fill."""
    joins: ClassVar[Join] = "filter"
    """Which maps the mechanism takes and how it combines them."""

    name: str
    """The mechanism."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if not cls.model_fields["name"].is_required():
            CHOICES.append(cls)

    def options(self) -> dict[str, Any]:
        """The options that the mechanism's class takes besides the channels."""
        return self.model_dump(exclude={"name"})

    def check(self, channels: int) -> None:
        """Refuse a map that the mechanism cannot work on.

        Args:
            channels: number of channels of the map.

        Raises:
            ValueError: the number of channels does not suit; the message names the reason and the remedy.
        """


class LevelsChoice(Choice):
    """A mechanism that attends to several levels of a network at once, with one map per level."""

    slots = ("bottleneck",)
    joins = "levels"

    levels: Annotated[int, Field(ge=2, le=MOST_LEVELS), NOT_TRUTH] = 3
    """Number of the network's deepest levels that the mechanism attends to."""

    def options(self) -> dict[str, Any]:
        """The options that the class takes besides the channels; the list of channels gives the levels."""
        return self.model_dump(exclude={"name", "levels"})


def by_names(found: Iterable[type[Choice]]) -> dict[str, type[Choice]]:
    """Map the name that a study uses to its choice; where several choices share a name, the first is kept."""
    named: dict[str, type[Choice]] = {}
    for choice in found:
        named.setdefault(choice.model_fields["name"].default, choice)
    return named
