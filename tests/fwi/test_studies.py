"""Studies by name."""

import tomllib
from pathlib import Path

import pytest

import fwi
from experiments.cli import main
from fwi import config
from fwi.config import ConfigError, studies

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["mixed_half", "ablation/se"])
def test_a_study_is_found_by_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert config.load([name]) == config.load([ROOT / f"configs/{name}.yaml"])


def test_all_of_configs_are_known():
    files = {path.relative_to(ROOT / "configs").as_posix() for path in ROOT.glob("configs/**/*.yaml")}

    assert {f"{name}.yaml" for name in config.known_studies()} == files


def test_a_file_goes_before_a_study_of_its_name_and_a_folder_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mixed_half").write_text("grid: {nz: 33}")
    Path("demo").mkdir()

    assert config.load(["mixed_half"]).grid.nz == 33
    assert config.load(["demo"]) == config.load([ROOT / "configs/demo.yaml"])


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"mixed_hlaf: no such file; .*by name: ablation/ca, .*mixed_half"):
        config.load(["mixed_hlaf"])


def test_a_command_takes_a_study_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    main(["simulate", "--config", "demo", "--dry-run", "--storage.train", "7"])

    assert "7" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_the_build_puts_studies_where_an_installed_package_looks_for_them():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    packaged = studies._IN_PACKAGE.relative_to(Path(fwi.__file__).parents[1]).as_posix()

    assert build["targets"]["wheel"]["force-include"] == {"configs": packaged}
