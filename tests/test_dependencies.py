"""What is imported is declared, what is declared is imported, and every version is pinned."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"fwi", "data_prep", "experiments"}
DISTRIBUTIONS = {"PIL": "pillow", "yaml": "pyyaml"}
"""Where a module is not called as what is installed for it."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {normalised(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}


def imported_modules(source: str) -> set[str]:
    """The modules outside the file's own package that it imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module)
    return {module.partition(".")[0] for module in modules}


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """The files that import each distribution."""
    files: dict[str, set[str]] = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for module in imported_modules(file.read_text()) - PACKAGES - sys.stdlib_module_names:
                distribution = DISTRIBUTIONS.get(module, normalised(module))
                files.setdefault(distribution, set()).add(str(file.relative_to(ROOT)))
    return files


def test_every_import_is_of_a_declared_dependency(imported):
    declared = names([*PROJECT["dependencies"], *EXTRAS["cluster"], *EXTRAS["export"]])

    undeclared = {name: sorted(files) for name, files in imported.items() if name not in declared}

    assert undeclared == {}


def test_every_declared_dependency_is_imported(imported):
    declared = names([*PROJECT["dependencies"], *EXTRAS["cluster"], *EXTRAS["export"]])

    assert sorted(declared - imported.keys()) == ["onnx"]  # which torch.onnx imports


def test_the_site_can_be_built_with_its_extra_alone():
    declared = names([*PROJECT["dependencies"], *EXTRAS["docs"]])
    scripts = list((ROOT / "docs" / "examples").glob("*/*.py"))  # what is deeper they have written
    assert scripts
    # A tutorial may import what it has written into its folder.
    written = {re.sub(r"^\d+_", "", script.stem) for script in scripts}

    needed = set().union(*(imported_modules(script.read_text()) for script in scripts))

    others = needed - PACKAGES - written - sys.stdlib_module_names
    assert {DISTRIBUTIONS.get(module, normalised(module)) for module in others} <= declared


def test_every_declared_dependency_is_pinned_to_a_version_that_it_allows():
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    pinned = {normalised(name): version.partition(";")[0].strip() for name, version in pins.items()}

    for requirement in (*PROJECT["dependencies"], *(each for extra in EXTRAS.values() for each in extra)):
        name, least = re.fullmatch(r"([\w.-]+)(?:>=([\d.]+))?(?:,<[\d.]+)?", requirement).groups()
        assert normalised(name) in pinned, f"{name} is not in constraints.txt"
        if least:
            number = pinned[normalised(name)].partition("+")[0]
            assert [int(part) for part in number.split(".")] >= [int(part) for part in least.split(".")], name


def test_an_import_in_a_function_counts():
    source = "import os.path\nfrom . import near\n\ndef draw():\n    from PIL import Image\n"

    assert imported_modules(source) == {"os", "PIL"}
