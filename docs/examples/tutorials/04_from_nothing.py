"""
A network from nothing
======================

At the end you will have simulated a small data set, trained a network on it, watched it learn, scored it
beside predictors that need no learning, and inverted a record with it. It takes twenty seconds, most of it
training (on a processor without bf16 arithmetic up to a minute). That is far too little for a good network,
and enough to see each part work; the last heading says what minutes and hours bring. :doc:`02_survey` shows
what a study and a data set are.

**Do you need this page?** Less often than you think. The networks of the package take any survey and any
scale of a line (:doc:`03_segy`), and to adapt one to another geology takes a fraction of a training
(:doc:`06_adapt`). Train from nothing where the architecture is to be another, for research, or to
understand.
"""

from pathlib import Path

import numpy as np

import fwi
from experiments.cli import main as fwi_command
from fwi import plots

# %%
# The study
# ---------
# One file says everything: what the ground is like, how it is recorded, which network learns, and how.
# The first half is that of :doc:`02_survey`; new are the sections ``model`` and ``train``.
#
# ``columns: offsets`` sorts the traces of all shots by *midpoint* (halfway between shot and receiver) and
# *offset* (the distance between the two) before they reach the network, since these mean the same in
# every survey. ``channels`` are the features of each level of a U-Net, from fine to coarse; ``attention``
# is the mechanism of each level (:doc:`05_attention`). The *loss*, which training makes small, is the
# mean absolute error, and a term that makes missed salt cost something. The learning rate is the size of
# the steps: it grows over the first fifth of the training (``warmup``), and then falls to zero. ``ema:
# 0`` does without a mean of the weights over many steps, which pays in longer trainings; the last two
# lines leave out Weights & Biases and the calibration of a verdict. These settings were chosen on models
# of another ``seed``, so the test models below had no say in them.
study = """
grid: {nz: 51, nx: 76, spacing: 40.0, velocity: [2000.0, 4500.0]}
survey:
  shots: 6
  shot_margin: 200.0
  receivers: 76
  depth: 40.0
  dt: 0.004
  nt: 500
  keep_every: 5
  wavelet: {kind: ricker, frequency: 6.0}
salt: {preset: yang_ma, seed: 1}
storage:
  {folder: from_nothing/data, train: 48, validation: 8, test: 8, samples_per_shard: 8}
data: {workers: 0}
model:
  columns: offsets
  channels: [8, 16, 32, 64]
  attention: [none, se, cbam, ca]
train:
  epochs: 12
  batch_size: 4
  learning_rate: 4.0e-3
  warmup: 0.2
  loss: {l1: 1, salt: 0.6}
  ema: 0
tracking: {mode: disabled}
trust: {after_training: false}
"""
Path("from_nothing").mkdir(exist_ok=True)
with open("from_nothing/study.yaml", "w") as file:
    file.write(study)

# %%
# Look at the network before it costs anything: its levels, its parameters (the numbers that it learns),
# its work in multiply-adds and its memory.
#
# .. code-block:: console
#
#    $ fwi config show --model --config from_nothing/study.yaml
#
fwi_command("config show --model --config from_nothing/study.yaml".split())

# %%
# Simulate
# --------
# Forty-eight models to learn from, eight to watch the learning, and eight to judge it in the end. The
# three never share a model.
#
# .. code-block:: console
#
#    $ fwi simulate --config from_nothing/study.yaml --workers 1
#
fwi_command("simulate --config from_nothing/study.yaml --workers 1".split())

# %%
# Train
# -----
# In each *step* the network inverts four records, the sections are compared with the truth, and the
# parameters are moved a little in the direction in which the loss falls. An *epoch* is a pass over all
# training records; after each, the validation records are inverted.
#
# .. code-block:: console
#
#    $ fwi train --config from_nothing/study.yaml --run from_nothing/run
#
fwi_command("train --config from_nothing/study.yaml --run from_nothing/run".split())

# %%
# Everything that later commands need is in the folder of the run; the trained network is one file,
# ``inverter.safetensors``. The curves are in ``metrics.csv``:
plots.curves(Path("from_nothing/run/metrics.csv"))

# %%
# How to read them. Training and validation loss should fall together (the zigzag of the validation comes
# from its eight samples and from large steps); when the validation's rises for good while the training's
# falls, the network learns its models by heart, and more models would help. At first the network draws no
# salt at all, since a smooth section is the cheapest way to a small error. Its *IoU* (intersection over
# union: cells that are salt in both sections, as a share of cells that are salt in either) is zero. Salt
# appears when the smooth part is done. A run that is stopped goes on with ``--resume``, to the very same
# weights.
#
# Evaluate
# --------
# An error alone says little. So a network is scored beside predictors that any sensible one must beat:
# the mean of the training models, which knows nothing of the record; the speeds at the left edge of the
# true model, continued along the line, which know the layers and no salt; and two that are given the
# truth itself, blurred or shifted by a cell, to show what an error of that size looks like.
#
# .. code-block:: console
#
#    $ fwi evaluate --run from_nothing/run --checks 1
#
fwi_command("evaluate --run from_nothing/run --checks 1".split())

# %%
# ``ssim_openfwi``, a likeness of structure, and ``salt_iou`` are 1 where all is right; the other rows are
# errors, in m/s and, of the salt's top and base, in m. Read the column of the network against that of the
# mean: where it is better, the network has learnt from the records. It should be so in every row. Here it
# is so by far in what concerns the salt and hardly in ``ssim_openfwi``; below the salt (``mae_subsalt``),
# from where few waves come back, it depends on the processor. A hundred and fifty steps do not make a
# good network. Against the left edge the rows differ: where there is no salt, exact layers are hard to
# beat; at the salt the layers are worthless. ``mae_salt_boundary`` and ``salt_iou`` tell whether the salt
# is at its place, and that is what salt inversion is about.
#
# The command also writes figures and a report that needs no network: ``from_nothing/run/report.html``.
# The same from Python, with the sections themselves:

# sphinx_gallery_thumbnail_number = 2
run = fwi.load_run("from_nothing/run")
test = fwi.ShotDataset([fwi.DataSet.read(Path("from_nothing/data"))], "test")

rows = []
for number in (0, 3, 6):
    sample = test[number]
    section = run.invert(sample.gathers.numpy())
    true, salt = sample.velocity.numpy(), sample.salt.numpy() > 0
    rows.append(plots.SectionRow(f"test {number}", section, true, salt))
plots.sections(rows, run.survey.grid.spacing, run.survey.grid.velocity)

# %%
# The network knows that there is salt and about where. Its edges are smeared, thin bodies are drawn too
# deep or too thick, and the speed below them is too high. Layers come out as a slow change.
#
# Hand it on
# ----------
# What was trained is a plain PyTorch module. It needs neither the trainer nor the data:
inverter = fwi.load("from_nothing/run/inverter.safetensors")
again = inverter.invert(test[0].gathers.numpy())

parameters = inverter.network.parameters()
print("parameters:", sum(parameter.numel() for parameter in parameters))
print("the same section:", np.array_equal(again, run.invert(test[0].gathers.numpy())))

# %%
# What more would bring
# ---------------------
# This network has seen 48 models in 144 steps. ``fwi demo --full`` does the same with 800 models, 900
# steps and a network twice as wide, in some minutes, and halves the error
# (:doc:`/results/when_is_it_wrong` has its scores). What pays beyond that has been measured: steps before
# models, models of several geologies before many of one, midpoints and the salt term before any attention
# (:doc:`/results/what_pays_in_training`, :doc:`/results/which_models_to_train_on`). A network for any
# survey took 2,000 models and two core-hours (:doc:`/results/how_accurate`).
#
# What you have seen
# ------------------
# The way from a study to a scored network: simulate, train, evaluate, invert. Left out were the
# calibrations, after which a run has intervals and a verdict (``fwi calibrate``, :doc:`08_verdict`,
# :doc:`10_uncertainty`). On GPUs and clusters: :doc:`13_scale_out`. Curves in W&B: :doc:`15_wandb`. All
# of ``model`` and ``train``: :doc:`/guide/training`.
#
# **Try it.** Train for 36 epochs instead of 12 (``--train.epochs 36 --run from_nothing/longer``): which
# curves still fall? Leave out the salt term (``--train.loss '{l1: 1}'``): when does salt appear? Test it
# on lenses alone, which it has seen less often than domes: simulate with ``--salt.preset '{name: yang_ma,
# lens_share: 1.0}' --storage.folder from_nothing/lenses``, and evaluate with ``--data
# from_nothing/lenses``. Which rows suffer most?
