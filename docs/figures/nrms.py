"""Draw nrms.png: sections that are wrong in known ways, and the NRMS of the records that they leave.

    python docs/figures/nrms.py

Ten salt models of the demo's study, recorded as data sets are; of each, the truth and five changes of it are
simulated as the physics check does it. Above, three of them for one model; below, the NRMS of all. Colours
and symbols tell whether the salt is right. It takes half a minute.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy import ndimage

import fwi
from data_prep.salt import generate
from fwi import config
from fwi.plots.style import draw_velocity

TRAINING, TEST = 0, 2
"""Random streams of the salt models."""
SHOWN = 0
RIGHT, WRONG = "#0072b2", "#d55e00"

study = config.load(["demo"])
survey = fwi.Survey(study.grid, study.survey)
training = [generate(study.grid, study.salt, TRAINING, number).velocity for number in range(100)]
mean_model = np.mean(training, axis=0, dtype=np.float32)
propagator = fwi.Propagator(survey, study.physics)
check = fwi.PhysicsCheck(survey, study.physics, study.check, mean_model)

kinds = {
    "truth": (lambda truth: truth, RIGHT),
    "moved by 2 cells": (lambda truth: ndimage.shift(truth, (0, 2), order=0, mode="nearest"), RIGHT),
    "blurred by 1 cell": (lambda truth: ndimage.gaussian_filter(truth, 1, mode="nearest"), RIGHT),
    "2 % too slow": (lambda truth: np.maximum(0.98 * truth, study.grid.velocity[0]), RIGHT),
    "salt left out": (lambda truth: np.repeat(truth[:, :1], truth.shape[1], axis=1), WRONG),
    "mean model": (lambda truth: mean_model, WRONG),
}
found = {kind: [] for kind in kinds}
shown = {}
for number in range(10):
    model = generate(study.grid, study.salt, TEST, number)
    with torch.inference_mode():
        recorded = propagator(torch.from_numpy(model.velocity)[None])[0].numpy()
    sections = np.stack([change(model.velocity) for change, _ in kinds.values()]).astype(np.float32)
    checked = check.several(sections, [recorded] * len(sections), against_mean=False)
    for kind, section, each in zip(kinds, sections, checked, strict=True):
        found[kind].append(each.misfit.median.nrms)
        if number == SHOWN:
            error = np.abs(section - model.velocity).mean()
            shown[kind] = section, model.salt, f"{kind}\nMAE {error:.0f} m/s, NRMS {found[kind][-1]:.2f}"

for kind, values in found.items():
    print(f"{kind}: NRMS {np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})")

figure = plt.figure(figsize=(9, 6), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=(1, 1.05))
axes = above.subplots(1, 3, sharex=True, sharey=True)
for axis, kind in zip(axes, ("truth", "2 % too slow", "salt left out"), strict=True):
    section, salt, title = shown[kind]
    image = draw_velocity(axis, section, study.grid.spacing, study.grid.velocity, salt)
    axis.set_title(title, fontsize=11)
    axis.label_outer()
above.colorbar(image, ax=axes, label="Velocity (km/s)")
axis = below.subplots()
for row, (kind, (_, colour)) in enumerate(kinds.items()):
    symbol = "o" if colour == RIGHT else "D"
    axis.plot(found[kind], np.full(10, row), symbol, color=colour, alpha=0.75, markersize=8)
axis.set_yticks(range(len(kinds)), kinds, fontsize=11)
axis.invert_yaxis()
axis.set(xlabel="NRMS of the records, weighted by time squared", xlim=(0, 1.1))
axis.grid(axis="x", color="0.9")
axis.plot([], [], "o", color=RIGHT, label="salt right")
axis.plot([], [], "D", color=WRONG, label="salt wrong")
axis.legend(frameon=False, loc="upper right", fontsize=11)
figure.savefig(Path(__file__).with_suffix(".png"), dpi=95)
