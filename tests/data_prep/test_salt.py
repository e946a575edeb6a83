"""Salt models: the statistics of the published set, and the promises that data sets rely on."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.salt import SaltModel, generate
from data_prep.salt.statistics import SaltStatistics, statistics
from fwi.config import GridConfig, SaltConfig, YangMaPreset

PUBLIC = Path(__file__).resolve().parents[2] / "../shared/data/fcnvmb_models.npz"
GRID = GridConfig(nz=201, nx=301, spacing=10.0)
TRAIN, VALIDATION, TEST = 0, 1, 2
DOMES = SaltConfig(preset=YangMaPreset(lens_share=0.0))
LENSES = SaltConfig(preset=YangMaPreset(lens_share=1.0))


def same(one: SaltModel, other: SaltModel) -> bool:
    return np.array_equal(one.velocity, other.velocity) and np.array_equal(one.salt, other.salt)


def test_a_model_depends_on_seed_stream_and_index_and_not_on_the_order_of_drawing():
    forward = [generate(GRID, SaltConfig(), TRAIN, index) for index in range(6)]

    backward = [generate(GRID, SaltConfig(), TRAIN, index) for index in reversed(range(6))]

    assert all(same(one, other) for one, other in zip(forward, reversed(backward), strict=True))


def test_seed_stream_and_index_each_make_another_model():
    models = [
        generate(GRID, SaltConfig(seed=seed), stream, index)
        for seed in (0, 1)
        for stream in (TRAIN, VALIDATION, TEST)
        for index in (0, 1, 2)
    ]

    pictures = {model.velocity.tobytes() for model in models}

    assert len(pictures) == len(models)


@given(
    nz=st.integers(8, 90), nx=st.integers(8, 90), spacing=st.floats(1.0, 50.0), index=st.integers(0, 10**6)
)
@settings(max_examples=60, deadline=None)
def test_on_any_grid_speeds_are_in_range_increase_with_depth_and_salt_is_marked(nz, nx, spacing, index):
    grid = GridConfig(nz=nz, nx=nx, spacing=spacing, velocity=(2000.0, 4500.0))

    velocity, salt = generate(grid, SaltConfig(), TRAIN, index)

    assert velocity.shape == salt.shape == (nz, nx)
    assert velocity.dtype == np.float32
    assert salt.dtype == np.uint8
    assert velocity.min() >= 2000.0
    assert np.array_equal(salt == 1, velocity == 4500.0)
    assert velocity[salt == 0].max() <= 4000.0
    for column, body in zip(velocity.T, salt.T, strict=True):
        assert np.all(np.diff(column[body == 0]) >= 0)
        assert np.count_nonzero(np.diff(body)) <= 2, "one body of salt, entered and left once at most"


def test_no_salt_reaches_the_ends_of_the_line_and_every_model_has_some():
    models = [generate(GRID, SaltConfig(), TRAIN, index) for index in range(40)]

    assert all(model.salt.any() for model in models)
    assert not any(model.salt[:, [0, -1]].any() for model in models)


def test_a_lens_has_sediment_below_it_and_a_dome_does_not():
    lenses = [generate(GRID, LENSES, TRAIN, index).salt for index in range(20)]
    domes = [generate(GRID, DOMES, TRAIN, index).salt for index in range(20)]

    assert not any(lens[-1].any() for lens in lenses)
    for dome in domes:
        assert np.array_equal(dome[-1], dome.any(axis=0)), "all salt of a dome reaches the section's base"


def test_the_share_of_lenses_is_the_one_asked_for():
    salt = SaltConfig(preset=YangMaPreset(lens_share=0.25))
    grid = GridConfig(nz=51, nx=76, spacing=40.0)

    lenses = [not generate(grid, salt, TRAIN, index).salt[-1].any() for index in range(600)]

    assert np.mean(lenses) == pytest.approx(0.25, abs=0.06)  # more than three standard errors


@pytest.mark.parametrize("index", range(4))
def test_the_geology_is_the_same_on_every_grid(index):
    coarse = generate(GridConfig(nz=101, nx=151, spacing=20.0), SaltConfig(), TRAIN, index)

    fine = generate(GRID, SaltConfig(), TRAIN, index)

    agree = fine.velocity[::2, ::2] == coarse.velocity
    assert agree.mean() > 0.999


@pytest.mark.parametrize("velocity", [(2200.0, 4500.0), (1500.0, 4400.0)])
def test_a_velocity_range_too_narrow_for_the_models_is_refused_with_the_one_needed(velocity):
    grid = GridConfig(velocity=velocity)

    with pytest.raises(ValueError, match=r"grid\.velocity.*2000 \.\. 4500"):
        generate(grid, SaltConfig(), TRAIN, 0)


@pytest.fixture(scope="module", params=["dome", "lens"])
def both_sets(request):
    """Domes, or lenses: the published ones and as many generated."""
    if not PUBLIC.exists():
        pytest.skip("needs the public models in shared/data beside the repository")
    with np.load(PUBLIC) as models:
        train = models["train"]
    # The first half of the published set are domes, the second half lenses.
    published = train[:800] if request.param == "dome" else train[800:]
    salt = DOMES if request.param == "dome" else LENSES
    generated = np.stack([generate(GRID, salt, TRAIN, index).velocity for index in range(len(published))])
    return published, generated


@pytest.fixture(scope="module")
def both_statistics(both_sets):
    return tuple(
        SaltStatistics(*np.array([statistics(velocity, GRID.spacing) for velocity in models]).T)
        for models in both_sets
    )


@pytest.mark.parametrize("quantity", ["area_share", "crest_depth", "width", "base_depth", "roughness"])
def test_distribution_is_that_of_the_published_models(both_statistics, quantity):
    published, generated = (getattr(measured, quantity) for measured in both_statistics)

    percentiles = [10, 50, 90]

    assert generated.mean() == pytest.approx(published.mean(), rel=0.2)
    assert np.percentile(generated, percentiles) == pytest.approx(
        np.percentile(published, percentiles), rel=0.2
    )


@pytest.mark.parametrize("quantity", ["area_share", "crest_depth", "width"])
def test_spread_is_that_of_the_published_models(both_statistics, quantity):
    published, generated = (getattr(measured, quantity) for measured in both_statistics)

    assert generated.std() == pytest.approx(published.std(), rel=0.2)


def test_layers_and_crests_are_as_many_as_in_the_published_models(both_statistics):
    published, generated = both_statistics

    assert generated.layers.min() == 5
    assert generated.layers.max() == published.layers.max() == 10
    assert generated.layers.mean() == pytest.approx(published.layers.mean(), abs=0.5)
    for crests in (1, 2):
        assert np.mean(generated.crests == crests) == pytest.approx(
            np.mean(published.crests == crests), abs=0.12
        )


def test_histogram_of_velocity_is_that_of_the_published_models(both_sets):
    edges = [*range(2000, 4001, 250), 4501]

    published, generated = (np.histogram(models, edges)[0] / models.size for models in both_sets)

    assert np.abs(generated - published).sum() / 2 < 0.05, (
        "share of cells that would have to change their speed"
    )


def test_salt_stands_where_it_stands_in_the_published_models(both_sets):
    published, generated = ((models >= 4450).mean(axis=0) for models in both_sets)

    assert np.abs(generated - published).max() < 0.12
