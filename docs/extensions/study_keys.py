"""The keys of a study, read off its sections: every key with unit, range and default."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from generated import code
from pydantic import BaseModel

from fwi.config import Section
from fwi.config.base import LARGEST

VALUES = {
    "salt.preset": "a [preset](#presets)",
    "model.name": "a [network](#networks)",
    "model.attention": "[mechanisms](#attention-mechanisms), one per level",
    "model.skip": "[mechanisms](#attention-mechanisms), one per skip connection",
    "model.bottleneck": "[mechanisms](#attention-mechanisms), one or several",
    "model.resample": "a [way of resampling](#attention-mechanisms)",
    "model.encoder": "an [encoder](#encoders)",
    "train.loss": "weights > 0 of [terms](#losses)",
    "train.early_stop.metric": "`validation/` and a [metric](../reference/api/metrics.rst), or null",
    "train.hold": "names of parts",
    "train.devices": "`auto`, or 1 to 1024",
}
"""Values of keys that take more than a number or a word."""

UNITS = re.compile(r"\[(?!0)([^\]]+)\]")
"""A unit in the text of a key: ``Cell size [m]``."""


class Key(NamedTuple):
    """A key of a study."""

    name: str
    """Dotted, such as ``survey.wavelet.frequency``."""
    default: str
    """As YAML."""
    unit: str
    values: str
    """The range or the choices."""
    meaning: str


def keys(kind: type[BaseModel], path: str = "") -> Iterator[Key]:
    """Every key of a section, depth first, in the order of the section."""
    schema = kind.model_json_schema()
    for name, field in kind.model_fields.items():
        dotted = f"{path}.{name}" if path else name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section) and dotted not in VALUES:
            yield from keys(inner, dotted)
            continue
        meaning = field.description or ""
        described = _resolved(schema["properties"][name], schema)
        default = "required" if field.is_required() else default_of(field.default)
        yield Key(
            dotted,
            default,
            unit(meaning, described),
            VALUES.get(dotted) or _values(described, schema),
            meaning,
        )


def unit(meaning: str, described: dict[str, Any]) -> str:
    """The unit that a key's text states in brackets, or whether its number counts or is a share of 1."""
    if stated := UNITS.search(meaning):
        return stated[1]
    kinds = [described, *described.get("anyOf", []), *described.get("prefixItems", [])]
    if any(kind.get("type") == "integer" and "enum" not in kind for kind in kinds):
        return "" if meaning.startswith("Seed") else "bytes" if meaning.startswith("Bytes") else "count"
    of_one = any(kind.get("type") == "number" and kind.get("maximum", 1) <= 1 for kind in kinds)
    named = re.search(r"\b(share|probability)\b", meaning, re.IGNORECASE)
    return named[1].lower() if of_one and named else ""


def default_of(value: object) -> str:
    """A default as a study writes it."""
    if isinstance(value, Section):
        return str(getattr(value, "name", "its own"))
    if isinstance(value, tuple) and any(isinstance(entry, Section) for entry in value):
        parts = [f"{{preset: {entry.preset.name}, weight: {entry.weight:g}}}" for entry in value]
        return f"[{', '.join(parts)}]"
    if isinstance(value, tuple):
        return f"[{', '.join(default_of(entry) for entry in value)}]"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        return f"{value:.10g}" if value != int(value) or abs(value) >= 1e6 else f"{value:.1f}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {default_of(entry)}" for key, entry in value.items()) + "}"
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")


def _resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in described:
        described = schema["$defs"][described["$ref"].rpartition("/")[2]]
    return described


def _values(described: dict[str, Any], schema: dict[str, Any]) -> str:
    """The range or the choices of a value, in words."""
    described = _resolved(described, schema)
    if "anyOf" in described:
        return ", or ".join(_values(kind, schema) for kind in described["anyOf"])
    if "const" in described:
        return code(str(described["const"]))
    if "enum" in described:
        return ", ".join(code(str(choice)) for choice in described["enum"])
    match described.get("type"):
        case "null":
            return "null"
        case "boolean":
            return "true, false"
        case "integer" | "number":
            return _range(described)
        case "array" if "prefixItems" in described:
            each = [_values(kind, schema) for kind in described["prefixItems"]]
            return f"two values, {each[0]}, ascending"
        case "array":
            return f"a list: {_values(described['items'], schema)}"
        case "string":
            shape = described.get("format")
            return "a path" if shape == "path" else "a name"
    return ""


def _range(described: dict[str, Any]) -> str:
    whole = "whole, " if described["type"] == "integer" else ""
    low, above = described.get("minimum"), described.get("exclusiveMinimum")
    high, below = described.get("maximum"), described.get("exclusiveMaximum")
    ends = []
    if low is not None and high is not None and abs(high) < LARGEST and abs(low) < LARGEST:
        return f"{whole}{_number(low)} to {_number(high)}"
    if above is not None:
        ends.append(f"> {_number(above)}")
    elif low is not None and abs(low) < LARGEST:
        ends.append(f"≥ {_number(low)}")
    if below is not None:
        ends.append(f"< {_number(below)}")
    elif high is not None and abs(high) < LARGEST:
        ends.append(f"≤ {_number(high)}")
    return whole + (" and ".join(ends) or "any number")


def _number(value: float) -> str:
    for power in (20, 30, 40, 50, 32, 63):
        if value == 2**power:
            return f"2^{power}"
        if value == 2**power - 1:
            return f"2^{power} - 1"
    return f"{value:,.10g}"
