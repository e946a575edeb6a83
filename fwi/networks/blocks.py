"""Blocks that networks share: the double convolution, and the heads for velocity and its spread."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MARGIN = 0.05  # of the velocity range, at both ends
HIDDEN = 32
"""Number of hidden channels of the head that predicts the spread."""
COARSER = 4
"""Number of cells, along each axis, of a cell of that head's branch that sees the surroundings."""


def double_convolution(channels_in: int, channels_out: int, bias: bool = False) -> nn.Sequential:
    """Build a double convolution: twice a 3 x 3 convolution, batch normalisation and ReLU, at one size.

    Args:
        channels_in: number of channels of the map that enters.
        channels_out: number of channels of the map that leaves.
        bias: give the convolutions biases, which the normalisation cancels.
    """
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=bias),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=bias),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class VelocityHead(nn.Module):
    """Turn the last features into velocity by a 1 x 1 convolution and the configured output.

    It computes in float32 even under autocast, because bfloat16 resolves speeds around 4500 m/s in steps of
    32 m/s only.

    Args:
        channels: number of channels of the features.
        output: ``bounded`` or ``raw``, see ``ModelConfig.output``.
        velocity_range: slowest and fastest admissible speed [m/s].
        coarsening: number of cells of the section, along each axis, per cell of the features.
    """

    def __init__(
        self,
        channels: int,
        output: Literal["bounded", "raw"],
        velocity_range: tuple[float, float],
        coarsening: int = 1,
    ) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, coarsening**2, 1)
        self.spread = nn.PixelShuffle(coarsening) if coarsening > 1 else nn.Identity()
        self.bound = BoundedVelocity(velocity_range) if output == "bounded" else nn.Identity()

    def begin_in_the_middle(self) -> None:
        """Begin training near the middle of the velocity range; zero weights would pass no gradient on."""
        if not self.project.weight.is_meta:  # of which torch's compiler, seconds to import, makes nothing
            nn.init.normal_(self.project.weight, std=0.01)
        nn.init.zeros_(self.project.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return velocity [m/s] ``(batch, depth, x)`` of features ``(batch, channels, height, width)``."""
        with torch.autocast(x.device.type, enabled=False):
            velocity: Tensor = self.bound(self.spread(self.project(x.float())))
        return velocity[:, 0]


class BoundedVelocity(nn.Module):
    """Map a number per cell into a velocity range by a sigmoid; zero becomes the middle of the range.

    Salt and water lie at the very ends of the range. A sigmoid that ends there would reach them only with
    infinite inputs, where it has no gradient. The sigmoid therefore spans a range that is wider by 5 % at
    either end; its slope at the ends of the velocity range is 17 % of the steepest. In evaluation the output
    is clamped to the range; in training it is not, because clamping would remove the gradient.

    Args:
        velocity_range: slowest and fastest admissible speed [m/s].
    """

    def __init__(self, velocity_range: tuple[float, float]) -> None:
        super().__init__()
        self.slowest, self.fastest = velocity_range

    def forward(self, x: Tensor) -> Tensor:
        """Return velocity [m/s] of the shape of ``x``."""
        span = self.fastest - self.slowest
        velocity = self.slowest + span * ((1 + 2 * MARGIN) * torch.sigmoid(x) - MARGIN)
        return velocity if self.training else velocity.clamp(self.slowest, self.fastest)


SMALLEST_SPREAD = 1e-3
"""Smallest spread that is predicted, as a share of half the velocity range: about 1 m/s."""
FIRST_SPREAD = 0.1
"""Spread with which training begins, as the same share: that of a network which has learned something."""


class SpreadHead(nn.Module):
    """Predict from the last features how far the truth may be below and above the predicted velocity.

    With ``laplace`` it predicts one scale b per cell, that of a Laplace distribution about the section; the
    spread b ln 10 on either side is the interval that holds the truth with a probability of 90 %. With
    ``quantiles`` it predicts two numbers per cell, how far the 5 % quantile of the truth is below the section
    and the 95 % quantile above it. Both are as good as what they were trained on: see ``fwi.uncertainty`` for
    their calibration. A branch of a quarter of the size sees some twenty cells around: errors of a section
    come in patches. The head computes in float32 even under autocast.

    Args:
        channels: number of channels of the features.
        kind: ``laplace`` or ``quantiles``, see ``ModelConfig.uncertainty``.
        velocity_range: slowest and fastest admissible speed [m/s].
        coarsening: number of cells of the section, along each axis, per cell of the features.
    """

    def __init__(
        self,
        channels: int,
        kind: Literal["laplace", "quantiles"],
        velocity_range: tuple[float, float],
        coarsening: int = 1,
    ) -> None:
        super().__init__()
        slowest, fastest = velocity_range
        self.kind, self.half_range = kind, (fastest - slowest) / 2
        self.enter = nn.Conv2d(channels, HIDDEN, 3, padding=1)
        self.around = nn.Sequential(
            nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1), nn.ReLU(), nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1)
        )
        self.project = nn.Conv2d(HIDDEN, (1 if kind == "laplace" else 2) * coarsening**2, 1)
        self.finer = nn.PixelShuffle(coarsening) if coarsening > 1 else nn.Identity()
        nn.init.constant_(self.project.bias, math.log(FIRST_SPREAD))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return the spread [m/s] below and above ``(batch, 2, depth, x)`` of features.

        Args:
            x: features, shape ``(batch, channels, height, width)``.
        """
        with torch.autocast(x.device.type, enabled=False):
            near = F.relu(self.enter(x.float()))
            far = self.around(F.avg_pool2d(near, COARSER, ceil_mode=True))
            far = F.interpolate(far, size=near.shape[2:], mode="bilinear", align_corners=False)
            logarithm = self.finer(self.project(F.relu(near + far)))
        least = math.log(SMALLEST_SPREAD)
        spread = self.half_range * torch.exp(least + F.softplus(logarithm - least))
        return spread.expand(-1, 2, -1, -1) if self.kind == "laplace" else spread
