r"""
An ablation, with intervals
===========================

An ablation asks whether a part of a network is worth having: train with it and without it, and compare. At
the end of this page you have made a tiny one, can read the table and the figure of ``fwi sweep ablation``,
and know what an interval says, what it does not, and how many trainings a question needs.

It takes some twenty seconds on one processor core. Read :doc:`/tutorials/05_attention` before.
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from scipy.special import stdtrit

import fwi
from data_prep.salt import generate
from experiments.sweep.summary import estimate
from experiments.sweep.variants import read_variants
from fwi import config, plots
from fwi.config import StudyConfig

# %%
# A training is a random draw
# ---------------------------
#
# The first weights of a network are random numbers, and so is the order in which it sees its samples; both
# follow from a *seed*. Another seed gives another network, with another error. So the error of one training
# is one draw from a distribution, and two trainings, one with a mechanism and one without, differ even
# where the mechanism does nothing. Whoever compares one with one compares seeds.
#
# See for yourself. This is a toy: sections of 24 x 36 cells of 80 m, 4 shots, 72 models to train on and 24
# to measure the error, sixty steps for each training. It shows the way of an ablation, and nothing about
# attention.

toy = {
    "grid": {"nz": 24, "nx": 36, "spacing": 80.0, "velocity": [2000.0, 4500.0]},
    "survey": {
        "shots": 4,
        "receivers": 36,
        "depth": 80.0,
        "dt": 0.008,
        "nt": 240,
        "wavelet": {"frequency": 3.0},
    },
    "model": {"channels": [8, 16, 32]},
}
study = config.validate(StudyConfig, toy, "the toy")
survey = fwi.Survey(study.grid, study.survey)
drawn = [generate(study.grid, study.salt, stream=0, index=number) for number in range(96)]
velocity = torch.from_numpy(np.stack([model.velocity for model in drawn]))
with torch.no_grad():
    gathers = fwi.Propagator(survey, study.physics)(velocity)

# %%
# Three variants, three seeds of each. The first is ``plain``, the network without attention, with which the
# others are compared. All have the same data, the same number of steps and the same seeds.

variants = {"plain": [], "se": ["none", "se", "se"], "mixed": ["none", "se", "ca"]}
errors = {name: [] for name in variants}  # by variant: of each seed the error of each validation model
for name, attention in variants.items():
    changed = config.merge(toy, {"model": {"attention": attention}})
    varied = config.validate(StudyConfig, changed, name)
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        inverter = fwi.Inverter(varied)
        optimizer = torch.optim.AdamW(inverter.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=60)
        for _ in range(60):
            some = torch.randint(72, (12,))
            loss = (inverter(gathers[some]) - velocity[some]).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        inverter.eval()
        with torch.no_grad():
            error = (inverter(gathers[72:]) - velocity[72:]).abs().mean(dim=(1, 2))
        errors[name].append(error.numpy())
        print(f"{name:6} seed {seed}: validation MAE {error.mean():.0f} m/s")

# %%
# Look at the three numbers of ``plain`` alone: the same network, the same data. Had you made one training
# of each variant, which would you have called the best after seed 0, which after seed 1, which after seed
# 2?
#
# From numbers to an interval
# ---------------------------
#
# Arrange the errors of a variant as a table of :math:`S` seeds and :math:`M` models. Its mean is an
# estimate of what the variant would give had there been all seeds and all models of this kind. How far may
# it be off? Two things scatter: the seeds' means :math:`a_s` and the models' means :math:`b_m`. The
# variance of the mean is taken as
#
# .. math:: \sigma^2 = \frac{\mathrm{var}(a)}{S} + \frac{\mathrm{var}(b)}{M}
#
# and the 95 % interval is the mean :math:`\pm\, t\, \sigma` with the factor :math:`t` of Student's
# distribution: 2 for many degrees of freedom, but 4.3 for two, that is for three seeds whose scatter
# dominates. ``estimate`` does this. For the *difference* to ``plain`` it is given differences, model by
# model and seed by seed: some models are hard for every network, and that cancels.

dots = {}
for name in variants:
    score = estimate(np.stack(errors[name]))
    bar = None
    if name != "plain":
        more = estimate(np.stack(errors[name]) - np.stack(errors["plain"]))
        print(f"{name:6} minus plain: {more.mean:+.0f} [{more.low:+.0f}, {more.high:+.0f}] m/s")
        plain = score.mean - more.mean
        bar = plain + more.low, plain + more.high
    dots[name] = plots.Dots(score.mean, score.by_seed, bar)
plots.dots_and_bars({"Validation MAE (m/s)": dots}, reference="plain")

# %%
# That is the figure that a sweep draws: a small dot for each seed, a diamond for their mean, and as a bar
# the interval of the difference to ``plain``, whose mean is the grey line. A bar that crosses the line
# says: these trainings do not show a difference. A bar that is wider than the panel runs off it, as here,
# and says that they hardly could have shown one.
#
# The same as a command
# ---------------------
#
# ``fwi sweep ablation`` does that with whole trainings. Each variant is a file that is merged over the
# study and changes one thing; its name is the variant's. ``configs/ablation/`` of the project's repository
# has eleven, for networks of five levels:
#
# .. code-block:: console
#
#    $ cat configs/ablation/mixed.yaml
#    # Cheap gates on top, coordinate attention in the depth; ...
#    model:
#      attention: [none, se, cbam, ca, ca]
#      skip: []
#      bottleneck: []
#      resample: interpolate
#    $ fwi simulate --config configs/ablation_quick.yaml
#    $ fwi sweep ablation --config configs/ablation_quick.yaml --out runs/ablation-quick \
#        --variants configs/ablation/{plain,se,cbam,ca,mixed}.yaml --seeds 0 1 2
#
# This form takes a quarter of an hour on two cores. Each training is an ordinary run in a process of its
# own, ``runs/ablation-quick/mixed-0`` and so on, as many at once as there are cores. Stop it at any moment
# and repeat the command: it goes on from the last whole epoch. Add variants or seeds in the same way later.
# What would make the comparison unfair is refused before anything is trained:

files = Path("ablation")
files.mkdir(exist_ok=True)
(files / "plain.yaml").write_text("model: {attention: []}\n")
(files / "longer.yaml").write_text("model: {attention: [none, se, ca]}\ntrain: {epochs: 80}\n")
try:
    read_variants(study, [files / "plain.yaml", files / "longer.yaml"], reference="plain")
except ValueError as error:
    print(error)

# %%
# Reading the summary
# -------------------
#
# This page does not run the command. At its end it prints what it leaves in its folder as ``ablation.md``,
# beside ``ablation.json`` and ``ablation.png``, and writes anew after each run: two tables, of the test split
# and of validation, with a line for each variant. In them stand parameters and multiply-adds, the error with
# its interval, that of each seed, the difference to ``plain``, and the means of other metrics (salt IoU,
# errors at the boundary of salt and below it). From the first table of the command above (it is whole, with
# what it cost, on the page :doc:`/results/does_attention_help`):
#
# =========  ======================  =================  ======================
# variant    MAE (m/s)               of each seed       minus plain's
# =========  ======================  =================  ======================
# plain      155.1 [135.5, 174.6]    154, 166, 146
# se         152.4 [144.2, 160.5]    150, 157, 151      -2.7 [-19.1, +13.7]
# cbam       183.8 [-0.7, 368.3]     140, 141, 270      +28.8 [-177, +235]
# **ca**     148.4 [140.9, 155.8]    149, 150, 146      -6.7 [-25.3, +11.9]
# mixed      160.9 [145.8, 175.9]    158, 170, 155      +5.8 [+0.8, +10.8]
# =========  ======================  =================  ======================
#
# And drawn:

by_seed = {
    "plain": [154, 166, 146],
    "se": [150, 157, 151],
    "cbam": [140, 141, 270],
    "ca": [149, 150, 146],
    "mixed": [158, 170, 155],
}
ends = {"se": (-19.1, 13.7), "cbam": (-177, 235), "ca": (-25.3, 11.9), "mixed": (0.8, 10.8)}
rows = {name: plots.Dots(np.mean(maes), maes, None) for name, maes in by_seed.items()}
for name, interval in ends.items():
    rows[name] = rows[name]._replace(bar=[rows["plain"].mean + end for end in interval])
plots.dots_and_bars({"Test MAE (m/s), 80 models": rows}, reference="plain")

# %%
# - The errors are those of the *test* split, and the best variant, in bold, is chosen by the *validation*
#   split: whoever chooses and reports on the same samples reports luck as well.
# - ``cbam`` is the best in two seeds of three. In the third it failed to learn the salt. A single training
#   would have told one of two stories, both wrong; three say "unreliable at this budget", and their
#   interval is as wide as the error itself.
# - ``ca`` is in bold, and its interval contains zero: these trainings do not show that it is better than no
#   attention.
# - ``mixed`` is worse than ``plain`` by little, in each of the three seeds, so that its interval leaves
#   zero out.
#
# How many seeds?
# ---------------
#
# In the project's longer ablation (940 steps on the public salt models; the same results page) the test
# errors of three seeds were these, in m/s. What would one have said after the first training of each, after
# the second, and after the third?

published = {
    "plain": [162, 172, 136],
    "se": [142, 156, 140],
    "cbam": [134, 142, 163],
    "ca": [146, 144, 156],
    "mixed": [146, 144, 152],
    "gate": [164, 148, 167],
    "cross": [159, 177, 150],
}
means = {name: np.cumsum(maes) / [1, 2, 3] for name, maes in published.items()}

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for name in list(published)[1:]:
    left.plot([1, 2, 3], 100 * (means[name] / means["plain"] - 1), "o-", label=name)
left.axhline(0, color="0.5", linewidth=1)
left.set(xticks=[1, 2, 3], xlabel="Trainings of each variant", ylabel="Error against plain (%)")
left.set_title("What the mean of the seeds so far says")
left.set_ylim(-32, 6)
left.legend(loc="lower right", ncols=2)

scatter = np.sqrt(np.mean([np.var(maes, ddof=1) for maes in published.values()]))
scatter /= np.mean(list(published.values()))
seeds = np.arange(2, 31)
half = 100 * stdtrit(2 * seeds - 2, 0.975) * scatter * np.sqrt(2 / seeds)
right.plot(seeds, half)
right.axhline(7, color="0.5", linestyle="--", linewidth=1)
right.text(30, 7.5, "an effect of 7 %", ha="right")
right.set(xticks=[2, 3, 5, 10, 20, 30], ylim=(0, None))
right.set(xlabel="Trainings of each variant", ylabel="Half of the interval (%)")
right.set_title(f"Where seeds scatter by {scatter:.0%} of the error")
plt.show()

# %%
# Left: after one training, five of six variants look better than ``plain``, by as much as a sixth; after
# three, four of them do, by seven per cent at most. ``plain`` had drawn two poor seeds first.
#
# Right: the half width of a 95 % interval for the difference of two variants, :math:`t\, s \sqrt{2 / n}`,
# with the scatter :math:`s` of these trainings. Three seeds show differences of a sixth of the error and
# more. To show seven per cent, which is what attention brought in the one setting where it brought
# anything, takes ten or more where seeds scatter so. On the harder models of that setting they scattered
# less, and three sufficed. So
#
# - run three seeds of ``plain`` first, and look at their scatter;
# - decide which difference would matter to you, and read off how many seeds it takes, *before* you look at
#   the variants;
# - if that is more than you can afford, say so, and take the cheaper network.
#
# What an interval does not say
# -----------------------------
#
# - **It may be chance all the same.** Of twenty intervals of differences that are nothing, one leaves out
#   zero. The longer ablation has ninety (six variants, several metrics and data sets) and seven of them do.
#   Ask one question, and ask it again with new seeds.
# - **It holds for this budget.** Equal steps are not equal time: ``cbam`` takes half as much time again for
#   a step. And a mechanism may learn faster, and end no better, or the reverse.
# - **It holds for these models and records.** Whether the order is the same on your geology, your own
#   ablation tells.
# - **It is as good as its assumptions.** Student's distribution takes the seeds' means for normally
#   distributed. One training in twenty that fails altogether is nothing of the kind, and three seeds will
#   mostly miss it.
#
# Try it
# ------
#
# - Give the toy six seeds. Which of the intervals shrink by more than half, and why?
# - Make a variant ``plain2`` that is ``plain`` with the seeds 10, 11 and 12. How often does it differ from
#   ``plain``?
# - Add ``--data FOLDER`` to the command: the runs are scored on the test split of that data set as well.
#
# What you have seen
# ------------------
#
# A training is a draw; a mean needs an interval, and an interval needs seeds; choose by validation and
# report on test; and most of what single trainings say about small changes of a network is about their
# seeds.
#
# ``fwi sweep ablation --help`` lists the flags. Trainings on many cores and machines are in
# :doc:`/tutorials/13_scale_out`, watching them in :doc:`/tutorials/15_wandb`.
