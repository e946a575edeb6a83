"""The mechanisms of attention: the choice that describes each to a study.

A choice holds the mechanism's name and its options with their defaults. It declares the class that attends,
the slots of a network that it fits and how it joins two maps, and it refuses maps that the mechanism cannot
work on. A mechanism is added by its file in ``fwi/attention`` and its choice here.
"""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from fwi.config.base import NOT_TRUTH, Channels, Count, Positive
from fwi.config.choice import Choice, LevelsChoice, Slot

GateForm = Literal["sigmoid", "2sigmoid", "1+tanh", "residual"]
SqueezeName = Literal["avg", "max", "std", "gem", "lse", "dct", "spp", "attn"]
PositionName = Literal["none", "sine", "convolution"]
Residual = Literal["raw", "normed"]
PMFSNorm = Literal["batch", "group"]


def _odd(width: int) -> int:
    if width % 2 == 0:
        raise ValueError(
            f"a kernel of even width {width} would change a map's size: take {width - 1} or {width + 1}"
        )
    return width


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def inner_width(channels: int) -> int:
    """Return the number of channels of queries and keys."""
    return max(channels // 8, 8)


def check_heads(name: str, heads: int, *widths: int) -> None:
    """Refuse a number of heads that does not divide the widths.

    Raises:
        ValueError: the message names the widths and the numbers of heads that divide them.
    """
    common = math.gcd(*widths)
    if heads < 1 or common % heads:
        fits = ", ".join(str(n) for n in range(1, common + 1) if common % n == 0)
        parts = " and ".join(str(width) for width in widths)
        raise ValueError(f"{name}: heads {heads} does not divide a width of {parts} channels; take {fits}")


Squeezes = Annotated[
    tuple[SqueezeName, ...], Field(min_length=1, max_length=16), BeforeValidator(_one_or_several)
]
"""One squeeze by name, or a list of them."""
OddWidth = Annotated[int, Field(ge=1, le=1001), NOT_TRUTH, AfterValidator(_odd)]
"""Width of a kernel, odd so that a map keeps its size."""


class NoAttention(Choice):
    """No attention: the map stays as it is."""

    attends = "torch.nn:Identity"

    name: Literal["none"] = "none"
    """The mechanism."""


class InterpolateChoice(Choice):
    """Bilinear interpolation."""

    slots = ("resample",)

    name: Literal["interpolate"] = "interpolate"
    """The way of resampling."""


class SEChoice(Choice):
    """Squeeze and excitation (Hu et al., 2018)."""

    attends = "fwi.attention.se:SqueezeExcitation"

    name: Literal["se"] = "se"
    """The mechanism."""
    reduction: Count = 16
    """Channels per hidden unit."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""
    squeeze: Squeezes = ("avg",)
    """Statistics over a channel's map that describe the channel: one name or several."""
    bias: bool = True
    """Give the two layers biases."""
    min_hidden: Channels = 4
    """Smallest width of the hidden layer."""


class ECAChoice(Choice):
    """Efficient channel attention (Wang et al., 2020)."""

    attends = "fwi.attention.eca:EfficientChannelAttention"

    name: Literal["eca"] = "eca"
    """The mechanism."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class GCTChoice(Choice):
    """Gated channel transformation (Yang et al., 2020)."""

    attends = "fwi.attention.gct:GatedChannelTransformation"

    name: Literal["gct"] = "gct"
    """The mechanism."""


class SpatialChoice(Choice):
    """Spatial attention: the second half of CBAM (Woo et al., 2018)."""

    attends = "fwi.attention.spatial:SpatialAttention"

    name: Literal["spatial"] = "spatial"
    """The mechanism."""
    kernel_size: OddWidth = 7
    """Width of the convolution."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class CBAMChoice(Choice):
    """Convolutional block attention module (Woo et al., 2018)."""

    attends = "fwi.attention.cbam:CBAM"

    name: Literal["cbam"] = "cbam"
    """The mechanism."""
    reduction: Count = 16
    """Channels per hidden unit of the channel gate."""
    kernel_size: Literal[3, 7] = 7
    """Width of the spatial gate's convolution."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class CBAMConvChoice(Choice):
    """The convolutional, BAM-like relative of CBAM (Park et al., 2018)."""

    attends = "fwi.attention.cbam_conv:ConvolutionalCBAM"

    name: Literal["cbam_conv"] = "cbam_conv"
    """The mechanism."""
    reduction: Count = 16
    """Channels per hidden unit."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class SCSEChoice(Choice):
    """Concurrent spatial and channel squeeze and excitation (Roy et al., 2018)."""

    attends = "fwi.attention.scse:ConcurrentExcitation"

    name: Literal["scse"] = "scse"
    """The mechanism."""
    reduction: Count = 2
    """Channels per hidden unit."""
    gate: GateForm = "sigmoid"
    """How the excitations become factors."""


class SimAMChoice(Choice):
    """Attention without parameters (Yang et al., 2021)."""

    attends = "fwi.attention.simam:SimAM"

    name: Literal["simam"] = "simam"
    """The mechanism."""


class PSAChoice(Choice):
    """Polarised self-attention (Liu et al., 2021)."""

    attends = "fwi.attention.psa:PolarisedSelfAttention"

    name: Literal["psa"] = "psa"
    """The mechanism."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""

    def check(self, channels: int) -> None:
        """Refuse a single channel, because the mechanism keeps half of the channels."""
        if channels < 2:
            raise ValueError("psa keeps half of the channels and needs two or more: take se or spatial")


class CAChoice(Choice):
    """Coordinate attention (Hou et al., 2021)."""

    attends = "fwi.attention.ca:CoordinateAttention"

    name: Literal["ca"] = "ca"
    """The mechanism."""
    reduction: Count = 32
    """Channels per hidden unit."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class ELAChoice(Choice):
    """Efficient local attention: coordinate attention without reduction (Xu & Wan, 2024)."""

    attends = "fwi.attention.ela:EfficientLocalAttention"

    name: Literal["ela"] = "ela"
    """The mechanism."""
    kernel_size: OddWidth = 7
    """Width of the convolution."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""

    def check(self, channels: int) -> None:
        """Refuse a single channel, which normalisation would reduce to zero."""
        if channels < 2:
            raise ValueError("ela normalises channels together and needs two or more: take se or spatial")


class SelfChoice(Choice):
    """Self-attention over all cells (Zhang et al., 2019)."""

    attends = "fwi.attention.self_attention:SelfAttention"

    name: Literal["self"] = "self"
    """The mechanism."""
    heads: Count = 1
    """Parts of the channels that attend independently; they divide the channels."""
    pool: Count = 1
    """Keys and values are the maxima over pool x pool cells."""
    position: PositionName = "convolution"
    """How cells know their place."""

    def check(self, channels: int) -> None:
        """Refuse heads that do not divide the channels, and too few channels for sines."""
        _check_tokens(self, channels)


class CrissCrossChoice(Choice):
    """Criss-cross attention: each cell attends to its row and its column (Huang et al., 2019)."""

    attends = "fwi.attention.criss_cross:CrissCrossAttention"

    name: Literal["criss_cross"] = "criss_cross"
    """The mechanism."""


class STNChoice(Choice):
    """Spatial transformer: an affine warp predicted from the map (Jaderberg et al., 2015)."""

    attends = "fwi.attention.stn:SpatialTransformer"
    slots = ("attention", "skip", "bottleneck", "resample")

    name: Literal["stn"] = "stn"
    """The mechanism."""


class HardChoice(Choice):
    """Hard attention: each cell is kept or dropped."""

    attends = "fwi.attention.hard:HardAttention"

    name: Literal["hard"] = "hard"
    """The mechanism."""
    kernel_size: OddWidth = 7
    """Width of the convolution."""
    temperature: Positive = 1.0
    """Temperature of the sigmoid that replaces the mask in the backward pass; a higher one is flatter."""
    floor: Annotated[float, Field(ge=0, lt=1), NOT_TRUTH] = 0.1
    """Share of a dropped cell's amplitude that is kept."""


class GateChoice(Choice):
    """Attention gate of a skip connection (Oktay et al., 2018)."""

    attends = "fwi.attention.gate:AttentionGate"
    slots = ("skip",)
    joins = "gate"

    name: Literal["gate"] = "gate"
    """The mechanism."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class CrossChoice(Choice):
    """Cross-attention: the decoder attends to the skip connection (Vaswani et al., 2017)."""

    attends = "fwi.attention.cross_attention:CrossAttention"
    slots: ClassVar[tuple[Slot, ...]] = ("skip",)
    joins = "gather"

    name: Literal["cross"] = "cross"
    """The mechanism."""
    heads: Count = 1
    """Parts of the channels that attend independently; they divide the channels."""
    pool: Count = 1
    """Keys and values are the maxima over pool x pool cells."""
    position: PositionName = "convolution"
    """How the cells of each map know their place."""

    def check(self, channels: int) -> None:
        """Refuse heads that do not divide the channels, and too few channels for sines."""
        _check_tokens(self, channels)


class CoordinateCrossChoice(CrossChoice):
    """Cross-attention from the model's cells to the record's features, added to the interpolated features."""

    slots = ("resample",)

    pool: Count = 4
    """Keys and values are the maxima over pool x pool cells of the record's features."""
    position: PositionName = "sine"
    """How the cells of each map know their place."""


class MDAFChoice(Choice):
    """Alignment and fusion of skip connection and decoder, by rows and columns (Yang et al., 2024)."""

    attends = "fwi.attention.mdaf:AlignmentAndFusion"
    slots = ("skip",)
    joins = "fuse"

    name: Literal["mdaf"] = "mdaf"
    """The mechanism."""
    heads: Count = 1
    """Parts of the channels that attend independently; they divide the channels."""
    residual: Residual = "raw"
    """Maps that are added to the result of the attention: ``raw`` or normalised."""
    temperature: bool = True
    """Learn a temperature that sets how sharp the weights are."""

    def check(self, channels: int) -> None:
        """Refuse heads that do not divide the channels."""
        check_heads(self.name, self.heads, channels)


class PMFSChoice(LevelsChoice):
    """Multi-scale attention over the deepest levels, fused at the last one (Zhong et al., 2024)."""

    attends = "fwi.attention.pmfs:MultiScaleAttention"

    name: Literal["pmfs"] = "pmfs"
    """The mechanism."""
    width: Channels = 16
    """Number of channels to which each level is reduced inside the mechanism."""
    norm: PMFSNorm = "batch"
    """Normalisation over the batch, as published, or over each sample, for small batches."""


class MixChoice(Choice):
    """Mix-attention over all levels: the decoder of ``umixformer``, which always attends at every level."""

    attends = "fwi.attention.mix:MixLevels"
    slots = ()
    joins = "levels"

    name: Literal["mix"] = "mix"
    """The mechanism."""


def _check_tokens(choice: SelfChoice | CrossChoice, channels: int) -> None:
    check_heads(choice.name, choice.heads, channels, inner_width(channels))
    if choice.position == "sine" and channels < 4:
        raise ValueError(f"{choice.name}: position sine needs 4 channels or more: take convolution")
