"""Spatial transformer (Jaderberg et al., 2015, arXiv:1506.02025)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, relu

from fwi.attention.excitation import at_least_single
from fwi.attention.squeeze import Squeeze

HIDDEN = 32


class SpatialTransformer(nn.Module):
    """Resample a map by an affine transformation that is predicted from the map itself.

    It starts as the identity or, with ``size``, as plain resampling to that size; it then brings features
    from (time, receiver) to (depth, x) by a stretch that depends on the record. Warping moves features, so it
    belongs before the layers that tie features to positions. The transformation is predicted from the
    standard deviation and five cosine coefficients of each channel, with ``6 C 32 + 32 + 32 * 6 + 6``
    parameters for ``C`` channels.

    Args:
        channels: number of channels of the map.
        size: rows and columns of the output; those of the map itself if not given.
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
    """Return the source of each cell: ``(batch, height, width, 2)``, x before depth, map's ends at -1 and 1.

    The result equals that of ``affine_grid``, written so that an exported network works for any size.
    """
    depth, line = (
        ((2 * torch.arange(cells, device=matrix.device, dtype=matrix.dtype) + 1) / cells - 1)[:, None]
        for cells in size
    )
    of_line, of_depth, shift = matrix[:, None, None].unbind(dim=4)
    return of_line * line + of_depth * depth[:, None] + shift
