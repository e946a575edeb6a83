"""Attention among the cells of maps, taken as tokens, for self- and cross-attention."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

MAX_EXPLICIT_TOKENS = 16_384
"""Most queries, with as many keys, whose weights are written out: 1 GiB per head and sample."""


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, scale: float) -> Tensor:
    """Weigh values by the softmax of ``scale * query . key``, without ever holding the matrix of weights.

    Args:
        query: shape ``(batch, inner, queries)``.
        key: shape ``(batch, inner, keys)``.
        value: shape ``(batch, channel, keys)``.
        heads: parts of the channels that attend independently; divides both widths.
        scale: factor of the products before the softmax.

    Returns:
        Shape ``(batch, channel, queries)``.
    """
    parts = [_split(x, heads) for x in (query, key, value)]
    # The lean kernels want heads of one width, contiguous in memory; else torch falls back on one that holds
    # the matrix. Zeros change no product.
    width = max(part.shape[3] for part in parts)
    q, k, v = (pad(part, (0, width - part.shape[3])).contiguous() for part in parts)
    out = scaled_dot_product_attention(q, k, v, scale=scale)[..., : parts[2].shape[3]]
    return out.transpose(2, 3).flatten(1, 2)


def weights(query: Tensor, key: Tensor, heads: int, scale: float) -> Tensor:
    """Return the matrix of weights with which queries gather from keys.

    Args:
        query: queries, shape ``(batch, channel, queries)``.
        key: keys, shape ``(batch, channel, keys)``.
        heads: number of parts of the channels that attend independently.
        scale: factor of the products of queries and keys.

    Returns:
        Weights, shape ``(batch, heads, queries, keys)``; each row has a sum of 1.

    Raises:
        ValueError: there are too many tokens; the message says how much memory the matrix would take.
    """
    require_explicit(query.shape[2], key.shape[2], query.shape[0] * heads)
    return _softmax(query, key, heads, scale)


def require_explicit(queries: int, keys: int, copies: int) -> None:
    """Refuse to write out more weights than fit into memory.

    Args:
        queries: number of queries.
        keys: number of keys.
        copies: how many such matrices there are: samples times heads.

    Raises:
        ValueError: there are too many; the message says how much memory they would take.
    """
    if queries * keys > MAX_EXPLICIT_TOKENS**2:
        size = copies * queries * keys * 4 / 2**30
        raise ValueError(
            f"the weights of {queries} queries by {keys} keys would take {size:.1f} GiB; explicit attention "
            f"goes up to {MAX_EXPLICIT_TOKENS} tokens squared: take it at a deeper level, or with fewer keys"
        )


def weights_of(token: int, query: Tensor, key: Tensor, heads: int, scale: float) -> Tensor:
    """Return the weights of one query, averaged over the heads.

    Args:
        token: number of the query.
        query: queries, shape ``(batch, channel, queries)``.
        key: keys, shape ``(batch, channel, keys)``.
        heads: number of parts of the channels that attend independently.
        scale: factor of the products of queries and keys.

    Returns:
        Weights, shape ``(batch, keys)``, with a sum of 1.
    """
    return _softmax(query[:, :, token : token + 1], key, heads, scale).mean(dim=1)[:, 0]


def _softmax(query: Tensor, key: Tensor, heads: int, scale: float) -> Tensor:
    products: Tensor = scale * _split(query, heads) @ _split(key, heads).transpose(2, 3)
    return products.softmax(dim=3)


def _split(x: Tensor, heads: int) -> Tensor:
    """Cut ``(batch, channel, token)`` into ``(batch, heads, token, channel / heads)``."""
    return x.reshape(x.shape[0], heads, x.shape[1] // heads, x.shape[2]).transpose(2, 3)


class SineCosine(nn.Module):
    """Add sines and cosines of depth and of x, each to a quarter of the channels, to encode positions.

    Attention alone does not depend on positions (Vaswani et al., 2017, arXiv:1706.03762). The module has no
    parameters; channels beyond a multiple of four are left as they are.

    Args:
        channels: number of channels of the map, four or more.

    Raises:
        ValueError: there are fewer than four channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 4:
            raise ValueError(f"position sine needs 4 channels or more, got {channels}: take convolution")

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, height, width)`` with positions added."""
        bands = x.shape[1] // 4
        rates = torch.exp(-math.log(1e4) * torch.arange(bands, device=x.device) / bands)
        rows = rates[:, None] * torch.arange(x.shape[2], device=x.device)
        columns = rates[:, None] * torch.arange(x.shape[3], device=x.device)
        depth = torch.cat([rows.sin(), rows.cos()])[:, :, None].expand(-1, -1, x.shape[3])
        line = torch.cat([columns.sin(), columns.cos()])[:, None, :].expand(-1, x.shape[2], -1)
        code = torch.cat([depth, line])
        return x + pad(code, (0, 0, 0, 0, 0, x.shape[1] - 4 * bands)).to(x.dtype)
