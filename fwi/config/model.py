"""The section of a study that describes the network: which one, its size, and what stands in its slots."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Union, get_args

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from fwi.config.attention import InterpolateChoice
from fwi.config.base import MOST_LEVELS, NOT_TRUTH, Channels, Section, by_name
from fwi.config.choice import CHOICES, TAKES, Choice, LevelsChoice, Slot, by_names


class NetworkKind(NamedTuple):
    """A network that a study can name."""

    module: str
    """The network's class as ``module:class``."""
    takes: frozenset[str] = frozenset()
    """The optional keys of ``ModelConfig`` that the network supports, out of those in ``_NOTHING``."""


NETWORK_KINDS = {
    "attention_unet": NetworkKind(
        "fwi.networks.unet:AttentionUNet",
        frozenset({"attention", "skip", "bottleneck", "resample", "coarsening"}),
    ),
    "unet": NetworkKind(  # without attention
        "fwi.networks.unet:AttentionUNet", frozenset({"resample", "coarsening"})
    ),
    "umixformer": NetworkKind("fwi.networks.umixformer:UMixFormer", frozenset({"encoder", "resample"})),
    "inversion_net": NetworkKind("fwi.networks.inversion_net:InversionNet"),
    # The generator of VelocityGAN: it differs from InversionNet by an adversarial loss.
    "velocity_gan": NetworkKind("fwi.networks.inversion_net:InversionNet"),
    "fcnvmb_unet": NetworkKind("fwi.networks.fcnvmb:FCNVMBUNet"),
}
"""The networks by name. A network is added by its file in ``fwi/networks`` and its line here."""
EncoderName = Literal["mit_b0", "mit_b1", "mit_b2", "lvt", "mscan_t", "mscan_s", "unet"]

MECHANISMS: dict[str, type[Choice]] = by_names(choice for choice in CHOICES if choice.attends)
"""The choice of every mechanism, by name; ``cross`` is the choice for skip connections."""
SLOTS: dict[Slot, dict[str, type[Choice]]] = {
    slot: by_names(choice for choice in CHOICES if slot in choice.slots) for slot in get_args(Slot)
}
"""The choices that fit each slot, by name."""


def _entry(slot: Slot) -> Any:
    """Build the type of a slot's entries: the name of a fitting choice, or a mapping with its options."""

    def place(entry: object) -> object:
        entry = by_name(entry)
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            return entry  # the union of choices says what is wrong with it
        elsewhere = {f"model.{other}": names[name] for other, names in SLOTS.items() if name in names}
        if elsewhere and name not in SLOTS[slot]:
            takes = TAKES[next(iter(elsewhere.values())).joins]
            raise ValueError(
                f"{name!r} takes {takes} and fits {' or '.join(elsewhere)}, not here; known here: "
                f"{', '.join(SLOTS[slot])}"
            )
        return entry

    fitting: Any = Union[tuple(SLOTS[slot].values())]  # noqa: UP007 - of as many as there are
    return Annotated[fitting, Field(discriminator="name"), BeforeValidator(place)]


def _as_stack(entries: object) -> object:
    """Wrap a single entry in a list."""
    return entries if isinstance(entries, list | tuple) else [entries]


if TYPE_CHECKING:  # a type checker cannot see which choices fit a slot, and which networks there are
    _Attention = Choice
    _Skip = Choice
    _Bottleneck = Choice
    _Resample = Choice
    NetworkName = str
else:
    NetworkName = Literal[tuple(NETWORK_KINDS)]
    _Attention, _Skip, _Bottleneck, _Resample = (_entry(slot) for slot in get_args(Slot))


class ModelConfig(Section):
    """The network: its architecture, its size, and what attends in it."""

    name: NetworkName = "attention_unet"
    """Which network; ``unet`` is ``attention_unet`` without attention."""
    channels: Annotated[tuple[Channels, ...], Field(min_length=2, max_length=MOST_LEVELS)] = (
        32,
        64,
        128,
        256,
        512,
    )
    """Channels per level, shallow to deep. ``inversion_net`` has five levels; ``umixformer`` uses the first
    number alone, except with its encoder ``unet``."""
    columns: Literal["receivers", "midpoints", "offsets"] = "receivers"
    """Columns and channels of the network's input. ``receivers``: the receivers of each shot, as recorded.
    ``midpoints``: the midpoints between shot and receiver, beneath which flat layers reflect, of each shot.
    ``offsets``: the midpoints, with the traces of all shots stacked into classes of offset; such a network
    takes any shots and receivers, and bears missing ones."""
    offsets: Annotated[int, Field(ge=2, le=1024), NOT_TRUTH] = 16
    """Number of classes of offset, from zero to the survey's largest; ``columns: offsets`` only."""
    coarsening: Annotated[int, Field(ge=1, le=8), NOT_TRUTH] = 1
    """Number of cells of the section, along each axis, per cell of the network's finest map; with 2 a step
    takes about half the time."""
    encoder: EncoderName | None = None
    """Encoder of ``umixformer``; ``mit_b0`` if not given."""
    attention: Annotated[tuple[_Attention, ...], Field(max_length=MOST_LEVELS)] = ()
    """Attention per level, shallow to deep, at the end of encoder and decoder blocks; empty is none."""
    skip: Annotated[tuple[_Skip, ...], Field(max_length=MOST_LEVELS)] = ()
    """Attention per skip connection, shallow to deep (one fewer than levels); empty is none."""
    bottleneck: Annotated[
        tuple[_Bottleneck, ...], Field(max_length=MOST_LEVELS), BeforeValidator(_as_stack)
    ] = ()
    """Attention at the deepest level: an entry, or a list of entries in sequence; empty is none."""
    resample: _Resample = InterpolateChoice()
    """How features of (time, receiver) become features of (depth, x)."""
    output: Literal["bounded", "raw"] = "bounded"
    """``bounded``: a sigmoid maps the output into the grid's velocity range. ``raw``: the output is taken as
    m/s; ``inversion_net`` stretches its published tanh over the range."""
    mirror: bool = False
    """Average each section with that of the mirrored record, mirrored back, when records are inverted; not in
    training and validation. It takes twice the time, and a symmetric survey or ``columns: offsets``."""
    uncertainty: Literal["none", "laplace", "quantiles"] = "none"
    """A second head that predicts how far the truth may be from the section, cell by cell. ``laplace``: the
    scale of the error's Laplace distribution. ``quantiles``: the 5 % quantile of the truth below the section
    and the 95 % quantile above it. The section and its training are the same without it."""

    @field_validator("attention", "skip")
    @classmethod
    def _one_fitting_entry_per_slot(
        cls, entries: tuple[Choice, ...], info: ValidationInfo
    ) -> tuple[Choice, ...]:
        if not entries or "channels" not in info.data:
            return entries
        channels = info.data["channels"]
        levels = len(channels)
        wanted, slot = (
            (levels, "level")
            if info.field_name == "attention"
            else (levels - 1, "skip connection (the deepest level has none)")
        )
        if len(entries) != wanted:
            raise ValueError(
                f"{len(entries)} entries, but {levels} levels of channels need {wanted}: write one per "
                f"{slot}, 'none' among them, or leave it empty"
            )
        _check(
            (entry, width, f"entry {level}, at a level of {width} channels")
            for level, (entry, width) in enumerate(zip(entries, channels, strict=False))
        )
        return entries

    @field_validator("bottleneck")
    @classmethod
    def _bottleneck_fits_the_deepest_level(
        cls, stack: tuple[Choice, ...], info: ValidationInfo
    ) -> tuple[Choice, ...]:
        channels = info.data.get("channels", ())
        _check(
            (entry, channels[-1], f"entry {position}, at the deepest level of {channels[-1]} channels")
            for position, entry in enumerate(stack if channels else ())
        )
        for entry in stack if channels else ():
            if isinstance(entry, LevelsChoice) and entry.levels > len(channels):
                raise ValueError(
                    f"{entry.name}: levels {entry.levels}, but there are {len(channels)}: take fewer"
                )
        return stack

    @field_validator("resample")
    @classmethod
    def _resampling_fits_the_stem(cls, entry: Choice, info: ValidationInfo) -> Choice:
        if "channels" in info.data:
            width = 2 * info.data["channels"][0]
            _check([(entry, width, f"on the {width} channels of the stem, twice those of the first level")])
        return entry

    @model_validator(mode="after")
    def _network_has_what_is_chosen(self) -> "ModelConfig":
        chosen = {
            "attention": self.attention,
            "skip": self.skip,
            "bottleneck": self.bottleneck,
            "resample": self.resample.name != "interpolate",
            "encoder": self.encoder,
            "coarsening": self.coarsening > 1,
        }
        surplus = [
            key for key, value in chosen.items() if value and key not in NETWORK_KINDS[self.name].takes
        ]
        others = [name for name, kind in NETWORK_KINDS.items() if kind.takes.issuperset(surplus)]
        if surplus:
            remedies = [f"{key}: {_NOTHING[key]}" for key in surplus]
            raise ValueError(
                f"{self.name} has no {' and no '.join(surplus)}: write {', '.join(remedies)}"
                + (f", or use {' or '.join(others)}" if others else "")
            )
        if self.name in ("inversion_net", "velocity_gan") and len(self.channels) != 5:
            raise ValueError(
                f"{self.name} has five channels, got {len(self.channels)}: the published are "
                "[32, 64, 128, 256, 512]"
            )
        return self


_NOTHING = {
    "attention": "[]",
    "skip": "[]",
    "bottleneck": "[]",
    "resample": "interpolate",
    "encoder": "null",
    "coarsening": "1",
}
"""The optional keys that not every network supports, each with the value that leaves it out."""


def _check(places: Iterable[tuple[Choice, int, str]]) -> None:
    """Check every entry against the channels of its place and report all mistakes together."""
    mistakes = []
    for entry, channels, where in places:
        try:
            entry.check(channels)
        except ValueError as error:
            mistakes.append(f"{where}: {error}")
    if mistakes:
        raise ValueError("; ".join(mistakes))
