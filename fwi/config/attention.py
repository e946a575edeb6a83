"""The attention of a network: for each mechanism its name and options, and which slots it may fill."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from fwi.config.base import Count, Section, by_name

GateForm = Literal["sigmoid", "2sigmoid", "1+tanh", "residual"]


class NoAttention(Section):
    """Nothing is attended to."""

    name: Literal["none"] = "none"
    """The mechanism."""


class SEChoice(Section):
    """Squeeze and excitation (Hu et al., 2018)."""

    name: Literal["se"] = "se"
    """The mechanism."""
    reduction: Count = 16
    """Channels per hidden unit."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class CBAMChoice(Section):
    """Convolutional block attention module (Woo et al., 2018)."""

    name: Literal["cbam"] = "cbam"
    """The mechanism."""
    reduction: Count = 16
    """Channels per hidden unit of the channel gate."""
    kernel_size: Literal[3, 7] = 7
    """Width of the spatial gate's convolution."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class CAChoice(Section):
    """Coordinate attention (Hou et al., 2021)."""

    name: Literal["ca"] = "ca"
    """The mechanism."""
    reduction: Count = 32
    """Channels per hidden unit."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class GateChoice(Section):
    """Attention gate of a skip connection (Oktay et al., 2018)."""

    name: Literal["gate"] = "gate"
    """The mechanism."""


Attention = Annotated[
    NoAttention | SEChoice | CBAMChoice | CAChoice, Field(discriminator="name"), BeforeValidator(by_name)
]
"""What the ends of a level's encoder and decoder block attend with: a name, or a mapping with options."""
SkipAttention = Annotated[
    NoAttention | SEChoice | CBAMChoice | CAChoice | GateChoice,
    Field(discriminator="name"),
    BeforeValidator(by_name),
]
"""What a skip connection attends with."""
