"""Networks by name.

A network is a plain ``nn.Module``; its input are gathers ``(batch, shot, time, receiver)``, its output is the
velocity ``(batch, depth, x)`` [m/s].
"""

from collections import OrderedDict

from torch import nn

from fwi.config import ModelConfig
from fwi.networks.fcnvmb import FCNVMBUNet
from fwi.networks.inversion_net import InversionNet
from fwi.networks.midpoints import Midpoints
from fwi.networks.sizes import Sizes
from fwi.networks.umixformer import UMixFormer
from fwi.networks.unet import AttentionUNet
from fwi.survey import Survey

NETWORKS: dict[str, type[AttentionUNet | UMixFormer | InversionNet | FCNVMBUNet]] = {
    "attention_unet": AttentionUNet,
    "unet": AttentionUNet,  # without attention
    "umixformer": UMixFormer,
    "inversion_net": InversionNet,
    "velocity_gan": InversionNet,  # its generator: they differ by an adversarial loss
    "fcnvmb_unet": FCNVMBUNet,
}

BEHIND_SORTING = "network"
"""Name of the network proper where the columns of its input are sorted before it."""


def build(model: ModelConfig, survey: Survey) -> nn.Module:
    """Build the network of a configuration for one survey.

    Args:
        model: which network, its channels and its attention.
        survey: whose records it inverts, on whose grid.

    Returns:
        A network from normalised gathers ``(batch, shot, time, receiver)`` to velocity [m/s]
        ``(batch, depth, x)``.

    Raises:
        ValueError: the name is unknown, or the network cannot serve this survey.
    """
    if model.name not in NETWORKS:
        raise ValueError(f"unknown network {model.name!r}; known: {', '.join(NETWORKS)}")
    sizes = Sizes.of(survey)
    if model.columns == "receivers":
        return NETWORKS[model.name](model, sizes)
    midpoints = Midpoints(survey)
    sizes = sizes._replace(shots=midpoints.channels, receivers=midpoints.columns)
    parts = {"midpoints": midpoints, BEHIND_SORTING: NETWORKS[model.name](model, sizes)}
    return nn.Sequential(OrderedDict(parts))
