from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fwi import attention, networks
from fwi.config import GridConfig, ModelConfig, SurveyConfig
from fwi.networks import NETWORKS
from fwi.networks.blocks import BoundedVelocity
from fwi.networks.sizes import Sizes
from fwi.survey import Survey

RANGE = (1500.0, 4500.0)
SMALL = (4, 6, 8)
NAMES = ("attention_unet", "fcnvmb_unet")


def build(
    samples: int = 40, receivers: int = 23, nz: int = 19, nx: int = 21, shots: int = 3, **model
) -> nn.Module:
    torch.manual_seed(0)
    config = ModelConfig.model_validate({"channels": SMALL} | model)
    return NETWORKS[config.name](config, Sizes(shots, receivers, samples, nz, nx, RANGE))


def gathers(batch: int = 2, shots: int = 3, samples: int = 40, receivers: int = 23) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(batch, shots, samples, receivers)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@given(
    samples=st.integers(1, 60),
    receivers=st.integers(1, 30),
    nz=st.integers(1, 33),
    nx=st.integers(1, 33),
    shots=st.integers(1, 4),
    output=st.sampled_from(["bounded", "raw"]),
)
@settings(max_examples=40, deadline=None)
def test_attention_unet_serves_any_size_of_record_and_grid(samples, receivers, nz, nx, shots, output):
    every = {"attention": ["se", "cbam", "ca"], "skip": ["gate", "gate"]}
    network = build(samples, receivers, nz, nx, shots, output=output, **every).eval()

    velocity = network(gathers(1, shots, samples, receivers))

    assert velocity.shape == (1, nz, nx)
    assert velocity.isfinite().all()


@given(
    samples=st.integers(20, 60), receivers=st.integers(20, 40), nz=st.integers(1, 19), nx=st.integers(1, 19)
)
@settings(max_examples=20, deadline=None)
def test_fcnvmb_unet_serves_any_grid_smaller_than_the_record(samples, receivers, nz, nx):
    network = build(samples, receivers, nz, nx, name="fcnvmb_unet").eval()

    assert network(gathers(1, 3, samples, receivers)).shape == (1, nz, nx)


@pytest.mark.parametrize("name", NAMES)
def test_training_gives_every_parameter_a_gradient_from_its_first_step(name):
    every = {"attention": ["se", "cbam", "ca"], "skip": ["ca", "gate"]} if name == "attention_unet" else {}
    network = build(name=name, **every)

    (network(gathers(4)) * torch.randn(4, 19, 21)).sum().backward()

    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.ndim == 1 or parameter.grad.abs().max() > 0, key  # normalisation cancels some biases


@pytest.mark.parametrize("name", NAMES)
def test_bounded_output_keeps_to_the_velocity_range_whatever_the_record(name):
    network = build(name=name).eval()
    network.head.project.weight.data *= 1e4

    velocity = network(1e3 * gathers())

    assert velocity.min() == RANGE[0]
    assert velocity.max() == RANGE[1]


def test_untrained_attention_unet_predicts_the_middle_of_the_range():
    velocity = build()(gathers())

    assert velocity.mean().item() == pytest.approx(3000, abs=100)
    assert velocity.std() < 100


def test_bounded_velocity_can_be_trained_to_and_from_the_ends_of_the_range():
    velocity = BoundedVelocity(RANGE)
    x = torch.linspace(-8, 8, 1601, requires_grad=True)

    speeds = velocity(x)
    (slope,) = torch.autograd.grad(speeds.sum(), x)

    at_the_ends = [slope[(speeds - end).abs().argmin()] / slope.max() for end in RANGE]
    assert min(at_the_ends) > 0.15
    assert speeds.min() > 1500 - 0.05 * 3000
    assert speeds.max() < 4500 + 0.05 * 3000


@pytest.mark.parametrize(("name", "output"), [("attention_unet", "bounded"), ("fcnvmb_unet", "raw")])
def test_bf16_autocast_does_not_round_velocity_to_its_steps_of_16_to_32_m_per_s(name, output):
    network = build(name=name, output=output)
    nn.init.constant_(network.head.project.bias, 1.0 if output == "bounded" else 3001.0)

    with torch.autocast("cpu", torch.bfloat16):
        velocity = network(gathers())

    assert velocity.dtype == torch.float32
    assert (velocity != velocity.bfloat16().float()).float().mean() > 0.9


def test_raw_output_is_the_last_convolution_itself():
    network = build(output="raw").eval()
    nn.init.zeros_(network.head.project.weight)
    nn.init.constant_(network.head.project.bias, 2345.0)

    assert (network(gathers()) == 2345).all()


@pytest.mark.parametrize("name", NAMES)
def test_what_varies_in_the_output_is_nearly_the_same_under_bf16_autocast(name):
    network = build(name=name).eval().to(memory_format=torch.channels_last)

    with torch.autocast("cpu", torch.bfloat16):
        low = network(gathers())

    single = network(gathers())
    assert low.dtype == torch.float32
    assert (low - single).norm() < 0.1 * (single - single.mean()).norm()


@pytest.mark.parametrize("name", NAMES)
def test_inference_repeats_exactly_and_treats_samples_apart(name):
    network = build(name=name).eval()

    once = network(gathers(3))

    assert torch.equal(network(gathers(3)), once)
    torch.testing.assert_close(network(gathers(3)[1:2]), once[1:2])


@pytest.mark.parametrize("mechanism", ["se", "cbam", "ca"])
@pytest.mark.parametrize("level", range(3))
def test_attention_of_a_level_ends_its_encoder_and_its_decoder_block(mechanism, level):
    entries = ["none"] * 3
    entries[level] = {"name": mechanism, "reduction": 2}
    one = parameters(attention.build(mechanism, SMALL[level], reduction=2))
    blocks = 1 if level == 2 else 2  # the deepest level has no decoder

    assert parameters(build(attention=entries)) - parameters(build()) == blocks * one


@pytest.mark.parametrize("mechanism", ["se", "cbam", "ca", "gate"])
@pytest.mark.parametrize("level", range(2))
def test_attention_of_a_skip_connection_is_on_that_skip_alone(mechanism, level):
    entries = ["none"] * 2
    entries[level] = mechanism
    more = {"gating_channels": SMALL[level + 1]} if mechanism == "gate" else {}
    one = parameters(attention.build(mechanism, SMALL[level], **more))

    assert parameters(build(skip=entries)) - parameters(build()) == one


def test_options_of_an_entry_reach_the_mechanism():
    network = build(attention=["none", {"name": "cbam", "kernel_size": 3, "gate": "sigmoid"}, "none"])

    gates = [module for module in network.modules() if isinstance(module, attention.cbam.SpatialGate)]

    assert [gate.convolve.kernel_size for gate in gates] == [(3, 3), (3, 3)]
    assert {gate.form for gate in gates} == {"sigmoid"}


@pytest.mark.parametrize(("nz", "nx"), [(16, 16), (19, 21), (9, 5)])
def test_all_maps_of_the_attention_unet_show_the_same_place_at_every_level(nz, nx):
    """With kernels cut down to their middle, a cell of the grid reaches only the cells it is pooled with."""
    network = build(nz=nz, nx=nx).eval()
    for module in [m for part in (network.encoder, network.decoder) for m in part.modules()]:
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
            module.weight.data *= torch.tensor([0.0, 1, 0]).outer(torch.tensor([0.0, 1, 0]))
        if isinstance(module, nn.ConvTranspose2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    nn.init.ones_(network.head.project.weight)
    network.stem = nn.Identity()
    grid = torch.zeros(1, 2 * SMALL[0], nz, nx)
    grid[..., nz - 1, nx - 2] = 1.0

    lit = (network(grid)[0] > 3001).nonzero()

    cells = {
        (z, x) for z in range(nz) for x in range(nx) if z // 4 == (nz - 1) // 4 and x // 4 == (nx - 2) // 4
    }
    assert {tuple(cell) for cell in lit.tolist()} == cells


@pytest.mark.parametrize(("samples", "nz"), [(200, 101), (400, 201), (202, 101), (404, 101)])
def test_stem_brings_a_record_of_fitting_length_to_the_grid_without_interpolation(samples, nz, monkeypatch):
    monkeypatch.setattr("fwi.networks.unet.interpolate", None)

    velocity = build(samples, receivers=21, nz=nz, nx=21)(gathers(samples=samples, receivers=21))

    assert velocity.shape == (2, nz, 21)


def test_stem_keeps_the_order_of_time_and_line():
    """A pulse at a later time, or on a trace further along, appears deeper, or further along."""
    network = build(samples=80, receivers=42, nz=19, nx=21).eval()

    def centre(sample: int, receiver: int) -> tuple[float, float]:
        record = torch.zeros(1, 3, 80, 42)
        record[:, :, sample, receiver] = 1.0
        energy = (network.stem(record) - network.stem(torch.zeros_like(record))).abs().sum(1)[0]
        z, x = torch.arange(19.0), torch.arange(21.0)
        return (energy.sum(1) @ z / energy.sum()).item(), (energy.sum(0) @ x / energy.sum()).item()

    assert centre(20, 10) == pytest.approx((20 / 80 * 19, 10 / 42 * 21), abs=1)
    assert centre(60, 30) == pytest.approx((60 / 80 * 19, 30 / 42 * 21), abs=1)


def test_attention_unet_knows_where_a_record_is():
    network = build().eval()
    nn.init.normal_(network.stem.column)
    nn.init.normal_(network.head.project.weight)

    velocity = network(torch.zeros(1, 3, 40, 23))

    assert velocity.std(dim=2).min() > 1


def test_fcnvmb_has_the_published_number_of_parameters():
    published = [64, 128, 256, 512, 1024]
    network = build(400, 301, 201, 301, shots=29, name="fcnvmb_unet", channels=published, output="raw")

    def block(i: int, o: int) -> int:
        return (9 * i * o + 3 * o) + (9 * o * o + 3 * o)  # convolutions with bias, normalisation

    down = sum(block(i, o) for i, o in zip([29, *published[:-1]], published, strict=True))
    up = sum(block(2 * o, o) + 4 * i * o + o for o, i in pairwise(published))
    assert parameters(network) == down + up + 64 + 1 == 31_058_497


def test_fcnvmb_cuts_rows_and_columns_from_1_out_of_its_larger_output():
    network = build(400, 301, 201, 301, shots=2, name="fcnvmb_unet", channels=[2] * 5, output="raw").eval()
    full, cut = [], []
    network.decoder[0].register_forward_hook(lambda module, inputs, output: full.append(output))
    network.head.register_forward_pre_hook(lambda module, inputs: cut.append(inputs[0]))

    network(gathers(1, 2, 400, 301))

    assert full[0].shape == (1, 2, 400, 304)
    assert torch.equal(cut[0], full[0][:, :, 1:202, 1:302])


def test_fcnvmb_skips_join_the_pooled_map_in_the_middle_of_zeros_as_published():
    network = build(40, 23, 19, 21, name="fcnvmb_unet").eval()
    pooled, joined = [], []
    network.encoder[0].register_forward_hook(lambda module, inputs, output: pooled.append(output))
    network.decoder[0].convolve.register_forward_pre_hook(lambda module, inputs: joined.append(inputs[0]))

    network(gathers(1))

    skip = joined[0][:, : SMALL[0]].clone()
    assert pooled[0].shape[2:] == (20, 12)
    assert skip.shape[2:] == (40, 24)
    assert torch.equal(skip[:, :, 10:30, 6:18], pooled[0])
    skip[:, :, 10:30, 6:18] = 0
    assert not skip.any()


@pytest.mark.parametrize("too_large", [{"nz": 40}, {"nx": 24}])
def test_fcnvmb_refuses_a_grid_larger_than_the_record_and_says_what_to_do(too_large):
    with pytest.raises(ValueError, match=r"40 x 24.*keep_every.*attention_unet"):
        build(**{"samples": 40, "receivers": 23, "nz": 39, "nx": 23} | too_large, name="fcnvmb_unet")


def test_network_is_built_for_the_records_and_the_grid_of_a_survey():
    survey = Survey(GridConfig(nz=19, nx=21), SurveyConfig(shots=3, receivers=20, nt=200, keep_every=5))

    network = networks.build(ModelConfig(channels=SMALL), survey).eval()

    assert network(gathers(1, *survey.gather_shape)).shape == (1, 19, 21)


def test_unknown_network_is_refused_with_the_known_ones():
    config = ModelConfig().model_copy(update={"name": "resnet"})

    with pytest.raises(ValueError, match="unknown network 'resnet'; known: attention_unet, unet, "):
        networks.build(config, Survey(GridConfig(), SurveyConfig()))


def test_unet_is_the_attention_unet_without_attention():
    plain, unet = build(), build(name="unet")

    assert parameters(unet) == parameters(plain)
    with pytest.raises(
        ValueError, match=r"unet has no attention: write attention: \[\], or use attention_unet"
    ):
        build(name="unet", attention=["se", "none", "none"])


@pytest.mark.parametrize("name", NAMES)
def test_export_serves_any_number_of_records(name):
    network = build(name=name).eval()
    batch = ({0: torch.export.Dim.DYNAMIC},)

    exported = torch.export.export(network, (gathers(2),), dynamic_shapes=batch).module()

    torch.testing.assert_close(exported(gathers(5)), network(gathers(5)))


@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_fit_a_model_that_touches_both_ends_of_the_range(name):
    network = build(name=name, channels=(8, 16))
    velocity = torch.full((2, 19, 21), 1500.0)
    velocity[:, 8:, 5:15] = 4500.0
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)

    for _ in range(60):
        loss = (network(gathers()) - velocity).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    assert loss < 100
