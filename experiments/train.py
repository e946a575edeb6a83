"""``fwi train``: data, network, run, result."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from lightning import Trainer, seed_everything  # noqa: TID253 - nobody imports this file but to train
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging  # noqa: TID253

from experiments.callbacks import (
    Checkpoints,
    EarlyStop,
    EpochTable,
    LastCheckpoint,
    ProgressLines,
    WandbRun,
    WholeFiles,
)
from experiments.cli import Study
from fwi import runs
from fwi.check import require_resolved
from fwi.config import StudyConfig
from fwi.data import GatherTransform, ShotDataset, evaluation_loader, require_survey, training_loader
from fwi.files import locked, refuse_links
from fwi.networks.rehearsal import require_trainable
from fwi.shards import DataSet
from fwi.survey import Survey
from fwi.task import InversionTask, precision
from fwi.tracking import provenance, quiet


def train(study: Study, run: Path, resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False) -> None:
    """Train the study's network on its data set.

    Args:
        study: the study; on --resume the run's own, of which nothing may be changed.
        run: the run's folder, new unless --resume.
        resume: go on from the last epoch that the run finished.
    """
    if resume:
        runs.require_own(run, study)
    else:
        runs.require_new(run)
    refuse_links(run, "checkpoints", "wandb")
    training, validation = datasets(study)
    survey = Survey(study.grid, study.survey)
    require_resolved(survey, study.physics, study.check)
    require_trainable(study.model, survey, min(study.train.batch_size, len(training)))

    task = seeded_task(study, training)
    loader = training_loader(training, study.data, study.train.batch_size, study.train.seed)
    wandb_run = WandbRun(study, run, validation)
    # A run that was stopped in its first epoch has no checkpoint: it starts over.
    finished_an_epoch = resume and (run / runs.LAST).exists()
    if finished_an_epoch:
        # The trainer tells the sampler its epoch too late for worker processes, which read ahead.
        loader.sampler.set_epoch(runs.read_checkpoint(run, runs.LAST, study)["epoch"] + 1)
    if not resume:
        runs.begin(run, study)
    with _resumable(run), locked(run), quiet():
        runs.note(run, "train", provenance())
        runs.write_mean_model(run, training.mean_model())
        fitted = trainer(
            study,
            [wandb_run, *callbacks(study, run, len(training))],
            num_sanity_val_steps=0,
            default_root_dir=run,
        )
        fitted.fit(
            task,
            loader,
            evaluation_loader(validation, study.data, study.train.batch_size),
            ckpt_path=run / runs.LAST if finished_an_epoch else None,
            weights_only=True,
        )

    best = float(fitted.checkpoint_callback.best_model_score)
    print(f"{run}: {fitted.current_epoch} epochs, best validation MAE {best:.1f} m/s")


@contextlib.contextmanager
def _resumable(run: Path) -> Iterator[None]:
    """Say at Ctrl-C how to go on; the trainer turns it into an exit of its own."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise KeyboardInterrupt(f"interrupted; go on with: fwi train --run {run} --resume") from None


def datasets(study: StudyConfig) -> tuple[ShotDataset, ShotDataset]:
    """Open the training and the validation split, after making sure that they are whole and of this survey.

    Raises:
        ShardError: a data set is missing, damaged, or of another survey.
    """
    sets = [DataSet.read(folder) for folder in (study.storage.folder, *study.data.extra_folders)]
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
        plugins=[WholeFiles()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **others,
    )


def callbacks(study: StudyConfig, run: Path, samples: int) -> list[Callback]:
    """Moving average, checkpoints, table of epochs, progress, early stop."""
    chosen = moving_average(study, samples)
    chosen += [Checkpoints(run), LastCheckpoint(run), EpochTable(run / "metrics.csv"), ProgressLines()]
    stop = study.train.early_stop
    if stop.metric:
        mode = "max" if stop.metric.endswith("iou") else "min"
        chosen.append(EarlyStop(stop.metric, patience=stop.patience, mode=mode))
    return chosen


def moving_average(study: StudyConfig, samples: int) -> list[Callback]:
    """The study's average of the weights over the steps, if it has one; ``samples`` are an epoch's."""
    if not study.train.ema:
        return []
    # The first weights are random: an average that began with them would take epochs to forget them.
    begin = samples // study.train.batch_size // 2
    return [EMAWeightAveraging(decay=study.train.ema, update_starting_at_step=begin)]
