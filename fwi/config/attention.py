"""The attention of a network: for each mechanism its name and options, and which slots it may fill."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from fwi.config.base import Count, Positive, Section, by_name

GateForm = Literal["sigmoid", "2sigmoid", "1+tanh", "residual"]
SqueezeName = Literal["avg", "max", "std", "gem", "lse", "dct", "spp", "attn"]
PositionName = Literal["none", "sine", "convolution"]


def _odd(width: int) -> int:
    if width % 2 == 0:
        raise ValueError(
            f"a kernel of even width {width} would change a map's size: take {width - 1} or {width + 1}"
        )
    return width


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Squeezes = Annotated[tuple[SqueezeName, ...], Field(min_length=1), BeforeValidator(_one_or_several)]
"""One squeeze by name, or a list of them."""
OddWidth = Annotated[int, Field(ge=1), AfterValidator(_odd)]
"""Width of a kernel, odd so that a map keeps its size."""


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
    squeeze: Squeezes = ("avg",)
    """What tells of a channel: one or several statistics of its map."""
    bias: bool = True
    """Give the two layers biases."""
    min_hidden: Count = 4
    """Smallest width of the hidden layer."""


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


class ECAChoice(Section):
    """Efficient channel attention (Wang et al., 2020)."""

    name: Literal["eca"] = "eca"
    """The mechanism."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class GCTChoice(Section):
    """Gated channel transformation (Yang et al., 2020)."""

    name: Literal["gct"] = "gct"
    """The mechanism."""


class SpatialChoice(Section):
    """Spatial attention: the second half of CBAM (Woo et al., 2018)."""

    name: Literal["spatial"] = "spatial"
    """The mechanism."""
    kernel_size: OddWidth = 7
    """Width of the convolution."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class CBAMConvChoice(Section):
    """The convolutional, BAM-like relative of CBAM (Park et al., 2018)."""

    name: Literal["cbam_conv"] = "cbam_conv"
    """The mechanism."""
    reduction: Count = 16
    """Channels per hidden unit."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class SCSEChoice(Section):
    """Concurrent spatial and channel squeeze and excitation (Roy et al., 2018)."""

    name: Literal["scse"] = "scse"
    """The mechanism."""
    reduction: Count = 2
    """Channels per hidden unit."""
    gate: GateForm = "sigmoid"
    """How the excitations become factors."""


class SimAMChoice(Section):
    """Attention without parameters (Yang et al., 2021)."""

    name: Literal["simam"] = "simam"
    """The mechanism."""


class PSAChoice(Section):
    """Polarised self-attention (Liu et al., 2021)."""

    name: Literal["psa"] = "psa"
    """The mechanism."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class ELAChoice(Section):
    """Efficient local attention: coordinate attention without reduction (Xu & Wan, 2024)."""

    name: Literal["ela"] = "ela"
    """The mechanism."""
    kernel_size: OddWidth = 7
    """Width of the convolution."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class SelfChoice(Section):
    """Self-attention over all cells (Zhang et al., 2019)."""

    name: Literal["self"] = "self"
    """The mechanism."""
    heads: Count = 1
    """Parts of the channels that attend independently; they divide the channels."""
    pool: Count = 1
    """Keys and values are the maxima over pool x pool cells."""
    position: PositionName = "convolution"
    """How cells know their place."""


class CrissCrossChoice(Section):
    """Criss-cross attention: each cell asks its row and its column (Huang et al., 2019)."""

    name: Literal["criss_cross"] = "criss_cross"
    """The mechanism."""


class STNChoice(Section):
    """Spatial transformer: an affine warp read from the map (Jaderberg et al., 2015)."""

    name: Literal["stn"] = "stn"
    """The mechanism."""


class HardChoice(Section):
    """Hard attention: cells are kept or dropped."""

    name: Literal["hard"] = "hard"
    """The mechanism."""
    kernel_size: OddWidth = 7
    """Width of the convolution."""
    temperature: Positive = 1.0
    """Of the sigmoid that stands in for the mask in the gradient."""
    floor: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """What is left of a dropped cell."""


class GateChoice(Section):
    """Attention gate of a skip connection (Oktay et al., 2018)."""

    name: Literal["gate"] = "gate"
    """The mechanism."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class CrossChoice(Section):
    """Cross-attention: the decoder asks the skip connection (Vaswani et al., 2017)."""

    name: Literal["cross"] = "cross"
    """The mechanism."""
    heads: Count = 1
    """Parts of the channels that attend independently; they divide the channels."""
    position: PositionName = "convolution"
    """How cells know their place."""


class MDAFChoice(Section):
    """Alignment and fusion of skip connection and decoder, by rows and columns (Yang et al., 2024)."""

    name: Literal["mdaf"] = "mdaf"
    """The mechanism."""
    heads: Count = 1
    """Parts of the channels that attend independently; they divide the channels."""
    residual: Literal["raw", "normed"] = "raw"
    """What is added to what was gathered: the maps as they are, or normalised."""
    temperature: bool = True
    """Learn how sharp the weights are."""


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

Attention = Annotated[Unary, Field(discriminator="name"), BeforeValidator(by_name)]
"""What the ends of a level's encoder and decoder block attend with: a name, or a mapping with options."""
SkipAttention = Annotated[
    Unary | GateChoice | CrossChoice | MDAFChoice, Field(discriminator="name"), BeforeValidator(by_name)
]
"""What a skip connection attends with."""
