import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fwi import attention
from fwi.attention.cbam import ChannelGate, SpatialGate
from fwi.attention.excitation import factor

GOLDENS = Path(__file__).resolve().parents[2] / "../shared/attention/goldens.json"
UNARY = ("se", "cbam", "ca")
ALL = (*UNARY, "gate")
FORMS = ("sigmoid", "2sigmoid", "1+tanh", "residual")


def build(name: str, channels: int = 8, **options) -> nn.Module:
    """A mechanism with weights that do something, in eval mode."""
    torch.manual_seed(0)
    if name == "gate":
        options = {"gating_channels": 2 * channels} | options
    module = attention.build(name, channels, **options)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module.eval()


def maps(name: str, channels: int = 8, size: tuple[int, int] = (7, 13), batch: int = 2) -> tuple[Tensor, ...]:
    """What a mechanism's forward takes: a map, and for the gate a coarser one with twice the channels."""
    torch.manual_seed(1)
    x = torch.randn(batch, channels, *size)
    coarse = tuple((n + 1) // 2 for n in size)
    return (x, torch.randn(batch, 2 * channels, *coarse)) if name == "gate" else (x,)


def rolling(shape: tuple[int, ...], a: float, b: float) -> Tensor:
    k = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (torch.sin(a * k + 0.3) * torch.cos(b * k)).reshape(shape)


@pytest.mark.parametrize(
    ("name", "golden"),
    [
        ("se", "se_r16_bias"),
        ("cbam", "cbam_r16_eval"),
        ("ca", "coordatt_r32_eval"),
        ("gate", "attention_gate_c64_g128_f32_eval"),
    ],
)
@pytest.mark.skipif(not GOLDENS.exists(), reason="the reference outputs are not beside the repository")
def test_published_form_reproduces_the_reference_output(name, golden):
    reference = json.loads(GOLDENS.read_text())[golden]
    module = build(name, 64, gate="sigmoid").double()
    for i, parameter in enumerate(module.parameters(), start=1):
        k = torch.arange(parameter.numel(), dtype=torch.float64)
        parameter.data = (0.1 * torch.sin(0.37 * k + i)).reshape(parameter.shape)
    waves = ((0.05, 0.003), (0.07, 0.011))
    inputs = [rolling(shape, *waves[i]) for i, shape in enumerate(reference["inputs"])]

    out = module(*inputs).flatten()

    k = torch.arange(out.numel(), dtype=torch.float64)
    found = [out.sum(), out.abs().sum(), (out * torch.cos(0.11 * k)).sum(), out[0], out[-1]]
    wanted = [reference[key] for key in ("sum", "abs", "chk", "first", "last")]
    assert torch.stack(found).tolist() == pytest.approx(wanted, rel=1e-9)
    assert list(out.shape) == [torch.Size(reference["out_shape"]).numel()]


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("se", {}, 580),
        ("cbam", {}, 680),
        ("cbam", {"kernel_size": 3}, 580 + 2 * 3**2 + 2),
        ("ca", {}, 1688),
        ("gate", {"gating_channels": 128}, 16_641),
        ("none", {}, 0),
    ],
)
def test_number_of_parameters_is_the_published_one_at_64_channels(name, options, wanted):
    module = attention.build(name, 64, **options)

    assert sum(p.numel() for p in module.parameters()) == wanted


def test_number_of_parameters_follows_the_closed_forms_at_256_channels():
    c, h = 256, 256 // 16

    counts = {name: sum(p.numel() for p in attention.build(name, c).parameters()) for name in UNARY}
    ca_16 = sum(p.numel() for p in attention.build("ca", c, reduction=16).parameters())

    assert counts == {
        "se": 2 * c * h + h + c,
        "cbam": 2 * c * h + h + c + 100,
        "ca": 3 * c * 8 + 3 * 8 + 2 * c,
    }
    assert ca_16 == 12_848


@pytest.mark.parametrize("name", ALL)
@given(
    size=st.tuples(st.integers(1, 17), st.integers(1, 17)),
    channels=st.sampled_from([1, 3, 8]),
    batch=st.integers(1, 2),
)
@settings(max_examples=25, deadline=None)
def test_any_size_and_number_of_channels_keeps_its_shape_and_stays_finite(name, size, channels, batch):
    inputs = maps(name, channels, size, batch)

    out = build(name, channels)(*inputs)

    assert out.shape == inputs[0].shape
    assert out.isfinite().all()


@pytest.mark.parametrize("name", UNARY)
def test_fewer_channels_than_the_reduction_still_give_a_gate_that_depends_on_the_input(name):
    module = build(name, 3, reduction=16)
    one, other = torch.rand(2, 1, 3, 6, 5) + 0.5

    assert not torch.allclose(module(one) / one, module(other) / other)


def test_gating_map_may_have_any_size():
    module = build("gate", 4, gating_channels=3)
    x = torch.randn(2, 4, 9, 12)

    outs = [module(x, torch.full((2, 3, *size), 0.7)) for size in ((1, 1), (3, 2), (9, 12), (20, 30))]

    for out in outs[1:]:  # a constant map asks for the same at every size
        torch.testing.assert_close(out, outs[0])


@pytest.mark.parametrize("name", ALL)
def test_training_gives_every_parameter_and_input_a_gradient_from_its_first_step(name):
    torch.manual_seed(0)
    options = {"gating_channels": 32} if name == "gate" else {}
    module = attention.build(name, 16, **options)
    inputs = [x.requires_grad_() for x in maps(name, 16)]

    (module(*inputs) * torch.randn(2, 16, 7, 13)).sum().backward()

    # The bias before a batch normalisation is cancelled by it in training: only there zero is right.
    cancelled = {"ca": "squeeze.bias", "gate": "project.bias"}.get(name)
    for key, parameter in module.named_parameters():
        assert key == cancelled or parameter.grad.abs().max() > 1e-5, key
    assert all(x.grad.abs().max() > 0 for x in inputs)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("form", ["2sigmoid", "1+tanh"])
def test_untrained_mechanism_is_near_the_identity(name, form):
    torch.manual_seed(0)
    options = {"gating_channels": 128} if name == "gate" else {}
    module = attention.build(name, 64, gate=form, **options)
    x, *gating = maps(name, 64, (33, 20))

    out = module(x, *gating)

    gain = ((x * out).mean() / (x * x).mean()).item()
    assert gain == pytest.approx(1, abs=0.05)
    assert (out - gain * x).std() < 0.15 * x.std()


def test_forms_of_a_gate_have_their_ranges_and_their_values_at_zero():
    far = torch.tensor([-30.0, 0.0, 30.0])

    found = {form: factor(far, form).tolist() for form in FORMS}

    assert found == {
        "sigmoid": pytest.approx([0, 0.5, 1]),
        "2sigmoid": pytest.approx([0, 1, 2]),
        "1+tanh": pytest.approx([0, 1, 2]),
        "residual": pytest.approx([1, 1.5, 2]),
    }


def test_residual_form_adds_the_gated_features_to_the_features():
    (x,) = maps("se")

    torch.testing.assert_close(build("se", gate="residual")(x), x + build("se", gate="sigmoid")(x))


def test_squeeze_excitation_weighs_channels_alike_everywhere_and_ignores_where_things_are():
    module, (x,) = build("se"), maps("se")
    shuffle = torch.randperm(7 * 13)
    shuffled = x.flatten(2)[:, :, shuffle].reshape(x.shape)

    gate = module(x) / x

    assert gate.std(dim=(2, 3)).max() < 1e-5
    assert gate.std(dim=1).min() > 1e-3
    torch.testing.assert_close(module(shuffled), module(x).flatten(2)[:, :, shuffle].reshape(x.shape))
    assert not module(torch.zeros_like(x)).any()


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


def test_cbam_with_mirrored_kernel_mirrors_its_output():
    module, mirrored, (x,) = build("cbam"), build("cbam"), maps("cbam")
    kernel = mirrored.spatial_gate.convolve.weight
    kernel.data = kernel.data.flip(3)

    torch.testing.assert_close(mirrored(x.flip(3)), module(x).flip(3))


@pytest.mark.parametrize("training", [False, True])
def test_coordinate_attention_follows_any_exchange_of_rows_and_of_columns(training):
    module, (x,) = build("ca").double().train(training), maps("ca")
    x = x.double()
    rows, columns = torch.randperm(7), torch.randperm(13)

    exchanged = module(x[:, :, rows][..., columns])

    torch.testing.assert_close(exchanged, module(x)[:, :, rows][..., columns])


def test_coordinate_attention_is_a_depth_profile_times_a_profile_along_the_line():
    module, (x,) = build("ca").double(), maps("ca")
    x = x.double()

    singular = torch.linalg.svdvals(module(x) / x)

    assert (singular[..., 1] / singular[..., 0]).max() < 1e-12


def test_coordinate_attention_with_its_profiles_swapped_transposes_its_output():
    module, swapped, (x,) = build("ca"), build("ca"), maps("ca")
    swapped.excite_rows, swapped.excite_columns = swapped.excite_columns, swapped.excite_rows

    torch.testing.assert_close(swapped(x.mT), module(x).mT)


def test_attention_gate_has_one_weight_per_cell_that_the_gating_map_decides():
    module, (x, g) = build("gate"), maps("gate")
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


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ALL)
def test_gradient_agrees_with_finite_differences(name, form):
    module = build(name, 3, gate=form).double()
    inputs = tuple(x.double().requires_grad_() for x in maps(name, 3, (3, 5), batch=1))

    assert torch.autograd.gradcheck(module, inputs)


@pytest.mark.parametrize("name", ALL)
def test_samples_of_a_batch_do_not_influence_each_other(name):
    module, inputs = build(name), maps(name)

    torch.testing.assert_close(module(*inputs)[:1], module(*(x[:1] for x in inputs)))


@pytest.mark.parametrize("name", ALL)
def test_bf16_autocast_stays_close_to_single_precision(name):
    torch.manual_seed(0)
    options = {"gating_channels": 32} if name == "gate" else {}
    module, inputs = attention.build(name, 16, **options).eval(), maps(name, 16)

    with torch.autocast("cpu", torch.bfloat16):
        low = module(*inputs)

    assert (low.float() - module(*inputs)).abs().max() < 2e-2


@pytest.mark.parametrize("name", ALL)
def test_channels_last_gives_the_same_and_stays_channels_last(name):
    module, inputs = build(name), maps(name)

    out = module.to(memory_format=torch.channels_last)(
        *(x.to(memory_format=torch.channels_last) for x in inputs)
    )

    torch.testing.assert_close(out, build(name)(*inputs))
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ALL)
def test_compiles_to_one_graph_that_serves_all_sizes(name):
    module = build(name)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")

    for size in ((7, 13), (16, 9)):
        inputs = maps(name, size=size)
        torch.testing.assert_close(compiled(*inputs), module(*inputs))


@pytest.mark.parametrize("name", ALL)
def test_export_serves_other_heights_and_widths(name):
    module = build(name)
    sizes = tuple({2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC} for _ in maps(name))

    exported = torch.export.export(module, maps(name, size=(8, 12)), dynamic_shapes=sizes).module()

    for size in ((8, 12), (6, 22)):
        torch.testing.assert_close(exported(*maps(name, size=size)), module(*maps(name, size=size)))


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown attention 'sse'; known: none, se, "):
        attention.build("sse", 8)


@pytest.mark.parametrize(
    ("name", "options"),
    [("se", {"reduction": 0}), ("cbam", {"kernel_size": 4}), ("gate", {"gating_channels": 0})],
)
def test_impossible_options_are_refused(name, options):
    with pytest.raises(ValueError, match=name if name != "se" else "reduction"):
        attention.build(name, 8, **options)


def test_arity_tells_which_mechanisms_need_a_gating_map():
    assert {name: entry.arity for name, entry in attention.ATTENTION.items() if entry.arity != 1} == {
        "gate": 2
    }
