"""``fwi sweep ablation``: the same study with one thing changed at a time, several seeds of each."""

import csv
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from experiments.progress import progress
from experiments.sweep import processes, summary
from experiments.sweep.variants import read_variants
from fwi import config, run_folder
from fwi.config import MOST_WORKERS, StudyConfig
from fwi.data import ShotDataset, require_complete, require_survey
from fwi.files import locked, refuse_links, write_whole
from fwi.manifest import DataSet
from fwi.run_folder import RunError
from fwi.survey import Survey

STUDY = "study.yaml"
CHECKS = "1"
"""Sections of each evaluation that are checked by the wave equation: the least there is."""


class Training(NamedTuple):
    """One run of the sweep."""

    variant: str
    seed: int
    folder: Path
    study: StudyConfig

    def epochs(self) -> int:
        """How many are finished."""
        table = self.folder / "metrics.csv"
        return len(list(csv.DictReader(table.read_text().splitlines()))) if table.exists() else 0

    def commands(self, scores: Mapping[str, Path | None]) -> list[list[str]]:
        """What is still to be run, as arguments of ``fwi``."""
        run = str(self.folder)
        missing = [name for name in scores if not summary.evaluation(self.folder, name).exists()]
        if not missing:
            return []
        train = ["train", "--config", str(self.folder.with_suffix(".yaml")), "--run", run]
        begun = (self.folder / run_folder.CONFIG).exists()
        found = [[*train, *(["--resume"] if begun else [])]]
        for name in missing:
            split = "validation" if name == "validation" else "test"
            data = scores[name]
            where = [] if data is None else ["--data", str(data)]
            found += [
                ["evaluate", "--run", run, *where, "--split", split, "--name", name, "--checks", CHECKS]
            ]
        return found


def ablate(
    study: StudyConfig,
    files: Sequence[Path],
    out: Path,
    seeds: Sequence[int],
    data: Sequence[Path],
    reference: str,
    workers: int,
) -> None:
    """Train and score what is missing, and write the comparison anew after each run.

    Raises:
        ValueError: a variant does not fit the study, a data set is missing, ``out`` is of another study, or
            runs failed.
    """
    variants = read_variants(study, files, reference)
    if not seeds or workers < 1 or len(set(seeds)) < len(seeds):
        raise ValueError("a sweep needs a seed, each once, and a worker or more: --seeds 0 1 2 --workers 1")
    if workers > MOST_WORKERS:
        raise ValueError(f"--workers {workers}: take {MOST_WORKERS} or fewer")
    scores = _require_data(study, data)
    trainings = [
        Training(variant.name, seed, out / f"{variant.name}-{seed}", _with_seed(variant.study, seed))
        for seed in seeds
        for variant in variants
    ]
    _require_same(out, study, trainings)
    folders = {
        variant.name: {each.seed: each.folder for each in trainings if each.variant == variant.name}
        for variant in variants
    }

    refuse_links(out, *(each.folder.name for each in trainings))
    out.mkdir(parents=True, exist_ok=True)
    failed = []
    with locked(out):
        write_whole(out / STUDY, config.dump(study))
        summary.write(out, variants, folders, scores, reference)
        left = [each for each in trainings if each.commands(scores)]
        for each in left:
            write_whole(each.folder.with_suffix(".yaml"), config.dump(each.study))
        with closing(_finished(left, scores, workers, out.name)) as finished:
            for folder, failure in finished:
                print(f"{folder}: {failure or 'scored'}", flush=True)
                if failure:
                    failed.append(f"{folder}: {failure}")
                else:
                    summary.write(out, variants, folders, scores, reference)
    if (out / summary.TABLE).exists():
        print(f"\n{(out / summary.TABLE).read_text()}\nfigure:  {out / summary.FIGURE}")
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(trainings)} runs failed; the same command tries them again:\n"
            + "\n".join(f"  - {line}" for line in failed)
        )


def _finished(
    trainings: Sequence[Training], scores: Mapping[str, Path | None], workers: int, group: str
) -> Generator[tuple[Path, str]]:
    """Finish each run; gives its folder, and what went wrong if something did."""
    work = [
        processes.Work(
            each.folder, each.commands(scores), {"WANDB_RUN_GROUP": group, "WANDB_TAGS": each.variant}
        )
        for each in trainings
    ]
    before = sum(each.epochs() for each in trainings)
    total = sum(each.study.train.epochs for each in trainings) - before
    with progress("train", total, "epochs") as report:

        def look() -> None:
            report(sum(each.epochs() for each in trainings) - before)

        with closing(processes.finished(work, workers, look)) as finished:
            yield from finished


def _with_seed(study: StudyConfig, seed: int) -> StudyConfig:
    values = config.merge(study.model_dump(mode="json"), {"train": {"seed": seed}})
    return config.validate(StudyConfig, values, source=f"--seeds {seed}")


def _require_data(study: StudyConfig, others: Sequence[Path]) -> dict[str, Path | None]:
    """What each run is scored on: a name, and the data set's folder where it is not the study's own.

    Raises:
        ValueError: a data set is missing, damaged, of another survey or without samples; two would have one
            name.
    """
    survey = Survey(study.grid, study.survey)
    own = DataSet.read(study.storage.folder)
    require_survey(own, survey, "this study's")
    require_complete(own, study.storage, "complete it with 'fwi simulate' and the same --config and flags")
    for split in config.SPLITS:
        ShotDataset([own], split)  # refuses a split without samples, hours before it is asked for
        own.verify(split)
    scores: dict[str, Path | None] = {"test": None, "validation": None}
    for folder in others:
        if folder.name in scores:
            raise ValueError(f"--data {folder}: '{folder.name}' is taken; data sets need names of their own")
        data = DataSet.read(folder)
        require_survey(data, survey, "this study's")
        ShotDataset([data], "test")
        data.verify("test")
        scores[folder.name] = folder
    return scores


def _require_same(out: Path, study: StudyConfig, trainings: Sequence[Training]) -> None:
    """Refuse a folder whose runs are not those that are wanted.

    Raises:
        RunError: it is of another study, or a variant has changed since a run of it was begun.
    """
    pairs = [(out / STUDY, study)] + [(each.folder / run_folder.CONFIG, each.study) for each in trainings]
    for file, wanted in pairs:
        if not file.exists():
            continue
        different = [
            f"{key}: {value} wanted, {there} there"
            for key, there, value in run_folder.changed(config.load([file], earlier=True), wanted)
        ]
        if different:
            raise RunError(
                f"{file} is of another study or variant; choose another --out, or put these back:\n"
                + "\n".join(f"  - {line}" for line in different)
            )
