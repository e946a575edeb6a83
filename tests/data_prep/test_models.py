"""Other people's velocity models: refused where impossible, and put on the grid without new speeds."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data_prep.models import ModelError, on_grid, refuse_impossible
from fwi.config import GridConfig

RANGE = (1500.0, 4500.0)

Models = NDArray[np.float32]


def random_models(number: int = 3, nz: int = 24, nx: int = 36) -> Models:
    return np.random.default_rng(0).uniform(1600, 4400, (number, nz, nx)).astype(np.float32)


@pytest.mark.parametrize(
    ("speed", "complaint"),
    [
        (np.nan, "is not a finite speed"),
        (np.inf, "is not a finite speed"),
        (-2000.0, "is not a positive speed"),
        (0.0, "is not a positive speed"),
        (1000.0, r"is outside grid\.velocity 1500 \.\. 4500 m/s"),
        (6000.0, r"is outside grid\.velocity 1500 \.\. 4500 m/s"),
    ],
)
def test_an_impossible_speed_is_refused_with_its_place_in_the_file(speed: float, complaint: str) -> None:
    models = random_models()
    models[1, 2, 3] = speed

    with pytest.raises(ModelError, match=rf"a\.npy: model 65, cell \(depth 2, x 3\): .*{complaint}"):
        refuse_impossible(Path("a.npy"), models, RANGE, first=64)


def test_kilometres_per_second_are_told_from_metres_per_second() -> None:
    with pytest.raises(ModelError, match="look like km/s; if so, add --kilometres"):
        refuse_impossible(Path("a.npy"), random_models() / 1000, RANGE)


def test_every_second_cell_of_a_10_m_model_is_its_20_m_model() -> None:
    models = random_models(2, 201, 301)

    put = on_grid(models, 10.0, GridConfig(nz=101, nx=151, spacing=20.0))

    np.testing.assert_array_equal(put, models[:, ::2, ::2])


def test_a_coarser_model_is_repeated_without_new_speeds() -> None:
    models = random_models(1, 13, 19)

    put = on_grid(models, 40.0, GridConfig(nz=25, nx=37, spacing=20.0))

    np.testing.assert_array_equal(put[:, ::2, ::2], models)
    assert set(np.unique(put)) == set(np.unique(models))


@pytest.mark.parametrize("spacing", [np.nan, np.inf, -20.0, 0.0, (20.0, np.nan)])
def test_cells_without_a_size_are_refused(spacing: float | tuple[float, float]) -> None:
    with pytest.raises(ModelError, match="say --spacing, their size in metres, more than 0"):
        on_grid(np.full((1, 24, 36), 2000.0, np.float32), spacing, GridConfig(nz=24, nx=36, spacing=20.0))


def test_a_model_of_the_grids_spacing_is_unchanged() -> None:
    models = random_models()

    np.testing.assert_array_equal(on_grid(models, 20.0, GridConfig(nz=24, nx=36)), models)


@pytest.mark.parametrize(
    ("nz", "nx", "compared"),
    [(24, 40, "larger"), (30, 36, "larger"), (20, 36, "smaller"), (24, 30, "smaller")],
)
def test_a_model_of_another_size_is_refused_with_the_numbers_that_fit(
    nz: int, nx: int, compared: str
) -> None:
    with pytest.raises(ModelError, match=f"{compared} than the grid") as refused:
        on_grid(random_models(1, nz, nx), 20.0, GridConfig(nz=24, nx=36))

    assert f"{(nz - 1) * 20} m deep and {(nx - 1) * 20} m long" in str(refused.value)
    assert f"set grid.nz {nz} and grid.nx {nx}" in str(refused.value)
