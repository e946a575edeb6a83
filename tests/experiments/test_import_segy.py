"""SEG-Y from the command line: suggested survey, report, dry run, shard, and inversion of the file itself."""

from pathlib import Path

import numpy as np
import pytest

from data_prep.segy.shots import open_shots
from data_prep.segy.source import prepare
from data_prep.segy.write import write_gathers
from experiments.cli import main
from fwi import config, load_run, shards
from fwi.shards import DataSet

PUBLIC = Path(__file__).resolve().parents[3] / "shared/data/segy"


def fwi(*arguments: object) -> None:
    main([str(argument) for argument in arguments])


@pytest.fixture
def line(tiny_study, tiny_data, tmp_path):
    """One sample of the tiny study's records as SEG-Y."""
    from fwi.survey import Survey

    gathers = shards.read(tiny_data / "test-00000.h5").gathers[0].astype(np.float32)
    survey = Survey(tiny_study.grid, tiny_study.survey)
    write_gathers(tmp_path / "line.sgy", 500 * gathers, survey, "a test")
    return tmp_path / "line.sgy", gathers


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two_shots_2d.segy", "viking_four_shots.segy"])
def test_a_real_file_is_imported_by_the_study_suggested_for_it(name, tmp_path, monkeypatch, capsys):
    if not (PUBLIC / name).exists():
        pytest.skip("the public recordings are not beside the repository")
    monkeypatch.chdir(tmp_path)

    fwi("import", "--suggest-config", "suggested.yaml", PUBLIC / name)
    fwi("config", "--config", "suggested.yaml", "validate")
    fwi("import", "--config", "suggested.yaml", "--split", "test", "--workers", 1, PUBLIC / name)

    said = capsys.readouterr().out
    assert "suggested.yaml: a study whose survey fits; next: fwi import" in said
    assert "valid: " in said
    assert said.index("  receivers  120 per shot") < said.index("  gain: multiplied by")
    study = config.load(["suggested.yaml"])
    (entry,) = DataSet.read(study.storage.folder).split("test")
    samples = shards.read(study.storage.folder / entry.file)
    assert samples.velocity is None
    assert np.isfinite(samples.gathers).all()
    assert samples.gathers.any(axis=2).all()
    assert [change for change in entry.origin["source"]["changes"] if change.startswith("gain")]


def test_a_dry_run_says_what_would_change_and_writes_nothing(line, study_file, tmp_path, capsys):
    file, _ = line
    folder = tmp_path / "none"

    fwi("import", "--config", study_file, "--storage.folder", folder, "--dry-run", file)

    said = capsys.readouterr().out
    assert "receivers: where they were recorded, none interpolated" in said
    assert "gain: multiplied by 0.00" in said
    assert f"1 samples to store in {folder}" in said
    assert not folder.exists()


@pytest.mark.slow
def test_our_own_records_come_back_from_segy(line, study_file, tmp_path):
    file, gathers = line
    folder = tmp_path / "back"

    fwi(
        "import", "--config", study_file, "--storage.folder", folder, "--gain", 0.002, "--shift", 0,
        "--workers", 1, file,
    )  # fmt: skip

    (entry,) = DataSet.read(folder).split("train")
    (found,) = shards.read(folder / entry.file).gathers.astype(np.float32)
    assert np.linalg.norm(found - gathers) < 0.05 * np.linalg.norm(gathers)


def test_headers_elsewhere_are_found_by_their_bytes(line, study_file, refused):
    file, _ = line

    elsewhere = refused("import", "--config", study_file, "--bytes.receiver-x", 181, "--dry-run", file)
    nowhere = refused("import", "--config", study_file, "--bytes.receiver-x", 999, "--dry-run", file)

    assert "receivers are over" in elsewhere
    assert "receiver_x: input should be less than or equal to 237, got 999" in nowhere


def test_one_file_at_a_time(line, study_file, refused):
    file, _ = line

    assert "SEG-Y files are imported one at a time" in refused("import", "--config", study_file, file, file)


def test_segy_is_inverted_as_the_run_sees_it(line, trained_run, tmp_path, capsys):
    file, _ = line
    run = load_run(trained_run)

    fwi("invert", file, "--run", trained_run, "--out", tmp_path, "--no-check")

    gathers = prepare(open_shots(file), run.study).gathers([0])
    np.testing.assert_allclose(np.load(tmp_path / "line-0.npy"), run.invert(gathers)[0], rtol=1e-6)
    assert "gain: multiplied by" in capsys.readouterr().out
