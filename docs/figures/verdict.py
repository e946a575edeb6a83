"""Draw verdict.png: a section that is believed and one that is doubted, with what the verdict rests on.

    python docs/figures/verdict.py

The network salt-demo inverts and checks records of one model of yang_ma and one of gulf (number 1 of a random
stream that neither training nor calibration have). It prints both verdicts, and takes half a minute.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fwi
from data_prep.salt import generate
from fwi.config import SaltConfig
from fwi.plots.style import draw_section, draw_velocity
from fwi.trust.figures import FIGURES

STREAM, NUMBER = 16, 1
SHORTER = {
    "decorrelation": "uncorrelated traces",
    "contradicted": "share contradicted",
    "contradiction": "strongest contradiction",
    "views": "network's views differ",
    "unsure_salt": "unsure salt",
    "mirrored_salt": "mirrored record's salt",
    "spread": "expected spread",
    "features": "unlike training",
    "steepest": "steepest change",
}

run = fwi.load_run("salt-demo")
grid = run.survey.grid
figure, axes = plt.subplots(2, 3, figsize=(9.6, 5.6), width_ratios=(1, 1, 0.7), layout="constrained")
for (left, middle, right), preset in zip(axes, ("yang_ma", "gulf"), strict=True):
    model = generate(grid, SaltConfig(preset=preset), STREAM, NUMBER)
    gathers = run.simulate(model.velocity)
    section = run.invert(gathers)
    verdict = run.check(section, gathers)
    print(f"{preset}: {verdict}")
    error = np.abs(section - model.velocity).mean()
    speeds = draw_velocity(left, section, grid.spacing, grid.velocity, model.salt)
    left.set_title(f"{verdict.remark}\n(in truth: MAE {error:.0f} m/s)", fontsize=11)
    shares = draw_section(middle, verdict.contradiction, grid.spacing, "lajolla_r", (0, 1.5))
    middle.set_title("contradicted by\nthe records", fontsize=11)
    for axis in (left, middle):
        place = verdict.contradicted.x / 1e3, verdict.contradicted.depth / 1e3
        axis.plot(*place, "X", color="white", markeredgecolor="black", markersize=10)
    odds = sorted(verdict.judgement.odds.items(), key=lambda each: each[1])[-5:]
    names = [SHORTER.get(name, FIGURES[name].title) for name, _ in odds]
    right.barh(names, [value for _, value in odds], color="#d55e00")
    right.axvline(0, color="black", linewidth=0.8)
    right.set(xlim=(-0.2, 3), xlabel="Added log-odds")
    right.set_title("what speaks\nagainst it", fontsize=11)
below = {"location": "bottom", "shrink": 0.9}
figure.colorbar(speeds, ax=axes[:, 0], **below, label="Velocity (km/s); line: true salt")
figure.colorbar(shares, ax=axes[:, 1], **below, extend="max", label="Unexplained share; cross: largest")
figure.savefig(Path(__file__).with_suffix(".png"), dpi=84)
