"""The attention gate of the Attention U-Net (Oktay et al., 2018, arXiv:1804.03999)."""

from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, relu

from fwi.attention.excitation import factor, start_indifferent
from fwi.config import GateForm

STRIDE = 2


class AttentionGate(nn.Module):
    """Weigh the cells of a skip connection by the features of the coarser, deeper gating map.

    The output is ``y = BN(W (a x))`` with ``a = up(gate(psi relu(theta x + phi g)))``: theta halves the
    skip's size, the map of phi is brought to that size, and ``a`` has one value per cell. The module has
    ``4 C F + G F + F + F + 1 + C^2 + C + 2 C`` parameters for ``C`` channels of the skip, ``G`` of the gating
    map and an inner width ``F = C // 2``.

    W starts as the identity, so the gate begins as the normalised skip itself.

    Args:
        channels: number of channels of the skip connection.
        gating_channels: number of channels of the gating map.
        gate: how the excitation becomes a factor, see :func:`fwi.attention.excitation.factor`.

    Raises:
        ValueError: a number of channels is below one.
    """

    def __init__(self, channels: int, gating_channels: int, gate: GateForm) -> None:
        super().__init__()
        if channels < 1 or gating_channels < 1:
            raise ValueError(
                f"gate needs channels of skip and gating map, got {channels} and {gating_channels}"
            )
        inner = max(channels // 2, 1)
        self.theta = nn.Conv2d(channels, inner, STRIDE, stride=STRIDE, bias=False)
        self.phi = nn.Conv2d(gating_channels, inner, 1)
        self.psi = nn.Conv2d(inner, 1, 1)
        self.project = nn.Conv2d(channels, channels, 1)
        self.normalise = nn.BatchNorm2d(channels)
        self.form: GateForm = gate
        start_indifferent(self.psi)
        nn.init.dirac_(self.project.weight)
        nn.init.zeros_(self.project.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        """Gate a skip connection.

        Args:
            x: skip connection, shape ``(batch, channel, height, width)``.
            g: gating map, shape ``(batch, gating channel, any height, any width)``.

        Returns:
            The gated skip, of the shape of ``x``.
        """
        gated: Tensor = self.normalise(self.project(x * self.factors(x, g)))
        return gated

    def factors(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the factors that multiply the map of the skip connection.

        Args:
            x: the skip connection's map, shape ``(batch, channel, height, width)``.
            g: the decoder's coarser map, with the gating channels.

        Returns:
            Factors, shape ``(batch, 1, height, width)``.
        """
        height, width = x.shape[2:]
        # Odd sizes are padded, so that a coarse cell stands for the same finer ones as in a pooled map.
        coarse: Tensor = self.theta(pad(x, (0, width % STRIDE, 0, height % STRIDE)))
        asked = _resize(self.phi(g), coarse.shape[2], coarse.shape[3])
        attention = factor(self.psi(relu(coarse + asked)), self.form)
        attention = _resize(attention, STRIDE * coarse.shape[2], STRIDE * coarse.shape[3])
        return attention[:, :, :height, :width]


def _resize(x: Tensor, height: int, width: int) -> Tensor:
    return interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
