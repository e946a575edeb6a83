import re

import numpy as np
import pytest
import yaml
from PIL import Image

from experiments.cli import main
from fwi import load_run
from fwi.shards import read


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
    assert re.search(r"doubtful: NRMS [\d.]+, \d+% of the mean model's", shown)
    suffixes = [".npy", ".png", ".segy"]
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
    assert "believed" not in capsys.readouterr().out


def test_true_section_is_checked_and_believed(shard, trained_run, tmp_path, capsys):
    np.save(tmp_path / "truth.npy", read(shard).velocity[1])

    main(["check", str(tmp_path / "truth.npy"), str(shard), "--run", str(trained_run), "--sample", "1"])

    compared, verdict = capsys.readouterr().out.splitlines()[:2]
    assert compared == f"{tmp_path / 'truth.npy'} against {shard}, sample 1"
    assert verdict.startswith("  believed: NRMS")
