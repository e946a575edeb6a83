"""Hard attention: cells are kept or dropped (gradient after Bengio et al., 2013, arXiv:1308.3432)."""

import torch
from torch import Tensor, nn

from fwi.attention.excitation import start_indifferent


class HardAttention(nn.Module):
    """Keep the cells that a convolution over the channels' mean and maximum selects, and dim the others.

    ``y = x (floor + (1 - floor) m)`` with a mask ``m`` of zeros and ones. The gradient passes as if the mask
    were the sigmoid of the same logits over the temperature. The bias starts at one, so that all cells are
    kept at first. The module has ``2 k^2 + 1`` parameters.

    Args:
        channels: number of channels of the map; any number will do.
        kernel_size: width of the convolution that gives the logits, odd.
        temperature: temperature of the sigmoid that replaces the mask in the backward pass; a higher one is
            flatter.
        floor: share of a dropped cell's amplitude that is kept.

    Raises:
        ValueError: ``kernel_size`` is even, the temperature not positive, or the floor outside 0 .. 1.
    """

    def __init__(self, channels: int, kernel_size: int, temperature: float, floor: float) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"hard needs an odd kernel_size to keep a map's size, got {kernel_size}: try 7 or 3"
            )
        if temperature <= 0 or not 0 <= floor < 1:
            raise ValueError(
                f"hard needs a temperature above 0 and a floor in 0 .. 1, got {temperature} and {floor}"
            )
        self.convolve = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2)
        self.temperature, self.floor = temperature, floor
        start_indifferent(self.convolve)
        nn.init.ones_(self.convolve.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)``, some cells dimmed, in the same shape."""
        return x * self.factors(x)

    def factors(self, x: Tensor) -> Tensor:
        """Return the factors of the map, either one or the floor: ``(batch, 1, height, width)``."""
        return self.floor + (1 - self.floor) * self.mask(x)

    def mask(self, x: Tensor) -> Tensor:
        """Return zeros and ones, shape ``(batch, 1, height, width)``, with the gradient of a sigmoid."""
        summary = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        soft = (self.convolve(summary) / self.temperature).sigmoid()
        kept = (soft > 0.5).to(soft.dtype)
        # In this order: the difference is exactly zero, so the mask is exactly zero or one.
        straight: Tensor = kept + (soft - soft.detach())
        return straight
