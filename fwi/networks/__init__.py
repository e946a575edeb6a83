"""Networks by name.

A network is a plain ``nn.Module`` from normalised gathers ``(batch, shot, time, receiver)``, as recorded or
sorted by midpoint, to velocity ``(batch, depth, x)`` [m/s].
"""

import pkgutil

from fwi.config import NETWORK_KINDS, ModelConfig
from fwi.networks.network import Network
from fwi.networks.sizes import Sizes
from fwi.survey import Survey

NETWORKS: dict[str, type[Network]] = {
    name: pkgutil.resolve_name(kind.module) for name, kind in NETWORK_KINDS.items()
}
"""The class of each network."""


def build(model: ModelConfig, survey: Survey) -> Network:
    """Build the network of a configuration for one survey.

    Args:
        model: the network's name, channels and attention.
        survey: survey of the records and of the grid of the models.

    Returns:
        A network from normalised gathers to velocity [m/s] ``(batch, depth, x)``. Its input has the shape
        ``(batch, *Sizes.of(survey, model).record)``: it is sorted as ``model.columns`` says.

    Raises:
        ValueError: the name is unknown, or the network cannot serve this survey.
    """
    if model.name not in NETWORKS:
        raise ValueError(f"unknown network {model.name!r}; known: {', '.join(NETWORKS)}")
    return NETWORKS[model.name](model, Sizes.of(survey, model))
