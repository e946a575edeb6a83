"""Import of foreign models and records into a study's data set: checked, calibrated, and put on its grid.

``find`` recognises and checks the files that a user names, and ``jobs`` assigns their samples to shards. The
samples are read when a shard is made. ``data_prep.foreign.formats`` describes the formats.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.foreign import formats
from data_prep.foreign.calibration import RecordsError, calibrate, refuse_aliasing
from data_prep.foreign.checks import (
    header_notes,
    misread,
    names,
    refuse_bad_models,
    refuse_bad_records,
    refuse_other_samples,
    refuse_unpaired,
)
from data_prep.foreign.containers import FormatError, Shape
from data_prep.foreign.formats import Array, Kind, Series, in_numerical_order
from data_prep.foreign.rsf import Axes
from data_prep.foreign.source import Foreign
from data_prep.foreign.velocity import (
    ModelError,
    Unit,
)
from data_prep.make.jobs import Job
from data_prep.segy.velocity import SegyVelocity
from fwi.config import Split, StudyConfig
from fwi.files import sha256
from fwi.survey import Survey

COMPARED = 4
"""Number of models that are simulated to calibrate the gain of the records, evenly spread over the set."""


class Import(NamedTuple):
    """The checked models and records of an import."""

    source: Foreign
    """What reads the samples."""
    findings: list[str]
    """Lines for the user: what was recognised, and what is done with it."""


def find(
    study: StudyConfig,
    files: Sequence[Path],
    records: Path | None = None,
    *,
    key: str | None = None,
    records_key: str | None = None,
    shape: Shape | None = None,
    spacing: float | None = None,
    unit: Unit | None = None,
    axes: Axes | None = None,
    big_endian: bool | None = None,
    gain: float | None = None,
) -> Import:
    """Recognise models and records, check all of them, and calibrate the gain of the records.

    Args:
        study: the study, with the grid of the models and the survey of the records.
        files: files, folders or patterns of models, of records, or of both.
        records: a file, folder or pattern of records alone.
        key: name of the array in a .npz, .mat or .h5 of ``files``.
        records_key: name of the array in a .npz, .mat or .h5 of ``records``.
        shape: shape of the raw float32 in ``files``, ``(depth, x)`` or ``(model, depth, x)``.
        spacing: cell size of the models [m]; None takes that of the header or of the public set.
        unit: unit of the models; None takes that of the header, or m/s.
        axes: order of the axes of a model in the file; None takes that of the header, or depth first.
        big_endian: whether raw float32 numbers are big endian; None takes little endian.
        gain: factor of the records; None calibrates it by simulating some of the models.

    Raises:
        FormatError: a file is missing, damaged or not recognised.
        ModelError: the models cannot be used, or do not pair up with the records.
        RecordsError: the records are not of the study's survey, or do not match their models.
    """
    arrays = [
        array
        for path in files
        for array in formats.find(path, key, shape, axes=axes, big_endian=bool(big_endian))
    ]
    if records is not None:
        arrays += formats.find(records, records_key, kind="records")
    if not arrays:
        raise ModelError("nothing to import: name a file of models, or --records")
    models_found, records_found = _series(arrays, "models"), _series(arrays, "records")
    if big_endian is not None and shape is None:
        raise ModelError("--endian: without use but for raw floats, whose --shape is to be given; leave out")
    if models_found is None and (unit or axes):
        raise ModelError("--unit, --axes: without use for records alone; leave out")
    own_unit = unit or _unit(models_found)
    found_spacing = _spacing(models_found, spacing)
    source = Foreign(study.grid, models_found, found_spacing, own_unit or "m/s", records_found)
    findings = []
    if models_found:
        findings += _describe_models(models_found, source.spacing)
        refuse_other_samples(study, source, models_found, axes)
        refuse_bad_models(study, models_found, own_unit, big_endian)
        findings += misread(source, models_found, axes)
    if records_found:
        findings.append(_describe(records_found, "(shot, time, receiver)"))
        if models_found:
            refuse_unpaired(models_found, records_found)
        source, changes = _calibrated(study, source, records_found, gain)
        findings += changes
        refuse_bad_records(study, source, records_found)
    return Import(source, findings)


def jobs(
    study: StudyConfig, source: Foreign | SegyVelocity, *, split: Split, validation: int = 0
) -> list[Job]:
    """Assign the samples of a source to shards.

    Args:
        study: the study, with the number of samples per shard.
        source: the samples.
        split: the split that the samples belong to.
        validation: number of samples, drawn at random with the study's salt seed, for validation instead.

    Raises:
        ModelError: ``validation`` is too large, or ``split`` is already the validation split.
    """
    if split == "validation" and validation:
        raise ModelError(
            "--validation: with --split validation all models go there; leave out one of the two"
        )
    if not 0 <= validation < len(source):
        raise ModelError(
            f"--validation {validation}: there are {len(source)} samples, of which {split} needs at least one"
        )
    order = np.random.default_rng(study.salt.seed).permutation(len(source))
    chosen: list[tuple[Split, NDArray[np.int64]]] = [
        ("validation", np.sort(order[:validation])),
        (split, np.sort(order[validation:])),
    ]
    step, digest = study.storage.samples_per_shard, functools.cache(sha256)
    made = []
    for name, numbers in chosen:
        for first in range(0, len(numbers), step):
            shard = numbers[first : first + step].tolist()
            file = f"{name}-{source.stem}-{first // step:05d}.h5"
            made.append(Job(file, name, shard, source.origin(shard, digest), source))
    return made


def _calibrated(
    study: StudyConfig, source: Foreign, records: Series, gain: float | None
) -> tuple[Foreign, list[str]]:
    """Thin and scale the records of a source as the study needs them; also returns the changes in words."""
    thinning = _thinning(study, records)
    compared = np.unique(np.linspace(0, len(records) - 1, COMPARED).astype(int)).tolist()
    recorded, changes = records.read(compared), []
    if thinning > 1:
        refuse_aliasing(study, recorded, thinning)
        changes.append(f"every {thinning}th sample of the records is kept")
    source = replace(source, thinning=thinning, gain=1.0 if gain is None else gain)
    velocity = source.velocity(compared)
    if gain is not None:
        changes.append(f"gain {gain:g} as told, not compared with simulated records")
    elif velocity is None:
        changes.append("gain 1: there are no models to calibrate it with")
    else:
        source = replace(source, **calibrate(study, velocity, recorded[:, :, ::thinning])._asdict())
        changes.append(
            f"gain {source.gain:g}: with it the records of {len(compared)} models are within NRMS "
            f"{source.nrms:g} of simulated ones"
        )
    return source, changes


def _series(arrays: Sequence[Array], kind: Kind) -> Series | None:
    chosen = [array for array in arrays if array.kind == kind]
    chosen.sort(key=lambda array: (str(array.path.parent), in_numerical_order(array.path)))
    for one, other in pairwise(chosen):
        if one.path == other.path:
            raise FormatError(f"{one.path}: named twice; its samples are taken once")
    for array in chosen:
        if array.sample_shape != chosen[0].sample_shape:
            raise FormatError(
                f"{array.path}: {kind} of shape {array.sample_shape}, but {chosen[0].path} has "
                f"{chosen[0].sample_shape}; import them one after the other"
            )
    return Series(tuple(chosen)) if chosen else None


def _spacing(models: Series | None, spacing: float | None) -> float:
    found = {array.spacing for array in models.arrays} if models else {0.0}
    if spacing is None and len(found) > 1:
        raise ModelError(
            f"{names(models)}: cells of {', '.join(f'{size} m' for size in found)}: import them one by one"
        )
    size = found.pop() if spacing is None else spacing
    if size is None:
        notes = "; ".join(header_notes(models))
        raise ModelError(
            f"{names(models)}: --spacing is needed, the cell size of the models in metres"
            + (f" ({notes})" if notes else "")
        )
    return size


def _unit(models: Series | None) -> Unit | None:
    """Unit of the models by their headers; None if the headers state none."""
    found = {array.unit for array in models.arrays} if models else {None}
    if len(found) > 1:
        raise ModelError(f"{names(models)}: in {', '.join(map(str, found))}: import them one by one")
    return found.pop()


def _thinning(study: StudyConfig, records: Series) -> int:
    """Number n, where the study keeps every n-th sample of the records."""
    survey = study.survey
    shots, kept, receivers = Survey(study.grid, survey).gather_shape
    found = records.arrays[0].sample_shape
    for samples, thinning in ((kept, 1), (survey.nt, survey.keep_every)):
        if found == (shots, samples, receivers):
            return thinning
    remedy = f"set survey.shots {found[0]}, survey.nt {found[1]}, keep_every 1, survey.receivers {found[2]}"
    if records.arrays[0].published == "OpenFWI":
        remedy = "take --config configs/openfwi.yaml"
    raise RecordsError(
        f"{names(records)}: {found[0]} shots, {found[1]} samples, {found[2]} receivers, but the study's "
        f"survey has {shots} shots, {kept} samples ({survey.nt} steps), {receivers} receivers: {remedy}"
    )


def _describe_models(models: Series, spacing: float) -> list[str]:
    lines = [_describe(models, f"cells at {spacing:g} m")]
    if models.arrays[0].channel_last:
        lines.append("the last axis, of one channel, is left out")
    own = models.arrays[0].header.spacing if models.arrays[0].header else None
    if own not in (None, spacing):
        lines.append(f"--spacing {spacing:g} in place of the {own:g} m of the header")
    return lines + [f"{models.arrays[0].path}: {note}" for note in header_notes(models)]


def _describe(series: Series, unit: str) -> str:
    array = series.arrays[0]
    what = f"recognised as {array.published}" if array.published else f"{array.stored.format} taken as"
    shape = " x ".join(str(length) for length in array.sample_shape)
    key = f", from {array.stored.key}" if array.stored.key else ""
    return f"{names(series)}: {what} {array.kind}, {len(series)} of {shape} {unit}{key}"
