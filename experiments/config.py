"""``fwi config``: show, validate or describe a study."""

import json
from typing import Literal

import tyro

from experiments.flags import Study
from fwi import config as configuration
from fwi.config import StudyConfig
from fwi.survey import Survey


def config(
    study: Study,
    action: tyro.conf.Positional[Literal["show", "validate", "schema"]],
    model: tyro.conf.FlagCreatePairsOff[bool] = False,
) -> None:
    """Show the merged study as YAML, validate it, or print the JSON Schema of study files.

    Args:
        study: the study.
        action: what to do.
        model: show the network instead: sizes, attention, parameters, multiply-adds and memory of its parts.
    """
    if action == "schema":
        print(json.dumps(StudyConfig.model_json_schema(), indent=2))
        return
    survey = Survey(study.grid, study.survey)
    survey.check(study.physics.order)
    survey.check_flip(study.data.flip)
    if action == "show":
        print(_network(study, survey) if model else configuration.dump(study), end="")
        return
    _rehearse(study, survey)
    shots, samples, receivers = survey.gather_shape
    print(
        f"valid: {study.grid.nz} x {study.grid.nx} cells of {study.grid.spacing:g} m; "
        f"{shots} shots x {samples} samples of {survey.recorded_dt:g} s x {receivers} receivers; "
        f"{study.model.name}"
    )


def _rehearse(study: StudyConfig, survey: Survey) -> None:
    """Refuse a study that training, or a later step, would refuse."""
    from fwi.check import require_resolved
    from fwi.networks.rehearsal import require_trainable

    require_resolved(survey, study.physics, study.check)
    require_trainable(study.model, survey, study.train.batch_size)


def _network(study: StudyConfig, survey: Survey) -> str:
    """Format the network's parts as a table, for one sample."""
    from fwi.networks import table

    parts = table.parts(study.model, survey)
    rows = [
        (
            part.name,
            *_shape(part.shape),
            ", ".join(part.attention),
            *_costs(part.parameters, part.multiply_adds, part.memory),
        )
        for part in parts
    ]
    sums = _costs(
        *(sum(getattr(part, cost) for part in parts) for cost in ("parameters", "multiply_adds", "memory"))
    )
    heads = ("part", "size", "channels", "attention", "parameters", "multiply-adds", "memory")
    lines = [heads, *rows, ("sum", "", "", "", *sums)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(heads))]
    text = [
        "  ".join(_aligned(cell, width, k) for k, (cell, width) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    note = f"{study.model.name}; multiply-adds and memory kept for a training step (float32), per sample"
    return "\n".join([note, _input(study, survey), "", *(line.rstrip() for line in text), ""])


def _input(study: StudyConfig, survey: Survey) -> str:
    """Describe the network's input in a line."""
    from fwi.networks.offsets import largest_offset
    from fwi.networks.sizes import Sizes

    channels, samples, columns = Sizes.of(survey, study.model).record
    match study.model.columns:
        case "offsets":
            step = largest_offset(survey) / (channels - 1)
            return (
                f"input: {channels} classes of offset (every {step:.0f} m) x {samples} samples x {columns} "
                "midpoints, stacked from the traces of any shots and receivers"
            )
        case "midpoints":
            return (
                f"input: {channels} channels of the survey's shots x {samples} samples x {columns} midpoints"
            )
    return f"input: {channels} shots x {samples} samples x {columns} receivers"


def _shape(shape: tuple[int, ...]) -> tuple[str, str]:
    *channels, height, width = shape
    return f"{height} x {width}", str(channels[0]) if channels else "1"


def _costs(parameters: int, multiply_adds: int, memory: int) -> tuple[str, str, str]:
    return f"{parameters:,}", f"{multiply_adds / 1e6:,.1f} M", f"{memory / 2**20:,.1f} MiB"


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column in (0, 3) else cell.rjust(width)
