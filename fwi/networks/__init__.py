"""Networks by name.

A network is a plain ``nn.Module``; its input are gathers ``(batch, shot, time, receiver)``, or what sorting
makes of them, its output is the velocity ``(batch, depth, x)`` [m/s].
"""

from fwi.config import ModelConfig
from fwi.networks.fcnvmb import FCNVMBUNet
from fwi.networks.inversion_net import InversionNet
from fwi.networks.network import Network
from fwi.networks.sizes import Sizes
from fwi.networks.umixformer import UMixFormer
from fwi.networks.unet import AttentionUNet
from fwi.survey import Survey

NETWORKS: dict[str, type[Network]] = {
    "attention_unet": AttentionUNet,
    "unet": AttentionUNet,  # without attention
    "umixformer": UMixFormer,
    "inversion_net": InversionNet,
    "velocity_gan": InversionNet,  # its generator: they differ by an adversarial loss
    "fcnvmb_unet": FCNVMBUNet,
}


def build(model: ModelConfig, survey: Survey) -> Network:
    """Build the network of a configuration for one survey.

    Args:
        model: which network, its channels and its attention.
        survey: whose records it inverts, on whose grid.

    Returns:
        A network from normalised gathers to velocity [m/s] ``(batch, depth, x)``. Its input has the shape
        ``(batch, *Sizes.of(survey, model.columns).record)``: it is sorted where ``model.columns`` says so.

    Raises:
        ValueError: the name is unknown, or the network cannot serve this survey.
    """
    if model.name not in NETWORKS:
        raise ValueError(f"unknown network {model.name!r}; known: {', '.join(NETWORKS)}")
    return NETWORKS[model.name](model, Sizes.of(survey, model.columns))
