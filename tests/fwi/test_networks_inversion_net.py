import pytest
import torch
from torch import Tensor, nn

from fwi.config import ModelConfig
from fwi.networks import NETWORKS
from fwi.networks.sizes import Sizes

RANGE = (1500.0, 4500.0)
# Of each block its kernel and the map it gives (channels, height, width), as OpenFWI's network.py tells them
# for gathers of 5 x 1000 x 70 and a model of 70 x 70.
PUBLISHED = [
    ((7, 1), (32, 500, 70)),
    ((3, 1), (64, 250, 70)),
    ((3, 1), (64, 250, 70)),
    ((3, 1), (64, 125, 70)),
    ((3, 1), (64, 125, 70)),
    ((3, 1), (128, 63, 70)),
    ((3, 1), (128, 63, 70)),
    ((3, 3), (128, 32, 35)),
    ((3, 3), (128, 32, 35)),
    ((3, 3), (256, 16, 18)),
    ((3, 3), (256, 16, 18)),
    ((3, 3), (256, 8, 9)),
    ((3, 3), (256, 8, 9)),
    ((8, 9), (512, 1, 1)),
    ((5, 5), (512, 5, 5)),
    ((3, 3), (512, 5, 5)),
    ((4, 4), (256, 10, 10)),
    ((3, 3), (256, 10, 10)),
    ((4, 4), (128, 20, 20)),
    ((3, 3), (128, 20, 20)),
    ((4, 4), (64, 40, 40)),
    ((3, 3), (64, 40, 40)),
    ((4, 4), (32, 80, 80)),
    ((3, 3), (32, 80, 80)),
    ((3, 3), (1, 70, 70)),
]


def build(
    shots: int = 3, receivers: int = 23, samples: int = 40, nz: int = 19, nx: int = 21, **model
) -> nn.Module:
    torch.manual_seed(0)
    config = ModelConfig.model_validate({"name": "inversion_net", "channels": (4, 6, 8, 10, 12)} | model)
    return NETWORKS[config.name](config, Sizes(shots, receivers, samples, nz, nx, RANGE))


@pytest.mark.parametrize("name", ["inversion_net", "velocity_gan"])
def test_layers_are_the_published_ones_at_the_size_of_openfwi(name):
    network = build(5, 70, 1000, 70, 70, name=name, channels=(32, 64, 128, 256, 512)).eval()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    shapes: list[tuple[int, ...]] = []
    for norm in norms:
        norm.register_forward_hook(lambda module, inputs, out: shapes.append(tuple(out.shape[1:])))

    velocity = network(torch.randn(1, 5, 1000, 70))

    assert [(m.kernel_size, s) for m, s in zip(convolutions, shapes, strict=True)] == PUBLISHED
    assert velocity.shape == (1, 70, 70)
    entering = 5
    for (kernel, (channels, *_)), convolution, norm in zip(PUBLISHED, convolutions, norms, strict=True):
        weights = kernel[0] * kernel[1] * entering * channels + channels
        assert sum(p.numel() for m in (convolution, norm) for p in m.parameters()) == weights + 2 * channels
        entering = channels
    assert sum(p.numel() for p in network.parameters()) == 24_409_123


def test_all_of_a_record_reaches_the_vector_and_the_vector_all_of_the_model():
    network = build(samples=300, receivers=37, nz=37, nx=50).eval().double()
    record = torch.randn(1, 3, 300, 37, dtype=torch.float64, requires_grad=True)

    vector = network.span(network.encoder(record))
    (of_record,) = torch.autograd.grad(vector.sum(), record)
    model, moved = torch.func.jvp(
        lambda v: network.decoder(network.unfold(v)), (vector.detach(),), (torch.ones_like(vector),)
    )

    assert vector.shape == (1, 12, 1, 1)
    assert (of_record.abs().sum(dim=1) > 0).all()
    assert model.shape == (1, 4, 48, 64)
    assert (moved.abs().sum(dim=1) > 0).all()


def test_model_is_the_middle_of_what_the_decoder_grows():
    network = build(nz=19, nx=21).eval()
    grown, kept = [], []
    network.decoder.register_forward_hook(lambda module, inputs, out: grown.append(out))
    network.head.register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0]))

    network(torch.randn(1, 3, 40, 23))

    assert grown[0].shape == (1, 4, 32, 32)
    assert torch.equal(kept[0], grown[0][:, :, 6:25, 5:26])


def test_raw_output_is_the_published_tanh_over_the_velocity_range():
    raw, bounded = (build(output=output).eval() for output in ("raw", "bounded"))
    record = torch.randn(1, 3, 40, 23)
    ends: list[Tensor] = []
    raw.head.project.register_forward_hook(lambda module, inputs, out: ends.append(out[:, 0]))

    velocity = raw(record)

    torch.testing.assert_close(velocity, 3000 + 1500 * torch.tanh(ends[0]))
    assert sum(p.numel() for p in raw.parameters()) == sum(p.numel() for p in bounded.parameters())
    assert not torch.equal(velocity, bounded(record))
