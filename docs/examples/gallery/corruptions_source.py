"""
Corruptions of the source
=========================

Three ways in which the source is not the one that was assumed: ``frequency``, ``phase`` and ``delay``. At the
end you will have seen what each does to a gather. The page takes about two seconds. Why records are spoiled
in training is told in :doc:`/guide/training`.
"""

from matplotlib import pyplot as plt
from one_record import clip, dt, gathers, print_strengths, shot, survey

from fwi.corruption import CORRUPTIONS
from fwi.plots.records import draw_gather

# %%
# The record is that of a random salt model, eight shots along 3 km, of which the fifth is shown. Amplitudes
# are multiplied by time, so that late reflections show beside the direct wave, and clipped at the same value
# in all panels. What all pages on corruptions share is in a file of its own, shown at the end of this page,
# which a downloaded script wants beside it: :download:`one_record.py </examples/gallery/one_record.py>`.

# %%
# On the left the gather as simulated, in the middle as it is at the last of three strengths, and on the right
# one of its traces (red line), 1 km from the shot, at all three: the direct wave, and then reflections.


def compare(name):
    corruption, number = CORRUPTIONS[name], 16
    figure, axes = plt.subplots(1, 3, figsize=(9, 4), sharey=True, layout="constrained")
    records = [gathers, *(corruption.function(gathers, survey, each, None) for each in corruption.strengths)]
    titles = ["As simulated", *(corruption.label(each).partition(", ")[2] for each in corruption.strengths)]
    for panel, record, title in zip(axes, records[::3], titles[::3]):
        draw_gather(panel, record[shot], survey.receiver_x[shot], dt, clip)
        panel.axvline(survey.receiver_x[shot, number] / 1000, color="#b2182b", linewidth=0.8)
        panel.set_title(title)
    for record, title, colour in zip(records, titles, ("black", "#9ecae1", "#4292c6", "#084594")):
        axes[2].plot(record[shot, :, number] * survey.time, survey.time, color=colour, label=title)
    axes[2].set(xlim=(-1.3 * clip, 1.3 * clip), xlabel="Amplitude times time", title="One trace")
    axes[2].legend(fontsize="small", loc="upper right")
    for panel in axes:
        panel.label_outer()
    figure.suptitle(corruption.title)


# %%
# .. _gallery-frequency:
#
# Another frequency: ``frequency``
# --------------------------------
# The record is shaped into that of a Ricker wavelet of another peak frequency, by the ratio of the two
# spectra. In the field nobody hands over the wavelet: it depends on the depth and size of the source, the
# ghosts and the ground, and has to be estimated.

compare("frequency")

# %%
# .. _gallery-phase:
#
# Another phase: ``phase``
# ------------------------
# All frequencies are rotated by one angle: 90 degrees turn peaks into flanks, 180 swap the polarity. It
# stands for instruments and filters whose phase was not undone, and for a wavelet that was assumed symmetric.

compare("phase")

# %%
# .. _gallery-delay:
#
# A delay: ``delay``
# ------------------
# The whole record is late or early: time zero was noted with an error, or lies at the wavelet's beginning
# instead of at its peak. To a network and to the wave equation a delay looks like a slower, or a deeper,
# subsurface.

compare("delay")

# %%
# Strengths
# ---------
# The range from which the strength of a training record is drawn and the probability that it suffers it,
# unless the study says otherwise (``data.corrupt``), and the three strengths at which
# ``fwi evaluate --robustness`` compares networks:

print_strengths("frequency", "phase", "delay")

# %%
# The gather itself is left alone where a strength is zero (or one, for a factor). To try: a ``delay`` below
# zero; a phase of 180 degrees, ``source.phase(gathers, survey, 180.0, None)`` of ``fwi.corruption``. What
# these do to sections: :doc:`/results/how_robust`. Go on with :doc:`corruptions_noise`.
#
# The record in full
# ------------------
# The file ``one_record.py``, from which all pages on corruptions import what they share:
#
# .. literalinclude:: /examples/gallery/one_record.py
#    :language: python
