"""Print how fwi simulate scales: with samples (time, memory), and from one worker to two.

Run from the repository as ``python docs/figures/simulate_scaling.py``. The survey is so small that ten
thousand samples take minutes, which shows what each sample and shard costs beside the wave equation.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.benchmark.commands import Usage, command, stored
from fwi.config import GridConfig, StudyConfig, SurveyConfig

SMALL = StudyConfig(
    grid=GridConfig(nz=24, nx=36, spacing=20.0),
    survey=SurveyConfig(shots=4, shot_margin=80.0, receivers=36, dt=0.002, nt=100, keep_every=5),
)
SAMPLES = (100, 1000, 10_000)
TURNS = 5
"""One and two workers take turns, because the load of the machine changes."""
FEW, MANY = 200, 3200
"""What the difference takes is without the start of the processes, some four seconds each."""


def main() -> None:
    """Measure and print."""
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs\n")
    with tempfile.TemporaryDirectory(prefix="fwi-scaling-") as folder:
        print("samples  seconds  CPU seconds  peak of the largest process [MB]")
        for samples in SAMPLES:
            used = simulated(Path(folder) / f"{samples}", samples, workers=2)
            print(f"{samples:>7}  {used.seconds:>7.1f}  {used.cpu_seconds:>11.1f}  {used.peak:>6.0f}")

        ratios = []
        for turn in range(TURNS):
            one, two = (without_start(Path(folder) / f"{turn}-{workers}", workers) for workers in (1, 2))
            ratios.append(one / two)
        by_clock, by_cpu = np.median(ratios, axis=0)
        print(
            f"\ntwo workers by twice one: {by_clock / 2:.2f} by the clock, {by_cpu:.2f} by CPU time; turns:"
        )
        print(np.round(np.array(ratios) / (2, 1), 2))


def without_start(folder: Path, workers: int) -> NDArray[np.float64]:
    """Seconds by the clock and of CPU time that so many more samples take."""
    few, many = (simulated(folder / f"{samples}", samples, workers) for samples in (FEW, MANY))
    return np.array([many.seconds - few.seconds, many.cpu_seconds - few.cpu_seconds])


def simulated(folder: Path, samples: int, workers: int) -> Usage:
    """What ``fwi simulate`` took for so many samples, in shards of 50 or fewer."""
    study = stored(SMALL, folder, train=samples, samples_per_shard=min(50, samples // 4))
    return command(study, "simulate", "--workers", str(workers))


if __name__ == "__main__":
    main()
