"""``fwi zoo``, and the commands that take the name of a network of the zoo, or an inverter file, as --run."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import fwi
from experiments import zoo as zoo_command
from experiments.cli import main
from fwi import shards, zoo
from fwi.inverter_file import FILE


@pytest.fixture
def tiny(any_survey_run, tmp_path, monkeypatch):
    """A zoo that has one tiny network of any survey, ``salt-tiny``, and no card of it."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    shutil.copy(any_survey_run / FILE, folder / "salt-tiny.safetensors")
    monkeypatch.setattr(zoo, "FOLDER", folder)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return "salt-tiny"


@pytest.fixture
def record(tiny_data):
    return tiny_data / "test-00000.h5"


def test_the_list_has_a_line_of_each_network_with_its_facts(capsys):
    main(["zoo"])

    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["name", "MB"]
    assert [line.split()[0] for line in lines] == zoo.names()
    for name, line in zip(zoo.names(), lines, strict=True):
        assert f"{zoo.path(name).stat().st_size / 1e6:.1f}" in line
        assert all(zoo.card(name).facts[fact] in line for fact in zoo_command.COLUMNS)


def test_show_prints_the_card_as_it_is_and_laid_out_on_a_terminal(capsys, monkeypatch):
    main(["zoo", "show", "salt-half"])

    plain = capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    main(["zoo", "show", "salt-half"])
    laid_out = capsys.readouterr().out
    assert plain == zoo.card("salt-half").text
    assert "## Geology" in plain
    assert "## Geology" not in laid_out
    assert all(heading in laid_out for heading in zoo.HEADINGS)


def test_what_the_zoo_does_not_have_is_refused_with_what_it_has(refused):
    assert "no network 'pepper' in the zoo, which has salt-" in refused("zoo", "show", "pepper")
    assert "takes a name: one of salt-" in refused("zoo", "show")
    assert "'fwi zoo show salt-half' prints its card" in refused("zoo", "list", "salt-half")


def test_records_are_inverted_and_checked_by_the_name_of_a_network(tiny, record, capsys):
    main(["invert", str(record), "--run", tiny, "--sample", "0"])
    main(["check", "test-00000-0.npy", str(record), "--run", tiny, "--sample", "0"])

    section = np.load("test-00000-0.npy")
    expected = fwi.load(tiny).invert(shards.read(record).gathers[0])
    np.testing.assert_array_equal(section, expected)
    assert "where the records contradict it" in capsys.readouterr().out


def test_sections_are_refined_by_the_name_or_the_file_of_a_network(tiny, record, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    flags = ["--sample", "0", "--budget", "1"]

    main(["refine", str(record), *flags, "--run", tiny, "--out", "name"])
    by_file = ["--run", str(zoo.path(tiny)), "--refine", "--no-check", "--out", "file"]
    main(["invert", str(record), *flags, *by_file])

    by_name, by_file = (np.load(f"{kind}/test-00000-0-refined.npy") for kind in ("name", "file"))
    np.testing.assert_array_equal(by_name, by_file)
    assert "report:" not in capsys.readouterr().out


def test_a_network_without_a_folder_is_evaluated_into_a_named_one(tiny, tiny_data, refused, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    main(["evaluate", "--run", tiny, "--data", str(tiny_data), "--out", "scores", "--checks", "1"])

    assert "samples" in Path("scores/evaluation.json").read_text()
    assert "the velocities are off by" in Path("scores/report.html").read_text()
    assert "say with --out where" in refused("evaluate", "--run", tiny, "--data", tiny_data)
    assert "name one with --data" in refused("evaluate", "--run", tiny, "--out", "scores")


def test_a_run_is_evaluated_into_another_folder_as_well(trained_run, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    before = {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")}

    main(["evaluate", "--run", str(trained_run), "--out", str(tmp_path / "scores"), "--checks", "1"])

    assert (tmp_path / "scores/evaluation.json").exists()
    assert {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")} == before


def test_attention_is_drawn_by_the_name_of_a_network(tiny, tiny_data, record, refused):
    main(["plot", "attention", "--run", tiny, "--data", str(record), "--out", "attention.png"])

    assert Path("attention.png").read_bytes().startswith(b"\x89PNG")
    assert "name one with --data" in refused("plot", "attention", "--run", tiny, "--out", "other.png")


def test_what_is_kept_in_a_run_is_refused_in_words(tiny, refused):
    without = f"{tiny} is a trained network without the folder of a run"

    assert without in refused("calibrate", "--run", tiny)
    assert f"{zoo.path(tiny)} is a trained network without" in refused("calibrate", "--run", zoo.path(tiny))
    assert f"{tiny}: no run here" in refused("train", "--run", tiny, "--resume")
    assert f"{tiny}: no run here" in refused("convert", tiny)
