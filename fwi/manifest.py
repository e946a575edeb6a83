"""What is in the manifest of a data set: read as written, refused if a value is not what it should be."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from fwi.config import Split
from fwi.config.base import Count


def _in_folder(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"shards are in the manifest's own folder, got {name!r:.60}")
    return name


@with_config(ConfigDict(extra="allow"))
class Salt(TypedDict):
    """The preset that random models are of; that of an older version may have other parameters."""

    preset: dict[str, Any] | str
    seed: int


@with_config(ConfigDict(extra="allow"))
class Source(TypedDict):
    """The file, or files, that models or records are from."""

    file: str
    key: str | None
    sha256: str | list[str]
    changes: NotRequired[list[str]]


@with_config(ConfigDict(extra="allow"))
class FromPreset(TypedDict):
    """Where random models come from."""

    salt: Salt
    stream: int


@with_config(ConfigDict(extra="allow"))
class FromFile(TypedDict):
    """Where imported models or records come from."""

    source: Source


@with_config(ConfigDict(extra="allow"))
class Provenance(TypedDict, total=False):
    """When, with what and on what a set was begun; each part may be missing."""

    created: str
    command: str
    licence: str
    versions: dict[str, Any]
    machine: dict[str, Any]


def require_origin(origin: dict[str, Any]) -> dict[str, Any]:
    """Refuse an origin that tells neither of a preset nor of a file.

    Raises:
        ValueError: naming the first key that is missing or of another type than it should be.
    """
    _require(FromFile if "source" in origin else FromPreset, origin)
    return origin


def _require_provenance(provenance: dict[str, Any]) -> dict[str, Any]:
    _require(Provenance, provenance)
    return provenance


def _require(kind: Any, values: dict[str, Any]) -> None:
    try:
        TypeAdapter(kind).validate_python(values, strict=True)
    except ValidationError as error:
        raise ValueError(first_mistake(error)) from None


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class Entry:
    """One finished shard in the manifest."""

    file: Annotated[str, AfterValidator(_in_folder)]
    split: Split
    samples: Count
    bytes: int
    sha256: str
    origin: Annotated[dict[str, Any], AfterValidator(require_origin)]
    """Where its models come from: a salt preset with its stream, or a file with its hash."""
    seconds: float | None = field(default=None, compare=False)
    """How long one thread took to make it; None where nobody measured it."""


class Storage(TypedDict):
    """How samples are stored."""

    dtype: Literal["float16", "float32"]


@with_config(ConfigDict(extra="allow"))
class Recipe(TypedDict):
    """What all shards share; grid and survey are looked into by ``Survey.from_dict``."""

    grid: dict[str, Any]
    survey: dict[str, Any]
    physics: dict[str, Any]
    storage: Storage


@dataclass(frozen=True)
class Content:
    """The manifest as it is in its file."""

    schema: int
    recipe: Recipe
    provenance: Annotated[dict[str, Any], AfterValidator(_require_provenance)]
    shards: tuple[Entry, ...]
    checksum: str | None = None
    """SHA-256 of the manifest without it; None in manifests that were written before there was one."""


def parse(content: bytes) -> Content:
    """Read the JSON of a manifest.

    Raises:
        ValueError: naming the first key that is missing or of another type than it should be.
    """
    try:
        return TypeAdapter(Content).validate_json(content, strict=True)
    except ValidationError as error:
        raise ValueError(first_mistake(error)) from None


def first_mistake(error: ValidationError) -> str:
    """The key of the first value that is not what it should be, and how."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "value_error":  # of a function here, which has named the value
        return f"{key}: {first['ctx']['error']}"
    said = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    return f"{key}: {said}, got {first['input']!r:.60}" if key else said
