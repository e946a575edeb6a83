"""The explanations say the numbers that the program refuses by, and their pictures can be drawn again."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from fwi import config
from fwi.config import StudyConfig
from fwi.survey import Survey, SurveyError

FOLDER = Path(__file__).resolve().parents[2] / "docs/explanations"
PAGES = sorted(set(FOLDER.glob("*.md")) - {FOLDER / "index.md"})
PAGE = (FOLDER / "choosing_frequency_grid_offsets.md").read_text()
LIMITS = re.findall(r"^\|[^|]+\| ([\d., ]+) \| `([\w.]+)` \|$", PAGE, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The worked example's study."""
    found = re.search(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert found
    return yaml.safe_load(found[1])


def test_the_page_has_limits_to_compare():
    assert len(LIMITS) >= 15


@pytest.mark.parametrize(("stated", "name"), LIMITS)
def test_a_stated_limit_is_that_of_the_code(stated, name):
    value = _value(name)
    values = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]

    assert [float(number) for number in stated.split(",")] == [float(number) for number in values]


def test_the_worked_example_is_a_study_that_can_be_simulated(example):
    _check(example)


def test_the_worked_example_has_the_largest_cells(example):
    with pytest.raises(SurveyError, match="cells of 26 m"):
        _check(example, spacing=26.0)


def test_the_worked_example_has_nearly_the_longest_step(example):
    with pytest.raises(SurveyError, match=r"0\.0026 s is unstable"):
        _check(example, dt=0.0026)


def test_the_refusal_on_the_page_is_the_one_that_is_printed(example):
    printed = re.search(r"fwi: error: (survey\.wavelet\.frequency: .*?)\n```", PAGE, flags=re.DOTALL)
    assert printed

    with pytest.raises(SurveyError) as refused:
        _check(example, spacing=30.0)

    assert " ".join(printed[1].split()) == " ".join(str(refused.value).split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_an_explanation_opens_with_a_small_picture_that_its_caption_says_how_to_draw(page):
    title, picture, caption, *_ = page.read_text().split("\n\n")
    shown = re.fullmatch(r"!\[(.{20,})\]\((.+)\)", picture)

    assert title.startswith("# ")
    assert shown
    drawn = (page.parent / shown[2]).resolve()
    assert drawn.stat().st_size < 150_000
    assert drawn.with_suffix(".py").is_file()
    assert f"`python docs/figures/{drawn.stem}.py`" in " ".join(caption.split())


def _check(example: dict[str, Any], spacing: float = 25.0, dt: float = 0.0025) -> None:
    """Check the example's survey, on other cells or with another time step."""
    grid, survey = {**example["grid"], "spacing": spacing}, {**example["survey"], "depth": spacing, "dt": dt}
    study = config.validate(StudyConfig, {**example, "grid": grid, "survey": survey}, source="the page")
    Survey(study.grid, study.survey).check(study.physics.order)


def _value(name: str) -> Any:
    """The value of a module's name, or the default of a section's setting."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            value = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            value = value() if isinstance(value, type) else value
            value = getattr(value, part)
        return value
    raise AssertionError(f"{name} is not in the code")
