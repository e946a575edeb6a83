"""Attention maps: the factors and weights that a network computes while it inverts a record."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fwi.networks.midpoints import Midpoints
from fwi.networks.network import Attends, Network


@dataclass(frozen=True)
class Attended:
    """The factors or weights of one mechanism for one record.

    Attributes:
        place: such as ``encoder 3``, ``skip 2``, ``bottleneck 0`` or ``resample``.
        mechanism: its name in the registry.
        kind: ``factor``: the multiplier of the features, averaged over the channels. ``weight``: the
            attention weights of one cell over all places, averaged over the heads, with a sum of one.
        values: shape ``(height, width)``, or ``(channel,)`` of a factor that is the same everywhere.
        axes: meaning of height and width: ``section`` for (depth, x), ``record`` for (time, receiver), or
            (time, midpoint) where the columns of the network's input are midpoints.
        stride: number of rows and of columns of the section or record per row and column of the map.
    """

    place: str
    mechanism: str
    kind: Literal["factor", "weight"]
    values: NDArray[np.float32]
    axes: Literal["section", "record"] = "section"
    stride: tuple[int, int] = (1, 1)

    def by_receiver(self, samples: int, midpoints: Midpoints, shot: int) -> "Attended":
        """Spread a map over midpoints to the ``samples`` and receivers of one shot."""
        by_midpoint = self.spread(samples, midpoints.columns)
        return replace(self, values=by_midpoint[:, midpoints.column[shot]], stride=(1, 1))

    def spread(self, rows: int, columns: int) -> NDArray[np.float32]:
        """Repeat the map to the size of the section or record that it belongs to."""
        filled = self.values.repeat(self.stride[0], axis=0).repeat(self.stride[1], axis=1)
        return filled[:rows, :columns]


@torch.no_grad()
def attended(
    network: Network, gathers: Tensor, cell: tuple[int, int], through: nn.Module | None = None
) -> list[Attended]:
    """Run a network on one record and return its attention maps.

    Mechanisms that warp a map instead of weighting it (``stn``) are left out, and so is the attention inside
    published encoders.

    Args:
        network: a network in evaluation mode.
        gathers: one record as a batch, shape ``(1, shot, time, receiver)``.
        cell: row and column of the section whose weights are returned; factors do not depend on it.
        through: module that contains the network and takes the gathers; the network itself if left out.

    Returns:
        One entry per mechanism, in the order in which they are run.

    Raises:
        ValueError: the network has no such attention.
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
    if not looks:
        found = ", ".join(f"{each.mechanism} at {place}" for place, each in attending.items())
        raise ValueError(
            f"no attention to look at: the network has {found or 'none'}; draw a run with model.attention, "
            "model.skip or model.bottleneck, or with model.resample cross"
        )
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
