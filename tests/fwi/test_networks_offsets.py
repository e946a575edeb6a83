"""Common-offset sections, and networks of any survey: where traces go, and what must not matter."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fwi.config import GridConfig, ModelConfig, StudyConfig, SurveyConfig
from fwi.contributions import contributions, most_important
from fwi.inverter import Inverter
from fwi.networks.offsets import DAMPING, CommonOffsets
from fwi.networks.table import parts
from fwi.survey import Survey

GRID = GridConfig(nz=31, nx=61)
LENGTH = 1200.0
CLASSES = 7


def survey(**settings) -> Survey:
    """A survey over 61 columns of 20 m."""
    return Survey(GRID, SurveyConfig(**{"shots": 5, "receivers": 61, "nt": 200} | settings))


def at(*shots: float, **settings) -> Survey:
    return survey(shots=len(shots), shot_x=shots, **settings)


def record(made: Survey, seed: int = 0, batch: int = 1) -> Tensor:
    return torch.randn(batch, *made.gather_shape, generator=torch.Generator().manual_seed(seed))


def trace(made: Survey, shot: int, receiver: int) -> Tensor:
    """A record that is one in a single trace and silent elsewhere."""
    gathers = torch.zeros(1, *made.gather_shape)
    gathers[0, shot, :, receiver] = 1.0
    return gathers


@pytest.fixture(scope="module")
def sort() -> CommonOffsets:
    return CommonOffsets(survey(), CLASSES)


@pytest.fixture(scope="module")
def inverter() -> Inverter:
    """An untrained inverter of any survey whose sections depend on its records."""
    study = StudyConfig(
        grid=GRID,
        survey=survey().config,
        model=ModelConfig(channels=(8, 16), columns="offsets", offsets=CLASSES, attention=("se", "ca")),
    )
    torch.manual_seed(0)
    made = Inverter(study)
    torch.nn.init.normal_(made.network.head.project.weight)
    return made.eval()


def test_a_trace_goes_to_its_midpoint_and_offset():
    made = at(100.0, 600.0)
    sort = CommonOffsets(made, 13)  # a class every 100 m up to 1200 m

    sections = sort(trace(made, shot=0, receiver=45))  # at 900 m: midpoint 500 m, offset 800 m

    place = sections[0, :, 0].nonzero().tolist()
    assert place == [[8, 25]]
    assert sections[0, 8, 0, 25] == pytest.approx(1 / (1 + DAMPING))


def test_a_trace_between_places_is_divided_by_distance():
    made = at(110.0, 600.0)  # offsets to a receiver at 900 m: 790 m; midpoint 505 m
    sort = CommonOffsets(at(100.0, 600.0), 13)

    places = sort.places(made)

    weight = places.weight[:, 45].view(2, 2)  # classes 7 and 8, columns 25 and 26
    np.testing.assert_allclose(weight, [[0.1 * 0.75, 0.1 * 0.25], [0.9 * 0.75, 0.9 * 0.25]], atol=1e-6)
    assert (places.number[:, 45] == torch.tensor([7 * 61 + 25, 7 * 61 + 26, 8 * 61 + 25, 8 * 61 + 26])).all()


def test_every_trace_within_the_line_and_the_offsets_is_used_once(sort):
    used = sort.places(survey(shots=9, receivers=37)).weight.sum(dim=0)

    torch.testing.assert_close(used, torch.ones(9 * 37))


def test_offsets_beyond_those_of_a_streamer_are_left_out():
    streamer = {"spread": "streamer", "near_offset": 100.0, "receivers": 20, "receiver_interval": 20.0}
    sort, farther = CommonOffsets(survey(**streamer), CLASSES), at(0.0)

    used = sort.places(farther).weight.sum(dim=0).numpy()

    np.testing.assert_allclose(used, (farther.offset[0] <= 480.0).astype(float), atol=1e-6)


def test_a_stack_is_the_mean_of_its_traces_whatever_their_number(sort):
    few, many = survey(shots=5), survey(shots=30, receivers=61)
    gathers = torch.full((1, 30, 40, 61), 3.0)

    for made in (few, many):
        places = sort.places(made)
        fold = torch.zeros(CLASSES * 61).index_add_(0, places.number.flatten(), places.weight.flatten())
        stack = sort(gathers[:, : made.config.shots], made)[0, :, 0].flatten()
        torch.testing.assert_close(stack, 3 * fold / (fold + DAMPING))


def test_the_order_of_shots_and_receivers_does_not_matter(sort):
    made, order = survey(), [3, 0, 4, 2, 1]
    gathers = record(made)
    shuffled = survey()
    vars(shuffled)["shot_x"] = made.shot_x[order]
    vars(shuffled)["receiver_x"] = made.receiver_x[order, ::-1]

    found = sort(gathers[:, order].flip(3), shuffled)

    torch.testing.assert_close(found, sort(gathers, made), rtol=1e-5, atol=1e-6)


def test_reciprocity_shot_and_receiver_change_places(sort):
    along = tuple(np.arange(0, 1200.0, 200.0))
    made = at(*along, receivers=61)
    exchanged = at(*made.receiver_x[0])
    vars(exchanged)["receiver_x"] = np.repeat(made.shot_x[None], 61, axis=0)
    gathers = record(made)

    found = sort(gathers.transpose(1, 3), exchanged)

    torch.testing.assert_close(found, sort(gathers, made), rtol=1e-5, atol=1e-6)


def test_a_mirrored_line_gives_mirrored_sections(sort):
    made = at(40.0, 330.0, 900.0)
    mirrored = at(*(LENGTH - made.shot_x[::-1]))
    gathers = record(made)

    found = sort(gathers.flip(1, 3), mirrored)

    torch.testing.assert_close(found, sort(gathers, made).flip(3), rtol=1e-5, atol=1e-6)


def test_zero_traces_are_as_good_as_absent_ones(sort):
    made = survey()
    gathers = record(made)
    gathers[:, [0, 3]] = 0
    remaining = at(*made.shot_x[[1, 2, 4]])

    torch.testing.assert_close(sort(gathers[:, [1, 2, 4]], remaining), sort(gathers, made))


@pytest.mark.parametrize("coarsening", [1, 2, 3])
@pytest.mark.parametrize("resample", ["interpolate", "cross", "stn"])
def test_networks_of_any_kind_take_common_offsets(coarsening, resample):
    model = ModelConfig(
        channels=(4, 8, 8),
        columns="offsets",
        offsets=5,
        coarsening=coarsening,
        resample=resample,
        skip=("gate", "cross"),
    )
    made = Inverter(StudyConfig(grid=GRID, survey=survey().config, model=model)).eval()

    section = made.invert(record(survey()).numpy())

    assert section.shape == (1, 31, 61)
    assert sum(part.parameters for part in parts(model, survey())) == sum(
        p.numel() for p in made.network.parameters()
    )


@pytest.mark.parametrize("name", ["inversion_net", "fcnvmb_unet", "umixformer"])
def test_published_networks_take_common_offsets(name):
    model = ModelConfig(name=name, columns="offsets", offsets=5, channels=(4, 8, 8, 8, 8))
    made = Inverter(StudyConfig(grid=GRID, survey=survey().config, model=model)).eval()

    assert made.invert(record(survey(shots=3))[0].numpy(), at(20.0, 500.0, 1110.0)).shape == (31, 61)


def test_records_of_another_survey_invert_to_a_section(inverter):
    other = at(33.0, 410.0, 431.5, receivers=41)

    section = inverter.invert(record(other)[0].numpy(), other)

    assert section.shape == (31, 61)
    assert np.ptp(section) > 20


def test_records_of_any_survey_are_mirrored_with_their_survey(inverter):
    made, mirrored = at(1.0, 222.0, 300.0), at(900.0, 978.0, 1199.0)
    gathers = record(made)[0].numpy()
    assert not made.symmetric
    once, other = inverter.invert(gathers, made), inverter.invert(gathers[::-1, :, ::-1], mirrored)

    section = inverter.invert(gathers, made, mirror=True)

    assert np.abs(once - other[:, ::-1]).max() > 20
    np.testing.assert_allclose(section, (once + other[:, ::-1]) / 2, atol=0.5)


def test_the_section_does_not_change_with_shots_that_hold_nothing(inverter):
    made = survey()
    gathers = record(made)[0].numpy()
    gathers[[0, 3]] = 0
    remaining = at(*made.shot_x[[1, 2, 4]])

    found = inverter.invert(gathers[[1, 2, 4]], remaining)

    np.testing.assert_allclose(found, inverter.invert(gathers), atol=0.5)


def test_a_survey_of_another_kind_is_refused_with_what_differs(inverter):
    others = {
        "survey.wavelet.frequency: 10.0 against 12.0": survey(wavelet={"frequency": 12.0}),
        "survey.nt: 200 against 300": survey(nt=300),
        "grid.nz: 31 against 35": Survey(GridConfig(nz=35, nx=61), survey().config),
        "survey.depth: 20.0 against 40.0": survey(depth=40.0),
    }
    for difference, other in others.items():
        with pytest.raises(ValueError, match=difference):
            inverter.invert(record(other)[0].numpy(), other)


def test_a_network_of_one_survey_refuses_others_and_names_those_that_do_not():
    study = StudyConfig(grid=GRID, survey=survey().config, model=ModelConfig(channels=(4, 8)))

    with pytest.raises(ValueError, match=r"survey\.shots: 5 against 3.*model\.columns: offsets takes any"):
        Inverter(study).invert(record(at(1.0, 222.0, 300.0))[0].numpy(), at(1.0, 222.0, 300.0))


def test_contributions_are_changes_of_the_section_without_each_shot(inverter):
    gathers = record(survey())[0].numpy()
    without = gathers.copy()
    without[2] = 0

    changes = contributions(inverter, gathers)

    assert changes.shape == (5, 31, 61)
    wanted = inverter.invert(gathers) - inverter.invert(without)
    np.testing.assert_allclose(changes[2], wanted, atol=0.5)
    size, shot = most_important(changes, survey().shot_x)
    np.testing.assert_allclose(size.values, np.abs(changes).max(axis=0))
    cell = np.unravel_index(np.abs(wanted).argmax(), wanted.shape)
    assert abs(changes[list(survey().shot_x).index(shot.values[cell])][cell]) == size.values[cell]


def test_a_silent_shot_contributes_nothing(inverter):
    gathers = record(survey())[0].numpy()
    gathers[1] = 0

    np.testing.assert_allclose(contributions(inverter, gathers)[1], 0, atol=0.1)
