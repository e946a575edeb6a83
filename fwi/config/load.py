"""Reading a study: YAML files are merged and validated, and all their mistakes are reported at once."""

import reprlib
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fwi.config.base import Section
from fwi.config.earlier import advice, up_to_date
from fwi.config.studies import find_study, known_studies
from fwi.config.study import StudyConfig


class ConfigError(ValueError):
    """A configuration that cannot be used; the message lists every mistake with its key and remedy."""


WHOLE = ("loss", "preset", "bottleneck", "resample")
"""Keys whose mappings replace each other as a whole instead of being merged."""

LARGEST_FILE = 250_000
"""Largest size of a study file in bytes; a file that lists ten thousand shots has 90 kB."""
MOST_VALUES = 25_000
"""Largest number of keys and values of a study file, aliases written out; reading them takes a second."""
DEEPEST = 20
"""Largest depth of nested mappings and lists of a study file; a mixture of presets needs 8."""
MOST_TOLD = 50
"""Largest number of mistakes that a message lists."""

SectionT = TypeVar("SectionT", bound=Section)


def load(paths: Iterable[Path | str], over: StudyConfig | None = None, earlier: bool = False) -> StudyConfig:
    """Read and merge study files, left to right.

    Args:
        paths: YAML files, or names of packaged studies such as ``mixed_half``; later ones override earlier
            ones key by key. Without any, the defaults are returned.
        over: the study that the files override; the defaults if not given.
        earlier: accept settings of earlier versions, as files that those have written hold them.

    Raises:
        ConfigError: a file is missing, is no YAML mapping, or the merged study has mistakes (all are listed).
    """
    merged: dict[str, Any] = {} if over is None else over.model_dump(mode="json")
    files = [Path(path) for path in paths]
    for file in files:
        values = _read_mapping(file)
        merged = merge(merged, up_to_date(values) if earlier else values)
    return validate(StudyConfig, merged, source=" + ".join(map(str, files)) or "the defaults")


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two nested mappings key by key; ``override`` wins where the values are not both mappings.

    Args:
        base: nested keys and values.
        override: those that win.
    """
    merged = dict(base)
    for key, value in override.items():
        old = merged.get(key)
        # A preset, an attention entry or a set of loss terms is replaced whole: half of two is neither.
        whole = key in WHOLE or not (isinstance(old, Mapping) and isinstance(value, Mapping))
        merged[key] = value if whole else merge(old, value)  # type: ignore[arg-type]
    return merged


def validate(kind: type[SectionT], values: Mapping[str, Any], source: str) -> SectionT:
    """Build a section from plain values.

    Args:
        kind: class of the section.
        values: its keys and values, as of YAML.
        source: where they come from, for the message: the name of a file, or ``the flags``.

    Returns:
        The section, frozen.

    Raises:
        ConfigError: the values have mistakes; the message lists all of them, each with its key.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        mistakes = describe(kind, error.errors())
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        if len(mistakes) > MOST_TOLD:
            mistakes[MOST_TOLD:] = [f"... and {len(mistakes) - MOST_TOLD} more"]
        raise ConfigError(f"{source}: {count}\n" + "\n".join(f"  - {line}" for line in mistakes)) from None


def describe(kind: type[BaseModel], errors: Sequence[ErrorDetails]) -> list[str]:
    """Describe each validation error by its key, the mistake and the remedy."""
    return [f"{_key(error)}: {_explain(kind, error)}" for error in errors]


def dump(config: BaseModel) -> str:
    """Write a configuration as YAML that ``load`` reads back to an equal one."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=100)


def parse(text: str) -> Any:
    """Read YAML of words, numbers, lists and mappings, within the size of a study.

    Dates and integers beyond 64 bits are read as words, so that the section that validates them can name
    the value it expects.

    Raises:
        yaml.YAMLError: the text is not YAML, has tags, keys that are not words, duplicate keys, too many
            values or too deep a nesting; the message names the line.
    """
    try:
        return yaml.load(text, _Loader)
    except ValueError as error:  # an escape beyond Unicode, such as "\\U00110000"
        raise yaml.YAMLError(str(error)) from None


class _Loader(yaml.SafeLoader):
    """Loader of plain YAML that counts the values behind aliases before it constructs anything.

    Duplicate keys are refused, because the first of two blocks would be lost silently.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class has it so
        first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:timestamp"]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.values = 0
        self.sizes: dict[yaml.Node, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) not in (None, "!"):
            raise _at(event, f"the tag {event.tag!r:.60} has no meaning here: write the value without it")
        if self.depth == DEEPEST:
            raise _at(event, f"more than {DEEPEST} lists or mappings within each other")
        self.depth, before = self.depth + 1, self.values
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(event, yaml.AliasEvent) and node is not None:
            if node not in self.sizes:
                raise _at(event, f"*{event.anchor:.60} stands within what it is an alias of")
            self.values += self.sizes[node]
        elif node is not None:
            self.values += 1
            self.sizes[node] = self.values - before
        if self.values > MOST_VALUES:
            raise _at(event, f"more than {MOST_VALUES} keys and values, aliases written out")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                what = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                raise _at(key, f"a key must be a word, got {what:.60}")
            line = key.start_mark.line + 1
            if key.value in seen:
                raise yaml.YAMLError(
                    f"{key.value!r:.60} stands in line {seen[key.value]} and in line {line}: join them"
                )
            seen[key.value] = line
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int | float | str:
        """Construct a number; text that only looks like one, or exceeds 64 bits, stays text."""
        plain: str = node.value
        try:
            is_whole = node.tag == "tag:yaml.org,2002:int"
            value: int | float = (
                self.construct_yaml_int(node) if is_whole else self.construct_yaml_float(node)
            )
        except (ValueError, OverflowError):
            return plain
        return value if isinstance(value, float) or abs(value) < 2**63 else plain


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)


def _at(place: Any, what: str) -> yaml.YAMLError:
    return yaml.YAMLError(f"line {place.start_mark.line + 1}: {what}")


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        content = parse(_text(find_study(path)))
    except FileNotFoundError:
        known = ", ".join(known_studies())
        raise ConfigError(
            f"{path}: no such file; studies to start from are in configs/ and go by name: {known}"
        ) from None
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


def _text(path: Path) -> str:
    """Read the text of a study file; devices and pipes, which may never end, are refused unopened."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ConfigError(f"{path}: not a file but a folder, pipe or device; give the path of a YAML file")
    with open(path, "rb") as file:
        text = file.read(LARGEST_FILE + 1)
    if len(text) > LARGEST_FILE:
        raise ConfigError(
            f"{path}: larger than {LARGEST_FILE // 1000} kB, which no study is; is it another file?"
        )
    return text.decode("utf-8")


def _key(error: ErrorDetails) -> str:
    return ".".join(f"{part!s:.60}" for part in error["loc"]) or "study"


def _cut(value: object) -> str:
    """Shorten a given value for a message, without writing out long lists and mappings first."""
    return f"{_SHORT.repr(value):.100}"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def _explain(kind: type[BaseModel], error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        if told := advice(_key(error)):
            return told
        known = _known_keys(kind, error["loc"][:-1])
        return f"unknown key; known here: {', '.join(known)}"
    if error["type"] == "union_tag_invalid":
        context = error["ctx"]
        return f"unknown name {context['tag']!r:.60}; known: {context['expected_tags']}"
    if error["type"] == "literal_error":
        return f"{_cut(error['input'])} is not offered; known: {error['ctx']['expected']}"
    if error["type"] in ("union_tag_not_found", "model_attributes_type"):
        presets = "preset" in error["loc"]
        example = "gulf, or {name: gulf, faults: [0, 8]}" if presets else "se, or {name: se, reduction: 8}"
        return f"{_cut(error['input'])} is neither a name nor a mapping with one; write {example}"
    if error["type"] == "model_type":
        return f"expected keys with values, got {_cut(error['input'])}; remove the line to have the defaults"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return f"{error['msg'][0].lower()}{error['msg'][1:]}, got {_cut(error['input'])}"


def _known_keys(kind: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Return the field names of the section at a location."""
    for part in location:
        field = kind.model_fields.get(str(part))
        found = _choices().get(str(part)) if field is None else field.annotation
        if isinstance(found, type) and issubclass(found, BaseModel):
            kind = found
    return list(kind.model_fields)


def _choices(kind: type[Section] = Section) -> dict[str, type[Section]]:
    """Map each name of a choice, such as a mechanism or a preset, to its section."""
    found: dict[str, type[Section]] = {}
    for section in kind.__subclasses__():
        name = section.model_fields.get("name")
        named = {} if name is None or name.is_required() else {name.default: section}
        found |= _choices(section) | named
    return found
