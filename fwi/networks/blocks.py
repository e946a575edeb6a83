"""What the networks are made of: the double convolution and the head that gives velocity."""

from typing import Literal

import torch
from torch import Tensor, nn

MARGIN = 0.05  # of the velocity range, at both ends


def double_convolution(channels_in: int, channels_out: int, bias: bool = False) -> nn.Sequential:
    """Two times 3 x 3 convolution, batch normalisation and ReLU, at the same size.

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
    """From the last features to velocity: one 1 x 1 convolution, then the output of choice.

    It computes in float32 even under autocast: in bfloat16 the speeds around 4500 m/s are 32 m/s apart.

    Args:
        channels: number of channels of the features.
        output: ``bounded`` or ``raw``, see ``ModelConfig.output``.
        velocity_range: slowest and fastest admissible speed [m/s].
    """

    def __init__(
        self, channels: int, output: Literal["bounded", "raw"], velocity_range: tuple[float, float]
    ) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, 1, 1)
        self.bound = BoundedVelocity(velocity_range) if output == "bounded" else nn.Identity()

    def begin_in_the_middle(self) -> None:
        """Begin training near the middle of the velocity range; zero weights would pass no gradient on."""
        nn.init.normal_(self.project.weight, std=0.01)
        nn.init.zeros_(self.project.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return velocity [m/s] ``(batch, depth, x)`` of features ``(batch, channels, depth, x)``."""
        with torch.autocast(x.device.type, enabled=False):
            velocity: Tensor = self.bound(self.project(x.float()))
        return velocity[:, 0]


class BoundedVelocity(nn.Module):
    """Squash a number per cell into a velocity range; zero becomes the middle.

    Salt and water lie at the very ends of the range, where a sigmoid is flat: a network could reach them only
    with infinite numbers, and would get no gradient there. So the sigmoid spans 5 % of the range more at both
    ends, which leaves at an end 17 % of the steepest slope. In training the margin stays open, as clamping
    would take the gradient of what is there; otherwise the velocity is clamped to the range.

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
