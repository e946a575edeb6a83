"""Functions that the gates share: width of the hidden layer, and factors from excitations."""

import torch
from torch import Tensor, nn

from fwi.config import GateForm

MIN_HIDDEN = 4
"""Smallest width of a hidden layer, of the mechanisms that have no option for it."""


def hidden_width(channels: int, reduction: int, minimum: int) -> int:
    """Return the width of a hidden layer: ``channels // reduction``, but at least ``minimum``.

    Without the minimum, a map with fewer channels than the reduction would get an empty hidden layer, and its
    gate would be the same for every input.

    Args:
        channels: number of channels of the map.
        reduction: channels per hidden unit.
        minimum: smallest width.

    Raises:
        ValueError: channels or reduction is below one.
    """
    if channels < 1 or reduction < 1:
        raise ValueError(
            f"attention needs one channel or more and a reduction of one or more, got {channels} channels "
            f"and reduction {reduction}"
        )
    return max(channels // reduction, minimum)


def factor(excitation: Tensor, form: GateForm) -> Tensor:
    """Turn an unbounded excitation into the factor that multiplies the features.

    A plain sigmoid, as published, halves the features where the excitation is zero, and a stack of such gates
    shrinks them by orders of magnitude: harmless to a classifier, not to a regression that needs amplitudes.

    Args:
        excitation: any shape.
        form: ``sigmoid`` has values in (0, 1), as published; ``2sigmoid`` in (0, 2) and 1 at zero; ``1+tanh``
            is the same but twice as steep; ``residual`` is one plus a sigmoid, so in (1, 2).

    Returns:
        The factor, of the excitation's shape.

    Raises:
        ValueError: an unknown form.
    """
    match form:
        case "sigmoid":
            return torch.sigmoid(excitation)
        case "2sigmoid":
            return 2 * torch.sigmoid(excitation)
        case "1+tanh":
            return 1 + torch.tanh(excitation)
        case "residual":
            return 1 + torch.sigmoid(excitation)
    raise ValueError(f"unknown form of a gate {form!r}; known: sigmoid, 2sigmoid, 1+tanh, residual")


def at_least_single(x: Tensor) -> Tensor:
    """Convert half precision to float32, as sums of squares would overflow; float64 stays as it is.

    The shape of ``x`` is kept.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def start_indifferent(last: nn.Module) -> None:
    """Shrink the layer that computes an excitation, so that training begins with excitations near zero.

    The weights become small, not zero: zero weights would keep the gradient from all layers before them.
    """
    with torch.no_grad():
        for name, parameter in last.named_parameters():
            parameter.mul_(0.0 if name == "bias" else 0.1)
