"""Reading a study: YAML files are merged and validated, and every mistake of them is told at once."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fwi.config.base import Section
from fwi.config.study import StudyConfig


class ConfigError(ValueError):
    """A configuration that cannot be used; the message lists every mistake with its key and remedy."""


WHOLE = ("loss", "preset", "bottleneck", "resample")
"""Keys whose mappings are not merged."""

SectionT = TypeVar("SectionT", bound=Section)


def load(paths: Iterable[Path | str], over: StudyConfig | None = None) -> StudyConfig:
    """Read and merge study files, left to right.

    Args:
        paths: YAML files; later ones override earlier ones key by key. None gives the defaults.
        over: a study that they override; the defaults if not given.

    Raises:
        ConfigError: a file is missing, is no YAML mapping, or the merged study has mistakes (all are listed).
    """
    merged: dict[str, Any] = {} if over is None else over.model_dump(mode="json")
    files = [Path(path) for path in paths]
    for file in files:
        merged = merge(merged, _read_mapping(file))
    return validate(StudyConfig, merged, source=" + ".join(map(str, files)) or "the defaults")


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two nested mappings; where both have a mapping it is merged, else ``override`` wins."""
    merged = dict(base)
    for key, value in override.items():
        old = merged.get(key)
        # A preset, an attention entry or a set of loss terms is replaced whole: half of two is neither.
        whole = key in WHOLE or not (isinstance(old, Mapping) and isinstance(value, Mapping))
        merged[key] = value if whole else merge(old, value)  # type: ignore[arg-type]
    return merged


def validate(kind: type[SectionT], values: Mapping[str, Any], source: str) -> SectionT:
    """Build a section from plain values.

    Raises:
        ConfigError: listing all mistakes, each with its key.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        mistakes = describe(kind, error.errors())
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise ConfigError(f"{source}: {count}\n" + "\n".join(f"  - {line}" for line in mistakes)) from None


def describe(kind: type[BaseModel], errors: Sequence[ErrorDetails]) -> list[str]:
    """Say of each validation error where it is, what is wrong and what would be right."""
    return [f"{_key(error)}: {_explain(kind, error)}" for error in errors]


def dump(config: BaseModel) -> str:
    """Write a configuration as YAML that ``load`` reads back to an equal one."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=100)


class _Loader(yaml.SafeLoader):
    """Plain YAML in which no key stands twice: the first of two blocks would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise yaml.YAMLError(
                    f"'{key.value}' stands in line {seen[key.value]} and in line {line}: join them"
                )
            seen[key.value] = line
        return super().construct_mapping(node, deep)


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; studies to start from are in configs/") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        found = type(content).__name__
        raise ConfigError(f"{path}: expected sections such as 'grid:' and 'survey:', got a {found}")
    return content


def _key(error: ErrorDetails) -> str:
    return ".".join(str(part) for part in error["loc"]) or "study"


def _explain(kind: type[BaseModel], error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        known = _known_keys(kind, error["loc"][:-1])
        return f"unknown key; known here: {', '.join(known)}"
    if error["type"] == "union_tag_invalid":
        context = error["ctx"]
        return f"unknown name {context['tag']!r}; known: {context['expected_tags']}"
    if error["type"] == "literal_error":
        return f"{error['input']!r} is not offered; known: {error['ctx']['expected']}"
    if error["type"] in ("union_tag_not_found", "model_attributes_type"):
        presets = "preset" in error["loc"]
        example = "gulf, or {name: gulf, faults: [0, 8]}" if presets else "se, or {name: se, reduction: 8}"
        return f"{error['input']!r} is neither a name nor a mapping with one; write {example}"
    if error["type"] == "model_type":
        return f"expected keys with values, got {error['input']!r}; remove the line to have the defaults"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return f"{error['msg'][0].lower()}{error['msg'][1:]}, got {error['input']!r}"


def _known_keys(kind: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Field names of the section at a location."""
    for part in location:
        field = kind.model_fields.get(str(part))
        found = _choices().get(str(part)) if field is None else field.annotation
        if isinstance(found, type) and issubclass(found, BaseModel):
            kind = found
    return list(kind.model_fields)


def _choices(kind: type[Section] = Section) -> dict[str, type[Section]]:
    """The sections that stand for a name in a list of choices, such as attention and presets."""
    found: dict[str, type[Section]] = {}
    for section in kind.__subclasses__():
        name = section.model_fields.get("name")
        found |= _choices(section) | ({} if name is None else {name.default: section})
    return found
