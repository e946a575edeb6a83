"""Fitting: data, task, trainer and callbacks of one process of a training."""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer, seed_everything  # noqa: TID253 - nobody imports this file but to train
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, LambdaCallback  # noqa: TID253

from fwi import checkpoints, memory, run_folder
from fwi.config import StudyConfig
from fwi.data import ShotDataset, evaluation_loader, require_survey, training_loader
from fwi.inverter import Array
from fwi.manifest import DataSet
from fwi.metrics import monitored
from fwi.networks.synchronised import Gather, synchronise
from fwi.normalisation import Normalisation
from fwi.survey import Survey
from fwi.training import ranks
from fwi.training.callbacks import Checkpoints, EarlyStop, LastCheckpoint, WholeFiles
from fwi.training.guards import FiniteLoss
from fwi.training.ranks import Rank
from fwi.training.start import begin_with, read_start
from fwi.training.task import InversionTask, precision


def take_part(rank: Rank, gather: Gather, study: StudyConfig, run: Path, goes_on: bool) -> None:
    """Train as one of the processes that do not own the run.

    Args:
        rank: which of the training's processes this is.
        gather: gathers tensors of all processes.
        study: the study.
        run: the run's folder.
        goes_on: whether the run is resumed.
    """
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
    """Train in one of the run's processes.

    Args:
        rank: which of the training's processes this is.
        gather: gathers tensors of all processes.
        study: the study.
        run: the run's folder.
        goes_on: whether the run is resumed.
        data: training and validation samples.
        own: callbacks of the first process alone, which logs and writes tables and checkpoints.

    Returns:
        The trainer, when the training has ended.
    """
    memory.keep_freed()
    training, validation = data
    mean_model = None
    start = None if goes_on else read_start(study)
    if rank.first:
        mean_model = training.mean_model()
        run_folder.write_mean_model(run, mean_model)
    task = seeded_task(study, training, mean_model)
    if start is not None:
        begin_with(task.inverter, start)
    if rank.processes > 1:
        synchronise(task.inverter, gather)
        torch.manual_seed(study.train.seed + rank.number)  # what is drawn for samples; weights are there
    place = {"device": rank.number, "devices": rank.processes}
    loader = training_loader(training, study.data, study.train.batch_size, study.train.seed, **place)
    if goes_on:
        # The trainer tells the sampler its epoch too late for worker processes, which read ahead.
        loader.sampler.set_epoch(checkpoints.read(run, run_folder.LAST, study)["epoch"] + 1)  # type: ignore[attr-defined]
    started: list[bool] = []
    fitted = trainer(
        study,
        [
            *own,
            LambdaCallback(on_train_start=lambda *_: started.append(True)),
            FiniteLoss(run),
            *callbacks(study, run, len(training)),
        ],
        plugins=[WholeFiles(run, task.inverter)],
        num_sanity_val_steps=0,
        default_root_dir=run,
        **ranks.options(rank),
    )
    # The command line answers signals; the trainer's answer to SIGTERM is to go on until the end of the step.
    fitted._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
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


def seeded_task(study: StudyConfig, training: ShotDataset, mean_model: Array | None = None) -> InversionTask:
    """Seed all random numbers, and make the task, laid out in memory as the study asks.

    Args:
        study: the study.
        training: training samples, whose statistics normalise the records.
        mean_model: mean of the training models [m/s], shape ``(depth, x)``; computed if None.
    """
    seed_everything(study.train.seed, verbose=False)
    task = InversionTask(study, Normalisation.measured(study.data, training), mean_model)
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
    """Make the callbacks that every training has: moving average, checkpoints, early stop.

    Args:
        study: the study.
        run: the run's folder.
        samples: number of training samples.
    """
    chosen = moving_average(study, samples)
    chosen += [Checkpoints(run, study.train.freeze), LastCheckpoint(run)]
    stop = study.train.early_stop
    if stop.metric:
        mode = monitored()[stop.metric]
        chosen.append(EarlyStop(stop.metric, patience=stop.patience, mode=mode))
    return chosen


def moving_average(study: StudyConfig, samples: int) -> list[Callback]:
    """Make the moving average of the weights, if the study asks for it; an epoch has ``samples``."""
    if not study.train.ema:
        return []
    # The first weights are random: an average that began with them would take epochs to forget them.
    begin = samples // study.train.batch_size // 2
    return [EMAWeightAveraging(decay=study.train.ema, update_starting_at_step=begin)]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the trainer's advice to developers; this project reports what concerns its users."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
