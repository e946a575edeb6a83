"""``fwi invert`` and ``fwi check``: a trained run on records, and the wave equation on the outcome."""

import time
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from fwi import config, plots, shards
from fwi.check import Verdict
from fwi.config import StudyConfig
from fwi.files import read_npy, write_npy
from fwi.invert import Run, load_run
from fwi.survey import Survey


def invert(
    records: tyro.conf.Positional[Path],
    run: Path,
    out: Path = Path(),
    survey: Path | None = None,
    sample: int | None = None,
    check: bool = True,
) -> None:
    """Invert records; write each section as .npy and .png, and say how far the wave equation supports it.

    Args:
        records: a shard (.h5), or a .npy of gathers (shot, time, receiver) or (sample, shot, time, receiver).
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
    out.mkdir(parents=True, exist_ok=True)
    trained.invert(gathers[:1])  # the first call also prepares memory
    for number in numbers:
        start = time.perf_counter()
        velocity = trained.invert(gathers[number])
        seconds = time.perf_counter() - start
        stem = f"{records.stem}-{number}"
        write_npy(out / f"{stem}.npy", velocity)
        drawn = plots.velocity_model(velocity, trained.study.grid.spacing, trained.study.grid.velocity, stem)
        plots.save(drawn, out / f"{stem}.png")
        print(f"{out / stem}.npy, .png: inverted in {1000 * seconds:.0f} ms")
        if check:
            print(f"  {describe(trained.check(velocity, gathers[number]))}")


def check(
    section: tyro.conf.Positional[Path], records: tyro.conf.Positional[Path], run: Path, sample: int = 0
) -> None:
    """Check a section against records: simulate it on a finer grid and compare.

    Args:
        section: a .npy of velocity (depth, x) [m/s] on the run's grid.
        records: a shard (.h5) or .npy of gathers.
        run: the run whose survey, mean model and limits to judge by.
        sample: which sample of the records.
    """
    trained = load_run(run)
    velocity = read_npy(section)
    gathers = read_gathers(records, trained, None)
    require_sample(sample, len(gathers), records)
    grid = trained.study.grid
    if velocity.shape != (grid.nz, grid.nx):
        raise ValueError(f"{section}: shape {velocity.shape}, the run's grid is {(grid.nz, grid.nx)}")
    print(describe(trained.check(velocity.astype(np.float32), gathers[sample])))


def read_gathers(path: Path, run: Run, survey: Path | None) -> NDArray[np.float32]:
    """Read the gathers of a shard or .npy, ``(sample, shot, time, receiver)``, after comparing their survey.

    Raises:
        ValueError: the file cannot be read, or its survey is not the run's.
    """
    if path.suffix == ".h5":
        _require_same(path, shards.read_survey(path), run)
        return shards.read(path).gathers.astype(np.float32)
    if path.suffix != ".npy":
        raise ValueError(f"{path}: records are read from a shard (.h5) or a .npy, not from '{path.suffix}'")
    if survey is not None:
        study: StudyConfig = config.load([survey])
        _require_same(survey, Survey(study.grid, study.survey), run)
    gathers = read_npy(path)
    if gathers.ndim == 3:
        gathers = gathers[None]
    if gathers.dtype.kind != "f" or gathers.ndim != 4:
        raise ValueError(
            f"{path}: {gathers.dtype} of shape {gathers.shape}; expected floating-point gathers "
            "(shot, time, receiver) or (sample, shot, time, receiver)"
        )
    return gathers.astype(np.float32)


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


def _require_same(path: Path, survey: Survey, run: Run) -> None:
    differences = survey.differences(run.survey)
    if differences:
        lines = "\n".join(f"  - {line}" for line in differences)
        raise ValueError(f"{path} is of another survey than the run {run.folder}:\n{lines}")
