"""A refinement: what it fits and holds out, what it returns, when it stops, and how it goes on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fwi.check import PhysicsCheck
from fwi.config import CheckConfig, GridConfig, PhysicsConfig, RefineConfig, SurveyConfig, WaveletConfig
from fwi.refine import Iteration, Refined, refine
from fwi.refine.simulator import Simulator
from fwi.survey import Survey

PHYSICS, CHECK = PhysicsConfig(pml_width=8), CheckConfig()
SURVEY = Survey(
    GridConfig(nz=20, nx=36, spacing=40.0, velocity=(2000.0, 4500.0)),
    SurveyConfig(
        shots=4,
        shot_margin=200.0,
        receivers=36,
        depth=40.0,
        dt=0.004,
        nt=300,
        wavelet=WaveletConfig(frequency=6.0),
    ),
)


class Case(NamedTuple):
    truth: np.ndarray
    start: np.ndarray
    gathers: np.ndarray


@pytest.fixture(scope="module")
def case() -> Case:
    """A lens, its blurred image, and its records of a finer grid and another order."""
    depth, x = np.meshgrid(np.arange(20) * 40.0, np.arange(36) * 40.0, indexing="ij")
    sediments = 2000 + 0.6 * depth
    truth = np.where(((depth - 400) / 130) ** 2 + ((x - 700) / 300) ** 2 < 1, 3000.0, sediments)
    start = np.where(depth < 80, sediments, gaussian_filter(truth, 2.5))
    truth, start = truth.astype(np.float32), start.astype(np.float32)
    return Case(truth, start, PhysicsCheck(SURVEY, PHYSICS, CHECK, truth).simulate(truth))


def refined(case: Case, gathers: np.ndarray | None = None, **settings: object) -> Refined:
    options = {
        name: settings.pop(name) for name in ("starts", "watch", "journal", "spread") if name in settings
    }
    config = RefineConfig.model_validate({"gradients": 10, **settings})
    records = case.gathers if gathers is None else gathers
    return refine(case.start, records, SURVEY, PHYSICS, config, CHECK, **options)


def error(section: np.ndarray, case: Case) -> float:
    return float(np.abs(section - case.truth).mean())


def test_section_and_misfit_of_unseen_shots_improve_and_the_refined_section_is_returned(case: Case) -> None:
    result = refined(case)

    assert error(result.section, case) < 0.9 * error(case.start, case)
    assert result.held_out_after < 0.6 * result.held_out_before
    assert result.accepted
    assert result.section is result.candidate
    residual = [np.abs(gathers - result.recorded).sum() for gathers in (result.before, result.after)]
    assert residual[1] < 0.5 * residual[0]


@pytest.mark.parametrize("grid", ["the refinement's", "a finer one"])
def test_true_section_explains_its_records_from_whichever_grid_they_are(case: Case, grid: str) -> None:
    on_coarse = Simulator(SURVEY, PHYSICS).simulate(case.truth)
    gathers = on_coarse if grid == "the refinement's" else case.gathers

    result = refined(case._replace(start=case.truth), gathers, source="known", gradients=2)

    assert result.history[0].data_misfit < 1e-6


def test_budget_counts_gradients_of_all_shots(case: Case) -> None:
    result = refined(case, first_stage=0.5)

    assert result.stopped == "budget"
    assert 9 <= result.gradients <= 10
    first = [each for each in result.history if each.stage == "first stage"]
    assert first[-1].gradients == pytest.approx(0.5 * len(first))  # of two of the four shots
    assert first[-1].gradients <= 5


def test_first_stage_does_not_see_the_shots_held_out(case: Case) -> None:
    (held_out,) = refined(case, held_out=0.25).held_out
    other = case.gathers.copy()
    other[held_out] = np.random.default_rng(0).normal(size=other[held_out].shape) * other.std()

    first, second = (
        [
            each
            for each in refined(case, records, noise=0, held_out=0.25).history
            if each.stage == "first stage"
        ]
        for records in (case.gathers, other)
    )

    assert [each.data_misfit for each in first] == pytest.approx([each.data_misfit for each in second])


def test_start_is_returned_where_the_shots_held_out_speak_against_the_refined_section(case: Case) -> None:
    (held_out,) = refined(case, held_out=0.25).held_out
    other = case.gathers.copy()
    other[held_out] = other[held_out, :, ::-1]  # which no section of these explains

    result = refined(case, other, held_out=0.25)

    assert not result.accepted
    assert np.array_equal(result.section, case.start)
    assert not np.array_equal(result.candidate, case.start)
    assert "held out" in result.reason


def test_without_shots_held_out_the_reason_says_that_nothing_judges_the_section(case: Case) -> None:
    result = refined(case, held_out=0)

    assert result.held_out == ()
    assert np.isnan(result.held_out_before)
    assert "no shots were held out" in result.reason


def test_interrupted_refinement_goes_on_to_the_very_same_section(case: Case, tmp_path: Path) -> None:
    whole = refined(case)
    seen: list[Iteration] = []

    def interrupt(iteration: Iteration, _: np.ndarray) -> None:
        seen.append(iteration)
        if len(seen) == 6:
            raise KeyboardInterrupt

    broken = refined(case, watch=interrupt, journal=tmp_path / "journal")
    assert broken.stopped == "interrupted"
    assert len(broken.history) == 6
    size = (tmp_path / "journal").stat().st_size
    continued = refined(case, journal=tmp_path / "journal")

    assert np.array_equal(continued.candidate, whole.candidate)
    assert continued.seconds > sum(each.seconds for each in broken.history[-1:])  # what is told again counts
    assert (tmp_path / "journal").stat().st_size > size


def test_interrupted_first_stage_is_judged_by_the_shots_it_has_not_seen(case: Case) -> None:
    def interrupt(iteration: Iteration, _: np.ndarray) -> None:
        if iteration.gradients > 3:
            raise KeyboardInterrupt

    result = refined(case, watch=interrupt)

    assert result.history[-1].stage == "first stage"
    assert result.held_out_after < result.held_out_before
    assert not np.array_equal(result.candidate, case.start)


def test_race_goes_on_with_the_start_that_explains_unseen_shots_best(case: Case) -> None:
    flat = np.full_like(case.start, 2500.0)
    bad = Case(case.truth, flat, case.gathers)

    result = refined(bad, starts={"blurred": case.start}, race=2, gradients=14)

    assert set(result.starts) == {"section", "blurred"}
    assert error(result.candidate, case) < error(case.start, case)


def test_late_start_is_first_fitted_at_low_frequencies(case: Case) -> None:
    early = Case(case.truth, np.full_like(case.start, 2600.0), case.gathers)

    stages = [each.stage for each in refined(early, source="known").history]

    assert stages[0].startswith("up to ")
    assert stages[0].endswith(" Hz")
    assert not any(each.stage.startswith("up to") for each in refined(case).history)


def test_cells_change_most_where_the_start_is_uncertain(case: Case) -> None:
    spread = np.full_like(case.start, 1.0)
    spread[:, 18:] = 10.0

    change = [np.abs(refined(case, spread=each).candidate - case.start) for each in (None, spread)]

    shares = [each[:, :18].sum() / each.sum() for each in change]
    assert shares[1] < 0.5 * shares[0]


def test_budget_of_time_ends_it_after_the_first_gradient_at_the_latest(case: Case) -> None:
    result = refined(case, minutes=1e-6, gradients=1000)

    assert result.stopped == "budget"
    assert len(result.history) == 2  # one of each stage


def test_late_samples_of_noisy_records_count_less(case: Case) -> None:
    noise = np.random.default_rng(0).normal(size=case.gathers.shape).astype(np.float32)
    noisy = case.gathers + 0.1 * case.gathers.std() * noise

    first = {power: refined(case, noisy, power=power, gradients=2).history[0] for power in (0.5, 1.0, 2.0)}

    assert first[2.0] == first[1.0]._replace(seconds=first[2.0].seconds)
    assert first[0.5].data_misfit != first[1.0].data_misfit


def test_evidence_is_what_is_explained_beyond_the_noise(case: Case) -> None:
    noise = np.random.default_rng(0).normal(size=case.gathers.shape).astype(np.float32)
    noisy = case.gathers + 0.1 * case.gathers.std() * noise

    result = refined(case, noisy, held_out=0.25, accept=0.7)

    assert result.held_out_after > 0.7 * result.held_out_before  # most of either is noise
    assert result.accepted
    assert "of noise" in result.reason


def test_dead_traces_and_missing_shots_change_nothing_but_what_is_known(case: Case) -> None:
    gathers = case.gathers.copy()
    gathers[0] = 0
    gathers[:, :, 5] = 0

    result = refined(case, gathers)

    assert 0 not in result.held_out
    assert error(result.section, case) < 0.9 * error(case.start, case)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda case: case._replace(start=case.start[1:]), r"section of shape \(19, 36\)"),
        (lambda case: case._replace(start=case.start / 1000), "outside grid.velocity 2000 .. 4500 m/s"),
        (lambda case: case._replace(gathers=case.gathers[1:]), "name the survey"),
        (lambda case: case._replace(gathers=case.gathers * np.nan), "NaN or infinite"),
        (lambda case: case._replace(gathers=case.gathers * 0), "zero throughout"),
    ],
)
def test_what_cannot_be_refined_is_refused_in_words(case: Case, change: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        refined(change(case))  # type: ignore[operator]


def test_impossible_spread_is_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="spread of shape"):
        refined(case, spread=-np.ones_like(case.start))
