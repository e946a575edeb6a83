import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fwi import networks
from fwi.config import GridConfig, ModelConfig, PhysicsConfig, SurveyConfig, WaveletConfig
from fwi.networks import NETWORKS
from fwi.networks.midpoints import Midpoints
from fwi.networks.table import parts
from fwi.physics import Propagator
from fwi.survey import Survey

STREAMER = {
    "spread": "streamer",
    "shots": 4,
    "receivers": 30,
    "receiver_interval": 20.0,
    "near_offset": 100.0,
}


def survey(nx: int = 61, nz: int = 31, **settings) -> Survey:
    """A survey on cells of 20 m, with receivers on all of them."""
    return Survey(GridConfig(nz=nz, nx=nx), SurveyConfig(**{"shots": 5, "receivers": nx} | settings))


def assert_every_trace_is_at_its_midpoint(made: Survey) -> None:
    shots, _, receivers = made.gather_shape
    numbers = 1 + torch.arange(shots * receivers, dtype=torch.float64).view(1, shots, 1, receivers)
    sort = Midpoints(made)

    sorted_numbers = sort(numbers)[0, :, 0].numpy()

    assert sorted_numbers.shape == (sort.channels, sort.columns)
    channel, column = sorted_numbers.nonzero()
    shot, receiver = np.divmod(sorted_numbers[channel, column].astype(int) - 1, receivers)
    assert len(set(zip(shot, receiver, strict=True))) == shots * receivers  # each once, none lost
    np.testing.assert_array_equal(channel // (sort.channels // shots), shot)
    midpoint = (made.shot_x[shot] + made.receiver_x[shot, receiver]) / 2
    left_edge = made.x[column]
    assert (midpoint - left_edge > -1e-3).all()
    assert (midpoint - left_edge < made.grid.spacing).all()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"shots": 1},
        {"receivers": 31},
        {"receivers": 16},
        {"shots": 3, "shot_x": (130.0, 333.3, 1200.0)},
        {"receivers": 5, "receiver_x": (0.0, 433.3, 450.0, 820.0, 1133.3)},
        STREAMER,
    ],
    ids=[
        "on every cell",
        "one shot",
        "on every second cell",
        "on every fourth",
        "shots anywhere",
        "receivers anywhere",
        "streamer",
    ],
)
def test_every_trace_is_in_the_column_of_its_midpoint_and_in_a_channel_of_its_shot(settings):
    assert_every_trace_is_at_its_midpoint(survey(**settings))


@given(nx=st.integers(8, 90), data=st.data())
@settings(max_examples=100, deadline=None)
def test_no_trace_is_lost_whatever_the_spacing_of_the_receivers(nx, data):
    receivers, shots = data.draw(st.integers(2, nx)), data.draw(st.integers(1, 7))

    assert_every_trace_is_at_its_midpoint(survey(nx, receivers=receivers, shots=shots))


def test_edge_of_a_flat_layer_is_in_its_own_column_for_every_shot():
    made = survey(nx=101, nz=61, nt=500, keep_every=5, depth=20.0, wavelet=WaveletConfig(frequency=10.0))
    background = torch.full((1, 61, 101), 2000.0)
    layered = background.clone()
    layered[:, 30:, :50] = 2600.0  # a layer at 600 m that ends at the middle of the line
    with torch.inference_mode():
        propagate = Propagator(made, PhysicsConfig())
        reflected = (propagate(layered) - propagate(background)).square().sum(dim=2, keepdim=True)

    sort = Midpoints(made)
    as_recorded, by_midpoint = reflected[0, :, 0], sort(reflected)[0, :, 0].view(5, 2, 101).sum(dim=1)

    left = slice(0, 56)  # the edge itself, and a Fresnel zone
    near = slice(0, 4)  # the last shot has no midpoint above the layer
    assert (by_midpoint[near, left].sum(dim=1) / by_midpoint[near].sum(dim=1) > 0.95).all()
    assert as_recorded[1, left].sum() / as_recorded[1].sum() < 0.85


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_inverts_sorted_records(name):
    made = survey(nx=40, nz=40, nt=400, shots=3)
    channels = (4, 8, 16, 32, 64)[: 1 if name == "umixformer" else 5]
    model = ModelConfig(name=name, channels=(8, 8) if name == "umixformer" else channels, columns="midpoints")
    network = nn.Sequential(Midpoints(made), networks.build(model, made)).eval()

    velocity = network(torch.randn(1, *made.gather_shape))

    assert velocity.shape == (1, 40, 40)


def test_sorting_changes_nothing_of_the_network_but_the_channels_that_enter():
    made = survey(nx=21, nz=19, nt=200, shots=3)
    model = ModelConfig(channels=(4, 8, 16), attention=("none", "se", "ca"))

    plain, by_midpoint = (
        parts(model.model_copy(update={"columns": columns}), made) for columns in ("receivers", "midpoints")
    )

    assert [part.name for part in by_midpoint] == [part.name for part in plain]
    assert by_midpoint[1:] == plain[1:]
    assert by_midpoint[0].parameters == plain[0].parameters + 3 * 7 * 3 * 8
