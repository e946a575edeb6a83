"""``fwi config``: what a study is, merged and checked."""

import json
from typing import Literal

import tyro

from experiments.cli import Study
from fwi import config as configuration
from fwi.config import StudyConfig
from fwi.survey import Survey


def config(study: Study, action: tyro.conf.Positional[Literal["show", "validate", "schema"]]) -> None:
    """Show the merged study as YAML, validate it, or print the JSON Schema of study files.

    Args:
        study: the study.
        action: what to do.
    """
    if action == "schema":
        print(json.dumps(StudyConfig.model_json_schema(), indent=2))
        return
    survey = Survey(study.grid, study.survey)
    survey.check(study.physics.order)
    if study.data.flip and not survey.symmetric:
        raise ValueError(
            "data.flip: mirrored samples are right only where the survey is symmetric; set it to 0"
        )
    if action == "show":
        print(configuration.dump(study), end="")
        return
    shots, samples, receivers = survey.gather_shape
    print(
        f"valid: {study.grid.nz} x {study.grid.nx} cells of {study.grid.spacing:g} m; "
        f"{shots} shots x {samples} samples of {survey.recorded_dt:g} s x {receivers} receivers; "
        f"{study.model.name}"
    )
