"""Minimisation within bounds and with a prior, what is preferred, and the journal of gradients."""

from pathlib import Path

import numpy as np
import pytest

from fwi.refine.journal import Journal
from fwi.refine.minimise import Evaluation, minimise
from fwi.refine.objective import ROUNDING, preference

START = np.full((6, 7), 3000.0, np.float32)


def test_minimum_of_a_parabola_is_its_vertex_or_the_bound_before_it() -> None:
    vertex = np.linspace(1500, 5000, START.size).reshape(START.shape).astype(np.float32)
    seen = []

    def parabola(section: np.ndarray) -> Evaluation:
        return Evaluation(
            float(((section - vertex) ** 2).mean()) / 1e6, 0.0, 2 * (section - vertex) / 1e6 / START.size
        )

    why = minimise(parabola, START, (2000.0, 4500.0), lambda section, found: seen.append(section) or "")

    assert why == "converged"
    np.testing.assert_allclose(seen[-1], vertex.clip(2000, 4500), atol=5)


def test_of_all_minima_that_one_is_found_which_is_nearest_by_the_spread() -> None:
    spread = np.ones_like(START)
    spread[0] = 3.0
    seen = []

    def mean_is_3100(section: np.ndarray) -> Evaluation:
        off = float(section.astype(np.float64).mean()) - 3100.0
        return Evaluation(off**2 / 1e6, 0.0, np.full_like(section, 2 * off / 1e6 / section.size))

    minimise(mean_is_3100, START, (2000.0, 4500.0), lambda section, found: seen.append(section) or "", spread)

    change = seen[-1] - START
    assert change.mean() == pytest.approx(100, abs=1)
    np.testing.assert_allclose(change[0] / change[1], 9.0, rtol=1e-3)  # as the variances


def test_stop_ends_the_search_with_its_reason() -> None:
    def slope(section: np.ndarray) -> Evaluation:
        return Evaluation(float(section.mean()), 0.0, np.full_like(section, 1 / section.size))

    assert minimise(slope, START, (2000.0, 4500.0), lambda section, found: "noise") == "noise"


def test_preference_of_a_boundary_does_not_depend_on_its_sharpness_and_its_gradient_is_right() -> None:
    sharp = np.where(np.arange(40) < 20, 2000.0, 4000.0).astype(np.float32)[:, None].repeat(30, 1)
    soft = np.interp(np.arange(40), [14, 26], [2000.0, 4000.0]).astype(np.float32)[:, None].repeat(30, 1)

    even, of_sharp, of_soft = (preference(each, 0.5)[0] for each in (0 * sharp + 3000, sharp, soft))

    assert even == pytest.approx(0.5 * ROUNDING / 1000)
    assert of_soft == pytest.approx(of_sharp, rel=0.06)  # the rounding costs a sharp one a little
    rough = np.random.default_rng(0).uniform(2000, 4000, (5, 6)).astype(np.float32)
    direction = np.random.default_rng(1).normal(size=rough.shape).astype(np.float32)
    (before, _), (_, gradient), (after, _) = (
        preference(rough + step * direction, 0.5) for step in (-1.0, 0.0, 1.0)
    )
    assert (gradient * direction).sum() == pytest.approx((after - before) / 2, rel=1e-3)


def costly(calls: list[float]) -> object:
    def compute(section: np.ndarray) -> tuple[float, np.ndarray]:
        calls.append(float(section.mean()))
        return float(section.mean()), 2 * section

    return compute


def test_journal_tells_what_it_has_seen_up_to_a_torn_entry(tmp_path: Path) -> None:
    sections = [START + step for step in range(3)]
    first, again = [], []
    journal = Journal(tmp_path / "folder" / "journal", "key")
    wanted = [journal.gradient(section, costly(first)) for section in sections]
    with (tmp_path / "folder" / "journal").open("r+b") as file:
        file.truncate((tmp_path / "folder" / "journal").stat().st_size - 5)

    reopened = Journal(tmp_path / "folder" / "journal", "key")
    found = [reopened.gradient(section, costly(again)) for section in sections]

    assert first == [3000.0, 3001.0, 3002.0]
    assert again == [3002.0]
    for (value, gradient), (same, equal) in zip(wanted, found, strict=True):
        assert value == same
        assert np.array_equal(gradient, equal)
    assert Journal(tmp_path / "folder" / "journal", "key").gradient(sections[0], costly(again))[0] == 3000.0
    assert len(again) == 1


def test_journal_of_another_refinement_or_way_is_not_told(tmp_path: Path) -> None:
    calls: list[float] = []
    Journal(tmp_path / "journal", "key").gradient(START, costly(calls))

    Journal(tmp_path / "journal", "key").gradient(START + 1, costly(calls))
    Journal(tmp_path / "journal", "other key").gradient(START + 1, costly(calls))

    assert calls == [3000.0, 3001.0, 3001.0]
