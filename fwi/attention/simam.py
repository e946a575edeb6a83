"""SimAM: attention without parameters (Yang et al., 2021, ICML 139)."""

from torch import Tensor, nn

from fwi.attention.excitation import at_least_single

LAMBDA = 1e-4


class SimAM(nn.Module):
    """Weigh each cell of each channel by its deviation from the channel's mean.

    The output is ``y = x sigmoid(d^2 / (4 (v + lambda)) + 1/2)`` with the deviation ``d`` from the channel's
    mean and its variance ``v``. Cells that stand out, such as edges of salt, keep their full amplitude, the
    others 62 % of it. The module has no parameters.

    Args:
        channels: number of channels of the map; any number will do.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` weighted, in the same shape."""
        return x * self.factors(x)

    def factors(self, x: Tensor) -> Tensor:
        """Return the factors that multiply the map: ``(batch, channel, height, width)``."""
        others = max(x.shape[2] * x.shape[3] - 1, 1)
        wide = at_least_single(x)
        squared = (wide - wide.mean(dim=(2, 3), keepdim=True)).square()
        variance = squared.sum(dim=(2, 3), keepdim=True) / others
        return (squared / (4 * (variance + LAMBDA)) + 0.5).sigmoid().to(x.dtype)
