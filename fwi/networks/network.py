"""What all networks have in common."""

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
    """From records to velocity; it says what it is made of and what it attends with.

    ``forward`` takes normalised gathers ``(batch, shot, time, receiver)``, or what sorting makes of them, and
    gives the velocity [m/s] ``(batch, depth, x)``.

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
        """The modules that the network is made of, by the names that a reader knows them by.

        No part holds another, and together they have all parameters.
        """

    def attending(self) -> dict[str, Attends]:
        """The mechanisms of attention, by where they stand: ``resample``, ``bottleneck 0``, ``encoder 3``.

        Levels count from the shallowest, as in a study.
        """
        return {}


def numbered(name: str, blocks: Iterable[nn.Module]) -> dict[str, nn.Module]:
    """Blocks by a name that they share and their numbers."""
    return {f"{name} {number}": block for number, block in enumerate(blocks)}
