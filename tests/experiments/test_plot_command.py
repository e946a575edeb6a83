"""``fwi plot``: sections, gathers, and what a trained network attends to."""

import re

import numpy as np
import pytest
from PIL import Image

from experiments.cli import main
from experiments.plot import middle
from fwi import load_run, plots, run_folder
from fwi.config import ModelConfig, StudyConfig
from fwi.corruption import CORRUPTIONS
from fwi.inverter import Inverter
from fwi.inverter_file import FILE
from fwi.shards import read


@pytest.fixture
def drawn(monkeypatch) -> dict:
    """What the figure of attention was drawn from."""
    given: dict = {}
    draw = plots.attention_maps

    def attention_maps(sample, looked, cell, *others):
        given.update(sample=sample, looked=looked, cell=cell)
        return draw(sample, looked, cell, *others)

    monkeypatch.setattr(plots, "attention_maps", attention_maps)
    return given


def draw(*arguments: object) -> None:
    main(["plot", *map(str, arguments)])


def assert_is_a_picture(path) -> None:
    with Image.open(path) as picture:
        assert min(picture.size) > 200


def untrained_run(study: StudyConfig, folder, **model) -> None:
    """A run whose network has its first weights."""
    study = study.model_copy(update={"model": ModelConfig.model_validate({"channels": (8, 16, 32)} | model)})
    run_folder.begin(folder, study)
    Inverter(study).save(folder / FILE)


def test_section_and_gather_of_a_shard_and_section_of_a_npy_are_drawn(tiny_data, study_file, tmp_path):
    shard = tiny_data / "test-00000.h5"
    np.save(tmp_path / "model.npy", read(shard).velocity[0])

    draw("section", shard, "--out", tmp_path / "section.png")
    draw("gather", shard, "--sample", 2, "--shot", 3, "--out", tmp_path / "gather.png")
    draw("section", tmp_path / "model.npy", "--config", study_file, "--out", tmp_path / "model.png")

    for name in ("section", "gather", "model"):
        assert_is_a_picture(tmp_path / f"{name}.png")


def test_a_gather_is_drawn_clean_and_under_each_corruption(tiny_data, tmp_path, monkeypatch):
    given = []
    grid = plots.gather_grid
    monkeypatch.setattr(
        plots, "gather_grid", lambda panels, *others: given.extend(panels) or grid(panels, *others)
    )

    draw("corruptions", tiny_data / "test-00000.h5", "--sample", 1, "--out", tmp_path / "corruptions.png")

    assert_is_a_picture(tmp_path / "corruptions.png")
    recorded = read(tiny_data / "test-00000.h5").gathers[1, 2].astype(np.float32)
    (_, clean), *corrupted = given
    np.testing.assert_array_equal(clean, recorded)
    assert [title.split("\n")[0] for title, _ in corrupted] == [each.title for each in CORRUPTIONS.values()]
    assert all((gather != recorded).any() for _, gather in corrupted)
    assert "Dead traces\n50 %" in dict(corrupted)


def test_attention_of_a_run_is_drawn_over_the_section_it_inverts(trained_run, tiny_data, tmp_path, drawn):
    draw("attention", "--run", trained_run, "--sample", 2, "--out", tmp_path / "attention.png")

    gathers = read(tiny_data / "test-00000.h5").gathers[2]
    assert_is_a_picture(tmp_path / "attention.png")
    assert [look.place for look in drawn["looked"]] == ["encoder 1", "encoder 2", "decoder 1"]
    assert drawn["sample"].name == "test 2, inverted"
    np.testing.assert_array_equal(drawn["sample"].velocity, load_run(trained_run).invert(gathers))
    np.testing.assert_array_equal(drawn["sample"].gather, gathers[2].astype(np.float32))


def test_records_to_attend_to_come_from_a_split_or_from_a_file(trained_run, tiny_data, tmp_path, drawn):
    sections = []
    for source in (["--split", "validation"], ["--data", tiny_data / "validation-00000.h5"]):
        draw("attention", "--run", trained_run, *source, "--out", tmp_path / "attention.png")
        sections.append(drawn["sample"].velocity)

    np.testing.assert_array_equal(*sections)


def test_folder_of_records_may_have_a_dot_in_its_name(trained_run, tiny_data, tmp_path, drawn):
    dotted = tmp_path / "salt.v2"
    dotted.symlink_to(tiny_data)

    draw("attention", "--run", trained_run, "--data", dotted, "--out", tmp_path / "attention.png")

    assert drawn["sample"].name == "test 0, inverted"


def test_network_of_any_survey_is_drawn_with_records_of_another_one(
    any_survey_run, other_data, tmp_path, drawn
):
    for name, data in (("set", other_data), ("file", other_data / "test-00000.h5")):
        draw("attention", "--run", any_survey_run, "--data", data, "--out", tmp_path / f"{name}.png")

        np.testing.assert_array_equal(
            drawn["sample"].gather, read(other_data / "test-00000.h5").gathers[0, 1].astype(np.float32)
        )
        assert_is_a_picture(tmp_path / f"{name}.png")


def test_cell_that_gathers_is_the_one_asked_for(trained_study, tmp_path, drawn):
    untrained_run(trained_study, tmp_path / "run", bottleneck="self")

    draw("attention", "--run", tmp_path / "run", "--at", 400, 100, "--out", tmp_path / "attention.png")

    assert drawn["cell"] == (5, 20)


def test_cell_that_gathers_is_in_the_middle_of_the_salt():
    salt = np.zeros((24, 36), dtype=bool)
    assert middle(salt) == (12, 18)

    salt[4:11, 20:31] = True
    assert middle(salt) == (7, 25)

    salt[6:9, 22:29] = False  # a ring, with no salt in its middle
    row, column = middle(salt)
    assert salt[row, column]
    assert abs(row - 7) + abs(column - 25) == 2


@pytest.mark.parametrize(
    "model",
    [
        {"attention": ["spatial", "psa", "eca"]},
        {"skip": ["gate", "mdaf"]},
        {"bottleneck": ["criss_cross", {"name": "pmfs", "levels": 2}]},
        {"resample": "cross"},
        {"resample": "cross", "columns": "midpoints"},
    ],
    ids=["attention", "skip", "bottleneck", "resample", "midpoints"],
)
def test_attention_in_every_slot_is_drawn(model, trained_study, tmp_path):
    untrained_run(trained_study, tmp_path / "run", **model)

    draw("attention", "--run", tmp_path / "run", "--out", tmp_path / "attention.png")

    assert_is_a_picture(tmp_path / "attention.png")


def test_what_moves_its_map_is_left_out_and_said_to_be(trained_study, tmp_path, capsys, drawn):
    untrained_run(trained_study, tmp_path / "run", resample="stn", skip=["gate", "none"])

    draw("attention", "--run", tmp_path / "run", "--out", tmp_path / "attention.png")

    assert re.search(r"^resample: stn moves its map .* left out$", capsys.readouterr().out, re.MULTILINE)
    assert [look.place for look in drawn["looked"]] == ["skip 0"]


def test_a_run_without_attention_is_refused(trained_study, tmp_path, refused):
    untrained_run(trained_study, tmp_path / "run")

    said = refused("plot", "attention", "--run", tmp_path / "run", "--out", tmp_path / "attention.png")

    assert "no attention to look at: the network has none" in said
    assert not (tmp_path / "attention.png").exists()
