"""
Corruptions by noise
====================

Five kinds of noise that is added to a record: ``white``, ``dips``, ``swell``, ``bursts`` and ``spikes``. At
the end you will have seen each in a gather, moderate and severe. The page takes about two seconds. Why
records are spoiled in training is told in :doc:`/guide/training`.
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

print(f"{'':17}{'training':15}{'probability':13}{'compared at':18}unit")
for name in ("white", "dips", "swell", "bursts", "spikes"):
    corruption, settings = CORRUPTIONS[name], getattr(CorruptConfig(), name)
    drawn = " to ".join(f"{end:g}" for end in settings.range)
    compared = ", ".join(f"{strength:g}" for strength in corruption.strengths)
    print(f"{name:17}{drawn:15}{settings.probability:<13g}{compared:18}{corruption.unit}")

# %%
# To try: another ``seed``; the first of the three strengths. What these do to sections:
# :doc:`/results/how_robust`. Go on with :doc:`corruptions_amplitudes_and_places`.

# sphinx_gallery_thumbnail_number = 2
