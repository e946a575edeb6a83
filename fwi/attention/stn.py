"""Spatial transformer (Jaderberg et al., 2015, arXiv:1506.02025)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, relu

from fwi.attention.excitation import at_least_single
from fwi.attention.squeeze import Squeeze

HIDDEN = 32


class SpatialTransformer(nn.Module):
    """Resample a map by an affine transformation that is read from the map itself.

    It starts as the identity, or, given a size, as plain resampling to it: with ``size`` it brings features
    from (time, receiver) to (depth, x) by a stretch that depends on the record. Warping moves geometry, so it
    belongs before the features are tied to places.
    ``6 C 32 + 32 + 32 * 6 + 6`` parameters for ``C`` channels: the standard deviation and five cosine
    coefficients of each tell where things are.

    Args:
        channels: number of channels of the map.
        size: rows and columns to resample to; those of the map itself if not given.
    """

    identity: Tensor

    def __init__(self, channels: int, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"stn needs one channel or more, got {channels}")
        self.size = size
        self.squeeze = Squeeze(channels, ("std", "dct"))
        self.hidden = nn.Linear(self.squeeze.numbers, HIDDEN)
        self.transform = nn.Linear(HIDDEN, 6)
        nn.init.zeros_(self.transform.weight)
        nn.init.zeros_(self.transform.bias)
        self.register_buffer("identity", torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map ``(batch, channel, height, width)`` resampled, of its own or the given size."""
        size = self.size or (x.shape[2], x.shape[3])
        # Positions in half precision would be off by a cell and more.
        with torch.autocast(x.device.type, enabled=False):
            wide = at_least_single(x)
            change = self.transform(relu(self.hidden(self.squeeze(wide)))).unflatten(1, (2, 3))
            matrix = self.identity.to(wide.dtype) + change
            warped = grid_sample(wide, _sources(matrix, size), padding_mode="border", align_corners=False)
        return warped.to(x.dtype)


def _sources(matrix: Tensor, size: tuple[int, int]) -> Tensor:
    """Where each cell comes from: ``(batch, height, width, 2)``, x before depth, the map's ends at -1 and 1.

    What ``affine_grid`` gives, written so that an exported network serves any size.
    """
    depth, line = (
        ((2 * torch.arange(cells, device=matrix.device, dtype=matrix.dtype) + 1) / cells - 1)[:, None]
        for cells in size
    )
    of_line, of_depth, shift = matrix[:, None, None].unbind(dim=4)
    return of_line * line + of_depth * depth[:, None] + shift
