"""Other people's velocity models: refused where impossible, and put on the grid without new speeds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data_prep.foreign.velocity import (
    ModelError,
    Unit,
    in_metres,
    on_grid,
    refuse_impossible,
    refuse_other_size,
)
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


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("ft/s", lambda speeds: speeds / 0.3048),
        ("s/m", lambda speeds: 1 / speeds),
        ("s/km", lambda speeds: 1000 / speeds),
        ("us/m", lambda speeds: 1e6 / speeds),
        ("us/ft", lambda speeds: 304800 / speeds),
        ("s2/m2", lambda speeds: speeds**-2),
        ("s2/km2", lambda speeds: (speeds / 1000) ** -2),
    ],
)
def test_what_is_in_another_unit_is_named_and_comes_back_in_metres_per_second(
    unit: Unit, values: Callable[[Models], Models]
) -> None:
    speeds = np.linspace(2000, 4400, 24 * 36).reshape(1, 24, 36)
    stored = values(speeds).astype(np.float32)

    with pytest.raises(ModelError, match=rf"look like .*if so, add --unit {unit}\b"):
        refuse_impossible(Path("a.npy"), stored, RANGE, remedy="add --unit {unit}")
    refuse_impossible(Path("a.npy"), stored, RANGE, unit=unit)

    np.testing.assert_allclose(in_metres(stored, unit), speeds, rtol=1e-5)


def test_slowness_is_not_called_kilometres_per_second() -> None:
    with pytest.raises(ModelError) as refused:
        refuse_impossible(Path("a.npy"), 1 / random_models(), RANGE)

    assert "km/s" not in str(refused.value)
    assert "slowness in s/m (1601 .. 4399 m/s); if so, convert them to m/s" in str(refused.value)


def test_the_end_of_the_range_is_met_in_every_unit() -> None:
    edge = np.full((1, 24, 36), 1 / 1500, np.float32)

    refuse_impossible(Path("a.npy"), edge, RANGE, unit="s/m")

    assert in_metres(edge, "s/m").min() == 1500


def test_numbers_that_may_be_feet_per_second_or_metres_per_second_are_to_be_stated() -> None:
    values = random_models().clip(1600, 2400) / np.float32(0.3048)

    with pytest.raises(ModelError, match=r"look like feet per second .*; --unit m/s takes them as they are"):
        refuse_impossible(Path("a.npy"), values, (1500, 8000), remedy="add --unit {unit}")
    refuse_impossible(Path("a.npy"), values, (1500, 8000), unit="m/s")


def test_numbers_of_no_unit_are_refused_as_such() -> None:
    with pytest.raises(ModelError, match=r"speeds of 1e-20 \.\. 1e-20 are none of rock, in any unit"):
        refuse_impossible(Path("a.npy"), np.full((1, 24, 36), 1e-20, np.float32), RANGE)


def test_models_that_fit_when_exchanged_are_told_how_and_not_to_change_the_grid() -> None:
    with pytest.raises(ModelError, match="exchanged they fit: do so") as refused:
        refuse_other_size(Path("a.npy"), (36, 24), 20.0, GridConfig(nz=24, nx=36), hint="do so")

    assert "grid.nz" not in str(refused.value)


def test_a_model_of_more_cells_than_any_grid_needs_is_refused_though_it_has_its_size() -> None:
    with pytest.raises(ModelError, match=r"models of 46001 x 70001 cells take 12\.88 GB each"):
        refuse_other_size(Path("a.npy"), (46_001, 70_001), 0.01, GridConfig(nz=24, nx=36))


def test_numbers_too_large_for_rock_are_not_answered_with_a_wider_range() -> None:
    with pytest.raises(ModelError, match=r"look like feet per second .*add --unit ft/s") as refused:
        refuse_impossible(Path("a.npy"), random_models() / 0.3048, RANGE, remedy="add --unit {unit}")

    assert "widen" not in str(refused.value)
