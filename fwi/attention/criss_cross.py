"""Criss-cross attention (CCNet: Huang et al., 2019, arXiv:1811.11721)."""

import torch
from torch import Tensor, nn

from fwi.attention.excitation import at_least_single
from fwi.attention.self_attention import START
from fwi.attention.tokens import require_explicit
from fwi.config.attention import inner_width


class CrissCrossAttention(nn.Module):
    """Let each cell attend to its row and its column; two modules in sequence cover the whole map.

    The output is ``y = x + gamma o``, with one softmax over row and column together in which the cell itself
    counts once. There are ``height x width x (height + width)`` weights instead of the square of the number
    of cells. The module has ``2 (C d + d) + C^2 + C + 1`` parameters for ``C`` channels and an inner width
    ``d = max(C // 8, 8)``.

    Args:
        channels: number of channels of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"criss_cross needs one channel or more, got {channels}")
        inner = inner_width(channels)
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.tensor([START]))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)``, in the same shape."""
        value = self.value(x)
        weights = self.weights(x).to(value.dtype)
        column, row = weights[..., : x.shape[2]], weights[..., x.shape[2] :]
        gathered = torch.einsum("bhwk,bckw->bchw", column, value)
        gathered = gathered + torch.einsum("bhwk,bchk->bchw", row, value)
        return x + self.gamma * gathered

    def weights(self, x: Tensor) -> Tensor:
        """Return each cell's weights of its column, then its row: ``(batch, height, width, height + width)``.

        Raises:
            ValueError: the map is too large for its weights to be written out.
        """
        batch, _, height, width = x.shape
        if not torch.compiler.is_compiling():  # a graph that serves all sizes cannot ask for the size
            require_explicit(height * width, height + width, batch)
        query, key = at_least_single(self.query(x)), at_least_single(self.key(x))
        with torch.autocast(
            x.device.type, enabled=False
        ):  # differences of products decide: bf16 is too coarse
            column = torch.einsum("bdhw,bdkw->bhwk", query, key)
            row = torch.einsum("bdhw,bdhk->bhwk", query, key)
        itself = torch.eye(height, dtype=torch.bool, device=x.device)[None, :, None, :]
        column = column.masked_fill(itself, float("-inf"))
        return torch.cat([column, row], dim=3).softmax(dim=3)

    def weights_of(self, cell: tuple[int, int], x: Tensor) -> Tensor:
        """Return the weights with which one cell gathers from its row and its column.

        Args:
            cell: row and column of the cell.
            x: the map, shape ``(batch, channel, height, width)``.

        Returns:
            Weights, shape ``(batch, height, width)``, 0 off the cell's cross, with a sum of 1.
        """
        row, column = cell
        weights = self.weights(x)[:, row, column]
        found = weights.new_zeros(x.shape[0], *x.shape[2:])
        found[:, :, column] = weights[:, : x.shape[2]]
        found[:, row] += weights[:, x.shape[2] :]
        return found
