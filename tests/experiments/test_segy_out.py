"""SEG-Y from the commands: what fwi simulate and fwi invert write, as segyio reads it."""

import re
from pathlib import Path

import numpy as np
import pytest
import segyio

from data_prep.segy.export import export
from experiments.cli import main
from fwi import config, shards
from fwi.config import StudyConfig
from fwi.manifest import DataSet


@pytest.fixture
def study_copy(tiny_copy: StudyConfig, tmp_path: Path) -> Path:
    """The tiny study as YAML, with a finished data set of the test's own."""
    path = tmp_path / "study.yaml"
    path.write_text(config.dump(tiny_copy))
    return path


def traces(path: Path) -> np.ndarray:
    with segyio.open(path, ignore_geometry=True) as file:
        return file.trace.raw[:]


def test_simulate_writes_what_its_shards_hold(study_copy, tiny_copy, capsys):
    main(["simulate", "--config", str(study_copy), "--segy", "--workers", "1"])

    folder = tiny_copy.storage.folder
    samples = shards.read(folder / "train-00001.h5")
    gathers = traces(folder / "segy/train-00001-3-gathers.segy").reshape(4, 36, 50)
    np.testing.assert_array_equal(gathers.transpose(0, 2, 1), samples.gathers[3])
    np.testing.assert_array_equal(traces(folder / "segy/train-00001-3-velocity.segy").T, samples.velocity[3])
    shown = capsys.readouterr()
    assert f"{folder / 'segy'}: 8 train, 4 validation, 4 test as SEG-Y" in shown.out
    assert "SEG-Y: 16/16 samples" in shown.err


def test_an_export_writes_through_no_link_to_another_folder(tiny_copy, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tiny_copy.storage.folder / "segy").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ValueError, match=r"segy: a link to .*elsewhere"):
        export(DataSet.read(tiny_copy.storage.folder))

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_simulate_goes_on_where_an_export_was_stopped(study_copy, tiny_copy, monkeypatch):
    folder = tiny_copy.storage.folder / "segy"
    calls = []

    def stop_after_five(*arguments):
        calls.append(arguments)
        if len(calls) > 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("data_prep.segy.export.write_section", stop_after_five)
        with pytest.raises(SystemExit):
            main(["simulate", "--config", str(study_copy), "--segy"])
    assert len(list(folder.glob("*-gathers.segy"))) == 5

    main(["simulate", "--config", str(study_copy), "--segy"])

    assert len(list(folder.glob("*-gathers.segy"))) == 16


def test_simulate_without_the_flag_writes_no_segy(study_copy, tiny_copy):
    main(["simulate", "--config", str(study_copy), "--workers", "1"])

    assert not (tiny_copy.storage.folder / "segy").exists()


def test_dry_run_tells_how_much_segy_there_will_be(study_copy, tiny_copy, capsys):
    main(["simulate", "--config", str(study_copy), "--segy", "--dry-run"])

    assert re.search(r"32 SEG-Y files, \d\.\d\d MB", capsys.readouterr().out)
    assert not (tiny_copy.storage.folder / "segy").exists()


def test_simulate_refuses_what_segy_cannot_hold_before_any_work(refused, study_copy, tmp_path):
    folder = tmp_path / "new"

    said = refused(
        "simulate", "--config", study_copy, "--segy", "--storage.folder", folder, "--survey.keep-every", 20
    )

    assert "40000 microseconds" in said
    assert not folder.exists()


def test_invert_writes_its_section_with_where_it_is_from(trained_run, tiny_data, tmp_path):
    shard = str(tiny_data / "test-00000.h5")
    main(["invert", shard, "--run", str(trained_run), "--out", str(tmp_path), "--sample", "1", "--no-check"])

    path = tmp_path / "test-00000-1.segy"
    np.testing.assert_array_equal(traces(path).T, np.load(tmp_path / "test-00000-1.npy"))
    with segyio.open(path, ignore_geometry=True) as file:
        assert file.bin[segyio.BinField.Interval] == 20_000
        assert [header[segyio.su.cdpx] for header in file.header] == [20 * n for n in range(36)]
        text = segyio.tools.wrap(file.text[0])
    assert "METRES PER SECOND (M/S)" in text
    assert "test-00000.h5, sample 1, with the run trained" in re.sub(r"\s*\nC\d+\s+", " ", text)
    assert "torch" in text


def test_invert_says_why_a_section_fits_no_segy_and_still_gives_it(
    trained_run, tiny_data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("data_prep.segy.write.LARGEST_16", 10)
    shard = str(tiny_data / "test-00000.h5")

    main(["invert", shard, "--run", str(trained_run), "--out", str(tmp_path), "--sample", "1", "--no-check"])

    assert "no SEG-Y: 24 rows of cells" in capsys.readouterr().out
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".html", ".npy", ".png"]


@pytest.mark.usefixtures("pool_here")
def test_velocity_sections_in_segy_are_imported_as_models(study_copy, tiny_copy, tmp_path):
    main(["simulate", "--config", str(study_copy), "--segy", "--workers", "1"])
    sections = [tiny_copy.storage.folder / f"segy/train-00001-{number}-velocity.segy" for number in (0, 3)]

    other = ["--storage.folder", str(tmp_path / "other"), "--workers", "1"]
    main(["import", "--config", str(study_copy), *other, *map(str, sections)])

    (shard,) = (tmp_path / "other").glob("train-*.h5")
    imported, simulated = shards.read(shard), shards.read(tiny_copy.storage.folder / "train-00001.h5")
    np.testing.assert_array_equal(imported.velocity, simulated.velocity[[0, 3]])
    np.testing.assert_array_equal(imported.gathers, simulated.gathers[[0, 3]])
