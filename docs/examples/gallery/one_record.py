"""The record that the gallery's pages on corruptions spoil, and how they draw it.

It is that of a random salt model, eight shots along 3 km, of which the fifth is shown.
"""

import numpy as np
import torch
from matplotlib import pyplot as plt

import fwi
from data_prep.salt import generate
from fwi.config import CorruptConfig, SaltConfig
from fwi.corruption import CORRUPTIONS
from fwi.plots.records import clip_of, draw_gather

inverter = fwi.load("salt-demo")
survey = fwi.Survey(inverter.survey.grid, inverter.survey.config.model_copy(update={"shots": 8}))
model = generate(survey.grid, SaltConfig(preset="seg_eage"), 0, 0)
with torch.no_grad():
    velocity = torch.from_numpy(model.velocity)[None]
    gathers = fwi.Propagator(survey, inverter.study.physics)(velocity)[0].numpy()
shot, dt = 4, survey.recorded_dt
clip = clip_of([gathers[shot]], dt)


def panels_of(name, seed):
    """Return the gathers as simulated, and at the second and third strength of a corruption, by title."""
    corruption, panels = CORRUPTIONS[name], {"As simulated": gathers}
    for strength in corruption.strengths[1:]:
        title = corruption.label(strength).partition(", ")[2]
        panels[title] = corruption.function(gathers, survey, strength, np.random.default_rng(seed))
    return panels


def show(name, seed=0):
    """Draw the shot's gather as simulated, and under a corruption."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 4), sharey=True, layout="constrained")
    for panel, (title, record) in zip(axes, panels_of(name, seed).items()):
        draw_gather(panel, record[shot], survey.receiver_x[shot], dt, clip)
        panel.set_title(title)
        panel.label_outer()
    figure.suptitle(CORRUPTIONS[name].title)


def show_traces(name, seed=0):
    """Draw the RMS amplitude of each trace of all shots, white where there is none."""
    figure, axes = plt.subplots(3, 1, figsize=(9, 5), sharex=True, layout="constrained")
    for panel, (title, record) in zip(axes, panels_of(name, seed).items()):
        level = np.sqrt(np.square(record).mean(1)) / np.sqrt(np.square(gathers).mean())
        level = 20 * np.log10(np.where(level > 0, level, np.nan))
        image = panel.imshow(level, cmap="cividis", vmin=-25, vmax=15, extent=(0, 3, 8.5, 0.5), aspect="auto")
        panel.set(title=title, ylabel="Shot", yticks=[2, 4, 6, 8])
    axes[-1].set_xlabel("Receiver (km)")
    figure.colorbar(image, ax=axes, label="RMS of the trace (dB)")
    figure.suptitle(CORRUPTIONS[name].title)


def print_strengths(*names):
    """Print range and probability in training, and the strengths at which networks are compared."""
    print(f"{'':17}{'training':15}{'probability':13}{'compared at':18}unit")
    for name in names:
        corruption, settings = CORRUPTIONS[name], getattr(CorruptConfig(), name)
        drawn = " to ".join(f"{end:g}" for end in settings.range)
        compared = ", ".join(f"{strength:g}" for strength in corruption.strengths)
        print(f"{name:17}{drawn:15}{settings.probability:<13g}{compared:18}{corruption.unit}")
