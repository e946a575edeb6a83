"""Attention by name, one file per mechanism.

Every mechanism is an ``nn.Module`` whose first argument is the number of channels; it keeps the shape of its
map, whatever its size, and begins close to the identity.
"""

from dataclasses import dataclass
from typing import Any

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
from fwi.attention.psa import PolarisedSelfAttention
from fwi.attention.scse import ConcurrentExcitation
from fwi.attention.se import SqueezeExcitation
from fwi.attention.self_attention import SelfAttention
from fwi.attention.simam import SimAM
from fwi.attention.spatial import SpatialAttention
from fwi.attention.stn import SpatialTransformer


@dataclass(frozen=True)
class Mechanism:
    """A way to attend.

    Attributes:
        module: the class; its first argument is the number of channels.
        arity: maps that ``forward`` takes. One: it fits the end of a block and a skip connection. Two, the
            skip and the gating map: it fits a skip connection.
    """

    module: type[nn.Module]
    arity: int = 1


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
    "stn": Mechanism(SpatialTransformer),
    "hard": Mechanism(HardAttention),
    "gate": Mechanism(AttentionGate, arity=2),
    "cross": Mechanism(CrossAttention, arity=2),
    "mdaf": Mechanism(AlignmentAndFusion, arity=2),
}


def build(name: str, channels: int, **options: Any) -> nn.Module:
    """Build an attention module.

    Args:
        name: a key of ``ATTENTION``.
        channels: of the map it attends to.
        options: the mechanism's own, by its constructor's names.

    Raises:
        ValueError: the name is unknown, or the mechanism cannot work with these channels.
    """
    if name not in ATTENTION:
        raise ValueError(f"unknown attention {name!r}; known: {', '.join(ATTENTION)}")
    return ATTENTION[name].module(channels, **options)
