"""``fwi invert`` and ``fwi check``: a trained network on records, and the wave equation on the outcome."""

import functools
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import tyro

from data_prep.segy.regularise import Spreading
from experiments import refining
from experiments.lines import Field, Opened, line_page, open_records
from experiments.refining import Place, Task
from experiments.sections import read_section, save, save_interval, save_map, save_survey
from fwi.config import StudyConfig
from fwi.files import write_whole
from fwi.lines import Line
from fwi.provenance import versions


def invert(
    records: tyro.conf.Positional[Path],
    run: Path | None = None,
    out: Path = Path(),
    survey: Path | None = None,
    sample: int | None = None,
    frequency: float | None = None,
    spreading: Spreading = "line",
    shift: float | None = None,
    check: bool = True,
    refine: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    budget: str | None = None,
) -> None:
    """Invert records to .npy, SEG-Y and picture, and say how far the wave equation supports each section.

    Without --run, a network of the zoo is taken that suits the records ('fwi zoo'). Records of a line of
    another length, cell size or frequency than the network's are brought to its scale and inverted in
    windows. A page of each section (.html) says how, and what to believe. Where the network's intervals are
    calibrated, both ends of each section's are written as well, as NAME-lower and NAME-upper, and drawn.

    Args:
        records: shots as SEG-Y or SU, a shard (.h5), or a .npy of gathers (shot, time, receiver) or
            (sample, shot, time, receiver).
        run: the trained network: the folder of a run, the name of a network of the zoo, or a file.
        out: folder for the sections.
        survey: YAML with the grid and survey of a .npy; the network's own are assumed if not given.
        sample: invert this sample of the file only.
        frequency: peak frequency [Hz], lower than the records', to which they are low-passed: the section
            gets deeper and coarser.
        spreading: of SEG-Y: 'line' for records of 2-D simulation, 'point' for those of the field.
        shift: of SEG-Y: seconds to add to the records' times; told by the direct arrival if not given.
        check: simulate each section and compare with its records.
        refine: then refine each section by full-waveform inversion, as 'fwi refine' does.
        budget: what a refinement may take, such as '150' gradients or '10 min', in place of the study's own.
    """
    if budget is not None and not refine:
        raise ValueError("--budget is that of a refinement: give --refine as well")
    field = Field(frequency, spreading, shift)
    opened = open_records(records, run, survey, field)
    numbers = opened.samples(sample)
    lines = {number: opened.line(number) for number in numbers}
    first = lines[numbers[0]]
    window = first.windows[0]
    opened.trained.inverter.spread(window.of(first.gathers), window.survey)  # prepares memory
    seconds = {number: _seconds_to_invert(line) for number, line in lines.items()}
    flags = {"--survey": survey, "--budget": budget, **field.flags}
    refinement = _refinement(opened, lines, out, flags) if refine else None
    out.mkdir(parents=True, exist_ok=True)
    for number, line in lines.items():
        _invert_to_files(opened, line, number, seconds[number], out, check)
    if refinement is not None:
        tasks, study, place = refinement
        with refining.tracked(study, place) as record:
            for task, line in zip(tasks, lines.values(), strict=True):
                refiner = functools.partial(refining.of_line, line, physics=study.physics)
                refining.refine_to_files(task, study, place, refiner, record, line)
        if place.run is not None:
            print(f"report:  {place.run / 'report.html'}")


def check(
    section: tyro.conf.Positional[Path],
    records: tyro.conf.Positional[Path],
    run: Path,
    survey: Path | None = None,
    sample: int | None = None,
    frequency: float | None = None,
    spreading: Spreading = "line",
    shift: float | None = None,
    out: Path | None = None,
) -> None:
    """Check a section against records: simulate it on a finer grid, compare, and judge it.

    A map of where the records contradict the section is written as .npy and picture.

    Args:
        section: a .npy of velocity (depth, x) [m/s] on the grid on which the records are inverted.
        records: a shard (.h5), .npy or SEG-Y of gathers.
        run: the network whose grid, mean model and calibration to judge by: the folder of a run, the name of
            a network of the zoo, or a file.
        survey: YAML with the grid and survey of a .npy; the network's own are assumed if not given.
        sample: which sample of the records, where they hold several.
        frequency: peak frequency [Hz] to which the records were low-passed for the section; not given if they
            were not.
        spreading: of SEG-Y: 'line' or 'point', as the section was inverted with.
        shift: of SEG-Y: seconds to add to the records' times.
        out: folder for the map; that of the section if not given.
    """
    opened = open_records(records, run, survey, Field(frequency, spreading, shift))
    velocity = read_section(section, opened.survey.grid, "the line")
    if sample is None and len(opened.gathers) > 1:
        raise ValueError(
            f"{records} holds {len(opened.gathers)} samples: say with --sample which the section is of"
        )
    number = opened.samples(sample or 0)[0]
    verdict = opened.line(number).check(velocity)
    origin = f"Checked by salt-fwi: {section.name} against {records.name}, sample {number}"
    print(f"{section} against {records}, sample {number}\n  {verdict}")
    folder = section.parent if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    print(f"  {save_map(velocity, verdict, folder / section.stem, origin, opened.start)}")


def _seconds_to_invert(line: Line) -> float:
    begun = time.perf_counter()
    line.invert()
    return time.perf_counter() - begun


def _invert_to_files(opened: Opened, line: Line, number: int, seconds: float, out: Path, check: bool) -> None:
    """Write and print all there is to say about the section of a line, which took so long to invert."""
    trained, grid, stem = opened.trained, opened.survey.grid, out / f"{opened.path.stem}-{number}"
    velocity = line.invert()
    verdict = line.check(velocity) if check else None
    records = f"{opened.path.name}, sample {number}"
    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    whose = f"the run {trained.folder.name}" if trained.has_folder else f"the network {trained.name}"
    origin = f"Inverted by salt-fwi: {records}, with {whose}\nVersions: {used}"
    if verdict is not None:
        origin += f"\nVerdict: {verdict.remark}"
    written = save(velocity, stem, grid, origin, opened.start, picture=line.interval is None)
    print(f"{stem}{written}: inverted in {1000 * seconds:.0f} ms")
    told = {}
    if line.gaps:
        places = ", ".join(f"{start:.0f} to {end:.0f} m" for start, end in line.gaps)
        told["not inverted"] = f"nothing was recorded around {places}, where the section continues its sides"
    if line.interval is not None and trained.calibration is not None:
        nominal = f"{100 * trained.calibration.coverage:g} % interval"
        ends = f"{origin}\n{nominal}"
        told[nominal] = save_interval(velocity, line.interval, stem, grid, ends, opened.start)
    if not line.is_own:
        told["grid and survey"] = save_survey(opened.study, stem)
    print("".join(f"  {what}: {how}\n" for what, how in told.items()), end="")
    drawn = {
        "The section, and how sure it is." if told else "The section.": stem.with_name(f"{stem.name}.png")
    }
    if verdict is not None:
        drawn["Where the records contradict it."] = stem.with_name(f"{stem.name}-contradiction.png")
        print(f"  {verdict}\n  {save_map(velocity, verdict, stem, origin, opened.start)}")
    page = stem.with_name(f"{stem.name}.html")
    write_whole(page, line_page(opened, line, verdict, records, told, drawn))
    print(f"  page: {page}")


def _refinement(
    opened: Opened, lines: Mapping[int, Line], out: Path, flags: Mapping[str, object]
) -> tuple[list[Task], StudyConfig, Place]:
    """The sections to refine, and where to; refused before any work if that is another's place."""
    study, trained = opened.study, opened.trained
    place = Place.of(trained, out)
    if (budget := flags["--budget"]) is not None:
        study = study.model_copy(update={"refine": study.refine.within(str(budget))})
    models = refining.true_models(opened.path) if opened.survey.grid == trained.study.grid else None
    tasks = []
    for number, line in lines.items():
        name = f"{opened.path.stem}-{number}"
        given = {"--run": trained.name, "--sample": number, "--out": out, **flags}
        words = [word for flag in given.items() if flag[1] is not None for word in flag]
        goes_on = shlex.join(
            ["fwi", "refine", *map(str, [out / f"{name}.npy", opened.path, *words]), "--resume"]
        )
        truth, salt = (None, None) if models is None else (each[number] for each in models)
        origin = f"{opened.path.name}, sample {number}"
        tasks.append(Task(name, line.invert(), line.gathers, line.survey, origin, goes_on, truth, salt))
    return refining.require_free(tasks, place, study, resume=False), study, place
