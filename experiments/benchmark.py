"""``fwi benchmark``: how fast and how lean simulating, loading and training are, against peers of one run.

An idle and a busy machine differ threefold, so what is compared takes turns (A B A B ...): a ratio is the
median over the turns of one side by the other, and the absolute figures are only its parts.
"""

import itertools
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
from fwi.survey import COURANT_LIMIT, Survey
from fwi.tracking import provenance, quiet

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


class Set(NamedTuple):
    """What to measure with: a study and the data set to be made for it."""

    study: StudyConfig
    samples: int | None
    """None: as many as the measurement needs."""
    workers: int
    folder: Path


def benchmark(
    study: Study,
    what: tyro.conf.Positional[Literal["simulate", "load", "train"]],
    samples: int | None = None,
    repeats: int = 3,
    workers: int = os.cpu_count() or 1,
    out: Path | None = None,
) -> None:
    """Measure a part of the work at a study's size, on data made for it in a temporary folder.

    Args:
        study: the study.
        what: simulate: fwi simulate against the bare wave equation. load: the loader against what a training
            step eats. train: the step against plain PyTorch. Simulate and train also tell their memory.
        samples: size of the data set; by default a minute's work (simulate), 64 (load) or 256 (train).
        repeats: turns of each side.
        workers: processes that simulate.
        out: write the figures, turn by turn, to this JSON file too.
    """
    if repeats < 1 or workers < 1 or (samples is not None and samples < 4):
        raise ValueError("benchmark needs 4 samples or more, and at least one of repeats and workers")
    load = os.getloadavg()[0]
    measure = {"simulate": _simulate, "load": _load, "train": _train}[what]
    with tempfile.TemporaryDirectory(prefix="fwi-benchmark-") as folder:
        samples, figures = measure(Set(study, samples, workers, Path(folder)), repeats)
    print(f"{what}: {samples} samples of {_size(study)}, --workers {workers}; medians of {repeats} turns")
    print(f"load average {load:.1f} before the start, {os.cpu_count()} CPUs: trust the ratios (x) alone\n")
    print(_table(figures))
    if out:
        measured = [{**figure._asdict(), "value": figure.value} for figure in figures]
        content: dict[str, Any] = {
            "what": what,
            "samples": samples,
            "workers": workers,
            "load_average": load,
            "figures": measured,
        }
        content |= {"study": study.model_dump(mode="json"), "provenance": provenance()}
        write_whole(out, json.dumps(content, indent=1))


# -- simulate


def _simulate(made: Set, repeats: int) -> tuple[int, list[Figure]]:
    study, _, workers, folder = made
    cells = cell_updates(study) / 1e6
    samples = made.samples or workers * math.ceil(AMORTISED_SECONDS * _bare(study).per_second)
    # Shards of the same size in the set and in its quarter, and at least one per worker.
    shard = min(study.storage.samples_per_shard, max(1, samples // 4 // workers))
    bare, commands = [], []
    for number in range(repeats):
        bare.append(_bare(study))
        whole = _stored(study, folder / f"{number}", train=samples, samples_per_shard=shard)
        commands.append(_command(whole, "simulate", "--workers", str(workers)))
    quarter = _stored(study, folder / "quarter", train=samples // 4, samples_per_shard=shard)
    small = _command(quarter, "simulate", "--workers", str(workers))

    rates = [samples * cells / command.seconds for command in commands]
    ours = Figure("fwi simulate", "Mcell/s", rates, "the whole command: start of the pool and files included")
    rates = [cells * turn.per_second for turn in bare]
    loop = Figure(
        "deepwave", "Mcell/s", rates, "deepwave.scalar in a loop: one process, one thread, no files"
    )
    ideal = loop._replace(turns=[workers * rate for rate in rates])
    cpu = Figure("", "", [samples / command.cpu_seconds for command in commands], "")
    cpu_bare = Figure("", "", [turn.per_cpu_second for turn in bare], "")
    peaks = [command.peak for command in commands]
    large = Figure(f"peak, {samples} samples", "MB", peaks, "memory of fwi simulate's largest process")
    return samples, [
        ours,
        loop,
        ours.by(ideal, "efficiency", f"fwi simulate by {workers} x deepwave; asks for an idle machine", 0.9),
        cpu.by(cpu_bare, "CPU efficiency", "the same per second of CPU time: holds on a busy machine too"),
        large,
        *_growth(large, small.peak, samples // 4),
    ]


def cell_updates(study: StudyConfig) -> int:
    """Cell updates that a sample takes: cells with their absorbing layer, times time steps, times shots."""
    grid, width = study.grid, study.physics.pml_width
    above = 0 if study.survey.top == "free" else width
    return (grid.nz + width + above) * (grid.nx + 2 * width) * study.survey.nt * study.survey.shots


class Rate(NamedTuple):
    """Samples per second by the clock, and per second of CPU time."""

    per_second: float
    per_cpu_second: float


def _bare(study: StudyConfig) -> Rate:
    """What deepwave alone does on one thread of a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_bare_loop, study, BARE_SECONDS).result()


def _bare_loop(study: StudyConfig, seconds: float) -> Rate:
    import deepwave
    import torch

    from data_prep.salt import generate

    torch.set_num_threads(1)
    config, physics, spacing = study.survey, study.physics, study.grid.spacing
    survey = Survey(study.grid, config)
    shot_x = torch.from_numpy(survey.shot_x)[:, None]
    receiver_x = torch.from_numpy(survey.receiver_x)
    shots = torch.stack([torch.full_like(shot_x, survey.shot_depth), shot_x], dim=-1)
    receivers = torch.stack([torch.full_like(receiver_x, survey.receiver_depth), receiver_x], dim=-1)
    wavelet = torch.from_numpy(survey.wavelet).float().repeat(config.shots, 1, 1)
    velocity = torch.from_numpy(generate(study.grid, study.salt, stream=0, index=0).velocity)
    boundary, pml_width = deepwave.boundaries(
        2, top="free" if config.top == "free" else "pml", width=physics.pml_width
    )

    def record() -> None:
        deepwave.scalar(
            velocity,
            spacing,
            config.dt,
            source_amplitudes=wavelet,
            source_locations=(shots / spacing).round().long(),
            receiver_locations=(receivers / spacing).round().long(),
            accuracy=physics.order,
            boundary=boundary,
            pml_width=pml_width,
            pml_freq=config.wavelet.frequency,
            max_vel=study.grid.velocity[1],
            courant_number=COURANT_LIMIT * (1 + 1e-6),
        )

    with torch.inference_mode():
        record()  # the first call loads libraries
        done, start, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - start < seconds:
            record()
            done += 1
        return Rate(done / (time.perf_counter() - start), done / (time.process_time() - cpu))


# -- load and train


def _load(made: Set, repeats: int) -> tuple[int, list[Figure]]:
    from fwi.data import ShotDataset, training_loader

    samples = made.samples or 64
    study = _stored(made.study, made.folder / "data", train=samples)
    data = make(study, salt_jobs(study), made.workers)
    loader = training_loader(
        ShotDataset([data], "train"), study.data, study.train.batch_size, study.train.seed
    )
    loaded, eaten = _turns(study, data, repeats, lambda: sum(len(batch.velocity) for batch in loader))

    processes = f"data.workers {study.data.workers}"
    supply = Figure(
        "loader", "samples/s", loaded, f"an epoch of the loader alone, {processes}, files in memory"
    )
    demand = Figure("training step", "samples/s", eaten, "steps of the trainer on batches in memory")
    return samples, [supply, demand, supply.by(demand, "supply", "loader by training step", 3.0)]


def _train(made: Set, repeats: int) -> tuple[int, list[Figure]]:
    samples = made.samples or 256
    # A quarter of the set comes first: making a set goes on from what is there.
    peaks = []
    for size in (samples // 4, samples):
        study = _stored(
            made.study,
            made.folder / "data",
            train=size,
            validation=made.study.train.batch_size,
            samples_per_shard=max(1, samples // 4 // made.workers),
        )
        data = make(study, salt_jobs(study), made.workers)
        # Before this process loads torch: a child's peak is never less than its parent's.
        # As many steps of either set: the first steps of any training still raise its peak.
        flags = ["--run", str(made.folder / f"run-{size}"), "--train.epochs", str(samples // size)]
        peaks.append(_command(study, "train", *flags).peak)
    theirs, ours = _turns(study, data, repeats, _plain_training(study, data))

    step = Figure(
        "training step", "samples/s", ours, "the trainer's, as the study has it, on batches in memory"
    )
    plain = Figure(
        "plain PyTorch", "samples/s", theirs, "same network, loss, optimiser; eager float32, contiguous"
    )
    large = Figure(f"peak, {samples} samples", "MB", peaks[1:], "memory of fwi train's largest process")
    return samples, [
        step,
        plain,
        step.by(plain, "speed-up", "training step by plain PyTorch", 3.0),
        large,
        *_growth(large, peaks[0], samples // 4),
    ]


def _turns(
    study: StudyConfig, data: DataSet, repeats: int, other: Callable[[], int]
) -> tuple[list[float], list[float]]:
    """Samples per second of ``other``, which returns how many it saw, and of the trainer's steps, in turns.

    Each epoch of the trainer is a turn of its own, and ``other`` has the next. The first of each warms up.
    """
    import torch
    from lightning import Trainer, seed_everything
    from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, LambdaCallback
    from torch.utils.data import DataLoader

    from fwi.task import InversionTask, precision

    seed_everything(study.train.seed, verbose=False)
    task = InversionTask(study.model_dump(mode="json"), _transform(study, data))
    task.to(memory_format=torch.channels_last if study.train.channels_last else torch.contiguous_format)
    if study.train.compile:
        task.network.compile()
    batches = _batches(study, data)
    theirs, ours, start = [], [], 0.0

    def begin(*_: Any) -> None:
        nonlocal start
        start = time.perf_counter()

    def end(*_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        ours.append(sum(len(batch.velocity) for batch in batches) / (time.perf_counter() - start))
        begin()
        theirs.append(other() / (time.perf_counter() - start))

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
        trainer.fit(task, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    return theirs[1:], ours[1:]


def _plain_training(study: StudyConfig, data: DataSet) -> Callable[[], int]:
    """An epoch of the study's network as a first script would train it."""
    import torch

    from fwi.task import InversionTask

    contiguous = study.model_copy(update={"train": study.train.model_copy(update={"channels_last": False})})
    task = InversionTask(contiguous.model_dump(mode="json"), _transform(study, data))
    task.to("cuda" if torch.cuda.is_available() else "cpu")
    optimizer = (torch.optim.Adam if study.train.optimizer == "adam" else torch.optim.AdamW)(
        task.parameters()
    )
    batches = _batches(study, data)

    def epoch() -> int:
        for batch in batches:
            optimizer.zero_grad()
            loss = task.loss(task(batch.gathers.to(task.device)), batch.velocity.to(task.device))
            loss.backward()
            optimizer.step()
        loss.item()  # waits for the device
        return sum(len(batch.velocity) for batch in batches)

    return epoch


def _transform(study: StudyConfig, data: DataSet) -> Any:
    from fwi.data import GatherTransform, ShotDataset

    return GatherTransform.measured(study.data.amplitude, ShotDataset([data], "train"))


def _batches(study: StudyConfig, data: DataSet) -> list[Any]:
    """The first batches of the training split."""
    from fwi.data import ShotDataset, training_loader

    config = study.data.model_copy(update={"workers": 0})
    loader = training_loader(ShotDataset([data], "train"), config, study.train.batch_size, study.train.seed)
    return list(itertools.islice(loader, TIMED_STEPS))


# -- commands in processes of their own


class Usage(NamedTuple):
    """What a command took."""

    seconds: float
    cpu_seconds: float
    """CPU time of all its processes."""
    peak: float
    """Largest resident memory of one of its processes [MB]."""


def _command(study: StudyConfig, *arguments: str) -> Usage:
    """Run an ``fwi`` command on a study, as a user would."""
    file = study.storage.folder.with_suffix(".yaml")
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
    unit = 1 if sys.platform == "darwin" else 1024
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6)


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


def _growth(large: Figure, peak: float, samples: int) -> list[Figure]:
    """The peak with a quarter of the set, and what the whole set adds."""
    small = Figure(
        f"peak, {samples} samples", "MB", [peak] * len(large.turns), "the same with a quarter of the set"
    )
    return [small, large.by(small, "memory", "peak by peak: 1 where memory does not grow with the data set")]


def _size(study: StudyConfig) -> str:
    grid, survey = study.grid, study.survey
    each = f"{grid.nz} x {grid.nx} cells, {survey.shots} shots, {survey.nt} steps"
    return f"{each} ({_number(cell_updates(study) / 1e6)} Mcell with the absorbing layer)"


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
