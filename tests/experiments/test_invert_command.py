import re

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from studies import config_file

from data_prep.salt import generate
from data_prep.segy.velocity import read_section
from data_prep.segy.write import write_gathers
from experiments.cli import main
from fwi import load_run
from fwi.config import PhysicsConfig, SaltConfig
from fwi.lines import scaled
from fwi.physics import Propagator
from fwi.shards import read
from fwi.survey import Survey


@pytest.fixture(scope="module")
def shard(tiny_data):
    return tiny_data / "test-00000.h5"


@pytest.fixture
def survey_file(trained_study, tmp_path):
    """The survey of the records, as a user would write it for a .npy."""
    path = tmp_path / "survey.yaml"
    path.write_text(yaml.safe_dump(trained_study.model_dump(mode="json", include={"grid", "survey"})))
    return path


def invert(*arguments: object) -> None:
    main(["invert", *map(str, arguments)])


def test_sample_of_a_shard_gives_section_picture_check_and_time(shard, trained_run, tmp_path, capsys):
    invert(shard, "--run", trained_run, "--out", tmp_path, "--sample", 2)

    section = np.load(tmp_path / "test-00000-2.npy")
    np.testing.assert_allclose(section, load_run(trained_run).invert(read(shard).gathers[2]), rtol=1e-6)
    with Image.open(tmp_path / "test-00000-2.png") as picture:
        assert min(picture.size) > 200
    shown = capsys.readouterr().out
    assert re.search(r"test-00000-2\.npy, \.png, \.segy: inverted in \d+ ms", shown)
    assert re.search(r"  NRMS [\d.]+, \d+% of the mean model's.*; not calibrated: fwi calibrate --run", shown)
    suffixes = [
        "-contradiction.npy",
        "-contradiction.png",
        "-contradiction.segy",
        ".html",
        ".npy",
        ".png",
        ".segy",
    ]
    assert np.load(tmp_path / "test-00000-2-contradiction.npy").shape == section.shape
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"test-00000-2{end}" for end in suffixes]


@pytest.mark.parametrize("samples", [slice(0, 2), 0])
def test_npy_with_its_survey_gives_what_the_shard_gives(
    samples, shard, trained_run, survey_file, tmp_path, capsys
):
    gathers = read(shard).gathers[samples]
    np.save(tmp_path / "line.npy", gathers.astype(np.float32))

    invert(
        tmp_path / "line.npy", "--run", trained_run, "--out", tmp_path, "--survey", survey_file, "--no-check"
    )

    expected = load_run(trained_run).invert(gathers).reshape(-1, 24, 36)
    for number, section in enumerate(expected):
        np.testing.assert_allclose(np.load(tmp_path / f"line-{number}.npy"), section, rtol=1e-6)
    assert "NRMS" not in capsys.readouterr().out


def test_true_section_is_checked_and_mapped(shard, trained_run, tmp_path, capsys):
    np.save(tmp_path / "truth.npy", read(shard).velocity[1])

    main(["check", str(tmp_path / "truth.npy"), str(shard), "--run", str(trained_run), "--sample", "1"])

    compared, verdict, mapped = capsys.readouterr().out.splitlines()[:3]
    assert compared == f"{tmp_path / 'truth.npy'} against {shard}, sample 1"
    assert verdict.startswith("  NRMS 0.")
    assert mapped == f"  where the records contradict it: {tmp_path / 'truth-contradiction'}.npy, .png, .segy"


# -- networks that take any survey


def test_records_of_another_survey_are_inverted_from_shard_and_segy_alike(
    any_survey_run, other_study, other_data, tmp_path, capsys
):
    gathers, survey = read(other_data / "test-00000.h5").gathers, Survey(other_study.grid, other_study.survey)
    write_gathers(tmp_path / "line.sgy", gathers[1], survey, "a test")

    invert(other_data / "test-00000.h5", "--run", any_survey_run, "--out", tmp_path, "--no-check")
    invert(tmp_path / "line.sgy", "--run", any_survey_run, "--out", tmp_path)

    run = load_run(any_survey_run)
    of_shard, of_segy = (np.load(tmp_path / f"{name}.npy") for name in ("test-00000-1", "line-0"))
    np.testing.assert_allclose(of_shard, run.invert(gathers[1], survey), rtol=1e-6)
    swapped = run.invert(gathers[1, :, :, ::-1], survey)  # what traces at wrong places make
    # SEG-Y lacks the band below a quarter of the peak frequency.
    assert np.abs(of_segy - of_shard).mean() < 0.2 * np.abs(swapped - of_shard).mean()
    shown = capsys.readouterr().out
    assert shown.count("  survey: 3 shots, 18 receivers, offsets 0 to 611.7 m\n") == 2
    assert "  NRMS " in shown


def test_true_section_explains_records_of_another_survey_with_a_dead_shot(
    any_survey_run, other_study, other_data, tmp_path, capsys
):
    samples = read(other_data / "test-00000.h5")
    gathers = samples.gathers[0].astype(np.float32)
    gathers[1] = 0
    np.save(tmp_path / "truth.npy", samples.velocity[0])
    np.save(tmp_path / "line.npy", gathers)
    survey = config_file(other_study, tmp_path)
    files = [tmp_path / "truth.npy", tmp_path / "line.npy"]

    main(["check", *map(str, files), "--run", str(any_survey_run), "--survey", str(survey)])

    verdict = capsys.readouterr().out.splitlines()[-2]
    assert verdict.startswith("  NRMS 0.0") or verdict.startswith("  NRMS 0.1")
    assert "; zero throughout and left out: 1 of 3 shots; not calibrated" in verdict


# -- lines of any scale, with a network of the zoo


def a_line(path, network, shots):
    """Write a line as SEG-Y at 1.6 times the network's frequency; its survey, gathers and model as of it."""
    network = load_run(network).survey
    salt = SaltConfig.model_validate({"preset": {"name": "yang_ma", "lens_share": 0}})
    velocity = generate(network.grid, salt, 99, 3).velocity
    places = {"shots": shots, "shot_margin": 200.0, "receivers": 76}
    survey = Survey(network.grid, network.config.model_copy(update=places))
    with torch.inference_mode():
        gathers = Propagator(survey, PhysicsConfig())(torch.from_numpy(velocity)[None])[0].numpy()
    write_gathers(path, 55 * gathers, scaled(survey, 1 / 1.6), "a test")
    return survey, gathers, velocity


@pytest.mark.slow
def test_a_line_of_another_scale_is_inverted_by_a_network_of_the_zoo_that_says_why(tmp_path, capsys):
    path = tmp_path / "line.segy"
    survey, gathers, velocity = a_line(path, "salt-half", shots=7)

    main(["invert", str(path), "--out", str(tmp_path)])

    shown = capsys.readouterr().out
    assert re.search(r"^  network: salt-half: .*periods", shown, re.MULTILINE)
    assert "lengths and times multiplied by 1.6 are those of the network" in shown
    assert re.search(r"^  (believed|doubtful): wrong with a probability of", shown, re.MULTILINE)
    section = np.load(tmp_path / "line-0.npy")
    own = load_run("salt-half").invert(gathers, survey)
    assert np.abs(section - own).mean() < 0.2 * np.abs(own - velocity).mean()
    grid = yaml.safe_load((tmp_path / "line-0.yaml").read_text())["grid"]
    assert (grid["spacing"], grid["nz"], grid["nx"]) == (12.5, 101, 151)
    page = (tmp_path / "line-0.html").read_text()
    for told in ("salt-half", "multiplied by 1.6", "expected MAE", "data:image/png"):
        assert told in page
    written = read_section(tmp_path / "line-0.segy")
    assert (written.dz, written.dx) == pytest.approx((12.5, 12.5))


@pytest.mark.slow
def test_the_section_of_a_line_is_checked_and_refined_by_its_name(tmp_path, capsys):
    path = tmp_path / "line.segy"
    _, _, velocity = a_line(path, "salt-demo", shots=4)
    np.save(tmp_path / "truth.npy", velocity)

    main(["check", str(tmp_path / "truth.npy"), str(path), "--run", "salt-demo"])
    budget = ["--budget", "2", "--out", str(tmp_path), "--tracking.mode", "disabled"]
    main(["refine", *budget, "--run", "salt-demo", str(tmp_path / "truth.npy"), str(path)])

    shown = capsys.readouterr().out
    assert "truth.npy against" in shown
    assert np.load(tmp_path / "truth-refined.npy").shape == velocity.shape
    assert "report:" not in shown


def test_silent_record_is_refused(any_survey_run, tiny_data, tmp_path, refused):
    np.save(tmp_path / "line.npy", 0 * read(tiny_data / "test-00000.h5").gathers[0])

    told = refused("invert", tmp_path / "line.npy", "--run", any_survey_run, "--out", tmp_path)

    assert "line.npy, sample 0: the record is zero throughout" in told


def test_network_of_one_survey_refuses_another_and_says_which_would_take_it(
    trained_run, other_data, tmp_path, refused
):
    told = refused("invert", other_data / "test-00000.h5", "--run", trained_run, "--out", tmp_path)

    assert f"was made for another survey than that of the run {trained_run}:" in told
    assert "networks trained with model.columns: offsets take any shots and receivers" in told
