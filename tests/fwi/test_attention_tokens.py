"""What attention among cells does: one map, two maps, and lists of maps."""

import pytest
import torch
from mechanisms import attend as attend_to
from mechanisms import build, inputs, untrained
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from fwi import attention
from fwi.attention import stn, tokens
from fwi.attention.mix import DropPath, MixAttention
from fwi.attention.tokens import attend

UNPLACED = {"position": "none"}


def cells(x: Tensor) -> Tensor:
    """``(batch, cell, channel)``"""
    return x.flatten(2).transpose(1, 2)


def reordered(x: Tensor) -> Tensor:
    torch.manual_seed(3)
    return x.flatten(2)[:, :, torch.randperm(x[0, 0].numel())].reshape(x.shape)


def as_multihead_attention(width: int, heads: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What ``nn.MultiheadAttention`` makes of projected tokens ``(batch, token, width)``."""
    oracle = nn.MultiheadAttention(width, heads, batch_first=True, dtype=query.dtype)
    eye = torch.eye(width, dtype=query.dtype)
    oracle.in_proj_weight.data = torch.cat([eye, eye, eye])
    oracle.out_proj.weight.data = eye
    return oracle(query, key, value, need_weights=False)[0]


# -- attention by itself


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_torchs_own(heads):
    query, key, value = (torch.randn(2, n, 8, dtype=torch.float64) for n in (15, 9, 9))

    out = attend(query.mT, key.mT, value.mT, heads, (8 / heads) ** -0.5)

    torch.testing.assert_close(out.mT, as_multihead_attention(8, heads, query, key, value))


@pytest.mark.parametrize(("inner", "channels"), [(4, 8), (8, 4)])
def test_attention_with_other_widths_of_values_is_torchs_own(inner, channels):
    query, key = torch.randn(2, inner, 15), torch.randn(2, inner, 9)
    value = torch.randn(2, channels, 9)

    out = attend(query, key, value, heads=1, scale=0.3)

    torch.testing.assert_close(out.mT, scaled_dot_product_attention(query.mT, key.mT, value.mT, scale=0.3))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", ["self", "cross", "mix"])
def test_training_never_holds_the_matrix_of_weights(name, memory_format):
    module, held = untrained(name, 16), []
    maps = [x.to(memory_format=memory_format).requires_grad_() for x in inputs(name, 16, (24, 24), batch=1)]
    keys = {"self": 24 * 24}.get(name, 12 * 12)

    with torch.autograd.graph.saved_tensors_hooks(lambda x: (held.append(x), x)[1], lambda x: x):
        attend_to(name, module, maps)

    # For comparison: the widest of what is kept is the hidden layer of mix-attention.
    assert max(x.numel() for x in held) < 24 * 24 * keys


@pytest.mark.parametrize("name", ["self", "cross"])
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_weights_are_those_that_the_forward_pass_uses_and_sum_to_one(name, heads):
    module, maps = build(name, 16, heads=heads, **UNPLACED, residual=False).double(), inputs(name, 16)
    maps = [x.double() for x in maps]

    weights = module.weights(*maps)

    values = module.value(maps[-1]).flatten(2).unflatten(1, (heads, -1))
    gathered = torch.einsum("bnqk,bnck->bncq", weights, values).flatten(1, 2)
    torch.testing.assert_close(weights.sum(dim=3), torch.ones(2, heads, 91, dtype=torch.float64))
    torch.testing.assert_close(gathered.reshape(maps[0].shape), module(*maps))


@pytest.mark.parametrize("name", ["self", "cross"])
def test_weights_of_too_many_cells_are_refused_with_the_memory_they_would_take(name, monkeypatch):
    monkeypatch.setattr(tokens, "MAX_EXPLICIT_TOKENS", 50)
    module, maps = build(name, **UNPLACED), inputs(name)
    keys = maps[-1][0, 0].numel()

    with pytest.raises(ValueError, match=rf"91 queries by {keys} keys would take 0\.0 GiB.* 50 tokens"):
        module.weights(*maps)

    assert module(*maps).isfinite().all()  # the forward pass never holds them


def test_criss_cross_which_holds_its_weights_is_refused_where_they_are_too_many(monkeypatch):
    monkeypatch.setattr(tokens, "MAX_EXPLICIT_TOKENS", 42)  # 1764 of the 91 cells' 1820 weights
    (x,) = inputs("criss_cross")

    with pytest.raises(ValueError, match=r"91 queries by 20 keys would take 0\.0 GiB"):
        build("criss_cross")(x)


def test_weights_of_a_section_at_full_resolution_would_take_54_gib():
    query = torch.empty(1, 8, 400 * 301, device="meta")

    with pytest.raises(ValueError, match=r"120400 queries by 120400 keys would take 54\.0 GiB"):
        tokens.weights(query, query, heads=1, scale=1.0)


# -- one map


def test_self_attention_without_positions_follows_its_cells_anywhere():
    module, (x,) = build("self", **UNPLACED), inputs("self")

    torch.testing.assert_close(module(reordered(x)), reordered(module(x)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("position", ["sine", "convolution"])
def test_positions_tell_the_cells_of_a_uniform_map_apart(position):
    uniform = torch.ones(1, 8, 7, 13)

    placed = build("self", position=position)(uniform)

    assert placed.std(dim=(2, 3)).min() > 1e-3
    assert build("self", **UNPLACED)(uniform).std(dim=(2, 3)).max() < 1e-4


def test_sines_give_every_cell_a_code_of_its_own():
    code = tokens.SineCosine(8)(torch.zeros(1, 8, 40, 30))[0].flatten(1).T

    assert torch.pdist(code).min() > 1e-2


def test_self_attention_of_equal_cells_is_their_value():
    module = build("self", **UNPLACED, residual=False)
    x = torch.randn(2, 8, 1, 1).expand(2, 8, 7, 13)

    torch.testing.assert_close(module(x), module.value(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["self", "criss_cross", "cross"])
def test_attention_without_weight_is_the_identity(name):
    module, maps = build(name), inputs(name)
    nn.init.zeros_(module.gamma)

    assert torch.equal(module(*maps), maps[0])


def test_pooled_keys_are_the_maxima_of_neighbouring_cells():
    module, (x,) = build("self", pool=2, **UNPLACED, residual=False), inputs("self")
    pooled = torch.stack(
        [x[:, :, i : i + 2, j : j + 2].amax(dim=(2, 3)) for i in range(0, 7, 2) for j in range(0, 13, 2)], 2
    )

    keys, values = (layer(pooled[..., None])[..., 0] for layer in (module.key, module.value))

    wanted = attend(module.query(x).flatten(2), keys, values, 1, module.scale)
    torch.testing.assert_close(module(x).flatten(2), wanted)


def test_criss_cross_attention_is_attention_masked_to_row_and_column():
    module, (x,) = build("criss_cross").double(), inputs("criss_cross")
    x = x.double()
    row, column = torch.arange(91) // 13, torch.arange(91) % 13
    mask = (row[:, None] == row) | (column[:, None] == column)

    gathered = (module(x) - x) / module.gamma

    query, key, value = (cells(layer(x)) for layer in (module.query, module.key, module.value))
    wanted = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)
    torch.testing.assert_close(cells(gathered), wanted)


def test_criss_cross_attention_sees_a_cross_and_two_in_a_row_see_the_whole_map():
    module, x = build("criss_cross").double(), inputs("criss_cross")[0].double().requires_grad_()

    once = torch.autograd.grad(module(x)[0, 0, 2, 5], x)[0][0].abs().sum(dim=0) > 0
    twice = torch.autograd.grad(module(module(x))[0, 0, 2, 5], x)[0][0].abs().sum(dim=0) > 0

    cross = torch.zeros(7, 13, dtype=torch.bool)
    cross[2], cross[:, 5] = True, True
    assert torch.equal(once, cross)
    assert twice.all()


def test_weights_of_criss_cross_attention_sum_to_one_and_count_the_cell_itself_once():
    module, (x,) = build("criss_cross"), inputs("criss_cross")

    weights = module.weights(x)

    assert weights.shape == (2, 7, 13, 7 + 13)
    torch.testing.assert_close(weights.sum(dim=3), torch.ones(2, 7, 13))
    assert not weights[:, torch.arange(7), :, torch.arange(7)].any()


# -- two maps


def test_cross_attention_of_a_map_with_itself_is_self_attention():
    (x,) = inputs("self")
    itself, other = build("self", **UNPLACED), build("cross", **UNPLACED)
    other.load_state_dict(itself.state_dict())

    assert torch.equal(other(x, x), itself(x))


def test_cross_attention_ignores_the_order_of_its_context_and_follows_that_of_its_queries():
    module, (x, context) = build("cross", **UNPLACED), inputs("cross")

    torch.testing.assert_close(module(x, reordered(context)), module(x, context), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        module(reordered(x), context), reordered(module(x, context)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(("context_channels", "size"), [(3, (5, 4)), (8, (1, 9)), (24, (40, 2))])
def test_cross_attention_takes_context_of_any_size_and_number_of_channels(context_channels, size):
    module, (x, _) = build("cross", context_channels=context_channels), inputs("cross")
    context = torch.randn(2, context_channels, *size, requires_grad=True)

    out = module(x, context)

    assert out.shape == x.shape
    out.square().sum().backward()
    assert (context.grad.abs().sum(dim=1) > 0).all()


def test_a_single_cell_of_context_is_what_all_cells_get():
    module, (x, _) = build("cross", **UNPLACED, residual=False), inputs("cross")
    context = torch.randn(2, 8, 1, 1)

    torch.testing.assert_close(module(x, context), module.value(context).expand_as(x))


def transposed_mdaf(module: nn.Module) -> nn.Module:
    """The same fusion for transposed maps that are given in the other order."""
    twin = build("mdaf", 8, heads=2, temperature=False, residual="normed")
    twin.load_state_dict(module.state_dict())
    for mine, theirs in ((0, 1), (1, 0)):
        twin.normalise[mine].load_state_dict(module.normalise[theirs].state_dict())
        for k in range(6):
            layer, other = twin.strips[mine].convolve[k], module.strips[theirs].convolve[(k + 3) % 6]
            layer.weight.data, layer.bias.data = other.weight.data.mT.clone(), other.bias.data.clone()
    return twin


def test_fusion_of_transposed_and_exchanged_maps_is_the_transposed_fusion():
    module = build("mdaf", 8, heads=2, temperature=False, residual="normed")
    x, y = inputs("mdaf")

    out = transposed_mdaf(module).double()(y.mT.double(), x.mT.double())

    torch.testing.assert_close(out, module.double()(x.double(), y.double()).mT)


def test_fusion_of_single_cells_has_its_closed_form():
    module = build("mdaf", 8, temperature=False, residual="normed").double()
    x, y = (each.double() for each in inputs("mdaf", size=(1, 1)))
    normed = [layer(each) for layer, each in zip(module.normalise, (x, y), strict=True)]
    seen = [module.project(strips(each)) for strips, each in zip(module.strips, normed, strict=True)]
    unit = [nn.functional.normalize(each, dim=1) for each in seen]

    wanted = module.project(seen[0] + unit[1]) + module.project(seen[1] + unit[0]) + sum(normed)

    torch.testing.assert_close(module(x, y), wanted)


def test_published_fusion_loses_amplitudes_which_the_raw_residual_keeps():
    x, y = inputs("mdaf")
    published, ours = (build("mdaf", residual=kind) for kind in ("normed", "raw"))

    torch.testing.assert_close(published(1e3 * x, 1e3 * y), published(x, y), rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(ours(x, y) - published(x, y), x + y - _normed(published, x, y))
    assert ours(1e3 * x, 1e3 * y).std() > 100 * published(1e3 * x, 1e3 * y).std()


def _normed(module: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return module.normalise[0](x) + module.normalise[1](y)


def test_temperature_sharpens_what_a_row_gathers():
    """At zero the rows gather alike; infinitely sharp, each gathers the row that is most like it."""
    module, seen = build("mdaf"), torch.randn(1, 8, 7, 13)
    unit = nn.functional.normalize(seen.permute(0, 2, 3, 1).flatten(2), dim=2)

    def gathered(temperature: float) -> Tensor:
        module.temperature.data.fill_(temperature)
        return module._gather(seen, seen, 0).permute(0, 2, 3, 1).flatten(2) - unit

    assert gathered(0.0).std(dim=1).max() < 1e-5
    torch.testing.assert_close(gathered(1e3), seen.permute(0, 2, 3, 1).flatten(2))


def test_fusion_of_maps_of_different_shapes_is_refused():
    with pytest.raises(ValueError, match=r"one shape, got \(2, 8, 7, 13\) and \(2, 8, 7, 12\)"):
        build("mdaf")(torch.zeros(2, 8, 7, 13), torch.zeros(2, 8, 7, 12))


# -- lists of maps


def levels(*channels: int, dim: int = 2) -> list[Tensor]:
    """Maps fine to coarse of sizes that do not divide each other."""
    torch.manual_seed(1)
    sizes = [(27, 21, 9), (13, 11, 5), (7, 5, 3), (3, 2, 2)]
    return [
        torch.randn(2, c, *size[:dim], requires_grad=True) for c, size in zip(channels, sizes, strict=False)
    ]


@pytest.mark.parametrize("channels", [(4,), (4, 8), (4, 8, 16), (3, 5, 7, 9)])
def test_multi_scale_attention_fuses_any_number_of_maps_of_any_size(channels):
    maps = levels(*channels)
    module = attention_of(channels)

    out = module(maps)

    assert out.shape == maps[-1].shape
    out.square().sum().backward()
    assert all(x.grad.abs().max() > 0 for x in maps)


def attention_of(channels: tuple[int, ...], **options) -> nn.Module:
    torch.manual_seed(0)
    module = attention.build("pmfs", channels, width=4, **options)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module.eval()


def test_multi_scale_attention_of_volumes_is_that_of_a_section_that_repeats_along_the_third_axis():
    channels, (x, y) = (4, 8), levels(4, 8)
    flat, solid = attention_of(channels, residual=False), attention_of(channels, dim=3, residual=False)
    for mine, theirs in zip(solid.parameters(), flat.parameters(), strict=True):
        mine.data.zero_()
        if mine.ndim == 5 and mine.shape[2] == 3:  # a depthwise kernel: only its middle slice works
            mine.data[..., 1] = theirs.data
        else:
            mine.data.copy_(theirs.data.reshape(mine.shape))

    volume = solid([each[..., None].expand(*each.shape, 3) for each in (x, y)])

    torch.testing.assert_close(volume, flat([x, y])[..., None].expand_as(volume), rtol=1e-4, atol=1e-5)


def test_multi_scale_attention_without_values_does_not_see_its_maps():
    module = attention_of((4, 8), residual=False)
    for layer in (module.cell_value[-1], module.channel_value[-1]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)

    one, other = module(levels(4, 8)), module([2 * x for x in levels(4, 8)])

    torch.testing.assert_close(one, other)


def test_multi_scale_attention_tells_its_maps_apart():
    module, (x, y) = attention_of((8, 8), residual=False), levels(8, 8)
    y = y.detach()
    pooled = nn.functional.adaptive_max_pool2d(x, y.shape[2:])

    assert not torch.allclose(module([pooled, y]), module([y, pooled]), atol=1e-2)


def test_multi_scale_attention_that_normalises_samples_trains_as_it_evaluates_down_to_one_cell():
    module, maps = attention_of((4, 8), norm="group"), levels(4, 8)

    training = module.train()(maps)

    torch.testing.assert_close(training, module.eval()(maps))
    torch.testing.assert_close(module([x[:1] for x in maps]), training[:1])
    assert module.train()([x[:1, :, :1, :1] for x in maps]).isfinite().all()


def test_residual_of_multi_scale_attention_adds_the_coarsest_map():
    maps = levels(4, 8)

    with_it, without = attention_of((4, 8)), attention_of((4, 8), residual=False)

    torch.testing.assert_close(with_it(maps), without(maps) + maps[-1])


@pytest.mark.parametrize("heads", [1, 4])
def test_mix_attention_is_torchs_multihead_attention_between_its_norms(heads):
    module = MixAttention(16, 24, heads).double().eval()
    x, keys = torch.randn(2, 16, 5, 6).double(), torch.randn(2, 24, 3, 2).double()
    oracle = nn.MultiheadAttention(16, heads, batch_first=True, kdim=24, vdim=24, dtype=torch.float64)
    oracle.q_proj_weight.data = module.query.weight.data
    oracle.k_proj_weight.data, oracle.v_proj_weight.data = module.key_value.weight.data.chunk(2)
    nn.init.zeros_(oracle.in_proj_bias)
    oracle.out_proj.load_state_dict(module.project.state_dict())

    out = module(x, keys)

    asking, answering = module.normalise(cells(x)), gelu(module.normalise_keys(cells(keys)))
    mixed = module.normalise_attended(asking + oracle(asking, answering, answering)[0])
    torch.testing.assert_close(cells(out), mixed + module.feed_forward(mixed, (5, 6)))


def test_mix_attention_ignores_the_order_of_its_keys():
    module = MixAttention(16, 24, 2).eval()
    x, keys = torch.randn(2, 16, 5, 6), torch.randn(2, 24, 3, 2)

    torch.testing.assert_close(module(x, reordered(keys)), module(x, keys))


def test_levels_that_mix_ask_the_refined_deeper_levels_and_the_finer_ones_as_they_were():
    torch.manual_seed(0)
    module, maps = attention.build("mix", [4, 8, 16]).eval(), levels(4, 8, 16)

    finest, middle, coarsest = module(maps)

    torch.testing.assert_close(coarsest, module.stages[2](maps[2], module.keys[2](maps)))
    torch.testing.assert_close(middle, module.stages[1](maps[1], module.keys[1]([*maps[:2], coarsest])))
    torch.testing.assert_close(finest, module.stages[0](maps[0], module.keys[0]([maps[0], middle, coarsest])))


def test_stochastic_depth_drops_whole_samples_and_keeps_the_mean():
    drop, x = DropPath(0.25), torch.ones(20_000, 2, 3)
    torch.manual_seed(0)

    dropped = drop.train()(x)

    assert dropped.unique().tolist() == [0, pytest.approx(1 / 0.75)]
    assert dropped.flatten(1).std(dim=1).max() == 0
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert drop.eval()(x) is x


# -- the spatial transformer


def warp(matrix: list[list[float]], **options) -> nn.Module:
    """A transformer that applies one matrix whatever it sees."""
    module = untrained("stn", 2, **options).double()
    module.transform.bias.data = (torch.tensor(matrix).double() - torch.eye(2, 3)).flatten()
    return module


def test_spatial_transformer_starts_as_the_identity():
    x = torch.randn(2, 8, 11, 7)
    module = untrained("stn")

    torch.testing.assert_close(module(x), x, rtol=0, atol=1e-5)
    torch.testing.assert_close(module.double()(x.double()), x.double(), rtol=0, atol=1e-13)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(untrained("stn")(x), x, rtol=0, atol=1e-5)


def test_spatial_transformer_samples_the_affine_grid():
    matrix = torch.randn(2, 2, 3)

    found = stn._sources(matrix, (11, 7))

    wanted = nn.functional.affine_grid(matrix, [2, 1, 11, 7], align_corners=False)
    torch.testing.assert_close(found, wanted)


def test_spatial_transformer_mirrors_and_shifts_exactly():
    x = torch.randn(1, 2, 11, 7, dtype=torch.float64)

    mirrored = warp([[-1.0, 0, 0], [0, 1, 0]])(x)
    shifted = warp([[1.0, 0, 2 / 7], [0, 1, 0]])(x)

    torch.testing.assert_close(mirrored, x.flip(3))
    torch.testing.assert_close(shifted[..., :-1], x[..., 1:])
    torch.testing.assert_close(shifted[..., -1], x[..., -1])  # the border goes on: no velocity of zero enters


def test_spatial_transformer_with_a_size_starts_as_interpolation_to_it():
    x = torch.randn(2, 8, 11, 7)

    for size in ((11, 7), (20, 30), (5, 3)):
        interpolated = nn.functional.interpolate(x, size, mode="bilinear", align_corners=False)
        torch.testing.assert_close(untrained("stn", size=size)(x), interpolated, rtol=0, atol=1e-5)


def test_spatial_transformer_stretches_more_where_the_record_asks_for_it():
    module = untrained("stn", 1)
    nn.init.zeros_(module.hidden.weight)
    module.hidden.weight.data[:, 0] = 1.0  # it looks at the standard deviation
    module.transform.weight.data[4] = 0.02  # and stretches depth
    ramp = torch.linspace(-1, 1, 17)[None, None, :, None].expand(1, 1, 17, 9)

    weak, strong = (((module(a * ramp) / (a * ramp))[0, 0, 7, 4]).item() for a in (0.1, 0.5))

    assert 1.01 < weak < strong - 0.1
