"""The variants of an ablation: each a file merged over the study, checked before anything is trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fwi import config
from fwi.config import ConfigError, StudyConfig
from fwi.networks import table
from fwi.networks.rehearsal import require_trainable
from fwi.survey import Survey

SAME_DATA = ("grid", "survey", "physics", "salt", "storage")
SAME_BUDGET = (("data", "extra_folders"), ("train", "epochs"), ("train", "seed"))


class Variant(NamedTuple):
    """A variant of the study."""

    name: str
    study: StudyConfig
    parameters: int
    multiply_adds: int
    """Of one section."""


def read_variants(study: StudyConfig, files: Sequence[Path], reference: str) -> list[Variant]:
    """Merge each file over the study, and make sure that all can be trained and compared.

    Raises:
        ConfigError: a file has a mistake, or changes the data or the budget; two have one name; the reference
            is not among them; a network cannot serve the survey.
    """
    names = [file.stem for file in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"a variant has the name of its file, and two are called {', '.join(twice)}")
    if reference not in names:
        raise ConfigError(
            f"no variant {reference!r} to compare with among {', '.join(names) or 'none'}: add its file to "
            "--variants, or name another as --reference"
        )
    return [_read(study, file) for file in files]


def _read(study: StudyConfig, file: Path) -> Variant:
    varied = config.load([file], over=study)
    changed = [section for section in SAME_DATA if getattr(varied, section) != getattr(study, section)]
    changed += [
        f"{section}.{key}"
        for section, key in SAME_BUDGET
        if getattr(getattr(varied, section), key) != getattr(getattr(study, section), key)
    ]
    if changed:
        raise ConfigError(
            f"{file}: changes {', '.join(changed)}, but variants are compared on the same data, for as many "
            "epochs: change that in the study"
        )
    survey = Survey(varied.grid, varied.survey)
    try:
        parts = table.parts(varied.model, survey)
        require_trainable(varied.model, survey, varied.train.batch_size)
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from None
    return Variant(
        name=file.stem,
        study=varied,
        parameters=sum(part.parameters for part in parts),
        multiply_adds=sum(part.multiply_adds for part in parts),
    )
