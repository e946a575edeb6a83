import numpy as np
import pytest

from fwi.trust.damage import DAMAGES, NEEDS_SALT, damaged

RANGE = (1500.0, 4500.0)


@pytest.fixture
def layers():
    """Speeds that grow with depth, with a block of salt, and where the salt is."""
    depth = np.linspace(2000, 3500, 40, dtype=np.float32)
    section, salt = np.repeat(depth[:, None], 60, axis=1), np.zeros((40, 60), bool)
    salt[15:25, 20:40] = True
    section[salt] = 4500
    return section, salt


def test_missing_salt_is_replaced_by_the_layers_beside_it(layers):
    section, salt = layers

    found = damaged(section, salt, RANGE, 0, 0)["salt missing"]

    np.testing.assert_allclose(found, np.repeat(section[:, :1], 60, axis=1), rtol=1e-6)


def test_salt_that_fills_whole_rows_is_replaced_by_the_nearest_row(layers):
    section, salt = layers
    salt[30:] = True

    found = damaged(section, salt, RANGE, 0, 0)["salt missing"]

    assert found[-1, 0] == section[30 - 3 - 1, 0]


def test_moved_salt_keeps_its_area_and_depth_and_stands_elsewhere(layers):
    section, salt = layers

    found = damaged(section, salt, RANGE, 0, 0)["salt moved"] > 4400

    assert found.sum() == salt.sum()
    np.testing.assert_array_equal(found.any(axis=1), salt.any(axis=1))
    moved = np.flatnonzero(found.any(axis=0))[0] - 20
    assert 3 <= abs(moved) <= 6


def test_speeds_are_slower_by_one_share_within_the_range(layers):
    section, salt = layers

    found = damaged(section, salt, (2000.0, 4500.0), 0, 0)["too slow"]

    share = found[-1, 0] / section[-1, 0]
    assert 0.9 <= share <= 0.96
    np.testing.assert_allclose(found, np.maximum(section * share, 2000), rtol=1e-5)


def test_blur_spreads_the_salt_and_keeps_the_mean(layers):
    section, salt = layers

    found = damaged(section, salt, RANGE, 0, 0)["blurred"]

    assert np.abs(np.diff(found, axis=1)).max() < 0.3 * np.abs(np.diff(section, axis=1)).max()
    assert found.mean() == pytest.approx(section.mean(), rel=0.01)


def test_a_model_without_salt_suffers_what_needs_none(layers):
    section, _ = layers

    found = damaged(section, np.zeros_like(section, bool), RANGE, 0, 0)

    assert set(found) == set(DAMAGES) - set(NEEDS_SALT)


def test_damage_depends_on_seed_and_sample_alone(layers):
    section, salt = layers

    one, same, other = (damaged(section, salt, RANGE, 0, sample) for sample in (3, 3, 4))

    np.testing.assert_array_equal(one["too slow"], same["too slow"])
    assert not np.allclose(one["too slow"], other["too slow"])
