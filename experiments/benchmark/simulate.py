"""``fwi benchmark simulate``: the whole command against the bare wave equation, its memory, and the GPU."""

import math
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from data_prep.make import devices
from experiments.benchmark import gpu
from experiments.benchmark.commands import Usage, command, stored
from experiments.benchmark.figures import Bench, Figure, Result, cell_updates, growth, result
from fwi.config import StudyConfig
from fwi.survey import COURANT_LIMIT, Survey

BARE_SECONDS = 5.0
"""How long a turn of the bare wave equation runs."""

AMORTISED_SECONDS = 60.0
"""Work per process in which the start of the pool, 3 to 5 s, does not count."""


def measure(bench: Bench) -> Result:
    """On the CPU: cell updates per second of ``fwi simulate`` and of deepwave alone; the command's memory.

    Where there is a GPU, also its cell updates against what its memory can move.
    """
    study, workers, folder = bench.study, bench.workers, bench.folder
    cells = cell_updates(study) / 1e6
    samples = bench.samples or workers * math.ceil(AMORTISED_SECONDS * _bare(study).per_second)
    # Shards of the same size in the set and in its quarter, and at least one per worker.
    shard = min(study.storage.samples_per_shard, max(1, samples // 4 // workers))
    bare, usages = [], []
    for number in range(bench.repeats):
        bare.append(_bare(study))
        whole = stored(study, folder / f"{number}", train=samples, samples_per_shard=shard)
        usages.append(_simulated(whole, workers))
    quarter = stored(study, folder / "quarter", train=samples // 4, samples_per_shard=shard)
    small = _simulated(quarter, workers)
    on_gpu = gpu.figures([gpu.turn(study) for _ in range(bench.repeats)]) if devices.count() else []

    rates = [samples * cells / usage.seconds for usage in usages]
    ours = Figure("fwi simulate", "Mcell/s", rates, "the whole command: start of the pool and files included")
    rates = [cells * turn.per_second for turn in bare]
    loop = Figure(
        "deepwave", "Mcell/s", rates, "deepwave.scalar in a loop: one process, one thread, no files"
    )
    ideal = loop._replace(turns=[workers * rate for rate in rates])
    cpu = Figure("", "", [samples / usage.cpu_seconds for usage in usages], "")
    cpu_bare = Figure("", "", [turn.per_cpu_second for turn in bare], "")
    peaks = [usage.peak for usage in usages]
    large = Figure(f"peak, {samples} samples", "MB", peaks, "memory of fwi simulate's largest process")
    return result(
        samples,
        [
            ours,
            loop,
            ours.by(
                ideal, "efficiency", f"fwi simulate by {workers} x deepwave; asks for an idle machine", 0.9
            ),
            cpu.by(
                cpu_bare, "CPU efficiency", "the same per second of CPU time: holds on a busy machine too"
            ),
            large,
            *growth(large, small.peak, samples // 4),
            *on_gpu,
        ],
    )


def _simulated(study: StudyConfig, workers: int) -> Usage:
    return command(study, "simulate", "--workers", str(workers), "--device", "cpu")


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
