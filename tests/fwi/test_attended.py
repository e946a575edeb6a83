"""What a network is said to have attended to is what it multiplied by and gathered from, and where."""

import numpy as np
import pytest
import torch
from mechanisms import build, inputs
from torch import Tensor, nn
from torch.nn.functional import gelu

from fwi import networks
from fwi.attention.mix import MixAttention
from fwi.config import SLOTS, ModelConfig
from fwi.networks.attended import Attended, attended
from fwi.networks.midpoints import Midpoints
from fwi.survey import Survey

CHANNELS = (4, 8, 16)
CELL = (13, 20)
MULTIPLYING = (
    "se",
    "eca",
    "gct",
    "spatial",
    "cbam",
    "cbam_conv",
    "scse",
    "simam",
    "psa",
    "ca",
    "ela",
    "hard",
)


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def survey(tiny_study) -> Survey:
    """24 x 36 cells, 4 shots of 50 samples and 36 receivers."""
    return Survey(tiny_study.grid, tiny_study.survey)


def network_for(survey: Survey, **model) -> nn.Module:
    """A network whose every weight does something."""
    torch.manual_seed(0)
    config = ModelConfig.model_validate({"channels": CHANNELS} | model)
    network = networks.build(config, survey)
    for each in network.attending().values():
        for parameter in each.module.parameters():
            nn.init.normal_(parameter, std=0.5)
    return network.eval()


def record(survey: Survey) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(1, *survey.gather_shape)


def look(network: nn.Module, survey: Survey, cell: tuple[int, int] = CELL) -> dict[str, Attended]:
    return {found.place: found for found in attended(network, record(survey), cell)}


def given_to(network: nn.Module, module: nn.Module, survey: Survey) -> tuple[Tensor, ...]:
    """The maps that a module of a network is given."""
    heard: list[tuple[Tensor, ...]] = []
    hook = module.register_forward_pre_hook(lambda _, given: heard.append(given))
    network(record(survey))
    hook.remove()
    return heard[0]


# -- the mechanisms tell what they do


@pytest.mark.parametrize("name", MULTIPLYING)
def test_factors_times_the_map_is_what_a_gate_gives(name):
    module, (x,) = build(name).double(), inputs(name)
    x = x.double()

    torch.testing.assert_close(x * module.factors(x), module(x))


def test_factors_of_the_attention_gate_are_what_its_skip_is_multiplied_by():
    module, (x, g) = build("gate").double(), (each.double() for each in inputs("gate"))
    multiplied: list[Tensor] = []
    module.project.register_forward_pre_hook(lambda _, given: multiplied.append(given[0]))

    factors = module.factors(x, g)
    module(x, g)

    assert factors.shape == (2, 1, 7, 13)
    torch.testing.assert_close(x * factors, multiplied[0])


def test_factors_of_multi_scale_attention_are_what_its_values_are_multiplied_by():
    module, maps = build("pmfs").double(), [x.double() for x in inputs("pmfs")]
    heard: dict[str, Tensor] = {}
    module.cell_value.register_forward_hook(lambda _, given, out: heard.update(before=out))
    module.cell_mix.register_forward_pre_hook(lambda _, given: heard.update(after=given[0]))

    factors = module.factors(maps)
    module(maps)

    assert factors.shape == (2, 2, 4, 7)
    wide = factors.repeat_interleave(module.width, dim=1)
    torch.testing.assert_close(heard["before"] * wide, heard["after"])


@pytest.mark.parametrize("name", ["self", "cross"])
@pytest.mark.parametrize("options", [{}, {"heads": 4}, {"pool": 2}])
def test_weights_of_a_cell_are_its_row_of_all_weights_mean_over_heads(name, options):
    module, maps = build(name, 16, **options), inputs(name, 16)

    of_one = module.weights_of((3, 5), *maps)

    rows, columns = (-(-n // options.get("pool", 1)) for n in maps[-1].shape[2:])
    whole = module.weights(*maps).mean(dim=1)
    torch.testing.assert_close(of_one, whole[:, 3 * 13 + 5].reshape(2, rows, columns))


def test_weights_of_a_cell_need_no_matrix_of_all(monkeypatch):
    monkeypatch.setattr("fwi.attention.tokens.MAX_EXPLICIT_TOKENS", 90)
    (x,) = inputs("self")

    assert build("self").weights_of((3, 5), x).sum().item() == pytest.approx(2)


def test_weights_of_a_criss_cross_are_what_a_cell_adds_of_its_row_and_column():
    module, (x,) = build("criss_cross").double(), inputs("criss_cross")
    x = x.double()

    weights = module.weights_of((3, 5), x)

    gathered = torch.einsum("bhw,bchw->bc", weights, module.value(x))
    torch.testing.assert_close(x[..., 3, 5] + module.gamma * gathered, module(x)[..., 3, 5])
    off_the_cross = weights[:, [r for r in range(7) if r != 3]][:, :, [c for c in range(13) if c != 5]]
    assert not off_the_cross.any()


def test_weights_of_a_fusion_are_half_those_of_its_row_and_half_those_of_its_column():
    module, maps = build("mdaf").double(), [x.double() for x in inputs("mdaf")]

    weights = module.weights_of((3, 5), *maps)

    _, (first, second) = module._see(*maps)
    by_row = module._gather(second, first, 0) - _unit_rows(second)
    by_column = module._gather(first.mT, second.mT, 1).mT - _unit_rows(first.mT).mT
    down, along = 2 * weights[:, :, 5], 2 * weights[:, 3, :]
    down[:, 3], along[:, 5] = 1 - down.sum(dim=1) + down[:, 3], 1 - along.sum(dim=1) + along[:, 5]
    torch.testing.assert_close(weights.sum(dim=(1, 2)), torch.ones(2).double())
    torch.testing.assert_close(torch.einsum("bh,bch->bc", down, first[..., 5]), by_row[..., 3, 5])
    torch.testing.assert_close(torch.einsum("bw,bcw->bc", along, second[..., 3, :]), by_column[..., 3, 5])


def _unit_rows(seen: Tensor) -> Tensor:
    """Each row of a map as a vector of length one."""
    return seen / seen.square().sum(dim=(1, 3), keepdim=True).sqrt()


def test_weights_of_mix_attention_are_those_of_torchs_multihead_attention():
    torch.manual_seed(0)
    module = MixAttention(16, 24, heads=2).double().eval()
    x, keys = torch.randn(2, 16, 5, 6).double(), torch.randn(2, 24, 3, 2).double()
    oracle = nn.MultiheadAttention(16, 2, batch_first=True, kdim=24, vdim=24, dtype=torch.float64)
    oracle.q_proj_weight.data = module.query.weight.data
    oracle.k_proj_weight.data, oracle.v_proj_weight.data = module.key_value.weight.data.chunk(2)
    nn.init.zeros_(oracle.in_proj_bias)

    found = module.weights_of((2, 4), x, keys)

    asking = module.normalise(x.flatten(2).transpose(1, 2))
    answering = gelu(module.normalise_keys(keys.flatten(2).transpose(1, 2)))
    _, wanted = oracle(asking, answering, answering)
    torch.testing.assert_close(found, wanted[:, 2 * 6 + 4].reshape(2, 3, 2))


# -- a network's attention, place by place


@pytest.mark.parametrize(("slot", "name"), [(slot, name) for slot in SLOTS for name in SLOTS[slot]])
def test_every_mechanism_is_looked_at_in_every_slot_but_what_weighs_nothing(slot, name, survey):
    entries = {
        "attention": ["se", name, name],
        "skip": ["gate", name],
        "bottleneck": {"name": name, "levels": 2} if name == "pmfs" else name,
        "resample": name,
    }
    network = network_for(survey, **({"attention": ["se"] * 3} | {slot: entries[slot]}))

    found = look(network, survey)

    own = [place for place, each in found.items() if each.mechanism == name]
    if name in ("none", "interpolate", "stn"):
        assert name == "se" or not own
    else:
        places = {
            "attention": ["encoder 1", "encoder 2", "decoder 1"],
            "skip": ["skip 1"],
            "bottleneck": ["bottleneck 0"],
            "resample": ["resample"],
        }
        assert set(places[slot]) <= set(own)
    for each in found.values():
        assert np.isfinite(each.values).all()
        if each.kind == "weight":
            assert each.values.min() >= 0
            assert each.values.sum() == pytest.approx(1, rel=1e-5)
        if each.values.ndim == 2:
            size = survey.gather_shape[1:] if each.axes == "record" else (24, 36)
            assert each.spread(*size).shape == size


def test_places_come_in_the_order_in_which_the_network_runs_them(survey):
    network = network_for(
        survey,
        attention=["ca", "none", "cbam"],
        skip=["gate", "mdaf"],
        bottleneck=["se", "self"],
        resample="cross",
    )

    found = [(each.place, each.mechanism) for each in look(network, survey).values()]

    assert found == [
        ("resample", "cross"),
        ("encoder 0", "ca"),
        ("encoder 2", "cbam"),
        ("bottleneck 0", "se"),
        ("bottleneck 1", "self"),
        ("skip 1", "mdaf"),
        ("skip 0", "gate"),
        ("decoder 0", "ca"),
    ]


def test_map_of_a_gate_is_what_the_network_multiplied_its_skip_by(survey):
    network = network_for(survey, skip=["gate", "gate"])
    gate = network.decoder[1].attend_skip

    (skip, _), (multiplied,) = given_to(network, gate, survey), given_to(network, gate.project, survey)

    found = look(network, survey)["skip 1"]
    assert found.values.shape == (12, 18)
    assert found.stride == (2, 2)
    np.testing.assert_allclose(skip[0] * found.values, multiplied[0], atol=1e-5)


def test_map_of_channels_and_cells_is_the_mean_over_the_channels(survey):
    network = network_for(survey, bottleneck=["self", "ca"])
    module = network.bottleneck.attend[1]

    found = look(network, survey)["bottleneck 1"]

    (x,) = given_to(network, module, survey)
    assert x.abs().min() > 0
    np.testing.assert_allclose(found.values, (module(x) / x)[0].mean(dim=0), rtol=1e-4)


def test_factors_that_are_the_same_everywhere_are_one_per_channel(survey):
    network = network_for(survey, attention=["none", "se", "none"])

    found = look(network, survey)["encoder 1"]

    (x,) = given_to(network, network.encoder[1].attend, survey)
    np.testing.assert_allclose(x[0] * found.values[:, None, None], network.encoder[1].attend(x)[0], rtol=1e-5)


@pytest.mark.parametrize(("cell", "at_level"), [((0, 0), (0, 0)), (CELL, (6, 10)), ((23, 35), (11, 17))])
def test_weights_are_those_of_the_cell_of_the_section_at_the_level_of_the_mechanism(cell, at_level, survey):
    network = network_for(survey, skip=["none", {"name": "cross", "pool": 2}])

    found = look(network, survey, cell)["skip 1"]

    module = network.decoder[1].attend_skip
    all_weights = module.weights(*given_to(network, module, survey))[0].mean(dim=0)
    wanted = all_weights[at_level[0] * 18 + at_level[1]].reshape(6, 9)
    np.testing.assert_allclose(found.values, wanted, rtol=1e-4)
    assert found.stride == (4, 4)


def test_weights_of_midpoints_are_shown_over_the_receivers_of_a_shot(tiny_study):
    receivers = tiny_study.survey.model_copy(update={"receivers": 18})
    sparse = Survey(tiny_study.grid, receivers)
    network = network_for(sparse, resample="cross", columns="midpoints")
    sorting = nn.Sequential(Midpoints(sparse), network)
    (found,) = attended(network, record(sparse), (5, 20), through=sorting)

    shown = found.by_receiver(50, Midpoints(sparse).columns, Midpoints(sparse).column[1])

    by_midpoint = found.spread(50, 36)
    column = int((sparse.shot_x[1] + sparse.receiver_x[1, 10]) / 2 / sparse.grid.spacing)
    assert shown.spread(50, 18).shape == (50, 18)
    np.testing.assert_array_equal(shown.values[:, 10], by_midpoint[:, column])


def test_weights_from_the_record_are_those_of_its_samples_and_traces(survey):
    network = network_for(survey, resample={"name": "cross", "pool": 4})

    found = look(network, survey)["resample"]

    # The stem halves 50 samples to 25; its attention pools 4 x 4 of these.
    assert (found.axes, found.values.shape, found.stride) == ("record", (7, 9), (8, 4))
    whole = network.stem.ask.weights(*given_to(network, network.stem.ask, survey))[0].mean(dim=0)
    wanted = whole[CELL[0] * 36 + CELL[1]].reshape(7, 9)
    np.testing.assert_allclose(found.values, wanted, rtol=1e-4)


def test_a_map_is_spread_to_the_cells_that_were_pooled_to_its_own():
    found = Attended("encoder 2", "spatial", "factor", np.arange(12.0).reshape(3, 4), stride=(4, 4))

    spread = found.spread(10, 15)

    assert spread.shape == (10, 15)
    rows, columns = np.indices((10, 15)) // 4
    np.testing.assert_array_equal(spread, 4 * rows + columns)


def test_every_level_of_mix_attention_is_looked_at(survey):
    network = network_for(survey, name="umixformer", channels=(4, 8, 16, 32), encoder="unet")

    found = look(network, survey)

    assert list(found) == ["decoder 2", "decoder 1", "decoder 0"]
    assert {each.mechanism for each in found.values()} == {"mix"}
    assert {each.values.shape for each in found.values()} == {(3, 5)}
    assert {each.stride for each in found.values()} == {(8, 8)}


@pytest.mark.parametrize(
    "model",
    [{}, {"resample": "stn", "bottleneck": "stn"}, {"name": "inversion_net", "channels": (4, 8, 16, 32, 64)}],
)
def test_of_a_network_that_weighs_nothing_there_is_nothing_to_see(model, survey):
    assert look(network_for(survey, **model), survey) == {}


def test_looking_leaves_no_trace(survey):
    network = network_for(survey, attention=["se", "cbam", "ca"], skip=["gate", "cross"])
    before = network(record(survey))

    look(network, survey)

    assert torch.equal(network(record(survey)), before)
    assert not any(module._forward_pre_hooks for module in network.modules())
