"""Gated channel transformation (Yang et al., 2020, arXiv:1909.11519)."""

import torch
from torch import Tensor, nn

from fwi.attention.excitation import at_least_single

EPSILON = 1e-5
START = 0.01


class GatedChannelTransformation(nn.Module):
    """Let channels compete or cooperate by their norms: ``y = x (1 + tanh(gamma n + beta))``.

    ``n`` is the norm ``alpha |x|`` of a channel over the root mean square of all channels'. ``3 C``
    parameters. Beta starts at zero and gamma at 0.01, not at the published zero, which would keep the
    gradient from alpha: the module starts within a few percent of the identity.

    Args:
        channels: number of channels of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"gct needs one channel or more, got {channels}")
        self.alpha = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.full((1, channels, 1, 1), START))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` weighted, in the same shape."""
        return x * self.factors(x)

    def factors(self, x: Tensor) -> Tensor:
        """Return the factors that multiply the map: ``(batch, channel, 1, 1)``."""
        norm = (at_least_single(x).square().sum(dim=(2, 3), keepdim=True) + EPSILON).sqrt() * self.alpha
        relative = norm / (norm.square().mean(dim=1, keepdim=True) + EPSILON).sqrt()
        return (1 + torch.tanh(self.gamma * relative + self.beta)).to(x.dtype)
