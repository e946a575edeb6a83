"""Shards: the HDF5 files of a data set, such as ``train-00003.h5``, written and read.

A shard has one chunk per sample:

- ``gathers (sample, shot, time, receiver)``, float16 or float32;
- ``velocity (sample, depth, x)``, float32 [m/s];
- ``salt (sample, depth, x)``, uint8, 1 where there is salt; both absent where only records are known;
- ``seed (sample)``, the sample's number in its split's random stream or in its source file;

with dimension scales ``time`` [s], ``depth``, ``x``, ``shot_x``, ``receiver_x`` [m], so that xarray shows
named axes. Equal samples give equal bytes; what differs between two runs (times, machine) is in the manifest.
"""

import hashlib
import io
import json
import math
import os
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from fwi.files import require_regular, write_whole
from fwi.memory import amount
from fwi.origin import Origin, parse_origin
from fwi.survey import Survey

SCHEMA = 1
FORMAT = "v110"
"""HDF5's file format: the oldest with checksums on its own structures, read by HDF5 1.10 (2016) and later."""

_inspected: set[tuple[int, ...]] = set()
"""Files that were found to hold what they say: a loader opens many of them again and again."""

DAMAGE = (OSError, LookupError, RuntimeError, TypeError, ValueError)
"""Errors that h5py raises on a damaged file."""


class ShardError(ValueError):
    """A data set that cannot be used as it is: missing, damaged, or made for another survey."""


def refuse_differences(what: str, differences: list[str], remedy: str = "") -> None:
    """Refuse data that were made with other settings than required.

    Args:
        what: beginning of the message, such as "data/salt was made for another survey than this study's".
        differences: the settings that differ, as ``fwi.survey.differences`` names them; nothing is refused
            without any.
        remedy: what to do about it.

    Raises:
        ShardError: naming every setting that differs.
    """
    if differences:
        lines = "\n".join(f"  - {line}" for line in differences)
        raise ShardError("\n".join(filter(None, (f"{what}:", lines, remedy))))


def refuse_another_survey(
    what: object, survey: Survey, wanted: Survey, whose: str, *, any_survey: bool = False
) -> None:
    """Refuse records of another survey than wanted.

    Args:
        what: the file or data set, for the message.
        survey: the survey of its records.
        wanted: the survey wanted.
        whose: description of the wanted survey in the message, such as "that of the run runs/a".
        any_survey: whether shots and receivers may be elsewhere along the line than those of ``wanted``.

    Raises:
        ShardError: naming every setting that differs.
    """
    in_kind = survey.differences_in_kind(wanted)
    refuse_differences(
        f"{what} was made for another survey than {whose}",
        in_kind if any_survey else survey.differences(wanted),
        "" if in_kind else "networks trained with model.columns: offsets take any shots and receivers",
    )


class Samples(NamedTuple):
    """Models and their records."""

    gathers: NDArray[np.floating[Any]]
    """Pressure, shape ``(sample, shot, time, receiver)``."""
    velocity: NDArray[np.float32] | None
    """P-wave speed [m/s], shape ``(sample, depth, x)``; None for field records, whose model nobody knows."""
    salt: NDArray[np.uint8] | None
    """1 where there is salt, shape ``(sample, depth, x)``; None where the models are."""
    seed: NDArray[np.int64]
    """Number of each sample in its stream or source, shape ``(sample,)``."""


def write(path: Path, samples: Samples, survey: Survey, attributes: dict[str, Any]) -> tuple[int, str]:
    """Write a shard, whole or not at all.

    Args:
        path: the file; its folder is made if need be.
        samples: what to store; ``gathers`` are stored in the precision they have.
        survey: gives the axes their positions.
        attributes: file attributes, stored as JSON.

    Returns:
        Size in bytes and SHA-256 of the file.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=(FORMAT, FORMAT)) as file:
        file.attrs["schema"] = SCHEMA
        for key, value in attributes.items():
            file.attrs[key] = json.dumps(value, sort_keys=True)
        # All are held open to the end: HDF5 settles the layout of an object when it is closed, and a profiler
        # (Dask's workers have one) that holds a reference for a moment would change the bytes.
        made = _write_axes(file, survey, len(samples.gathers))
        _write_array(file, made, "gathers", samples.gathers, ("sample", "shot", "time", "receiver"))
        if samples.velocity is not None and samples.salt is not None:
            _write_array(file, made, "velocity", samples.velocity, ("sample", "depth", "x"))
            made["velocity"].attrs["units"] = "m/s"
            _write_array(file, made, "salt", samples.salt, ("sample", "depth", "x"))
        seed = file.create_dataset("seed", data=samples.seed, fletcher32=True, chunks=samples.seed.shape)
        seed.dims[0].label = "sample"
        seed.dims[0].attach_scale(made["sample"])
    content = buffer.getbuffer()
    write_whole(path, content)
    return len(content), hashlib.sha256(content).hexdigest()


def read(path: Path) -> Samples:
    """Read a whole shard into memory.

    Raises:
        ShardError: the file is damaged or no shard.
    """
    with open_shard(path) as file:
        try:
            known = {name: file[name][:] if name in file else None for name in ("velocity", "salt")}
            return Samples(gathers=file["gathers"][:], seed=file["seed"][:], **known)
        except DAMAGE as error:
            raise ShardError(f"{path}: damaged ({error})") from None


def describe(path: Path) -> tuple[dict[str, Any], list[int]]:
    """Read the attributes of a shard, and the number of each of its samples.

    Raises:
        ShardError: the file is damaged or no shard.
    """
    with open_shard(path) as file:
        for name in ("study", "origin", "versions"):
            attribute(file, name)
        try:
            attributes = {key: json.loads(value) for key, value in file.attrs.items() if key != "schema"}
            parse_origin(attributes["origin"])
            schema, numbers = file.attrs.get("schema"), file["seed"].astype("int64")[:].tolist()
        except DAMAGE as error:
            raise ShardError(f"{path}: damaged ({error})") from None
    if not np.array_equal(schema, SCHEMA):
        raise ShardError(
            f"{path}: not a shard of this project (schema {schema!r:.60}, this version reads {SCHEMA})"
        )
    return attributes, numbers


def open_shard(path: Path) -> h5py.File:
    """Open a shard for reading.

    Raises:
        ShardError: the file is missing, truncated, or no HDF5, or its arrays are not what the file holds.
    """
    try:
        require_regular(path)
        file = h5py.File(path, "r")
    except DAMAGE as error:
        raise ShardError(
            f"{path}: missing, truncated, or no shard ({error}); run "
            f"'fwi verify {shlex.quote(str(path.parent))}'"
        ) from None
    try:
        status = path.stat()
        version = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if version not in _inspected:
            _refuse_what_is_not_inside(file, status.st_size)
            _inspected.add(version)
    except ShardError:
        file.close()
        raise
    except DAMAGE as error:
        file.close()
        raise ShardError(f"{path}: damaged ({error}); run 'fwi verify {path.parent}'") from None
    return file


def elsewhere(data: h5py.h5d.DatasetID) -> str:
    """Say where a data set keeps its numbers outside its HDF5 file; empty if it keeps them inside."""
    properties = data.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL:
        return "a virtual data set, whose numbers are in other files"
    if properties.get_external_count():
        return f"stored outside, in {os.fsdecode(properties.get_external(0)[0])}"
    return ""


def largest_read(data: h5py.h5d.DatasetID) -> int:
    """Bytes that reading a data set takes: its size, or that of a chunk if larger."""
    properties = data.get_create_plist()
    chunked = properties.get_layout() == h5py.h5d.CHUNKED
    chunk = math.prod(properties.get_chunk()) if chunked else 0
    size: int = max(math.prod(data.shape), chunk) * data.dtype.itemsize
    return size


def _refuse_what_is_not_inside(file: h5py.File, size: int) -> None:
    """Refuse arrays that are kept in other files, or larger than the file, as no shard has them."""
    stated = 0
    for name in (b"gathers", b"velocity", b"salt", b"seed"):
        if not file.id.links.exists(name):
            continue
        problem = ""
        if file.id.links.get_info(name).type != h5py.h5l.TYPE_HARD:
            problem = "a link"
        elif isinstance(data := h5py.h5o.open(file.id, name), h5py.h5d.DatasetID):
            problem = elsewhere(data)
            stated += largest_read(data)
        if problem:
            raise ShardError(f"{file.filename}: '{name.decode()}' is {problem}: not a shard of this project")
    if stated > size:
        raise ShardError(
            f"{file.filename}: says that it holds {amount(stated)}, but has {amount(size)}: damaged, or not "
            "a shard of this project"
        )


def attribute(file: h5py.File, name: str) -> dict[str, Any]:
    """An attribute of an open shard, such as ``study`` (grid, survey, physics, storage).

    Raises:
        ShardError: the file has no such attribute, or something else in its place.
    """
    try:
        values = json.loads(file.attrs[name])
    except DAMAGE:
        raise ShardError(f"{file.filename}: not a shard of this project (no attribute '{name}')") from None
    if not isinstance(values, dict):
        raise ShardError(
            f"{file.filename}: not a shard of this project (attribute '{name}' is {values!r:.60}, no mapping)"
        )
    return values


def origin(file: h5py.File) -> Origin:
    """Read where the samples of an open shard come from, as noted when the shard was made.

    Raises:
        ShardError: the file has no such attribute, or it is damaged.
    """
    try:
        return parse_origin(attribute(file, "origin"))
    except ShardError:
        raise
    except ValueError as error:
        raise ShardError(f"{file.filename}: damaged ({error})") from None


def read_survey(path: Path) -> Survey:
    """The survey of a shard's records.

    Raises:
        ShardError: the file is damaged or no shard.
    """
    with open_shard(path) as file:
        return Survey.from_dict(attribute(file, "study"))


def _write_axes(file: h5py.File, survey: Survey, samples: int) -> dict[str, h5py.Dataset]:
    """Write what the axes are labelled with; gives the data sets by name."""
    # A fixed spread has one line of receivers; a streamer's move with the shot and are given as offsets.
    fixed = survey.config.spread == "fixed"
    receiver_x = survey.receiver_x[0] if fixed else survey.receiver_x[0] - survey.shot_x[0]
    made = {}

    def scale(name: str, values: NDArray[Any]) -> None:
        made[name] = file.create_dataset(name, data=values)
        made[name].make_scale(name)

    for name, values in {"time": survey.time, "depth": survey.depth, "x": survey.x}.items():
        scale(name, values)
        made[name].attrs["units"] = "s" if name == "time" else "m"
    for name, values in (("shot", survey.shot_x), ("receiver", receiver_x)):
        scale(name, np.arange(len(values), dtype=np.int32))
        made[f"{name}_x"] = file.create_dataset(f"{name}_x", data=values)
        made[f"{name}_x"].attrs["units"] = "m"
        made[f"{name}_x"].dims[0].attach_scale(made[name])
    scale("sample", np.arange(samples, dtype=np.int32))
    return made


def _write_array(
    file: h5py.File, made: dict[str, h5py.Dataset], name: str, values: NDArray[Any], axes: tuple[str, ...]
) -> None:
    data = file.create_dataset(name, data=values, chunks=(1, *values.shape[1:]), fletcher32=True)
    for dimension, axis in enumerate(axes):
        data.dims[dimension].label = axis
        data.dims[dimension].attach_scale(made[axis])
    positions = [f"{axis}_x" for axis in axes if axis in ("shot", "receiver")]
    if positions:  # the convention by which readers such as xarray take these for coordinates (CF, 5.2)
        data.attrs["coordinates"] = " ".join(positions)
    made[name] = data
