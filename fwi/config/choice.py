"""What a mechanism's choice declares: the class that attends, the slots it fits and how it joins maps."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from fwi.config.base import MOST_LEVELS, NOT_TRUTH, Section

Slot = Literal["attention", "skip", "bottleneck", "resample"]
"""Where a network attends: at the ends of its blocks, on its skip connections, at its deepest level, and
where features of (time, receiver) become features of (depth, x)."""

Join = Literal["filter", "gate", "gather", "fuse", "levels"]
"""Which maps a mechanism is given and what it makes of them.

``filter`` takes one map and gives it back, weighed or moved. Three ways take two maps, which on a skip
connection are the encoder's and the decoder's: ``gate`` lets through of the encoder's map what the coarser
map of the decoder asks for; ``gather`` lets the cells of the first map gather from those of the second;
``fuse`` makes one map of both. ``levels`` takes a list of maps, fine to coarse.
"""

TAKES: dict[Join, str] = {
    "filter": "one map",
    "gate": "two maps",
    "gather": "two maps",
    "fuse": "two maps",
    "levels": "a list of maps",
}
"""What a mechanism attends to, in the words of a message."""

CHOICES: "list[type[Choice]]" = []
"""All choices that a study can name, in the order in which they are defined."""


class Choice(Section):
    """A mechanism by name, with its options and their defaults.

    Its fields are the options of a study, which the mechanism's class takes by the same names.
    """

    attends: ClassVar[str | None] = None
    """The class that attends, as ``module:class``; none where nothing is built."""
    slots: ClassVar[tuple[Slot, ...]] = ("attention", "skip", "bottleneck")
    """The slots of a network that the mechanism may fill."""
    joins: ClassVar[Join] = "filter"
    """Which maps it is given and what it makes of them."""

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
            ValueError: the map has unsuitable channels; the message says why, and what would do.
        """


class LevelsChoice(Choice):
    """A mechanism that sees several levels of a network, with as many maps."""

    slots = ("bottleneck",)
    joins = "levels"

    levels: Annotated[int, Field(ge=2, le=MOST_LEVELS), NOT_TRUTH] = 3
    """How many of the network's deepest levels it sees."""

    def options(self) -> dict[str, Any]:
        """The options that the mechanism's class takes besides the channels, which tell it the levels."""
        return self.model_dump(exclude={"name", "levels"})


def by_names(found: Iterable[type[Choice]]) -> dict[str, type[Choice]]:
    """Choices by the names that a study calls them; of several with one name, the first."""
    named: dict[str, type[Choice]] = {}
    for choice in found:
        named.setdefault(choice.model_fields["name"].default, choice)
    return named
