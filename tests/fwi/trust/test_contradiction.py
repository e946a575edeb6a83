"""Maps on the grid of the demo, by one wave simulation of each section."""

from pathlib import Path

import numpy as np
import pytest
import torch

from data_prep.salt import generate
from fwi import config
from fwi.check import PhysicsCheck
from fwi.physics import Propagator
from fwi.survey import Survey
from fwi.trust.calibration import area
from fwi.trust.contradiction import contradiction, strongest
from fwi.trust.damage import salt_missing

DEMO = Path(__file__).resolve().parents[3] / "configs/demo.yaml"
TEST = 2  # stream of the salt models


@pytest.fixture(scope="module")
def study():
    return config.load([DEMO])


@pytest.fixture(scope="module")
def survey(study) -> Survey:
    return Survey(study.grid, study.survey)


@pytest.fixture(scope="module")
def check(study, survey) -> PhysicsCheck:
    return PhysicsCheck(survey, study.physics, study.check, np.full((51, 76), 3000, np.float32))


@pytest.fixture(scope="module")
def dome(study, survey):
    """A salt dome, where its salt is, and its records."""
    model = generate(study.grid, study.salt, TEST, 0)
    with torch.inference_mode():
        records = Propagator(survey, study.physics)(torch.from_numpy(model.velocity)[None])[0].numpy()
    return model.velocity, model.salt > 0, records


def half_without_salt(velocity: np.ndarray, salt: np.ndarray, right: bool) -> tuple[np.ndarray, np.ndarray]:
    """The section without the salt of one half of its columns, and where it is wrong by then."""
    columns = np.flatnonzero(salt.any(axis=0))
    middle = (columns[0] + columns[-1]) // 2
    half = np.arange(salt.shape[1]) > middle if right else np.arange(salt.shape[1]) < middle
    section = np.where(half, salt_missing(velocity, salt, np.random.default_rng(0)), velocity)
    return section, np.abs(section - velocity) > 300


@pytest.mark.parametrize("right", [True, False])
def test_map_points_at_the_flank_whose_salt_is_missing(dome, check, survey, right):
    velocity, salt, records = dome
    section, wrong = half_without_salt(velocity, salt, right)

    found = contradiction(check(section, records), survey)

    assert area(found.ravel(), wrong.ravel()) > 0.8
    place = strongest(found, survey)
    away = np.hypot(*(np.argwhere(wrong) * 40 - [place.depth, place.x]).T).min()
    assert away <= 200


def test_true_section_is_contradicted_nowhere(dome, check, survey):
    velocity, _, records = dome

    found = contradiction(check(velocity, records), survey)

    assert found.shape == velocity.shape
    assert found.max() < 0.1


def test_map_does_not_depend_on_the_records_gain_and_leaves_dead_traces_out(dome, check, survey):
    velocity, salt, records = dome
    section, wrong = half_without_salt(velocity, salt, right=True)
    dead = 50 * records
    dead[2] = 0
    dead[:, :, ::9] = 0

    one, loud, fewer = (contradiction(check(section, each), survey) for each in (records, 50 * records, dead))

    np.testing.assert_allclose(one, loud, rtol=1e-3, atol=1e-4)
    assert area(fewer.ravel(), wrong.ravel()) > 0.75
