"""
Corruptions by what is missing
==============================

Five ways in which traces are lost or were never recorded: ``dead``, ``dead_block``, ``missing_shots``,
``sparse_shots`` and ``sparse_receivers``. At the end you will have seen which traces each of them leaves. The
page takes about two seconds. Why records are spoiled in training is told in :doc:`/guide/training`.
"""

from one_record import print_strengths, show, show_traces

# %%
# The record is that of a random salt model, eight shots along 3 km, of which the fifth is shown. Amplitudes
# are multiplied by time, so that late reflections show beside the direct wave, and clipped at the same value
# in all panels. It comes from the file that :doc:`corruptions_source` shows at its end (a downloaded
# script wants :download:`one_record.py </examples/gallery/one_record.py>` beside it).

# %%
# A trace that is zero throughout is missing, here as everywhere in salt-fwi: a file's header need not say so.
# The first two are seen in a gather; of the others the pictures show all shots, by the RMS amplitude of each
# trace, white where there is none.

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

print_strengths("dead", "dead_block", "missing_shots", "sparse_shots", "sparse_receivers")

# %%
# To try: all of them one after the other, as ``fwi.corruption.corrupted`` does by chance for a training
# record; the same with the zoo's network, whose section you invert from what is left.

# sphinx_gallery_thumbnail_number = 3
