"""``fwi import`` of SEG-Y: recorded shots onto a study's survey, to shards of records without models."""

from dataclasses import dataclass
from pathlib import Path

from data_prep.segy.headers import STANDARD, HeaderBytes
from data_prep.segy.regularise import Spreading
from data_prep.segy.shots import open_shots, report
from data_prep.segy.source import jobs, prepare
from data_prep.segy.suggest import suggest
from experiments.simulate import make_set
from fwi import config
from fwi.config import Split, StudyConfig
from fwi.files import write_whole

SEGY = (".segy", ".sgy", ".su")
"""Suffixes of files of shot gathers."""


@dataclass(frozen=True)
class SegyFlags:
    """The flags of ``fwi import`` that are for SEG-Y alone."""

    bytes: HeaderBytes = STANDARD
    """SEG-Y: where in the trace headers each value is."""
    line_start: float | None = None
    """SEG-Y: where on the recorded line the survey's x = 0 lies [m]; the best fit if not given."""
    every: float | None = None
    """SEG-Y: distance between samples along the recorded line [m]; one sample if not given."""
    spreading: Spreading = "line"
    """SEG-Y: line for records of 2-D simulation, point for those of the field: what the source is."""
    shift: float | None = None
    """SEG-Y: seconds to add to the records' times; measured on the direct arrival if not given."""
    suggest_config: Path | None = None
    """SEG-Y: write a study whose survey fits the file to this YAML, and do no more."""


NO_FLAGS = SegyFlags()


def import_segy(
    study: StudyConfig,
    file: Path,
    flags: SegyFlags,
    *,
    gain: float | None,
    split: Split,
    workers: int,
    dry_run: bool,
) -> None:
    """Say what a file holds, then what will be changed, and then do it."""
    # From the command line a section comes as plain values.
    shots = open_shots(file, config.validate(HeaderBytes, dict(flags.bytes), source="--bytes"))
    print(report(shots))
    if flags.suggest_config is not None:
        write_whole(flags.suggest_config, suggest(shots))
        print(
            f"{flags.suggest_config}: a study whose survey fits; next: "
            f"fwi import --config {flags.suggest_config} --dry-run {file}"
        )
        return
    line = prepare(
        shots,
        study,
        start=flags.line_start,
        every=flags.every,
        spreading=flags.spreading,
        gain=gain,
        shift=flags.shift,
    )
    print("\n".join(f"  {change}" for change in line.changes))
    if dry_run:
        print(f"{len(line.placements)} samples to store in {study.storage.folder}")
        return
    make_set(study, jobs(study, line, split), workers, dry_run)
