"""The slots of the attention U-Net: what stands in each of them, and what it changes."""

import pytest
import torch
from torch import Tensor, nn

from fwi import attention
from fwi.config import SLOTS, ModelConfig
from fwi.networks.sizes import Sizes
from fwi.networks.unet import AttentionUNet

RANGE = (1500.0, 4500.0)
CHANNELS = (4, 8, 16)
UNARY = tuple(name for name in SLOTS["attention"] if name != "none")
EVERYTHING = {
    "attention": ["spatial", "psa", {"name": "se", "squeeze": ["std", "dct"]}],
    "skip": ["cross", "mdaf"],
    "bottleneck": ["self", {"name": "pmfs", "levels": 2}],
    "resample": "cross",
}


def build(nz: int = 19, nx: int = 21, **model) -> nn.Module:
    torch.manual_seed(0)
    config = ModelConfig.model_validate({"channels": CHANNELS} | model)
    return AttentionUNet(config, Sizes(3, 23, 40, nz, nx, RANGE))


def gathers(batch: int = 2, samples: int = 40, receivers: int = 23) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(batch, 3, samples, receivers)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def with_weights_of(network: nn.Module, other: nn.Module) -> nn.Module:
    """Take over all weights that two networks have in common."""
    network.load_state_dict(other.state_dict(), strict=False)
    return network.eval()


def test_a_study_from_before_there_were_these_slots_builds_the_network_it_had():
    network = build(attention=["se", "cbam", "ca"], skip=["none", "gate"])

    assert {key.split(".")[0] for key in network.state_dict()} == {"stem", "encoder", "decoder", "head"}
    assert {key.split(".")[1] for key in network.state_dict() if key.startswith("stem")} == {
        "row",
        "column",
        "convolve",
    }
    blocks = [key.split(".", 2)[2] for key in network.state_dict() if key.startswith("encoder.0.attend")]
    assert blocks == [
        "attend.squeeze.weight",
        "attend.squeeze.bias",
        "attend.excite.weight",
        "attend.excite.bias",
    ]
    assert {key.split(".")[2] for key in network.state_dict() if key.startswith("decoder.1")} == {
        "up",
        "attend_skip",
        "convolve",
        "attend",
    }


@pytest.mark.parametrize("name", UNARY)
def test_any_mechanism_of_one_map_may_stand_at_the_ends_of_blocks_on_skips_and_at_the_bottleneck(name):
    plain = parameters(build())
    one = {level: parameters(attention.build(name, CHANNELS[level])) for level in range(3)}

    network = build(attention=["none", name, "none"], skip=[name, "none"], bottleneck=name)

    assert parameters(network) - plain == 2 * one[1] + one[0] + one[2]
    assert network(gathers()).shape == (2, 19, 21)


@pytest.mark.parametrize("name", SLOTS["skip"])
@pytest.mark.parametrize(("nz", "nx"), [(19, 21), (16, 9), (8, 30)])
def test_any_mechanism_of_a_skip_serves_odd_sizes_and_hears_the_encoder(name, nz, nx):
    network = build(nz, nx, skip=[name, name]).eval()
    heard = []
    network.encoder[0].register_forward_hook(lambda module, given, out: heard.append(out))

    velocity = network(gathers(1))

    assert velocity.shape == (1, nz, nx)
    (gradient,) = torch.autograd.grad(velocity[0, nz // 2, nx // 2], heard)
    assert gradient[..., nz // 2, nx // 2].abs().max() > 0


def test_cross_attention_on_a_skip_joins_the_skip_with_what_the_decoder_asked_of_it():
    plain = build().eval()
    network = with_weights_of(build(skip=["cross", "cross"]), plain)
    assert not torch.allclose(network(gathers()), plain(gathers()))

    for block in network.decoder:
        nn.init.zeros_(block.attend_skip.gamma)

    assert torch.equal(network(gathers()), plain(gathers()))


def test_cross_attention_on_a_skip_sees_all_of_it():
    """With kernels of one cell, only attention can bring what is far away."""
    torch.manual_seed(0)
    block = build(skip=["none", "cross"]).decoder[1].eval()
    skip = torch.randn(1, 8, 9, 11, requires_grad=True)
    for layer in block.convolve:
        if isinstance(layer, nn.Conv2d):
            layer.weight.data[..., [0, 2], :] = 0
            layer.weight.data[..., [0, 2]] = 0

    out = block(torch.randn(1, 16, 5, 6), skip)

    (gradient,) = torch.autograd.grad(out[0, :, 0, 0].sum(), skip)
    assert (gradient[0].abs().sum(dim=0) > 0).all()


def test_fusion_takes_the_place_of_joining_the_channels_of_skip_and_decoder():
    network = build(skip=["mdaf", "none"])

    assert [block.convolve[0].in_channels for block in network.decoder] == [4, 16]


def test_bottleneck_attends_after_the_deepest_encoder_block_in_the_order_of_its_stack():
    first, second = {"name": "se", "squeeze": "max"}, "self"
    network = build(bottleneck=[first, second]).eval()
    deepest, entered = [], []
    network.encoder[2].register_forward_hook(lambda module, given, out: deepest.append(out))
    network.decoder[1].register_forward_pre_hook(lambda module, given: entered.append(given[0]))

    network(gathers())

    one, two = network.bottleneck.attend
    assert torch.equal(entered[0], two(one(deepest[0])))
    assert torch.equal(
        with_weights_of(build(bottleneck=["none"]), network)(gathers()),
        with_weights_of(build(), network)(gathers()),
    )


@pytest.mark.parametrize("levels", [2, 3])
def test_multi_scale_attention_at_the_bottleneck_sees_the_levels_above_it(levels):
    network = build(bottleneck={"name": "pmfs", "levels": levels}).eval()
    maps = [torch.randn(1, c, n, n, requires_grad=True) for c, n in zip(CHANNELS, (19, 10, 5), strict=True)]

    out = network.bottleneck(maps)

    gradients = torch.autograd.grad(out.square().sum(), maps, allow_unused=True)
    assert out.shape == (1, 16, 5, 5)
    assert [gradient is not None for gradient in gradients] == [levels == 3, True, True]


def test_untrained_spatial_transformer_resamples_as_interpolation_does():
    plain = build().eval()

    network = with_weights_of(build(resample="stn"), plain)

    torch.testing.assert_close(network(gathers()), plain(gathers()), rtol=0, atol=0.01)  # m/s


def test_spatial_transformer_can_stretch_time_to_depth():
    """With the first half of the record stretched to all of the depth, sample 10 of 40 is half-way down."""
    network = build(resample="stn").eval()
    network.stem.warp.transform.bias.data[4] = -0.5
    network.stem.warp.transform.bias.data[5] = -0.5
    pulse = torch.zeros(1, 3, 40, 23)
    pulse[:, :, 10] = 1.0

    energy = (network.stem(pulse) - network.stem(torch.zeros_like(pulse))).abs().sum(dim=(0, 1, 3))

    assert (energy @ torch.arange(19.0) / energy.sum()).item() == pytest.approx(19 / 2, abs=1)


def test_cross_attention_from_the_model_to_the_record_adds_to_the_interpolation():
    plain = build().eval()
    network = with_weights_of(build(resample="cross"), plain)
    assert not torch.allclose(network.stem(gathers()), plain.stem(gathers()))

    nn.init.zeros_(network.stem.ask.gamma)

    assert torch.equal(network(gathers()), plain(gathers()))


def test_cross_attention_from_the_model_to_the_record_reaches_every_sample_and_trace():
    network = build(resample={"name": "cross", "pool": 1}).eval()
    record = gathers(1).requires_grad_()

    features = network.stem(record)

    (gradient,) = torch.autograd.grad(features[0, :, 9, 10].sum(), record)
    assert (gradient[0].abs().sum(dim=0) > 0).float().mean() > 0.95


def test_all_slots_together_train_from_the_first_step():
    network = build(**EVERYTHING)
    softmax_does_not_feel = ("key.bias", "channel_where.3.bias")

    (network(gathers(4)) * torch.randn(4, 19, 21)).sum().backward()

    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.ndim == 1 or parameter.grad.abs().max() > 0, key
        assert key.endswith(softmax_does_not_feel) or "bias" in key or parameter.grad.abs().max() > 0, key


def test_all_slots_together_are_close_to_single_precision_in_bf16():
    network = build(**EVERYTHING).eval()

    with torch.autocast("cpu", torch.bfloat16):
        low = network(gathers())

    single = network(gathers())
    assert (low - single).norm() < 0.1 * (single - single.mean()).norm()


@pytest.mark.parametrize(("samples", "receivers"), [(40, 23), (19, 21), (7, 50), (90, 3)])
@pytest.mark.parametrize("resample", ["interpolate", "stn", "cross"])
def test_any_size_of_record_is_brought_to_the_grid(resample, samples, receivers):
    config = ModelConfig.model_validate({"channels": CHANNELS, "resample": resample})

    network = AttentionUNet(config, Sizes(3, receivers, samples, 19, 21, RANGE)).eval()

    velocity = network(gathers(1, samples, receivers))
    assert velocity.shape == (1, 19, 21)
    assert velocity.isfinite().all()


def test_every_slot_has_something_of_every_way_of_joining_it_can_take():
    joins = {slot: {choice.joins for choice in choices.values()} for slot, choices in SLOTS.items()}

    assert joins == {
        "attention": {"filter"},
        "skip": {"filter", "gate", "gather", "fuse"},
        "bottleneck": {"filter", "levels"},
        "resample": {"filter", "gather"},
    }
