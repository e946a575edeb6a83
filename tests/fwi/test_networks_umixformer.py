import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fwi.config import ModelConfig
from fwi.networks import encoders
from fwi.networks.encoders.mit import ThinnedAttention
from fwi.networks.sizes import Sizes
from fwi.networks.umixformer import MixDecoder, UMixFormer

GOLDENS = Path(__file__).with_name("attention_goldens.json")
B0 = (32, 64, 160, 256)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def wave(shape: tuple[int, ...], rate: float) -> Tensor:
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return (torch.sin(rate * k + 0.3) * torch.cos(0.003 * k)).reshape(shape)


def fill(parameter: nn.Parameter, index: int) -> None:
    k = torch.arange(parameter.numel(), dtype=torch.float64)
    parameter.data = (0.1 * torch.sin(0.37 * k + index)).reshape(parameter.shape)


def sums(x: Tensor) -> tuple[float, float, float]:
    flat = x.flatten()
    k = torch.arange(flat.numel(), dtype=torch.float64)
    return flat.sum().item(), flat.abs().sum().item(), (flat * torch.cos(0.11 * k)).sum().item()


# -- encoders


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("mit_b0", 3_319_392),
        ("mit_b1", 13_151_424),
        ("mit_b2", 24_196_288),
        ("lvt", 3_429_092),
        ("mscan_t", 3_903_584),
        ("mscan_s", 13_450_176),
    ],
)
def test_encoder_has_the_published_number_of_parameters(name, published):
    with torch.device("meta"):
        encoder = encoders.PUBLISHED[name](3)

    assert parameters(encoder) == published


def _start_blocks_end(level: nn.Module) -> tuple[nn.Module, nn.Module, nn.Module]:
    start, *blocks, end = level.children()
    return start, nn.ModuleList(blocks), end


@pytest.mark.parametrize(
    ("name", "finest", "coarsest"),
    [
        (
            "mit_b0",
            (543.3037665168314, 2305.296983731739, 1.1021269850883297),
            (-2.432107143081007, 257.4778139150313, 0.11163494097916456),
        ),
        (
            "lvt",
            (-1683.8611434567783, 41928.46382887505, 51.44633864339018),
            (153.3237082416715, 10141.01073951988, -9.744339814446702),
        ),
        (
            "mscan_t",
            (-369.91114026155964, 2490.7509982453676, 0.18852928576787975),
            (-26.996451804875097, 268.8254615004373, 1.3101807008833368),
        ),
    ],
)
def test_encoder_computes_what_the_published_code_does(name, finest, coarsest):
    """The sums are of the authors' code, its i-th weights 0.1 sin(0.37 k + i), levels' starts first."""
    encoder = encoders.PUBLISHED[name](3).double().eval()
    starts, blocks, ends = zip(*(_start_blocks_end(level) for level in encoder.levels), strict=True)
    in_order = nn.ModuleList([*starts, *blocks, *ends])
    for index, parameter in enumerate(in_order.parameters(), start=1):
        fill(parameter, index)

    with torch.no_grad():
        maps = encoder(wave((2, 3, 64, 96), 0.05))

    assert sums(maps[0]) == pytest.approx(finest, rel=1e-9)
    assert sums(maps[3]) == pytest.approx(coarsest, rel=1e-9)


@pytest.mark.parametrize("name", ["mit_b0", "lvt", "mscan_t"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 9), (37, 70), (101, 151)])
def test_encoder_gives_maps_at_a_fourth_of_any_size_and_at_halves_of_that(name, height, width):
    encoder = encoders.PUBLISHED[name](2).eval()

    maps = encoder(torch.randn(1, 2, height, width))

    sizes = [(math.ceil(height / 2**n), math.ceil(width / 2**n)) for n in (2, 3, 4, 5)]
    assert [tuple(x.shape) for x in maps] == [
        (1, c, *s) for c, s in zip(encoder.channels, sizes, strict=True)
    ]


@pytest.mark.parametrize("name", ["mit_b0", "lvt", "mscan_t", "unet"])
def test_encoder_treats_samples_apart(name):
    encoder = encoders.build(name, 2, (48, 72)).eval()
    batch = torch.randn(3, 2, 21, 18)

    for among, alone in zip(encoder(batch), encoder(batch[1:2]), strict=True):
        torch.testing.assert_close(alone, among[1:2], rtol=1e-4, atol=1e-4)


def test_attention_without_thinning_is_multi_head_attention_of_torch():
    attention = ThinnedAttention(24, heads=3, thinning=1, bias=True)
    oracle = nn.MultiheadAttention(24, 3, batch_first=True)
    nn.init.normal_(attention.key_value.bias)
    oracle.in_proj_weight.data = torch.cat([attention.query.weight, attention.key_value.weight]).data
    oracle.in_proj_bias.data = torch.cat([attention.query.bias, attention.key_value.bias]).data
    oracle.out_proj = attention.project
    tokens = torch.randn(2, 35, 24)

    attended = attention(tokens, torch.Size((5, 7)))

    torch.testing.assert_close(attended, oracle(tokens, tokens, tokens)[0])


def test_thinned_keys_leave_out_no_cell_of_an_odd_map():
    attention = ThinnedAttention(8, heads=1, thinning=4, bias=True)
    tokens = torch.randn(1, 9 * 5, 8, requires_grad=True)

    attention(tokens, torch.Size((9, 5)))[0, 0].sum().backward()

    assert (tokens.grad.abs().sum(dim=2) > 0).all()


def test_unet_encoder_halves_level_by_level_and_its_heads_divide_odd_widths():
    encoder = encoders.build("unet", 3, (16, 48, 100, 384)).eval()

    maps = encoder(torch.randn(1, 3, 19, 33))

    assert [tuple(x.shape[1:]) for x in maps] == [(16, 10, 17), (48, 5, 9), (100, 3, 5), (384, 2, 3)]
    assert encoder.heads == (1, 1, 2, 12)


# -- decoder


@pytest.mark.parametrize(
    ("channels", "embedding", "leaving", "published"),
    [
        (B0, 128, 150, 1_725_590),
        (B0, 128, 1, 1_706_369),
        ((8, 16, 40, 64), 32, 1, 112_481),
        ((64, 128, 256, 512), 128, 1, 5_849_601),
    ],
)
def test_decoder_has_the_live_part_of_the_published_parameters(channels, embedding, leaving, published):
    decoder = MixDecoder(channels, (1, 2, 4, 8), embedding, leaving)

    total, squares = sum(channels), [c * c for c in channels]
    closed = 10 * sum(squares) + 2 * total**2 + 58 * total + 4 * sum(squares[:3]) + 4 * sum(channels[:3])
    closed += (total + 2) * embedding + (embedding + 1) * leaving
    assert parameters(decoder) == published == closed


def test_decoder_reproduces_the_reference_output_of_the_published_head():
    golden = json.loads(GOLDENS.read_text())["umixformer_head_b0_150"]
    decoder = MixDecoder(B0, (1, 2, 5, 8), 128, 150).double().eval()
    ours = dict(decoder.named_parameters())
    filled = set()
    for index, (name, _) in enumerate(golden["order"], start=1):  # dead weights only count
        if (key := _key_of(name)) in ours:
            fill(ours[key], index)
            filled.add(key)

    rates = (0.05, 0.07, 0.09, 0.11)
    out = decoder([wave(shape, rate) for shape, rate in zip(golden["inputs"][0], rates, strict=True)])

    assert filled == set(ours)
    assert list(out.shape) == golden["out_shape"]
    assert sums(out) == pytest.approx([golden[key] for key in ("sum", "abs", "chk")], rel=1e-9)


def _key_of(published: str) -> str:
    """Name of a parameter here, by its name in the published head."""
    part, kind = published.rsplit(".", 1)
    block, _, rest = part.partition(".")
    if block.startswith("attn_c"):
        layers = {
            "norm1": "normalise",
            "norm2": "normalise_keys",
            "norm3": "normalise_attended",
            "attn.q": "query",
            "attn.kv": "key_value",
            "attn.proj": "project",
            "mlp.fc1": "feed_forward.widen",
            "mlp.dwconv.dwconv": "feed_forward.convolve",
            "mlp.fc2": "feed_forward.narrow",
        }
        return f"mix.stages.{int(block[-1]) - 1}.{layers.get(rest)}.{kind}"
    if block.startswith("cat_key"):  # the first belongs to the coarsest level
        return f"mix.keys.{4 - int(block[-1])}.mix.{rest[-1]}.{kind}"
    ends = {"linear_fuse.conv": "join.0", "linear_fuse.bn": "join.1", "linear_pred": "leave"}
    return f"{ends.get(part)}.{kind}"


# -- the whole


def test_umixformer_is_stem_encoder_decoder_and_two_convolutions_at_full_resolution():
    model = ModelConfig(name="umixformer", channels=(24, 48))
    with torch.device("meta"):
        network = UMixFormer(model, Sizes(15, 151, 200, 101, 151, (1500.0, 4500.0)))

    stem = 15 * 48 * 7 * 3 + 2 * 48 + 48 * (101 + 151)
    level = 9 * 48 * 24 + 9 * 24 * 24 + 4 * 24
    encoder = 3_319_392 + (24 - 3) * 7 * 7 * 32
    decoder = 1_706_369 + 23 * 129
    refine = 9 * 48 * 24 + 9 * 24 * 24 + 4 * 24
    assert parameters(network) == stem + level + encoder + decoder + refine + 25


def test_velocity_of_a_cell_is_told_apart_from_its_neighbours_though_the_decoder_ends_at_a_fourth():
    torch.manual_seed(0)
    network = UMixFormer(ModelConfig(name="umixformer"), Sizes(2, 20, 32, 32, 20, (1500.0, 4500.0))).eval()
    nn.init.normal_(network.head.project.weight)
    record = torch.randn(1, 2, 32, 20)

    velocity = network(record)[0]

    jumps = (velocity[1:] - velocity[:-1]).abs().mean(dim=1)
    within = torch.stack([jumps[i::4].mean() for i in range(3)]).mean()
    assert within > 0.5 * jumps[3::4].mean()


def test_record_reaches_the_grid_by_the_resampling_of_choice():
    plain, warped = (
        UMixFormer(
            ModelConfig.model_validate({"name": "umixformer", "resample": resample}),
            Sizes(2, 9, 30, 16, 12, (1.0, 2.0)),
        )
        for resample in ("interpolate", "stn")
    )

    assert parameters(warped.stem) > parameters(plain.stem)
    assert warped.eval()(torch.randn(1, 2, 30, 9)).shape == (1, 16, 12)
