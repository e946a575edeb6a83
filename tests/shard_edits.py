"""Damage to data sets, for tests."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fwi import shards
from fwi.manifest import DataSet
from fwi.origin import Origin
from fwi.shards import Samples


def flip_byte(path: Path, share: float) -> None:
    """Change one byte of a file, at this share of its length."""
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 0x10
    path.write_bytes(content)


def rewrite(
    folder: Path, file: str, change: Callable[[Samples], Samples], origin: Origin | None = None
) -> None:
    """Write a shard anew with other samples, or as if of another origin, and its checksum to the manifest."""
    data, path = DataSet.read(folder), folder / file
    entry = next(entry for entry in data.entries if entry.file == file)
    samples, (attributes, _) = change(shards.read(path)), shards.describe(path)
    origin = origin or entry.origin
    size, digest = shards.write(path, samples, data.survey, attributes | {"origin": origin.to_dict()})
    count = len(samples.gathers)
    data.with_entry(replace(entry, samples=count, bytes=size, sha256=digest, origin=origin)).write()
