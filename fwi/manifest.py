"""The manifest of a data set: the folder's ``manifest.json``, which lists its shards with their checksums.

A value that is not what it should be is refused, and what is written is read again as it was.
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
"""Bytes of the largest manifest: one of 300,000 shards has half of them."""
ANEW = "delete it and repeat the command that made the set, which takes up the shards that are whole"
"""How to have a manifest again."""


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


@dataclass(frozen=True)
class DataSet:
    """The manifest of a folder of shards.

    Args:
        folder: where manifest and shards are.
        recipe: what all shards share: survey, physics and precision, as plain values.
        provenance: when, with which versions and on what the set was begun.
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
            ShardError: there is none, it is not one of ours, or not what was written.
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
        """The manifest without its checksum, with a line for each shard: there may be 50,000."""
        head = {"schema": SCHEMA, "recipe": self.recipe, "provenance": self.provenance}
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        entries = ",\n".join(json.dumps(entry.to_dict()) for entry in self.entries)
        content = ",\n".join([*lines, f'"shards": [\n{entries}\n]'])
        return f"{{\n{content}\n}}\n".encode()

    def _is_of(self, checksum: str, written: bytes) -> bool:
        """Whether a checksum is that of the manifest as it stands in its file, or as it would be written."""
        as_it_stands = written.replace(_checksum_line(checksum), b"", 1)
        return checksum == hashlib.sha256(as_it_stands).hexdigest() or (
            checksum == hashlib.sha256(self._content()).hexdigest()  # somebody has only formatted it
        )

    def with_entry(self, entry: Entry) -> "DataSet":
        """The same set with one more finished shard, in the order of splits and names."""
        return self.with_entries([entry])

    def with_entries(self, entries: Iterable[Entry]) -> "DataSet":
        """The same set with more finished shards, in the order of splits and names."""
        files = {entry.file: entry for entry in (*self.entries, *entries)}
        return replace(
            self, entries=tuple(sorted(files.values(), key=lambda e: (SPLITS.index(e.split), e.file)))
        )

    @cached_property
    def survey(self) -> Survey:
        """The survey that all records were made with."""
        return Survey.from_dict(self.recipe)

    def split(self, split: Split) -> list[Entry]:
        """The shards of one split."""
        return [entry for entry in self.entries if entry.split == split]

    def size(self, split: Split) -> int:
        """Samples in a split."""
        return sum(entry.samples for entry in self.split(split))

    @property
    def sizes(self) -> str:
        """Samples in each split that has any, in words: "1600 train, 100 test"."""
        return ", ".join(f"{self.size(split)} {split}" for split in SPLITS if self.size(split))

    def verify(self, split: Split | None = None) -> None:
        """Compare the SHA-256 of every shard (of a split) with the manifest.

        Raises:
            ShardError: naming every shard that is missing or not what it was.
        """
        entries = self.entries if split is None else self.split(split)
        wrong = [f"{self.folder / entry.file}: {what}" for entry in entries if (what := self.damage(entry))]
        if wrong:
            remedy = "delete them and run the command that made the set again: only they are made anew"
            raise ShardError("\n".join([*wrong, remedy]))

    def damage(self, entry: Entry) -> str:
        """What is wrong with the file of a shard: nothing if its SHA-256 is that of the manifest."""
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
