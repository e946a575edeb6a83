"""InversionNet (Wu & Lin, 2019, arXiv:1811.07875) as OpenFWI has it (Deng et al., 2022, arXiv:2111.02926)."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from fwi.config import ModelConfig
from fwi.networks.blocks import BoundedVelocity
from fwi.networks.network import Network, numbered
from fwi.networks.sizes import Sizes

SLOPE = 0.2
"""Slope of the leaky ReLU below zero."""


class InversionNet(Network):
    """Encode a record as one vector and decode the vector to a model.

    Four convolutions halve the record in time, three more in time and along the receivers, until one kernel
    covers the whole map and leaves a single cell. Five transposed convolutions expand it to a map that is
    larger than the model and is cropped to its middle. No skip connection bypasses the vector. The generator
    of OpenFWI's VelocityGAN (Zhang et al., 2018, arXiv:1809.10262) is this network trained against a critic;
    with our losses ``velocity_gan`` equals ``inversion_net``.

    Changed: the sizes of the last kernel of the encoder and the first of the decoder follow the survey. For
    OpenFWI's records of 1000 samples and 70 receivers and its models of 70 x 70 cells they are 8 x 9 and
    5 x 5; there, with 5 shots, the network has the published layers and 24,409,123 parameters. With
    ``output: raw`` the velocity is the published tanh, stretched over the velocity range; with ``bounded``
    the ends of the range can be reached.

    In training, the normalisation of the vector needs more than one sample.

    Args:
        model: the five widths and the output; no attention.
        sizes: sizes of the records and the models.
    """

    def __init__(self, model: ModelConfig, sizes: Sizes) -> None:
        super().__init__(model, sizes)
        a, b, c, d, e = model.channels
        self.encoder = nn.Sequential(
            _convolve(sizes.shots, a, (7, 1), stride=(2, 1)),
            *_shrink(a, b, (3, 1), (2, 1)),
            *_shrink(b, b, (3, 1), (2, 1)),
            *_shrink(b, c, (3, 1), (2, 1)),
            *_shrink(c, c, (3, 3), (2, 2)),
            *_shrink(c, d, (3, 3), (2, 2)),
            *_shrink(d, d, (3, 3), (2, 2)),
        )
        left = (math.ceil(sizes.samples / 2**7), math.ceil(sizes.receivers / 2**3))
        first = (math.ceil(sizes.nz / 2**4), math.ceil(sizes.nx / 2**4))
        self.span = _normalised(nn.Conv2d(d, e, left), e)
        self.unfold = nn.Sequential(
            _normalised(nn.ConvTranspose2d(e, e, first, stride=2), e),
            _convolve(e, e, (3, 3)),
        )
        self.decoder = nn.Sequential(
            *(
                layer
                for coarse, fine in pairwise((e, d, c, b, a))
                for layer in (
                    _normalised(nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1), fine),
                    _convolve(fine, fine, (3, 3)),
                )
            )
        )
        self.head = _Head(a, model, sizes.velocity_range)

    def features(self, gathers: Tensor) -> Tensor:
        """Return the last features ``(batch, channel, height, width)`` of normalised gathers."""
        x: Tensor = self.decoder(self.unfold(self.span(self.encoder(gathers))))
        nz, nx = self.sizes.nz, self.sizes.nx
        top, start = (x.shape[2] - nz) // 2, (x.shape[3] - nx) // 2
        return x[:, :, top : top + nz, start : start + nx]

    def parts(self) -> dict[str, nn.Module]:
        """Convolutions down to the vector and up to the model, one by one, and the head."""
        return {
            **numbered("encoder", self.encoder),
            "span": self.span,
            "unfold": self.unfold,
            **numbered("decoder", self.decoder),
            "head": self.head,
        }


class _Head(nn.Module):
    """The last convolution, its normalisation and the configured output, in float32 even under autocast."""

    def __init__(self, channels: int, model: ModelConfig, velocity_range: tuple[float, float]) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Conv2d(channels, 1, 3, padding=1), nn.BatchNorm2d(1))
        self.bound = BoundedVelocity(velocity_range) if model.output == "bounded" else _Tanh(velocity_range)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            velocity: Tensor = self.bound(self.project(x.float()))
        return velocity[:, 0]


class _Tanh(nn.Module):
    """Map a number per cell to velocity [m/s] by tanh, which never reaches the ends of the range."""

    def __init__(self, velocity_range: tuple[float, float]) -> None:
        super().__init__()
        slowest, fastest = velocity_range
        self.middle, self.reach = (slowest + fastest) / 2, (fastest - slowest) / 2

    def forward(self, x: Tensor) -> Tensor:
        return self.middle + self.reach * torch.tanh(x)


def _shrink(
    channels_in: int, channels_out: int, kernel: tuple[int, int], stride: tuple[int, int]
) -> tuple[nn.Sequential, nn.Sequential]:
    return (
        _convolve(channels_in, channels_out, kernel, stride),
        _convolve(channels_out, channels_out, kernel),
    )


def _convolve(
    channels_in: int, channels_out: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)
) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return _normalised(nn.Conv2d(channels_in, channels_out, kernel, stride, padding), channels_out)


def _normalised(convolve: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolve, nn.BatchNorm2d(channels), nn.LeakyReLU(SLOPE, inplace=True))
