"""Shots in parallel: the same records, misfits and gradients as one after another."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fwi.config import CheckConfig, PhysicsConfig
from fwi.physics import Propagator
from fwi.refine.grids import Grids
from fwi.refine.record_misfit import RecordMisfit
from fwi.refine.simulator import Simulator
from fwi.refine.source import SourceMatch

SHOTS = np.arange(4)


def energy(simulated: Tensor, _: Tensor) -> Tensor:
    return (simulated.double() ** 2).sum()


def test_gradient_is_that_of_the_propagator(lens) -> None:
    model = lens.section.clone()[None].requires_grad_()
    wanted = energy(Propagator(lens.survey, PhysicsConfig())(model)[0], model)
    (gradient,) = torch.autograd.grad(wanted, model)

    value, found = Simulator(lens.survey, PhysicsConfig()).misfit_and_gradient(
        lens.section.numpy(), SHOTS, energy
    )

    assert value == pytest.approx(wanted.item(), rel=1e-5)
    difference = np.linalg.norm(found - gradient[0].numpy())
    assert difference < 0.01 * float(gradient.norm())  # the wavefield is kept every fifth step only


def test_threads_and_memory_change_nothing(lens) -> None:
    one = Simulator(lens.survey, PhysicsConfig(), threads=1)
    many = Simulator(lens.survey, PhysicsConfig(memory=2**22), threads=3)
    assert many.propagator.shots_per_chunk(gradient=True) == 1

    (value, gradient), (same, equal) = (
        each.misfit_and_gradient(lens.section.numpy(), SHOTS, energy) for each in (one, many)
    )

    assert same == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(equal, gradient, rtol=1e-4, atol=1e-5 * np.abs(gradient).max())
    assert np.array_equal(one.simulate(lens.section.numpy()), lens.recorded.numpy())
    assert np.array_equal(many.simulate(lens.section.numpy()), lens.recorded.numpy())


def test_misfit_is_one_of_silence_and_its_gradient_that_of_finite_differences(lens) -> None:
    simulator = Simulator(lens.survey, PhysicsConfig())
    recorded = lens.recorded.numpy().copy()
    recorded[1, :, 7] = 0
    source = SourceMatch(torch.full((4,), 0.7).double(), torch.full((4,), 0.004).double(), None, 0.02)
    misfit = RecordMisfit(simulator, recorded, source, np.zeros_like(recorded), power=1.0, highest=8.0)
    shots = np.array([0, 1, 3])
    direction = np.random.default_rng(0).normal(size=lens.sediments.shape).astype(np.float32)
    section = lens.sediments.numpy().clip(2010, 4400)

    _, gradient = misfit(section, shots)
    before, after = (misfit(section + step * direction, shots)[0] for step in (-2.0, 2.0))

    assert misfit.of(0 * recorded, shots) == pytest.approx(1.0)
    assert (gradient * direction).sum() == pytest.approx((after - before) / 4.0, rel=0.03)


def test_misfit_of_noise_is_that_of_a_section_that_explains_the_rest(lens) -> None:
    simulator = Simulator(lens.survey, PhysicsConfig())
    noise = np.random.default_rng(0).normal(scale=float(lens.recorded.std()) / 5, size=lens.recorded.shape)
    noisy = lens.recorded.numpy() + noise.astype(np.float32)
    misfit = RecordMisfit(simulator, noisy, SourceMatch.identity(4, 0.02), 0 * noisy, power=1.0)

    found = misfit.of_noise(float(noise.std()), SHOTS)

    assert found == pytest.approx(misfit.of(lens.recorded.numpy(), SHOTS), rel=0.05)


def test_error_of_the_grid_is_that_of_another_section_within_a_part(lens) -> None:
    grids = Grids(Simulator(lens.survey, PhysicsConfig()), PhysicsConfig(), CheckConfig())
    coarse, fine = grids(lens.section.numpy())
    coarse_of_another, fine_of_another = grids(lens.sediments.numpy())

    corrected = coarse + fine_of_another - coarse_of_another

    assert np.linalg.norm(corrected - fine) < 0.5 * np.linalg.norm(coarse - fine)
