"""``fwi invert`` and ``fwi check``: a trained run on records, and the wave equation on the outcome."""

import contextlib
import time
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from data_prep.records import Records, read_for, refuse_silence, require_sample
from data_prep.segy.headers import SegyError
from data_prep.segy.write import write_section
from fwi import plots
from fwi.files import read_npy, write_npy
from fwi.intervals import Interval
from fwi.provenance import versions
from fwi.run import Run, load_run


def invert(
    records: tyro.conf.Positional[Path],
    run: Path,
    out: Path = Path(),
    survey: Path | None = None,
    sample: int | None = None,
    check: bool = True,
) -> None:
    """Invert records to .npy, SEG-Y and picture, and say how far the wave equation supports each section.

    Where the run's intervals are calibrated, both ends of each section's are written as well, as
    NAME-lower and NAME-upper, and drawn.

    Args:
        records: a shard (.h5), a .npy of gathers (shot, time, receiver) or (sample, shot, time, receiver), or
            shots as SEG-Y or SU, which are brought onto the run's survey as 'fwi import' does, or keep their
            own shots and receivers where the run's network takes any.
        run: the trained run.
        out: folder for the sections.
        survey: YAML with the grid and survey of a .npy; the run's own are assumed if not given.
        sample: invert this sample of the file only.
        check: simulate each section and compare with its records.
    """
    trained = load_run(run)
    gathers, _, recorded = _read(records, trained, survey)
    if sample is not None:
        require_sample(sample, len(gathers), records)
    numbers = range(len(gathers)) if sample is None else [sample]
    trained.invert(gathers[numbers[:1]], recorded)  # refuses wrong ones; the first call also prepares memory
    for number in numbers:
        refuse_silence(gathers[number], f"{records}, sample {number}")
    out.mkdir(parents=True, exist_ok=True)
    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    for number in numbers:
        start = time.perf_counter()
        velocity = trained.invert(gathers[number], recorded)
        seconds = time.perf_counter() - start
        stem = out / f"{records.stem}-{number}"
        origin = f"Inverted by salt-fwi: {records.name}, sample {number}, with the run {trained.folder.name}"
        written = _save(velocity, stem, trained, f"{origin}\nVersions: {used}")
        print(f"{stem}{written}: inverted in {1000 * seconds:.0f} ms")
        if (found := trained.interval(gathers[number], recorded)) and trained.calibration:
            nominal = f"{100 * trained.calibration.coverage:g} %"
            _save_interval(velocity, found, stem, trained, f"{origin}\n{nominal} interval: LOW or HIGH end")
            print(f"  {nominal} interval: {_described(found)}; {stem}-lower, -upper")
        if check:
            print(f"  {trained.check(velocity, gathers[number], recorded)}")


def check(
    section: tyro.conf.Positional[Path],
    records: tyro.conf.Positional[Path],
    run: Path,
    survey: Path | None = None,
    sample: int | None = None,
) -> None:
    """Check a section against records: simulate it on a finer grid and compare.

    Args:
        section: a .npy of velocity (depth, x) [m/s] on the run's grid.
        records: a shard (.h5), .npy or SEG-Y of gathers.
        run: the run whose grid, mean model and limits to judge by, and whose survey unless its network takes
            any.
        survey: YAML with the grid and survey of a .npy; the run's own are assumed if not given.
        sample: which sample of the records, where they hold several.
    """
    trained = load_run(run)
    grid = trained.study.grid
    velocity = read_npy(section, (grid.nz, grid.nx))
    gathers, _, recorded = _read(records, trained, survey)
    if sample is None and len(gathers) > 1:
        raise ValueError(f"{records} holds {len(gathers)} samples: say with --sample which the section is of")
    sample = sample or 0
    require_sample(sample, len(gathers), records)
    refuse_silence(gathers[sample], f"{records}, sample {sample}")
    if velocity.shape != (grid.nz, grid.nx):
        raise ValueError(f"{section}: shape {velocity.shape}, the run's grid is {(grid.nz, grid.nx)}")
    slowest, fastest = grid.velocity
    if not ((velocity >= slowest) & (velocity <= fastest)).all():
        raise ValueError(
            f"{section}: speeds of {velocity.min():g} .. {velocity.max():g}, which go outside grid.velocity "
            f"{slowest:g} .. {fastest:g} m/s: give the section in m/s and within that range"
        )
    verdict = trained.check(velocity.astype(np.float32), gathers[sample], recorded)
    print(f"{section} against {records}, sample {sample}\n  {verdict}")


def _read(path: Path, run: Run, made_for: Path | None) -> Records:
    """Read records for a run, and print which they are and what was done to them."""
    records = read_for(run, path, made_for)
    if records.changes:
        print("\n".join([str(path), *(f"  {change}" for change in records.changes)]))
    return records


def _described(found: Interval) -> str:
    """Describe an interval in words: its width, and the depth of the highest salt."""
    half = (found.upper - found.lower).mean() / 2
    if np.isnan(found.top).all():
        return f"+-{half:.0f} m/s on average, no salt"
    column = np.nanargmin(found.top.mean(axis=0))
    shallow, deep = found.top[:, column]
    return f"+-{half:.0f} m/s on average, crest of the salt {shallow:.0f} to {deep:.0f} m deep"


def _save_interval(
    velocity: NDArray[np.float32], found: Interval, stem: Path, run: Run, provenance: str
) -> None:
    """Write both ends of an interval as .npy and, where their cells fit, SEG-Y; draw it with the section."""
    grid = run.study.grid
    drawn = plots.velocity_interval(velocity, found, grid.spacing, grid.velocity, stem.name)
    plots.save(drawn, stem.with_name(f"{stem.name}.png"))
    for name, end in (("lower", found.lower), ("upper", found.upper)):
        path = stem.with_name(f"{stem.name}-{name}.npy")
        write_npy(path, end)
        with contextlib.suppress(
            SegyError
        ):  # the section's is refused for the same reason, which is told there
            write_section(
                path.with_suffix(".segy"), end, grid.spacing, provenance.replace("LOW or HIGH", name)
            )


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
