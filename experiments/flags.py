"""Flags of the commands: a study has one for each of its settings, which are validated when all are there."""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import tyro
import yaml

from fwi import config
from fwi.config import LossName, Positive, Section, StudyConfig

Study = Annotated[StudyConfig, tyro.conf.arg(name="")]
"""A command's study: its leaves are flags without a prefix."""


def taken(flag: str, arguments: list[str]) -> tuple[list[str], list[str]]:
    """Take every ``--flag VALUE`` and ``--flag=VALUE`` out of the arguments: the values, and what is left."""
    values, rest, waiting = [], [], iter(arguments)
    for argument in waiting:
        if argument == flag:
            value = next(waiting, None)
            if value is None:
                raise config.ConfigError(f"{flag} needs a value")
            values.append(value)
        elif argument.startswith(f"{flag}="):
            values.append(argument.removeprefix(f"{flag}="))
        else:
            rest.append(argument)
    return values, rest


entries = tyro.constructors.ConstructorRegistry()
# Help quotes the study's values, which may be a stranger's: colours are escape sequences, and shown as such.
tyro._experimental_options["ansi_codes"] = False


@entries.struct_rule
def section(info: Any) -> tyro.constructors.StructConstructorSpec | None:
    """A section of the study is parsed to plain values, which are validated when all sections are there."""
    if not (isinstance(info.type, type) and issubclass(info.type, Section)):
        return None
    types = get_type_hints(info.type, include_extras=True)
    fields = (
        tyro.constructors.StructFieldSpec(name, types[name], getattr(info.default, name), field.description)
        for name, field in info.type.model_fields.items()
    )
    return tyro.constructors.StructConstructorSpec(instantiate=dict, fields=tuple(fields))


@entries.primitive_rule
def _attention_entries(info: Any) -> tyro.constructors.PrimitiveConstructorSpec[Any] | None:
    """Attention is a list of names, or of mappings as in YAML: ``none se '{name: ca, reduction: 16}'``."""
    if get_origin(info.type) is not tuple or not _of_sections(info.type):
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME|{name: NAME, ...}",
        instance_from_str=lambda words: [_yaml(word) for word in words],
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda entries: [entry.name for entry in entries],
    )


@entries.primitive_rule
def _named(info: Any) -> tyro.constructors.PrimitiveConstructorSpec[Any] | None:
    """A preset is a name, or a mapping as in YAML: ``seg_eage`` or ``'{name: seg_eage, faults: [2, 8]}'``.

    So is the way of resampling.
    """
    if get_origin(info.type) not in (Union, UnionType) or not _of_sections(info.type):
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME|{name: NAME, ...}",
        instance_from_str=lambda words: _yaml(words[0]),
        is_instance=lambda value: isinstance(value, Section),
        str_from_instance=lambda choice: [choice.name],
    )


@entries.primitive_rule
def _loss_terms(info: Any) -> tyro.constructors.PrimitiveConstructorSpec[Any] | None:
    """The loss is a mapping as in YAML: ``'{l1: 1, ssim: 0.5}'``."""
    if info.type != dict[LossName, Positive]:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="{NAME: WEIGHT, ...}",
        instance_from_str=lambda words: _yaml(words[0]),
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda terms: [yaml.safe_dump(terms, default_flow_style=True).strip()],
    )


def _of_sections(kind: Any) -> bool:
    """Whether a union or tuple is made of sections alone; the flags' library may have narrowed either."""
    if get_origin(kind) is Annotated:
        return _of_sections(get_args(kind)[0])
    parts = [part for part in get_args(kind) if part is not Ellipsis]
    if parts:
        return all(_of_sections(part) for part in parts)
    return isinstance(kind, type) and issubclass(kind, Section)


def _yaml(word: str) -> object:
    try:
        return config.parse(word)
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {word:.60} ({error})") from error
