r"""
Uncertainty, and whether it holds
=================================

"3.2 km/s" is half an answer; the other half is "and between 2.9 and 3.6 in nine cases of ten". An interval is
easily drawn; whether it *holds* has to be counted on models whose truth is known.

At the end you will have drawn the interval of a section and of the top and base of its salt, counted how much
of the truth such intervals hold, at home and on a geology that nothing was calibrated on, found the places
where they hold less than they promise on average, calibrated intervals of other levels yourself, and compared
them with the disagreement of several networks. It takes some fifteen seconds. You should have seen
:doc:`00_tour`; the methods are in :doc:`/guide/trust`.
"""

import copy

import numpy as np
import torch
from matplotlib import pyplot as plt
from scipy import ndimage

import fwi
from data_prep.salt import generate
from fwi import intervals, plots
from fwi.config import SaltConfig
from fwi.interval_fit import fit
from fwi.intervals import Spread
from fwi.uncertainty import joint_spread, scores

# %%
# Models with known truth
# -----------------------
# Forty models of the geology that ``salt-demo`` was trained on, and twelve of one that it has never seen:
# salt of 3800 m/s in slow sediments. All are new to it (``stream=9`` draws from random numbers that no split
# of a data set uses). Eleven shots are enough here. All counts are over all of them; only the two sections
# that are drawn were picked, by looking.

run = fwi.load_run("salt-demo")
grid = run.study.grid
survey = fwi.Survey(grid, run.survey.config.model_copy(update={"shots": 11}))
propagator = fwi.Propagator(survey, run.study.physics)

slow = {"name": "yang_ma", "sediment_speeds": [1700, 3200], "salt_speed": 3800}
known = SaltConfig(preset="mixed", seed=7)
foreign = SaltConfig(preset=slow, seed=7, threshold=3500)

models = [generate(grid, known, stream=9, index=number) for number in range(40)]
others = [generate(grid, foreign, stream=9, index=number) for number in range(12)]
truth, salt = (np.stack(each) for each in zip(*models, strict=True))
other_truth, other_salt = (np.stack(each) for each in zip(*others, strict=True))
with torch.inference_mode():
    gathers = propagator(torch.from_numpy(truth)).numpy()
    other_gathers = propagator(torch.from_numpy(other_truth)).numpy()

sections = run.invert(gathers, survey)

# %%
# The interval of a section
# -------------------------
# The method :meth:`fwi.Run.interval` returns, cell by cell, the lowest and the highest speed of an interval
# that is calibrated to hold 90 % of the truth, and bands of the depths of the top and the base of salt.

found = run.interval(gathers, survey)  # of all 40 at once: lower, upper, top, base
one = 18  # a section that shows salt as a body, with sediments below it
of_one = intervals.Interval(*(each[one] for each in found))
title = f"MAE {np.abs(sections[one] - truth[one]).mean():.0f} m/s"
plots.velocity_interval(sections[one], of_one, grid.spacing, grid.velocity, title)

# %%
# Left: the section with the bands of top (solid lines) and base (dashed) of salt. That of the base is several
# times as wide: of all that is asked of the network, the base is what it knows least. Right: half the width
# of the interval. It is widest along the edge of the salt, where a cell is either salt or sediment, and
# narrow in the salt, whose speed is known. Down two columns of the section:

figure, axes = plt.subplots(1, 2, figsize=(7.5, 4.5), sharey=True, layout="constrained")
depth = survey.depth / 1000
for panel, column in zip(axes, (20, 45), strict=True):
    lower, upper = (each[one, :, column] / 1000 for each in (found.lower, found.upper))
    panel.fill_betweenx(depth, lower, upper, color="#11467b", alpha=0.25, label="90 % interval")
    panel.plot(sections[one, :, column] / 1000, depth, color="#11467b", label="section")
    panel.plot(truth[one, :, column] / 1000, depth, "k--", linewidth=1, label="truth")
    panel.set(xlabel="Velocity (km/s)", title=f"At {survey.x[column] / 1000:.1f} km")
axes[0].set_ylabel("Depth (km)")
axes[0].invert_yaxis()
axes[0].legend()
plt.show()

# %%
# Where the width comes from
# --------------------------
# The network has a second *head*, a last layer that predicts the size of the section's error, cell by cell.
# It was trained on models that the network was trained on, too, and so is too sure of itself. Hence a
# *calibration*: on 100 validation models the half-width is fitted as a weighted sum of what hints at errors,
# and multiplied by the smallest factor with which intervals hold what they promise (*conformal risk
# control*):

scale = run.calibration.network
hints = " + ".join(f"{weight:.2f} {name}" for name, weight in scale.weights.items())
print(f"half-width = {scale.factor:.2f} x ({hints}), from {scale.sections} sections")

# %%
# Do they hold?
# -------------
# The *coverage* of a section is the share of its cells whose truth is in the interval. Sections are counted,
# not cells, because the cells of a section err together.

held = (found.lower <= truth) & (truth <= found.upper)  # (model, depth, x)
other_found = run.interval(other_gathers, survey)
other_held = (other_found.lower <= other_truth) & (other_truth <= other_found.upper)

figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
bins = np.linspace(0.4, 1, 25)
for name, each, colour in (("known", held, "#11467b"), ("slow salt", other_held, "#a23b1e")):
    shares = each.mean(axis=(1, 2))
    label = f"{name}: {shares.mean():.0%} on average"
    axes.hist(
        shares, bins, color=colour, alpha=0.6, weights=np.full(len(shares), 1 / len(shares)), label=label
    )
axes.axvline(0.9, color="black", linestyle=":")
axes.set(xlabel="Share of a section's cells held", ylabel="Share of sections")
axes.set_title("Coverage of 90 % intervals, section by section")
axes.legend(loc="upper left")
plt.show()

# %%
# On average over models of the known kind, 90 % and a little more: this is what was promised (*marginal*
# coverage). It is *not* promised that each section has 90 %: some have less, and their owners cannot know
# that they are among these. And of slow salt nothing was promised, and one sees why. Intervals know what is
# uncertain in their own world; that the world is another one they do not know. That is the verdict's task
# (:doc:`08_verdict`).
#
# Where they hold less
# --------------------
# An average may also be unfair to *places*. Count by what is there, which the owner of a section would not
# know either:

is_salt, around = salt > 0, np.ones((1, 3, 3))  # of each model by itself, along depth and x
near = ndimage.binary_dilation(is_salt, around, 3) & ~ndimage.binary_erosion(is_salt, around, 3)
below = (np.cumsum(salt, axis=1) > 0) & ~is_salt & ~near
regions = {
    "sediment": ~(near | is_salt | below),
    "in salt": is_salt & ~near,
    "below salt": below,
    "within 120 m of the edge of salt": near,
}
width = found.upper - found.lower
for name, cells in regions.items():
    print(f"{name:33s}{cells.mean():5.0%} of cells, {held[cells].mean():.0%} held, ", end="")
    print(f"{width[cells].mean():4.0f} m/s wide")

# %%
# The intervals are wider where it is difficult, but not wide enough: the edge of salt, which is why one
# inverts at all, is held less than the quiet sediment, and the quiet sediment pays for it with more than it
# needs. Conditional coverage, in every place what was promised on average, cannot be had without assumptions;
# to know its gaps is what one can have.
#
# Top and base of salt have calibrations of their own, over the columns that have salt:

other_sections = run.invert(other_gathers, survey)
got = {
    "known": scores(found, sections, truth, salt > 0, run.calibration),
    "slow salt": scores(other_found, other_sections, other_truth, other_salt > 0, run.calibration),
}
for name, each in got.items():
    for face in ("top", "base"):
        share = np.nanmean(each[f"{face}_coverage"])
        metres = np.nanmean(each[f"{face}_width"])
        print(f"{name:10s} {face:5s} {share:.0%} held, {metres:4.0f} m wide")

# %%
# Of slow salt, the bands of the top hold less than the 90 % that they promise to known salt. Those of the
# base hold, but compare their width with the section, which is 2 km deep: they say little, and so are seldom
# wrong.
#
# Other levels, calibrated by yourself
# ------------------------------------
# The file has intervals of 90 %. For other levels, calibrate: :func:`fwi.interval_fit.fit` takes what hints
# at the errors (the *spread*) with the truth. 24 of our models are for it, the other 16 are to judge by, and
# must not be among the first.

spread = run.inverter.spread(gathers, survey)
first, rest = slice(0, 24), slice(24, 40)
part = {
    name: Spread(spread.section[each], {key: source[each] for key, source in spread.sources.items()})
    for name, each in (("first", first), ("rest", rest))
}
part["slow salt"] = run.inverter.spread(other_gathers, survey)

levels, reached = (0.5, 0.6, 0.7, 0.8, 0.9), {"rest": [], "slow salt": []}
for level in levels:
    scale = fit(part["first"], truth[first], salt[first] > 0, run.calibration.threshold, grid.spacing, level)
    calibration = run.calibration.model_copy(update={"coverage": level, "network": scale})
    for name, true in (("rest", truth[rest]), ("slow salt", other_truth)):
        lower, upper, _, _ = intervals.interval(part[name], calibration)
        reached[name].append(np.mean((lower <= true) & (true <= upper)))

figure, axes = plt.subplots(figsize=(5, 4.4), layout="constrained")
axes.plot([0.4, 1], [0.4, 1], "k:", label="as promised")
axes.plot(levels, reached["rest"], "o-", color="#11467b", label="known")
axes.plot(levels, reached["slow salt"], "o-", color="#a23b1e", label="slow salt")
axes.set(xlabel="Promised", ylabel="Held", title="Coverage, level by level")
axes.legend()
plt.show()

# %%
# On the dotted line, intervals hold what they promise; above it they are wider than they need be. With 24
# sections, of which six fit the weights, the guarantee costs width: the fewer sections, the more of it. Below
# the line nothing should be trusted.
#
# In a shell, ``fwi calibrate --run RUN`` does this with all validation models, and the verdict besides.
#
# Several networks
# ----------------
# A network's head knows the noise of its world. Where training did not decide what to answer, networks that
# were trained with other seeds answer differently, and their *disagreement* is another hint. Real members are
# trained from nothing; here, to be quick, two copies of the network are trained on for eight steps on other
# halves of 16 models. So they differ less than real members do.

members = [run.inverter]
for seed in (1, 2):
    torch.manual_seed(seed)
    member = copy.deepcopy(run.inverter)
    optimiser = torch.optim.AdamW(member.network.parameters(), lr=3e-4)
    chosen = np.random.default_rng(seed).permutation(16)[:8]
    records, target = torch.from_numpy(gathers[chosen]), torch.from_numpy(truth[chosen])
    member.train()
    for _ in range(8):
        loss = (member(records, survey) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    members.append(member.eval())

joint = joint_spread(members, gathers[rest], survey)
errors = {"one network": sections[rest], "mean of three": joint.section}
for name, each in errors.items():
    print(f"{name:14s} MAE {np.abs(each - truth[rest]).mean():.0f} m/s")

pick = 3  # of the sixteen, one with a body that is not found
shown = {
    "error of the mean": np.abs(joint.section[pick] - truth[rest][pick]),
    "what the head expects": joint.sources["head"][pick].mean(axis=0),
    "disagreement of three": joint.sources["members"][pick].mean(axis=0),
}
figure, axes = plt.subplots(1, 3, figsize=(8.5, 3), sharey=True, layout="constrained")
for panel, (name, each) in zip(axes, shown.items(), strict=True):
    limit = np.percentile(each, 99) / 1000
    image = plots.style.draw_section(panel, each / 1000, grid.spacing, "lajolla", (0, limit))
    plots.style.outline(panel, salt[rest][pick] > 0, grid.spacing, "black")
    panel.set_title(name, fontsize="medium")
    panel.label_outer()
    figure.colorbar(image, ax=panel, location="bottom", label="km/s", extend="max")
plt.show()

# %%
# Each panel has its own scale: neither the head nor the disagreement is an error in m/s before it is
# calibrated. Compare the *places*. Both mark the edges. Neither marks the stem of the right body, which none
# of the three has found: where all were taught the same they agree, also on what is wrong. Nor need the mean
# of three be better than one; here two of them were trained on very little since.
# ``fwi.uncertainty.calibrate(inverter, validation, members=[...])`` fits a weight for each hint, and so tells
# what it is worth.
#
# .. admonition:: What you have seen
#
#    An interval is worth what its coverage is, counted on models that nothing was fitted on. The promise is
#    an average over sections and cells of the calibrated kind: single sections, the edges of salt, and other
#    geologies may have less.
#
# .. admonition:: Exercises
#
#    * Add noise at 10 dB to ``gathers``. Do the intervals get wider? Do they hold?
#    * Calibrate on 14 models instead of 24, and on 40. Look at ``scale.factor``.
#    * Calibrate on half of the slow-salt models, and draw the curve of the other half.
#
# Next: :doc:`11_robustness`. Measured on hundreds of models: :doc:`/results/how_uncertain`.
