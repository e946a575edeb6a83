"""
Corruptions by what is missing
==============================

Five ways in which traces are lost or were never recorded: ``dead``, ``dead_block``, ``missing_shots``,
``sparse_shots`` and ``sparse_receivers``. At the end you will have seen which traces each of them leaves. The
page takes about two seconds. Why records are spoiled in training is told in :doc:`/guide/training`.
"""

import numpy as np
import torch
from matplotlib import pyplot as plt

import fwi
from data_prep.salt import generate
from fwi.config import CorruptConfig, SaltConfig
from fwi.corruption import CORRUPTIONS
from fwi.plots.records import clip_of, draw_gather

# %%
# The record is that of a random salt model, eight shots along 3 km, of which the fifth is shown. Amplitudes
# are multiplied by time, so that late reflections show beside the direct wave, and clipped at the same value
# in all panels.

inverter = fwi.load("salt-demo")
survey = fwi.Survey(inverter.survey.grid, inverter.survey.config.model_copy(update={"shots": 8}))
model = generate(survey.grid, SaltConfig(preset="seg_eage"), 0, 0)
with torch.no_grad():
    gathers = fwi.Propagator(survey, inverter.study.physics)(torch.from_numpy(model.velocity)[None])[
        0
    ].numpy()
shot, dt = 4, survey.recorded_dt
clip = clip_of([gathers[shot]], dt)


def show(name, seed=0):
    corruption = CORRUPTIONS[name]
    panels = {"As simulated": gathers}
    for strength in corruption.strengths[1:]:
        random = np.random.default_rng(seed)
        panels[corruption.label(strength).partition(", ")[2]] = corruption.function(
            gathers, survey, strength, random
        )
    figure, axes = plt.subplots(1, 3, figsize=(9, 4), sharey=True, layout="constrained")
    for panel, (title, record) in zip(axes, panels.items()):
        draw_gather(panel, record[shot], survey.receiver_x[shot], dt, clip)
        panel.set_title(title)
        panel.label_outer()
    figure.suptitle(corruption.title)


# %%
# A trace that is zero throughout is missing, here as everywhere in salt-fwi: a file's header need not say so.
# The first two are seen in a gather; of the others the pictures show all shots, by the RMS amplitude of each
# trace, white where there is none.


def show_traces(name, seed=0):
    corruption = CORRUPTIONS[name]
    panels = {"As simulated": gathers}
    for strength in corruption.strengths[1:]:
        random = np.random.default_rng(seed)
        panels[corruption.label(strength).partition(", ")[2]] = corruption.function(
            gathers, survey, strength, random
        )
    figure, axes = plt.subplots(3, 1, figsize=(9, 5), sharex=True, layout="constrained")
    for panel, (title, record) in zip(axes, panels.items()):
        level = np.sqrt(np.square(record).mean(1)) / np.sqrt(np.square(gathers).mean())
        level = 20 * np.log10(np.where(level > 0, level, np.nan))
        image = panel.imshow(level, cmap="cividis", vmin=-25, vmax=15, extent=(0, 3, 8.5, 0.5), aspect="auto")
        panel.set(title=title, ylabel="Shot", yticks=[2, 4, 6, 8])
    axes[-1].set_xlabel("Receiver (km)")
    figure.colorbar(image, ax=axes, label="RMS of the trace (dB)")
    figure.suptitle(corruption.title)


# %%
# .. _gallery-dead:
#
# Dead traces: ``dead``
# ---------------------
# Single traces, other ones in each shot: a channel dropped out, an editor took out what was too noisy.

show("dead")

# %%
# .. _gallery-dead_block:
#
# A block of dead traces: ``dead_block``
# --------------------------------------
# Neighbouring receivers without a record of any shot: a broken cable, a river, a village without permission.
# (The seed is one that puts the block near the shot shown.)

show("dead_block", seed=1)

# %%
# .. _gallery-missing_shots:
#
# Missing shots: ``missing_shots``
# --------------------------------
# Whole shots are lost: misfires, a farmer at home, a tape that cannot be read.

show_traces("missing_shots")

# %%
# .. _gallery-sparse_shots:
#
# Wider intervals of shots: ``sparse_shots``
# ------------------------------------------
# One of every few shots is kept, as in a cheaper survey. It is meant for networks that take any survey
# (``model.columns: offsets``), and has no probability by default.

show_traces("sparse_shots")

# %%
# .. _gallery-sparse_receivers:
#
# Wider intervals of receivers: ``sparse_receivers``
# --------------------------------------------------
# One of every few receivers is kept, the same ones for every shot. With receivers further apart than half a
# wavelength of the slowest waves, these are aliased: they seem to dip the other way.

show("sparse_receivers")

# %%
# Strengths
# ---------
# The range from which the strength of a training record is drawn and the probability that it suffers it,
# unless the study says otherwise (``data.corrupt``), and the three strengths at which
# ``fwi evaluate --robustness`` compares networks:

print(f"{'':17}{'training':15}{'probability':13}{'compared at':18}unit")
for name in ("dead", "dead_block", "missing_shots", "sparse_shots", "sparse_receivers"):
    corruption, settings = CORRUPTIONS[name], getattr(CorruptConfig(), name)
    drawn = " to ".join(f"{end:g}" for end in settings.range)
    compared = ", ".join(f"{strength:g}" for strength in corruption.strengths)
    print(f"{name:17}{drawn:15}{settings.probability:<13g}{compared:18}{corruption.unit}")

# %%
# To try: all of them one after the other, as ``fwi.corruption.corrupted`` does by chance for a training
# record; the same with the zoo's network, whose section you invert from what is left.

# sphinx_gallery_thumbnail_number = 3
