"""Models and records of others as a data set of a study: checked, calibrated, and put on its grid.

``find`` opens what a user names, ``jobs`` says which shard holds which of it; what is in the files is read
when a shard is made. ``data_prep.foreign.formats`` knows the formats.
"""

import functools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.foreign import formats
from data_prep.foreign.calibration import RecordsError, calibrate, refuse_aliasing, refuse_unstorable
from data_prep.foreign.containers import FormatError, Shape
from data_prep.foreign.formats import Array, Kind, Series, in_numerical_order
from data_prep.foreign.orientation import judge
from data_prep.foreign.rsf import Axes
from data_prep.foreign.velocity import (
    ModelError,
    Unit,
    in_metres,
    on_grid,
    refuse_impossible,
    refuse_other_size,
)
from data_prep.make.jobs import Job
from data_prep.segy.velocity import SegyVelocity
from fwi.config import GridConfig, Split, StudyConfig
from fwi.files import sha256
from fwi.origin import ImportedModels, ImportedRecords, ModelAndRecordFiles, ModelFiles, ScaledRecords
from fwi.survey import Survey

PIECE_BYTES = 2**25
"""Bytes of samples that are checked at once."""

COMPARED = 4
"""Models that are simulated to calibrate the gain of their records: first, last, and evenly between."""

JUDGED = 16
"""Models, evenly spread, that tell which way round all lie."""

MOST_SAMPLES = 10**7
"""Samples of the largest import: a set of them has more shards than any folder is good for."""


@dataclass(frozen=True)
class Foreign:
    """Samples of other people's files as a study has them: a source of shards, small and picklable."""

    grid: GridConfig
    models: Series | None
    spacing: float
    """Cell size of the models [m]."""
    unit: Unit
    """What the models are in."""
    records: Series | None
    thinning: int = 1
    """Every how many of the records' samples one is kept."""
    gain: float = 1.0
    """Factor of the records' amplitudes."""
    nrms: float | None = None
    """Misfit of the records, times the gain, against simulated ones; None where that was not measured."""

    def __len__(self) -> int:
        return len(self.models or self.records or ())

    def velocity(self, numbers: Sequence[int]) -> NDArray[np.float32] | None:
        """Models [m/s] on the study's grid, shape ``(sample, depth, x)``; None if there are only records."""
        if self.models is None:
            return None
        return on_grid(in_metres(self.models.read(numbers), self.unit), self.spacing, self.grid)

    def gathers(self, numbers: Sequence[int]) -> NDArray[np.float32] | None:
        """Records, shape ``(sample, shot, time, receiver)``; None if they are to be simulated."""
        if self.records is None:
            return None
        return self.records.read(numbers)[:, :, :: self.thinning] * np.float32(self.gain)

    def origin(
        self, numbers: Sequence[int], digest: Callable[[Path], str]
    ) -> ImportedModels | ImportedRecords:
        """Where some samples come from, for the manifest; of several files, those that hold them."""
        first = self.models or self.records
        source = {**_files(first, numbers, digest), "spacing": self.spacing} if first else {}
        if self.models is not None:
            # The usual unit and axes are left out, as they were before there were others: so older sets can
            # be completed.
            if self.unit not in ("m/s", "km/s"):
                source["unit"] = self.unit
            if self.models.arrays[0].axes != "depth-x":
                source["axes"] = self.models.arrays[0].axes
        if self.records is None:
            return ImportedModels(source=ModelFiles(**source))
        records = ScaledRecords(
            **_files(self.records, numbers, digest), gain=self.gain, nrms=self.nrms, thinning=self.thinning
        )
        return ImportedRecords(source=ModelAndRecordFiles(**source, records=records))

    @property
    def stem(self) -> str:
        """What the names of its shards have in common: the names of its first and last file."""
        series = self.models or self.records
        arrays = series.arrays if series else ()
        names = [*dict.fromkeys(array.path.stem for array in (arrays[:1] + arrays[-1:]))]
        return re.sub(r"[^\w-]", "_", "-".join(filter(None, (*names, arrays[0].stored.key))))


class Import(NamedTuple):
    """What is to be imported, checked."""

    source: Foreign
    said: list[str]
    """What was recognised and what is done with it, in lines for the user."""


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
    """Recognise models and records, check all of them, and calibrate the records' gain.

    Args:
        study: the grid to put the models on, and the survey that the records must be of.
        files: files, folders or patterns of models, of records, or of both.
        records: the same of records alone.
        key: which array of a .npz, .mat or .h5 in ``files``.
        records_key: the same of ``records``.
        shape: of raw float32 in ``files``: ``(depth, x)`` or ``(model, depth, x)``.
        spacing: the models' cell size [m]; may be left out for public sets.
        unit: what the models are in; m/s if not given, or as a header says.
        axes: how the two axes of a model lie; depth first if not given, or as a header says.
        big_endian: of raw float32, whether the first byte of a number is the highest; no if not given.
        gain: factor of the records; calibrated by simulating some of the models if left out.

    Raises:
        FormatError: a file is missing, damaged or not recognised.
        ModelError: models that cannot be used, or that do not pair up with the records.
        RecordsError: records that are not of the study's survey, or do not match their models.
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
    said = []
    if models_found:
        said += _said_of_models(models_found, source.spacing)
        _refuse_other_size(study, source, models_found, axes)
        _refuse_bad_models(study, models_found, own_unit, big_endian)
        said += _misread(source, models_found, axes)
    if records_found:
        said.append(_said(records_found, "(shot, time, receiver)"))
        if models_found:
            _refuse_unpaired(models_found, records_found)
        source, done = _calibrated(study, source, records_found, gain)
        said += done
        _refuse_bad_records(study, source, records_found)
    return Import(source, said)


def jobs(
    study: StudyConfig, source: Foreign | SegyVelocity, *, split: Split, validation: int = 0
) -> list[Job]:
    """The shards that would hold a source's samples.

    Args:
        study: how many samples a shard holds.
        source: the samples.
        split: the split they go to.
        validation: how many of them, drawn at random with the study's salt seed, go to validation instead.

    Raises:
        ModelError: no such share can go to validation.
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
    """The source with its records thinned and scaled to the study's, and what was done in words."""
    thinning = _thinning(study, records)
    compared = np.unique(np.linspace(0, len(records) - 1, COMPARED).astype(int)).tolist()
    recorded, said = records.read(compared), []
    if thinning > 1:
        refuse_aliasing(study, recorded, thinning)
        said.append(f"every {thinning}th sample of the records is kept")
    source = replace(source, thinning=thinning, gain=1.0 if gain is None else gain)
    velocity = source.velocity(compared)
    if gain is not None:
        said.append(f"gain {gain:g} as told, not compared with simulated records")
    elif velocity is None:
        said.append("gain 1: there are no models to calibrate it with")
    else:
        source = replace(source, **calibrate(study, velocity, recorded[:, :, ::thinning])._asdict())
        said.append(
            f"gain {source.gain:g}: with it the records of {len(compared)} models are within NRMS "
            f"{source.nrms:g} of simulated ones"
        )
    return source, said


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


def _refuse_unpaired(models: Series, records: Series) -> None:
    """Models and records belong together by their order: refuse where counts or numbers in names differ."""
    if len(models) != len(records):
        raise ModelError(
            f"{len(models)} models in {_names(models)}, but records of {len(records)} in {_names(records)}: "
            "give files that belong together"
        )
    for model, record in zip(models.arrays, records.arrays, strict=False):
        numbers, others = (re.findall(r"\d+", array.path.stem) for array in (model, record))
        other_name = numbers and others and numbers != others and len(models.arrays) == len(records.arrays)
        if other_name or (len(models.arrays) == len(records.arrays) and model.samples != record.samples):
            raise ModelError(
                f"{model.path.name} ({model.samples}) would go with {record.path.name} ({record.samples}): "
                "models and records pair up in the order of the numbers in their names; rename or choose them"
            )


def _spacing(models: Series | None, spacing: float | None) -> float:
    found = {array.spacing for array in models.arrays} if models else {0.0}
    if spacing is None and len(found) > 1:
        raise ModelError(
            f"{_names(models)}: cells of {', '.join(f'{size} m' for size in found)}: import them one by one"
        )
    size = found.pop() if spacing is None else spacing
    if size is None:
        notes = "; ".join(_notes(models))
        raise ModelError(
            f"{_names(models)}: --spacing is needed, the cell size of the models in metres"
            + (f" ({notes})" if notes else "")
        )
    return size


def _unit(models: Series | None) -> Unit | None:
    """What the headers of the models say that they are in; None if they do not tell."""
    found = {array.unit for array in models.arrays} if models else {None}
    if len(found) > 1:
        raise ModelError(f"{_names(models)}: in {', '.join(map(str, found))}: import them one by one")
    return found.pop()


def _refuse_other_size(study: StudyConfig, source: Foreign, models: Series, axes: Axes | None) -> None:
    """Refuse models that are not the grid's size, and more than any set holds, before any is read."""
    array, samples = models.arrays[0], len(models)
    nz, nx = array.sample_shape
    if axes is None and array.stored.format.startswith("raw"):
        several = f"{samples} " if len(array.stored.shape) == 3 else ""
        hint = (
            f"--shape takes depth first, so --shape {several}{nx} {nz}, with --axes x-depth if depth is the "
            "fastest axis in the file, as Madagascar, SU, Fortran and MATLAB write it"
        )
    elif array.axes == "x-depth":
        hint = "leave out --axes x-depth" if axes else "add --axes depth-x"
    else:
        hint = "if they are stored (x, depth), add --axes x-depth"
    stored = array.stored.shape
    if len(stored) == 3 and stored[:2] == (study.grid.nz, study.grid.nx) != stored[1:]:
        raise ModelError(
            f"{array.path}: {' x '.join(map(str, stored))} numbers, of which the first two axes are the "
            "grid's: store the models along the first axis, (model, depth, x), as by permute(v, [3 1 2]) or "
            "numpy.moveaxis(v, 2, 0)"
        )
    refuse_other_size(array.path, (nz, nx), source.spacing, study.grid, hint)
    if samples > MOST_SAMPLES:
        raise ModelError(
            f"{_names(models)}: {samples:,} models; at most {MOST_SAMPLES:,} are imported at once"
        )


def _refuse_bad_models(
    study: StudyConfig, models: Series, unit: Unit | None, big_endian: bool | None
) -> None:
    for array in models.arrays:
        for numbers in _pieces(array):
            values = array.read(numbers)
            if array.stored.format.startswith("raw"):
                _refuse_other_endian(array, values, big_endian)
            refuse_impossible(
                array.path, values, study.grid.velocity, numbers[0], unit, remedy="add --unit {unit}"
            )


def _refuse_other_endian(array: Array, values: NDArray[np.float32], big_endian: bool | None) -> None:
    """Refuse raw numbers that make sense only with their bytes in the other order."""
    swapped = values.byteswap()
    if _sensible(values) < 0.9 and _sensible(swapped) > 0.99:
        remedy = "leave out --endian big" if big_endian else "add --endian big"
        other = "little" if big_endian else "big"
        low, high = np.nanmin(swapped), np.nanmax(swapped)
        raise FormatError(
            f"{array.path}: the numbers look {other}-endian, and are {low:g} .. {high:g} then: {remedy}"
        )


def _sensible(values: NDArray[np.float32]) -> float:
    """Share of numbers that may be speeds or slownesses in any unit."""
    with np.errstate(invalid="ignore"):
        sizes = np.abs(values)
        return float(((sizes == 0) | ((sizes > 1e-9) & (sizes < 1e5))).mean())


def _misread(source: Foreign, models: Series, axes: Axes | None) -> list[str]:
    """Refuse models whose cells tell that they lie otherwise than taken, unless somebody said how they lie.

    Returns:
        What is odd about them, in lines for the user.
    """
    array = models.arrays[0]
    most = max(1, min(JUDGED, PIECE_BYTES // (4 * math.prod(array.sample_shape))))
    numbers = np.unique(np.linspace(0, len(models) - 1, most).astype(int)).tolist()
    verdict, figures = judge(in_metres(models.read(numbers), source.unit))
    if verdict == "as it should be":
        return []
    other = "x-depth" if array.axes == "depth-x" else "depth-x"
    looks = {
        "striped": f"the numbers look read in the wrong order, which makes stripes: {figures}",
        "exchanged": f"depth and line look exchanged: {figures}, and the earth is layered",
        "doubtful": f"{figures}, and the earth is layered: are depth and line exchanged?",
    }[verdict]
    remedy, raw = f"add --axes {other}", array.stored.format.startswith("raw")
    if verdict == "striped" and not raw:
        remedy = "make the array anew, as with numpy: v.reshape(-1, nx, nz).swapaxes(1, 2)"
        remedy = "exchange n1 and n2 in its header" if array.header else remedy
    elif verdict != "striped" and raw and array.sample_shape[0] != array.sample_shape[1]:
        nz, nx = array.sample_shape
        remedy = f"add --axes {other} and give --shape {nx} {nz}"
    if axes is not None:
        return [f"{_names(models)}: {looks}; --axes {axes} takes them so"]
    if verdict == "doubtful":
        return [f"{_names(models)}: {looks} If so, {remedy}"]
    raise ModelError(
        f"{_names(models)}: {looks}. If so, {remedy}; if not, --axes {array.axes} takes them as they are"
    )


def _refuse_bad_records(study: StudyConfig, source: Foreign, records: Series) -> None:
    for array in records.arrays:
        for numbers in _pieces(array):
            peaks = np.abs(array.read(numbers)).max(axis=(1, 2, 3))
            for number, peak in zip(numbers, peaks, strict=True):
                where = f"{array.path}: records {number}"
                refuse_unstorable(where, float(peak), source.gain, study.storage.dtype)


def _pieces(array: Array) -> Iterator[range]:
    """Numbers of an array's samples, as many at once as are well held in memory."""
    step = max(1, PIECE_BYTES // (4 * math.prod(array.sample_shape)))
    for first in range(0, array.samples, step):
        yield range(first, min(first + step, array.samples))


def _thinning(study: StudyConfig, records: Series) -> int:
    """Every how many samples of the records the study keeps one."""
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
        f"{_names(records)}: {found[0]} shots, {found[1]} samples, {found[2]} receivers, but the study's "
        f"survey has {shots} shots, {kept} samples ({survey.nt} steps), {receivers} receivers: {remedy}"
    )


def _files(series: Series, numbers: Sequence[int], digest: Callable[[Path], str]) -> dict[str, Any]:
    paths = series.paths(numbers)
    digests = [digest(path) for path in paths]
    several = len(paths) > 1
    return {
        "file": f"{paths[0].name} .. {paths[-1].name}" if several else paths[0].name,
        "key": series.arrays[0].stored.key,
        "sha256": digests if several else digests[0],
    }


def _said_of_models(models: Series, spacing: float) -> list[str]:
    said = [_said(models, f"cells at {spacing:g} m")]
    if models.arrays[0].channel_last:
        said.append("the last axis, of one channel, is left out")
    own = models.arrays[0].header.spacing if models.arrays[0].header else None
    if own not in (None, spacing):
        said.append(f"--spacing {spacing:g} in place of the {own:g} m of the header")
    return said + [f"{models.arrays[0].path}: {note}" for note in _notes(models)]


def _notes(models: Series | None) -> tuple[str, ...]:
    """What was read in the header of the first file."""
    header = models.arrays[0].header if models else None
    return header.notes if header else ()


def _said(series: Series, unit: str) -> str:
    array = series.arrays[0]
    what = f"recognised as {array.published}" if array.published else f"{array.stored.format} taken as"
    shape = " x ".join(str(length) for length in array.sample_shape)
    key = f", from {array.stored.key}" if array.stored.key else ""
    return f"{_names(series)}: {what} {array.kind}, {len(series)} of {shape} {unit}{key}"


def _names(series: Series | None) -> str:
    if series is None:
        return ""
    first, last = series.arrays[0].path, series.arrays[-1].path.name
    return str(first) if len(series.arrays) == 1 else f"{first} .. {last} ({len(series.arrays)} files)"
