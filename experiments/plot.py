"""``fwi plot``: look at any of the project's files."""

from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from experiments.cli import Study
from experiments.invert import require_sample
from fwi import plots, shards
from fwi.files import read_npy
from fwi.survey import Survey


def plot(
    study: Study,
    file: tyro.conf.Positional[Path],
    out: Path,
    what: Literal["section", "gather"] = "section",
    sample: int = 0,
    shot: int | None = None,
) -> None:
    """Draw a velocity section (of a shard or .npy), or a shot gather of a shard, to a PNG.

    Args:
        study: gives the grid of a .npy; a shard brings its own.
        file: a shard (.h5), or a .npy of velocity (depth, x) [m/s].
        out: the PNG.
        what: section or gather.
        sample: which sample of a shard.
        shot: which shot of a gather; the middle one if not given.
    """
    if file.suffix == ".h5":
        samples = shards.read(file)
        survey = shards.read_survey(file)
        require_sample(sample, len(samples.gathers), file)
        gathers = samples.gathers[sample]
        if samples.velocity is None or samples.salt is None:
            if what == "section":
                raise ValueError(f"{file} holds records without models; draw them with --what gather")
        else:
            velocity, salt = samples.velocity[sample], samples.salt[sample] > 0
    elif file.suffix == ".npy" and what == "section":
        survey, salt, gathers = Survey(study.grid, study.survey), None, None
        velocity = read_npy(file)
        if velocity.shape != (survey.grid.nz, survey.grid.nx):
            raise ValueError(
                f"{file}: shape {velocity.shape}, the study's grid is {(survey.grid.nz, survey.grid.nx)}: "
                "name its study with --config"
            )
    else:
        raise ValueError(f"{file}: sections are drawn from .h5 or .npy, gathers from .h5")

    title = f"{file.stem}, sample {sample}" if file.suffix == ".h5" else file.stem
    if what == "section":
        figure = plots.velocity_model(velocity, survey.grid.spacing, survey.grid.velocity, title, salt)
    else:
        number = survey.config.shots // 2 if shot is None else shot
        if not 0 <= number < survey.config.shots:
            raise ValueError(f"--shot {number}: the survey has shots 0 to {survey.config.shots - 1}")
        recorded = np.asarray(gathers)[number].astype(np.float32)
        names = (f"{title}, shot {number}", "")
        figure = plots.gathers(recorded, None, survey.receiver_x[number], survey.recorded_dt, names)
    plots.save(figure, out)
    print(out)
