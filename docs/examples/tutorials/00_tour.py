"""
Five minutes: from a salt model to a refined section
====================================================

At the end you will have drawn a salt model, sent waves through it, turned its record into a velocity
section, asked how far that section can be off, heard whether to believe it, seen a place where a section is
wrong, and mended a section with the wave equation. It takes some fifteen seconds of computing and no
reading before; the network comes with the package. Both models below were chosen among some ten draws,
since they show clearly what the page is about; :doc:`/results/when_is_it_wrong` counts how often a verdict is
right.

**The task.** A ship or a line of dynamite sends waves into the ground; receivers record what comes back.
From these *records* we want the *velocity section*: the speed of sound at each depth and place along the
line. Salt makes this hard: it is fast (4.5 km/s against 2 to 3.5 km/s around it), reflects strongly, and
hides what lies below it. Words that are new to you are in the :doc:`/reference/glossary`.
"""

import numpy as np
import torch

import fwi
from data_prep.salt import generate
from fwi import plots
from fwi.config import SaltConfig
from fwi.corruption import noise

# %%
# A trained network
# -----------------
# ``salt-demo`` is the smaller of two networks that come with the package. It was trained on random salt
# models; its *survey* says which section it sees, and which records it was trained on: a line of 3 km, 2
# km deep, on cells of 40 m, records of 2 s with a *wavelet*, the pulse that the source sends out, whose
# spectrum peaks at 5 Hz.
run = fwi.load_run("salt-demo")
survey, grid = run.survey, run.survey.grid

print(f"section: {grid.nz} x {grid.nx} cells of {grid.spacing:g} m")
print(f"speeds:  {grid.velocity[0]:g} to {grid.velocity[1]:g} m/s")
print(f"records: {survey.layout()}")
print(f"time:    {survey.gather_shape[1]} samples of {survey.recorded_dt:g} s")

# %%
# A salt model
# ------------
# Models are drawn from a *preset*, a geology with ranges of everything that is random in it. ``yang_ma``
# has flat layers, pierced by a dome of salt. The last two numbers name the model: the same numbers give
# the same model everywhere. Streams 0 to 2 are training, validation and test; this one is of stream 4,
# which no training has seen.
truth = generate(grid, SaltConfig(preset="yang_ma"), stream=4, index=2)
salt = truth.salt > 0

title = "A salt dome in layered sediments"
plots.velocity_model(truth.velocity, grid.spacing, grid.velocity, title)

# %%
# Its record
# ----------
# The propagator solves the acoustic wave equation for every shot, and notes the pressure at every
# receiver. We add noise, 30 dB below the record (its amplitude is 3 % of the record's), for there is
# always some.
propagator = fwi.Propagator(survey, run.study.physics)
with torch.inference_mode():
    clean = propagator(torch.from_numpy(truth.velocity)[None])[0].numpy()
gathers = noise.white(clean, survey, 30.0, np.random.default_rng(0))

print("gathers:", gathers.shape, "(shot, time, receiver)")

# %%
# One *gather* is what all receivers record of one shot; time runs downward. (All amplitudes are
# multiplied by their time, or the late ones would hardly be seen.) The two straight arms are the direct
# wave, which runs along the surface; it begins at 0.3 s, since the pulse takes that long to reach its
# peak. The curves below are reflections. The first, from 0.7 s on, comes from the boundary of two layers
# at half a kilometre; the next, from 1.2 s on, from the crest of the salt; the last, at the right, from
# its shoulder. A wave that comes from deeper comes later: that is all the record says about depth, and to
# turn time into depth one needs the speeds that are sought.
shot = 6
plots.gathers(
    gathers[shot],
    None,
    survey.receiver_x[shot],
    survey.recorded_dt,
    names=(f"Shot at {survey.shot_x[shot] / 1000:.2f} km", ""),
)

# %%
# The section, and its interval
# -----------------------------
# The network turns the 22 gathers into a section within milliseconds, and says how far off it may be:
# nine tenths of the truth are expected between ``lower`` and ``upper``, on average over many sections: in
# an easy one it is more, in a hard one less. The band on the section is the interval of the salt's top
# (its base is below the section and has none); the picture on the right is half the width of the interval
# of the speed.
section = run.invert(gathers)
interval = run.interval(gathers)

error = np.abs(section - truth.velocity)
held = (interval.lower <= truth.velocity) & (truth.velocity <= interval.upper)
print(f"mean absolute error: {error.mean():.0f} m/s")
print(f"cells whose true speed is within the interval: {held.mean():.0%}")

title = "Section by salt-demo"
plots.velocity_interval(section, interval, grid.spacing, grid.velocity, title)

# %%
# The interval is widest along the boundary of the salt. That is where a network errs: it knows that there
# is a boundary, not on which cell.
#
# The verdict
# -----------
# Nobody knows the truth below a real line. But the records are known, and a section can be tested against
# them: it is simulated on a finer grid with another scheme, and what comes out is compared with what was
# recorded. From this, and from how sure the network is, a calibrated rule makes the probability that the
# section is wrong.
verdict = run.check(section, gathers)
print(verdict)

# %%
# *Wrong* is meant strictly: the salt overlaps the true salt by less than 70 %, or the mean error exceeds
# 200 m/s, or 400 m/s at the boundary of the salt. The line has the probability of that, the mean absolute
# error (MAE) to expect with its interval, and under *loudest* the figure that speaks most against the
# section, beside its usual value (:doc:`/guide/trust` explains them all). This section is believed, and
# as we have drawn the truth, we know: rightly.
#
# A section that is wrong
# -----------------------
# Now two leaning diapirs, drawn from the preset ``seg_eage``: heads of salt on narrow stems, in folded
# beds.
other_truth = generate(grid, SaltConfig(preset="seg_eage"), stream=4, index=7)
with torch.inference_mode():
    clean = propagator(torch.from_numpy(other_truth.velocity)[None])[0].numpy()
other_gathers = noise.white(clean, survey, 30.0, np.random.default_rng(0))

other_section = run.invert(other_gathers)
other_verdict = run.check(other_section, other_gathers)
print(other_verdict)

# %%
# The verdict doubts it, and says where to look. The *network's views* are its sections of the record as
# it is, mirrored, and of every other shot: where it is sure, they agree. The map on the right compares
# the difference between recorded and simulated waves, by the place that they come from, with the energy
# of these waves: near 0 all is explained, towards 1 and beyond the records contradict the section.
plots.contradicted(
    other_section,
    other_verdict.contradiction,
    other_verdict.contradicted[:2],
    grid.spacing,
    grid.velocity,
    f"Two diapirs: {other_verdict.remark}",
)

# %%
# Beneath both heads something is missing. The truth shows what: the network has seen the heads and not
# the stems below them, from whose steep flanks hardly any wave comes back to the surface.
other_salt = other_truth.salt > 0
row = plots.SectionRow("two diapirs", other_section, other_truth.velocity, other_salt)
plots.sections([row], grid.spacing, grid.velocity)

# %%
# Refinement
# ----------
# *Full-waveform inversion* (FWI) changes a section step by step until it explains the records. From a bad
# start it runs into a wrong section; from a good one it sharpens what is there. The network's section is
# such a start. Each step needs a *gradient*: how the *misfit*, the difference between simulated and
# recorded gathers, would change with the speed of each cell. Half of the shots are held out, and the
# refined section is returned only if it explains these better too. Six gradients take seconds; fifty to a
# hundred and fifty are usual (``power`` says how much late arrivals count, less where there is noise).

# sphinx_gallery_thumbnail_number = 6
settings = run.study.refine.model_copy(update={"gradients": 6, "power": 1.0})
refined = run.refine(section, gathers, config=settings)
print("accepted:" if refined.accepted else "not accepted:", refined.reason)

rows = [
    plots.SectionRow("network", section, truth.velocity, salt, verdict.word),
    plots.SectionRow("refined", refined.section, truth.velocity, salt),
]
plots.sections(rows, grid.spacing, grid.velocity)

# %%
# The corner at the right foot of the dome moves to its place, and the uppermost boundary gets sharper: a
# network that is unsure of a boundary blurs it, as the mean of all places where it may be. The left
# flank, which sends few waves back, would take more gradients.
#
# What you have seen
# ------------------
# These five lines are the whole use of a network; the rest of this page was drawing:
#
# .. code-block:: python
#
#    run = fwi.load_run("salt-demo")
#    section = run.invert(gathers)
#    interval = run.interval(gathers)
#    verdict = run.check(section, gathers)
#    refined = run.refine(section, gathers)
#
# ``fwi demo`` does the same for six models of three geologies, adapts the network to another one, and
# writes a report.
#
# **Try it.** Take another ``index`` of either preset: how often is the word of the verdict right? It is
# made to doubt too often rather than too seldom. Add more noise, 10.0 instead of 30.0: the section hardly
# suffers, but what does the verdict say? Let the refinement begin with the section of the two diapirs: it
# is accepted, for the misfit falls by half. Are the stems there?
#
# **Where to go.** With your own line: :doc:`03_segy`. How the models are drawn: :doc:`01_salt_models`.
# How the records come about: :doc:`02_survey`. When to doubt a section: :doc:`08_verdict`.
