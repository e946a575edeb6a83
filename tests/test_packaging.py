"""The wheel: its content, and its use far from the repository, without what only develops it."""

import importlib.metadata
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from processes import REPOSITORY

from fwi import config, zoo
from fwi.config import TrainConfig

LARGEST = 25e6
"""Size that the wheel must not reach [bytes]."""
PACKAGES = {"fwi", "data_prep", "experiments"}
COMMANDS = """
import sys
from experiments.cli import main
for command in sys.stdin.read().splitlines():
    main(command.split())
"""


def built(target: str, folder: Path) -> Path:
    """Build a distribution, as pip does without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", tmp_path_factory.mktemp("wheel"))


def needed(requirements: list[str]) -> dict[str, importlib.metadata.Distribution]:
    """Find the distributions that some need to run, and all that these need in turn, by name."""
    found, left = {}, [Requirement(each) for each in requirements]
    seen = set()
    while left:
        wanted = left.pop()
        if (key := (canonicalize_name(wanted.name), frozenset(wanted.extras))) in seen:
            continue
        seen.add(key)
        found[key[0]] = importlib.metadata.distribution(wanted.name)
        for each in map(Requirement, found[key[0]].requires or ()):
            extras = wanted.extras or {""}
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras):
                left.append(each)
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs of an environment with the wheel and what it requires, and nothing else."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=True)
    (packages,) = home.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = importlib.metadata.PathDistribution(zipfile.Path(archive, name).parent)  # type: ignore[arg-type]
        required = needed([each for each in metadata.requires or () if "extra ==" not in each])
    for distribution in required.values():
        for part in {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}:
            if not (packages / part).exists() and part != "__pycache__":
                (packages / part).symlink_to(Path(str(distribution.locate_file(part))).resolve())
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin/python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--no-compile", str(wheel)], check=True)
    return home / "bin"


def run(command: list[str | Path], folder: Path, given: str = "") -> str:
    """Run a program far from the repository; gives what it prints."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment | {"WANDB_MODE": "disabled", "PYTHONDONTWRITEBYTECODE": "1"},
        input=given,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_networks_cards_studies_and_templates_and_nothing_of_the_repository_beside(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    expected = {f"fwi/configs/{name}.yaml" for name in config.known_studies()}
    expected |= {f"fwi/zoo/{name}{suffix}" for name in zoo.names() for suffix in (zoo.SUFFIX, ".md")}
    expected |= {"fwi/py.typed", "fwi/templates/report.html.j2", "data_prep/templates/card.md.j2"}
    expected |= {
        file.relative_to(REPOSITORY).as_posix()
        for package in PACKAGES
        for pattern in ("*.py", "templates/*")
        for file in (REPOSITORY / package).rglob(pattern)
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert wheel.stat().st_size < LARGEST


def test_the_source_distribution_holds_what_is_tested_and_no_data(tmp_path):
    archive = built("sdist", tmp_path)

    with tarfile.open(archive) as file:
        parts = {name.split("/")[1] for name in file.getnames()}
    assert PACKAGES | {"configs", "tests", "docs", "README.md", "LICENSE", "pyproject.toml"} <= parts
    assert not parts & {"data", "runs", "wandb", ".venv", ".git"}
    assert archive.stat().st_size < 2 * LARGEST


def test_the_environment_of_the_wheel_lacks_what_only_develops_it(installed, tmp_path):
    tools = ("pytest", "hatchling", "mypy", "segyio", "obspy", "skimage", "onnxruntime", "distributed")
    found = f"import importlib.util as u; print(*[n for n in {('fwi', *tools)} if u.find_spec(n)])"

    assert run([installed / "python", "-c", found], tmp_path).split() == ["fwi"]


def test_the_installed_program_lists_its_commands(installed, tmp_path):
    assert "invert" in run([installed / "fwi", "--help"], tmp_path)


@pytest.mark.slow
def test_an_installed_package_shows_studies_inverts_and_demonstrates(
    installed, tiny_study, tiny_data, any_survey_run, tmp_path
):
    study = tiny_study.model_copy(
        update={
            "model": config.load([any_survey_run / "config.yaml"]).model,
            "train": TrainConfig(precision="32", epochs=1, batch_size=8, start=any_survey_run),
        }
    )
    (tmp_path / "tiny.yaml").write_text(config.dump(study))
    commands = [
        "config show --config demo",
        "zoo",
        f"invert {tiny_data / 'test-00000.h5'} --run {any_survey_run} --sample 0 --out sections",
        "demo --config tiny.yaml --models 1 --refine.gradients 1 --trust.no-after-training",
    ]

    shown = run([installed / "python", "-c", COMMANDS], tmp_path, "\n".join(commands))

    assert "folder: data/demo" in shown
    assert all(name in shown for name in zoo.names())
    assert {file.suffix for file in (tmp_path / "sections").glob("test-00000-0.*")} >= {
        ".npy",
        ".png",
        ".segy",
    }
    assert (tmp_path / "runs/demo/report.html").exists()
