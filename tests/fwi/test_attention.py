"""The registry of mechanisms, and what all of them have in common."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanisms import ALL, GATED, UNARY, OneByOne, attend, build, inputs, kept, untrained
from torch import nn
from torch.func import functional_call

from fwi import attention, config
from fwi.attention import ATTENTION
from fwi.attention.excitation import factor
from fwi.config.attention import check_heads

FORMS = ("sigmoid", "2sigmoid", "1+tanh", "residual")

DEAD_AT_FIRST = {
    # The bias before a batch normalisation is cancelled by it in training; only there zero is right.
    "ca": ("squeeze.bias",),
    "gate": ("project.bias",),
    "cbam_conv": ("shrink.bias", "look_around.bias"),
    # So it is here, and a softmax over cells does not feel what is added to all of them.
    "pmfs": ("enter.0.3.bias", "enter.1.3.bias", "channel_where.3.bias", "cell_mix.3.bias"),
    # A key's bias adds the same to all products of a query, which its softmax does not feel.
    "self": ("key.bias",),
    "cross": ("key.bias",),
    "criss_cross": ("key.bias",),
    # The last layer starts at zero, so that the warp starts as the identity; it opens the way for the others.
    "stn": ("hidden.weight", "hidden.bias"),
}


# -- the registry


def test_choices_tell_which_mechanisms_take_two_maps_and_which_a_list():
    found = {name: choice.joins for name, choice in config.MECHANISMS.items() if choice.joins != "filter"}

    assert found == {"gate": "gate", "cross": "gather", "mdaf": "fuse", "pmfs": "levels", "mix": "levels"}


def test_slots_hold_the_mechanisms_whose_choices_declare_them():
    found = {slot: set(choices) for slot, choices in config.SLOTS.items()}

    assert found == {
        "attention": set(UNARY),
        "skip": {*UNARY, "gate", "cross", "mdaf"},
        "bottleneck": {*UNARY, "pmfs"},
        "resample": {"interpolate", "stn", "cross"},
    }


def test_every_choice_of_the_configuration_builds_its_mechanism_with_all_of_its_options():
    for slot in ("attention", "skip"):
        for name, choice in config.SLOTS[slot].items():
            module = untrained(name, 16, **choice().model_dump(exclude={"name"}))
            assert isinstance(module, ATTENTION[name])


def test_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown attention 'sse'; known: none, se, "):
        attention.build("sse", 8)


@pytest.mark.parametrize(
    ("name", "channels", "options", "said"),
    [
        ("se", 8, {"reduction": 0}, "reduction"),
        ("se", 8, {"squeeze": ()}, "squeeze is empty; known: avg, max"),
        ("se", 8, {"squeeze": ("mean",)}, "squeeze mean; known: avg, max"),
        ("eca", 0, {}, "eca needs one channel"),
        ("gct", 0, {}, "gct needs one channel"),
        ("cbam", 8, {"kernel_size": 4}, "cbam needs an odd kernel_size"),
        ("spatial", 8, {"kernel_size": 4}, "spatial needs an odd kernel_size"),
        ("ela", 8, {"kernel_size": 4}, "ela needs an odd kernel_size"),
        ("hard", 8, {"kernel_size": 4}, "hard needs an odd kernel_size"),
        ("hard", 8, {"floor": 1.0}, "hard needs a temperature above 0 and a floor"),
        ("hard", 8, {"temperature": 0.0}, "hard needs a temperature above 0 and a floor"),
        ("psa", 1, {}, "psa needs two channels"),
        ("ela", 1, {}, "ela needs two channels"),
        (
            "self",
            24,
            {"heads": 3},
            "self: heads 3 does not divide a width of 24 and 8 channels; take 1, 2, 4, 8",
        ),
        ("self", 0, {}, "self needs one channel"),
        ("self", 3, {"position": "sine"}, "sine needs 4 channels"),
        ("self", 8, {"position": "fourier"}, "unknown position 'fourier'; known: none, sine"),
        ("criss_cross", 0, {}, "criss_cross needs one channel"),
        ("cross", 8, {"heads": 3}, "cross: heads 3 does not divide"),
        ("cross", 8, {"context_channels": 0}, "cross needs channels on both sides, got 8 and 0"),
        ("gate", 8, {"gating_channels": 0}, "gate needs channels"),
        ("mdaf", 8, {"heads": 3}, "mdaf: heads 3 does not divide a width of 8 channels; take 1, 2, 4, 8"),
        ("pmfs", [], {}, "pmfs needs maps"),
        ("pmfs", [8], {"dim": 1}, "2 or 3 dimensions, not in 1"),
        ("mix", [], {}, "mix needs maps"),
        ("mix", [8, 16], {"heads": [1]}, "2 levels, but 1 entries"),
        ("mix", [8, 16], {"heads": [3, 1]}, "mix: heads 3 does not divide"),
        ("stn", 0, {}, "stn needs one channel"),
    ],
)
def test_impossible_options_are_refused_with_the_reason(name, channels, options, said):
    with pytest.raises(ValueError, match=said):
        attention.build(name, channels, **options)


def test_one_squeeze_is_named_as_it_is_in_a_study():
    assert attention.build("se", 8, squeeze="std").describe.names == ("std",)


@given(channels=st.integers(1, 600), heads=st.integers(1, 64))
def test_heads_are_refused_exactly_where_they_do_not_divide_and_what_is_offered_does(channels, heads):
    if channels % heads == 0:
        check_heads("self", heads, channels)
        return

    with pytest.raises(ValueError, match="does not divide") as caught:
        check_heads("self", heads, channels)

    offered = [int(n) for n in str(caught.value).partition("take ")[2].split(", ")]
    assert offered == [n for n in range(1, channels + 1) if channels % n == 0]


# -- shapes


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("channels", [2, 3, 4, 8, 24, 64])
def test_any_size_and_number_of_channels_keeps_its_shape_and_stays_finite(name, channels):
    module = build(name, channels)

    for batch, size in ((1, (7, 13)), (2, (16, 16)), (1, (1, 1)), (2, (33, 20)), (1, (1, 9)), (1, (11, 1))):
        maps = inputs(name, channels, size, batch)
        outs = attend(name, module, maps)
        assert [out.shape for out in outs] == [x.shape for x in kept(name, maps)]
        assert all(out.isfinite().all() for out in outs)


@pytest.mark.parametrize("name", ALL)
@given(size=st.tuples(st.integers(1, 17), st.integers(1, 17)), batch=st.integers(1, 3))
@settings(max_examples=10, deadline=None)
def test_one_mechanism_serves_all_sizes(name, size, batch):
    maps = inputs(name, 8, size, batch)

    outs = attend(name, build(name), maps)

    assert [out.shape for out in outs] == [x.shape for x in kept(name, maps)]
    assert all(out.isfinite().all() for out in outs)


@pytest.mark.parametrize("name", ALL)
def test_a_batch_of_one_can_be_trained_on(name):
    module = untrained(name).train()

    outs = attend(name, module, inputs(name, batch=1))

    assert all(out.isfinite().all() for out in outs)


@pytest.mark.parametrize("name", ["se", "cbam", "cbam_conv", "scse", "ca"])
def test_fewer_channels_than_the_reduction_still_give_a_gate_that_depends_on_the_input(name):
    module = build(name, 3, reduction=16)
    one, other = torch.rand(2, 1, 3, 6, 5) + 0.5

    assert not torch.allclose(module(one) / one, module(other) / other)


# -- the start of training


@pytest.mark.parametrize("name", ALL)
def test_training_gives_every_parameter_and_input_a_gradient_from_its_first_step(name):
    module = untrained(name, 16)
    maps = [x.requires_grad_() for x in inputs(name, 16)]
    torch.manual_seed(2)

    sum((out * torch.randn_like(out)).sum() for out in attend(name, module, maps)).backward()

    for key, parameter in module.named_parameters():
        assert (parameter.grad.abs().max() > 1e-5) == (key not in DEAD_AT_FIRST.get(name, ())), key
    assert all(x.grad.abs().max() > 0 for x in maps)


def test_spatial_transformer_trains_all_of_its_layers_from_the_second_step():
    module, (x,) = untrained("stn", 16), inputs("stn", 16)
    torch.manual_seed(2)
    wanted = torch.randn_like(x)

    for _ in range(2):
        gradients = torch.autograd.grad((module(x) * wanted).mean(), list(module.parameters()))
        for parameter, gradient in zip(module.parameters(), gradients, strict=True):
            parameter.data -= 0.01 * gradient

    assert all(gradient.abs().max() > 0 for gradient in gradients)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("simam", "mix", "mdaf")])
def test_untrained_mechanism_is_near_the_identity(name):
    """Near what it gives back the shape of; SimAM has nothing to start with, mix-attention normalises."""
    module = untrained(name, 64)
    maps = inputs(name, 64, (33, 20))

    (out,), (x,) = attend(name, module, maps), kept(name, maps)

    gain = ((x * out).mean() / (x * x).mean()).item()
    assert gain == pytest.approx(1, abs=0.05)
    assert (out - gain * x).std() < 0.2 * x.std()


@pytest.mark.parametrize("name", GATED)
def test_untrained_gate_is_near_the_identity_in_each_of_its_unbiased_forms(name):
    module, maps = untrained(name, 64, gate="1+tanh"), inputs(name, 64, (33, 20))

    gain = (module(*maps) * maps[0]).mean() / maps[0].square().mean()

    assert gain.item() == pytest.approx(1, abs=0.1)


# -- forms of a gate


def test_forms_of_a_gate_have_their_ranges_and_their_values_at_zero():
    far = torch.tensor([-30.0, 0.0, 30.0])

    found = {form: factor(far, form).tolist() for form in FORMS}

    assert found == {
        "sigmoid": pytest.approx([0, 0.5, 1]),
        "2sigmoid": pytest.approx([0, 1, 2]),
        "1+tanh": pytest.approx([0, 1, 2]),
        "residual": pytest.approx([1, 1.5, 2]),
    }


def test_unknown_form_of_a_gate_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown form of a gate 'relu'; known: sigmoid, 2sigmoid"):
        factor(torch.zeros(1), "relu")


@pytest.mark.parametrize("name", ["se", "eca", "spatial"])
def test_residual_form_adds_the_gated_features_to_the_features(name):
    (x,) = inputs(name)

    torch.testing.assert_close(build(name, gate="residual")(x), x + build(name, gate="sigmoid")(x))


# -- numbers


@pytest.mark.parametrize("name", [name for name in ALL if name != "hard"])
def test_gradient_agrees_with_finite_differences(name):
    """All but hard attention, whose mask steps and whose gradient is another function's by intent.

    Of each map and each parameter, along a direction that moves all of its entries.
    """
    module = build(name, 4, **({"width": 2} if name == "pmfs" else {})).double()
    if name == "stn":  # a sampling point on a cell's middle has a kink in its gradient
        nn.init.normal_(module.transform.weight, std=0.01)
        nn.init.constant_(module.transform.bias, 0.1)
    maps = tuple(x.double().requires_grad_() for x in inputs(name, 4, (3, 5), batch=1))

    assert torch.autograd.gradcheck(lambda *x: attend(name, module, x), maps, fast_mode=True)
    for key, weight in module.named_parameters():

        def with_weight(value, key=key):
            return functional_call(OneByOne(name, module), {f"module.{key}": value}, maps)

        values = weight.detach().clone().requires_grad_()
        assert torch.autograd.gradcheck(with_weight, values, fast_mode=True), key


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("form", FORMS)
def test_gradient_agrees_with_finite_differences_in_every_form_of_a_gate(name, form):
    module = build(name, 3, gate=form).double()
    maps = tuple(x.double().requires_grad_() for x in inputs(name, 3, (2, 3), batch=1))

    assert torch.autograd.gradcheck(module, maps)


@pytest.mark.parametrize("name", ALL)
def test_samples_of_a_batch_do_not_influence_each_other_in_evaluation(name):
    module, maps = build(name).double(), [x.double() for x in inputs(name)]

    together, alone = attend(name, module, maps), attend(name, module, [x[:1] for x in maps])

    for several, one in zip(together, alone, strict=True):
        torch.testing.assert_close(several[:1], one)


@pytest.mark.parametrize("name", ALL)
def test_evaluation_repeats_exactly_and_survives_saving(name):
    module, restored, maps = build(name), untrained(name).eval(), inputs(name)
    restored.load_state_dict(module.state_dict(), strict=True)

    once, again, loaded = (attend(name, each, maps) for each in (module, module, restored))

    for a, b, c in zip(once, again, loaded, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", [name for name in ALL if name != "none"])
def test_what_a_mechanism_changes_is_nearly_the_same_under_bf16_autocast(name, dtype):
    module, maps = build(name, 16), [(x + 1).bfloat16() for x in inputs(name, 16)]
    whole = [x.float() for x in maps]

    with torch.autocast("cpu", torch.bfloat16):
        low = attend(name, module, [x.to(dtype) for x in maps])

    for out, exact, x in zip(low, attend(name, module, whole), kept(name, whole), strict=True):
        assert (out.float() - exact).norm() < 0.05 * (exact - x).norm()


@pytest.mark.parametrize("name", ALL)
def test_channels_last_gives_the_same(name):
    maps = [x.to(memory_format=torch.channels_last) for x in inputs(name)]

    outs = attend(name, build(name).to(memory_format=torch.channels_last), maps)

    for out, wanted in zip(outs, attend(name, build(name), inputs(name)), strict=True):
        torch.testing.assert_close(out, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in UNARY if name not in ("self", "criss_cross", "stn")])
def test_a_gated_map_stays_channels_last(name):
    (x,) = inputs(name)

    out = build(name)(x.to(memory_format=torch.channels_last))

    assert out.is_contiguous(memory_format=torch.channels_last)
