"""Statistics of salt models, measured on sections whose answer is drawn by hand."""

import numpy as np
import pytest

from data_prep.salt.statistics import SaltStatistics, statistics, summarise, velocity_histogram


def test_statistics_of_a_section_drawn_by_hand_are_those_of_its_drawing():
    velocity = np.full((100, 200), 2000.0)
    velocity[40:] = 2500.0
    velocity[40, ::2] = 2000.0  # every other column is one cell deeper: a deviation of half a cell
    velocity[60:80, 50:90] = 4500.0
    velocity[50:60, 60:64] = velocity[55:60, 70:74] = 4500.0
    pairs_in_sediment = 100 * 199 - 20 * 41 - 10 * 5 - 5 * 5

    measured = statistics(velocity, spacing=10.0)

    assert measured == SaltStatistics(
        layers=2,
        area_share=pytest.approx((20 * 40 + 40 + 20) / 20000),
        crest_depth=500.0,
        base_depth=790.0,
        width=400.0,
        crests=2,
        bodies=1,
        overhang_share=0.0,
        roughness=pytest.approx(5.0),
        lateral_change=pytest.approx(199 * 500.0 / pairs_in_sediment / 10.0),
        slowest=2000.0,
        fastest_sediment=2500.0,
    )


def test_statistics_of_a_section_without_salt_have_no_salt():
    velocity = np.repeat([[2000.0], [3000.0]], 20, axis=0) * np.ones(30)

    measured = statistics(velocity, spacing=10.0)

    assert (measured.layers, measured.area_share, measured.crests, measured.roughness) == (2, 0.0, 0, 0.0)
    assert measured.bodies == 0
    assert np.isnan(
        [measured.crest_depth, measured.base_depth, measured.width, measured.overhang_share]
    ).all()


def test_an_overhang_is_counted_by_its_columns_and_a_second_body_by_its_piece():
    velocity = np.full((50, 100), 2000.0)
    velocity[10:15, 20:60] = velocity[30:40, 20:30] = 4500.0  # a sheet, and a body below a quarter of it
    velocity[20:25, 80:90] = 4500.0

    measured = statistics(velocity, spacing=10.0)

    assert measured.bodies == 3
    assert measured.overhang_share == pytest.approx(10 / 50)


def test_salt_is_what_the_threshold_says():
    velocity = np.full((20, 20), 2000.0)
    velocity[5:10] = 4000.0

    shares = [statistics(velocity, 10.0, threshold).area_share for threshold in (3900.0, 4100.0)]

    assert shares == [0.25, 0.0]


def test_a_model_of_gradients_has_no_number_of_layers():
    velocity = np.linspace(1500.0, 3000.0, 30 * 40).reshape(30, 40)

    assert np.isnan(statistics(velocity, 10.0).layers)


def test_summary_tells_percentiles_over_the_models_that_have_the_quantity():
    velocity = np.full((12, 20, 30), 2000.0)
    for number in range(11):  # the last model has no salt
        velocity[number, number + 2 : number + 5, 5:15] = 4500.0

    summary = summarise(velocity, spacing=10.0)

    assert summary["crest_depth"] == pytest.approx((30.0, 70.0, 110.0))
    assert summary["width"] == (100.0, 100.0, 100.0)


def test_summary_of_models_without_salt_says_that_crests_are_not_known():
    summary = summarise(np.full((3, 20, 30), 2000.0), spacing=10.0)

    assert summary["area_share"] == (0.0, 0.0, 0.0)
    assert np.isnan(summary["crest_depth"]).all()


def test_histogram_of_velocity_holds_every_cell_once():
    velocity = np.array([[1500.0, 1999.0], [2000.0, 4500.0]])

    shares = velocity_histogram(velocity, np.array([1500.0, 2000.0, 3000.0, 4500.0]))

    assert shares == pytest.approx([0.5, 0.25, 0.25])
