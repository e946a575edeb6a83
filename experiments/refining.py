"""A refinement from a command: its progress, its files, its record in W&B, and how to go on with it."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.progress import progress
from experiments.sections import remove_interval, save, save_refined_interval
from fwi import plots, refined_section, report, run_folder, shards
from fwi.config import RefineConfig, StudyConfig
from fwi.files import read_regular, refuse_links, write_whole
from fwi.lines import Line
from fwi.provenance import provenance, versions
from fwi.refine import Iteration, Refined
from fwi.refined_section import RefinedSection
from fwi.run import Run
from fwi.survey import Survey, differences
from fwi.training.wandb import open_wandb, wandb_mode

Array = NDArray[np.float32]

LARGEST_FILE = 20_000_000
"""Bytes of the largest file of a refinement that is read."""


class Task(NamedTuple):
    """A section to refine."""

    name: str
    """Name of the section: ``NAME-refined.npy`` and the others are written."""
    start: Array
    """The section to begin with [m/s], shape ``(depth, x)``."""
    gathers: Array
    """The record, shape ``(shot, time, receiver)``."""
    survey: Survey
    records: str
    """The record, in words."""
    goes_on: str
    """The command that goes on with the refinement after an interruption."""
    truth: Array | None = None
    """The true model [m/s], shape ``(depth, x)``, where it is known."""
    salt: NDArray[Any] | None = None
    """True where there is salt, same shape."""


class Place(NamedTuple):
    """Where a refinement is written to."""

    out: Path
    """Folder for sections, figures and the file of the refinement."""
    run: Path | None
    """Folder of the run whose report shows the refinement too, if there is one."""

    @classmethod
    def of(cls, trained: Run | None, out: Path) -> "Place":
        """The place of the refinements of a network, which may be without a run's folder, or of none."""
        return cls(out, trained.folder if trained is not None and trained.has_folder else None)

    def section(self, name: str) -> Path:
        """The refined section of a name."""
        return self.out / f"{name}-refined.npy"

    def file(self, name: str) -> Path:
        """The file of a refinement, with its evidence and history."""
        return self.out / f"{name}-refined.json"

    def file_in_run(self, name: str) -> Path | None:
        """The same in the run's folder, for its report."""
        return None if self.run is None else self.run / f"refinement-{name}.json"

    def journal(self, name: str) -> Path:
        """The file that a refinement writes as it goes, to go on from."""
        return self.out / f"{name}-refined.journal"


Refiner = Callable[..., Refined]
"""Function of section, gathers and survey, as ``Inverter.refine``."""


def of_line(line: Line, start: Array, gathers: Array, survey: Survey, **options: Any) -> Refined:
    """Refine a section of a line: the refiner of its task."""
    return line.refine(start, **options)


def require_free(tasks: list[Task], place: Place, study: StudyConfig, resume: bool) -> list[Task]:
    """Refuse before any work to write over the refinement of another section or other records.

    Args:
        tasks: what is about to be refined.
        place: where to.
        study: the study.
        resume: whether to go on with what an interrupted command has begun.

    Returns:
        The tasks that are left: all of them, or on resume those that are not finished.

    Raises:
        ValueError: a file is in the way, or there is nothing to go on from.
    """
    if place.run is not None:
        refuse_links(place.run, "figures", "wandb")
        run_folder.notes(place.run)  # to which the refinement is added: refused now if they are damaged
    begun, left = False, []
    for task in tasks:
        journal, file, section = (at(task.name) for at in (place.journal, place.file, place.section))
        own = refined_section.identity_of(task.start, task.gathers, task.survey)
        for path in filter(None, (file, place.file_in_run(task.name))):
            if path.exists() and _noted(path).get("identity") != own:
                raise ValueError(
                    f"{path}: the refinement of another section or of other records; move it away, or give "
                    "the records another name"
                )
        if section.exists() and not (file.exists() or journal.exists()):
            raise ValueError(f"{section}: written by something else; move it away, or choose another --out")
        if journal.exists() and not resume:
            raise ValueError(
                f"{journal}: left by a refinement that has not ended; go on with it by --resume, or delete it"
            )
        if resume and journal.exists() and file.exists():
            _require_same_settings(file, study)
        begun |= journal.exists() or file.exists()
        if not resume or journal.exists() or not file.exists():
            left.append(task)
    if resume and not begun:
        raise ValueError(
            f"{place.out}: no refinement here to go on with; leave out --resume, or name the --out of the "
            "command that was interrupted"
        )
    return left


class Record:
    """The record in W&B of the run or of the folder, if there is one."""

    def __init__(self, opened: Any | None) -> None:
        self.opened = opened

    def step(self, step: Iteration) -> None:
        """Log one step of a refinement."""
        if self.opened is not None:
            values = {name: getattr(step, name) for name in ("gradients", "misfit", "data_misfit")}
            self.opened.log({f"refine/{name}": value for name, value in values.items()})

    def end(self, found: RefinedSection, figures: Mapping[str, Path]) -> None:
        """Log the end of a refinement, with its figures."""
        if self.opened is None:
            return
        import wandb

        images = {f"refine/{kind}": wandb.Image(str(path)) for kind, path in figures.items()}
        ends = {"refine/accepted": found.accepted, "refine/held_out": found.held_out_after}
        self.opened.log({**ends, **images})


@contextlib.contextmanager
def tracked(study: StudyConfig, place: Place) -> Iterator[Record]:
    """Open the W&B record of the run, or else of the folder, as the study or WANDB_MODE says."""
    mode = wandb_mode(study)
    if mode == "disabled":
        yield Record(None)
        return
    folder = place.run or place.out
    folder.mkdir(parents=True, exist_ok=True)
    opened = open_wandb(study, folder, mode)
    try:
        yield Record(opened)
    finally:
        opened.finish()


def refine_to_files(
    task: Task,
    study: StudyConfig,
    place: Place,
    refiner: Refiner,
    record: Record,
    line: Line | None = None,
) -> RefinedSection:
    """Refine a section, write all there is to say about it, and print that.

    Args:
        task: the section and its records.
        study: the study, whose section ``refine`` counts.
        place: where to write.
        refiner: refines.
        record: logs to W&B.
        line: the line and its network, by which the section has an interval.

    Raises:
        KeyboardInterrupt: the refinement was interrupted; the best section so far is written.
    """
    place.out.mkdir(parents=True, exist_ok=True)
    journal = place.journal(task.name)
    with _shown(task.name, study.refine, record) as advance:
        try:
            refined = refiner(
                task.start, task.gathers, task.survey, config=study.refine, watch=advance, journal=journal
            )
        except KeyboardInterrupt as error:  # before there was anything to return
            if journal.exists():
                error.add_note(f"go on with: {task.goes_on}")
            raise
    identity = refined_section.identity_of(task.start, task.gathers, task.survey)
    found = RefinedSection.of(refined, task.name, study, task.records, task.truth, task.salt, identity)
    found = _write(task, refined, found, study, place, record, line)
    if refined.stopped == "interrupted":
        interrupted = KeyboardInterrupt()
        interrupted.add_note(
            f"the best section so far is in {place.section(task.name)}; go on with: {task.goes_on}"
        )
        raise interrupted
    journal.unlink(missing_ok=True)
    return found


def true_models(records: Path) -> tuple[Array, NDArray[np.bool_]] | None:
    """The true models of a shard's records and their salt, where it holds them."""
    if records.suffix != ".h5":
        return None
    samples = shards.read(records)
    return None if samples.velocity is None or samples.salt is None else (samples.velocity, samples.salt > 0)


@contextlib.contextmanager
def _shown(name: str, config: RefineConfig, record: Record) -> Iterator[Callable[[Iteration, Array], None]]:
    """Show the progress of a refinement in gradients, or in seconds where time is what ends it."""
    timed, begun = config.minutes is not None, time.monotonic()
    total = round(60 * config.minutes) if config.minutes is not None else config.gradients
    with progress(f"refine {name}", total, "s" if timed else "gradients") as report:

        def advance(step: Iteration, _: Array) -> None:
            record.step(step)
            done = min(total, int(time.monotonic() - begun)) if timed else int(step.gradients)
            gradients = f"{step.gradients:.0f} gradients, " if timed else ""
            report(done, f"{gradients}misfit {step.misfit:.4g}")

        yield advance


def _write(
    task: Task,
    refined: Refined,
    found: RefinedSection,
    study: StudyConfig,
    place: Place,
    record: Record,
    line: Line | None,
) -> RefinedSection:
    """Write section, interval, figures and file of a refinement; the interval is added to the latter."""
    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    origin = f"Refined by salt-fwi: {task.records}; {found.verdict}\nVersions: {used}"
    stem = place.out / f"{task.name}-refined"
    written = save(refined.section, stem, study.grid, origin)
    if _noted(place.file(task.name)).get("interval"):
        remove_interval(stem)  # of an earlier refinement
    interval, spanned = None, ""
    if line is not None:
        interval, spanned = save_refined_interval(line, refined, stem, origin, task.truth)
    found = found.model_copy(update={"interval": interval})
    drawn = refined_section.figures(refined, task.name, task.survey, task.truth, task.salt)
    images = {kind: plots.png(figure) for kind, figure in drawn.items()}
    paths = {kind: place.out / f"{stem.name}-{kind}.png" for kind in images}
    _write_one(place.file(task.name), paths, images, found)
    in_run = place.file_in_run(task.name)
    if place.run is not None and in_run is not None:
        shown = {kind: place.run / "figures" / f"refinement-{task.name}-{kind}.png" for kind in images}
        _write_one(in_run, shown, images, found)
    record.end(found, paths)
    print(f"{stem}{written}\n  source: {found.source}\n  {found}")
    if found.scores:
        print(f"  against the true model: {found.against_truth}")
    if spanned:
        print(f"  {spanned}")
    if place.run is not None:
        run_folder.note(place.run, "refine", provenance())
        report.write(place.run)
    return found


def _write_one(
    file: Path, paths: Mapping[str, Path], images: Mapping[str, bytes], found: RefinedSection
) -> None:
    """Write figures, and the file that has their captions."""
    for kind, path in paths.items():
        write_whole(path, images[kind])
    captions = {path.stem: f"{found.name}: {refined_section.CAPTIONS[kind]}" for kind, path in paths.items()}
    write_whole(file, found.model_copy(update={"captions": captions}).model_dump_json(indent=1))


def _require_same_settings(file: Path, study: StudyConfig) -> None:
    """Refuse to go on with a refinement with other settings, as that would begin anew; time may be added."""
    then, now = _noted(file).get("settings"), refined_section.settings_of(study)
    told = differences(then if isinstance(then, dict) else {}, now)
    if different := [line for line in told if not line.startswith("refine.minutes")]:
        raise ValueError(
            f"{file}: the refinement was begun with other settings ({'; '.join(different)}): go on with "
            f"those, or delete {file.with_suffix('.journal')} to begin anew"
        )


def _noted(file: Path) -> dict[str, Any]:
    """What the file of a refinement holds; nothing if it is none."""
    try:
        content = json.loads(read_regular(file, LARGEST_FILE))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
