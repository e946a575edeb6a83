"""Where a network attends, and which mechanism may stand there."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from fwi.config.attention import (
    CAChoice,
    CBAMChoice,
    CBAMConvChoice,
    Choice,
    CoordinateCrossChoice,
    CrissCrossChoice,
    CrossChoice,
    ECAChoice,
    ELAChoice,
    GateChoice,
    GCTChoice,
    HardChoice,
    InterpolateChoice,
    MDAFChoice,
    NoAttention,
    PMFSChoice,
    PSAChoice,
    SCSEChoice,
    SEChoice,
    SelfChoice,
    SimAMChoice,
    SpatialChoice,
    STNChoice,
)
from fwi.config.base import MOST_LEVELS, by_name

Slot = Literal["attention", "skip", "bottleneck", "resample"]
"""Where a network attends: at the ends of its blocks, on its skip connections, at its deepest level, and
where features of (time, receiver) become features of (depth, x)."""

Unary = (
    NoAttention
    | SEChoice
    | ECAChoice
    | GCTChoice
    | SpatialChoice
    | CBAMChoice
    | CBAMConvChoice
    | SCSEChoice
    | SimAMChoice
    | PSAChoice
    | CAChoice
    | ELAChoice
    | SelfChoice
    | CrissCrossChoice
    | STNChoice
    | HardChoice
)

OnSkip = Unary | GateChoice | CrossChoice | MDAFChoice
AtBottleneck = Unary | PMFSChoice
Resampling = InterpolateChoice | STNChoice | CoordinateCrossChoice


def _by_their_names(choices: object) -> dict[str, type[Choice]]:
    return {choice.model_fields["name"].default: choice for choice in get_args(choices)}


SLOTS: dict[Slot, dict[str, type[Choice]]] = {
    "attention": _by_their_names(Unary),
    "skip": _by_their_names(OnSkip),
    "bottleneck": _by_their_names(AtBottleneck),
    "resample": _by_their_names(Resampling),
}
"""What may stand in each slot, by name."""


def _choice_for(slot: Slot) -> Any:
    """A validator that lets a name stand for its mapping, and says of a misplaced mechanism where it fits."""

    def place(entry: object) -> object:
        entry = by_name(entry)
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            return entry  # the union of choices says what is wrong with it
        elsewhere = {f"model.{other}": names[name] for other, names in SLOTS.items() if name in names}
        if elsewhere and name not in SLOTS[slot]:
            takes = next(iter(elsewhere.values())).takes
            raise ValueError(
                f"{name!r} takes {takes} and fits {' or '.join(elsewhere)}, not here; known here: "
                f"{', '.join(SLOTS[slot])}"
            )
        return entry

    return BeforeValidator(place)


def _as_stack(entries: object) -> object:
    """One entry by itself is a stack of one."""
    return entries if isinstance(entries, list | tuple) else [entries]


Attention = Annotated[Unary, Field(discriminator="name"), _choice_for("attention")]
"""What the ends of a level's encoder and decoder block attend with: a name, or a mapping with options."""
SkipAttention = Annotated[OnSkip, Field(discriminator="name"), _choice_for("skip")]
"""What a skip connection attends with."""
BottleneckAttention = Annotated[AtBottleneck, Field(discriminator="name"), _choice_for("bottleneck")]
"""What the deepest level attends with."""
BottleneckStack = Annotated[
    tuple[BottleneckAttention, ...], Field(max_length=MOST_LEVELS), BeforeValidator(_as_stack)
]
"""One entry, or several that follow each other."""
Resample = Annotated[Resampling, Field(discriminator="name"), _choice_for("resample")]
"""How features of (time, receiver) become features of (depth, x)."""
