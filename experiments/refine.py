"""``fwi refine``: mend a section by full-waveform inversion of its records."""

import functools
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from numpy.typing import NDArray

from data_prep import records as recorded
from data_prep.records import Records, refuse_silence, require_sample
from data_prep.segy.regularise import Spreading
from experiments import refining
from experiments.flags import Study
from experiments.lines import Field, Opened, open_records
from experiments.refining import Place, Refiner, Task
from experiments.sections import read_section
from fwi import run_folder
from fwi.check import require_resolved
from fwi.config import StudyConfig
from fwi.lines import Line
from fwi.refine import Refined, starts
from fwi.refine import refine as full_waveform_inversion
from fwi.survey import Survey

Array = NDArray[np.float32]

FREE = ("physics", "check", "refine", "tracking")
"""Sections of a run's study that may be changed for a refinement."""


def refine(
    study: Study,
    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[SECTION.npy] RECORDS")],
    run: Path | None = None,
    out: Path = Path(),
    survey: Path | None = None,
    sample: int | None = None,
    frequency: float | None = None,
    spreading: Spreading = "line",
    shift: float | None = None,
    budget: str | None = None,
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Refine a section by full-waveform inversion of its records, and return it if held-out shots say so.

    It begins with SECTION or, where none is given, with the section that the network of --run inverts from
    RECORDS. Without a network, --config gives the grid and the section 'refine' of the study. Where the run's
    intervals are calibrated for refined sections, by 'fwi calibrate --refined N', both ends of the section's
    are written too.

    Args:
        study: the study; with --run the run's own, of which the sections refine, physics, check and tracking
            may be changed.
        files: a .npy of velocity (depth, x) [m/s] on the study's grid, if any; and the records as for
            'fwi invert'.
        run: the trained network: the folder of a run, whose report shows the refinement too, the name of a
            network of the zoo, or a file.
        out: folder for sections, figures and the history (.json).
        survey: YAML with the grid and survey of a .npy of records; the study's own are assumed if not given.
        sample: which sample of the records; all of them if neither it nor a section is given.
        frequency: peak frequency [Hz] to which records are low-passed for a network; the same as the section
            was inverted with.
        spreading: of SEG-Y, for a network: 'line' or 'point'; likewise.
        shift: of SEG-Y, for a network: seconds to add to the records' times; likewise.
        budget: number of gradients ('150'), or time ('10 min'), in place of refine.gradients and
            refine.minutes. A gradient simulates every shot and its adjoint.
        resume: go on with a refinement that was interrupted, to the very same result.
    """
    section, path = _named(files)
    if budget is not None:
        study = study.model_copy(update={"refine": study.refine.within(budget)})
    if section is None and run is None:
        raise ValueError(
            "no section to begin with: give one before the records, as in 'fwi refine SECTION.npy "
            f"{path}', or the --run whose network makes one"
        )
    if run is None and "mirrored" in study.refine.starts:
        raise ValueError("refine.starts: mirrored is made by a network: name its --run, or leave it out")
    field = Field(frequency, spreading, shift)
    if run is None and field.flags:
        raise ValueError(
            f"{', '.join(field.flags)}: for records of a network: name its --run, or leave it out"
        )
    opened = None if run is None else _opened(path, run, survey, field, study)
    if opened is not None:
        read = Records(opened.gathers, opened.changes, opened.survey)
        study = study.model_copy(update={"grid": read.survey.grid, "survey": read.survey.config})
    else:
        read = _read(path, study, survey)
    require_resolved(read.survey, study.physics, study.check)
    tasks = _tasks(section, path, read, study, opened, sample)
    place = Place.of(None if opened is None else opened.trained, out)
    left = refining.require_free(tasks, place, study, resume)
    if not left:
        print(f"{out}: all of these were refined before")
        return
    with refining.tracked(study, place) as record:
        for task in left:
            line = None if opened is None else Line(opened.trained, task.gathers, task.survey)
            refining.refine_to_files(task, study, place, _refiner(study, line), record, line)
    if place.run is not None:
        print(f"report:  {place.run / 'report.html'}")


def _named(files: tuple[Path, ...]) -> tuple[Path | None, Path]:
    """The section, if there is one, and the records."""
    if len(files) == 1:
        return None, files[0]
    if len(files) == 2:
        return files[0], files[1]
    named = ", ".join(map(str, files)) or "nothing"
    raise ValueError(f"'fwi refine' takes a section, if any, and records; it was given {named}")


def _opened(path: Path, run: Path, made_for: Path | None, field: Field, study: StudyConfig) -> Opened:
    """Read records for a network, and refuse a study that is not its own in what the network depends on."""
    opened = open_records(path, run, made_for, field)
    different = [
        f"  - {key}: {wanted} given, {own} in the run"
        for key, own, wanted in run_folder.changed(opened.trained.study, study)
        if key.partition(".")[0] not in FREE
    ]
    if different:
        lines = "\n".join(different)
        raise ValueError(
            f"{run}: of a run's study only {', '.join(FREE)} change here; leave these out:\n{lines}"
        )
    return opened


def _read(path: Path, study: StudyConfig, made_for: Path | None) -> Records:
    """Read records of the study's survey or kind, and print which they are and what was done to them."""
    own = Survey(study.grid, study.survey)
    read = recorded.read(
        path, own, study.physics, made_for=made_for, whose="that of the study", own_survey=True
    )
    read = read._replace(changes=(f"survey: {read.survey.layout()}", *read.changes))
    print("\n".join([str(path), *(f"  {change}" for change in read.changes)]))
    return read


def _tasks(
    section: Path | None,
    path: Path,
    read: Records,
    study: StudyConfig,
    opened: Opened | None,
    sample: int | None,
) -> list[Task]:
    count = len(read.gathers)
    if sample is not None:
        require_sample(sample, count, path)
    elif section is not None and count > 1:
        raise ValueError(f"{path} holds {count} samples: say with --sample which the section is of")
    begun = None if section is None else read_section(section, study.grid, "the study")
    whole = opened is None or opened.survey.grid == opened.trained.study.grid
    models = refining.true_models(path) if whole else None
    words = sys.argv[2:] if sys.argv[1:2] == ["refine"] else [str(path), "..."]
    goes_on = shlex.join(["fwi", "refine", *(word for word in words if word != "--resume"), "--resume"])
    tasks = []
    for number in range(count) if sample is None else [sample]:
        gathers, where = read.gathers[number], f"{path}, sample {number}"
        refuse_silence(gathers, where)
        if not np.isfinite(gathers).all():
            raise ValueError(f"{where}: the record holds NaN or infinite samples: mend or mute those traces")
        if begun is None and opened is not None:
            start = opened.line(number).invert()
        elif begun is not None:
            start = begun
        name = f"{path.stem}-{number}" if section is None else section.stem
        truth, salt = (None, None) if models is None else (each[number] for each in models)
        origin = f"{path.name}, sample {number}"
        tasks.append(Task(name, start, gathers, read.survey, origin, goes_on, truth, salt))
    return tasks


def _refiner(study: StudyConfig, line: Line | None) -> Refiner:
    if line is not None:
        return functools.partial(refining.of_line, line, physics=study.physics, check=study.check)

    def plain(start: Array, gathers: Array, survey: Survey, **options: Any) -> Refined:
        raced = starts.chosen(study.refine.starts, start, study.grid.velocity, lambda: start)
        options |= {"physics": study.physics, "check": study.check, "starts": raced}
        return full_waveform_inversion(start, gathers, survey, **options)

    return plain
