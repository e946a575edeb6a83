"""The trained networks that come with the package, on a model and a survey that they have never seen."""

import numpy as np
import pytest
import torch

import fwi
from data_prep.salt import generate
from fwi import inverter as inverter_module
from fwi import zoo
from fwi.config import PhysicsConfig, SaltConfig
from fwi.inverter import survey_of
from fwi.physics import Propagator
from fwi.survey import Survey

UNSEEN = 99
"""A random stream that no split of a study has."""


@pytest.fixture(scope="module")
def network():
    return fwi.load("salt-half")


@pytest.fixture(scope="module")
def dome(network):
    """A model, and its records of nine irregular shots with dead traces: velocity, gathers, survey."""
    study = network.study
    salt = SaltConfig.model_validate({"preset": {"name": "yang_ma", "lens_share": 0}})
    model = generate(study.grid, salt, UNSEEN, 0)
    shots = (100.0, 330.0, 760.0, 1000.0, 1410.0, 1700.0, 2140.0, 2500.0, 2880.0)
    places = {"shots": 9, "shot_x": shots, "shot_margin": None, "receivers": 76}
    survey = Survey(study.grid, study.survey.model_copy(update=places))
    with torch.inference_mode():
        gathers = Propagator(survey, PhysicsConfig())(torch.from_numpy(model.velocity)[None])[0].numpy()
    gathers[2:4, :, 10:20] = 0.0
    return model.velocity, gathers, survey


@pytest.mark.slow
def test_the_network_in_the_box_inverts_a_dome_from_nine_irregular_shots_with_dead_traces(network, dome):
    velocity, gathers, survey = dome

    section = network.invert(7 * gathers, survey)

    error = np.abs(section - velocity).mean()
    assert error < 0.3 * np.abs(network.mean_model - velocity).mean()


@pytest.mark.slow
def test_float16_moves_no_cell_of_a_salt_section_by_half_a_metre_per_second(network, dome, tmp_path):
    """The original is drawn among the float32 weights that the file's are the nearest float16 of."""
    _, gathers, survey = dome
    train = network.study.train.model_copy(update={"precision": "32"})
    network.study = network.study.model_copy(update={"train": train})
    random = torch.Generator().manual_seed(0)
    original = {name: each.clone() for name, each in network.state_dict().items()}
    for name, each in network.named_parameters():
        if each.numel() > inverter_module.HALVED:
            within = torch.rand(each.shape, generator=random).to(each.device) - 0.5
            original[name] = each.detach() * (1 + 2.0**-11 * within)
    network.load_state_dict(original)

    network.save(tmp_path / "half.safetensors", half=True)

    halved = fwi.load(tmp_path / "half.safetensors")
    changed = [name for name, each in halved.state_dict().items() if not torch.equal(each, original[name])]
    difference = np.abs(halved.invert(gathers, survey) - network.invert(gathers, survey))
    assert len(changed) == 5
    assert 0 < difference.max() < 0.5


def test_a_file_or_folder_of_a_name_goes_before_the_zoo(any_survey_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = fwi.load("salt-half").survey
    tiny = fwi.load(any_survey_run)

    (tmp_path / "salt-half").symlink_to(any_survey_run)

    assert fwi.load("salt-half").survey == fwi.load_run("salt-half").survey == tiny.survey != whole
    (tmp_path / "salt-half").unlink()
    tiny.save(tmp_path / "salt-half")
    assert fwi.load("salt-half").survey == fwi.load_run("salt-half").survey == tiny.survey


def test_an_unknown_name_is_refused_with_the_known_ones():
    known = rf"the zoo.* has {', '.join(zoo.names())}"
    with pytest.raises(ValueError, match=f"salt-none: no such file.*{known}"):
        fwi.load("salt-none")
    with pytest.raises(ValueError, match=f"no network 'salt-none' in {known}"):
        zoo.card("salt-none")
    with pytest.raises(ValueError, match=f"salt-none: no run here .*, and no network of {known}"):
        fwi.load_run("salt-none")


def test_a_network_of_the_zoo_is_a_run_without_a_folder(network):
    run = fwi.load_run("salt-half")

    assert run.name == "salt-half"
    assert not run.has_folder
    np.testing.assert_array_equal(run.mean_model, network.mean_model)
    with pytest.raises(ValueError, match="salt-half is a trained network without the folder of a run"):
        _ = run.folder


@pytest.mark.parametrize("name", zoo.names())
def test_each_network_has_a_card_with_all_headings_whose_facts_are_those_of_the_file(name):
    card, network = zoo.card(name), fwi.load(name)

    grid, survey = network.study.grid, network.survey
    shots = "any shots and receivers" if network.any_survey else f"{survey.config.shots} shots"
    assert tuple(card.facts) == zoo.FACTS
    assert tuple(card.parts) == zoo.HEADINGS
    assert all(text.strip() for text in card.parts.values())
    assert card.facts["section"] == f"{grid.nz} x {grid.nx} cells of {grid.spacing:g} m"
    times = f"{len(survey.time)} samples of {1000 * survey.recorded_dt:g} ms"
    assert card.facts["records"] == f"{shots}; {times}"
    assert card.facts["wavelet"] == f"Ricker of {survey.config.wavelet.frequency:g} Hz"
    assert card.facts["speeds"] == f"{grid.velocity[0]:g} to {grid.velocity[1]:g} m/s"
    parameters = sum(each.numel() for each in network.parameters())
    assert f" {parameters:,} parameters" in card.facts["network"]
    assert f"{survey.config.shots} shots" in card.parts["Surveys"]
    assert f"{survey.config.receivers} receivers" in card.parts["Surveys"]
    assert f"{survey.shot_depth:g} m depth" in card.parts["Surveys"]
    assert network.calibration.keys() >= {"trust", "uncertainty"}


def test_the_zoo_leaves_room_in_the_wheel():
    assert sum(zoo.path(name).stat().st_size for name in zoo.names()) < 20e6


@pytest.mark.parametrize("name", zoo.names())
def test_the_survey_of_a_network_is_read_without_its_weights(name):
    assert survey_of(name) == fwi.load(name).survey
