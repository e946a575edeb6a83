"""``fwi import``: the models and records of others to shards, velocity sections and shots of SEG-Y too."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import tyro

from data_prep.foreign import datasets
from data_prep.foreign.rsf import Axes
from data_prep.foreign.velocity import KilometresError, Unit
from data_prep.lines.study import study_from
from data_prep.make.forecast import forecast
from data_prep.make.jobs import Job, part_of, samples, unfinished
from data_prep.make.simulate import make
from data_prep.segy import source
from data_prep.segy.headers import STANDARD, HeaderBytes
from data_prep.segy.left_out import left_out
from data_prep.segy.recognise import Holds, is_segy, recognise
from data_prep.segy.regularise import Spreading
from data_prep.segy.shots import open_shots, report
from data_prep.segy.source import Stated, prepare
from data_prep.segy.suggest import suggest
from data_prep.segy.velocity import SegyVelocity
from experiments.flags import Study
from experiments.progress import progress
from fwi import config
from fwi.config import GridConfig, Split, StudyConfig
from fwi.files import require_regular, write_whole
from fwi.survey import Survey

TAKEN: dict[Holds, tuple[str, Holds]] = {
    "velocity": ("a velocity section", "shots"),
    "shots": ("shots", "velocity"),
}
"""What a file may hold: in words, and the other possibility."""


class RawShape(NamedTuple):
    """The words after --shape: lengths, and files, because the flag takes all words up to the next flag."""

    lengths: tuple[int, ...]
    files: tuple[Path, ...]

    @classmethod
    def parse(cls, words: list[str]) -> "RawShape":
        """Split the words: the numbers come first."""
        count = next((at for at, word in enumerate(words) if not word.isdecimal()), len(words))
        lengths = tuple(map(int, words[:count]))
        if len(lengths) not in (2, 3) or not all(lengths):
            raise ValueError("--shape takes the lengths DEPTH X, or MODELS DEPTH X, each at least 1")
        return cls(lengths, tuple(map(Path, words[count:])))


SHAPE = tyro.constructors.PrimitiveConstructorSpec(
    nargs="*",
    metavar="[MODELS] DEPTH X",
    instance_from_str=RawShape.parse,
    is_instance=lambda value: isinstance(value, RawShape),
    str_from_instance=lambda shape: [str(length) for length in shape.lengths] if shape else ["None"],
)


@dataclass(frozen=True)
class SegyFlags:
    """The flags of ``fwi import`` that are for SEG-Y alone."""

    holds: Holds | None = None
    """SEG-Y: what the file holds; inferred from its geometry, or else its samples, if not given."""
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
    """SEG-Y: write a study whose survey takes the file, with the other flags as given, and do no more.
    With --train.start NETWORK, a study that goes on training this network for the file's geometry, on salt
    models of --salt.preset."""

    @property
    def header_bytes(self) -> HeaderBytes:
        """``bytes``, which are plain values if they come from the command line."""
        return config.validate(HeaderBytes, dict(self.bytes), source="--bytes")

    def given(self, *but: str) -> dict[str, Any]:
        """Return the flags that differ from their defaults, by name, except for some."""
        plain = {**vars(self), "bytes": dict(self.bytes)}
        default = {**vars(NO_FLAGS), "bytes": dict(STANDARD)}
        return {name: value for name, value in plain.items() if value != default[name] and name not in but}


NO_FLAGS = SegyFlags()


def import_models(
    study: Study,
    files: tyro.conf.Positional[tuple[Path, ...]] = (),
    records: Path | None = None,
    spacing: float | None = None,
    key: str | None = None,
    records_key: str | None = None,
    shape: Annotated[RawShape | None, SHAPE] = None,
    axes: Axes | None = None,
    endian: Literal["little", "big"] | None = None,
    unit: Unit | None = None,
    split: Split = "train",
    validation: int = 0,
    kilometres: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    gain: float | None = None,
    workers: int = os.cpu_count() or 1,
    part: str | None = None,
    scheduler: str | None = None,
    dry_run: bool = False,
    segy: Annotated[SegyFlags, tyro.conf.arg(name="")] = NO_FLAGS,
) -> None:
    """Bring velocity models of others to the study's grid, with their records or with simulated ones.

    Formats are recognised by content: OpenFWI's .npy, Yang and Ma's .mat, other .npy, .npz, .mat and HDF5,
    Madagascar's .rsf, raw float32 of a given shape, velocity sections in SEG-Y or SU. Or bring the shots of a
    SEG-Y or SU file onto the study's survey: what the file holds and what will be changed is said before
    anything is done.

    Args:
        study: the study.
        files: files, folders or 'patterns*' of models (model, depth, x), of records, or of both.
        records: the models' records (sample, shot, time, receiver), likewise; models without are simulated.
        spacing: cell size of the models [m]; known for OpenFWI's and Yang and Ma's.
        key: which array of a .npz, .mat or .h5 of models.
        records_key: which array of a .npz, .mat or .h5 of records.
        shape: of raw float32 models: depth x, or model depth x.
        axes: how a model lies in the file: depth-x, row by row, or x-depth, trace by trace with depth the
            fastest axis, as Madagascar, SU, Fortran and MATLAB write raw floats, and Devito its arrays.
        endian: of raw float32: little if not given, and refused where the numbers look big-endian.
        unit: what the models are in; m/s if not given, and refused where the numbers look like another.
        split: the split the samples go to.
        validation: how many of them, drawn at random, go to validation instead.
        kilometres: the speeds are in km/s, as --unit km/s.
        gain: factor of the records; measured if not given, on simulations of some of the models, or for SEG-Y
            on the direct arrival.
        workers: processes, each of one thread.
        part: make part i of n alone, such as 3/8, of the shards of models.
        scheduler: have the workers of this Dask scheduler do it, such as tcp://10.0.0.1:8786.
        dry_run: only check models and records, and say what would be done.
        segy: what SEG-Y alone needs.
    """
    files = (*files, *(shape.files if shape else ()))
    for file in files:
        if file.exists() and not file.is_dir():
            require_regular(file)
    if kilometres and unit not in (None, "km/s"):
        raise ValueError(f"--kilometres and --unit {unit}: leave out one of the two")
    unit = "km/s" if kilometres else unit
    ours = [is_segy(file, raw=shape is not None) for file in files]
    if any(ours):
        if not all(ours):
            raise ValueError(f"{files[ours.index(True)]}: SEG-Y; import it without files of other formats")
        for_arrays = {"records": records, "key": key, "records_key": records_key, "shape": shape}
        for_arrays |= {"axes": axes, "endian": endian}
        if _holds(files, segy) == "velocity":
            _refuse_flags("for a velocity section", {**for_arrays, "gain": gain, **segy.given("holds")})
            if unit not in (None, "m/s", "km/s"):
                raise ValueError(f"--unit {unit}: velocity sections in SEG-Y are in m/s or km/s; convert it")
            sections = _open_sections(files, unit == "km/s", spacing, study.grid)
            wanted = datasets.jobs(study, sections, split=split, validation=validation)
            _make(study, wanted, workers, dry_run, part, scheduler)
            return
        for_models: dict[str, Any] = {"spacing": spacing, "validation": validation or None}
        for_models |= {"kilometres": kilometres or None, "unit": None if kilometres else unit}
        for_shards = {"part": part, "scheduler": scheduler}
        _refuse_flags("for the shots of a SEG-Y file", {**for_arrays, **for_models, **for_shards})
        _import_shots(study, files, segy, gain=gain, split=split, workers=workers, dry_run=dry_run)
        return
    _refuse_flags("for what is not SEG-Y", segy.given())
    found = datasets.find(
        study,
        files,
        records,
        key=key,
        records_key=records_key,
        shape=shape.lengths if shape else None,
        spacing=spacing,
        unit=unit,
        axes=axes,
        big_endian=None if endian is None else endian == "big",
        gain=gain,
    )
    print("\n".join(found.findings))
    wanted = datasets.jobs(study, found.source, split=split, validation=validation)
    if dry_run and found.source.records is not None:
        left = samples(unfinished(study, wanted))
        print(f"{left} samples to store with their records in {study.storage.folder}")
        return
    _make(study, wanted, workers, dry_run, part, scheduler)


def _refuse_flags(why: str, flags: Mapping[str, Any]) -> None:
    """Refuse the flags of these that were given and are not None, instead of ignoring them."""
    given = [f"--{name.replace('_', '-')}" for name, value in flags.items() if value is not None]
    if given:
        raise ValueError(f"{', '.join(given)}: without use {why}; leave out")


def _holds(files: Sequence[Path], flags: SegyFlags) -> Holds:
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


def _open_sections(
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
            return _open_sections(files, True, spacing, grid)
        print("\n".join([f"{file}:", *(f"  {finding}" for finding in findings)]))
    return sections


def _import_shots(
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
    if flags.suggest_config is not None and study.train.start is not None:
        unused = {"line_start": flags.line_start, "every": flags.every, "gain": gain}
        _refuse_flags("for a study that begins with a trained network", unused)
        _suggest_start(study, files[0], flags, flags.suggest_config, study.train.start)
        return
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
    survey = Survey(study.grid, study.survey)
    line = prepare(shots, survey, study.physics, study.storage.dtype, **stated)
    print("\n".join(f"  {change}" for change in line.changes))
    if dry_run:
        print(f"{len(line.placements)} samples to store in {study.storage.folder}")
        return
    _make(study, source.jobs(study, line, split), workers)


def _suggest_start(study: StudyConfig, file: Path, flags: SegyFlags, out: Path, start: Path) -> None:
    """Write a study that begins with a trained network for a file's geometry, and say how to go on."""
    salt = None if study.salt == StudyConfig().salt else study.salt
    suggested = study_from(
        start, file, salt, spreading=flags.spreading, shift=flags.shift, header_bytes=flags.header_bytes
    )
    _write_suggestion(out, suggested.text)
    for sentence in (*suggested.line.changes, *suggested.line.warnings):
        print(f"  {sentence}")
    made, run = ["--config", _path(out)], f"runs/{file.stem}"
    commands = [
        ["fwi", "simulate", *made],
        ["fwi", "train", *made, "--run", run],
        ["fwi", "invert", _path(file), "--run", run],
    ]
    print(f"{out}: a study that begins with {start}; next:")
    print("\n".join(f"  {shlex.join(words)}" for words in commands))


def _make(
    study: StudyConfig,
    jobs: Sequence[Job],
    workers: int,
    dry_run: bool = False,
    part: str | None = None,
    scheduler: str | None = None,
) -> None:
    """Make the shards that are missing and print what there is; a dry run prints what there would be."""
    if dry_run:
        print(forecast(study, jobs, workers, part=part, scheduler=scheduler))
        return
    left = unfinished(study, jobs if part is None else part_of(jobs, part))
    with progress("simulate", samples(left), "samples") as on_progress:
        data = make(study, jobs, workers, on_progress, part=part, scheduler=scheduler)
    print(f"{study.storage.folder}: {data.sizes}")


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
    """Ask a question on the terminal; without a terminal the answer is no."""
    if not sys.stdin.isatty():
        return False
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
