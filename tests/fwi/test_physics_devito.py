"""Records of a salt model beside Devito's: another code, another absorbing layer, its own compiler.

Devito is no dependency of this project: ``pip install devito`` beside it (and set DEVITO_ARCH=gcc), and these
tests run; else they are skipped.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from data_prep.salt import generate
from fwi import config
from fwi.config import StudyConfig
from fwi.physics import Propagator
from fwi.survey import Survey

devito = pytest.importorskip("devito")

HALF = Path(__file__).resolve().parents[2] / "configs/fcnvmb_half.yaml"

SPONGE = 160
"""Cells of Devito's damping layer: 3.2 km, from whose outer edge little returns before the record ends."""

DAMPING = 2.5
"""How fast pressure fades at that edge [1/s]."""

Record = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def study() -> StudyConfig:
    study = config.load([HALF])
    one_shot = study.survey.model_copy(update={"shots": 1, "shot_margin": None})
    return study.model_copy(update={"survey": one_shot})


@pytest.fixture(scope="module")
def velocity(study: StudyConfig) -> np.ndarray:
    return generate(study.grid, study.salt, 0, 0).velocity


@pytest.fixture(scope="module")
def ours(study: StudyConfig, velocity: np.ndarray) -> Record:
    """Records of this project, ``(time, receiver)``."""

    def record(**physics: object) -> np.ndarray:
        propagate = Propagator(
            Survey(study.grid, study.survey), study.physics.model_copy(update={"pml_width": 60} | physics)
        )
        with torch.inference_mode():
            return propagate(torch.from_numpy(velocity)[None])[0, 0].double().numpy()

    return record


@pytest.fixture(scope="module")
def theirs(study: StudyConfig, velocity: np.ndarray) -> Record:
    """Records by Devito at a fraction of the study's time step, ``(time, receiver)``."""
    spacing = study.grid.spacing
    speed = np.pad(velocity, SPONGE, mode="edge").T  # Devito's axes are (x, z)
    size = tuple((cells - 1) * spacing for cells in speed.shape)
    # In float32, rounding grows with the number of steps and beyond what is asked here.
    grid = devito.Grid(shape=speed.shape, extent=size, origin=(-SPONGE * spacing,) * 2, dtype=np.float64)
    pressure = devito.TimeFunction(name="p", grid=grid, time_order=2, space_order=8)
    slowness, damping = (devito.Function(name=name, grid=grid, space_order=2) for name in ("m", "damping"))
    slowness.data[:] = speed**-2.0
    damping.data[:] = _sponge(speed.shape) * speed**-2.0

    def record(finer: int = 1) -> np.ndarray:
        time = {
            "dt": study.survey.dt / finer,
            "nt": study.survey.nt * finer,
            "keep_every": study.survey.keep_every * finer,
        }
        survey = Survey(study.grid, study.survey.model_copy(update=time))
        nt, dt = survey.config.nt, survey.config.dt
        shot = devito.SparseTimeFunction(name="shot", grid=grid, npoint=1, nt=nt)
        receivers = devito.SparseTimeFunction(name="rec", grid=grid, npoint=survey.config.receivers, nt=nt)
        shot.coordinates.data[:] = [[survey.shot_x[0], survey.shot_depth]]
        receivers.coordinates.data[:, 0] = survey.receiver_x[0]
        receivers.coordinates.data[:, 1] = survey.receiver_depth
        shot.data[:, 0] = survey.wavelet / spacing**2  # a delta function spread over one cell
        wave = slowness * pressure.dt2 - pressure.laplace + damping * pressure.dt
        step = devito.Eq(pressure.forward, devito.solve(wave, pressure.forward))
        inject = shot.inject(pressure.forward, expr=shot * grid.stepping_dim.spacing**2 / slowness)
        pressure.data[:] = 0
        operator = devito.Operator([step, inject, receivers.interpolate(pressure)])
        operator.apply(time_m=0, time_M=nt - 1, dt=dt)
        return np.array(receivers.data, dtype=np.float64)[:: survey.config.keep_every]

    return record


def _sponge(shape: tuple[int, ...]) -> np.ndarray:
    """Damping [1/s] that grows with the square of the distance from the model's edges."""
    beyond = [np.maximum(0, np.abs(np.arange(n) - (n - 1) / 2) - ((n - 1) / 2 - SPONGE)) for n in shape]
    return DAMPING * (beyond[0][:, None] ** 2 + beyond[1] ** 2) / SPONGE**2


def nrms(records: np.ndarray, reference: np.ndarray) -> float:
    return float(np.sqrt(np.sum((records - reference) ** 2) / np.sum(reference**2)))


@pytest.mark.slow
def test_records_are_those_of_devito_with_the_same_steps_and_without_any_scaling(
    ours: Record, theirs: Record
) -> None:
    mine, other = ours(correct_dispersion=False), theirs()

    assert nrms(mine, other) < 5e-4
    assert np.sum(mine * other) / np.sum(other**2) == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
def test_corrected_records_are_those_of_devito_with_steps_an_eighth_as_long(
    ours: Record, theirs: Record
) -> None:
    other = theirs(finer=8)

    assert nrms(ours(), other) < 6e-4
    assert nrms(ours(correct_dispersion=False), other) > 1e-2


@pytest.mark.slow
def test_the_study_s_narrow_layer_absorbs_as_devito_s_wide_one(
    study: StudyConfig, ours: Record, theirs: Record
) -> None:
    narrow = ours(correct_dispersion=False, pml_width=study.physics.pml_width)

    assert nrms(narrow, theirs()) < 5e-4
