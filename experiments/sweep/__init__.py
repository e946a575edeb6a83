"""``fwi sweep``: many trainings of one study, and their comparison."""

import os
from pathlib import Path
from typing import Literal

import tyro

from data_prep.make import devices
from experiments.flags import Study


def sweep(
    study: Study,
    what: tyro.conf.Positional[Literal["ablation"]],
    variants: tuple[Path, ...],
    out: Path,
    seeds: tuple[int, ...] = (0, 1, 2),
    data: tuple[Path, ...] = (),
    reference: str = "plain",
    workers: int | None = None,
) -> None:
    """Train variants of a study on the same data for the same budget, with several seeds, and compare them.

    Each training is an ordinary run, OUT/VARIANT-SEED, scored on the validation split, by which the best
    variant is chosen, and on the test split. Stop it at any moment and run it again: it goes on where it was.
    Add variants or seeds later in the same way.

    Args:
        study: the study; its data set must have been made, by fwi simulate or fwi import.
        what: ablation: variants that are given as files.
        variants: YAML files that are merged over the study, each by itself; their names are the variants'.
        out: folder of the runs, and of ablation.md, .json and .png.
        seeds: a training of each variant for each of these, in place of train.seed.
        data: further data sets of the same survey, whose test splits are scored too.
        reference: the variant that the others are compared with.
        workers: trainings at once, which share the cores; one per core if not given, or one on a GPU.
    """
    from experiments.sweep.ablation import ablate

    ablate(study, variants, out, seeds, data, reference, _trainings_at_once() if workers is None else workers)


def _trainings_at_once() -> int:
    """One thread each trains more in an hour than all threads in one; a GPU is filled by one."""
    return 1 if devices.count() else os.cpu_count() or 1
