"""``fwi import`` of SEG-Y: velocity sections as models, or recorded shots onto a study's survey."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.foreign.containers import SUFFIXES
from data_prep.foreign.velocity import KilometresError
from data_prep.segy.headers import STANDARD, HeaderBytes, SegyError
from data_prep.segy.layout import detect
from data_prep.segy.left_out import left_out
from data_prep.segy.recognise import Holds, recognise
from data_prep.segy.regularise import Spreading
from data_prep.segy.shots import open_shots, report
from data_prep.segy.source import Stated, jobs, prepare
from data_prep.segy.strangers import StrangerError
from data_prep.segy.suggest import suggest
from data_prep.segy.velocity import SegyVelocity
from experiments.simulate import make_set
from fwi import config
from fwi.config import GridConfig, Split, StudyConfig
from fwi.files import write_whole

SEGY = (".segy", ".sgy", ".su")
"""Suffixes by which a file is SEG-Y or SU, whatever its content."""

TAKEN: dict[Holds, tuple[str, Holds]] = {
    "velocity": ("a velocity section", "shots"),
    "shots": ("shots", "velocity"),
}
"""What a file may hold: in words, and the other possibility."""


@dataclass(frozen=True)
class SegyFlags:
    """The flags of ``fwi import`` that are for SEG-Y alone."""

    holds: Holds | None = None
    """SEG-Y: what the file holds; told by its geometry, or else its samples, if not given."""
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
    """SEG-Y: write a study whose survey takes the file, with the other flags as given, and do no more."""

    @property
    def header_bytes(self) -> HeaderBytes:
        """``bytes``, which are plain values if they come from the command line."""
        return config.validate(HeaderBytes, dict(self.bytes), source="--bytes")

    def given(self, *but: str) -> dict[str, Any]:
        """The flags that are not as by default, by their names, but for some."""
        plain = {**vars(self), "bytes": dict(self.bytes)}
        default = {**vars(NO_FLAGS), "bytes": dict(STANDARD)}
        return {name: value for name, value in plain.items() if value != default[name] and name not in but}


NO_FLAGS = SegyFlags()


def is_segy(file: Path, raw: bool = False) -> bool:
    """Whether a file is SEG-Y or SU, by its suffix, or else by its content unless that is raw.

    Raises:
        StrangerError: the file holds records in a seismic format that is not read.
    """
    suffix = file.suffix.lower()
    if suffix in SEGY or raw or suffix in SUFFIXES:
        return suffix in SEGY
    try:
        detect(file)
    except StrangerError:
        raise
    except SegyError:
        return False
    return True


def refuse_flags(why: str, flags: Mapping[str, Any]) -> None:
    """Refuse the flags of these that were given and are not None, instead of ignoring them."""
    given = [f"--{name.replace('_', '-')}" for name, value in flags.items() if value is not None]
    if given:
        raise ValueError(f"{', '.join(given)}: without use {why}; leave out")


def holds(files: Sequence[Path], flags: SegyFlags) -> Holds:
    """Say what files hold, which must be the same in all."""
    found = []
    for file in files:
        if flags.holds is None:
            held, reason = recognise(file, flags.header_bytes)
            what, other = TAKEN[held]
            print(f"{file}: taken for {what}, since {reason}; --holds {other} takes it otherwise")
        else:
            held = flags.holds
            print(f"{file}: taken for {TAKEN[held][0]}, as stated")
        found.append(held)
    if len({*found}) > 1:
        raise ValueError("velocity sections and shots are imported by commands of their own")
    return found[0]


def open_sections(
    files: Sequence[Path], kilometres: bool, spacing: float | None, grid: GridConfig
) -> SegyVelocity:
    """Check velocity sections and say what is odd about them; on a terminal, ask whether km/s are meant."""
    sections = SegyVelocity(tuple(files), kilometres, spacing, grid)
    for number, file in enumerate(files):
        try:
            findings = sections.section(number).findings
        except KilometresError:
            if not _agreed(f"{file}: the speeds look like km/s: are they? [y/N] "):
                raise
            return open_sections(files, True, spacing, grid)
        print("\n".join([f"{file}:", *(f"  {finding}" for finding in findings)]))
    return sections


def import_shots(
    study: StudyConfig,
    files: Sequence[Path],
    flags: SegyFlags,
    *,
    gain: float | None,
    split: Split,
    workers: int,
    dry_run: bool,
) -> None:
    """Say what a file holds, then what will be changed, and then do it."""
    if len(files) > 1:
        raise ValueError(f"{files[1]}: the shots of SEG-Y files are imported one file at a time")
    shots = open_shots(files[0], flags.header_bytes)
    print(report(shots))
    stated: Stated = {
        "start": flags.line_start,
        "every": flags.every,
        "spreading": flags.spreading,
        "gain": gain,
        "shift": flags.shift,
    }
    if flags.suggest_config is not None:
        text, line = suggest(shots, study.grid.velocity, **stated)
        _write_suggestion(flags.suggest_config, text)
        for reason in left_out(shots, line.survey, line.placements):
            print(f"  {reason}")
        print(f"{flags.suggest_config}: a study whose survey fits; next: {_next(files[0], flags, gain)}")
        return
    line = prepare(shots, study, **stated)
    print("\n".join(f"  {change}" for change in line.changes))
    if dry_run:
        print(f"{len(line.placements)} samples to store in {study.storage.folder}")
        return
    make_set(study, jobs(study, line, split), workers, dry_run)


def _write_suggestion(path: Path, text: str) -> None:
    """Write a suggested study, but never over another file: records, or a study that was edited since.

    Raises:
        ValueError: the file is there and holds something else.
    """
    if path.is_file() and path.read_bytes() != text.encode():
        raise ValueError(f"{path} is there already and holds something else: name another file, or remove it")
    write_whole(path, text)


def _next(file: Path, flags: SegyFlags, gain: float | None) -> str:
    """The command that imports a file onto the survey suggested for it, with the flags that were given."""
    words = ["fwi", "import", "--config", _path(flags.suggest_config)]
    for name, value in {"gain": gain, **flags.given("suggest_config", "bytes")}.items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    for name, byte in flags.header_bytes:
        if byte != getattr(STANDARD, name):
            words += [f"--bytes.{name.replace('_', '-')}", str(byte)]
    return shlex.join([*words, "--dry-run", _path(file)])


def _path(path: Path | None) -> str:
    """A path as a word of a command, which is no flag."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _agreed(question: str) -> bool:
    """Ask; where nobody is there to answer, that is no."""
    if not sys.stdin.isatty():
        return False
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
