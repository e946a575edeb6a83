"""Trainings that begin with a trained network, and those of the head alone."""

import numpy as np
import pytest
import torch
from trainings import assert_same_training, checkpoint, train_until, untracked

import fwi
from experiments.train import train
from fwi import config
from fwi.config import DataConfig, ModelConfig, SaltConfig, StudyConfig, TrainConfig, TrustConfig
from fwi.inverter import Inverter
from fwi.run_folder import BEST
from fwi.shards import read
from fwi.training.start import HEAD, begin_with, read_start


@pytest.fixture(scope="module")
def study(tiny_study, tiny_data):
    model = ModelConfig(channels=(4, 8), columns="offsets", offsets=4)
    settings = {"data": DataConfig(workers=0), "model": model}
    settings |= {"train": TrainConfig(epochs=1, batch_size=4, ema=0.5, precision="32")}
    settings |= {"trust": TrustConfig(after_training=False)}
    return untracked(tiny_study.model_copy(update=settings))


@pytest.fixture(scope="module")
def run(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("start") / "body"
    train(study, folder)
    return folder


def headed(study: StudyConfig, **changes: object) -> StudyConfig:
    model = study.model.model_copy(update={"uncertainty": "laplace"})
    return untracked(study.model_copy(update={"model": model}), **changes)


def test_training_with_the_head_gives_the_section_of_training_without(study, run, tmp_path):
    train(headed(study), tmp_path / "both")

    plain, both = (fwi.load(folder).state_dict() for folder in (run, tmp_path / "both"))
    for name, each in plain.items():
        assert torch.equal(both[name], each), name
    assert any(name.startswith(HEAD) for name in both.keys() - plain.keys())
    header, *rows = (tmp_path / "both/metrics.csv").read_text().splitlines()
    assert header.endswith("train/uncertainty,validation/uncertainty")
    assert all(np.isfinite(float(value)) for value in rows[0].split(",")[-2:])


def test_a_frozen_training_changes_the_head_alone_and_keeps_its_best_epoch(study, run, tiny_data, tmp_path):
    frozen = headed(study, start=run, freeze=True, epochs=2)

    train(frozen, tmp_path / "frozen")

    body, trained = fwi.load(run), fwi.load(tmp_path / "frozen")
    for name, each in body.network.state_dict().items():
        if each.is_floating_point():
            assert torch.equal(trained.network.state_dict()[name], each), name
    gathers = read(tiny_data / "test-00000.h5").gathers
    np.testing.assert_array_equal(trained.invert(gathers), body.invert(gathers))
    first, second = (
        float(line.rsplit(",", 1)[1]) for line in (tmp_path / "frozen/metrics.csv").read_text().split()[1:]
    )
    assert second < first
    assert checkpoint(tmp_path / "frozen", BEST)["epoch"] == 1


def test_a_training_goes_on_from_the_weights_of_another(study, run, tmp_path):
    train(untracked(study, start=run, learning_rate=1e-9), tmp_path / "on")

    before, after = (fwi.load(folder).network for folder in (run, tmp_path / "on"))
    for (name, one), two in zip(before.named_parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(two, one, rtol=0, atol=1e-5, msg=name)


def test_another_network_is_refused_with_what_differs(study, run):
    wider = study.model.model_copy(update={"channels": (4, 16)})
    knee = study.data.model_copy(update={"knee": 0.1})
    started = untracked(study, start=run)

    with pytest.raises(ValueError, match=r"train\.start: .* another network.*\n.*: \(8,.*there, \(16,"):
        read_start(started.model_copy(update={"model": wider}))
    with pytest.raises(ValueError, match=r"data\.knee: 0\.3 there, 0\.1 in the study"):
        read_start(started.model_copy(update={"data": knee}))


def test_held_parts_stay_to_the_bit_with_their_statistics_and_all_others_are_trained(study, run, tmp_path):
    held = ("stem", "encoder 0")

    train(untracked(study, start=run, hold=held, epochs=2), tmp_path / "held")

    before, after = (fwi.load(folder).network.parts() for folder in (run, tmp_path / "held"))
    for name, part in before.items():
        same = [torch.equal(each, after[name].state_dict()[key]) for key, each in part.state_dict().items()]
        assert all(same) if name in held else not any(same), name


def test_a_training_that_holds_parts_goes_on_to_the_very_same_result(study, run, tmp_path):
    settings = untracked(study, start=run, hold=("encoder 1",), epochs=2)
    train(settings, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="power cut"):
        train_until(3, settings, tmp_path / "cut")

    train(settings, tmp_path / "cut", resume=True)

    assert_same_training(tmp_path / "whole", tmp_path / "cut")


def test_an_unknown_part_is_refused_with_those_that_there_are_and_so_is_holding_all(study, run):
    parts = list(fwi.load(run).network.parts())

    with pytest.raises(ValueError, match=rf"train\.hold: .* no part 'encoder 7'; .* {', '.join(parts)}"):
        read_start(untracked(study, start=run, hold=("encoder 7",)))
    with pytest.raises(ValueError, match=r"train\.hold: holds the whole network, and nothing is left"):
        read_start(untracked(study, start=run, hold=tuple(parts)))


def test_geology_survey_and_grid_may_be_others(study, run, tiny_data):
    positions = {"shots": 3, "shot_margin": 40.0, "receivers": 20, "nt": 300}
    other = study.model_copy(
        update={
            "grid": study.grid.model_copy(update={"nz": 30, "nx": 20, "spacing": 25.0}),
            "survey": study.survey.model_copy(update=positions | {"depth": 25.0}),
            "salt": SaltConfig.model_validate({"preset": "gulf"}),
        }
    )
    start = read_start(untracked(other, start=run))
    inverter = Inverter(other)

    begin_with(inverter, start)

    old, new = start.network.stem.row, inverter.network.stem.row
    assert torch.equal(new[:, :24], old)
    assert torch.equal(new[:, 24:], old[:, -1:].expand(-1, 6, -1))
    assert torch.equal(inverter.network.head.project.weight, start.network.head.project.weight)


def test_a_network_of_the_zoo_begins_a_training_by_its_name_or_is_refused_with_what_differs(study):
    with pytest.raises(ValueError, match=r"train\.start: salt-half holds another network.*\n  - data\.knee"):
        read_start(untracked(study, start="salt-half"))
    with pytest.raises(ValueError, match=r"salt-none: no such file.*the zoo has .*salt-half"):
        read_start(untracked(study, start="salt-none"))
    settings = config.load(["salt_half"]).model_dump(mode="json")
    settings["data"]["knee"] = 0.1
    settings["train"]["start"] = "salt-half"

    found = read_start(StudyConfig.model_validate(settings))

    assert found.study.survey.shots == 29


def test_a_frozen_section_has_to_be_the_same_section(study, run):
    raw = study.model.model_copy(update={"output": "raw"})
    started = study.model_copy(update={"model": raw})

    read_start(untracked(started, start=run))  # the same weights mean something else, and are trained on
    with pytest.raises(ValueError, match=r"model\.output: bounded there, raw in the study"):
        read_start(headed(started, start=run, freeze=True))


def test_nothing_can_be_frozen_without_a_trained_network_and_a_head(study):
    settings = study.model_dump(mode="json")
    settings["train"]["freeze"] = True

    with pytest.raises(ValueError, match=r"train\.freeze: .*train\.start and a head in model\.uncertainty"):
        StudyConfig.model_validate(settings)
    settings["train"] |= {"freeze": False, "hold": ["stem"]}
    with pytest.raises(ValueError, match=r"train\.hold: holds parts of a trained network: .*train\.start"):
        StudyConfig.model_validate(settings)
