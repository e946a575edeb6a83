"""``fwi plot``: look at sections and gathers of files, at corruptions, and at what a network attends to."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

from data_prep.records import read_for, require_sample
from experiments.flags import Study
from fwi import plots, shards
from fwi.config import Split, StudyConfig
from fwi.corruption import CORRUPTIONS
from fwi.data import ShotDataset
from fwi.files import read_npy
from fwi.manifest import DataSet
from fwi.networks.midpoints import ROUNDING
from fwi.run import Run, load_run
from fwi.survey import Survey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TAKES = {
    "section": ("FILE", "sample"),
    "gather": ("FILE", "sample", "shot"),
    "corruptions": ("FILE", "sample", "shot"),
    "attention": ("run", "data", "split", "sample", "shot", "at"),
}
"""Parameters that belong to each of the figures."""


def plot(
    study: Study,
    what: tyro.conf.Positional[Literal["section", "gather", "corruptions", "attention"]],
    out: Path,
    file: tyro.conf.Positional[Path | None] = None,
    sample: int | None = None,
    shot: int | None = None,
    run: Path | None = None,
    data: Path | None = None,
    split: Split | None = None,
    at: tuple[float, float] | None = None,
) -> None:
    """Draw to a PNG: a velocity section, a shot gather, or what a trained network attends to in a record.

    'fwi plot section FILE' and 'fwi plot gather FILE' draw what is in a file; 'fwi plot corruptions FILE'
    draws a gather clean and under each corruption of data.corrupt; 'fwi plot attention --run RUN'
    inverts a record and draws each gate and attention weight over the section, or over the gather.

    Args:
        study: section of a .npy: gives its grid; a shard brings its own.
        what: section, gather, corruptions or attention.
        out: the PNG.
        file: section, gather, corruptions: a shard (.h5); section: or a .npy of velocity (depth, x) [m/s].
        sample: which sample of the shard or data set; the first if not given.
        shot: gather, corruptions, attention: which shot; the middle one if not given.
        run: attention: the trained network: a run's folder, the name of a network of the zoo, or a file.
        data: attention: a data set, or records as for 'fwi invert'; the run's own data set if not given.
        split: attention: which split of a data set; test if not given.
        at: attention: x and depth [m] of the cell whose attention weights are drawn; in the middle of the
            inverted salt if not given.
    """
    given = {"FILE": file, "sample": sample, "shot": shot, "run": run, "data": data, "split": split, "at": at}
    _refuse_what_does_not_belong(what, [name for name, value in given.items() if value is not None])
    if what == "attention":
        if run is None:
            raise ValueError("'fwi plot attention' draws what a trained network attends to: name its --run")
        figure = _attention(load_run(run), data, split, sample or 0, shot, at)
    elif file is None:
        raise ValueError(f"'fwi plot {what}' draws from a file: name it, as in 'fwi plot {what} FILE'")
    elif file.suffix == ".h5":
        figure = _of_shard(what, file, sample or 0, shot)
    elif file.suffix == ".npy" and what == "section" and sample is None:
        figure = _of_npy(study, file)
    else:
        raise ValueError(
            f"{file}: sections are drawn from a shard (.h5), or from a .npy, which holds one and no samples; "
            "gathers from a shard"
        )
    plots.save(figure, out)
    print(out)


def _of_shard(what: str, file: Path, number: int, shot: int | None) -> "Figure":
    samples, survey = shards.read(file), shards.read_survey(file)
    require_sample(number, len(samples.gathers), file)
    title = f"{file.stem}, sample {number}"
    if what == "corruptions":
        return _corruptions(samples.gathers[number].astype(np.float32), survey, _shot(survey, shot))
    if what == "gather":
        shot = _shot(survey, shot)
        recorded = samples.gathers[number, shot].astype(np.float32)
        names = (f"{title}, shot {shot}", "")
        return plots.gathers(recorded, None, survey.receiver_x[shot], survey.recorded_dt, names)
    if samples.velocity is None or samples.salt is None:
        raise ValueError(f"{file} holds records without models; draw them with 'fwi plot gather'")
    velocity, salt = samples.velocity[number], samples.salt[number] > 0
    return plots.velocity_model(velocity, survey.grid.spacing, survey.grid.velocity, title, salt)


def _corruptions(gathers: NDArray[np.float32], survey: Survey, shot: int) -> "Figure":
    """A gather as it is, and under each corruption at its highest strength, as far as that touches it."""
    panels = [("As recorded", gathers[shot])]
    for corruption in CORRUPTIONS.values():
        strength = corruption.strengths[-1]
        for seed in range(100):
            changed = corruption.function(gathers, survey, strength, np.random.default_rng(seed))
            if (changed[shot] != gathers[shot]).any():  # a shot of the others may be missing
                break
        panels.append((corruption.label(strength).replace(", ", "\n"), changed[shot]))
    return plots.gather_grid(panels, survey.receiver_x[shot], survey.recorded_dt)


def _of_npy(study: StudyConfig, file: Path) -> "Figure":
    grid = study.grid
    velocity = read_npy(file, (grid.nz, grid.nx))
    if velocity.shape != (grid.nz, grid.nx):
        raise ValueError(
            f"{file}: shape {velocity.shape}, the study's grid is {(grid.nz, grid.nx)}: "
            "name its study with --config"
        )
    return plots.velocity_model(velocity, grid.spacing, grid.velocity, file.stem)


def _attention(
    run: Run,
    data: Path | None,
    split: Split | None,
    number: int,
    shot: int | None,
    at: tuple[float, float] | None,
) -> "Figure":
    grid = run.study.grid
    name, gathers, survey = _record(run, data, split, number)
    shot = _shot(survey, shot)
    velocity = run.invert(gathers, survey)
    salt = velocity >= run.study.salt.threshold
    cell = middle(salt) if at is None else _cell(at, run.study)
    maps = run.attended(gathers, cell, survey)
    for place, each in run.inverter.network.attending().items():
        if place not in {each_map.place for each_map in maps}:
            print(f"{place}: {each.mechanism} moves its map instead of weighing it, and is left out")
    if run.study.model.columns != "receivers":
        column = np.floor(survey.midpoint[shot] / grid.spacing + ROUNDING).astype(int)
        maps = [
            each_map.by_receiver(gathers.shape[1], grid.nx, column) if each_map.axes == "record" else each_map
            for each_map in maps
        ]
    sample = plots.SampleColumn(f"{name}, inverted", gathers[shot], velocity, salt)
    return plots.attention_maps(
        sample, maps, cell, grid.spacing, grid.velocity, survey.receiver_x[shot], survey.recorded_dt
    )


def _record(
    run: Run, data: Path | None, split: Split | None, number: int
) -> tuple[str, NDArray[np.float32], Survey]:
    """A record of a data set or file: its name, its gathers ``(shot, time, receiver)`` and its survey."""
    source = data or run.own_data
    if source.suffix and not source.is_dir():
        if split is not None:
            raise ValueError(f"--split {split}: {source} is a file; splits are of a data set's folder")
        records = read_for(run, source)
        if records.changes:
            print("\n".join([str(source), *(f"  {change}" for change in records.changes)]))
        require_sample(number, len(records.gathers), source)
        return f"{source.stem} {number}", records.gathers[number], records.survey
    split = split or "test"
    found = DataSet.read(source)
    run.require(found.survey, source)
    dataset = ShotDataset([found], split)
    require_sample(number, len(dataset), source)
    return f"{split} {number}", dataset[number].gathers.float().numpy(), found.survey


def middle(salt: NDArray[np.bool_]) -> tuple[int, int]:
    """Row and column of the cell of salt that is nearest to its centre; of a section without, its middle."""
    rows, columns = salt.nonzero()
    if not len(rows):
        return salt.shape[0] // 2, salt.shape[1] // 2
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return int(rows[nearest]), int(columns[nearest])


def _cell(at: tuple[float, float], study: StudyConfig) -> tuple[int, int]:
    grid = study.grid
    column, row = (round(position / grid.spacing) for position in at)
    if not (0 <= row < grid.nz and 0 <= column < grid.nx):
        raise ValueError(
            f"--at {at[0]:g} {at[1]:g}: the section is {(grid.nx - 1) * grid.spacing:g} m long and "
            f"{(grid.nz - 1) * grid.spacing:g} m deep; give x and depth [m] within"
        )
    return row, column


def _shot(survey: Survey, shot: int | None) -> int:
    number = survey.config.shots // 2 if shot is None else shot
    if not 0 <= number < survey.config.shots:
        raise ValueError(f"--shot {number}: the survey has shots 0 to {survey.config.shots - 1}")
    return number


def _refuse_what_does_not_belong(what: str, given: list[str]) -> None:
    """Refuse flags that belong to another of the figures."""
    wrong = [name if name == "FILE" else f"--{name}" for name in given if name not in TAKES[what]]
    if wrong:
        takes = ", ".join(name if name == "FILE" else f"--{name}" for name in TAKES[what])
        raise ValueError(f"'fwi plot {what}' does not take {', '.join(wrong)}; it takes {takes} and --out")
