"""``fwi import`` of models and records: what it says and makes; refusals leave nothing behind."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from studies import with_storage

from experiments.cli import main
from fwi import config
from fwi.config import StudyConfig
from fwi.manifest import DataSet
from fwi.shards import read

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def study(tiny_study: StudyConfig, tmp_path: Path) -> StudyConfig:
    """``tiny_study`` with an empty folder of its own, and as a file ``study.yaml``."""
    own = with_storage(tiny_study, folder=tmp_path / "set")
    (tmp_path / "study.yaml").write_text(config.dump(own))
    return own


@pytest.fixture
def pair(tiny_data: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A file of models and a file of their records, of another scale and sign."""
    samples = read(tiny_data / "test-00000.h5")
    np.save(tmp_path / "model7.npy", samples.velocity[:, None])
    np.save(tmp_path / "data7.npy", -3.7e5 * samples.gathers.astype(np.float32))
    return tmp_path / "model7.npy", tmp_path / "data7.npy"


@pytest.mark.usefixtures("pool_here")
def test_models_and_records_become_a_set_like_the_simulated_one(
    study: StudyConfig,
    pair: tuple[Path, Path],
    tmp_path: Path,
    tiny_data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models, records = map(str, pair)
    flags = ["--config", str(tmp_path / "study.yaml"), "--spacing", "20", "--split", "test", "--workers", "1"]

    main(["import", models, "--records", records, *flags, "--dry-run"])
    assert not study.storage.folder.exists()
    main(["import", models, "--records", records, *flags])

    said = capsys.readouterr().out
    assert "model7.npy: .npy taken as models, 4 of 24 x 36 cells at 20 m" in said
    assert "data7.npy: .npy taken as records, 4 of 4 x 50 x 36 (shot, time, receiver)" in said
    assert "gain -2.70" in said
    assert "4 samples to store with their records" in said
    data = DataSet.read(study.storage.folder)
    data.verify()
    ours, theirs = read(tiny_data / "test-00000.h5"), read(study.storage.folder / data.entries[0].file)
    np.testing.assert_array_equal(theirs.velocity, ours.velocity)
    np.testing.assert_array_equal(theirs.salt, ours.salt)
    np.testing.assert_allclose(theirs.gathers, ours.gathers, rtol=2e-3, atol=1e-6)


def test_a_refused_pair_leaves_nothing_behind(
    study: StudyConfig, pair: tuple[Path, Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    np.save(pair[0], np.load(pair[0])[::-1])

    said = refused(
        "import", pair[0], "--records", pair[1], "--spacing", 20, "--config", tmp_path / "study.yaml"
    )

    assert "the records do not match their models: at the best gain" in said
    assert not study.storage.folder.exists()


@pytest.mark.parametrize(
    ("content", "flags", "complaint"),
    [
        (b"\x93NUMPY damaged", (), "a.npy: cannot be read as .npy"),
        (b"PK\x03\x04 damaged", (), "a.npy: cannot be read as .npz"),
        (b"\x89HDF damaged", (), "a.npy: cannot be read as .npy (it begins with"),
        (b"", (), "a.npy: cannot be read as .npy (it is empty)"),
        (bytes(3456), ("--shape", 24, 36, "--spacing", 20), "is not a positive speed"),
        (bytes(800), ("--shape", 20, 11), "800 bytes, but 20 x 11 of float32 are 880"),
    ],
)
def test_a_file_that_is_no_models_ends_with_a_message(
    study: StudyConfig,
    tmp_path: Path,
    refused: Callable[..., str],
    content: bytes,
    flags: tuple,
    complaint: str,
) -> None:
    (tmp_path / "a.npy").write_bytes(content)

    said = refused("import", tmp_path / "a.npy", *flags, "--config", tmp_path / "study.yaml")

    assert complaint in said
    assert not study.storage.folder.exists()


@pytest.fixture
def raw_model(tmp_path: Path) -> Path:
    """Raw floats of flat layers that lie depth first."""
    layers = np.linspace(1600, 4400, 24, dtype=np.float32)
    np.tile(layers, 36).tofile(tmp_path / "model.bin")
    return tmp_path / "model.bin"


def test_a_file_after_the_shape_is_a_file(
    study: StudyConfig, tmp_path: Path, raw_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--config", str(tmp_path / "study.yaml"), "--spacing", "20", "--axes", "x-depth"]

    main(["import", *flags, "--shape", "24", "36", str(raw_model), "--dry-run"])
    main(["import", *flags, "--dry-run", "--shape", "1", "24", "36", str(raw_model)])
    main(["import", str(raw_model), *flags, "--dry-run", "--shape", "24", "36"])

    assert capsys.readouterr().out.count("model.bin: raw float32 taken as models, 1 of 24 x 36 cells") == 3


def test_a_shape_of_too_few_lengths_says_what_it_takes(
    raw_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["import", "--shape", "24", str(raw_model)])

    assert ended.value.code == 2
    assert "--shape takes the lengths DEPTH X, or MODELS DEPTH X" in capsys.readouterr().err.replace(
        "\n", " "
    ).replace("│ │", "").replace("  ", " ")


def test_stripes_are_refused_and_nothing_is_made(
    study: StudyConfig, tmp_path: Path, raw_model: Path, refused: Callable[..., str]
) -> None:
    flags = ("--spacing", 20, "--config", tmp_path / "study.yaml")

    said = refused("import", raw_model, "--shape", 24, 36, *flags)

    assert "which makes stripes" in said
    assert "add --axes x-depth" in said
    assert not study.storage.folder.exists()


@pytest.mark.parametrize("flags", [(), ("--shape", 24, 36), ("--key", "vp")])
def test_devices_and_pipes_are_no_models(tmp_path: Path, refused: Callable[..., str], flags: tuple) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert "/dev/zero: is a device" in refused("import", "/dev/zero", *flags)
    assert "pipe: is a pipe" in refused("import", tmp_path / "pipe", *flags)
    assert "pipe: is a pipe" in refused("import", "--records", tmp_path / "pipe")


def test_two_units_are_refused(raw_model: Path, refused: Callable[..., str]) -> None:
    said = refused("import", raw_model, "--shape", 24, 36, "--kilometres", "--unit", "s/m")

    assert "--kilometres and --unit s/m: leave out one of the two" in said


def test_an_import_without_files_is_refused(refused: Callable[..., str]) -> None:
    assert "nothing to import: name a file of models, or --records" in refused("import")


def test_the_geometry_of_openfwi_is_the_published_one() -> None:
    survey = config.load([ROOT / "configs/openfwi.yaml"]).survey

    cells = np.rint(np.linspace(0, 69, 5))  # as OpenFWI's shots are put on its 10 m cells
    np.testing.assert_array_equal(survey.shot_x, 10 * cells)
    assert (survey.receivers, survey.depth, survey.nt, survey.dt) == (70, 10.0, 1000, 0.001)
    main(["config", "validate", "--config", str(ROOT / "configs/openfwi.yaml")])
