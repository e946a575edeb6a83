"""Squeezes: the statistics, one or more numbers per channel, from which channel weights are computed.

Mean, maximum, standard deviation, generalised mean (Radenovic et al., 2018, arXiv:1711.02512) and log-sum-exp
are the same for shallow and for deep salt. Cosine coefficients (FcaNet, Qin et al., 2021, arXiv:2012.11879)
and the pyramid of cells (He et al., 2014, arXiv:1406.4729) distinguish the two. Attention pooling (GCNet, Cao
et al., 2019, arXiv:1904.11492) weights the cells by their features.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fwi.attention.excitation import at_least_single
from fwi.config import SqueezeName

FREQUENCIES = ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2))
"""Numbers of half periods of the cosines along depth and along the line."""

PYRAMID = (1, 2)
"""Numbers of parts per side in which the map is averaged: 1 x 1 and 2 x 2."""

SHARPNESS = 6.0
"""Factor in the log-sum-exp, which tends to the mean at zero and to the maximum at infinity."""

NUMBERS: dict[SqueezeName, int] = {
    "avg": 1,
    "max": 1,
    "std": 1,
    "gem": 1,
    "lse": 1,
    "dct": len(FREQUENCIES),
    "spp": sum(parts**2 for parts in PYRAMID),
    "attn": 1,
}
"""How many numbers per channel each squeeze returns."""


class Squeeze(nn.Module):
    """Squeeze a map to a vector by one or several squeezes, which are concatenated.

    Args:
        channels: number of channels of the map.
        names: name of the squeeze, or names of several.

    Raises:
        ValueError: there is no name, or an unknown one.
    """

    def __init__(self, channels: int, names: SqueezeName | Sequence[SqueezeName]) -> None:
        super().__init__()
        names = (names,) if isinstance(names, str) else names
        unknown = [name for name in names if name not in NUMBERS]
        if unknown or not names:
            raise ValueError(f"squeeze {', '.join(unknown) or 'is empty'}; known: {', '.join(NUMBERS)}")
        self.names = tuple(names)
        self.numbers = channels * sum(NUMBERS[name] for name in names)
        self.power = nn.Parameter(torch.tensor([3.0])) if "gem" in names else None
        self.query = nn.Conv2d(channels, 1, 1) if "attn" in names else None

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, numbers)`` of a map ``(batch, channel, height, width)``, squeeze after squeeze."""
        wide = at_least_single(x)
        return torch.cat([self._squeeze(name, wide) for name in self.names], dim=1).to(x.dtype)

    def _squeeze(self, name: SqueezeName, x: Tensor) -> Tensor:
        match name:
            case "avg":
                return x.mean(dim=(2, 3))
            case "max":
                return x.amax(dim=(2, 3))
            case "std":
                return (x.var(dim=(2, 3), correction=0) + 1e-5).sqrt()
            case "gem":
                power = self.power.to(x.dtype)  # type: ignore[union-attr]
                return x.clamp(min=1e-6).pow(power).mean(dim=(2, 3)).pow(1 / power)
            case "lse":
                peak = x.amax(dim=(2, 3), keepdim=True)
                mean = (SHARPNESS * (x - peak)).exp().mean(dim=(2, 3))
                return peak[:, :, 0, 0] + mean.log() / SHARPNESS
            case "dct":
                return _cosine_coefficients(x)
            case "spp":
                return torch.cat([_means_of_parts(x, parts) for parts in PYRAMID], dim=1)
            case "attn":
                weights = self.query(x).flatten(2).softmax(dim=2)  # type: ignore[misc]
                pooled: Tensor = (x.flatten(2) * weights).sum(dim=2)
                return pooled


def _means_of_parts(x: Tensor, parts: int) -> Tensor:
    """Compute means over ``parts x parts`` rectangles that cover the map: ``(batch, channel * parts^2)``.

    They equal adaptive pooling, written as products so that an exported network works for any size.
    """
    rows, columns = (_shares(cells, parts, x) for cells in x.shape[2:])
    return torch.einsum("bchw,ih,jw->bcij", x, rows, columns).flatten(1)


def _shares(cells: int, parts: int, like: Tensor) -> Tensor:
    """Return the weight of each cell of a side in the mean of each part, shape ``(parts, cells)``."""
    part = torch.arange(parts, device=like.device)[:, None]
    cell = torch.arange(cells, device=like.device)
    inside = (cell >= part * cells // parts) & (cell < -(-(part + 1) * cells // parts))
    return inside.to(like.dtype) / inside.sum(dim=1, keepdim=True)


def _cosine_coefficients(x: Tensor) -> Tensor:
    """Compute means of the map times cosines of unit mean square: ``(batch, frequencies * channel)``."""
    rows = _cosines(x.shape[2], x)
    columns = _cosines(x.shape[3], x)
    return torch.cat([torch.einsum("bchw,h,w->bc", x, rows[v], columns[u]) for v, u in FREQUENCIES], dim=1)


def _cosines(cells: int, like: Tensor) -> Tensor:
    """Return cosines of 0, 1 and 2 half periods over a side, divided by its cells, shape ``(3, cells)``."""
    middles = (torch.arange(cells, device=like.device, dtype=like.dtype) + 0.5) / cells
    periods = torch.arange(3, device=like.device, dtype=like.dtype)[:, None]
    waves: Tensor = torch.cos(math.pi * periods * middles)
    return torch.cat([waves[:1], math.sqrt(2) * waves[1:]]) / cells
