"""Draw survey_limits.png: which cells and time steps are taken, what a record reaches, and the studies' own.

    python docs/figures/survey_limits.py

The limits are those of fwi/survey_limits.py; the studies are read from the package.
"""

import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from fwi import config
from fwi.survey_limits import COURANT_LIMIT, HIGHEST_FREQUENCY, MIN_POINTS_PER_WAVELENGTH

SLOWEST, FASTEST = 1500.0, 4500.0
STUDIES = ("openfwi", "fcnvmb", "salt_half", "salt_demo")
REFUSED, EIGHT, FOUR = "0.88", "#0072b2", "#d55e00"

studies = {name: config.load([name]) for name in STUDIES}
figure, (cells, steps, lengths) = plt.subplots(1, 3, figsize=(10.5, 4), layout="constrained")

peak = np.linspace(2, 20, 200)
for order, colour, at in ((8, EIGHT, (16.2, 14.5)), (4, FOUR, (6, 12))):
    largest = SLOWEST / (HIGHEST_FREQUENCY * peak * MIN_POINTS_PER_WAVELENGTH[order])
    cells.plot(peak, largest, color=colour, linewidth=2)
    cells.text(*at, f"order {order}", color=colour, fontsize=11)
largest = SLOWEST / (HIGHEST_FREQUENCY * peak * MIN_POINTS_PER_WAVELENGTH[8])
cells.fill_between(peak, largest, 100, color=REFUSED, linewidth=0)
cells.text(12, 52, "refused", fontsize=12)
cells.set(xlabel="Peak frequency (Hz)", ylabel="Cell (m)", xlim=(2, 20), ylim=(0, 60))
cells.set_title(f"Largest cells, from {SLOWEST:g} m/s", fontsize=11)

cell = np.linspace(0, 60, 2)
longest = 1000 * COURANT_LIMIT * cell / (FASTEST * math.sqrt(2))
steps.plot(cell, longest, color=EIGHT, linewidth=2)
steps.fill_between(cell, longest, 10, color=REFUSED, linewidth=0)
steps.text(8, 5.2, "refused", fontsize=12)
steps.set(xlabel="Cell (m)", ylabel="Time step (ms)", xlim=(0, 60), ylim=(0, 6))
steps.set_title(f"Longest steps, up to {FASTEST:g} m/s", fontsize=11)

time = np.linspace(0, 4, 2)
for speed in (2000, 3000):
    lengths.plot(time, speed * time / 2000, color="0.4", linewidth=1.5)
    lengths.text(2.8, speed * 2.8 / 2000, f"{speed} m/s  ", ha="right", va="bottom", fontsize=11)
lengths.set(xlabel="Record (s)", ylabel="Depth (km)", xlim=(0, 4), ylim=(0, 5))
lengths.set_title("There and back at a mean speed", fontsize=11)

offsets = {"openfwi": (7, -6), "fcnvmb": (7, -18), "salt_half": (8, -4), "salt_demo": (8, -4)}
for name, study in studies.items():
    grid, survey = study.grid, study.survey
    places = (
        (cells, survey.wavelet.frequency, grid.spacing),
        (steps, grid.spacing, 1000 * survey.dt),
        (lengths, survey.dt * survey.nt, (grid.nz - 1) * grid.spacing / 1000),
    )
    for axis, x, y in places:
        axis.plot(x, y, "o", color="black")
        if axis is not lengths or name in ("openfwi", "salt_half"):
            label = name if axis is not lengths or name == "openfwi" else "the others"
            axis.annotate(label, (x, y), offsets[name], textcoords="offset points", fontsize=10)
figure.savefig(Path(__file__).with_suffix(".png"), dpi=95)
