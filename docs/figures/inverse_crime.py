"""Draw inverse_crime.png: what the true model leaves of its own records, on their grid and on another one.

    python docs/figures/inverse_crime.py

A salt model of the demo's study is recorded as data sets are (order 8). Then the truth, and the truth
without its salt, are simulated again: in the same way, and as the physics check does it. It takes seconds.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import fwi
from data_prep.salt import generate
from fwi import config, misfit

SHOT = 3

study = config.load(["demo"])
survey = fwi.Survey(study.grid, study.survey)
model = generate(survey.grid, study.salt, 16, 0)
no_salt = np.repeat(model.velocity[:, :1], survey.grid.nx, axis=1)
propagator = fwi.Propagator(survey, study.physics)
check = fwi.PhysicsCheck(survey, study.physics, study.check, no_salt)


def same(velocity):
    """Record a model as data sets are recorded."""
    with torch.inference_mode():
        return propagator(torch.from_numpy(velocity)[None])[0].numpy()


def weighted(gathers):
    """Weight by time squared, as the check does."""
    return misfit.weighted_by_time(torch.from_numpy(gathers), survey.recorded_dt, 2)


recorded = weighted(same(model.velocity))
left = {
    "Records": (recorded, ""),
    "Truth, same grid": (weighted(same(model.velocity)) - recorded, "NRMS {:.3f}"),
    "Truth, finer grid": (weighted(check.simulate(model.velocity)) - recorded, "NRMS {:.3f}"),
    "No salt, finer grid": (weighted(check.simulate(no_salt)) - recorded, "NRMS {:.2f}"),
}
clip = float(np.percentile(recorded[SHOT].abs().numpy(), 97))
figure, axes = plt.subplots(1, 4, figsize=(9.2, 3.9), sharex=True, sharey=True, layout="constrained")
extent = (0, survey.length / 1000, survey.time[-1], 0)
for axis, (title, (gathers, nrms)) in zip(axes, left.items(), strict=True):
    value = float(misfit.normalised_rms(gathers + recorded, recorded))
    print(f"{title}: NRMS of all shots {value:.4f}")
    axis.imshow(gathers[SHOT], cmap="gray", vmin=-clip, vmax=clip, extent=extent, aspect="auto")
    below = nrms.format(value) if nrms else f"clip ±{clip:.2g}, in all"
    axis.set_title(f"{title}\n{below}", fontsize=11)
    axis.set_xlabel("Distance (km)")
axes[0].set_ylabel("Time (s)")
figure.savefig(Path(__file__).with_suffix(".png"), dpi=88)
