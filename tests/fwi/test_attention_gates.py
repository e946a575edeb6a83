"""What the gates of channels, cells and profiles do, family by family."""

import math

import pytest
import torch
from mechanisms import build, inputs, untrained
from scipy.fft import dctn
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from fwi import attention
from fwi.attention.cbam import ChannelGate, SpatialGate
from fwi.attention.squeeze import FREQUENCIES, NUMBERS, Squeeze

SALT_ROWS = {"shallow": slice(5, 10), "deep": slice(25, 30)}


def salt(where: str) -> Tensor:
    """A block of salt of 5 x 10 cells in the middle of a section of 40 x 30 cells."""
    section = torch.zeros(1, 1, 40, 30)
    section[..., SALT_ROWS[where], 10:20] = 1.0
    return section


def shuffled(x: Tensor) -> Tensor:
    """The same cells in another order."""
    torch.manual_seed(3)
    return x.flatten(2)[:, :, torch.randperm(x[0, 0].numel())].reshape(x.shape)


# -- squeezes


@pytest.mark.parametrize(("name", "wanted"), [("avg", 0.0417), ("max", 1), ("std", 0.1999), ("gem", 0.3467)])
def test_statistics_of_salt_are_the_same_shallow_and_deep(name, wanted):
    squeeze = Squeeze(1, [name])

    assert squeeze(salt("shallow")).item() == pytest.approx(wanted, abs=5e-5)
    assert squeeze(salt("deep")).item() == pytest.approx(wanted, abs=5e-5)


def test_cosine_coefficients_tell_deep_from_shallow_salt():
    squeeze = Squeeze(1, ["dct"])

    shallow, deep = squeeze(salt("shallow"))[0], squeeze(salt("deep"))[0]

    assert shallow.tolist() == pytest.approx([0.0417, 0.0487, 0, 0.0220, -0.0488], abs=5e-5)
    assert deep.tolist() == pytest.approx([0.0417, -0.0325, 0, -0.0220, -0.0488], abs=5e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (7, 13), (16, 12)])
def test_cosine_coefficients_are_those_of_the_cosine_transform(size):
    x = torch.randn(2, 3, *size, dtype=torch.float64)

    found = Squeeze(3, ["dct"])(x)

    transform = torch.from_numpy(dctn(x.numpy(), axes=(2, 3), norm="ortho")) / (size[0] * size[1]) ** 0.5
    for k, (v, u) in enumerate(FREQUENCIES):
        if v < size[0] and u < size[1]:
            torch.testing.assert_close(found[:, 3 * k : 3 * k + 3], transform[:, :, v, u])


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 13), (16, 12)])
def test_pyramid_is_adaptive_pooling(size):
    x = torch.randn(2, 3, *size)

    found = Squeeze(3, ["spp"])(x)

    pooled = [adaptive_avg_pool2d(x, parts).flatten(1) for parts in (1, 2)]
    torch.testing.assert_close(found, torch.cat(pooled, dim=1))


def test_generalised_mean_and_log_sum_exp_lie_between_mean_and_maximum():
    x = torch.rand(2, 3, 7, 13)
    mean, peak, gem, lse = Squeeze(3, ["avg", "max", "gem", "lse"])(x).split(3, dim=1)
    plain = Squeeze(3, ["gem"])
    plain.power.data.fill_(1.0)

    assert ((mean < gem) & (gem < peak)).all()
    assert ((mean < lse) & (lse < peak)).all()
    torch.testing.assert_close(plain(x), mean)


def test_log_sum_exp_is_torchs_own_less_the_number_of_cells():
    x = 100 * torch.randn(2, 3, 7, 13)

    found = Squeeze(3, ["lse"])(x)

    torch.testing.assert_close(found, (torch.logsumexp(6 * x, dim=(2, 3)) - math.log(91)) / 6)


def test_attention_pooling_gathers_where_its_query_is_strongest():
    squeeze, x = Squeeze(2, ["attn"]), torch.randn(2, 2, 7, 13)
    nn.init.zeros_(squeeze.query.weight)
    torch.testing.assert_close(squeeze(x), x.mean(dim=(2, 3)))

    squeeze.query.weight.data[0, 0] = 1e3
    peak = x[:, 0].flatten(1).argmax(dim=1)

    torch.testing.assert_close(squeeze(x), x.flatten(2)[torch.arange(2), :, peak])


@pytest.mark.parametrize("name", NUMBERS)
def test_every_squeeze_can_drive_squeeze_excitation_in_low_precision(name):
    module, x = build("se", 8, squeeze=[name]), inputs("se")[0].bfloat16()

    with torch.autocast("cpu", torch.bfloat16):
        low = module(x)

    exact = module(x.float())
    assert (low.float() - exact).norm() < 0.05 * (exact - x).norm()


@pytest.mark.parametrize("name", NUMBERS)
def test_gradient_through_every_squeeze_agrees_with_finite_differences(name):
    module = build("se", 2, squeeze=[name], min_hidden=2).double()
    if name == "gem":
        module.describe.power.data.fill_(2.5)
    (x,) = inputs("se", 2, (3, 4), 1)

    assert torch.autograd.gradcheck(module, x.double().requires_grad_())


def test_training_reaches_the_parameters_of_the_squeezes():
    module, (x,) = untrained("se", 8, squeeze=["gem", "attn"]), inputs("se")

    (module(x) * torch.randn_like(x)).sum().backward()

    assert module.describe.power.grad.abs().item() > 1e-6
    assert module.describe.query.weight.grad.abs().max() > 1e-6


# -- channels


@pytest.mark.parametrize("name", ["se", "eca", "gct"])
def test_a_gate_of_channels_is_the_same_everywhere_and_ignores_where_things_are(name):
    module, (x,) = build(name), inputs(name)

    gate = module(x) / x

    assert gate.std(dim=(2, 3)).max() < 1e-4
    assert gate.std(dim=1).min() > 1e-3
    torch.testing.assert_close(module(shuffled(x)), shuffled(module(x)))
    assert not module(torch.zeros_like(x)).any()


def test_squeeze_excitation_without_excitation_halves_as_published():
    module, (x,) = build("se", gate="sigmoid"), inputs("se")
    nn.init.zeros_(module.excite.weight)
    nn.init.zeros_(module.excite.bias)

    torch.testing.assert_close(module(x), x / 2)


def test_efficient_channel_attention_asks_only_the_neighbours():
    module, (x,) = build("eca", 16), inputs("eca", 16)
    other = x.clone()
    other[:, 0] += 1.0

    changed = (module(other) != module(x)).any(dim=3).any(dim=2).any(dim=0)

    assert changed.nonzero().flatten().tolist() == [0, 1]


def test_gated_channel_transformation_asks_only_for_the_norms_relative_to_each_other():
    module, (x,) = build("gct"), inputs("gct")

    torch.testing.assert_close(module(1e3 * x), 1e3 * module(x), rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(module(-x), -module(x))

    nn.init.zeros_(module.gamma)
    nn.init.zeros_(module.beta)
    assert torch.equal(module(x), x)


# -- cells


def test_spatial_attention_is_one_map_that_ignores_the_order_of_channels():
    module, (x,) = build("spatial"), inputs("spatial")

    gate = module(x) / x

    assert gate.std(dim=1).max() < 1e-4
    assert gate.std(dim=(2, 3)).min() > 1e-3
    torch.testing.assert_close(module(x.flip(1)), module(x).flip(1))


@pytest.mark.parametrize("name", ["spatial", "cbam", "cbam_conv", "hard"])
def test_mirrored_kernel_mirrors_the_output(name):
    module, mirrored, (x,) = build(name), build(name), inputs(name)
    for layer in mirrored.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.flip(3)

    torch.testing.assert_close(mirrored(x.flip(3)), module(x).flip(3))


def test_simam_keeps_whole_what_stands_out_and_at_least_62_percent_of_the_rest():
    module, x = build("simam"), 0.1 * inputs("simam")[0]
    x[:, :, 3, 5] = 5.0

    gate = module(x) / x

    assert gate.min() >= 0.6224
    assert (gate.flatten(2).argmax(dim=2) == 3 * 13 + 5).all()
    assert gate[:, :, 3, 5].min() > 0.99
    torch.testing.assert_close(module(shuffled(x)), shuffled(module(x)))


def test_simam_of_a_single_cell_is_finite():
    x = torch.tensor([[[[2.0]]]])

    assert build("simam", 1)(x).item() == pytest.approx(2 / (1 + torch.e**-0.5))


# -- channels and cells


def test_cbam_channel_gate_is_squeeze_excitation_where_mean_and_maximum_agree():
    gate, se = ChannelGate(8, 2, "sigmoid"), attention.build("se", 8, reduction=2, gate="sigmoid")
    constant = torch.randn(2, 8, 1, 1).expand(2, 8, 7, 13)
    se.load_state_dict(gate.state_dict())
    se.excite.weight.data *= 2  # the mean's and the maximum's excitations add up
    se.excite.bias.data *= 2

    torch.testing.assert_close(gate(constant) * constant, se(constant))


def test_cbam_spatial_gate_is_one_map_between_0_and_1_that_ignores_the_order_of_channels():
    gate = SpatialGate(7, "sigmoid").eval()
    x = 10 * torch.randn(2, 8, 7, 13)

    weights = gate(x)

    assert weights.shape == (2, 1, 7, 13)
    assert weights.min() > 0
    assert weights.max() < 1
    torch.testing.assert_close(gate(x.flip(1)), weights)


def test_cbam_spatial_gate_follows_the_statistics_of_its_input_by_one_percent_per_step():
    gate = SpatialGate(7, "sigmoid").train()
    x = torch.randn(2, 8, 7, 13)
    before = gate.convolve(torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1))

    gate(x)

    assert gate.normalise.running_mean.item() == pytest.approx(0.01 * before.mean().item(), rel=1e-4)


def test_convolutional_cbam_weighs_channels_as_squeeze_excitation_and_then_cells():
    module, (x,) = build("cbam_conv"), inputs("cbam_conv")

    gate = module(x) / module.channel_gate(x)

    assert gate.std(dim=1).max() < 1e-4
    assert gate.std(dim=(2, 3)).min() > 1e-3


def test_concurrent_excitation_adds_a_gate_of_cells_to_squeeze_excitation():
    module, (x,) = build("scse"), inputs("scse")

    cell = (module(x) - module.channel(x)) / x

    assert cell.std(dim=1).max() < 1e-4
    assert cell.min() > 0
    assert cell.max() < 1
    torch.testing.assert_close(module(shuffled(x)), shuffled(module(x)))


def test_polarised_attention_adds_a_gate_of_channels_and_one_of_cells():
    module, (x,) = build("psa", gate="sigmoid"), inputs("psa")

    gate = module(x) / x

    # channel(c) + cell(h, w): what is left without the means over channels and over cells is nothing
    left = (
        gate
        - gate.mean(dim=1, keepdim=True)
        - gate.mean(dim=(2, 3), keepdim=True)
        + gate.mean((1, 2, 3), True)
    )
    assert left.abs().max() < 1e-4
    assert gate.mean(dim=1).std(dim=(1, 2)).min() > 1e-2
    assert gate.mean(dim=(2, 3)).std(dim=1).min() > 1e-2
    torch.testing.assert_close(module(shuffled(x)), shuffled(module(x)))


# -- rows and columns


@pytest.mark.parametrize("training", [False, True])
def test_coordinate_attention_follows_any_exchange_of_rows_and_of_columns(training):
    module, (x,) = build("ca").double().train(training), inputs("ca")
    x = x.double()
    rows, columns = torch.randperm(7), torch.randperm(13)

    exchanged = module(x[:, :, rows][..., columns])

    torch.testing.assert_close(exchanged, module(x)[:, :, rows][..., columns])


@pytest.mark.parametrize("name", ["ca", "ela"])
def test_gate_is_a_depth_profile_times_a_profile_along_the_line(name):
    module, (x,) = build(name).double(), inputs(name)
    x = x.double()

    singular = torch.linalg.svdvals(module(x) / x)

    assert (singular[..., 1] / singular[..., 0]).max() < 1e-12


def test_coordinate_attention_with_its_profiles_swapped_transposes_its_output():
    module, swapped, (x,) = build("ca"), build("ca"), inputs("ca")
    swapped.excite_rows, swapped.excite_columns = swapped.excite_columns, swapped.excite_rows

    torch.testing.assert_close(swapped(x.mT), module(x).mT)


def test_efficient_local_attention_treats_depth_and_line_alike():
    module, (x,) = build("ela"), inputs("ela")

    torch.testing.assert_close(module(x.mT), module(x).mT)


@pytest.mark.parametrize("channels", [2, 3, 8, 17, 64])
def test_efficient_local_attention_never_normalises_a_channel_by_itself(channels):
    """By itself, a channel whose profile has one cell would be normalised to zero."""
    module, (x,) = build("ela", channels), inputs("ela", channels, (1, 1))

    gates = module(x) / x

    assert not torch.allclose(gates[0], gates[1])


# -- the attention gate of a skip connection


def test_gating_map_may_have_any_size():
    module = build("gate", 4, gating_channels=3)
    x = torch.randn(2, 4, 9, 12)

    outs = [module(x, torch.full((2, 3, *size), 0.7)) for size in ((1, 1), (3, 2), (9, 12), (20, 30))]

    for out in outs[1:]:  # a constant map asks for the same at every size
        torch.testing.assert_close(out, outs[0])


def test_attention_gate_has_one_weight_per_cell_that_the_gating_map_decides():
    module, (x, g) = build("gate"), inputs("gate")
    nn.init.dirac_(module.project.weight)
    nn.init.zeros_(module.project.bias)
    module.normalise.reset_parameters()

    weight, other = module(x, g) / x, module(x, -g) / x

    assert weight.std(dim=1).max() < 1e-3
    assert weight.std(dim=(2, 3)).min() > 1e-3
    assert not torch.allclose(weight, other)


def test_attention_gate_joins_the_cells_that_pooling_joined_at_odd_sizes():
    """A gating map that asks for one coarse cell weighs most the four fine cells under it."""
    module = build("gate", 1, gating_channels=1)
    for parameter in (module.theta.weight, module.phi.bias, module.psi.bias, module.project.bias):
        nn.init.zeros_(parameter)
    for parameter in (module.phi.weight, module.psi.weight, module.project.weight):
        nn.init.ones_(parameter)
    module.normalise.reset_parameters()
    g = torch.zeros(1, 1, 7, 4)
    g[..., 5, 2] = 10.0

    weight = module(torch.ones(1, 1, 13, 7), g)[0, 0]

    strongest = (weight > 0.95 * weight.max()).nonzero().tolist()
    assert strongest == [[10, 4], [10, 5], [11, 4], [11, 5]]


# -- hard attention


@pytest.mark.parametrize("training", [False, True])
def test_hard_attention_keeps_a_cell_or_dims_it_to_the_floor(training):
    module, (x,) = build("hard", floor=0.25).train(training), inputs("hard")

    weight = (module(x) / x).mean(dim=1)

    kept = (weight - 1).abs() < 1e-5
    dimmed = (weight - 0.25).abs() < 1e-5
    assert (kept | dimmed).all()
    assert kept.any()
    assert dimmed.any()


def test_gradient_of_hard_attention_is_that_of_the_sigmoid_in_the_place_of_its_mask():
    module, (x,) = build("hard", temperature=0.5, floor=0.25).double(), inputs("hard")
    x = x.double()
    summary = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
    wanted = torch.randn_like(x)
    weights = list(module.parameters())

    found = torch.autograd.grad((module(x) * wanted).sum(), weights)

    soft = (module.convolve(summary) / 0.5).sigmoid()
    expected = torch.autograd.grad((x * (0.25 + 0.75 * soft) * wanted).sum(), weights)
    for gradient, other in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, other)
