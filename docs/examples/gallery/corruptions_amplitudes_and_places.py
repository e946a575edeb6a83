"""
Corruptions of amplitudes and places
====================================

Six ways in which a trace is not where, or not as loud as, the survey says: ``gain``, ``shot_gain``,
``receiver_gain``, ``swapped``, ``jitter`` and ``mute``. At the end you will have seen each in a gather. The
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
# .. _gallery-gain:
#
# The record's gain: ``gain``
# ---------------------------
# The whole record is multiplied by a factor: recording systems count in units that nobody knows any more. A
# network whose input is brought to its own level does not notice, and neither does a misfit with a gain of
# its own.

show("gain")

# %%
# .. _gallery-shot_gain:
#
# Gains of shots: ``shot_gain``
# -----------------------------
# Each shot has a factor of its own, log-normal about one (the strength is the standard deviation of its
# logarithm): charges differ, guns fail, the ground couples better or worse. Within a gather nothing but its
# loudness changes, so the pictures show all shots: the RMS amplitude of each trace.


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
        level = 20 * np.log10(np.sqrt(np.square(record).mean(1)) / np.sqrt(np.square(gathers).mean()))
        image = panel.imshow(level, cmap="cividis", vmin=-25, vmax=15, extent=(0, 3, 8.5, 0.5), aspect="auto")
        panel.set(title=title, ylabel="Shot", yticks=[2, 4, 6, 8])
    axes[-1].set_xlabel("Receiver (km)")
    figure.colorbar(image, ax=axes, label="RMS of the trace (dB)")
    figure.suptitle(corruption.title)


show_traces("shot_gain")

# %%
# .. _gallery-receiver_gain:
#
# Gains of receivers: ``receiver_gain``
# -------------------------------------
# Each receiver has a factor of its own, the same for every shot: a geophone that stands in mud, another on
# rock.

show("receiver_gain")

# %%
# .. _gallery-swapped:
#
# Swapped polarity: ``swapped``
# -----------------------------
# A share of the traces, single ones or a block of neighbours, is multiplied by minus one: a plug was put in
# the wrong way. (The seed is one that draws a block, which is easier to see.)

show("swapped", seed=2)

# %%
# .. _gallery-jitter:
#
# Errors of positions: ``jitter``
# -------------------------------
# Receivers and shots are metres away from where the headers say: the cable drifts, a stake was moved. Each
# receiver has an error of its own, the same for every shot, and each shot one that moves all its receivers
# together; traces are interpolated to where they were really recorded. The strength is the standard deviation
# of the errors. At wavelengths of hundreds of metres a few metres are hardly seen, and they change phases.

show("jitter")

# %%
# What it changed is plainer in the difference from the record, on the same scale:

figure, axes = plt.subplots(1, 3, figsize=(9, 4), sharey=True, layout="constrained")
for panel, strength in zip(axes, CORRUPTIONS["jitter"].strengths):
    moved = CORRUPTIONS["jitter"].function(gathers, survey, strength, np.random.default_rng(0))
    draw_gather(panel, (moved - gathers)[shot], survey.receiver_x[shot], dt, clip)
    panel.set_title(f"Difference, {strength:g} m")
    panel.label_outer()

# %%
# .. _gallery-mute:
#
# A muted direct wave: ``mute``
# -----------------------------
# Everything up to the direct wave is set to zero, and the strength says how long after its peak, followed by
# a taper of one period: processing takes it out, because it is loud and holds nothing from below. With it go
# the early refractions, and the shallow speeds that they tell of.

show("mute")

# %%
# Strengths
# ---------
# The range from which the strength of a training record is drawn and the probability that it suffers it,
# unless the study says otherwise (``data.corrupt``), and the three strengths at which
# ``fwi evaluate --robustness`` compares networks:

print(f"{'':17}{'training':15}{'probability':13}{'compared at':18}unit")
for name in ("gain", "shot_gain", "receiver_gain", "swapped", "jitter", "mute"):
    corruption, settings = CORRUPTIONS[name], getattr(CorruptConfig(), name)
    drawn = " to ".join(f"{end:g}" for end in settings.range)
    compared = ", ".join(f"{strength:g}" for strength in corruption.strengths)
    print(f"{name:17}{drawn:15}{settings.probability:<13g}{compared:18}{corruption.unit}")

# %%
# To try: give ``gain`` a factor below one; another ``seed``, for which ``swapped`` takes single traces. What
# these do to sections: :doc:`/results/how_robust`. Go on with :doc:`corruptions_missing`.

# sphinx_gallery_thumbnail_number = 3
