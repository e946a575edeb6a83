"""A study that goes on training a network for the geometry of a file is one that can be made and trained."""

import numpy as np
import pytest
import torch

from data_prep.lines.study import study_from
from data_prep.segy.write import write_gathers
from experiments.cli import main
from fwi import config
from fwi.config import GridConfig, PhysicsConfig, SaltConfig, SurveyConfig, WaveletConfig
from fwi.physics import Propagator
from fwi.survey import Survey

FACTOR = 1.6
"""Of the files: cells of 12.5 m and 16 Hz, for networks of 20 m and 10 Hz."""


def line_of(path, columns, duration, **positions):
    """Write records over a homogeneous model of some columns and 24 rows; ``duration`` is in seconds."""
    grid = GridConfig(nz=24, nx=columns, spacing=20 / FACTOR)
    steps, depth = round(duration / (0.002 / FACTOR)) + 1, 20 / FACTOR
    time = {"dt": 0.002 / FACTOR, "nt": steps, "keep_every": 2, "wavelet": WaveletConfig(frequency=16)}
    survey = Survey(grid, SurveyConfig(depth=depth, **time, **positions))
    with torch.inference_mode():
        velocity = torch.full((1, grid.nz, grid.nx), 2000.0)
        velocity[:, 15:] = 3000.0
        gathers = Propagator(survey, PhysicsConfig())(velocity)[0].numpy()
    write_gathers(path, gathers, survey, "a test")
    return path


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A file that the section of ``tiny_study`` holds: 3 shots and 36 receivers over 437.5 m."""
    path = tmp_path_factory.mktemp("short") / "short line.segy"
    return line_of(path, 36, 0.32, shots=3, shot_margin=50.0, receivers=36)


def test_what_is_suggested_is_simulated_and_trained_and_the_network_inverts_the_file(
    short, any_survey_run, pool_here, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    few = ["train 4", "validation 2", "test 0", "samples-per-shard 2"]
    few = [word for flag in few for word in f"--storage.{flag}".split()]
    brief = ["--train.epochs", "1", "--train.batch-size", "2", "--trust.no-after-training"]
    words = ["--suggest-config", "new.yaml", "--train.start", str(any_survey_run), "--salt.preset", "gulf"]

    main(["import", str(short), *words])
    main(["simulate", "--config", "new.yaml", *few])
    main(["train", "--config", "new.yaml", *few, *brief, "--data.workers", "0", "--run", "new"])
    main(["invert", str(short), "--run", "new", "--no-check", "--out", "sections"])

    (section,) = (tmp_path / "sections").glob("*-0.npy")
    assert np.load(section).shape == (24, 36)
    said = capsys.readouterr().out
    assert "fwi simulate --config new.yaml" in said
    assert "fwi train --config new.yaml --run 'runs/short line'" in said


def test_the_study_is_the_network_s_at_the_scale_of_the_file_with_the_file_s_shots(
    short, any_survey_run, tmp_path
):
    (tmp_path / "new.yaml").write_text(study_from(any_survey_run, short).text)

    study = config.load([tmp_path / "new.yaml"])

    own = config.load([any_survey_run / "config.yaml"])
    assert (study.grid.nz, study.grid.nx) == (own.grid.nz, own.grid.nx)
    assert study.grid.spacing == pytest.approx(own.grid.spacing / FACTOR)
    survey, network = (Survey(each.grid, each.survey) for each in (study, own))
    np.testing.assert_allclose(survey.time, network.time / FACTOR)
    assert survey.config.wavelet.frequency == pytest.approx(16)
    np.testing.assert_allclose(survey.shot_x, [50, 218.75, 387.5], atol=0.01)
    np.testing.assert_allclose(survey.receiver_x[0], np.arange(36) * 12.5, atol=0.01)
    assert study.model == own.model
    assert study.train.start == any_survey_run
    assert study.train.learning_rate < own.train.learning_rate
    assert study.salt.preset.name == "mixed"


def test_of_a_longer_line_the_middle_is_trained_for(any_survey_run, tmp_path):
    path = line_of(tmp_path / "long.segy", 90, 0.32, shots=12, shot_margin=0.0, receivers=90)
    (tmp_path / "new.yaml").write_text(study_from(any_survey_run, path).text)

    study = config.load([tmp_path / "new.yaml"])

    survey = Survey(study.grid, study.survey)
    start = 27 * 12.5  # of the 54 columns that the line has more, as many are on either side
    shots = np.linspace(0, 89 * 12.5, 12) - start
    inside = shots[(shots >= 0) & (shots <= 35 * 12.5)]
    np.testing.assert_allclose(survey.shot_x, inside, atol=0.02)
    np.testing.assert_allclose(survey.receiver_x[0], np.arange(36) * 12.5, atol=0.01)


def test_a_network_of_the_zoo_brings_its_corruption_at_the_scale_of_the_file(tmp_path):
    path = line_of(tmp_path / "zoo.segy", 151, 1.25, shots=2, shot_margin=400.0, receivers=76)
    salt = SaltConfig.model_validate({"preset": {"name": "gulf", "faults": [0, 1]}, "seed": 3})

    (tmp_path / "new.yaml").write_text(study_from("salt-half", path, salt).text)

    study, own = config.load([tmp_path / "new.yaml"]).data, config.load(["salt_half"]).data
    assert study.corrupt.share == own.corrupt.share
    assert study.corrupt.white == own.corrupt.white
    assert study.corrupt.delay.range == pytest.approx([each / FACTOR for each in own.corrupt.delay.range])
    assert study.corrupt.sparse_shots.probability == 0
    assert config.load([tmp_path / "new.yaml"]).salt == salt
    assert study.knee == 0.1


def test_what_cannot_be_begun_with_is_refused(short, trained_run, tmp_path, refused):
    out = tmp_path / "new.yaml"
    words = ["import", short, "--suggest-config", out]

    assert "takes records of its own survey alone" in refused(*words, "--train.start", trained_run)
    assert "no network of the zoo, which has salt-" in refused(*words, "--train.start", "salt-none")
    assert "--every: without use" in refused(*words, "--train.start", "salt-half", "--every", 100)
    assert "and at most 50 % may be" in refused(*words, "--train.start", "salt-half")
    assert not out.exists()
