"""``fwi train``: data, network, run, result."""

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import tyro

from experiments.flags import Study, taken
from experiments.progress import progress
from fwi import checkpoints, run_folder
from fwi.calibrate import AFTER_TRAINING, calibrate_run
from fwi.check import require_resolved
from fwi.config import StudyConfig
from fwi.data import ShotDataset, require_complete
from fwi.files import locked, refuse_links
from fwi.manifest import DataSet
from fwi.networks.rehearsal import require_trainable
from fwi.networks.synchronised import all_gather
from fwi.provenance import provenance
from fwi.run import load_run
from fwi.survey import Survey
from fwi.training import ranks
from fwi.training.callbacks import EpochTable, ProgressLines, WandbRun, columns
from fwi.training.fit import datasets, fit, quiet, take_part
from fwi.training.guards import RunFolder
from fwi.training.processes import together
from fwi.training.ranks import Rank
from fwi.training.start import read_start
from fwi.trust.judge import TrustError


def train(study: Study, run: Path, resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False) -> None:
    """Train the study's network on its data set.

    Args:
        study: the study; on --resume the run's own, of which train.devices and train.nodes may be changed.
        run: the run's folder, new unless --resume.
        resume: go on from the last epoch that the run finished.
    """
    rank = ranks.find(study.train)
    if resume:
        run_folder.require_own(run, study)
    # A run that was stopped in its first epoch has no checkpoint: it starts over.
    goes_on = resume and (run / run_folder.LAST).exists()
    if not rank.first:
        take_part(rank, all_gather, study, run, goes_on)
        return

    refuse_links(run, "checkpoints", "wandb")
    training, validation = _require_startable(study, run, resume, rank)
    own = [RunFolder(run), WandbRun(study, run, validation), ProgressLines()]
    own.append(EpochTable(run / "metrics.csv", columns(study)))
    with _resumable(run):
        if not resume:
            run_folder.begin(run, study)
        with locked(run), quiet(), together(rank, take_part, study, run, goes_on) as gather:
            run_folder.note(
                run, "train", {**provenance(), "data": run_folder.described(training, validation)}
            )
            fitted = fit(rank, gather, study, run, goes_on, (training, validation), own)

    best = float(fitted.checkpoint_callback.best_model_score)  # type: ignore[union-attr]
    reached = f"loss of the spread {best:.4g}" if study.train.freeze else f"MAE {best:.1f} m/s"
    print(f"{run}: {fitted.current_epoch} epochs, best validation {reached}")
    if study.trust.after_training:
        _calibrate(run, training, validation)


def _calibrate(run: Path, training: ShotDataset, validation: ShotDataset) -> None:
    """Calibrate the verdicts of a trained run on a few validation samples, and say what they guarantee."""
    try:
        made = calibrate_run(load_run(run), validation, training, samples=AFTER_TRAINING, progress=progress)
        print(f"{run}: verdicts calibrated on {len(validation)} validation samples: {made.trust.guarantee}")
    except TrustError as reason:
        print(f"{run}: verdicts not calibrated: {reason}")
    except KeyboardInterrupt as stopped:
        stopped.add_note(
            f"the network is trained; go on with: {shlex.join(['fwi', 'calibrate', '--run', str(run)])}"
        )
        raise


def _require_startable(
    study: StudyConfig, run: Path, resume: bool, rank: Rank
) -> tuple[ShotDataset, ShotDataset]:
    """Open the data, and refuse what cannot be trained before anything is written.

    Raises:
        ValueError: the run, its data, the network or the devices do not fit each other.
    """
    if not resume:
        run_folder.require_new(run)
    first_set = DataSet.read(study.storage.folder)
    require_complete(first_set, study.storage, f"complete it with '{_simulate_command(run, resume)}'")
    training, validation = datasets(study)
    training[0]  # refuses records alone
    if not resume:
        read_start(study)
    if resume:
        run_folder.require_same_data(run, run_folder.described(training, validation))
    survey, batch = Survey(study.grid, study.survey), min(study.train.batch_size, len(training))
    rank.require_equal_parts(batch)
    require_resolved(survey, study.physics, study.check)
    require_trainable(study.model, survey, batch // rank.processes)
    if resume and (run / run_folder.LAST).exists():
        checkpoints.read(run, run_folder.LAST, study)
    return training, validation


def _simulate_command(run: Path, resume: bool) -> str:
    """The command that completes the study's data set: this one's files and flags, which it takes too."""
    if resume:
        words = ["--config", str(run / run_folder.CONFIG)]
    else:
        words = taken("--run", sys.argv[2:])[1] if sys.argv[1:2] == ["train"] else []
    return shlex.join(["fwi", "simulate", *words])


@contextlib.contextmanager
def _resumable(run: Path) -> Iterator[None]:
    """Note on whatever ends the training how to go on; the trainer turns Ctrl-C into an exit of its own."""
    try:
        yield
    except BaseException as error:
        ended = KeyboardInterrupt() if isinstance(error, SystemExit) else error
        ended.add_note(f"go on with: {shlex.join(['fwi', 'train', '--run', str(run), '--resume'])}")
        raise ended from None
