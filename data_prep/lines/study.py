"""A study by which a trained network is trained further for the geology and geometry of a recorded line."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from data_prep.lines.line import RecordedLine
from data_prep.lines.reading import read_line
from data_prep.segy.headers import STANDARD, HeaderBytes
from data_prep.segy.placing import GeometryError
from data_prep.segy.regularise import Spreading
from data_prep.segy.spreads import MOST_SHOTS
from fwi import zoo
from fwi.config import CorruptConfig, ModelConfig, SaltConfig, StudyConfig, known_studies, load, validate
from fwi.networks.offsets import CommonOffsets
from fwi.run import Run, load_run
from fwi.survey import Survey

SAMPLES = {"train": 300, "validation": 50, "test": 50, "samples_per_shard": 50}
"""Salt models that are drawn: with a trained network to begin with, few are enough."""
TRAINING = {
    "epochs": 20,
    "batch_size": 8,
    "loss": {"l1": 1, "salt": 0.3},
    "learning_rate": 3e-4,
    "ema": 0.99,
}
"""Training of a network that is trained already: short, at a third of the usual learning rate."""
SCALED = ("delay", "mute", "jitter")
"""Corruptions whose strengths are times or lengths."""
THINNED = ("sparse_shots", "sparse_receivers")
"""Corruptions by which a network gets to know many surveys; a study for one file does without."""


class StartedStudy(NamedTuple):
    """A study that begins with a trained network, and the line that it is for."""

    text: str
    """The study, as YAML."""
    line: RecordedLine
    """The file's records at the scale of the study."""


def study_from(
    start: Path,
    path: Path,
    salt: SaltConfig | None = None,
    *,
    spreading: Spreading = "line",
    shift: float | None = None,
    header_bytes: HeaderBytes = STANDARD,
) -> StartedStudy:
    """Write a study that begins with a trained network and fits the shots of a file.

    The grid has the network's number of cells, and the records its number of samples, in the metres and
    seconds of the file: both are the network's divided by one factor, by which the wave equation stays as it
    is. So the network begins with a section as good as at its own scale. Shots and receivers are the file's
    or, of a line longer than the grid, those in its middle.

    Args:
        start: the trained network, as for ``load_run``; one of any survey.
        path: shots as SEG-Y or SU.
        salt: the geology; that of the preset ``mixed`` if not given.
        spreading: ``line`` for records of 2-D simulation, ``point`` for those of the field.
        shift: seconds to add to the records' times; measured on the direct arrival if not given.
        header_bytes: the byte at which each value of a trace header of SEG-Y begins.

    Raises:
        ValueError: the network takes its own survey alone, or cannot invert the file's records.
    """
    run = load_run(start)
    if not isinstance(run.inverter.sort, CommonOffsets):
        raise ValueError(
            f"train.start: {start} takes records of its own survey alone; begin with a network of any survey "
            f"(model.columns: offsets), such as those of the zoo: {', '.join(zoo.names())}"
        )
    line = read_line(
        path,
        run.survey,
        run.study.physics,
        spreading=spreading,
        shift=shift,
        header_bytes=header_bytes,
    )
    survey = _section(path, line, run.survey)
    values = {
        "grid": survey.grid.model_dump(mode="json"),
        "survey": _survey(survey),
        "salt": {"preset": "mixed"} if salt is None else _salt(salt),
        "storage": {"folder": f"data/{path.stem}", **SAMPLES},
        "data": {
            "amplitude": run.study.data.amplitude,
            "knee": run.study.data.knee,
            "flip": 0.5 if survey.symmetric else 0.0,
            "corrupt": _corruption(run, line.factor),
        },
        "model": _model(run.study.model),
        "train": {"start": str(start), **TRAINING},
    }
    study = validate(StudyConfig, values, source=f"the study for {path.name}")
    Survey(study.grid, study.survey).check(study.physics.order)
    return StartedStudy(_text(path, start, line, values), line)


def _section(path: Path, line: RecordedLine, network: Survey) -> Survey:
    """The shots and receivers of a line on a grid of the network's size, with the line in its middle."""
    cell, columns = line.survey.grid.spacing, network.grid.nx
    length = (columns - 1) * cell
    start = math.floor((line.survey.length - length) / 2 / cell + 1e-6) * cell
    shot_x, receiver_x = (
        each[(each > -1e-6) & (each < length + 1e-6)].clip(0, length)
        for each in (line.survey.shot_x - start, np.unique(line.survey.receiver_x) - start)
    )
    if not len(shot_x) or len(receiver_x) < 2:
        raise GeometryError(
            f"{path}: the middle {length:.4g} m of the line, a section of the network, have {len(shot_x)} "
            f"shots and {len(receiver_x)} receivers; take a part of the line with more of them"
        )
    shot_x = shot_x[:: math.ceil(len(shot_x) / MOST_SHOTS)]
    positions = {
        "shots": len(shot_x),
        "shot_x": tuple(np.round(shot_x, 3).tolist()),
        "receivers": len(receiver_x),
        "receiver_x": tuple(np.round(receiver_x, 3).tolist()),
    }
    return Survey(
        line.survey.grid.model_copy(update={"nx": columns}),
        line.survey.config.model_copy(update=positions),
    )


def _survey(survey: Survey) -> dict[str, Any]:
    values = survey.config.model_dump(mode="json", exclude_none=True)
    return {key: each for key, each in values.items() if key not in ("near_offset", "receiver_interval")}


def _salt(salt: SaltConfig) -> dict[str, Any]:
    """The geology, its preset by name where all of it is as usual."""
    values = salt.model_dump(mode="json", exclude_defaults=True) | {"preset": salt.preset.name}
    whole = salt.model_dump(mode="json")
    return values if SaltConfig.model_validate(values) == salt else whole


def _corruption(run: Run, factor: float) -> dict[str, Any]:
    """The corruption that a network was trained with, at the scale of the line; empty if it is not known."""
    study = run.study
    if not run.has_folder:  # its file keeps no corruption; a network of the zoo has a study of its name
        named = known_studies().get(run.name.replace("-", "_"))
        study = load([named]) if named is not None and run.name in zoo.names() else study
    corrupt = study.data.corrupt
    values = corrupt.model_dump(mode="json", exclude_defaults=True)
    if not corrupt.share:
        return {}
    every = corrupt.model_dump(mode="json")
    for name in THINNED:
        values.pop(name, None)
    for name in SCALED:
        values[name] = {**every[name], "range": [_digits(each / factor) for each in every[name]["range"]]}
    return validate(CorruptConfig, values, source="data.corrupt").model_dump(
        mode="json", exclude_defaults=True
    )


def _model(model: ModelConfig) -> dict[str, Any]:
    """A network's settings without those that are as usual, mechanisms by their names where that says all."""
    values, usual = model.model_dump(mode="json"), ModelConfig().model_dump(mode="json")
    short = {key: each for key, each in values.items() if each != usual[key] or key == "name"}
    named = {
        key: [entry["name"] for entry in short[key]]
        for key in ("attention", "skip", "bottleneck")
        if key in short
    }
    return short | named if ModelConfig.model_validate(short | named) == model else short


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def _text(path: Path, start: Path, line: RecordedLine, values: dict[str, Any]) -> str:
    sections = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=100)
    name, network = (
        "".join(letter if letter.isprintable() else "?" for letter in str(each))
        for each in (path.name, start)
    )
    return (
        f"# Goes on training {network} for {name}: its shots and receivers over a section of the network's\n"
        f"# cells, whose lengths and times are the network's divided by {line.factor:.4g}. To be set by who\n"
        "# knows the geology: salt. survey.top free is for water with its multiples.\n" + sections
    )
