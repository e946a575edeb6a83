"""The manifest of a data set: the folder's ``manifest.json``, which lists its shards with their checksums.

Wrong values are refused, and a manifest that is written is read back unchanged.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, PlainValidator, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from fwi.config import SPLITS, Split
from fwi.config.base import Count
from fwi.files import read_regular, sha256, write_whole
from fwi.origin import Origin, first_mistake, parse_origin
from fwi.shards import SCHEMA, ShardError
from fwi.survey import Survey

MANIFEST = "manifest.json"
LARGEST_MANIFEST = 500_000_000
"""Largest size of a manifest in bytes; one of 300,000 shards has half of it."""
ANEW = "delete it and repeat the command that made the set, which takes up the shards that are whole"
"""Remedy for a damaged manifest, as messages give it."""


def _in_folder(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"shards are in the manifest's own folder, got {name!r:.60}")
    return name


@with_config(ConfigDict(extra="allow"))
class Provenance(TypedDict, total=False):
    """Time, software and machine with which a set was begun; each part may be missing."""

    created: str
    """Date and time, in UTC."""
    command: str
    """The command that made the set."""
    licence: str
    """Licence of imported models and records."""
    versions: dict[str, Any]
    """Versions of Python and of the packages."""
    machine: dict[str, Any]
    """System, processor and number of cores."""


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
    """Name of the shard."""
    split: Split
    """The split that its samples belong to."""
    samples: Count
    """Number of samples."""
    bytes: int
    """Size of the file."""
    sha256: str
    """Checksum of the file."""
    origin: Annotated[Origin, PlainValidator(parse_origin)]
    """Origin of the samples."""
    seconds: float | None = field(default=None, compare=False)
    """Seconds that one thread took to make it; None if not measured."""

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as plain values, as the manifest stores it."""
        return vars(self) | {"origin": self.origin.to_dict()}


class Storage(TypedDict):
    """How samples are stored."""

    dtype: Literal["float16", "float32"]
    """Precision of the gathers."""


@with_config(ConfigDict(extra="allow"))
class Recipe(TypedDict):
    """Settings that all shards share; ``Survey.from_dict`` validates grid and survey."""

    grid: dict[str, Any]
    """The study's section ``grid``."""
    survey: dict[str, Any]
    """The study's section ``survey``."""
    physics: dict[str, Any]
    """The study's section ``physics``."""
    storage: Storage
    """Precision of the gathers."""


@dataclass(frozen=True)
class Content:
    """The content of the manifest's file."""

    schema: int
    """Version of the layout."""
    recipe: Recipe
    """Settings that all shards share."""
    provenance: Annotated[dict[str, Any], AfterValidator(_require_provenance)]
    """Time, software and machine with which the set was begun."""
    shards: tuple[Entry, ...]
    """The finished shards."""
    checksum: str | None = None
    """SHA-256 of the manifest without this field; None in manifests of earlier versions."""


def parse(content: bytes) -> Content:
    """Read the JSON of a manifest.

    Raises:
        ValueError: a key is missing or has the wrong type; the message names the first.
    """
    try:
        return TypeAdapter(Content).validate_json(content, strict=True)
    except ValidationError as error:
        raise ValueError(first_mistake(error)) from None


@dataclass(frozen=True)
class DataSet:
    """The manifest of a folder of shards.

    Args:
        folder: folder of manifest and shards.
        recipe: settings that all shards share (survey, physics and precision) as plain values.
        provenance: time, versions and machine with which the set was begun.
        entries: the finished shards.
    """

    folder: Path
    recipe: dict[str, Any]
    provenance: dict[str, Any]
    entries: tuple[Entry, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> "DataSet":
        """Read a folder's manifest.

        Raises:
            ShardError: the manifest is missing, foreign, or differs from its checksum.
        """
        path = folder / MANIFEST
        try:
            if not path.exists():
                raise FileNotFoundError
            written = read_regular(path, LARGEST_MANIFEST)
            content = parse(written)
            recipe = dict(content.recipe)
            Survey.from_dict(recipe)
        except (FileNotFoundError, NotADirectoryError):
            raise ShardError(
                f"{folder}: no data set here ({MANIFEST} is missing); make one with 'fwi simulate'"
            ) from None
        except ValueError as error:
            why = first_mistake(error) if isinstance(error, ValidationError) else error
            raise ShardError(f"{path}: not a manifest of this project ({why})") from None
        if content.schema != SCHEMA:
            raise ShardError(f"{path}: schema {content.schema}, this version reads {SCHEMA}")
        data = cls(folder, recipe, content.provenance, content.shards)
        if content.checksum is not None and not data._is_of(content.checksum, written):
            raise ShardError(
                f"{path}: damaged, or edited by hand (the checksum in it is not that of its content); bring "
                f"back a copy of it, or {ANEW}"
            )
        return data

    def write(self) -> None:
        """Write the manifest and its checksum, whole or not at all."""
        content = self._content()
        head = _checksum_line(hashlib.sha256(content).hexdigest())
        write_whole(self.folder / MANIFEST, content.replace(b"{\n", b"{\n" + head, 1))

    def _content(self) -> bytes:
        """Serialise the manifest without its checksum, with one line per shard, as there may be 50,000."""
        head = {"schema": SCHEMA, "recipe": self.recipe, "provenance": self.provenance}
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        entries = ",\n".join(json.dumps(entry.to_dict()) for entry in self.entries)
        content = ",\n".join([*lines, f'"shards": [\n{entries}\n]'])
        return f"{{\n{content}\n}}\n".encode()

    def _is_of(self, checksum: str, written: bytes) -> bool:
        """Whether a checksum matches the manifest as read from its file, or as it would be written now."""
        as_it_stands = written.replace(_checksum_line(checksum), b"", 1)
        return checksum == hashlib.sha256(as_it_stands).hexdigest() or (
            checksum == hashlib.sha256(self._content()).hexdigest()  # somebody has only formatted it
        )

    def with_entry(self, entry: Entry) -> "DataSet":
        """Return the set with one more finished shard, in the order of splits and names."""
        return self.with_entries([entry])

    def with_entries(self, entries: Iterable[Entry]) -> "DataSet":
        """Return the set with more finished shards, in the order of splits and names."""
        files = {entry.file: entry for entry in (*self.entries, *entries)}
        return replace(
            self, entries=tuple(sorted(files.values(), key=lambda e: (SPLITS.index(e.split), e.file)))
        )

    @cached_property
    def survey(self) -> Survey:
        """The survey that all records were made with."""
        return Survey.from_dict(self.recipe)

    def split(self, split: Split) -> list[Entry]:
        """Return the shards of one split."""
        return [entry for entry in self.entries if entry.split == split]

    def size(self, split: Split) -> int:
        """Return the number of samples in a split."""
        return sum(entry.samples for entry in self.split(split))

    @property
    def sizes(self) -> str:
        """Number of samples in each split that has any, as text such as "1600 train, 100 test"."""
        return ", ".join(f"{self.size(split)} {split}" for split in SPLITS if self.size(split))

    def verify(self, split: Split | None = None) -> None:
        """Compare the SHA-256 of every shard (of a split) with the manifest.

        Raises:
            ShardError: shards are missing or changed; the message names all of them.
        """
        entries = self.entries if split is None else self.split(split)
        wrong = [f"{self.folder / entry.file}: {what}" for entry in entries if (what := self.damage(entry))]
        if wrong:
            remedy = "delete them and run the command that made the set again: only they are made anew"
            raise ShardError("\n".join([*wrong, remedy]))

    def damage(self, entry: Entry) -> str:
        """Describe the damage to the file of a shard; empty if its SHA-256 matches the manifest."""
        path = self.folder / entry.file
        try:
            size = path.stat().st_size
            if not path.is_file():  # reading a pipe would wait for ever
                return "not a regular file"
            if sha256(path) == entry.sha256:
                return ""
        except FileNotFoundError:
            return "missing"
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        if size != entry.bytes:
            return f"{size} bytes instead of {entry.bytes}: truncated or replaced"
        return "its content changed since it was written (SHA-256 differs)"


def _checksum_line(checksum: str) -> bytes:
    return f'"checksum": {json.dumps(checksum)},\n'.encode()
