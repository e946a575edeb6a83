"""Base of coordinate and efficient local attention: a profile along depth times one along the line."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Profiles(nn.Module, ABC):
    """Weigh each channel of a map by a factor per row times a factor per column."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` weighted, in the same shape."""
        rows, columns = self.profiles(x)
        return x * rows * columns

    def factors(self, x: Tensor) -> Tensor:
        """Return the product of both profiles: ``(batch, channel, height, width)``."""
        rows, columns = self.profiles(x)
        return rows * columns

    @abstractmethod
    def profiles(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return factors of rows, ``(batch, channel, height, 1)``, and of columns, ``(.., 1, width)``."""
