"""What is in the manifest of a data set: read as written, refused if a value is not what it should be."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, PlainValidator, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from fwi.config import Split
from fwi.config.base import Count
from fwi.origin import Origin, first_mistake, parse_origin


def _in_folder(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"shards are in the manifest's own folder, got {name!r:.60}")
    return name


@with_config(ConfigDict(extra="allow"))
class Provenance(TypedDict, total=False):
    """When, with what and on what a set was begun; each part may be missing."""

    created: str
    command: str
    licence: str
    versions: dict[str, Any]
    machine: dict[str, Any]


def _require_provenance(provenance: dict[str, Any]) -> dict[str, Any]:
    try:
        TypeAdapter(Provenance).validate_python(provenance, strict=True)
    except ValidationError as error:
        raise ValueError(first_mistake(error)) from None
    return provenance


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class Entry:
    """One finished shard in the manifest."""

    file: Annotated[str, AfterValidator(_in_folder)]
    split: Split
    samples: Count
    bytes: int
    sha256: str
    origin: Annotated[Origin, PlainValidator(parse_origin)]
    """Where its samples come from."""
    seconds: float | None = field(default=None, compare=False)
    """How long one thread took to make it; None where nobody measured it."""

    def to_dict(self) -> dict[str, Any]:
        """The entry as plain values, as the manifest stores it."""
        return vars(self) | {"origin": self.origin.to_dict()}


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
