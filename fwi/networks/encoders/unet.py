"""The encoder of our U-Net (Ronneberger et al., 2015, arXiv:1505.04597), for another network's decoder."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from fwi.networks.blocks import double_convolution


class UNetEncoder(nn.Module):
    """An encoder of pooling and double convolutions: maps at a half, a 4th, an 8th ... of the size.

    Args:
        entering: channels of the map that enters.
        channels: number of channels of the levels.
    """

    def __init__(self, entering: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.heads = tuple(_heads(width) for width in channels)
        finer = (entering, *channels[:-1])
        self.levels = nn.ModuleList(double_convolution(i, o) for i, o in zip(finer, channels, strict=True))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return a map per level, fine to coarse, of a map ``(batch, entering, height, width)``."""
        maps = []
        for convolve in self.levels:
            x = convolve(max_pool2d(x, 2, ceil_mode=True))
            maps.append(x)
        return maps


def _heads(channels: int) -> int:
    """Return the heads of a decoder's level: of 32 channels each, or of the next number that divides all."""
    return next(heads for heads in range(max(channels // 32, 1), 0, -1) if channels % heads == 0)
