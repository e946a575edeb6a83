"""
Corruptions of amplitudes and places
====================================

Six ways in which a trace is not where, or not as loud as, the survey says: ``gain``, ``shot_gain``,
``receiver_gain``, ``swapped``, ``jitter`` and ``mute``. At the end you will have seen each in a gather. The
page takes about two seconds. Why records are spoiled in training is told in :doc:`/guide/training`.
"""

import numpy as np
from matplotlib import pyplot as plt
from one_record import clip, dt, gathers, print_strengths, shot, show, show_traces, survey

from fwi.corruption import CORRUPTIONS
from fwi.plots.records import draw_gather

# %%
# The record is that of a random salt model, eight shots along 3 km, of which the fifth is shown. Amplitudes
# are multiplied by time, so that late reflections show beside the direct wave, and clipped at the same value
# in all panels. It comes from the file that :doc:`corruptions_source` shows at its end (a downloaded
# script wants :download:`one_record.py </examples/gallery/one_record.py>` beside it).

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

print_strengths("gain", "shot_gain", "receiver_gain", "swapped", "jitter", "mute")

# %%
# To try: give ``gain`` a factor below one; another ``seed``, for which ``swapped`` takes single traces. What
# these do to sections: :doc:`/results/how_robust`. Go on with :doc:`corruptions_missing`.

# sphinx_gallery_thumbnail_number = 3
