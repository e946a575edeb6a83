"""Reference outputs and numbers of parameters of the published modules."""

import json
from pathlib import Path

import pytest
import torch
from mechanisms import ALL, untrained
from torch import Tensor, nn

from fwi import attention
from fwi.attention.cbam import ChannelGate, SpatialGate
from fwi.attention.mix import MixAttention, MixedKeys

GOLDENS = Path(__file__).with_name("attention_goldens.json")
WAVES = ((0.05, 0.003), (0.07, 0.011))
UNPLACED = {"position": "none", "scaled": False}


def wave(shape: tuple[int, ...], a: float, b: float) -> Tensor:
    k = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (torch.sin(a * k + 0.3) * torch.cos(b * k)).reshape(shape)


def filled(module: nn.Module, order: list[nn.Parameter | None] | None = None) -> nn.Module:
    """Weights by the reference's rule; None stands for a published parameter that does nothing."""
    module = module.double().eval()
    for i, parameter in enumerate(module.parameters() if order is None else order, start=1):
        if parameter is not None:
            k = torch.arange(parameter.numel(), dtype=torch.float64)
            parameter.data = (0.1 * torch.sin(0.37 * k + i)).reshape(parameter.shape)
    return module


def assert_is_the_reference(golden: str, out: Tensor) -> None:
    reference = json.loads(GOLDENS.read_text())[golden]
    flat = out.detach().flatten()
    k = torch.arange(flat.numel(), dtype=torch.float64)
    found = [flat.sum(), flat.abs().sum(), (flat * torch.cos(0.11 * k)).sum(), flat[0], flat[-1]]

    assert list(out.shape) == reference["out_shape"]
    wanted = [reference[key] for key in ("sum", "abs", "chk", "first", "last")]
    assert torch.stack(found).tolist() == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(
    ("golden", "name", "options"),
    [
        ("se_r16_bias", "se", {"gate": "sigmoid"}),
        ("se_r16_squeeze_avgstd_concat", "se", {"gate": "sigmoid", "squeeze": ("avg", "std")}),
        ("eca_k3", "eca", {"gate": "sigmoid"}),
        ("gct_l2", "gct", {}),
        ("spatial7_nobn_mean_max", "spatial", {"gate": "sigmoid"}),
        ("cbam_r16_eval", "cbam", {"gate": "sigmoid"}),
        ("cbam_conv_r16_eval", "cbam_conv", {"gate": "sigmoid"}),
        ("scse_r16_add", "scse", {"reduction": 16}),
        ("simam", "simam", {}),
        ("coordatt_r32_eval", "ca", {"gate": "sigmoid"}),
        ("selfattn_noscale", "self", UNPLACED | {"residual": False}),
        ("attention_gate_c64_g128_f32_eval", "gate", {"gate": "sigmoid", "gating_channels": 128}),
        ("crossattn_noscale_kv6x5", "cross", UNPLACED | {"residual": False}),
        ("crossattn_scaled_kv6x5", "cross", {"position": "none", "residual": False}),
        ("mdaf_h8_withbias", "mdaf", {"heads": 8, "residual": "normed", "temperature": False}),
    ],
)
def test_published_form_reproduces_the_reference_output(golden, name, options):
    module = filled(attention.build(name, 64, **options))
    shapes = json.loads(GOLDENS.read_text())[golden]["inputs"]

    out = module(*(wave(shape, *numbers) for shape, numbers in zip(shapes, WAVES, strict=False)))

    assert_is_the_reference(golden, out)


def test_self_attention_of_sagan_is_reproduced_with_its_learned_weight_of_the_residual():
    module = attention.build("self", 64, **UNPLACED)
    weights = [each for layer in (module.query, module.key, module.value) for each in layer.parameters()]
    filled(module, [*weights, module.gamma])

    assert_is_the_reference("selfattn_sagan_noscale_gamma_residual", module(wave((2, 64, 12, 10), *WAVES[0])))


def test_the_two_gates_of_cbam_reproduce_their_reference_outputs_by_themselves():
    x = wave((2, 64, 12, 10), *WAVES[0])
    channel, spatial = filled(ChannelGate(64, 16, "sigmoid")), filled(SpatialGate(7, "sigmoid"))

    assert_is_the_reference("cbam_channel_r16", x * channel(x))
    assert_is_the_reference("cbam_spatial_k7_bn_eval", x * spatial(x))


def test_polarised_attention_differs_from_its_published_code_only_in_the_axis_of_a_softmax():
    """The code takes the cell gate's softmax over the cells, after the product: next to no gate at all."""
    x = wave((2, 64, 12, 10), *WAVES[0])
    module, only_channels = (filled(attention.build("psa", 64, gate="sigmoid")) for _ in range(2))
    nn.init.zeros_(only_channels.cells.weight)  # a cell gate of one half everywhere
    products = torch.einsum("bc,bchw->bhw", module.which(x).mean(dim=(2, 3)), module.cells(x))
    cell = products.flatten(1).softmax(dim=1).reshape(2, 1, 12, 10).sigmoid()

    assert_is_the_reference("psa_p", only_channels(x) + x * (cell - 0.5))


def test_multi_scale_attention_reproduces_the_reference_output():
    module = filled(attention.build("pmfs", [16, 32, 64], width=16, residual=False))
    shapes = json.loads(GOLDENS.read_text())["pmfs_16_32_64_ch16_eval"]["inputs"][0]

    out = module([wave(shape, a, 0.003) for shape, a in zip(shapes, (0.05, 0.07, 0.11), strict=True)])

    assert_is_the_reference("pmfs_16_32_64_ch16_eval", out)


def test_mix_attention_reproduces_the_reference_output_without_the_published_dead_weights():
    module, dead = MixAttention(40, 128, 5), [None] * 4
    norms = (module.normalise, module.normalise_keys, module.normalise_attended)
    inside = module.feed_forward
    layers = (inside.widen, inside.convolve, inside.narrow)
    order = [
        *(each for norm in norms for each in norm.parameters()),
        *(module.query.weight, module.key_value.weight, *module.project.parameters(), *dead),
        *(each for layer in layers for each in layer.parameters()),
    ]
    filled(module, order)

    out = module(wave((2, 40, 8, 12), *WAVES[0]), wave((2, 128, 4, 6), *WAVES[1]))

    assert_is_the_reference("umix_stage_C40_T128_h5", out)


def test_mixed_keys_reproduce_the_reference_output():
    golden = "umix_catkey_64_40_16_8"
    shapes = json.loads(GOLDENS.read_text())[golden]["inputs"][0]  # coarse to fine
    maps = [wave(shape, a, 0.003) for shape, a in zip(shapes, (0.05, 0.07, 0.09, 0.11), strict=True)]

    out = filled(MixedKeys([8, 16, 40, 64]))(maps[::-1])

    assert_is_the_reference(golden, out)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "channels", "options", "published"),
    [
        ("se", 64, {}, 580),
        ("se", 64, {"bias": False}, 512),
        ("se", 64, {"min_hidden": 8}, 1096),
        ("se", 64, {"squeeze": ("avg", "std")}, 836),
        ("se", 64, {"squeeze": ("avg", "max", "std")}, 1092),
        ("se", 64, {"squeeze": ("dct",)}, 1604),
        ("eca", 64, {}, 3),
        ("eca", 512, {}, 5),
        ("gct", 64, {}, 192),
        ("spatial", 64, {}, 98),
        ("cbam", 64, {}, 680),
        ("cbam", 64, {"kernel_size": 3}, 580 + 2 * 3**2 + 2),
        ("cbam_conv", 64, {}, 1009),
        ("scse", 64, {}, 4257),
        ("scse", 64, {"reduction": 16}, 645),
        ("simam", 64, {}, 0),
        ("psa", 64, {}, 8256),
        ("ca", 64, {}, 1688),
        ("ca", 256, {"reduction": 16}, 12_848),
        ("self", 64, {"position": "none", "residual": False}, 5200),
        ("criss_cross", 64, {}, 5201),
        ("cross", 64, {"position": "none", "residual": False}, 5200),
        ("gate", 64, {"gating_channels": 128}, 16_641),
        ("mdaf", 64, {"temperature": False}, 15_168),
        ("mdaf", 96, {"temperature": False}, 25_824),
        ("pmfs", [16, 32, 64], {}, 24_353),
        ("pmfs", [32, 64, 128], {"width": 64}, 307_809),
        ("pmfs", [44, 128, 224], {"width": 64}, 339_237),
        ("none", 64, {}, 0),
    ],
)
def test_number_of_parameters_is_the_published_one(name, channels, options, published):
    assert count(attention.build(name, channels, **options)) == published


def test_mix_attention_has_the_published_parameters_that_are_alive():
    assert count(MixAttention(40, 128, 5)) == 28_496
    assert count(MixedKeys([8, 16, 40, 64])) == 1984


def closed_form(name: str, c: int) -> int:
    """Number of parameters at the default options; lists have a second map of twice the channels."""
    h, m, d = max(c // 16, 4), max(c // 32, 8), max(c // 8, 8)
    se, tokens = 2 * c * h + h + c, 2 * (c * d + d) + c * c + c + 1
    pmfs = 32  # channels inside, of two levels
    half, both = max(c // 2, 4), 3 * c
    return {
        "none": 0,
        "se": se,
        "eca": {8: 3, 64: 3, 96: 3}[c],
        "gct": 3 * c,
        "spatial": 98,
        "cbam": se + 100,
        "cbam_conv": se + c * h + 9 * h * h + 7 * h + 1,
        "scse": 2 * c * half + half + c + c + 1,
        "simam": 0,
        "psa": 2 * c * c + c,
        "ca": 3 * c * m + 3 * m + 2 * c,
        "ela": 7 * c + 2 * c,
        "self": tokens + 10 * c,
        "criss_cross": tokens,
        "stn": 6 * c * 32 + 32 + 32 * 6 + 6,
        "hard": 99,
        "gate": 4 * c * (c // 2) + 2 * c * (c // 2) + 2 * (c // 2) + 1 + c * c + 3 * c,
        "cross": tokens + 20 * c,
        "mdaf": c * c + 173 * c + 2,
        "pmfs": 3 * c * (11 + 16) + 2 * 16 + 7 * pmfs**2 + 42 * pmfs + 1 + (pmfs + 1) * 2 * c,
        "mix": 10 * 5 * c * c + 2 * both**2 + 50 * both + 4 * both + 2 * (c * c + c),
    }[name]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("channels", [8, 64, 96])
def test_number_of_parameters_follows_the_closed_form(name, channels):
    assert count(untrained(name, channels)) == closed_form(name, channels)
