"""Faults, folds and bodies: what the displacement of strata and the implicit shapes promise."""

import numpy as np
import pytest

from data_prep.salt.blocks import Cells, random_field
from data_prep.salt.bodies import Place, Point, ellipse, lens, smooth_union, stalk
from data_prep.salt.structure import Fault, drag, folds
from fwi.config import GridConfig, SegEagePreset

FINE = Cells.of(GridConfig(nz=1001, nx=1501, spacing=2.0))
PLACE = Place(*np.broadcast_arrays(FINE.x, FINE.z))
STRATUM = 1000.0


def depth_of_stratum(displacement):
    """Depth of the shallowest cell of ``STRATUM`` or deeper in each column [m]."""
    return ((FINE.z - displacement) >= STRATUM).argmax(axis=0) * 2.0


@pytest.mark.parametrize("throw", [20.0, 100.0])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_fault_offsets_a_stratum_by_its_throw_and_drops_the_side_above_the_plane(throw, side):
    fault = Fault(tip=(1500.0, 200.0), root=1800.0, slope=side * 0.5, throw=throw, reach=1e9, taper=400.0)

    depth = depth_of_stratum(fault.displacement(FINE))

    plane = 1500.0 + side * 0.5 * (STRATUM - 200.0)
    hanging, foot = np.interp([plane + side * 120.0, plane - side * 120.0], FINE.x, depth)
    assert foot == STRATUM
    assert hanging - foot == pytest.approx(throw, abs=2.0)  # one cell


def test_a_fault_has_no_throw_beyond_its_ends_and_less_away_from_its_plane():
    fault = Fault(tip=(1000.0, 400.0), root=1600.0, slope=0.4, throw=80.0, reach=300.0, taper=400.0)

    moved = fault.displacement(FINE)

    assert not moved[FINE.z[:, 0] <= 400.0].any()
    assert not moved[FINE.z[:, 0] >= 1600.0].any()
    row = moved[500]
    plane = np.searchsorted(FINE.x, 1000.0 + 0.4 * 600.0, side="right")
    assert row[plane] == pytest.approx(80.0, rel=0.01)
    assert row[plane + 150] == pytest.approx(40.0, rel=0.01), "half at its reach"
    assert np.all(np.diff(row[plane:]) < 0)


def test_a_healed_fault_is_a_sheet_of_its_thickness_along_the_plane():
    fault = Fault(tip=(1000.0, 400.0), root=1600.0, slope=0.75, throw=80.0, reach=300.0, taper=400.0)

    plane = fault.plane(FINE, thickness=40.0)

    rows = plane.sum(axis=1) * 2.0
    assert rows[300:700] == pytest.approx(40.0 * 1.25, abs=2.1), "wider along the line than across the plane"
    assert not rows[FINE.z[:, 0] <= 400.0].any()


def test_strata_never_turn_over_by_folding():
    for seed in range(30):
        displacement = folds(np.random.default_rng(seed), FINE, SegEagePreset())

        assert np.all(np.diff(FINE.z - displacement, axis=0) > 0)


def test_folds_grow_with_depth():
    displacement = folds(np.random.default_rng(0), FINE, SegEagePreset(dip=(0.0, 0.0), folds=(0.1, 0.1)))

    heights = np.ptp(displacement, axis=1)

    assert np.all(np.diff(heights) > 0)
    assert heights[0] == pytest.approx(0.2 * heights[-1])


def test_salt_drags_strata_up_by_the_height_given_and_less_away_from_it():
    salt = ellipse(PLACE, Point(1500.0, 1000.0), 600.0, 600.0)

    displacement = drag(salt, height=50.0, reach=1100.0)

    row = displacement[500, 750:]
    assert row[:150] == pytest.approx(-50.0)
    assert np.all(np.diff(row) >= 0)
    assert displacement[0, 0] == 0.0


@pytest.mark.parametrize("shape", [ellipse, lens])
def test_a_body_is_as_long_and_thick_as_asked_for(shape):
    salt = shape(PLACE, Point(1200.0, 800.0), 900.0, 300.0, tilt=0.0) < 0

    x, z = FINE.x[salt.any(axis=0)], FINE.z[salt.any(axis=1), 0]
    assert (x[0], x[-1], z[0], z[-1]) == pytest.approx((750.0, 1650.0, 650.0, 950.0), abs=3.0)


def test_a_lens_has_sharper_tips_than_an_ellipse():
    near_tip = np.searchsorted(FINE.x, 1200.0 + 430.0)

    thickness = [
        (shape(PLACE, Point(1200.0, 800.0), 900.0, 300.0)[:, near_tip] < 0).sum() for shape in (lens, ellipse)
    ]

    assert 0 < thickness[0] < 0.5 * thickness[1]


def test_a_stalk_runs_from_its_top_to_its_base_with_the_widths_given():
    salt = stalk(PLACE, Point(1000.0, 400.0), Point(1400.0, 1200.0), top_width=100.0, base_width=300.0) < 0

    rows = np.flatnonzero(salt.any(axis=1)) * 2.0
    assert (rows[0], rows[-1]) == pytest.approx((400.0, 1200.0), abs=3.0)
    for depth, middle, width in ((420.0, 1010.0, 105.0), (800.0, 1200.0, 200.0), (1180.0, 1390.0, 295.0)):
        x = FINE.x[salt[int(depth / 2)]]
        assert x.mean() == pytest.approx(middle, abs=2.0)
        assert np.ptp(x) == pytest.approx(width, abs=4.0)


def test_a_union_holds_both_bodies_and_fills_the_corner_between_them():
    one = ellipse(PLACE, Point(1300.0, 1000.0), 500.0, 300.0)
    other = ellipse(PLACE, Point(1700.0, 1000.0), 500.0, 300.0)

    joined = smooth_union(one, other, 60.0)

    either = np.minimum(one, other)
    assert np.all(joined[either < 0] < 0)
    filled = (joined < 0) & (either >= 0)
    assert filled.any()
    assert np.all(np.abs(FINE.x[np.flatnonzero(filled.any(axis=0))] - 1500.0) < 150.0)


def test_a_random_field_has_the_height_and_the_correlation_lengths_asked_for():
    cells = Cells.of(GridConfig(nz=101, nx=151, spacing=20.0))
    draws = (np.random.default_rng(seed) for seed in range(40))
    fields = np.stack([random_field(rng, cells, 7.0, length=200.0, thickness=60.0) for rng in draws])

    def correlation(one, other):
        return np.mean(one * other) / np.mean(fields**2)

    assert fields.std() == pytest.approx(7.0, rel=0.1)
    # exp(-1/2) one length apart along the line, and one thickness apart in depth
    assert correlation(fields[:, :, 10:], fields[:, :, :-10]) == pytest.approx(np.exp(-0.5), abs=0.06)
    assert correlation(fields[:, 3:], fields[:, :-3]) == pytest.approx(np.exp(-0.5), abs=0.06)
