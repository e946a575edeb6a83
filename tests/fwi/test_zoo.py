"""The trained network that comes with the package, on a model and a survey that it has never seen."""

from pathlib import Path

import numpy as np
import pytest
import torch

import fwi
from data_prep.salt import generate
from fwi.config import PhysicsConfig, SaltConfig
from fwi.physics import Propagator
from fwi.survey import Survey

FILE = Path(fwi.__file__).parent / "zoo" / "salt-half.safetensors"
UNSEEN = 99
"""A random stream that no split of a study has."""


@pytest.mark.slow
def test_the_network_in_the_box_inverts_a_dome_from_nine_irregular_shots_with_dead_traces():
    inverter = fwi.load(FILE)
    study = inverter.study
    salt = SaltConfig.model_validate({"preset": {"name": "yang_ma", "lens_share": 0}})
    model = generate(study.grid, salt, UNSEEN, 0)
    shots = (100.0, 330.0, 760.0, 1000.0, 1410.0, 1700.0, 2140.0, 2500.0, 2880.0)
    places = {"shots": 9, "shot_x": shots, "shot_margin": None, "receivers": 76}
    survey = Survey(study.grid, study.survey.model_copy(update=places))
    with torch.inference_mode():
        gathers = Propagator(survey, PhysicsConfig())(torch.from_numpy(model.velocity)[None])[0].numpy()
    gathers[2:4, :, 10:20] = 0.0

    section = inverter.invert(7 * gathers, survey)

    error = np.abs(section - model.velocity).mean()
    assert error < 0.3 * np.abs(inverter.mean_model - model.velocity).mean()
    assert FILE.stat().st_size < 10e6
