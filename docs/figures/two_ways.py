"""Draw two_ways.png: FWI from a gradient, a network's section, and FWI from that, for one salt model.

    python docs/figures/two_ways.py

The model is the first of its random stream, the records are simulated on a finer grid and with another order
than FWI has, and both runs of FWI have 60 gradients. It takes two minutes, and prints the errors.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import fwi
from data_prep.salt import generate
from fwi.config import RefineConfig, SaltConfig
from fwi.naive import linear_gradient
from fwi.plots.style import draw_velocity
from fwi.refine import refine

STREAM = 16
"""Random stream of the model, which neither training nor calibration have."""
GRADIENTS = 60

run = fwi.load_run("salt-demo")
shots = run.study.survey.model_copy(update={"shots": 8})
survey = fwi.Survey(run.study.grid, shots)
model = generate(survey.grid, SaltConfig(preset="yang_ma"), STREAM, 0)
gathers = run.simulate(model.velocity, survey)

settings = RefineConfig(gradients=GRADIENTS)
gradient = linear_gradient(run.mean_model)
section = run.invert(gathers, survey)
refined = {
    name: refine(start, gathers, survey, run.study.physics, settings, run.study.check)
    for name, start in (("gradient", gradient), ("network", section))
}
for name, each in refined.items():
    print(f"from the {name}: {each.gradients:g} gradients, accepted: {each.accepted}, {each.reason}")

panels = (
    ("Truth", model.velocity),
    ("Start without a network", gradient),
    (f"FWI from that start, {GRADIENTS} gradients", refined["gradient"].candidate),
    ("", None),
    ("Section of the network", section),
    (f"FWI from the section, {GRADIENTS} gradients", refined["network"].candidate),
)
figure, axes = plt.subplots(2, 3, figsize=(9.4, 5), sharex=True, sharey=True, layout="compressed")
for axis, (title, velocity) in zip(axes.flat, panels, strict=True):
    if velocity is None:
        axis.set_axis_off()
        continue
    error = np.abs(velocity - model.velocity).mean()
    print(f"{title}: MAE {error:.0f} m/s")
    image = draw_velocity(axis, velocity, survey.grid.spacing, survey.grid.velocity, model.salt)
    axis.set_title(title + ("" if velocity is model.velocity else f"\nMAE {error:.0f} m/s"), fontsize=11)
    axis.set(xlabel="Distance (km)", ylabel="Depth (km)")
for axis in (axes[0, 0], axes[1, 1], axes[1, 2]):
    axis.tick_params(labelbottom=True, labelleft=True)
for axis in axes[:, 1:].flat:
    axis.set_ylabel("")
figure.colorbar(image, ax=axes, location="right", shrink=0.7, label="Velocity (km/s)")
figure.savefig(Path(__file__).with_suffix(".png"), dpi=90)
