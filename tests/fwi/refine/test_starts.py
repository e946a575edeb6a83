"""Starts with more salt and with less, on geometry whose answer is plain."""

import numpy as np
import pytest

from fwi.refine.starts import chosen, flooded, proposals, without_salt

THRESHOLD, RANGE = 4250.0, (1500.0, 4500.0)
DEPTH, X = np.meshgrid(np.arange(40), np.arange(60), indexing="ij")
SEDIMENTS = (2000 + 30 * DEPTH + 2 * X).astype(np.float32)
BOX = (DEPTH >= 10) & (DEPTH < 20) & (X >= 20) & (X < 45)


def with_salt(salt=BOX, speed=4480.0):
    return np.where(salt, speed, SEDIMENTS).astype(np.float32)


def test_flooding_fills_what_is_below_the_top_of_salt_and_nothing_else():
    section = with_salt()
    section[12, 30] = 4500.0  # nothing is made slower

    found = flooded(section, THRESHOLD)

    below = (DEPTH >= 10) & (X >= 20) & (X < 45)
    np.testing.assert_array_equal(found[~below], section[~below])
    assert (found[below] == 4480).sum() == below.sum() - 1
    assert found[12, 30] == 4500
    assert section[25, 30] == SEDIMENTS[25, 30]  # the argument is left as it is


def test_flooding_begins_at_the_upper_of_two_bodies():
    lower = (DEPTH >= 30) & (DEPTH < 35) & (X >= 10) & (X < 45)

    found = flooded(with_salt(BOX | lower), THRESHOLD)

    top = np.argmax(found >= THRESHOLD, axis=0)
    assert (top[20:45] == 10).all()
    assert (top[10:20] == 30).all()


def test_without_salt_are_the_sediments_around_it():
    section = with_salt()
    section[9:21, 19:46] = np.maximum(section[9:21, 19:46], 3300)  # a soft boundary

    found = without_salt(section, THRESHOLD)

    assert np.abs(found - SEDIMENTS).max() < 15
    far = (DEPTH < 8) | (DEPTH > 21) | (X < 18) | (X > 46)
    np.testing.assert_array_equal(found[far], section[far])


def test_rows_of_salt_from_edge_to_edge_take_the_trend_with_depth():
    found = without_salt(with_salt(DEPTH >= 25), THRESHOLD)

    assert np.abs(found - SEDIMENTS).max() < 80
    assert found.max() < THRESHOLD


def test_without_salt_there_is_none_left_even_where_its_sides_are_fast():
    fast = with_salt(DEPTH > 20)
    fast[20] = 4249.0

    assert (without_salt(fast, THRESHOLD) < THRESHOLD).all()


def test_a_section_without_salt_has_no_other_starts():
    np.testing.assert_array_equal(flooded(SEDIMENTS, THRESHOLD), SEDIMENTS)
    np.testing.assert_array_equal(without_salt(SEDIMENTS, THRESHOLD), SEDIMENTS)
    assert proposals(SEDIMENTS, THRESHOLD, RANGE) == {}


def test_salt_everywhere_cannot_be_taken_out():
    salt = np.full_like(SEDIMENTS, 4480.0)

    np.testing.assert_array_equal(without_salt(salt, THRESHOLD), salt)


def test_proposals_are_distinct_and_within_the_range():
    dome = with_salt((DEPTH >= 10) & (X >= 20) & (X < 45))  # reaches the bottom: flooding changes nothing
    others = {"mirrored": dome + 0.1, "second seed": dome + 300 * BOX, "third seed": dome + 301 * BOX}

    found = proposals(dome, THRESHOLD, RANGE, others)

    assert list(found) == ["second seed", "without salt"]
    assert all(start.dtype == np.float32 for start in found.values())
    assert found["second seed"].max() == 4500
    assert list(proposals(with_salt(), THRESHOLD, RANGE)) == ["flooded", "without salt"]


def test_a_start_on_another_grid_is_refused():
    with pytest.raises(ValueError, match="the start mirrored has the shape"):
        proposals(SEDIMENTS, THRESHOLD, RANGE, {"mirrored": SEDIMENTS[1:]})


def test_chosen_starts_are_those_that_the_study_names():
    dome = with_salt((DEPTH >= 10) & (DEPTH < 16) & (X >= 20) & (X < 45))
    mirrored = dome + 50.0 * BOX

    found = chosen(("mirrored", "without_salt"), dome, RANGE, lambda: mirrored)

    assert list(found) == ["mirrored", "without salt"]
    assert chosen(("flooded",), dome, RANGE, lambda: pytest.fail("not asked for")).keys() == {"flooded"}
