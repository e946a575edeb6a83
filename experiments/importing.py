"""``fwi import``: the models and records of others to shards."""

import os
from pathlib import Path
from typing import Annotated

import tyro

from data_prep import legacy
from experiments.cli import Study
from experiments.simulate import make_set
from fwi.config import Split


def import_models(
    study: Study,
    file: tyro.conf.Positional[Path],
    spacing: float,
    key: str | None = None,
    split: Split = "train",
    validation: int = 0,
    kilometres: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    workers: int = os.cpu_count() or 1,
    dry_run: bool = False,
) -> None:
    """Bring velocity models from a .npz, .npy or .mat file to the study's grid and simulate their records.

    Args:
        study: the study.
        file: the models, an array (model, depth, x) or (depth, x).
        spacing: cell size of the file's models [m].
        key: which array of a .npz or .mat.
        split: the split the models go to.
        validation: how many of them, drawn at random, go to validation instead.
        kilometres: the speeds are in km/s.
        workers: processes, each of one thread.
        dry_run: only check the models, and say how much and about how long.
    """
    wanted = legacy.jobs(
        study, file, split=split, spacing=spacing, key=key, kilometres=kilometres, validation=validation
    )
    make_set(study, wanted, workers, dry_run)
