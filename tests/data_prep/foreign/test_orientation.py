"""Which way round models lie: told where cells tell; nothing is said of models that lie as they should."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data_prep.foreign.orientation import judge
from data_prep.salt import PRESETS, generate
from fwi.config import GridConfig, SaltConfig

PUBLIC = Path(__file__).resolve().parents[4] / "shared/data"

Models = NDArray[np.float32]


def salt_models(preset: str, number: int, nz: int = 51, nx: int = 76, spacing: float = 40.0) -> Models:
    salt = SaltConfig(preset=preset)
    grid = GridConfig(nz=nz, nx=nx, spacing=spacing, velocity=salt.preset.speeds)
    return np.stack([generate(grid, salt, 0, index).velocity for index in range(number)])


def layers(dip: float, nz: int = 51, nx: int = 76, number: int = 20, noise: float = 0.0) -> Models:
    """Layers that get faster downwards and dip by so many degrees, to the left and to the right."""
    random = np.random.default_rng(0)
    z, x = np.mgrid[0:nz, 0:nx]
    models = []
    for _ in range(number):
        sign = random.choice([-1, 1])
        across = z * np.cos(np.deg2rad(dip)) + sign * x * np.sin(np.deg2rad(dip))
        edges = np.sort(random.uniform(across.min(), across.max(), 12))
        model = np.sort(random.uniform(1600, 4400, 13))[np.searchsorted(edges, across)]
        models.append(model + noise * random.normal(size=model.shape))
    return np.stack(models).astype(np.float32)


def blocks(number: int = 60) -> Models:
    """Rectangles of any speed anywhere: there is no telling which way up."""
    random = np.random.default_rng(1)
    models = np.full((number, 51, 76), 2000.0, np.float32)
    for model in models:
        for _ in range(random.integers(1, 12)):
            z, x = random.integers(0, 46), random.integers(0, 70)
            height, width = random.integers(3, 30, 2)
            model[z : z + height, x : x + width] = random.uniform(1600, 4400)
    return models


def verdicts(models: Models) -> set[str]:
    """What is said of each model alone."""
    return {judge(model[None])[0] for model in models}


def exchanged(models: Models) -> Models:
    return models.transpose(0, 2, 1)


def read_row_by_row(models: Models) -> Models:
    """Models whose numbers lie depth first, taken as if they lay row by row."""
    return models.transpose(0, 2, 1).reshape(models.shape)


@pytest.mark.parametrize("preset", PRESETS)
def test_salt_models_of_every_preset_lie_as_they_should(preset: str) -> None:
    models = salt_models(preset, 24)

    assert verdicts(models) == {"as it should be"}
    # In the Gulf's, canopies and slow zones below them hide the growth of speed with depth.
    assert judge(exchanged(models))[0] == ("doubtful" if preset == "gulf" else "exchanged")
    assert verdicts(read_row_by_row(models)) == {"striped"}


def test_wide_salt_models_are_told_where_rows_hold_whole_traces_and_where_not() -> None:
    for nx in (240, 241):
        models = salt_models("gulf", 8, nz=60, nx=nx, spacing=50.0)

        assert verdicts(models) == {"as it should be"}
        assert judge(read_row_by_row(models))[0] == "striped"


@pytest.mark.parametrize("shape", [(51, 76), (60, 240), (40, 400), (122, 384), (300, 100)])
@pytest.mark.parametrize("noise", [0.0, 5.0, 100.0])
def test_flat_layers_lie_as_they_should_on_any_grid(shape: tuple[int, int], noise: float) -> None:
    models = layers(0, *shape, number=6, noise=noise)

    assert verdicts(models) == {"as it should be"}
    assert noise == 100 or judge(read_row_by_row(models))[0] == "striped"
    assert noise == 100 or judge(exchanged(models))[0] == "exchanged"


@pytest.mark.parametrize("dip", [15, 30, 45])
def test_dipping_layers_lie_as_they_should(dip: float) -> None:
    models = layers(dip)

    assert verdicts(models) == {"as it should be"}
    assert judge(read_row_by_row(models))[0] == "striped"


def test_layers_steeper_than_45_degrees_are_remarked_upon_and_not_refused() -> None:
    assert verdicts(layers(60)) == {"doubtful"}


def test_what_is_alike_in_both_directions_is_not_refused() -> None:
    noise = np.random.default_rng(0).uniform(1600, 4400, (8, 51, 76))
    wall = np.full((1, 51, 51), 2000.0)
    wall[:, 5:, 20:30] = 4480.0

    assert verdicts(blocks()) <= {"as it should be", "doubtful"}
    assert verdicts(np.full((2, 51, 76), 2000.0)) == {"as it should be"}
    assert verdicts(noise) == {"as it should be"}
    assert judge(wall)[0] == "doubtful"


@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_the_type_of_the_numbers_does_not_matter(dtype: type) -> None:
    assert judge(exchanged(layers(0)).astype(dtype))[0] == "exchanged"


@pytest.mark.skipif(not PUBLIC.exists(), reason="the public models are not here")
def test_public_salt_models_lie_as_they_should() -> None:
    with np.load(PUBLIC / "fcnvmb_models.npz") as file:
        domes = file["test"]
    with np.load(PUBLIC / "seg_salt_slices.npz") as file:
        slices = np.stack([file[name] for name in sorted(file)])

    for models in (domes, slices):
        assert verdicts(models) == {"as it should be"}
        assert verdicts(read_row_by_row(models)) == {"striped"}
        assert judge(exchanged(models))[0] == "exchanged"
