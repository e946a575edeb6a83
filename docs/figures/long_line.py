"""Draw a synthetic line of 20 km, of another scale than its network was trained at, and its truth.

    python docs/figures/long_line.py

Salt models of the preset ``seg_eage``, of a stream that no training has, stand side by side on cells of
12.5 m. Their records of a 16 Hz wavelet get noise, go through SEG-Y, and are inverted by salt-half, which
knows 20 m and 10 Hz. Writes long_line.png, and prints the errors. Two core-minutes.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import fwi
from data_prep.lines import read_line
from data_prep.salt import generate
from data_prep.segy.write import write_gathers
from fwi import plots
from fwi.config import GridConfig, PhysicsConfig, SaltConfig
from fwi.lines import Line, scaled
from fwi.metrics import score
from fwi.physics import Propagator
from fwi.survey import Survey

FIGURES = Path(__file__).resolve().parent
STREAM = 98
FACTOR = 1.6
"""Lengths and times of the line, times this, are those of the network."""
FADE = 30
"""Columns over which neighbouring models pass into each other."""
NOISE = 0.1
"""RMS of the noise, as a share of the records'."""


def long_line() -> None:
    """Draw and save the figure."""
    run = fwi.load_run("salt-half")
    velocity = joined(run.study.grid, 13)
    grid = run.study.grid.model_copy(update={"nx": velocity.shape[1]})
    places = {"shots": 130, "shot_margin": 100.0, "receivers": grid.nx}
    survey = Survey(grid, run.survey.config.model_copy(update=places))
    with torch.inference_mode():
        gathers = Propagator(survey, PhysicsConfig())(torch.from_numpy(velocity)[None])[0].numpy()
    rng = np.random.default_rng([STREAM])
    recorded = np.any(gathers, axis=1, keepdims=True)  # not where nothing arrives in time
    gathers += NOISE * gathers.std() * recorded * rng.standard_normal(gathers.shape, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line.segy"
        write_gathers(path, gathers, scaled(survey, 1 / FACTOR), "a synthetic line")
        read = read_line(path, run.survey, run.study.physics)
    print(*read.changes, *(f"warning: {each}" for each in read.warnings), sep="\n")
    line = Line(run, read.gathers[0], read.survey)
    section, spacing = line.invert(), read.survey.grid.spacing
    found = score(section[None], velocity[None], (velocity >= SaltConfig().threshold)[None], spacing)
    interval = line.interval
    assert interval is not None
    held = float(np.mean((interval.lower <= velocity) & (velocity <= interval.upper)))
    told = {name: round(float(found[name][0]), 3) for name in ("mae", "salt_iou", "mae_salt_boundary")}
    print(f"{read.survey.length / 1000:.1f} km: {told}, interval holds {held:.2f}")
    title = f"{read.survey.length / 1000:.0f} km at {spacing:g} m and {10 * read.factor:g} Hz, noise at 20 dB"
    drawn = plots.line_section(section, spacing, grid.velocity, title, interval, truth=velocity)
    plots.save(drawn, FIGURES / "long_line.png")


def joined(grid: GridConfig, count: int) -> NDArray[np.float32]:
    """Models side by side whose salt does not reach their sides [m/s], shape ``(depth, x)``."""
    salt, share = SaltConfig.model_validate({"preset": "seg_eage"}), np.linspace(0, 1, FADE)
    drawn = (generate(grid, salt, STREAM, number) for number in range(1000))
    fitting = (each.velocity for each in drawn if not each.salt[:, np.r_[:FADE, -FADE:0]].any())
    velocity = next(fitting)
    for _ in range(count - 1):
        other = next(fitting)
        passing = (1 - share) * velocity[:, -FADE:] + share * other[:, :FADE]
        velocity = np.concatenate([velocity[:, :-FADE], passing, other[:, FADE:]], axis=1)
    return velocity.astype(np.float32)


if __name__ == "__main__":
    long_line()
