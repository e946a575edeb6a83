"""Attention by name, one file per mechanism.

Every mechanism is an ``nn.Module`` whose first argument is the number of channels, or of each map's channels
where it takes a list; it keeps the shape of its map, whatever its size, and begins close to the identity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from fwi.attention.ca import CoordinateAttention
from fwi.attention.cbam import CBAM
from fwi.attention.cbam_conv import ConvolutionalCBAM
from fwi.attention.criss_cross import CrissCrossAttention
from fwi.attention.cross_attention import CrossAttention
from fwi.attention.eca import EfficientChannelAttention
from fwi.attention.ela import EfficientLocalAttention
from fwi.attention.gate import AttentionGate
from fwi.attention.gct import GatedChannelTransformation
from fwi.attention.hard import HardAttention
from fwi.attention.mdaf import AlignmentAndFusion
from fwi.attention.mix import MixLevels
from fwi.attention.pmfs import MultiScaleAttention
from fwi.attention.psa import PolarisedSelfAttention
from fwi.attention.scse import ConcurrentExcitation
from fwi.attention.se import SqueezeExcitation
from fwi.attention.self_attention import SelfAttention
from fwi.attention.simam import SimAM
from fwi.attention.spatial import SpatialAttention
from fwi.attention.stn import SpatialTransformer
from fwi.config import Slot


@dataclass(frozen=True)
class Mechanism:
    """A way to attend.

    Attributes:
        module: the class; its first argument is the number of channels, of each map for a list.
        arity: maps that ``forward`` takes: one, two, or a list of them, fine to coarse.
        slots: where in a network it may stand.
    """

    module: type[nn.Module]
    arity: Literal[1, 2, "list"] = 1
    slots: tuple[Slot, ...] = ("attention", "skip", "bottleneck")


ATTENTION: dict[str, Mechanism] = {
    "none": Mechanism(nn.Identity),
    "se": Mechanism(SqueezeExcitation),
    "eca": Mechanism(EfficientChannelAttention),
    "gct": Mechanism(GatedChannelTransformation),
    "spatial": Mechanism(SpatialAttention),
    "cbam": Mechanism(CBAM),
    "cbam_conv": Mechanism(ConvolutionalCBAM),
    "scse": Mechanism(ConcurrentExcitation),
    "simam": Mechanism(SimAM),
    "psa": Mechanism(PolarisedSelfAttention),
    "ca": Mechanism(CoordinateAttention),
    "ela": Mechanism(EfficientLocalAttention),
    "self": Mechanism(SelfAttention),
    "criss_cross": Mechanism(CrissCrossAttention),
    "stn": Mechanism(SpatialTransformer, slots=("attention", "skip", "bottleneck", "resample")),
    "hard": Mechanism(HardAttention),
    "gate": Mechanism(AttentionGate, arity=2, slots=("skip",)),
    "cross": Mechanism(CrossAttention, arity=2, slots=("skip", "resample")),
    "mdaf": Mechanism(AlignmentAndFusion, arity=2, slots=("skip",)),
    "pmfs": Mechanism(MultiScaleAttention, arity="list", slots=("bottleneck",)),
    # A decoder by itself, of which no level can be taken out.
    "mix": Mechanism(MixLevels, arity="list", slots=()),
}


def build(name: str, channels: int | Sequence[int], **options: Any) -> nn.Module:
    """Build an attention module.

    Args:
        name: a key of ``ATTENTION``.
        channels: of the map it attends to; of each map, fine to coarse, where it takes a list.
        options: the mechanism's own, by its constructor's names.

    Raises:
        ValueError: the name is unknown, or the mechanism cannot work with these channels.
    """
    if name not in ATTENTION:
        raise ValueError(f"unknown attention {name!r}; known: {', '.join(ATTENTION)}")
    return ATTENTION[name].module(channels, **options)
