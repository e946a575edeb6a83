"""``fwi verify``: is a data set what it was, is it sound, and what is in it?"""

import functools
import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import tyro

from data_prep.verify import card
from data_prep.verify.inspection import CARD, FIGURE, Inspection
from data_prep.verify.repair import repair as make_again
from data_prep.verify.verify import inspect, read_manifest
from experiments.progress import progress
from fwi import config as configuration
from fwi.config import StudyConfig
from fwi.manifest import DataSet
from fwi.shards import ShardError

Files = Annotated[tuple[Path, ...], tyro.conf.UseAppendAction]


def verify(
    folder: tyro.conf.Positional[Path],
    config: Files = (),
    repair: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    samples: int = 4,
    seed: int | None = None,
    against: Files = (),
    workers: int = os.cpu_count() or 1,
    licence: str | None = None,
) -> None:
    """Check a data set to the last sample, print its statistics, and write its card: README.md and card.png.

    Args:
        folder: the data set.
        config: YAML of a study whose survey the set is to have; repeat it to merge files.
        repair: make again the shards that are damaged, if they are of random models.
        samples: how many models, drawn at random, to simulate again and compare with the stored records.
        seed: of that draw, to repeat it; each run draws others if not given, and says its seed.
        against: another set that may be trained on or tested with beside this one, and so must not hold its
            models in another split; repeat it for more.
        workers: processes that repair.
        licence: of imported models and records, for the card; it is kept in the manifest.
    """
    data, study = read_manifest(folder), configuration.load(config) if config else None
    if samples < 0:
        raise ValueError(f"--samples {samples}: take 0 or more")
    if seed is not None and seed < 0:
        raise ValueError(f"--seed {seed}: take 0 or more")
    others = [read_manifest(other) for other in against]
    look = functools.partial(
        _inspect,
        study=study,
        samples=samples,
        seed=secrets.randbelow(2**32) if seed is None else seed,
        others=others,
    )
    found = look(data)
    damaged = [problem.file for problem in found.problems if problem.remake]
    if found.problems and card.withdraw(folder):
        print(f"removed {folder / CARD} and {FIGURE}, by which the set was sound")
    if repair and damaged:
        _repair(data, damaged, workers)
        data = DataSet.read(folder)
        found = look(data)
    _tell(found)
    if found.problems:
        lines = "\n".join(f"  - {problem}" for problem in found.problems)
        raise ShardError(f"{folder}: {_count(found.problems, 'problem')}\n{lines}")
    if licence is not None:
        data = replace(data, provenance={**data.provenance, "licence": licence})
        data.write()
        found.data = data
    if card.write(found):
        print(f"wrote {folder / CARD} and {FIGURE}")
    else:
        print(f"{folder / CARD} is not of 'fwi verify' and stays; move it away to have the card")


def _inspect(
    data: DataSet, study: StudyConfig | None, samples: int, seed: int, others: list[DataSet]
) -> Inspection:
    total = sum(entry.samples for each in (data, *others) for entry in each.entries)
    with progress("verify", total, "samples") as report:
        return inspect(data, study, samples, seed, others, report)


def _repair(data: DataSet, files: list[str], workers: int) -> None:
    total = sum(entry.samples for entry in data.entries if entry.file in files)
    with progress("repair", total, "samples") as report:
        outcomes = make_again(data, files, workers, report)
    print("\n".join(outcomes))


def _tell(found: Inspection) -> None:
    print(f"{found.data.folder}: {found.data.sizes}")
    if found.models:
        slowest, fastest = found.velocity
        print(f"velocity {slowest:.0f} .. {fastest:.0f} m/s; statistics of {card.measured(found)}:")
        print(f"  {'':<24}{'10 %':>10}{'50 %':>10}{'90 %':>10}")
        for row in card.statistics(found):
            print(f"  {row.name:<24}{row.low:>10}{row.middle:>10}{row.high:>10}")
    for line in card.compared(found) if found.problems else card.verified(found):
        print(line)
    for note in found.notes:
        print(f"note: {note}")


def _count(things: Sequence[object], name: str) -> str:
    return f"1 {name}" if len(things) == 1 else f"{len(things)} {name}s"
