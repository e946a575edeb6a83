"""Attention maps: the factors and weights that a network computes while it inverts a record."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fwi.networks.network import Attends, Network


@dataclass(frozen=True)
class Attended:
    """The factors or weights of one mechanism for one record, or what its shots contribute.

    Attributes:
        place: such as ``encoder 3``, ``skip 2``, ``bottleneck 0`` or ``resample``; ``shots``.
        mechanism: its name in the registry.
        kind: ``factor``: the multiplier of the features, averaged over the channels. ``weight``: the
            attention weights of one cell over all places, averaged over the heads, with a sum of one.
            ``change``: the largest change of a cell's speed [m/s] when a single shot is left out; ``shot``:
            the position [m] of that shot.
        values: shape ``(height, width)``, or ``(channel,)`` of a factor that is the same everywhere.
        axes: meaning of height and width: ``section`` for (depth, x), ``record`` for (time, receiver), or
            (time, midpoint) where the columns of the network's input are midpoints or offsets.
        stride: number of rows and of columns of the section or record per row and column of the map.
    """

    place: str
    mechanism: str
    kind: Literal["factor", "weight", "change", "shot"]
    values: NDArray[np.float32]
    axes: Literal["section", "record"] = "section"
    stride: tuple[int, int] = (1, 1)

    def by_receiver(self, samples: int, columns: int, column: NDArray[np.int64]) -> "Attended":
        """Spread a map over midpoints to the receivers of one shot.

        Args:
            samples: number of time samples of a trace.
            columns: number of midpoint columns.
            column: the column of each receiver's midpoint, shape ``(receiver,)``.
        """
        return replace(self, values=self.spread(samples, columns)[:, column], stride=(1, 1))

    def spread(self, rows: int, columns: int) -> NDArray[np.float32]:
        """Repeat the map to the size of the section or record that it belongs to."""
        filled = self.values.repeat(self.stride[0], axis=0).repeat(self.stride[1], axis=1)
        return filled[:rows, :columns]


@torch.no_grad()
def attended(
    network: Network,
    gathers: Tensor,
    cell: tuple[int, int],
    through: Callable[[Tensor], Tensor] | None = None,
) -> list[Attended]:
    """Run a network on one record and return its attention maps.

    Mechanisms that warp a map instead of weighting it (``stn``) are left out, and so is the attention inside
    published encoders.

    Args:
        network: a network in evaluation mode.
        gathers: one record as a batch, shape ``(1, shot, time, receiver)``.
        cell: row and column of the section whose weights are returned; factors do not depend on it.
        through: what takes the gathers and runs the network; the network itself if left out.

    Returns:
        One entry per mechanism, in the order in which they are run.
    """
    attending = network.attending()
    heard: list[tuple[str, tuple[Any, ...]]] = []
    entered: list[Sequence[int]] = []
    hooks = [
        each.module.register_forward_pre_hook(lambda _, given, place=place: heard.append((place, given)))
        for place, each in attending.items()
    ]
    hooks.append(network.register_forward_pre_hook(lambda _, given: entered.append(given[0].shape[-2:])))
    try:
        section = (through or network)(gathers).shape[-2:]
    finally:
        for hook in hooks:
            hook.remove()
    (record,) = entered
    looks = []
    for place, given in heard:
        module = attending[place].module
        if isinstance(module, _Multiplies):
            looks.append(_factor(place, attending[place].mechanism, module.factors(*given), section))
        elif isinstance(module, _Gathers):
            looks.append(_weight(place, attending[place], given, cell, section, record))
    return looks


@runtime_checkable
class _Multiplies(Protocol):
    """A mechanism that multiplies its map."""

    def factors(self, *maps: Any) -> Tensor: ...


@runtime_checkable
class _Gathers(Protocol):
    """A mechanism whose cells attend to other cells."""

    def weights_of(self, cell: tuple[int, int], *maps: Any) -> Tensor: ...


def _factor(place: str, name: str, factors: Tensor, section: Sequence[int]) -> Attended:
    channels = factors[0].float().cpu().numpy()
    if channels.shape[1:] == (1, 1) and len(channels) > 1:
        return Attended(place, name, "factor", channels[:, 0, 0])
    mean = channels.mean(axis=0)
    return Attended(place, name, "factor", mean, stride=_stride(section, mean.shape))


def _weight(
    place: str,
    attends: Attends,
    given: tuple[Tensor, ...],
    cell: tuple[int, int],
    section: Sequence[int],
    record: Sequence[int],
) -> Attended:
    module, asking, answering = attends.module, given[0], given[-1]
    rows, columns = _stride(section, asking.shape[2:])
    weights: Tensor = module.weights_of((cell[0] // rows, cell[1] // columns), *given)  # type: ignore[operator]
    axes: Literal["section", "record"] = "record" if place == "resample" else "section"
    rows, columns = _stride(record if axes == "record" else section, answering.shape[2:])
    pool = getattr(module, "pool", 1)
    values = weights[0].float().cpu().numpy()
    return Attended(place, attends.mechanism, "weight", values, axes, (rows * pool, columns * pool))


def _stride(whole: Sequence[int], size: Sequence[int]) -> tuple[int, int]:
    """Return the stride of each axis: two to the number of times that it was halved, rounding up."""
    halvings = (math.ceil(math.log2(n / cells)) for n, cells in zip(whole, size, strict=True))
    rows, columns = (2 ** max(0, count) for count in halvings)
    return rows, columns
