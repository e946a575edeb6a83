"""The base class of all networks."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

from torch import nn

from fwi.config import ModelConfig
from fwi.networks.sizes import Sizes


class Attends(NamedTuple):
    """A module that attends, and the name of its mechanism."""

    mechanism: str
    module: nn.Module


class Network(nn.Module, ABC):
    """A network from records to velocity, which lists its parts and its attention mechanisms.

    ``forward`` takes normalised gathers ``(batch, shot, time, receiver)``, as recorded or sorted by midpoint,
    and returns velocity [m/s] ``(batch, depth, x)``.

    Args:
        model: the network's configuration.
        sizes: sizes of the records and the models.

    Raises:
        ValueError: the network cannot serve these sizes.
    """

    def __init__(self, model: ModelConfig, sizes: Sizes) -> None:
        super().__init__()
        self.model, self.sizes = model, sizes

    @abstractmethod
    def parts(self) -> dict[str, nn.Module]:
        """Return the modules that make up the network, by name.

        No part contains another, and together they have all parameters.
        """

    def attending(self) -> dict[str, Attends]:
        """Return the attention mechanisms by place, such as ``resample``, ``bottleneck 0`` or ``encoder 3``.

        Levels are counted from the shallowest, as in a study.
        """
        return {}


def numbered(name: str, blocks: Iterable[nn.Module]) -> dict[str, nn.Module]:
    """Name blocks by a common name and their numbers."""
    return {f"{name} {number}": block for number, block in enumerate(blocks)}
