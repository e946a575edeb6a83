"""The encoders of U-MixFormer by name: from one map to a pyramid of maps, fine to coarse.

The attribute ``channels`` of an encoder gives the width of its levels, ``heads`` the number of attention
heads of the decoder's levels.
"""

from collections.abc import Callable, Sequence
from functools import partial

from fwi.config import EncoderName
from fwi.networks.encoders.lvt import LVT
from fwi.networks.encoders.mit import MiT
from fwi.networks.encoders.mscan import MSCAN
from fwi.networks.encoders.unet import UNetEncoder

Encoder = MiT | LVT | MSCAN | UNetEncoder

PUBLISHED: dict[str, Callable[[int], Encoder]] = {
    "mit_b0": partial(MiT, channels=(32, 64, 160, 256), depths=(2, 2, 2, 2)),
    "mit_b1": partial(MiT, channels=(64, 128, 320, 512), depths=(2, 2, 2, 2)),
    "mit_b2": partial(MiT, channels=(64, 128, 320, 512), depths=(3, 4, 6, 3)),
    "lvt": LVT,
    "mscan_t": partial(MSCAN, channels=(32, 64, 160, 256), depths=(3, 3, 5, 2)),
    "mscan_s": partial(MSCAN, channels=(64, 128, 320, 512), depths=(2, 2, 4, 2)),
}
"""Encoders with published widths; each takes the number of channels of its input."""


def build(name: EncoderName, entering: int, channels: Sequence[int]) -> Encoder:
    """Build an encoder.

    Args:
        name: one of ``PUBLISHED``, or ``unet``.
        entering: number of channels of the input.
        channels: number of channels of each level of ``unet``; the other encoders have published widths.
    """
    return UNetEncoder(entering, channels) if name == "unet" else PUBLISHED[name](entering)
