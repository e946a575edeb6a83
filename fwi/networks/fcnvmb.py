"""The U-Net of Yang & Ma (2019, Geophysics 84(4), R583-R599), as its authors published it: the baseline."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from fwi.config import ModelConfig
from fwi.networks.blocks import VelocityHead, double_convolution
from fwi.networks.network import Network, numbered
from fwi.networks.sizes import Sizes


class FCNVMBUNet(Network):
    """FCNVMB, which treats gathers as images and crops the model from an output of their size.

    The weaknesses of the published network are kept, so that the gain from removing them can be measured. A
    skip connection carries the encoder's map *after* pooling, padded with zeros to the decoder's size, so the
    maps that are joined show different places. The output is cropped to the rows 1 to nz and the columns 1 to
    nx, so the late part of the time axis is discarded. With ``output: raw``, channels 64 to 1024 and 29 shots
    of 400 x 301 samples it is the published network of 31,058,497 parameters.

    Args:
        model: the channels per level and the output; no attention.
        sizes: sizes of the records and the models.

    Raises:
        ValueError: the record has too few samples or traces for the model to be cropped from.
    """

    def __init__(self, model: ModelConfig, sizes: Sizes) -> None:
        super().__init__(model, sizes)
        *channels, deepest = model.channels
        _refuse_small_records(sizes, halvings=len(channels))
        finer = [sizes.shots, *channels[:-1]]
        coarser = [*channels[1:], deepest]
        self.encoder = nn.ModuleList(
            nn.Sequential(double_convolution(i, o, bias=True), nn.MaxPool2d(2, ceil_mode=True))
            for i, o in zip(finer, channels, strict=True)
        )
        self.centre = double_convolution(channels[-1], deepest, bias=True)
        self.decoder = nn.ModuleList(_Up(i, o) for i, o in zip(coarser, channels, strict=True))
        self.head = VelocityHead(channels[0], model.output, sizes.velocity_range)

    def features(self, gathers: Tensor) -> Tensor:
        """Return the last features ``(batch, channel, height, width)`` of normalised gathers."""
        x = gathers
        pooled = []
        for block in self.encoder:
            x = block(x)
            pooled.append(x)
        x = self.centre(x)
        for block, skip in zip(reversed(self.decoder), reversed(pooled), strict=True):
            x = block(x, skip)
        cropped: Tensor = x[:, :, 1 : 1 + self.sizes.nz, 1 : 1 + self.sizes.nx]
        return cropped

    def parts(self) -> dict[str, nn.Module]:
        """Encoder, centre and decoder, level by level, and the head."""
        return {
            **numbered("encoder", self.encoder),
            "centre": self.centre,
            **numbered("decoder", self.decoder),
            "head": self.head,
        }


class _Up(nn.Module):
    """Double the size, join the skip connection in its frame of zeros, convolve."""

    def __init__(self, coarse: int, channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(coarse, channels, 2, stride=2)
        self.convolve = double_convolution(2 * channels, channels, bias=True)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)
        joined: Tensor = self.convolve(torch.cat([_frame(skip, x.shape[2], x.shape[3]), x], dim=1))
        return joined


def _frame(x: Tensor, height: int, width: int) -> Tensor:
    """Surround a map with zeros to a size; an odd row or column goes below and to the right."""
    rows, columns = height - x.shape[2], width - x.shape[3]
    return pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


def _refuse_small_records(sizes: Sizes, halvings: int) -> None:
    factor = 2**halvings
    height, width = (factor * math.ceil(size / factor) for size in (sizes.samples, sizes.receivers))
    if height <= sizes.nz or width <= sizes.nx:
        raise ValueError(
            f"fcnvmb_unet cuts the model out of an output of the record's size, here {height} x {width}, "
            f"without its first row and column; {sizes.nz} x {sizes.nx} cells do not fit. Record more "
            "samples (a smaller survey.keep_every or a larger survey.nt) or receivers, use a smaller grid, "
            "or use attention_unet"
        )
