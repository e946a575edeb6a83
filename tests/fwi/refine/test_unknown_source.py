"""Refinement of records whose source nobody knows, and of records with noise: what both cost.

A lens in sediments, simulated on a finer grid with another order, is refined from a blurred start.
"""

from functools import cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fwi.check import PhysicsCheck
from fwi.config import CheckConfig, GridConfig, PhysicsConfig, RefineConfig, SurveyConfig, WaveletConfig
from fwi.corruption import CORRUPTIONS
from fwi.refine import Refined, refine
from fwi.survey import Survey

PHYSICS, CHECK, SAMPLES, PEAK = PhysicsConfig(pml_width=8), CheckConfig(), 60, 6.0
DEPTH, X = np.meshgrid(np.arange(20) * 40.0, np.arange(36) * 40.0, indexing="ij")
SEDIMENTS = 2000 + 0.6 * DEPTH
TRUTH = np.where(((DEPTH - 400) / 130) ** 2 + ((X - 700) / 300) ** 2 < 1, 3000.0, SEDIMENTS)
TRUTH = TRUTH.astype(np.float32)
START = np.where(DEPTH < 80, SEDIMENTS, gaussian_filter(TRUTH, 2.5)).astype(np.float32)


def survey(samples: int = SAMPLES, peak: float = PEAK) -> Survey:
    """Three shots; the wavelet peaks at the same time whatever its frequency."""
    return Survey(
        GridConfig(nz=20, nx=36, spacing=40.0, velocity=(2000.0, 4500.0)),
        SurveyConfig(
            shots=3,
            shot_margin=240.0,
            receivers=36,
            depth=40.0,
            dt=0.004,
            nt=5 * samples,
            keep_every=5,
            wavelet=WaveletConfig(frequency=peak, peak_time=0.25),
        ),
    )


@cache
def simulated(samples: int = SAMPLES, peak: float = PEAK) -> np.ndarray:
    return PhysicsCheck(survey(samples, peak), PHYSICS, CHECK, TRUTH).simulate(TRUTH)


def corrupted(name: str, strength: float) -> np.ndarray:
    """Records corrupted before they end, so that their end knows what comes after it."""
    longer = survey(SAMPLES + 15)
    function = CORRUPTIONS[name].function
    gathers = function(simulated(SAMPLES + 15), longer, strength, np.random.default_rng(0))
    return np.ascontiguousarray(gathers[:, :SAMPLES])


@cache
def refined_of(name: str, strength: float, source: str, noise: float = 1.0) -> Refined:
    if name == "right":
        gathers = simulated()
    elif name == "frequency":
        gathers = simulated(peak=PEAK * strength)
    elif name == "shots":
        gain, delay = (0.4, 3.0, 1.0), (0.031, 0.0, -0.017)
        late = [corrupted("delay", each)[shot] for shot, each in enumerate(delay)]
        gathers = np.array(gain, np.float32)[:, None, None] * np.stack(late)
    else:
        gathers = corrupted(name, strength)
    config = RefineConfig(gradients=12, power=1, smoothness=0.1, held_out=0, source=source, noise=noise)
    return refine(START, gathers, survey(), PHYSICS, config, CHECK)


def error(section: np.ndarray) -> float:
    return float(np.abs(section - TRUTH).mean())


def gain(*records: object) -> float:
    return error(START) - error(refined_of(*records).candidate)


@pytest.mark.parametrize(
    "wrong",
    [("phase", 45.0, "wavelet"), ("frequency", 0.9, "wavelet"), ("frequency", 1.1, "wavelet")],
    ids=lambda wrong: f"{wrong[0]} {wrong[1]:g}",
)
def test_a_wrong_wavelet_costs_at_most_a_fifth_of_the_gain_in_error(wrong) -> None:
    known = gain("right", 0.0, "shots")

    assert known > 0.1 * error(START)
    assert gain(*wrong) > 0.8 * known


def test_gain_and_delay_of_each_shot_are_solved_for_and_cost_as_little() -> None:
    refined = refined_of("shots", 0.0, "shots")

    np.testing.assert_allclose(refined.source.gain, [0.4, 3.0, 1.0], rtol=0.03)
    np.testing.assert_allclose(refined.source.delay, [0.031, 0.0, -0.017], atol=0.001)
    assert gain("shots", 0.0, "shots") > 0.8 * gain("right", 0.0, "shots")


def test_records_with_noise_stop_at_the_noise_and_gain_before_it_takes_over() -> None:
    refined = refined_of("white", 20.0, "shots")

    assert refined.stopped == "noise"
    assert gain("white", 20.0, "shots") > 0.3 * gain("right", 0.0, "shots")


def test_where_noise_hides_the_lens_stopping_saves_the_start() -> None:
    refined, unstopped = (refined_of("white", 10.0, "shots", noise) for noise in (1.0, 0.0))

    assert refined.stopped == "noise"
    assert error(unstopped.candidate) > 1.1 * error(START)
    assert error(refined.candidate) < 1.06 * error(START)
