"""The base class of all networks."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fwi.config import ModelConfig
from fwi.networks.blocks import SpreadHead
from fwi.networks.sizes import Sizes


class Attends(NamedTuple):
    """A module that attends, and the name of its mechanism."""

    mechanism: str
    """Name of the mechanism."""
    module: nn.Module
    """The module that attends."""


class Network(nn.Module, ABC):
    """A network from records to velocity, which lists its parts and its attention mechanisms.

    It consists of ``features``, whose last map has ``model.channels[0]`` channels and the cells of the
    section (or coarser ones, by ``model.coarsening``), and of ``head``, which turns this map into velocity.
    With ``model.uncertainty`` a second head turns the same map into the spread of the velocity. No gradient
    passes from that head to the features, and its first weights are drawn aside: the section and its training
    are those of the network without it.

    Args:
        model: the network's configuration.
        sizes: sizes of the records and the models.

    Raises:
        ValueError: the network cannot serve these sizes.
    """

    def __init__(self, model: ModelConfig, sizes: Sizes) -> None:
        super().__init__()
        self.model, self.sizes = model, sizes
        self.spread: SpreadHead | None = None
        if model.uncertainty != "none":
            with torch.random.fork_rng(devices=[]):  # the other weights are drawn as if it were not there
                self.spread = SpreadHead(
                    model.channels[0], model.uncertainty, sizes.velocity_range, model.coarsening
                )

    head: nn.Module
    """Turns the features ``(batch, channel, height, width)`` into velocity [m/s] ``(batch, depth, x)``."""

    @abstractmethod
    def features(self, gathers: Tensor) -> Tensor:
        """Return the last features ``(batch, channel, height, width)`` of normalised gathers."""

    def forward(self, gathers: Tensor, spread: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Invert gathers.

        Args:
            gathers: normalised, shape ``(batch, shot, time, receiver)``, as recorded or sorted by midpoint.
            spread: return the spread of the velocity as well; only with ``model.uncertainty``.

        Returns:
            Velocity [m/s], shape ``(batch, depth, x)``; with ``spread`` also how far [m/s] the truth may be
            below and above it, as ``SpreadHead`` says, shape ``(batch, 2, depth, x)``.

        Raises:
            ValueError: the network has no head that predicts a spread.
        """
        features = self.features(gathers)
        nz, nx = self.sizes.nz, self.sizes.nx
        velocity: Tensor = self.head(features)[:, :nz, :nx]
        if not spread:
            return velocity
        if self.spread is None:
            raise ValueError("the network predicts no spread: train one with model.uncertainty")
        return velocity, self.spread(features.detach())[..., :nz, :nx]

    @abstractmethod
    def parts(self) -> dict[str, nn.Module]:
        """Return the modules that make up the network, by name.

        No part contains another, and together they have all parameters but those of ``spread``.
        """

    def attending(self) -> dict[str, Attends]:
        """Return the attention mechanisms by place, such as ``resample``, ``bottleneck 0`` or ``encoder 3``.

        Levels are counted from the shallowest, as in a study.
        """
        return {}


def numbered(name: str, blocks: Iterable[nn.Module]) -> dict[str, nn.Module]:
    """Name blocks by a common name and their numbers."""
    return {f"{name} {number}": block for number, block in enumerate(blocks)}
