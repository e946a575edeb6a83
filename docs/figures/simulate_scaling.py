"""Print how fwi simulate scales: with samples (time, memory), and from one worker to two.

Run from the repository as ``python docs/figures/simulate_scaling.py``. The small survey is so small that ten
thousand samples take minutes, which shows what each sample and shard costs beside the wave equation.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.benchmark.commands import Usage, command, stored
from fwi import config
from fwi.config import GridConfig, StudyConfig, SurveyConfig

SMALL = StudyConfig(
    grid=GridConfig(nz=24, nx=36, spacing=20.0),
    survey=SurveyConfig(shots=4, shot_margin=80.0, receivers=36, dt=0.002, nt=100, keep_every=5),
)
SAMPLES = (100, 1000, 10_000)
TURNS = 5
"""One and two workers take turns, because the load of the machine changes."""


def main() -> None:
    """Measure and print."""
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs\n")
    with tempfile.TemporaryDirectory(prefix="fwi-scaling-") as temporary:
        folder = Path(temporary)
        print("samples  seconds  CPU seconds  peak of the largest process [MB]")
        for samples in SAMPLES:
            used = simulated(SMALL, folder / f"{samples}", samples, workers=2)
            print(f"{samples:>7}  {used.seconds:>7.1f}  {used.cpu_seconds:>11.1f}  {used.peak:>6.0f}")
        print("\ntwo workers by twice one, by the clock and by CPU time, medians; turns")
        compare_workers("small survey", SMALL, folder / "small", few=200, many=3200)
        half = config.load(["configs/fcnvmb_half.yaml"])
        compare_workers("fcnvmb_half", half, folder / "half", few=8, many=72)


def compare_workers(name: str, study: StudyConfig, folder: Path, few: int, many: int) -> None:
    """Print what two workers do by twice one; the difference of two sizes is without the processes' start."""
    ratios = []
    for turn in range(TURNS):
        one, two = (
            _seconds(study, folder / f"{turn}-{workers}-{many}", many, workers)
            - _seconds(study, folder / f"{turn}-{workers}-{few}", few, workers)
            for workers in (1, 2)
        )
        ratios.append(one / two / (2, 1))
    by_clock, by_cpu = np.median(ratios, axis=0)
    print(f"{name}: {by_clock:.2f}, {by_cpu:.2f};", np.round(ratios, 2).tolist())


def _seconds(study: StudyConfig, folder: Path, samples: int, workers: int) -> NDArray[np.float64]:
    used = simulated(study, folder, samples, workers)
    return np.array([used.seconds, used.cpu_seconds])


def simulated(study: StudyConfig, folder: Path, samples: int, workers: int) -> Usage:
    """What ``fwi simulate`` took for so many samples, in shards of 50 or fewer."""
    smaller = stored(study, folder, train=samples, samples_per_shard=min(50, samples // 4))
    return command(smaller, "simulate", "--workers", str(workers))


if __name__ == "__main__":
    main()
