"""Print how fwi simulate scales: with samples (time, memory), and from one worker to two.

Run from the repository as ``python docs/figures/simulate_scaling.py``. The survey is so small that ten
thousand samples take minutes, which shows what each sample and shard costs beside the wave equation.
"""

import os
import statistics
import tempfile
from pathlib import Path

from experiments.benchmark.commands import Usage, command, stored
from fwi.config import GridConfig, StudyConfig, SurveyConfig

SMALL = StudyConfig(
    grid=GridConfig(nz=24, nx=36, spacing=20.0),
    survey=SurveyConfig(shots=4, shot_margin=80.0, receivers=36, dt=0.002, nt=100, keep_every=5),
)
SAMPLES = (100, 1000, 10_000)
TURNS, TURN_SAMPLES = 5, 1000
"""One and two workers take turns, because the load of the machine changes."""


def main() -> None:
    """Measure and print."""
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs\n")
    with tempfile.TemporaryDirectory(prefix="fwi-scaling-") as folder:
        print("samples  seconds  CPU seconds  peak of the largest process [MB]")
        for samples in SAMPLES:
            used = simulated(Path(folder) / f"{samples}", samples, workers=2)
            print(f"{samples:>7}  {used.seconds:>7.1f}  {used.cpu_seconds:>11.1f}  {used.peak:>6.0f}")

        efficiencies = []
        for turn in range(TURNS):
            one = simulated(Path(folder) / f"one-{turn}", TURN_SAMPLES, workers=1)
            two = simulated(Path(folder) / f"two-{turn}", TURN_SAMPLES, workers=2)
            efficiencies.append(one.seconds / two.seconds / 2)
        turns = ", ".join(f"{efficiency:.2f}" for efficiency in efficiencies)
        print(f"\ntwo workers by twice one: {statistics.median(efficiencies):.2f} (median of {turns})")


def simulated(folder: Path, samples: int, workers: int) -> Usage:
    """What ``fwi simulate`` took for so many samples, in shards of 50 or fewer."""
    study = stored(SMALL, folder, train=samples, samples_per_shard=min(50, samples // 4))
    return command(study, "simulate", "--workers", str(workers))


if __name__ == "__main__":
    main()
