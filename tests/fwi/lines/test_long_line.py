"""A line of 20 km over salt bodies, inverted by a network of the zoo, against its truth."""

import numpy as np
import pytest
import torch

import fwi
from data_prep.salt import generate
from fwi.config import PhysicsConfig, SaltConfig
from fwi.lines import Line, scaled, windows
from fwi.physics import Propagator
from fwi.survey import Survey

UNSEEN = 99
"""A random stream that no split of a study has."""
FADE = 15
"""Columns over which neighbouring models pass into each other."""


def joined(grid, count):
    """Models side by side whose salt does not reach their sides: speeds and salt, ``(depth, x)`` each."""
    salt = SaltConfig.model_validate({"preset": "seg_eage"})
    drawn = (generate(grid, salt, UNSEEN, number) for number in range(1000))
    fitting = (each for each in drawn if not each.salt[:, np.r_[:FADE, -FADE:0]].any())
    first = next(fitting)
    velocity, inside = first.velocity, first.salt
    share = np.linspace(0, 1, FADE)
    for _ in range(count - 1):
        other = next(fitting)
        passing = (1 - share) * velocity[:, -FADE:] + share * other.velocity[:, :FADE]
        velocity = np.concatenate([velocity[:, :-FADE], passing, other.velocity[:, FADE:]], axis=1)
        inside = np.concatenate([inside[:, :-FADE], other.salt], axis=1)
    return velocity.astype(np.float32), inside > 0


@pytest.mark.slow
def test_a_line_of_twenty_kilometres_is_inverted_nearer_to_its_truth_than_piece_by_piece():
    run = fwi.load_run("salt-demo")
    velocity, salt = joined(run.study.grid, 8)
    grid = run.study.grid.model_copy(update={"nx": velocity.shape[1]})
    places = {"shots": 80, "shot_margin": 240.0, "receivers": grid.nx}
    survey = Survey(grid, run.survey.config.model_copy(update=places))
    assert 20e3 < survey.length < 21e3
    with torch.inference_mode():
        gathers = Propagator(survey, PhysicsConfig())(torch.from_numpy(velocity)[None])[0].numpy()
    line = Line(run, gathers, scaled(survey, 0.5))  # 80 m cells and 2.5 Hz

    section = line.invert()

    error = np.abs(section - velocity).mean()
    pieces = [
        np.abs(run.invert(each.of(gathers), each.survey) - velocity[:, each.columns]).mean()
        for each in windows(survey, run.survey, overlap=0.0)
    ]
    mean_model = np.abs(run.mean_model.mean(axis=1)[:, None] - velocity).mean()
    found = section >= SaltConfig().threshold
    overlap = (found & salt).sum() / (found | salt).sum()
    assert not line.outside.any()
    assert error < np.mean(pieces)
    assert error < 0.6 * mean_model
    assert overlap > 0.4
    low, high = line.interval.lower, line.interval.upper
    assert 0.75 < ((low <= velocity) & (velocity <= high)).mean() < 0.99
