"""The attention U-Net: from the record's axes to the model's, then encoder and decoder with aligned skips.

After Ronneberger et al. (2015, arXiv:1505.04597) and Oktay et al. (2018, arXiv:1804.03999).
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, pad

from fwi import attention
from fwi.config import Choice, InterpolateChoice, LevelsChoice, ModelConfig, NoAttention
from fwi.networks.blocks import VelocityHead, double_convolution
from fwi.networks.network import Attends, Network, numbered
from fwi.networks.sizes import Sizes


class AttentionUNet(Network):
    """A U-Net from gathers to velocity, with a chosen attention mechanism in every slot.

    Oktay et al. add an attention gate to each skip connection of the U-Net of Ronneberger et al. Here every
    slot takes any mechanism that fits it: the ends of each level's blocks, each skip connection, the deepest
    level, and the step from the record's axes to the model's. Without attention it is the plain ``unet``.

    Changed: convolutions keep the size, so that nothing is cropped, and are followed by batch normalisation;
    a stem precedes the encoder, and the output is one bounded velocity instead of classes.

    The stem maps the record's axes (time, receiver) to the model's grid (depth, x). From there on all maps of
    a level show the same places: pooling joins 2 x 2 cells, rounding odd sizes up, and the decoder doubles
    the size and crops the cells that rounding added. Any size of record and grid will do; in training, batch
    normalisation needs more than one cell or sample at the deepest level.

    With ``coarsening`` the finest map has cells that are several times as large as the grid's, and the head
    computes all speeds of such a cell (Shi et al., 2016, arXiv:1609.05158): the finest maps cost most, and
    the waves resolve no single cell.

    Args:
        model: the channels per level, the attention and the output.
        sizes: sizes of the records and the models.
    """

    def __init__(self, model: ModelConfig, sizes: Sizes) -> None:
        super().__init__(model, sizes)
        channels = model.channels
        levels = len(channels)
        self.attends = model.attention or (NoAttention(),) * levels
        self.skips = model.skip or (NoAttention(),) * (levels - 1)
        self.stem = Stem(
            sizes, 2 * channels[0], model.resample, model.coarsening, sparse=model.columns == "offsets"
        )
        entering = [2 * channels[0], *channels[:-1]]
        self.encoder = nn.ModuleList(
            Encoder(entering[level], channels[level], self.attends[level]) for level in range(levels)
        )
        self.bottleneck = Bottleneck(channels, model.bottleneck)
        self.decoder = nn.ModuleList(
            Decoder(channels[level + 1], channels[level], self.attends[level], self.skips[level])
            for level in range(levels - 1)
        )
        self.head = VelocityHead(channels[0], model.output, sizes.velocity_range, model.coarsening)
        self.head.begin_in_the_middle()

    def features(self, gathers: Tensor) -> Tensor:
        """Return the last features ``(batch, channel, height, width)`` of normalised gathers."""
        x: Tensor = self.stem(gathers)
        maps = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else max_pool2d(x, 2, ceil_mode=True))
            maps.append(x)
        x = self.bottleneck(maps)
        for block, skip in zip(reversed(self.decoder), reversed(maps[:-1]), strict=True):
            x = block(x, skip)
        return x

    def parts(self) -> dict[str, nn.Module]:
        """Return stem, encoder, bottleneck and decoder, level by level, and the head."""
        return {
            "stem": self.stem,
            **numbered("encoder", self.encoder),
            "bottleneck": self.bottleneck,
            **numbered("decoder", self.decoder),
            "head": self.head,
        }

    def attending(self) -> dict[str, Attends]:
        """Return the mechanisms that fill the slots, by place; places without attention are left out."""
        encoder, decoder = cast("list[Encoder]", self.encoder), cast("list[Decoder]", self.decoder)
        places: dict[str, tuple[Choice, nn.Module]] = {
            f"encoder {level}": (self.attends[level], block.attend) for level, block in enumerate(encoder)
        }
        stack = zip(self.model.bottleneck, self.bottleneck.attend, strict=True)
        for position, entry in enumerate(stack):
            places[f"bottleneck {position}"] = entry
        for level, block in enumerate(decoder):
            places[f"skip {level}"] = self.skips[level], block.attend_skip
            places[f"decoder {level}"] = self.attends[level], block.attend
        return self.stem.attending() | {
            place: Attends(choice.name, module)
            for place, (choice, module) in places.items()
            if not isinstance(module, nn.Identity)
        }


class Stem(nn.Module):
    """The step from features of (time, receiver) to features of (depth, x).

    Convolutions with a stride of two in time bring the record to about the model's height and keep all
    traces; the remaining difference in size is interpolated, or stretched by a spatial transformer. Then a
    learned vector per row and per column is added to encode positions: the meaning of a trace depends on its
    distance to each shot, which convolutions alone do not see. In common-offset sections that distance is the
    channel, and the vector of a column is left out. There, channels that are zero throughout in a column hold
    no trace, and features of which do are added. With cross-attention each cell of the model also attends to
    all features of the record and adds the result to the interpolated features.

    Args:
        sizes: sizes of the records and the models; any number of receivers will do.
        width: number of channels of the output. A row covers two samples of, say, 15 shots: 30 numbers of
            both signs, of which a ReLU keeps one sign, so that twice as many channels lose little.
        resample: mechanism that bridges the remaining difference in size.
        coarsening: number of cells of the section, along each axis, per cell of the features.
        sparse: the record consists of common-offset sections, which hold traces at some places only.
    """

    def __init__(
        self,
        sizes: Sizes,
        width: int,
        resample: Choice = InterpolateChoice(),  # noqa: B008 - it is immutable
        coarsening: int = 1,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        nz, nx = (-(-cells // coarsening) for cells in (sizes.nz, sizes.nx))
        halvings = max(0, round(math.log2(sizes.samples / nz)))
        self.size = (nz, nx)
        # A record that is at most one row short is completed with silence: interpolation would blur it.
        shortfall = nz * 2**halvings - sizes.samples
        self.silence = shortfall if 0 <= shortfall <= 2**halvings else 0
        strides = [2] * halvings or [1]
        layers: list[nn.Module] = []
        for position, stride in enumerate(strides):
            first = position == 0
            kernel, entering = ((7, 3), sizes.shots) if first else ((3, 3), width)
            padding, along = (kernel[0] // 2, kernel[1] // 2), coarsening if first else 1
            layers += [
                nn.Conv2d(entering, width, kernel, stride=(stride, along), padding=padding, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
        self.convolve = nn.Sequential(*layers)
        self.present = nn.Conv1d(sizes.shots, width, 5, coarsening, padding=2) if sparse else None
        self.row = nn.Parameter(torch.zeros(width, nz, 1))
        self.column = None if sparse else nn.Parameter(torch.zeros(width, 1, nx))
        self.mechanism, joins = resample.name, resample.joins if resample.attends else None
        self.warp = _attention(resample, width, size=self.size) if joins == "filter" else None
        self.ask = _attention(resample, width) if joins == "gather" else None

    def forward(self, gathers: Tensor) -> Tensor:
        """Return features ``(batch, width, nz, nx)`` of gathers ``(batch, shot, time, receiver)``."""
        record: Tensor = self.convolve(pad(gathers, (0, 0, 0, self.silence)))
        x = record
        if self.warp is not None:
            x = self.warp(x)
        elif x.shape[2:] != self.size:
            x = interpolate(x, size=self.size, mode="bilinear", align_corners=False)
        x = x + (self.row if self.column is None else self.row + self.column).to(x.dtype)
        if self.present is not None:
            x = x + self.present(gathers.any(2).float())[:, :, None]
        return x if self.ask is None else self.ask(x, record)

    def attending(self) -> dict[str, Attends]:
        """Return the mechanism that fills the slot ``resample``, if it is more than interpolation."""
        module = self.ask if self.warp is None else self.warp
        return {} if module is None else {"resample": Attends(self.mechanism, module)}


class Encoder(nn.Module):
    """A level of the encoder: a double convolution, then attention."""

    def __init__(self, entering: int, channels: int, attend: Choice) -> None:
        super().__init__()
        self.convolve = double_convolution(entering, channels)
        self.attend = _attention(attend, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channels, height, width)`` of a map ``(batch, entering, height, width)``."""
        attended: Tensor = self.attend(self.convolve(x))
        return attended


class Bottleneck(nn.Module):
    """Attention at the deepest level by a sequence of mechanisms.

    Args:
        channels: number of channels of every level, shallow to deep.
        stack: the mechanisms; those that take a list see the levels above as well.
    """

    def __init__(self, channels: Sequence[int], stack: Sequence[Choice]) -> None:
        super().__init__()
        self.attend = nn.ModuleList(_at_bottleneck(choice, channels) for choice in stack)
        self.levels = [choice.levels if isinstance(choice, LevelsChoice) else 1 for choice in stack]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the deepest map after attention, in its shape.

        Args:
            maps: the encoder's maps, shallow to deep, each ``(batch, channel, height, width)``.
        """
        x = maps[-1]
        for attend, levels in zip(self.attend, self.levels, strict=True):
            x = attend(x) if levels == 1 else attend([*maps[-levels:-1], x])
        return x


class Decoder(nn.Module):
    """A level of the decoder: upsampling, joining the skip connection, a double convolution, attention.

    The mechanism in the slot decides how the two maps are joined. A mechanism of one map weights the skip. A
    gate weights the skip by the coarser map. With cross-attention the decoder's map attends to the whole
    skip, which is joined unchanged. Alignment and fusion merges both into one map instead of joining their
    channels.
    """

    def __init__(self, coarse: int, channels: int, attend: Choice, skip: Choice) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(coarse, channels, 2, stride=2)
        self.joins = skip.joins
        asking = {"gating_channels": coarse} if skip.joins == "gate" else {}
        self.attend_skip = _attention(skip, channels, **asking)
        self.convolve = double_convolution((1 if skip.joins == "fuse" else 2) * channels, channels)
        self.attend = _attention(attend, channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Refine the decoder's map with that of the encoder.

        Args:
            x: decoder's map of the level below, shape ``(batch, coarse, ceil(height / 2), ceil(width / 2))``.
            skip: encoder's map of this level, shape ``(batch, channels, height, width)``.

        Returns:
            The decoder's map of this level, of the shape of ``skip``.
        """
        height, width = skip.shape[2:]
        attended: Tensor = self.attend(self.convolve(self._join(x, self.up(x)[:, :, :height, :width], skip)))
        return attended

    def _join(self, coarse: Tensor, up: Tensor, skip: Tensor) -> Tensor:
        match self.joins:
            case "gate":
                return torch.cat([self.attend_skip(skip, coarse), up], dim=1)
            case "gather":
                return torch.cat([skip, self.attend_skip(up, skip)], dim=1)
            case "fuse":
                fused: Tensor = self.attend_skip(skip, up)
                return fused
        return torch.cat([self.attend_skip(skip), up], dim=1)


def _at_bottleneck(choice: Choice, channels: Sequence[int]) -> nn.Module:
    return _attention(
        choice, channels[-choice.levels :] if isinstance(choice, LevelsChoice) else channels[-1]
    )


def _attention(choice: Choice, channels: int | Sequence[int], **more: object) -> nn.Module:
    return attention.build(choice.name, channels, **choice.options(), **more)
