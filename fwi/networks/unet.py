"""The attention U-Net: from the record's axes to the model's, then encoder and decoder with aligned skips."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, pad

from fwi import attention
from fwi.config import Attention, ModelConfig, NoAttention, SkipAttention
from fwi.networks.blocks import VelocityHead, double_convolution


class AttentionUNet(nn.Module):
    """Gathers to velocity, with attention of choice at each level and on each skip connection.

    A stem brings the record's axes (time, receiver) to the model's grid (depth, x). From there on all maps of
    a level show the same places: pooling takes 2 x 2 cells together, rounding odd sizes up, and the decoder
    doubles the size and cuts off what rounding added. Any size of record and grid will do; in training, batch
    normalisation asks for more than one cell or sample at the deepest level.

    Args:
        model: the channels per level, the attention and the output.
        shots: shots of a record.
        receivers: traces of a gather; unused, as the stem takes any number.
        samples: recorded time samples of a trace.
        nz: cells in depth.
        nx: cells along the line.
        velocity_range: slowest and fastest admissible speed [m/s].
    """

    def __init__(
        self,
        model: ModelConfig,
        shots: int,
        receivers: int,
        samples: int,
        nz: int,
        nx: int,
        velocity_range: tuple[float, float],
    ) -> None:
        super().__init__()
        channels = model.channels
        levels = len(channels)
        attends = model.attention or (NoAttention(),) * levels
        skips = model.skip or (NoAttention(),) * (levels - 1)
        self.stem = Stem(shots, samples, nz, nx, width=2 * channels[0])
        entering = [2 * channels[0], *channels[:-1]]
        self.encoder = nn.ModuleList(
            Encoder(entering[level], channels[level], attends[level]) for level in range(levels)
        )
        self.decoder = nn.ModuleList(
            Decoder(channels[level + 1], channels[level], attends[level], skips[level])
            for level in range(levels - 1)
        )
        self.head = VelocityHead(channels[0], model.output, velocity_range)
        # Begin near the middle of the velocity range; zero weights would pass no gradient on.
        nn.init.normal_(self.head.project.weight, std=0.01)
        nn.init.zeros_(self.head.project.bias)  # type: ignore[arg-type]

    def forward(self, gathers: Tensor) -> Tensor:
        """Invert gathers.

        Args:
            gathers: normalised, shape ``(batch, shot, time, receiver)``.

        Returns:
            Velocity [m/s], shape ``(batch, depth, x)``.
        """
        x = self.stem(gathers)
        maps = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else max_pool2d(x, 2, ceil_mode=True))
            maps.append(x)
        for block, skip in zip(reversed(self.decoder), reversed(maps[:-1]), strict=True):
            x = block(x, skip)
        velocity: Tensor = self.head(x)
        return velocity


class Stem(nn.Module):
    """From (time, receiver) to (depth, x).

    Convolutions with a stride of two in time bring the record to about the model's height, without losing
    traces; what still differs is interpolated. A learned vector per row and per column then tells the
    features where they are: what a trace means depends on its distance to each shot, and convolutions alone
    do not know their place.

    Args:
        shots: shots of a record.
        samples: recorded time samples of a trace.
        nz: cells in depth.
        nx: cells along the line.
        width: channels it gives. A row is two samples of, say, 15 shots: 30 numbers of both signs, of which a
            ReLU keeps one sign. Twice as many channels lose little.
    """

    def __init__(self, shots: int, samples: int, nz: int, nx: int, width: int) -> None:
        super().__init__()
        halvings = max(0, round(math.log2(samples / nz)))
        self.size = (nz, nx)
        # A record that is at most one row short is completed with silence: interpolation would blur it.
        shortfall = nz * 2**halvings - samples
        self.silence = shortfall if 0 <= shortfall <= 2**halvings else 0
        strides = [2] * halvings or [1]
        layers: list[nn.Module] = []
        for position, stride in enumerate(strides):
            kernel, entering = ((7, 3), shots) if position == 0 else ((3, 3), width)
            padding = (kernel[0] // 2, kernel[1] // 2)
            layers += [
                nn.Conv2d(entering, width, kernel, stride=(stride, 1), padding=padding, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
        self.convolve = nn.Sequential(*layers)
        self.row = nn.Parameter(torch.zeros(width, nz, 1))
        self.column = nn.Parameter(torch.zeros(width, 1, nx))

    def forward(self, gathers: Tensor) -> Tensor:
        """Return features ``(batch, width, nz, nx)`` of gathers ``(batch, shot, time, receiver)``."""
        x: Tensor = self.convolve(pad(gathers, (0, 0, 0, self.silence)))
        if x.shape[2:] != self.size:
            x = interpolate(x, size=self.size, mode="bilinear", align_corners=False)
        return x + (self.row + self.column).to(x.dtype)


class Encoder(nn.Module):
    """Convolve twice, attend."""

    def __init__(self, entering: int, channels: int, attend: Attention) -> None:
        super().__init__()
        self.convolve = double_convolution(entering, channels)
        self.attend = _attention(attend, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channels, height, width)`` of a map ``(batch, entering, height, width)``."""
        attended: Tensor = self.attend(self.convolve(x))
        return attended


class Decoder(nn.Module):
    """Double the size, join the skip connection, convolve twice, attend."""

    def __init__(self, coarse: int, channels: int, attend: Attention, skip: SkipAttention) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(coarse, channels, 2, stride=2)
        self.gated = attention.ATTENTION[skip.name].arity == 2
        self.attend_skip = _attention(skip, channels, **({"gating_channels": coarse} if self.gated else {}))
        self.convolve = double_convolution(2 * channels, channels)
        self.attend = _attention(attend, channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Refine a map with the encoder's.

        Args:
            x: decoder's map of the level below, shape ``(batch, coarse, ceil(height / 2), ceil(width / 2))``.
            skip: encoder's map of this level, shape ``(batch, channels, height, width)``.

        Returns:
            The decoder's map of this level, of the shape of ``skip``.
        """
        height, width = skip.shape[2:]
        skip = self.attend_skip(skip, x) if self.gated else self.attend_skip(skip)
        joined = torch.cat([skip, self.up(x)[:, :, :height, :width]], dim=1)
        attended: Tensor = self.attend(self.convolve(joined))
        return attended


def _attention(choice: SkipAttention, channels: int, **more: int) -> nn.Module:
    return attention.build(choice.name, channels, **choice.model_dump(exclude={"name"}), **more)
