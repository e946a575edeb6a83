"""Import of SEG-Y shots onto a survey: what is done to them, in sentences, and the jobs that make shards."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from data_prep.foreign.calibration import refuse_unstorable
from data_prep.make.jobs import Job
from data_prep.segy import changes
from data_prep.segy.direct_arrival import measure_direct_arrival
from data_prep.segy.left_out import left_out
from data_prep.segy.placing import GeometryError, Placement, place, slide
from data_prep.segy.regularise import Spreading, bring
from data_prep.segy.shots import SegyShots
from fwi.config import PhysicsConfig, Split, StudyConfig
from fwi.files import sha256
from fwi.origin import ChangedFiles, FieldRecords
from fwi.survey import Survey

ON_TIME = 0.25
"""Periods of the peak frequency within which the direct arrival is on time and is not shifted."""


class Stated(TypedDict, total=False):
    """What a user may state of how records are brought onto a survey, as ``prepare`` takes it."""

    start: float | None
    """Position on the recorded line of the survey's x = 0 [m]."""
    every: float | None
    """Distance between samples along the line [m]."""
    spreading: Spreading
    """Whether the records are those of a line source or of a point source."""
    gain: float | None
    """Factor of the amplitudes."""
    shift: float | None
    """Added to the records' times [s]."""


@dataclass(frozen=True, eq=False)
class SegyLine:
    """Records of a file on a study's survey, a sample for each place of the survey on the line.

    Args:
        file: the recorded shots, read as needed.
        survey: the survey.
        placements: where the survey lies, a place per sample.
        spreading: whether the recorded amplitudes are those of a line source or of a point source.
        gain: factor of the amplitudes.
        shift: added to the records' times [s].
        dtype: what the records will be stored as.
        changes: what was and will be done to the records, each in a sentence.
    """

    file: SegyShots
    survey: Survey
    placements: tuple[Placement, ...]
    spreading: Spreading
    gain: float
    shift: float
    dtype: str
    changes: tuple[str, ...]

    def velocity(self, numbers: Sequence[int]) -> None:
        """Return None: nobody knows the model of field records."""

    def gathers(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Records by the number of their place, shape ``(sample, shot, time, receiver)``.

        Raises:
            RecordsError: they cannot be stored.
        """
        brought = [
            bring(self.file, self.placements[number], self.survey, spreading=self.spreading, shift=self.shift)
            for number in numbers
        ]
        for number, records in zip(numbers, brought, strict=True):
            _refuse_unstorable(self.file, number, records, self.gain, self.dtype)
        return np.float32(self.gain) * np.stack(brought)


def prepare(
    file: SegyShots,
    survey: Survey,
    physics: PhysicsConfig,
    dtype: str,
    *,
    start: float | None = None,
    every: float | None = None,
    spreading: Spreading = "line",
    gain: float | None = None,
    shift: float | None = None,
    placement: Placement | None = None,
) -> SegyLine:
    """Place a survey on a file's line, and measure gain and time shift of its records.

    Args:
        file: the recorded shots.
        survey: the survey wanted.
        physics: how the direct arrival is simulated, with which gain and shift are measured.
        dtype: what the records are to be stored as, ``float16`` or ``float32``.
        start: position on the file's line of the survey's x = 0 [m]; the best fit if not given.
        every: distance between samples along the line [m]; one sample if not given.
        spreading: ``line`` for records of 2-D simulation, ``point`` for those of the field.
        gain: factor of the amplitudes; measured on the direct arrival if not given.
        shift: to be added to the records' times [s]; measured likewise.
        placement: where the survey lies on the line, if that is known; it is found if not given.

    Raises:
        GeometryError: the survey does not fit the records; the message gives the numbers.
        RecordsError: the records cannot be stored.
    """
    refuse_no_numbers(every=every, gain=gain, shift=shift)
    survey.check(physics.order)
    first = placement or place(file, survey, start)
    places = [first] if every is None else slide(file, survey, first, every)
    records, measured = None, None
    if gain is None or shift is None:
        records = bring(file, first, survey, spreading=spreading)
        measured = measure_direct_arrival(records, survey, physics)
    if shift is None and measured is not None:
        on_time = abs(measured.shift) <= ON_TIME / survey.config.wavelet.frequency
        shift = 0.0 if on_time else round(measured.shift, 4)
    chosen_shift = shift or 0.0
    if gain is None and measured is not None:
        gain = float(f"{measured.gain:.6g}")
    chosen_gain = 1.0 if gain is None else gain
    if records is not None:
        _refuse_unstorable(file, 0, records, chosen_gain, dtype)
    done = [
        *changes.placed(survey, places),
        *left_out(file, survey, places),
        *changes.filtered(file, survey, spreading),
        *changes.in_time(file, survey, chosen_shift, measured),
        *changes.scaled(chosen_gain, measured, first.shots),
    ]
    used = {shot.number for placement in places for shot in placement.shots}
    file = replace(file, shots=tuple(shot for shot in file.shots if shot.number in used))
    return SegyLine(file, survey, tuple(places), spreading, chosen_gain, chosen_shift, dtype, tuple(done))


def jobs(study: StudyConfig, line: SegyLine, split: Split) -> list[Job]:
    """List the shards that are to hold a file's records, as jobs.

    Args:
        study: the study.
        line: the records on the study's survey.
        split: the split that they go to.
    """
    path = line.file.path
    source = ChangedFiles(file=path.name, key=None, sha256=sha256(path), changes=list(line.changes))
    origin = FieldRecords(source=source)
    step = study.storage.samples_per_shard
    stem = re.sub(r"[^\w-]", "_", path.stem)
    numbers = range(len(line.placements))
    return [
        Job(
            f"{split}-{stem}-{first // step:05d}.h5",
            split,
            list(numbers[first : first + step]),
            origin,
            line,
        )
        for first in range(0, len(numbers), step)
    ]


# -- what cannot be


def refuse_no_numbers(**flags: float | None) -> None:
    """Refuse a stated value that is no number or, of ``--every``, not positive, by the name of its flag."""
    for flag, value in flags.items():
        if value is not None and not math.isfinite(value):
            raise GeometryError(f"--{flag} {value}: expected a number")
    if (every := flags.get("every")) is not None and every <= 0:
        raise GeometryError(f"--every {every:g}: expected metres between samples, more than 0")


def _refuse_unstorable(
    file: SegyShots, number: int, records: NDArray[np.float32], gain: float, dtype: str
) -> None:
    where = f"{file.path}: on the survey the records of sample {number}"
    refuse_unstorable(where, float(np.abs(records).max()), gain, dtype)
