import pytest
import torch

from fwi import networks
from fwi.config import GridConfig, ModelConfig, SurveyConfig
from fwi.networks.table import parts
from fwi.survey import Survey

SURVEY = Survey(GridConfig(nz=19, nx=21), SurveyConfig(shots=3, receivers=21, nt=40, keep_every=1))
CELLS = 19 * 21


def model(**options) -> ModelConfig:
    return ModelConfig.model_validate({"channels": (4, 8, 16)} | options)


def part(name: str, **options):
    (found,) = (each for each in parts(model(**options), SURVEY) if each.name == name)
    return found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"columns": "midpoints"},
        {"name": "fcnvmb_unet"},
        {"name": "umixformer"},
        {"name": "inversion_net", "channels": (4, 4, 8, 8, 8)},
    ],
)
def test_parts_have_all_parameters_of_the_network(options):
    network = networks.build(model(**options), SURVEY)

    found = parts(model(**options), SURVEY)

    assert sum(each.parameters for each in found) == sum(p.numel() for p in network.parameters())


def test_parts_are_listed_in_the_order_they_run_with_the_maps_that_leave_them():
    found = parts(model(bottleneck="self"), SURVEY)

    assert [(each.name, each.shape) for each in found] == [
        ("stem", (8, 19, 21)),
        ("encoder 0", (4, 19, 21)),
        ("encoder 1", (8, 10, 11)),
        ("encoder 2", (16, 5, 6)),
        ("bottleneck", (16, 5, 6)),
        ("decoder 1", (8, 10, 11)),
        ("decoder 0", (4, 19, 21)),
        ("head", (19, 21)),
    ]


@pytest.mark.parametrize("encoder", ["mit_b0", "lvt", "mscan_t", "unet"])
def test_a_network_of_encoder_and_decoder_is_listed_level_by_level(encoder):
    channels = (4, 8, 16, 16, 32)
    found = parts(model(name="umixformer", encoder=encoder, channels=channels), SURVEY)

    levels = [each for each in found if each.name.startswith("encoder")]
    stages = [each for each in found if each.name.startswith("decoder stages")]
    assert [each.name for each in levels] == [f"encoder {level}" for level in range(4)]
    assert [each.shape for each in stages] == [each.shape for each in reversed(levels)]
    assert [each.attention for each in stages] == 4 * [("mix",)]
    assert {each.shape[1:] for each in found if each.name.startswith("decoder keys")} == {levels[3].shape[1:]}


def test_mechanisms_are_named_where_they_stand_once_each():
    found = parts(
        model(
            attention=["scse", "cbam_conv", "none"], skip=["gate", "mdaf"], bottleneck="pmfs", resample="stn"
        ),
        SURVEY,
    )

    assert {each.name: each.attention for each in found if each.attention} == {
        "stem": ("stn",),
        "encoder 0": ("scse",),
        "encoder 1": ("cbam_conv",),
        "bottleneck": ("pmfs",),
        "decoder 1": ("mdaf", "cbam_conv"),
        "decoder 0": ("gate", "scse"),
    }


def test_multiply_adds_of_convolutions_are_cells_times_weights():
    assert part("encoder 0").multiply_adds == CELLS * 9 * (8 * 4 + 4 * 4)
    assert part("encoder 1").multiply_adds == 10 * 11 * 9 * (4 * 8 + 8 * 8)
    assert part("head").multiply_adds == CELLS * 4


def test_multiply_adds_of_attention_are_those_of_its_two_products_and_its_projections():
    cells, channels, inner = 5 * 6, 16, 8

    found = part("bottleneck", bottleneck={"name": "self", "position": "none"})

    projections = cells * channels * (2 * inner + channels)
    assert (
        found.multiply_adds == projections + cells**2 * 2 * channels
    )  # queries are padded to the values' width


@pytest.mark.parametrize(
    "options", [{}, {"attention": ["se", "cbam", "ca"], "skip": ["cross", "gate"], "bottleneck": "self"}]
)
def test_memory_is_what_autograd_really_keeps(options):
    network = networks.build(model(**options), SURVEY)
    own = {x.untyped_storage().data_ptr() for x in (*network.parameters(), *network.buffers())}
    kept = {}

    def note(x: torch.Tensor) -> torch.Tensor:
        kept.setdefault(x.untyped_storage().data_ptr(), (x.untyped_storage().nbytes(), x))
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        velocity = network(torch.randn(2, 3, 40, 21))

    assert velocity.shape == (2, 19, 21)
    real = sum(size for place, (size, _) in kept.items() if place not in own) / 2
    listed = sum(each.memory for each in parts(model(**options), SURVEY))
    assert listed == pytest.approx(real, rel=0.02)


def test_nothing_is_computed():
    """A network whose maps would take terabytes is described as quickly as another."""
    grid = GridConfig(nz=100_000, nx=100_000)
    huge = Survey(grid, SurveyConfig(shots=3, receivers=100_000, nt=100_000, keep_every=1))

    found = parts(model(), huge)

    assert found[1].multiply_adds == 10**10 * 9 * (8 * 4 + 4 * 4)
