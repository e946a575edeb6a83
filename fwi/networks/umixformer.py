"""U-MixFormer (Yeom & von Klitzing, 2023, arXiv:2312.06272) for velocity: a U-Net with mix-attention."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from fwi.attention.mix import MixLevels
from fwi.config import ModelConfig
from fwi.networks import encoders
from fwi.networks.blocks import VelocityHead, double_convolution
from fwi.networks.encoders.mit import initialise
from fwi.networks.network import Attends, Network, numbered
from fwi.networks.sizes import Sizes
from fwi.networks.unet import Stem

DROPPED = 0.1
"""Share of the samples that drop a branch of the decoder, as published."""


class UMixFormer(Network):
    """A network from gathers to velocity with a chosen encoder and a decoder of mix-attention.

    The published network segments photographs. Changed for velocity: the stem and the first level of our
    U-Net bring records of any size to the model's grid, in place of an image of three colours. The decoder
    lacks the 39 % of its published parameters that never receive a gradient, and drops no features. It ends
    at a quarter of the grid's size (at half with the encoder ``unet``, which halves step by step), so its map
    is interpolated to the grid and refined together with that of the first level by two convolutions. The
    output is a velocity instead of classes.

    Args:
        model: the encoder, the output and the channels: those of the first level, followed by those of the
            encoder ``unet``, which the other encoders do not need.
        sizes: sizes of the records and the models.
    """

    def __init__(self, model: ModelConfig, sizes: Sizes) -> None:
        super().__init__(model, sizes)
        width, *deeper = model.channels
        name = model.encoder or "mit_b0"
        self.stem = Stem(sizes, 2 * width, model.resample, sparse=model.columns == "offsets")
        self.level = double_convolution(2 * width, width)
        self.encoder = encoders.build(name, width, deeper)
        embedding = 768 if name == "mit_b2" else 128  # as published
        self.decoder = MixDecoder(self.encoder.channels, self.encoder.heads, embedding, width)
        self.refine = double_convolution(2 * width, width)
        self.head = VelocityHead(width, model.output, sizes.velocity_range)
        self.head.begin_in_the_middle()

    def features(self, gathers: Tensor) -> Tensor:
        """Return the last features ``(batch, channel, height, width)`` of normalised gathers."""
        x = self.level(self.stem(gathers))
        decoded = _resize(self.decoder(self.encoder(x)), x.shape[2:])
        refined: Tensor = self.refine(torch.cat([decoded, x], dim=1))
        return refined

    def parts(self) -> dict[str, nn.Module]:
        """Return stem, first level, encoder and decoder, level by level, and the final refinement."""
        return {
            "stem": self.stem,
            "level": self.level,
            **numbered("encoder", self.encoder.levels),
            **numbered("decoder keys", self.decoder.mix.keys),
            **numbered("decoder stages", self.decoder.mix.stages),
            "decoder join": self.decoder.join,
            "decoder leave": self.decoder.leave,
            "refine": self.refine,
            "head": self.head,
        }

    def attending(self) -> dict[str, Attends]:
        """Return the mechanism of the stem, and mix-attention at every level of the decoder.

        The encoder's own attention is left out.
        """
        stages = numbered("decoder", self.decoder.mix.stages)
        return self.stem.attending() | {place: Attends("mix", stage) for place, stage in stages.items()}


class MixDecoder(nn.Module):
    """The decoder of U-MixFormer, which refines levels by mix-attention and joins them at the finest size.

    It has ``10 sum C^2 + 2 T^2 + 58 T + 4 sum (C^2 + C) + T E + 2 E + E K + K`` parameters for four levels of
    ``C`` channels, ``T`` in total, an embedding of ``E`` and an output of ``K`` channels; the second sum
    leaves out the coarsest level.

    Args:
        channels: number of channels of each map, fine to coarse.
        heads: parts of each level's channels that attend independently, fine to coarse.
        embedding: number of channels of the joined levels.
        leaving: number of channels of the output.
    """

    def __init__(self, channels: Sequence[int], heads: Sequence[int], embedding: int, leaving: int) -> None:
        super().__init__()
        total = sum(channels)
        self.mix = MixLevels(channels, heads, DROPPED)
        self.join = nn.Sequential(
            nn.Conv2d(total, embedding, 1, bias=False), nn.BatchNorm2d(embedding), nn.ReLU(inplace=True)
        )
        self.leave = nn.Conv2d(embedding, leaving, 1)
        initialise(self)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return ``(batch, leaving, height, width)`` at the size of the first of ``maps``, fine to coarse."""
        finest, *coarser = self.mix(maps)
        levels = [*(_resize(x, finest.shape[2:]) for x in reversed(coarser)), finest]
        left: Tensor = self.leave(self.join(torch.cat(levels, dim=1)))
        return left


def _resize(x: Tensor, size: torch.Size) -> Tensor:
    if x.shape[2:] == size:
        return x
    return interpolate(x, size=list(size), mode="bilinear", align_corners=False)
