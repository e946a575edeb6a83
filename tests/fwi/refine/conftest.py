"""Records of a tiny survey over a lens, which the tests of refinement share; both are simulated once."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from fwi.config import GridConfig, PhysicsConfig, SurveyConfig, WaveletConfig
from fwi.physics import Propagator
from fwi.survey import Survey

GRID = GridConfig(nz=26, nx=51, spacing=40.0, velocity=(2000.0, 4500.0))
SURVEY = Survey(
    GRID,
    SurveyConfig(
        shots=4,
        shot_margin=240.0,
        receivers=51,
        depth=40.0,
        dt=0.004,
        nt=350,
        keep_every=5,
        wavelet=WaveletConfig(frequency=6.0),
    ),
)


class Lens(NamedTuple):
    """A section with salt, one without, and their records."""

    survey: Survey
    section: Tensor
    """Lens of salt in sediments [m/s], shape ``(depth, x)``."""
    sediments: Tensor
    """The sediments alone, but with a reflector that is not there [m/s]."""
    recorded: Tensor
    """Records of the lens, shape ``(shot, time, receiver)``."""
    simulated: Tensor
    """Records of the sediments: the direct arrival is the same, all reflections are wrong."""


@pytest.fixture(scope="package")
def lens() -> Lens:
    depth, x = np.meshgrid(np.arange(26) * 40.0, np.arange(51) * 40.0, indexing="ij")
    sediments = 2000 + 0.6 * depth
    section = np.where(((depth - 640) / 160) ** 2 + ((x - 900) / 400) ** 2 < 1, 4500.0, sediments)
    wrong = np.where(depth > 800, 3300.0, sediments)
    models = torch.from_numpy(np.stack([section, wrong]).astype(np.float32))
    with torch.no_grad():
        recorded, simulated = Propagator(SURVEY, PhysicsConfig())(models)
    return Lens(SURVEY, models[0], models[1], recorded, simulated)
