"""Networks by name.

A network is a plain ``nn.Module``; its input are gathers ``(batch, shot, time, receiver)``, its output is the
velocity ``(batch, depth, x)`` [m/s].
"""

from torch import nn

from fwi.config import ModelConfig
from fwi.networks.fcnvmb import FCNVMBUNet
from fwi.networks.inversion_net import InversionNet
from fwi.networks.umixformer import UMixFormer
from fwi.networks.unet import AttentionUNet

NETWORKS: dict[str, type[AttentionUNet | UMixFormer | InversionNet | FCNVMBUNet]] = {
    "attention_unet": AttentionUNet,
    "umixformer": UMixFormer,
    "inversion_net": InversionNet,
    "velocity_gan": InversionNet,  # its generator: they differ by an adversarial loss
    "fcnvmb_unet": FCNVMBUNet,
}


def build(
    model: ModelConfig,
    shots: int,
    receivers: int,
    samples: int,
    nz: int,
    nx: int,
    velocity_range: tuple[float, float],
) -> nn.Module:
    """Build the network of a configuration for one survey.

    Args:
        model: which network, its channels and its attention.
        shots: shots of a record, the network's input channels.
        receivers: traces of a gather.
        samples: recorded time samples of a trace.
        nz: cells in depth.
        nx: cells along the line.
        velocity_range: slowest and fastest admissible speed [m/s], which a bounded output keeps to.

    Returns:
        A network from ``(batch, shots, samples, receivers)`` to velocity [m/s] ``(batch, nz, nx)``.

    Raises:
        ValueError: the name is unknown, or the network cannot serve this survey.
    """
    if model.name not in NETWORKS:
        raise ValueError(f"unknown network {model.name!r}; known: {', '.join(NETWORKS)}")
    return NETWORKS[model.name](model, shots, receivers, samples, nz, nx, velocity_range)
