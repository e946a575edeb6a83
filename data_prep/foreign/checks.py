"""Checks before an import: models and records that do not fit the study or each other are refused."""

import math
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from data_prep.foreign.calibration import refuse_unstorable
from data_prep.foreign.containers import FormatError
from data_prep.foreign.formats import Array, Series
from data_prep.foreign.orientation import judge
from data_prep.foreign.rsf import Axes
from data_prep.foreign.source import Foreign
from data_prep.foreign.velocity import (
    ModelError,
    Unit,
    in_metres,
    refuse_impossible,
    refuse_other_size,
)
from fwi.config import StudyConfig

PIECE_BYTES = 2**25
"""Bytes of samples that are checked at once."""

JUDGED = 16
"""Number of models, evenly spread over the set, from which the order of the axes is judged."""

MOST_SAMPLES = 10**7
"""Number of samples in the largest import: more would give more shards than a folder can hold."""


def refuse_unpaired(models: Series, records: Series) -> None:
    """Refuse models and records whose counts, or whose numbers in the file names, differ.

    Models and records are paired in their order.
    """
    if len(models) != len(records):
        raise ModelError(
            f"{len(models)} models in {names(models)}, but records of {len(records)} in {names(records)}: "
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


def refuse_other_samples(study: StudyConfig, source: Foreign, models: Series, axes: Axes | None) -> None:
    """Refuse models that do not have the size of the grid, or are too many, before any model is read.

    Args:
        study: the study, whose grid they are brought to.
        source: the files.
        models: the models.
        axes: how a model lies in the file, if that was stated.

    Raises:
        ModelError: the models have another size, or are too many.
    """
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
            f"{names(models)}: {samples:,} models; at most {MOST_SAMPLES:,} are imported at once"
        )


def refuse_bad_models(study: StudyConfig, models: Series, unit: Unit | None, big_endian: bool | None) -> None:
    """Read all models, and refuse speeds that are not finite, not positive, or outside the grid's range.

    Args:
        study: the study, whose range of speeds holds.
        models: the models.
        unit: what they are in, if that was stated.
        big_endian: whether raw numbers are big endian, if that was stated.

    Raises:
        FormatError: raw numbers look as if their byte order were the other one.
        ModelError: a speed is not admissible; the message names the first such cell, or the unit that the
            numbers look like.
    """
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
    """Share of the numbers whose size is plausible for a speed or slowness in any unit."""
    with np.errstate(invalid="ignore"):
        sizes = np.abs(values)
        return float(((sizes == 0) | ((sizes > 1e-9) & (sizes < 1e5))).mean())


def misread(source: Foreign, models: Series, axes: Axes | None) -> list[str]:
    """Refuse models whose axes look exchanged or misread, unless the user has stated ``axes``.

    Returns:
        Lines for the user about what is unusual in the models; empty if nothing is.
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
        return [f"{names(models)}: {looks}; --axes {axes} takes them so"]
    if verdict == "doubtful":
        return [f"{names(models)}: {looks} If so, {remedy}"]
    raise ModelError(
        f"{names(models)}: {looks}. If so, {remedy}; if not, --axes {array.axes} takes them as they are"
    )


def refuse_bad_records(study: StudyConfig, source: Foreign, records: Series) -> None:
    """Read all records, and refuse those that cannot be stored in the study's precision.

    Args:
        study: the study, whose precision holds.
        source: the files.
        records: the records.

    Raises:
        RecordsError: some records cannot be stored; the message names the first of them.
    """
    for array in records.arrays:
        for numbers in _pieces(array):
            peaks = np.abs(array.read(numbers)).max(axis=(1, 2, 3))
            for number, peak in zip(numbers, peaks, strict=True):
                where = f"{array.path}: records {number}"
                refuse_unstorable(where, float(peak), source.gain, study.storage.dtype)


def _pieces(array: Array) -> Iterator[range]:
    """Split the sample numbers of an array into pieces of about ``PIECE_BYTES`` each."""
    step = max(1, PIECE_BYTES // (4 * math.prod(array.sample_shape)))
    for first in range(0, array.samples, step):
        yield range(first, min(first + step, array.samples))


def header_notes(models: Series | None) -> tuple[str, ...]:
    """Notes from the header of the first file; empty if it has no header."""
    header = models.arrays[0].header if models else None
    return header.notes if header else ()


def names(series: Series | None) -> str:
    """Name the files of a series: one file by its path, several by the first, the last and their number."""
    if series is None:
        return ""
    first, last = series.arrays[0].path, series.arrays[-1].path.name
    return str(first) if len(series.arrays) == 1 else f"{first} .. {last} ({len(series.arrays)} files)"
