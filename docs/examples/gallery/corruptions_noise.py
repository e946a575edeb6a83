"""
Corruptions by noise
====================

Five kinds of noise that is added to a record: ``white``, ``dips``, ``swell``, ``bursts`` and ``spikes``. At
the end you will have seen each in a gather, moderate and severe. The page takes about two seconds. Why
records are spoiled in training is told in :doc:`/guide/training`.
"""

from one_record import print_strengths, show

# %%
# The record is that of a random salt model, eight shots along 3 km, of which the fifth is shown. Amplitudes
# are multiplied by time, so that late reflections show beside the direct wave, and clipped at the same value
# in all panels. It comes from the file that :doc:`corruptions_source` shows at its end (a downloaded
# script wants :download:`one_record.py </examples/gallery/one_record.py>` beside it).

# %%
# The level of noise counts in decibels below the root mean square (RMS) of the record, over all of its traces
# and times, direct wave included: at 20 dB the noise has a tenth of the record's RMS amplitude. Since the
# direct wave is far louder than the reflections, these drown earlier than the number suggests.
#
# .. _gallery-white:
#
# Noise in the band: ``white``
# ----------------------------
# Noise with the spectrum of the wavelet, independent from trace to trace: what is left of wind, electronics
# and everything that is far away, after a band-pass. Within the band no filter takes it out; stacking lowers
# it.

show("white")

# %%
# .. _gallery-dips:
#
# Coherent dips: ``dips``
# -----------------------
# Three plane waves in each gather, with the wavelet's spectrum, that cross the line at 300 to 4000 m/s:
# ships, machines, another crew's shots, waves that scatter near the surface. Stacking does not take them out,
# and they look like reflections.

show("dips")

# %%
# .. _gallery-swell:
#
# Swell: ``swell``
# ----------------
# Noise well below the wavelet's band, alike on some four neighbouring traces, strong on some of them: what
# waves at sea do to a streamer. Strong and slow, it is easily filtered, if somebody does.

show("swell")

# %%
# .. _gallery-bursts:
#
# Bursts: ``bursts``
# ------------------
# One to three short, strong bursts in the wavelet's band in a gather, each on a few neighbouring traces: a
# passing car, a fish at the cable, a bad connector. As the level holds over the whole record, a burst stands
# far above it while it lasts.

show("bursts")

# %%
# .. _gallery-spikes:
#
# Spikes: ``spikes``
# ------------------
# One to three single samples of 10 to 30 times the record's RMS on a share of the traces, single ones or a
# block of neighbours: electronics, lightning, bits that were lost. A spike holds all frequencies, and one of
# them spoils the normalisation of a trace.

show("spikes")

# %%
# Strengths
# ---------
# The range from which the strength of a training record is drawn and the probability that it suffers it,
# unless the study says otherwise (``data.corrupt``), and the three strengths at which
# ``fwi evaluate --robustness`` compares networks:

print_strengths("white", "dips", "swell", "bursts", "spikes")

# %%
# To try: another ``seed``; the first of the three strengths. What these do to sections:
# :doc:`/results/how_robust`. Go on with :doc:`corruptions_amplitudes_and_places`.

# sphinx_gallery_thumbnail_number = 2
