"""Sections of windows, blended by how sure the network is of each cell."""

import numpy as np
import pytest
from surveys import NETWORK, a_line

from fwi.intervals import Spread
from fwi.lines.blending import blend
from fwi.lines.windows import windows

COLUMNS = 54


@pytest.fixture
def two():
    found = windows(a_line(COLUMNS), NETWORK, overlap=0.5)
    assert [window.first for window in found] == [0, 18]
    return found


def constant(speed: float, spread: float) -> Spread:
    return Spread(np.full((24, 36), speed, np.float32), {"head": np.full((2, 24, 36), spread, np.float32)})


def test_equal_sections_stay_as_they_are(two):
    blended, covered = blend(two, [constant(2000, 50), constant(2000, 50)], COLUMNS)

    assert covered.all()
    np.testing.assert_allclose(blended.section, 2000)
    np.testing.assert_allclose(blended.sources["head"], 50, rtol=1e-5)


def test_a_single_window_stays_as_it_is(two):
    rng = np.random.default_rng([1])
    own = Spread(rng.normal(3000, 300, (24, 36)), {"head": rng.uniform(5, 300, (2, 24, 36))})

    blended, _ = blend(two[:1], [own], 36)

    np.testing.assert_allclose(blended.section, own.section, rtol=1e-6)
    np.testing.assert_allclose(blended.sources["head"], own.sources["head"], rtol=1e-5)


def test_the_window_that_is_surer_decides_and_where_windows_disagree_the_spread_is_larger(two):
    unsure, sure = constant(2000, 400), constant(3000, 20)

    blended, _ = blend(two, [unsure, sure], COLUMNS)

    shared = slice(20, 34)
    assert (blended.section[:, shared] > 2900).all()
    assert (blended.section[:, :18] == 2000).all()
    assert (blended.section[:, 36:] == 3000).all()
    assert (blended.sources["head"][:, :, shared] > 20).all()


def test_without_a_head_the_middle_of_a_window_counts_most(two):
    blended, _ = blend(
        two, [each._replace(sources={}) for each in (constant(2000, 1), constant(3000, 1))], COLUMNS
    )

    row = blended.section[0]
    assert row[19] < 2150
    assert row[34] > 2850
    assert (np.diff(row[18:36]) > 0).all()


def test_columns_of_no_window_are_told(two):
    _, covered = blend(two[:1], [constant(2000, 50)], COLUMNS)

    np.testing.assert_array_equal(covered, np.arange(COLUMNS) < 36)
