"""``fwi invert`` and ``fwi check``: a trained run on records, and the wave equation on the outcome."""

import time
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from data_prep.segy.headers import SegyError
from data_prep.segy.shots import open_shots
from data_prep.segy.source import prepare
from data_prep.segy.write import write_section
from experiments.import_segy import SEGY, is_segy
from fwi import config, plots, shards
from fwi.check import Verdict
from fwi.config import StudyConfig
from fwi.files import read_npy, write_npy
from fwi.provenance import versions
from fwi.run import Run, load_run
from fwi.survey import Survey


def invert(
    records: tyro.conf.Positional[Path],
    run: Path,
    out: Path = Path(),
    survey: Path | None = None,
    sample: int | None = None,
    check: bool = True,
) -> None:
    """Invert records to .npy, SEG-Y and picture, and say how far the wave equation supports each section.

    Args:
        records: a shard (.h5), a .npy of gathers (shot, time, receiver) or (sample, shot, time, receiver), or
            shots as SEG-Y or SU, which are brought onto the run's survey as 'fwi import' does.
        run: the trained run.
        out: folder for the sections.
        survey: YAML with the grid and survey of a .npy; the run's own are assumed if not given.
        sample: invert this sample of the file only.
        check: simulate each section and compare with its records.
    """
    trained = load_run(run)
    gathers = read_gathers(records, trained, survey)
    if sample is not None:
        require_sample(sample, len(gathers), records)
    numbers = range(len(gathers)) if sample is None else [sample]
    trained.invert(gathers[numbers[:1]])  # refuses another survey's; the first call also prepares memory
    for number in numbers:
        _refuse_silence(gathers[number], f"{records}, sample {number}", check)
    out.mkdir(parents=True, exist_ok=True)
    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    for number in numbers:
        start = time.perf_counter()
        velocity = trained.invert(gathers[number])
        seconds = time.perf_counter() - start
        stem = out / f"{records.stem}-{number}"
        origin = f"Inverted by salt-fwi: {records.name}, sample {number}, with the run {trained.folder.name}"
        written = _save(velocity, stem, trained, f"{origin}\nVersions: {used}")
        print(f"{stem}{written}: inverted in {1000 * seconds:.0f} ms")
        if check:
            print(f"  {describe(trained.check(velocity, gathers[number]))}")


def check(
    section: tyro.conf.Positional[Path],
    records: tyro.conf.Positional[Path],
    run: Path,
    sample: int | None = None,
) -> None:
    """Check a section against records: simulate it on a finer grid and compare.

    Args:
        section: a .npy of velocity (depth, x) [m/s] on the run's grid.
        records: a shard (.h5), .npy or SEG-Y of gathers.
        run: the run whose survey, mean model and limits to judge by.
        sample: which sample of the records, where they hold several.
    """
    trained = load_run(run)
    grid = trained.study.grid
    velocity = read_npy(section, (grid.nz, grid.nx))
    gathers = read_gathers(records, trained, None)
    if sample is None and len(gathers) > 1:
        raise ValueError(f"{records} holds {len(gathers)} samples: say with --sample which the section is of")
    sample = sample or 0
    require_sample(sample, len(gathers), records)
    if velocity.shape != (grid.nz, grid.nx):
        raise ValueError(f"{section}: shape {velocity.shape}, the run's grid is {(grid.nz, grid.nx)}")
    slowest, fastest = grid.velocity
    if not ((velocity >= slowest) & (velocity <= fastest)).all():
        raise ValueError(
            f"{section}: speeds of {velocity.min():g} .. {velocity.max():g}, which go outside grid.velocity "
            f"{slowest:g} .. {fastest:g} m/s: give the section in m/s and within that range"
        )
    verdict = describe(trained.check(velocity.astype(np.float32), gathers[sample]))
    print(f"{section} against {records}, sample {sample}\n  {verdict}")


def read_gathers(path: Path, run: Run, survey: Path | None) -> NDArray[np.float32]:
    """Read the gathers of a shard, .npy or SEG-Y, ``(sample, shot, time, receiver)``, on the run's survey.

    Raises:
        ValueError: the file cannot be read, or its survey is not the run's.
    """
    gathers = _read(path, run, survey)
    if not len(gathers):
        raise ValueError(f"{path} holds no samples")
    return gathers


def _read(path: Path, run: Run, survey: Path | None) -> NDArray[np.float32]:
    if path.suffix == ".h5":
        _refuse_another_survey(path, shards.read_survey(path), run)
        return shards.read(path).gathers.astype(np.float32)
    if is_segy(path):
        line = prepare(open_shots(path), run.study)
        print("\n".join([str(path), *(f"  {change}" for change in line.changes)]))
        return line.gathers([0])
    if path.suffix != ".npy":
        raise ValueError(
            f"{path}: records are read from a shard (.h5), a .npy or SEG-Y ({', '.join(SEGY)}), "
            f"not from '{path.suffix}'"
        )
    if survey is not None:
        study: StudyConfig = config.load([survey])
        _refuse_another_survey(survey, Survey(study.grid, study.survey), run)
    gathers = read_npy(path, run.survey.gather_shape)
    if gathers.ndim == 3:
        gathers = gathers[None]
    if gathers.dtype.kind != "f" or gathers.ndim != 4:
        raise ValueError(
            f"{path}: {gathers.dtype} of shape {gathers.shape}; expected floating-point gathers "
            "(shot, time, receiver) or (sample, shot, time, receiver)"
        )
    return gathers.astype(np.float32, copy=False)


def _refuse_silence(gathers: NDArray[np.float32], where: str, check: bool) -> None:
    """Refuse a record that is zero throughout and, where it is to be checked, one with such a shot."""
    silent = np.flatnonzero(~gathers.any(axis=(1, 2)))
    if len(silent) == len(gathers):
        raise ValueError(f"{where}: the record is zero throughout")
    if check and len(silent):
        raise ValueError(
            f"{where}: shot {silent[0]} is zero throughout, which the physics check cannot compare; "
            "mend the record, or invert it with --no-check"
        )


def require_sample(sample: int, count: int, path: Path) -> None:
    """Refuse the number of a sample that a file does not hold."""
    if not 0 <= sample < count:
        raise ValueError(f"--sample {sample}: {path} holds samples 0 to {count - 1}")


def describe(verdict: Verdict) -> str:
    """The verdict with its reasons in a line."""
    return f"{verdict.word}: {'; '.join(verdict.reasons)}"


def remark(verdict: Verdict) -> str:
    """The verdict in two words, for the title of a figure."""
    return f"{verdict.word}, NRMS {np.median(verdict.misfit.nrms):.2f}"


def _save(velocity: NDArray[np.float32], stem: Path, run: Run, provenance: str) -> str:
    """Write a section as .npy, .png and, where its cells fit, SEG-Y; says which."""
    grid = run.study.grid
    write_npy(stem.with_name(f"{stem.name}.npy"), velocity)
    drawn = plots.velocity_model(velocity, grid.spacing, grid.velocity, stem.name)
    plots.save(drawn, stem.with_name(f"{stem.name}.png"))
    try:
        write_section(stem.with_name(f"{stem.name}.segy"), velocity, grid.spacing, provenance)
    except SegyError as error:
        return f".npy, .png (no SEG-Y: {error})"
    return ".npy, .png, .segy"


def _refuse_another_survey(path: Path, survey: Survey, run: Run) -> None:
    what = f"{path} was made for another survey than that of the run {run.folder}"
    shards.refuse_differences(what, survey.differences(run.survey))
