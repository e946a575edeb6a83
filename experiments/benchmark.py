"""``fwi benchmark``: how fast and how lean simulating, loading and training are, against peers of the same run.

An idle and a busy machine differ threefold, so what is compared takes turns (A B A B ...): a ratio is the
median over the turns of one side by the other, and the absolute figures are only its parts.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, NamedTuple

import tyro

from data_prep.simulate import make, salt_jobs
from experiments.cli import Study
from fwi import config
from fwi.config import StudyConfig
from fwi.files import write_whole
from fwi.shards import DataSet
from fwi.survey import Survey
from fwi.tracking import provenance, quiet

Benchmarked = Literal["simulate", "load", "train"]

BARE_SECONDS = 5.0
"""How long a turn of the bare wave equation runs."""

AMORTISED_SECONDS = 60.0
"""Work per process in which the start of the pool, 3 to 5 s, does not count."""

TIMED_STEPS = 8
"""Steps of training in a turn."""


class Figure(NamedTuple):
    """Something measured, turn by turn."""

    name: str
    unit: str
    turns: list[float]
    meaning: str
    target: float | None = None

    @property
    def value(self) -> float:
        """The median over the turns."""
        return statistics.median(self.turns)

    def by(self, other: "Figure", name: str, meaning: str, target: float | None = None) -> "Figure":
        """This by another figure, turn by turn."""
        ratios = [mine / theirs for mine, theirs in zip(self.turns, other.turns, strict=True)]
        return Figure(name, "x", ratios, meaning, target)


def benchmark(
    study: Study,
    what: tyro.conf.Positional[Benchmarked],
    samples: int | None = None,
    repeats: int = 3,
    workers: int = os.cpu_count() or 1,
    out: Path | None = None,
) -> None:
    """Measure a part of the work at a study's size, on data made for it in a temporary folder.

    Args:
        study: the study.
        what: simulate: fwi simulate against the bare wave equation; load: the loader against what a training step
            eats; train: the step against plain float32 PyTorch. simulate and train also tell their peak memory.
        samples: size of the data set; by default enough for a minute's work (simulate), 64 (load) or 256 (train).
        repeats: turns of each side.
        workers: processes that simulate.
        out: write the figures, turn by turn, to this JSON file too.
    """
    if repeats < 1 or workers < 1 or (samples is not None and samples < 4):
        raise ValueError("benchmark needs --samples 4 or more, and at least one of --repeats and --workers")
    began = _load_average()
    measure = {"simulate": _simulate, "load": _load, "train": _train}[what]
    with tempfile.TemporaryDirectory(prefix="fwi-benchmark-") as folder:
        samples, figures = measure(study, samples, repeats, workers, Path(folder))
    print(f"{what}: {samples} samples of {_size(study)}, {workers} workers; medians of {repeats} turns")
    print(
        f"load average {began:.1f} before the start, {os.cpu_count()} CPUs: ratios (x) hold, other figures vary\n"
    )
    print(_table(figures))
    if out:
        measured = [{**figure._asdict(), "value": figure.value} for figure in figures]
        content = {
            "what": what,
            "samples": samples,
            "workers": workers,
            "load_average": began,
            "figures": measured,
        }
        content |= {"study": study.model_dump(mode="json"), "provenance": provenance()}
        write_whole(out, json.dumps(content, indent=1))


# -- simulate


def _simulate(
    study: StudyConfig, samples: int | None, repeats: int, workers: int, folder: Path
) -> tuple[int, list[Figure]]:
    one, many, seconds, peaks = [], [], [], []
    cells = cell_updates(study) / 1e6
    for turn in range(repeats):
        one.append(cells * sum(_bare_processes(study, 1)))
        many.append(cells * sum(_bare_processes(study, workers)))
        if samples is None:
            samples = workers * math.ceil(AMORTISED_SECONDS * one[0] / cells)
        usage = _simulate_command(study, samples, workers, folder / f"set-{turn}", samples)
        seconds.append(usage.seconds)
        peaks.append(usage.peak)
    quarter = _simulate_command(study, samples // 4, workers, folder / "quarter", samples)

    ours = Figure(
        "fwi simulate",
        "Mcell/s",
        [samples * cells / s for s in seconds],
        "the whole command, start and files included",
    )
    bare = Figure("deepwave", "Mcell/s", one, "deepwave.scalar in a loop, one process of one thread")
    ideal = Figure(
        f"{workers} x deepwave", "Mcell/s", [workers * rate for rate in one], "if the machine were ideal"
    )
    at_once = Figure(f"{workers} deepwave", "Mcell/s", many, f"the same loop in {workers} processes at once")
    full = Figure(f"peak, {samples} samples", "MB", peaks, "resident memory of the command's largest process")
    part = Figure(
        f"peak, {samples // 4} samples", "MB", [quarter.peak] * repeats, "the same with a quarter of the set"
    )
    return samples, [
        ours,
        bare,
        at_once,
        ours.by(ideal, "against ideal", f"fwi simulate by {workers} times one deepwave", 0.9),
        ours.by(
            at_once, "against possible", f"fwi simulate by {workers} deepwave at once: what is lost is ours"
        ),
        full,
        part,
        full.by(part, "memory, 4 x set", "peak by peak: 1 where memory does not grow with the data set"),
    ]


def cell_updates(study: StudyConfig) -> int:
    """Cell updates that one sample takes: cells with absorbing layer, times time steps, times shots."""
    grid, width = study.grid, study.physics.pml_width
    above = 0 if study.survey.top == "free" else width
    return (grid.nz + width + above) * (grid.nx + 2 * width) * study.survey.nt * study.survey.shots


def _simulate_command(study: StudyConfig, samples: int, workers: int, folder: Path, largest: int) -> "Usage":
    """Run ``fwi simulate`` for a set; shards are those of the largest set, and at least one per worker."""
    shard = min(study.storage.samples_per_shard, max(1, largest // 4 // workers))
    study = _stored(study, folder, train=samples, samples_per_shard=shard)
    return _command(study, folder, "simulate", "--workers", str(workers))


def _bare_processes(study: StudyConfig, processes: int) -> list[float]:
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return list(pool.map(_bare, [study] * processes, [BARE_SECONDS] * processes))


def _bare(study: StudyConfig, seconds: float) -> float:
    """Samples per second of deepwave alone, on one thread."""
    import deepwave
    import torch

    from data_prep.salt import generate
    from fwi.physics import Propagator
    from fwi.survey import COURANT_LIMIT

    torch.set_num_threads(1)
    survey, physics = study.survey, study.physics
    geometry = Propagator(Survey(study.grid, survey), physics)
    boundary, pml_width = deepwave.boundaries(
        2, top="free" if survey.top == "free" else "pml", width=physics.pml_width
    )
    velocity = torch.from_numpy(generate(study.grid, study.salt, stream=0, index=0).velocity)
    source_amplitudes = geometry.wavelet.expand(survey.shots, 1, -1).contiguous()

    def record() -> None:
        deepwave.scalar(
            velocity,
            study.grid.spacing,
            survey.dt,
            source_amplitudes=source_amplitudes,
            source_locations=geometry.shot_cells,
            receiver_locations=geometry.receiver_cells,
            accuracy=physics.order,
            boundary=boundary,
            pml_width=pml_width,
            pml_freq=survey.wavelet.frequency,
            max_vel=study.grid.velocity[1],
            courant_number=COURANT_LIMIT * (1 + 1e-6),
        )

    with torch.inference_mode():
        record()  # the first call loads libraries
        done, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds or not done:
            record()
            done += 1
    return done / passed


# -- load and train


def _load(
    study: StudyConfig, samples: int | None, repeats: int, workers: int, folder: Path
) -> tuple[int, list[Figure]]:
    samples = samples or 64
    study = _stored(study, folder / "data", train=samples)
    data = make(study, salt_jobs(study), workers)
    from fwi.data import ShotDataset, training_loader

    loader = training_loader(
        ShotDataset([data], "train"), study.data, study.train.batch_size, study.train.seed
    )

    def load() -> int:
        return sum(len(batch.velocity) for batch in loader)

    loaded, eaten = _turns(study, data, repeats, load)
    supply = Figure(
        "loader", "samples/s", loaded, f"the training loader alone, data.workers {study.data.workers}"
    )
    demand = Figure("training step", "samples/s", eaten, "what the trainer eats when batches lie in memory")
    per_sample = sum(entry.bytes for entry in data.entries) / samples / 1e6
    read = Figure(
        "to read", "MB/s", [per_sample * rate for rate in eaten], "what the training step needs of the disk"
    )
    meaning = (
        "loader by training step; files come from the system's cache, as in all epochs but the first of a set"
    )
    return samples, [supply, demand, read, supply.by(demand, "supply", meaning, 3.0)]


def _train(
    study: StudyConfig, samples: int | None, repeats: int, workers: int, folder: Path
) -> tuple[int, list[Figure]]:
    samples = samples or 256
    storage = {"validation": study.train.batch_size, "samples_per_shard": max(1, samples // 4 // workers)}
    peaks = []
    # Before torch is loaded here: a child's peak is never reported lower than its parent's.
    for size in (samples // 4, samples):
        grown = _stored(study, folder / "data", train=size, **storage)
        data = make(grown, salt_jobs(grown), workers)
        peaks.append(_command(grown, folder, "train", "--run", str(folder / f"run-{size}")).peak)

    from fwi.data import GatherTransform, ShotDataset

    transform = GatherTransform.measured(study.data.amplitude, ShotDataset([data], "train"))
    plain = _PlainTraining(study, transform, _batches(data, study.train.batch_size))
    theirs, ours = _turns(study, data, repeats, plain.epoch)

    step = Figure(
        "training step",
        "samples/s",
        ours,
        "the trainer: precision, memory order, clip and average of the study",
    )
    peer = Figure(
        "plain PyTorch",
        "samples/s",
        theirs,
        "the same network and optimiser: eager float32, contiguous, no more",
    )
    part = Figure(
        f"peak, {samples // 4} samples", "MB", [peaks[0]], "resident memory of fwi train, one epoch"
    )
    full = Figure(f"peak, {samples} samples", "MB", [peaks[1]], "the same with four times the set")
    return samples, [
        step,
        peer,
        step.by(peer, "speed-up", "training step by plain PyTorch", 3.0),
        part,
        full,
        full.by(part, "memory, 4 x set", "peak by peak: 1 where memory does not grow with the data set"),
    ]


def _turns(
    study: StudyConfig, data: DataSet, repeats: int, other: Callable[[], int]
) -> tuple[list[float], list[float]]:
    """Samples per second of ``other`` and of the trainer's steps on batches in memory, in turns.

    Each epoch of the trainer is a turn; ``other`` has its own when the epoch is over, and returns how many
    samples it saw. The first turn warms up.
    """
    import torch
    from lightning import Trainer, seed_everything
    from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, LambdaCallback

    from fwi.data import GatherTransform, ShotDataset
    from fwi.task import InversionTask, precision

    seed_everything(study.train.seed, verbose=False)
    transform = GatherTransform.measured(study.data.amplitude, ShotDataset([data], "train"))
    task = InversionTask(study.model_dump(mode="json"), transform)
    task.to(memory_format=torch.channels_last if study.train.channels_last else torch.contiguous_format)
    if study.train.compile:
        task.network.compile()
    batches = _batches(data, study.train.batch_size)
    samples = sum(len(batch.velocity) for batch in batches)
    theirs, ours, started = [], [], [0.0]

    def begin(*_: Any) -> None:
        started[0] = time.perf_counter()

    def end(*_: Any) -> None:
        ours.append(samples / (time.perf_counter() - started[0]))
        start = time.perf_counter()
        seen = other()
        theirs.append(seen / (time.perf_counter() - start))

    callbacks: list[Callback] = [LambdaCallback(on_train_epoch_start=begin, on_train_epoch_end=end)]
    if study.train.ema:
        callbacks.append(EMAWeightAveraging(decay=study.train.ema))
    with quiet():
        trainer = Trainer(
            max_epochs=repeats + 1,
            precision=precision(study.train.precision),
            gradient_clip_val=study.train.clip or None,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(task, batches)
    return theirs[1:], ours[1:]


class _PlainTraining:
    """The study's network trained as a first script would: eager, float32, contiguous."""

    def __init__(self, study: StudyConfig, transform: Any, batches: list[Any]) -> None:
        import torch

        from fwi.task import InversionTask

        plain = study.train.model_copy(update={"channels_last": False})
        self.task = InversionTask(
            study.model_copy(update={"train": plain}).model_dump(mode="json"), transform
        )
        self.task.to("cuda" if torch.cuda.is_available() else "cpu")
        optimizer = torch.optim.Adam if study.train.optimizer == "adam" else torch.optim.AdamW
        self.optimizer = optimizer(self.task.parameters(), study.train.learning_rate)
        self.batches = batches

    def epoch(self) -> int:
        device = self.task.device
        for batch in self.batches:
            self.optimizer.zero_grad()
            loss = self.task.loss(self.task(batch.gathers.to(device)), batch.velocity.to(device))
            loss.backward()
            self.optimizer.step()
        float(loss)  # waits for the device
        return sum(len(batch.velocity) for batch in self.batches)


def _batches(data: DataSet, batch_size: int) -> list[Any]:
    """The first batches of the training split, in memory."""
    from torch.utils.data import default_collate

    from fwi.data import ShotDataset

    dataset = ShotDataset([data], "train")
    size = min(batch_size, len(dataset))
    count = min(TIMED_STEPS, len(dataset) // size)
    return [default_collate([dataset[i] for i in range(n * size, (n + 1) * size)]) for n in range(count)]


# -- commands in processes of their own


class Usage(NamedTuple):
    """What a command took."""

    seconds: float
    peak: float
    """Largest resident memory of one of its processes [MB]."""


def _command(study: StudyConfig, folder: Path, *arguments: str) -> Usage:
    """Run an ``fwi`` command with a study of its own, as a user would."""
    file = folder.with_name(f"{folder.name}.yaml")
    write_whole(file, config.dump(study))
    command = [sys.executable, "-m", "experiments.cli", arguments[0], "--config", str(file), *arguments[1:]]
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise OSError(f"'fwi {arguments[0]}' failed:\n{log.read().decode(errors='replace')}")
    return Usage(seconds, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024))


def _stored(study: StudyConfig, folder: Path, **storage: int) -> StudyConfig:
    """The study with another, small data set, one epoch, and no tracking."""
    values = {"folder": folder, "validation": 0, "test": 0, **storage}
    return study.model_copy(
        update={
            "storage": study.storage.model_copy(update=values),
            "data": study.data.model_copy(update={"extra_folders": ()}),
            "train": study.train.model_copy(update={"epochs": 1}),
            "tracking": study.tracking.model_copy(update={"mode": "disabled"}),
        }
    )


# -- what is printed


def _size(study: StudyConfig) -> str:
    grid, survey = study.grid, study.survey
    return f"{grid.nz} x {grid.nx} cells, {survey.shots} shots, {survey.nt} steps ({cell_updates(study) / 1e6:.0f} Mcell)"


def _table(figures: Iterable[Figure]) -> str:
    rows = [("", "median", "lowest .. highest", "target", "what it is")]
    for figure in figures:
        spread = f"{_number(min(figure.turns))} .. {_number(max(figure.turns))}"
        target = f"{figure.target:g}" if figure.target else ""
        rows.append((figure.name, f"{_number(figure.value)} {figure.unit}", spread, target, figure.meaning))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _load_average() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
