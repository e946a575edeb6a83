"""SimAM: attention without parameters (Yang et al., 2021, ICML 139)."""

from torch import Tensor, nn

from fwi.attention.excitation import at_least_single

LAMBDA = 1e-4


class SimAM(nn.Module):
    """Weigh each cell of each channel by how far it stands out.

    ``y = x sigmoid(d^2 / (4 (v + lambda)) + 1/2)``, with the distance ``d`` to the channel's mean and its
    variance ``v``. What stands out, such as edges of salt, is kept whole, the rest at 62 %. No parameters.

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
