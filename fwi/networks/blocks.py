"""What the networks are made of: the double convolution and the map from features to velocity."""

import torch
from torch import Tensor, nn

MARGIN = 0.05


def double_convolution(channels_in: int, channels_out: int, bias: bool = False) -> nn.Sequential:
    """Two times 3 x 3 convolution, batch normalisation and ReLU, at the same size.

    Args:
        channels_in: of the map that enters.
        channels_out: of the map that leaves.
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


def velocity_map(output: str, velocity_range: tuple[float, float]) -> nn.Module:
    """Build what turns the network's last number per cell into m/s: see ``ModelConfig.output``."""
    return BoundedVelocity(velocity_range) if output == "bounded" else RawVelocity()


class BoundedVelocity(nn.Module):
    """Squash a number per cell into a velocity range; zero becomes the middle.

    Salt and water lie at the very ends of the range, where a sigmoid is flat: a network could reach them only
    with infinite numbers, and would get no gradient there. So the sigmoid spans 5 % of the range more at both
    ends, which leaves at an end 17 % of the steepest slope. In training the margin stays open, as clamping
    would take the gradient of what is there; otherwise the velocity is clamped to the range. All this is in
    float32: in bfloat16 the speeds around 4500 m/s are 32 m/s apart.
    """

    def __init__(self, velocity_range: tuple[float, float]) -> None:
        super().__init__()
        self.slowest, self.fastest = velocity_range

    def forward(self, x: Tensor) -> Tensor:
        """Return velocity [m/s] of the shape of ``x``."""
        span = self.fastest - self.slowest
        velocity = self.slowest + span * ((1 + 2 * MARGIN) * torch.sigmoid(x.float()) - MARGIN)
        return velocity if self.training else velocity.clamp(self.slowest, self.fastest)


class RawVelocity(nn.Module):
    """Take a number per cell for m/s."""

    def forward(self, x: Tensor) -> Tensor:
        """Return velocity [m/s] of the shape of ``x``, in single precision."""
        return x.float()
