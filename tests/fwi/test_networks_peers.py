"""What the networks to compare with have in common."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fwi import config, networks
from fwi.config import ModelConfig
from fwi.networks import NETWORKS
from fwi.networks.sizes import Sizes
from fwi.survey import Survey

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
RANGE = (1500.0, 4500.0)
PEERS = {
    "mit_b0": {"name": "umixformer", "channels": (8, 16)},
    "lvt": {"name": "umixformer", "encoder": "lvt", "channels": (8, 16)},
    "mscan_t": {"name": "umixformer", "encoder": "mscan_t", "channels": (8, 16)},
    "unet": {"name": "umixformer", "encoder": "unet", "channels": (8, 16, 24, 32)},
    "inversion_net": {"name": "inversion_net", "channels": (8, 8, 12, 12, 16)},
}
peers = pytest.mark.parametrize("peer", PEERS)


def build(peer: str, samples: int = 70, receivers: int = 33, nz: int = 40, nx: int = 41) -> nn.Module:
    torch.manual_seed(0)
    model = ModelConfig.model_validate(PEERS[peer])
    return NETWORKS[model.name](model, Sizes(3, receivers, samples, nz, nx, RANGE))


def shallow(peer: str, **sizes: int) -> nn.Module:
    """The same with one block a level: several of one class take more time, and are no other case."""
    network = build(peer, **sizes)
    if peer in ("mit_b0", "lvt"):
        for level in network.encoder.levels:
            del level.blocks[1:]
    if peer == "mscan_t":
        for level in network.encoder.levels:
            del level[2:-1]
    return network


def gathers(batch: int = 2, samples: int = 70, receivers: int = 33) -> Tensor:
    return torch.randn(batch, 3, samples, receivers, generator=torch.Generator().manual_seed(1))


@peers
@pytest.mark.parametrize(
    ("samples", "receivers", "nz", "nx"), [(1, 2, 8, 8), (70, 33, 17, 41), (13, 50, 33, 9), (260, 11, 35, 34)]
)
def test_any_record_and_grid_will_do(peer, samples, receivers, nz, nx):
    network = build(peer, samples, receivers, nz, nx).eval()

    velocity = network(gathers(1, samples, receivers))

    assert velocity.shape == (1, nz, nx)
    assert velocity.isfinite().all()


@peers
def test_training_gives_every_parameter_a_gradient_from_its_first_step(peer):
    network = build(peer)

    (network(gathers(4)) * torch.randn(4, 40, 41)).sum().backward()

    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        # Normalisation cancels some biases, and no softmax feels what is added to all of its keys.
        assert parameter.ndim == 1 or parameter.grad.abs().max() > 0, key


@peers
def test_inference_repeats_exactly_and_treats_samples_apart(peer):
    network = build(peer).eval()

    once = network(gathers(3))

    assert torch.equal(network(gathers(3)), once)
    torch.testing.assert_close(network(gathers(3)[1:2]), once[1:2], rtol=1e-5, atol=0.1)


@peers
def test_velocity_keeps_to_its_range_whatever_the_record(peer):
    network = build(peer).eval()
    last = network.head.project
    (last[1] if isinstance(last, nn.Sequential) else last).weight.data *= 1e4

    velocity = network(1e3 * gathers())

    slowest, fastest = RANGE
    assert velocity.min() >= slowest
    assert velocity.max() <= fastest
    assert ((velocity == slowest) | (velocity == fastest)).float().mean() > 0.9


@peers
def test_bf16_autocast_in_channels_last_is_close_to_single_precision(peer):
    network = build(peer).eval()
    single = network(gathers())
    network.to(memory_format=torch.channels_last)
    last = gathers().to(memory_format=torch.channels_last)

    torch.testing.assert_close(network(last), single, rtol=1e-5, atol=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        low = network(last)

    assert low.dtype == torch.float32
    assert (low - single).norm() < 0.1 * (single - single.mean()).norm()


@peers
def test_thirty_steps_make_the_loss_fall_by_four_tenths(peer):
    network = shallow(peer, nz=24, nx=25)
    velocity = torch.full((2, 24, 25), 2000.0)
    velocity[0, 8:, 5:15] = 4500.0
    velocity[1, 12:, 10:20] = 3500.0
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    losses = []

    for _ in range(30):
        loss = (network(gathers()) - velocity).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    assert sum(losses[-3:]) / 3 < 0.6 * losses[0]


@pytest.mark.slow
@peers
def test_export_serves_any_number_of_records(peer):
    network = shallow(peer).eval()
    batch = ({0: torch.export.Dim.DYNAMIC},)

    exported = torch.export.export(network, (gathers(2),), dynamic_shapes=batch).module()

    torch.testing.assert_close(exported(gathers(5)), network(gathers(5)), rtol=1e-5, atol=0.1)


@pytest.mark.slow
@peers
def test_compilation_captures_the_network_in_one_graph_that_computes_the_same(peer):
    network = shallow(peer).eval()

    # The C++ compiler takes minutes, and tracing gradients most of the rest: once will do.
    backend = "aot_eager" if peer == "unet" else "eager"
    captured = torch.compile(network, fullgraph=True, backend=backend)

    torch.testing.assert_close(captured(gathers()), network(gathers()), rtol=1e-5, atol=0.1)


@pytest.mark.parametrize("name", ["umixformer", "inversion_net"])
@pytest.mark.parametrize("study", ["fcnvmb_half", "openfwi", "demo"])
def test_peer_of_configs_goes_on_top_of_a_study(name, study):
    merged = config.load([CONFIGS / f"{study}.yaml", CONFIGS / f"peers/{name}.yaml"])

    assert merged.model.name == name
    with torch.device("meta"):
        networks.build(merged.model, Survey(merged.grid, merged.survey))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"name": "inversion_net", "bottleneck": "self"},
            r"inversion_net has no bottleneck: write .*: \[\]",
        ),
        ({"name": "umixformer", "skip": ["gate"] * 4}, r"no skip: write skip: \[\], or use attention_unet"),
        ({"encoder": "lvt"}, "attention_unet has no encoder: write encoder: null, or use umixformer"),
        (
            {"name": "velocity_gan", "resample": "stn"},
            "interpolate, or use attention_unet or unet or umixformer",
        ),
        (
            {"name": "fcnvmb_unet", "encoder": "unet", "attention": ["se"] * 5},
            "no attention and no encoder",
        ),
        (
            {"name": "inversion_net", "channels": (8, 16)},
            r"five channels, got 2: .*\[32, 64, 128",
        ),
        ({"name": "umixformer", "encoder": "vit"}, "mit_b0"),
    ],
)
def test_option_that_a_network_does_not_have_is_refused_with_a_remedy(model, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig.model_validate(model)
