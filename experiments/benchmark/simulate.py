"""``fwi benchmark simulate``: the whole command against the bare wave equation, its memory, and the GPU."""

import math

from data_prep.make import devices
from experiments.benchmark import bare, gpu
from experiments.benchmark.commands import Usage, command, stored
from experiments.benchmark.figures import Bench, Figure, Result, cell_updates, growth, result
from fwi.config import StudyConfig

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
    samples = bench.samples or workers * math.ceil(
        AMORTISED_SECONDS * bare.records(study, BARE_SECONDS).per_second
    )
    # Shards of the same size in the set and in its quarter, and at least one per worker.
    shard = min(study.storage.samples_per_shard, max(1, samples // 4 // workers))
    loops, usages = [], []
    for number in range(bench.repeats):
        loops.append(bare.records(study, BARE_SECONDS))
        whole = stored(study, folder / f"{number}", train=samples, samples_per_shard=shard)
        usages.append(_simulated(whole, workers))
    quarter = stored(study, folder / "quarter", train=samples // 4, samples_per_shard=shard)
    small = _simulated(quarter, workers)
    on_gpu = gpu.figures([gpu.turn(study) for _ in range(bench.repeats)]) if devices.count() else []

    rates = [samples * cells / usage.seconds for usage in usages]
    ours = Figure("fwi simulate", "Mcell/s", rates, "the whole command: start of the pool and files included")
    rates = [cells * turn.per_second for turn in loops]
    loop = Figure(
        "deepwave", "Mcell/s", rates, "deepwave.scalar in a loop: one process, one thread, no files"
    )
    ideal = loop._replace(turns=[workers * rate for rate in rates])
    cpu = Figure("", "", [samples / usage.cpu_seconds for usage in usages], "")
    cpu_bare = Figure("", "", [turn.per_cpu_second for turn in loops], "")
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
