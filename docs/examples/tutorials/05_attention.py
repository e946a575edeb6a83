r"""
Attention, level by level
=========================

Attention lets a network weigh its own features: by channel, by place, or by what another part of the
network asks for. At the end of this page you can say which mechanism stands where in a network, choose one
for each slot of your own, look at what a trained network attends to, and test whether such a picture means
anything.

It takes some twenty seconds on one processor core. Read :doc:`/tutorials/00_tour` before; what each
mechanism computes, with its formula and its picture, is in the :doc:`/gallery/index`.
"""

from unittest import mock

import numpy as np
import torch
from matplotlib import pyplot as plt

import fwi
from data_prep.salt import generate
from experiments.cli import main as fwi_command
from fwi import attention, config, plots
from fwi.config import MECHANISMS, SLOTS, ModelConfig, StudyConfig
from fwi.networks import table
from fwi.networks.sizes import Sizes

# %%
# Why weigh?
# ----------
#
# A convolution sums what lies around a cell, with numbers that were learned once and are the same at
# every place and for every record. A mechanism of attention computes its numbers *from the map itself*,
# so that they differ from place to place and from record to record. There are two kinds:
#
# - **Factors**, :math:`y_i = a_i(x)\, x_i`: channels or cells are turned up or down. They are cheap.
#   ``se``, ``cbam`` and ``ca`` compute them, and the ``gate`` of a skip connection.
# - **Weights**, :math:`y_i = x_i + \sum_j w_{ij}(x)\, v_j`: a cell :math:`i` gathers values :math:`v_j`
#   from all other cells, however far. There are as many weights as cells squared. ``self`` and ``cross``
#   compute them.
#
# Why might a seismic network want that? What salt does to a record depends on where the salt is: the
# diffraction from a flank is the message in one record, at one place, and noise elsewhere. Whether
# attention does a network any good is another question, which the last sections ask.
#
# Where a network attends
# -----------------------
#
# ``salt-demo`` is a small network that comes with the package (:doc:`/tutorials/00_tour`). It is a U-Net.
# Its *features* are maps, one for each *channel*: at first the record, in the end the section. A stem
# brings the record from its axes (time, midpoint) to those of the section (depth, x); an encoder halves
# the maps from level to level and takes more channels each time; a decoder goes the way back, and the
# head makes speeds of what arrives. Skip connections hand the encoder's maps across, so that sharp
# boundaries survive. ``table.parts`` knows the size of each part's maps, and ``network.attending()``
# which mechanism stands where:

run = fwi.load_run("salt-demo")
network, model, survey = run.inverter.network, run.study.model, run.survey
maps = {"record": Sizes.of(survey, model).record}  # channels, rows, columns
maps |= {part.name: part.shape for part in table.parts(model, survey)}
filled = {place: each.mechanism for place, each in network.attending().items()}
title = "Maps of salt-demo (rows x columns, channels), and what fills its slots"
plots.unet(maps, filled, title)

# %%
# There are four kinds of slot:
#
# - ``attention``, one for each level, stands at the end of the encoder's block *and* of the decoder's block
#   there;
# - ``skip``, one for each skip connection, weighs what is handed across;
# - ``bottleneck`` follows the deepest block, and may hold several mechanisms one after the other;
# - ``resample`` is the step from the record's axes to those of the section.
#
# Boxes are as tall as a map and as wide as its number of channels; an empty circle is a slot with nothing
# in it. The *deepest* level is the last, number 3 here. Deep levels have few cells and many channels,
# shallow levels many cells and few channels: that is what the choice by level is about.
#
# Names and options
# -----------------
#
# A mechanism is called by its name. Its choice in ``fwi.config.MECHANISMS`` says which slots it fits and
# which options it takes, with their defaults:

for name, choice in MECHANISMS.items():
    fits = ", ".join(slot for slot, choices in SLOTS.items() if name in choices)
    options = choice.model_validate({"name": name}).options()
    print(f"{name:12}{fits:43}", ", ".join(f"{option} {value}" for option, value in options.items()))

# %%
# ``gate``, ``cross`` and ``mdaf`` take two maps and fit where two meet: the encoder's and the decoder's
# on a skip connection; ``cross`` also between section and record. ``mix`` belongs to another network,
# ``umixformer``, which has it at every level.
#
# Each mechanism is a plain module of PyTorch, which you can take by itself. It keeps the shape of its
# map, and begins close to the identity: before any training it changes little, so that a network with
# attention starts where the network without starts.

torch.manual_seed(0)
features = torch.randn(1, 96, 13, 19)
for name in ("se", "cbam", "ca", "self"):
    module = attention.build(name, channels=96).eval()
    count = sum(each.numel() for each in module.parameters())
    with torch.no_grad():
        change = (module(features) - features).abs().mean() / features.abs().mean()
    print(f"{name:6}{count:7,} parameters, changes its map by {change:.1%}")

# %%
# In a study
# ----------
#
# A study names them in its section ``model``, by name or as a mapping with options. This is the section
# of ``salt-demo``, with another width of the kernel in ``cbam`` and a self-attention at the deepest
# level:
#
# .. code-block:: yaml
#
#    model:
#      channels: [24, 48, 96, 192]
#      # One for each level, shallow to deep; one for each skip connection.
#      attention: [none, se, {name: cbam, kernel_size: 3}, ca]
#      skip: [none, none, gate]
#      bottleneck: self
#
# On the command line the same is ``--model.attention none se cbam ca --model.skip none none gate
# --model.bottleneck self``. ``fwi config show --model`` prints what comes out, part by part, with its cost,
# before anything is trained:
#
# .. code-block:: console
#
#    $ fwi config show --model --config salt_demo --model.bottleneck self

fwi_command("config show --model --config salt_demo --model.bottleneck self".split())

# %%
# A slot that a mechanism does not fit is refused, with the slot that it fits:

try:
    wrong = {"model": {"channels": [24, 48], "attention": ["gate", "se"]}}
    config.validate(StudyConfig, wrong, "my study")
except ValueError as error:
    print(error)

# %%
# What a slot costs
# -----------------
#
# The table can be had for any network without training it, and so the cost of any mechanism at any level.
# Here each of four mechanisms stands at one level of the network without attention:

study = config.load([config.known_studies()["salt_demo"]])


def multiply_adds(attention):
    settings = model.model_dump() | {"attention": attention, "skip": []}
    parts = table.parts(ModelConfig(**settings), survey)
    return sum(part.multiply_adds for part in parts)


plain = multiply_adds([])
levels = len(model.channels)
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for name in ("se", "cbam", "ca", "self"):
    lists = []
    for level in range(levels):
        lists.append(["none"] * levels)
        lists[-1][level] = name
    added = [100 * multiply_adds(each) / plain - 100 for each in lists]
    axes.semilogy(added, "o-", label=name)
axes.set(title="Multiply-adds that one mechanism adds", ylabel="Added (%)")
axes.set(xticks=range(levels), xlabel="Level, 0 is the finest")
axes.legend()
plt.show()

# %%
# Factors are all but free, wherever they stand. Attention among all cells is another matter: at the
# finest level, of 51 x 76 cells, it costs several times as much as the network itself, at the deepest
# next to nothing. Multiply-adds are not time, though. Factors read and write the whole map for hardly any
# arithmetic, so that ``cbam`` at the finest level takes a third more time a training step than no
# attention, and ``ca`` a fifth, while at the deepest levels both take a few per cent (measured on a
# larger network: :doc:`/results/does_attention_help`; ``fwi benchmark attention`` measures it on your
# machine). Hence rules of thumb:
#
# - at the finest levels nothing, or ``se``;
# - in the middle ``cbam`` or ``ca``;
# - what compares all cells with all others only at the deepest level (``bottleneck: self``).
#
# What a trained network attends to
# ---------------------------------
#
# Take models that ``salt-demo`` has not been trained on, of the stream of its validation models (number
# 1; see :doc:`/tutorials/01_salt_models`), and record them:

models = [generate(study.grid, study.salt, stream=1, index=k) for k in range(24)]
truth = np.stack([drawn.velocity for drawn in models])
with torch.no_grad():
    gathers = fwi.Propagator(survey, study.physics)(torch.from_numpy(truth)).numpy()
sections = run.invert(gathers)

# %%
# ``run.attended`` returns what each mechanism computed for one record. A network for any survey, as this
# one, also says what single shots contribute (that comes first; it is no attention, but answers a like
# question). Weights belong to a cell that asks; factors do not, so that any cell will do here. Record 8
# was chosen as an example for its single, large body of salt.

example = 8
looks = run.attended(gathers[example], cell=(25, 38))
for look in looks:
    size, low, high = str(look.values.shape), look.values.min(), look.values.max()
    print(f"{look.place:11}{look.mechanism:9}{look.kind:8}{size:10}{low:.2f} to {high:.2f}")

# %%
# Drawn over the section and its salt (from the shell, of a data set or a file of records):
#
# .. code-block:: console
#
#    $ fwi plot attention --run salt-demo --data data/salt_demo --sample 8 --out attention.png

grid, section, shot = study.grid, sections[example], 11
salt = section > study.salt.threshold
sample = plots.SampleColumn("inverted", gathers[example, shot], section, salt)
along = survey.receiver_x[shot], survey.recorded_dt
plots.attention_maps(sample, looks, (25, 38), grid.spacing, grid.velocity, *along)

# %%
# How to read this:
#
# - The upper row is about **shots**: by how much the section changes at most if one shot is left out (along
#   the boundary of the salt), and which shot that is at each place, from dark at the left end of the line to
#   light at the right.
# - Each of the other panels has a range of its own, which stands in its title. A factor of one changes
#   nothing.
# - The **gate** of ``skip 2`` follows the salt: what the encoder hands across is turned up at the salt and
#   damped above and below it.
# - **ca** weighs rows and columns; here it dims a depth below the salt.
# - Both maps of **cbam** have a frame along the edges of the section. That need not be geology:
#   convolutions see zeros beyond the edges, and few rays pass there.
# - **se** has one factor for each channel and knows of no place.
# - A map is the mean over all channels, and hides what single channels do.
#
# A mechanism that gathers has a map of *weights* instead: where one cell, marked by a star, looks for
# what it takes up. A network with such ones is drawn on the page :doc:`/results/does_attention_help`.
#
# Does it matter?
# ---------------
#
# A map shows what the network multiplied by. It does not show that the network needs it. Two tests do:
#
# - *all ones*: the factors are set to one;
# - *the mean*: the factors are replaced by their mean over other records, so that every record is weighed
#   alike. What stays is a constant, which a convolution could have learned; what goes is attention.
#
# The means are taken over the first ten records, and the errors of the other fourteen sections are
# compared with those of the network as it is. A *hook* is a function that PyTorch calls whenever a module
# is run; here it notes the factors. ``mock.patch`` puts something else in a module's place for a while.

first, others, true = gathers[:10], gathers[10:], truth[10:]
as_it_is = np.abs(run.invert(others) - true).mean(axis=(1, 2))
lost = {"all ones": [], "the mean": []}
for each in network.attending().values():
    module, seen = each.module, []
    hook = module.register_forward_pre_hook(
        lambda _, inputs: seen.append(module.factors(*inputs)),
    )
    run.invert(first)
    hook.remove()
    mean = torch.cat(seen).float().mean(dim=0, keepdim=True)
    for test, constant in ("all ones", torch.ones_like(mean)), ("the mean", mean):
        if each.mechanism == "gate":  # what it multiplies is normalised after that
            instead = mock.patch.object(module, "factors", return_value=constant)
        else:
            instead = mock.patch.object(module, "forward", lambda x: x * constant)
        with instead:
            error = np.abs(run.invert(others) - true).mean(axis=(1, 2))
        lost[test].append(error - as_it_is)

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
labels = [f"{name}: {each.mechanism}" for name, each in network.attending().items()]
for shift, (test, changes) in zip((-0.12, 0.12), lost.items(), strict=True):
    means, spread = np.mean(changes, axis=1), np.std(changes, axis=1, ddof=1)
    rows = np.arange(len(labels)) + shift
    bars = 2 * spread / np.sqrt(len(true))
    axes.errorbar(means, rows, xerr=bars, fmt="o", capsize=3, label=test)
axes.axvline(0, color="0.5", linewidth=1)
axes.set(yticks=range(len(labels)), yticklabels=labels)
axes.set(xlabel="Change of the MAE (m/s), and two standard errors")
axes.set_title("What salt-demo loses with constant factors")
axes.invert_yaxis()
axes.legend()
plt.show()

# %%
# A dot to the right of the line is a loss; where its bar crosses the line, it may be chance. The lesson
# is in the second test. The factors of both **se** can be replaced by constants at hardly any loss: the
# network has learned to scale its channels, which the next convolution could do for nothing. The **gate**
# has the prettiest map of all, and that it follows the salt is worth little: a fixed map serves nearly as
# well. What differs from record to record matters most in **ca** at the deepest level and in the
# decoder's **cbam**. And the first test alone misleads: with all ones the encoder's **cbam** looks like
# the most important of all, because later layers have learned to expect its factors, whatever they are.
#
# Nor does this say that a network *without* the mechanism would be worse by as much. It would have
# learned another way. That is the question of an ablation: train with it and without it, several times
# each, and compare (:doc:`/tutorials/12_ablation`).
#
# What it brings
# --------------
#
# The project has made such ablations; tables, figures and commands are on the page
# :doc:`/results/does_attention_help`. In short: under smooth layers (the preset ``yang_ma``) no mechanism
# in any slot gained anything that three trainings could show, and gates and cross-attention on the skip
# connections did harm. In faulted sediments around detached sheets of salt (``seg_eage``) the list ``none
# se cbam ca ca`` took some seven per cent off the error, for eight per cent more time a step. Therefore
# the default is no attention, and the studies of the harder presets have that list. Not measured are
# trainings of many epochs and larger networks.
#
# Try it
# ------
#
# - Change ``example``, and see which of the remarks on the maps hold for other models. Which for a model
#   without salt?
# - Put ``{name: se, squeeze: [avg, std]}`` or ``criss_cross`` into ``lists`` of the costs.
# - ``fwi.load_run("salt-half")`` is the larger sister. Does its gate matter more?
#
# What you have seen
# ------------------
#
# A slot is a place in the network; a mechanism fills it by name; ``fwi config show --model`` tells the
# cost; a map of attention shows what was multiplied, and a constant in its place shows whether that
# mattered.
#
# Go on with :doc:`/tutorials/06_adapt`, which adapts a trained network, with
# :doc:`/tutorials/12_ablation`, or add a mechanism of your own: :doc:`/tutorials/14_your_own`.
