"""``fwi train``: data, network, run, result."""

import contextlib
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from lightning import Trainer, seed_everything  # noqa: TID253 - nobody imports this file but to train
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, LambdaCallback  # noqa: TID253

from experiments.cli import Study, taken
from fwi import run_folder
from fwi.check import require_resolved
from fwi.config import StudyConfig
from fwi.data import (
    GatherTransform,
    ShotDataset,
    evaluation_loader,
    require_complete,
    require_survey,
    training_loader,
)
from fwi.files import locked, refuse_links
from fwi.metrics import monitored
from fwi.networks.rehearsal import require_trainable
from fwi.networks.synchronised import Gather, all_gather, synchronise
from fwi.provenance import provenance, quiet
from fwi.shards import DataSet
from fwi.survey import Survey
from fwi.training import ranks
from fwi.training.callbacks import (
    Checkpoints,
    EarlyStop,
    EpochTable,
    LastCheckpoint,
    ProgressLines,
    WandbRun,
    WholeFiles,
)
from fwi.training.guards import FiniteLoss, RunFolder
from fwi.training.ranks import Rank
from fwi.training.task import InversionTask, precision


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
    own = [RunFolder(run), WandbRun(study, run, validation), EpochTable(run / "metrics.csv"), ProgressLines()]
    with _resumable(run):
        if not resume:
            run_folder.begin(run, study)
        with locked(run), quiet(), ranks.together(rank, take_part, study, run, goes_on) as gather:
            run_folder.note(
                run, "train", {**provenance(), "data": run_folder.described(training, validation)}
            )
            run_folder.write_mean_model(run, training.mean_model())
            fitted = fit(rank, gather, study, run, goes_on, (training, validation), own)

    best = float(fitted.checkpoint_callback.best_model_score)
    print(f"{run}: {fitted.current_epoch} epochs, best validation MAE {best:.1f} m/s")


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
    if resume:
        run_folder.require_same_data(run, run_folder.described(training, validation))
    survey, batch = Survey(study.grid, study.survey), min(study.train.batch_size, len(training))
    rank.require_equal_parts(batch)
    require_resolved(survey, study.physics, study.check)
    require_trainable(study.model, survey, batch // rank.processes)
    if resume and (run / run_folder.LAST).exists():
        run_folder.read_checkpoint(run, run_folder.LAST, study)
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


def take_part(rank: Rank, gather: Gather, study: StudyConfig, run: Path, goes_on: bool) -> None:
    """Train as one of the processes that do not own the run."""
    with quiet():
        fit(rank, gather, study, run, goes_on, datasets(study, verify=False), ())


def fit(
    rank: Rank,
    gather: Gather,
    study: StudyConfig,
    run: Path,
    goes_on: bool,
    data: tuple[ShotDataset, ShotDataset],
    own: Sequence[Callback],
) -> Trainer:
    """Train in one of the run's processes; ``own`` is what the first one does beside."""
    training, validation = data
    task = seeded_task(study, training)
    if rank.processes > 1:
        synchronise(task.network, gather)
        torch.manual_seed(study.train.seed + rank.number)  # what is drawn for samples; weights are there
    place = {"device": rank.number, "devices": rank.processes}
    loader = training_loader(training, study.data, study.train.batch_size, study.train.seed, **place)
    if goes_on:
        # The trainer tells the sampler its epoch too late for worker processes, which read ahead.
        loader.sampler.set_epoch(run_folder.read_checkpoint(run, run_folder.LAST, study)["epoch"] + 1)
    started: list[bool] = []
    fitted = trainer(
        study,
        [
            *own,
            LambdaCallback(on_train_start=lambda *_: started.append(True)),
            FiniteLoss(run),
            *callbacks(study, run, len(training)),
        ],
        plugins=[WholeFiles(run)],
        num_sanity_val_steps=0,
        default_root_dir=run,
        **ranks.options(rank),
    )
    # The command line answers signals; the trainer's answer to SIGTERM is to go on until the end of the step.
    fitted._signal_connector.register_signal_handlers = lambda: None
    try:
        fitted.fit(
            task,
            loader,
            evaluation_loader(validation, study.data, study.train.batch_size, **place),
            ckpt_path=run / run_folder.LAST if goes_on else None,
            weights_only=True,
        )
    except (RuntimeError, LookupError, TypeError, AttributeError) as error:
        if "DataLoader worker" in str(error):
            raise ChildProcessError(
                f"{run}: a process that loads samples was killed, perhaps because the memory ran out: go on "
                "with --resume, and with less else in memory"
            ) from None
        if "out of memory" in str(error) or "allocate memory" in str(error):
            raise ValueError(
                f"{run}: the memory does not suffice for a step of {study.train.batch_size} samples: take a "
                "smaller train.batch_size, fewer model.channels, or more train.devices, and another --run"
            ) from None
        if goes_on and not started:
            why = f"{type(error).__name__}: {str(error).strip().splitlines()[-1].strip()}"
            raise run_folder.RunError(
                f"{run / run_folder.LAST}: training cannot go on from it ({why})"
            ) from None
        raise
    return fitted


def datasets(study: StudyConfig, verify: bool = True) -> tuple[ShotDataset, ShotDataset]:
    """Open the training and the validation split.

    Args:
        study: names the data sets.
        verify: make sure that they are whole and of this survey.

    Raises:
        ShardError: a data set is missing, damaged, or of another survey.
    """
    sets = [DataSet.read(folder) for folder in (study.storage.folder, *study.data.extra_folders)]
    if verify:
        survey = Survey(study.grid, study.survey)
        for data in sets:
            require_survey(data, survey, "this study's")
            data.verify("train")
        sets[0].verify("validation")
        survey.check_flip(study.data.flip)
    return ShotDataset(sets, "train"), ShotDataset(sets[:1], "validation")


def seeded_task(study: StudyConfig, training: ShotDataset) -> InversionTask:
    """Seed everything, and make the task with the training split's statistics, laid out as the study asks."""
    seed_everything(study.train.seed, verbose=False)
    task = InversionTask(
        study.model_dump(mode="json"), GatherTransform.measured(study.data.amplitude, training)
    )
    task.lay_out()
    return task


def trainer(study: StudyConfig, callbacks: Sequence[Callback], **others: Any) -> Trainer:
    """Lightning's trainer with the study's epochs, precision and clipping, which prints nothing."""
    return Trainer(
        max_epochs=study.train.epochs,
        precision=precision(study.train.precision),
        gradient_clip_val=study.train.clip or None,
        callbacks=list(callbacks),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **others,
    )


def callbacks(study: StudyConfig, run: Path, samples: int) -> list[Callback]:
    """Moving average, checkpoints, early stop."""
    chosen = moving_average(study, samples)
    chosen += [Checkpoints(run), LastCheckpoint(run)]
    stop = study.train.early_stop
    if stop.metric:
        mode = monitored()[stop.metric]
        chosen.append(EarlyStop(stop.metric, patience=stop.patience, mode=mode))
    return chosen


def moving_average(study: StudyConfig, samples: int) -> list[Callback]:
    """The study's average of the weights over the steps, if it has one; ``samples`` are an epoch's."""
    if not study.train.ema:
        return []
    # The first weights are random: an average that began with them would take epochs to forget them.
    begin = samples // study.train.batch_size // 2
    return [EMAWeightAveraging(decay=study.train.ema, update_starting_at_step=begin)]
