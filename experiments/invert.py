"""``fwi invert`` and ``fwi check``: a trained run on records, and the wave equation on the outcome."""

import functools
import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray

from data_prep.records import Records, read_for, refuse_silence, require_sample
from experiments import refining
from experiments.refining import Place, Task
from experiments.sections import read_section, save, save_interval
from fwi import plots
from fwi.config import StudyConfig
from fwi.files import write_npy
from fwi.provenance import versions
from fwi.run import Run, load_run
from fwi.survey import Survey
from fwi.trust.verdict import Verdict


def invert(
    records: tyro.conf.Positional[Path],
    run: Path,
    out: Path = Path(),
    survey: Path | None = None,
    sample: int | None = None,
    check: bool = True,
    refine: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    budget: str | None = None,
) -> None:
    """Invert records to .npy, SEG-Y and picture, and say how far the wave equation supports each section.

    Where the run's intervals are calibrated, both ends of each section's are written as well, as
    NAME-lower and NAME-upper, and drawn.

    Args:
        records: a shard (.h5), a .npy of gathers (shot, time, receiver) or (sample, shot, time, receiver), or
            shots as SEG-Y or SU, which are brought onto the run's survey as 'fwi import' does, or keep their
            own shots and receivers where the run's network takes any.
        run: the trained network: a run's folder, the name of a network of the zoo, or an inverter file.
        out: folder for the sections.
        survey: YAML with the grid and survey of a .npy; the run's own are assumed if not given.
        sample: invert this sample of the file only.
        check: simulate each section and compare with its records.
        refine: then refine each section by full-waveform inversion, as 'fwi refine' does.
        budget: what a refinement may take, such as '150' gradients or '10 min', in place of the study's own.
    """
    if budget is not None and not refine:
        raise ValueError("--budget is that of a refinement: give --refine as well")
    trained = load_run(run)
    gathers, _, recorded = _read(records, trained, survey)
    if sample is not None:
        require_sample(sample, len(gathers), records)
    numbers = range(len(gathers)) if sample is None else [sample]
    trained.invert(gathers[numbers[:1]], recorded)  # refuses wrong ones; the first call also prepares memory
    for number in numbers:
        refuse_silence(gathers[number], f"{records}, sample {number}")
    refinements = None
    if refine:
        refinements = _refinements(records, gathers, recorded, trained, out, survey, numbers, budget)
    out.mkdir(parents=True, exist_ok=True)
    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    for number in numbers:
        start = time.perf_counter()
        velocity = trained.invert(gathers[number], recorded)
        seconds = time.perf_counter() - start
        stem = out / f"{records.stem}-{number}"
        origin = f"Inverted by salt-fwi: {records.name}, sample {number}, with the network {trained.name}"
        written = save(velocity, stem, trained.study.grid, f"{origin}\nVersions: {used}")
        print(f"{stem}{written}: inverted in {1000 * seconds:.0f} ms")
        if trained.calibration is not None:
            found = trained.interval(gathers[number], recorded)
            nominal = f"{100 * trained.calibration.coverage:g} % interval"
            told = save_interval(velocity, found, stem, trained.study.grid, f"{origin}\n{nominal}")
            print(f"  {nominal}: {told}")
        if check:
            verdict = trained.check(velocity, gathers[number], recorded)
            print(f"  {verdict}\n  {_save_map(verdict, stem)}")
    if refinements is not None:
        tasks, study, place = refinements
        refiner = functools.partial(trained.refine, physics=study.physics)
        with refining.tracked(study, place) as record:
            for task in tasks:
                refining.refine_to_files(task, study, place, refiner, record, trained)
        if trained.has_folder:
            print(f"report:  {trained.folder / 'report.html'}")


def check(
    section: tyro.conf.Positional[Path],
    records: tyro.conf.Positional[Path],
    run: Path,
    survey: Path | None = None,
    sample: int | None = None,
    out: Path | None = None,
) -> None:
    """Check a section against records: simulate it on a finer grid, compare, and judge it.

    A map of where the records contradict the section is written as .npy and picture.

    Args:
        section: a .npy of velocity (depth, x) [m/s] on the run's grid.
        records: a shard (.h5), .npy or SEG-Y of gathers.
        run: the run, or the network as for 'fwi invert', whose grid, mean model and calibration to judge by,
            and whose survey unless it takes any.
        survey: YAML with the grid and survey of a .npy; the run's own are assumed if not given.
        sample: which sample of the records, where they hold several.
        out: folder for the map; that of the section if not given.
    """
    trained = load_run(run)
    velocity = read_section(section, trained.study.grid, "the run")
    gathers, _, recorded = _read(records, trained, survey)
    if sample is None and len(gathers) > 1:
        raise ValueError(f"{records} holds {len(gathers)} samples: say with --sample which the section is of")
    sample = sample or 0
    require_sample(sample, len(gathers), records)
    refuse_silence(gathers[sample], f"{records}, sample {sample}")
    verdict = trained.check(velocity, gathers[sample], recorded)
    print(f"{section} against {records}, sample {sample}\n  {verdict}")
    folder = section.parent if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    print(f"  {_save_map(verdict, folder / section.stem)}")


def _refinements(
    records: Path,
    gathers: NDArray[np.float32],
    recorded: Survey,
    trained: Run,
    out: Path,
    survey: Path | None,
    numbers: Iterable[int],
    budget: str | None,
) -> tuple[list[Task], StudyConfig, Place]:
    """The sections to refine, and where to; refused before any work if that is another's place."""
    study, place = trained.study, Place.of(trained, out)
    if budget is not None:
        study = study.model_copy(update={"refine": study.refine.within(budget)})
    models = refining.true_models(records)
    tasks = []
    for number in numbers:
        name = f"{records.stem}-{number}"
        flags = {"--run": trained.name, "--sample": number, "--out": out}
        flags |= {"--survey": survey} if survey else {}
        flags |= {"--budget": budget} if budget else {}
        words = [out / f"{name}.npy", records, *(word for flag in flags.items() for word in flag)]
        goes_on = shlex.join(["fwi", "refine", *map(str, words), "--resume"])
        start = trained.invert(gathers[number], recorded)
        truth, salt = (None, None) if models is None else (each[number] for each in models)
        origin = f"{records.name}, sample {number}"
        tasks.append(Task(name, start, gathers[number], recorded, origin, goes_on, truth, salt))
    return refining.require_free(tasks, place, study, resume=False), study, place


def _read(path: Path, run: Run, made_for: Path | None) -> Records:
    """Read records for a run, and print which they are and what was done to them."""
    records = read_for(run, path, made_for)
    if records.changes:
        print("\n".join([str(path), *(f"  {change}" for change in records.changes)]))
    return records


def _save_map(verdict: Verdict, stem: Path) -> str:
    """Write the map of where the records contradict a section as .npy and .png; says where."""
    grid, name = verdict.survey.grid, f"{stem.name}-contradiction"
    write_npy(stem.with_name(f"{name}.npy"), verdict.contradiction)
    drawn = plots.contradicted(
        verdict.checked.section,
        verdict.contradiction,
        verdict.contradicted,
        grid.spacing,
        grid.velocity,
        f"{stem.name}: {verdict.remark}",
    )
    plots.save(drawn, stem.with_name(f"{name}.png"))
    return f"where the records contradict it: {stem.with_name(name)}.npy, .png"
