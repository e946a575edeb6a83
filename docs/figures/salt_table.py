"""Print how fast each salt preset is drawn and what its models look like, as Markdown for docs/results.

    python docs/figures/salt_table.py [--models 400]

Models of 201 x 301 cells of 10 m, seed 0. Rates are by process CPU time, which counts the work of all threads
and no waiting: so they are models per second of one core, and other work on the machine matters little. The
public SEG/EAGE slices stand beside the presets where ``shared/data`` is beside the repository.
"""

import time
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from data_prep.salt import PRESETS, generate
from data_prep.salt.statistics import SaltStatistics, statistics, summarise
from fwi.config import GridConfig, SaltConfig

SLICES = Path(__file__).resolve().parents[2] / "../shared/data/seg_salt_slices.npz"
GRID = GridConfig(nz=201, nx=301, spacing=10.0)
TIMED, REPEATS = 100, 5
"""Models that are timed, and how often; the rate is that of the fastest time, which was disturbed least."""
UNITS = {
    "crest_depth": " (m)",
    "base_depth": " (m)",
    "width": " (m)",
    "roughness": " (m)",
    "lateral_change": " (m/s per m)",
    "slowest": " (m/s)",
    "fastest_sediment": " (m/s)",
}
OVERHANG = 0.03
"""Share of its columns that enter salt twice from which a model counts as one that overhangs."""
SCALE = {"area_share": ("salt area (%)", 100.0), "overhang_share": ("columns with an overhang (%)", 100.0)}
"""Statistics that are told in another unit than they are measured in."""


def salt_table(models: int = 400) -> None:
    """Draw the models of every preset, and print the tables.

    Args:
        models: how many of each preset.
    """
    drawn = {}
    print("| preset | models per second of one core (CPU time) | models that overhang (%) |")
    print("|---|---:|---:|")
    for name in PRESETS:
        rate = max(TIMED / _seconds(name) for _ in range(REPEATS))
        drawn[name] = np.stack([_model(name, index) for index in range(models)])
        print(f"| {name} | {rate:.0f} | {_overhanging(drawn[name]):.0f} |")

    columns = {name: summarise(velocity, GRID.spacing) for name, velocity in drawn.items()}
    cells = [[_range(columns[name][key], key) for name in drawn] for key in SaltStatistics._fields]
    slices = {}
    if SLICES.exists():
        with np.load(SLICES) as file:
            slices = {name: statistics(file[name].astype(float), GRID.spacing) for name in sorted(file)}
    print(f"\np10 / p50 / p90 of {models} models each, and the public SEG/EAGE slices:\n")
    print(f"| | {' | '.join([*drawn, *slices])} |")
    print("|---" * (1 + len(drawn) + len(slices)) + "|")
    for key, row in zip(SaltStatistics._fields, cells, strict=True):
        public = [_number(getattr(measured, key), key) for measured in slices.values()]
        what = SCALE[key][0] if key in SCALE else key.replace("_", " ") + UNITS.get(key, "")
        print(f"| {what} | {' | '.join([*row, *public])} |")


def _model(name: str, index: int) -> NDArray[np.float32]:
    return generate(GRID, SaltConfig(preset=name), 0, index).velocity  # type: ignore[arg-type]


def _seconds(name: str) -> float:
    """CPU time of the first models of a preset."""
    start = time.process_time()
    for index in range(TIMED):
        _model(name, index)
    return time.process_time() - start


def _overhanging(velocity: NDArray[np.float32]) -> float:
    """Share of the models [%] that overhang, of those that hold salt."""
    shares = np.array([statistics(model, GRID.spacing).overhang_share for model in velocity])
    return float(100.0 * np.mean(shares[np.isfinite(shares)] > OVERHANG))


def _range(percentiles: tuple[float, float, float], key: str) -> str:
    return " / ".join(_number(value, key) for value in percentiles)


def _number(value: float, key: str) -> str:
    scaled = value * SCALE.get(key, ("", 1.0))[1]
    return "-" if not np.isfinite(scaled) else f"{scaled:.0f}" if abs(scaled) >= 100 else f"{scaled:.3g}"


if __name__ == "__main__":
    tyro.cli(salt_table)
