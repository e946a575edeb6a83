"""Efficient local attention (Xu & Wan, 2024, arXiv:2403.01123): coordinate attention without reduction."""

from torch import Tensor, nn

from fwi.attention.excitation import factor, start_indifferent
from fwi.attention.profiles import Profiles
from fwi.config import GateForm


class EfficientLocalAttention(Profiles):
    """Weigh each channel by a profile along depth times a profile along the line, each smoothed separately.

    As in coordinate attention, the means over rows resolve depth and the means over columns the position
    along the line; here a depthwise convolution over ``k`` rows (or columns) replaces the mixing of channels.
    Both directions share the ``C k + 2 C`` parameters, as published.

    Args:
        channels: number of channels of the map, two or more.
        kernel_size: width of the smoothing, odd.
        gate: how each profile becomes a factor, see :func:`fwi.attention.excitation.factor`.

    Raises:
        ValueError: ``kernel_size`` is even, or there is a single channel.
    """

    def __init__(self, channels: int, kernel_size: int, gate: GateForm) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"ela needs an odd kernel_size to keep a map's size, got {kernel_size}: try 7 or 3"
            )
        if channels < 2:
            raise ValueError(f"ela needs two channels or more, to normalise them together; got {channels}")
        # A channel by itself would be normalised to nothing where a profile has a single cell.
        groups = max(g for g in range(1, min(16, channels // 2) + 1) if channels % g == 0)
        self.smooth = nn.Conv1d(
            channels, channels, kernel_size, padding=kernel_size // 2, groups=channels, bias=False
        )
        self.normalise = nn.GroupNorm(groups, channels)
        self.form: GateForm = gate
        start_indifferent(self.normalise)

    def profiles(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return factors of rows, ``(batch, channel, height, 1)``, and of columns, ``(.., 1, width)``."""
        rows = factor(self.normalise(self.smooth(x.mean(dim=3))), self.form)
        columns = factor(self.normalise(self.smooth(x.mean(dim=2))), self.form)
        return rows[:, :, :, None], columns[:, :, None, :]
