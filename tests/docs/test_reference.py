"""The generated pages tell every command, flag and key with its default, unit and meaning."""

import inspect
import re
import shlex
from pathlib import Path
from typing import Annotated, get_args

import pytest
import yaml
from pydantic import Field

from data_prep.salt import require_range
from experiments.cli import COMMANDS, function_of
from fwi import zoo
from fwi.config import NETWORK_KINDS, LossName, Section, StudyConfig, known_studies, load, merge
from fwi.config.choice import CHOICES
from fwi.survey import Survey

pytest.importorskip("sphinx", reason="the site is built with the extra docs")

import command_examples
import command_pages
import generated
import study_keys
import study_pages

ROOT = Path(__file__).resolve().parents[2]

UNITS = {
    "m", "s", "Hz", "m/s", "min", "cells", "degrees", "bytes", "count", "share", "probability",
    "dB below the record's RMS",
}  # fmt: skip
DIMENSIONLESS = {
    "data.knee", "train.learning_rate", "train.weight_decay", "train.ema", "train.clip", "train.loss",
    "refine.power", "refine.smoothness", "refine.noise", "trust.salt_iou", "trust.confidence",
    "physics.order", "check.order",
}  # fmt: skip
"""Keys whose numbers have no unit, by what they are; a new number states its unit or comes here."""


def page(name: str) -> str:
    return generated.filled((ROOT / "docs" / "reference" / f"{name}.md").read_text())


@pytest.fixture(scope="module")
def commands() -> str:
    return page("commands")


@pytest.fixture(scope="module")
def configuration() -> str:
    return page("configuration")


def leaves(values: dict, path: str = "") -> dict[str, object]:
    """The dotted keys of a study as the program dumps it."""
    found: dict[str, object] = {}
    for key, value in values.items():
        dotted = f"{path}.{key}" if path else key
        whole = dotted in ("salt.preset", "model.resample", "train.loss")
        found |= leaves(value, dotted) if isinstance(value, dict) and not whole else {dotted: value}
    return found


STUDY = leaves(StudyConfig().model_dump(mode="json"))


def row(text: str, key: str) -> list[str]:
    """The cells of the row of a key."""
    found = re.search(rf"^\| \[\[`{re.escape(key)}`\]\(#([\w-]+)\)\]{{#\1}} \|(.*)\|$", text, re.MULTILINE)
    assert found, f"{key} is not on the page"
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", found[2])]


@pytest.mark.parametrize("key", [key for key in STUDY if not key.startswith("data.corrupt.")])
def test_each_key_of_a_study_has_a_row_with_default_and_meaning(key, configuration):
    default, unit, values, meaning = row(configuration, key)

    assert values
    assert len(meaning) > 8
    assert unit == "-" or unit.replace("`", "") in UNITS, f"{key} is in '{unit}'"
    told = yaml.safe_load(default.strip("`"))
    if not isinstance(STUDY[key], dict) or key == "train.loss":
        assert told == STUDY[key]
    else:
        assert told == STUDY[key]["name"]


def test_each_corruption_has_a_row_with_probability_and_range(configuration):
    names = {key.split(".")[2] for key in STUDY if key.startswith("data.corrupt.") and key.count(".") == 3}

    assert len(names) == 19
    for name in names:
        probability, strength, *_ = row(configuration, f"data.corrupt.{name}")
        assert float(probability.strip("`")) == STUDY[f"data.corrupt.{name}.probability"]
        assert yaml.safe_load(strength.strip("`")) == STUDY[f"data.corrupt.{name}.range"]


def without_unit(kind: type[Section], path: str = "") -> list[str]:
    """The keys of a section whose numbers state no unit."""
    found = []
    for key in study_keys.keys(kind, path):
        is_number = re.fullmatch(r"-?[\d.e-]+", key.default) or re.match(r"[\d>≥-]", key.values)
        if is_number and not key.unit and key.name not in DIMENSIONLESS and "eed" not in key.meaning:
            found.append(key.name)
    return found


def test_every_number_of_a_study_states_its_unit():
    assert without_unit(StudyConfig) == []


def test_a_number_without_unit_and_a_wrong_unit_are_found():
    class Made(Section):
        length: Annotated[float, Field(gt=0)] = 1.0
        """Length of something."""
        depth: Annotated[float, Field(gt=0)] = 1.0
        """Depth of something [furlongs]."""

    assert without_unit(Made) == ["length"]
    assert {key.unit for key in study_keys.keys(Made)} - UNITS == {"", "furlongs"}


def test_every_key_has_a_docstring():
    kinds = [
        StudyConfig,
        *CHOICES,
        *study_pages._leaves(StudyConfig.model_fields["salt"].annotation.model_fields["preset"].annotation),
    ]

    assert [key.name for kind in kinds for key in study_keys.keys(kind) if not key.meaning.strip()] == []


@pytest.mark.parametrize("choice", CHOICES)
def test_each_mechanism_has_a_section_with_all_its_options(choice, configuration):
    name = choice.model_fields["name"].default
    section = configuration.partition(f"### `{name}`")[2].partition("\n### ")[0]

    assert section
    if choice.__name__ != "CoordinateCrossChoice":
        for option in choice.model_fields:
            assert option == "name" or f"[`{option}`]" in section


def test_presets_networks_losses_and_studies_are_all_there(configuration):
    presets = ("yang_ma", "seg_eage", "gulf", "mixed")

    assert all(f"### `{name}`" in configuration for name in presets)
    assert all(f"[[`{name}`](#network-" in configuration for name in NETWORK_KINDS)
    assert all(f"| `{name}` |" in configuration for name in get_args(LossName))
    assert all(len(row(configuration, name)[0]) > 20 for name in known_studies())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_parameter_of_a_command_has_a_row_with_its_default_and_meaning(name, commands):
    own = commands.partition(f"(command-{name})=")[2].partition("(command-")[0]
    function = function_of(name)
    meanings = inspect.getdoc(function).partition("Args:")[2]

    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "study" or (name, parameter.name) == ("import", "segy"):  # flags of their own
            continue
        flag = f"--{parameter.name.replace('_', '-')}"
        found = re.search(
            rf"^\| \[\[`(?:{flag}|{parameter.name.upper()})[` ][^|]*\|(.*)\|$", own, re.MULTILINE
        )
        assert found, f"fwi {name}: {flag} is not on the page"
        _, default, meaning = (cell.strip() for cell in re.split(r"(?<!\\)\|", found[1]))
        assert re.search(
            rf"^\s+{parameter.name}: {re.escape(meaning.split()[0].strip('`'))}", meanings, re.MULTILINE
        )
        if parameter.default is inspect.Parameter.empty:
            assert default == "**required**"
        elif isinstance(parameter.default, bool):
            assert default == (f"`{flag}`" if parameter.default else "`off`")
        elif isinstance(parameter.default, int | str | Path) and parameter.name != "workers":
            assert default == f"`{parameter.default}`"


def test_each_action_of_a_command_has_a_row(commands):
    for name in COMMANDS:
        words = [
            get_args(kind)
            for parameter in inspect.signature(function_of(name)).parameters.values()
            if parameter.name in ("what", "action", "shell")
            for kind in get_args(parameter.annotation)[:1]
        ]
        assert (name in command_examples.ACTIONS) == bool(words)
        for word in words[0] if words else ():
            assert f"[[`fwi {name} {word}`](#action-{name}-{word})]" in commands
            assert word in command_examples.ACTIONS[name]


def test_examples_files_and_links_are_told_of_every_command():
    for table in (command_examples.EXAMPLES, command_examples.WRITES, command_examples.READ):
        assert list(table) == list(COMMANDS)


@pytest.mark.parametrize(
    ("name", "words"),
    [(name, words) for name, examples in command_examples.EXAMPLES.items() for words, _ in examples],
)
def test_each_example_has_flags_that_the_command_has(name, words):
    known = {flag for each in command_pages.flags(name) for flag in each.names}
    if "study" in inspect.signature(function_of(name)).parameters:
        known |= {"--config", *(f"--{key.replace('_', '-')}" for key in STUDY)}

    fwi, command, *rest = shlex.split(words.partition(" > ")[0])

    assert (fwi, command) == ("fwi", name)
    assert {word for word in rest if word.startswith("--")} <= known
    required = {flag.names[0] for flag in command_pages.flags(name) if flag.required and flag.names}
    assert required <= set(rest)


def test_the_studies_of_the_examples_are_packaged():
    named = [
        study
        for examples in command_examples.EXAMPLES.values()
        for words, _ in examples
        for study in re.findall(r"--config (\S+)", words)
        if not study.endswith(".yaml")
    ]

    assert named
    assert set(named) <= set(known_studies())


def studies_of_the_examples() -> list[tuple[str, dict]]:
    """The packaged studies that examples name, with the keys that their flags change."""
    found = []
    for name, examples in command_examples.EXAMPLES.items():
        for words, _ in examples if "study" in inspect.signature(function_of(name)).parameters else ():
            named = re.findall(r"--config (\S+)", words)
            if not named or any(each.endswith(".yaml") for each in named):
                continue
            values: dict = {}
            for flag, given in re.findall(r"--(\w+\.[\w.-]+)((?: (?!--)\S+)*)", words):
                path, _, last = flag.replace("-", "_").rpartition(".")
                parsed = [yaml.safe_load(word) for word in given.split()]
                of_many = isinstance(STUDY[f"{path}.{last}"], list)
                for part in reversed([*path.split("."), last]):
                    parsed = {part: parsed if of_many or isinstance(parsed, dict) else parsed[0]}
                values = merge(values, parsed)
            found.append((words, merge(load(named).model_dump(mode="json"), values)))
    return found


@pytest.mark.parametrize(("words", "values"), studies_of_the_examples())
def test_the_study_of_each_example_can_be_simulated(words, values):
    study = StudyConfig.model_validate(values)

    Survey(study.grid, study.survey).check(study.physics.order)
    if words.startswith("fwi simulate"):
        require_range(study.grid, study.salt)


def test_the_study_on_the_page_of_the_configuration_is_valid():
    text = re.search(r"```yaml\n(.*?)```", (ROOT / "docs/reference/configuration.md").read_text(), re.DOTALL)

    study = StudyConfig.model_validate(yaml.safe_load(text[1]))

    Survey(study.grid, study.survey).check(study.physics.order)
    require_range(study.grid, study.salt)


def test_every_card_of_the_zoo_is_on_the_page():
    text = page("zoo")

    for name in zoo.names():
        assert f"(card-{name})=" in text
        assert all(part.splitlines()[0] in text for part in zoo.card(name).parts.values() if part.strip())


def test_no_part_of_a_page_is_left_out():
    used = {
        part
        for file in (ROOT / "docs" / "reference").glob("*.md")
        for part in generated.FENCE.findall(file.read_text())
    }

    assert used == set(generated.parts())
