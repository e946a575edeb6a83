r"""
Adapt a network to your geology
===============================

A network of the zoo knows the salt that it was trained on. Yours is slower, or deeper, or lies in other
sediments? You need not begin from nothing: most of what a network has learned (what a reflection is, how
times become depths) holds for any geology. A few models of your kind, and a few steps of training that begin
with the zoo's weights, teach it the rest.

At the end you will have adapted ``salt-demo`` to salt that is slower than any it has seen, with sixteen
models; trained all of it, and only a part; chosen between the two without looking at what you report; and
counted what was gained on unseen models of the new geology and what was forgotten of the old one. It takes
some fifteen seconds. You should have seen :doc:`01_salt_models` and :doc:`04_from_nothing`; the words of
learning (epoch, batch, learning rate) are in the :doc:`glossary </reference/glossary>`.
"""

import shutil
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt

import fwi
from data_prep.salt import generate
from experiments.cli import main as fwi_command
from fwi import plots
from fwi.config import SaltConfig

# %%
# The study
# ---------
# A study is a YAML file; files are merged, and the later one wins. So we write down only what differs from
# ``salt_demo``, the study by which the network was made:
#
# * the **salt**: models like those of the preset ``yang_ma``, with salt of 3800 m/s, where the network has
#   only met 4400 m/s and more;
# * the **survey**: eight shots, which are quick to simulate. The network takes any shots and receivers;
# * ``train.start``: begin with its weights and its normalisation, instead of random ones. ``data.knee`` is
#   how amplitudes reached it, and has to stay;
# * ``train.learning_rate``: *half* of that with which it was trained, since what is learned is to stay.
#
# A run's folder has to be new: ``fwi train`` never writes over one. So this page removes what an earlier
# run of it left; by hand, remove ``adapt/all``, or give ``--run`` another name.

folder = Path("adapt")
shutil.rmtree(folder, ignore_errors=True)  # begin anew
folder.mkdir()
study_file = folder / "slow_salt.yaml"
study_file.write_text("""
salt:
  preset: {name: yang_ma, sediment_speeds: [1700, 3200], salt_speed: 3800}
  threshold: 3500  # m/s, between the fastest sediment and salt
  seed: 21
survey: {shots: 8}
storage:
  {folder: adapt/data, train: 16, validation: 4, test: 8, samples_per_shard: 4}
data: {knee: 0.1, workers: 0}
train:
  {start: salt-demo, learning_rate: 5.0e-4, epochs: 4, batch_size: 8, ema: 0.8}
trust: {after_training: false}  # 4 validation models are too few to calibrate on
tracking: {mode: disabled}
""")
print(study_file)

# %%
# Models and records of the new geology:
#
# .. code-block:: console
#
#     $ fwi simulate --config salt_demo --config adapt/slow_salt.yaml

study = "--config salt_demo --config adapt/slow_salt.yaml"
fwi_command(f"simulate {study} --workers 1".split())

# %%
# Before
# ------
# What does the network make of them as it is? The eight *test* models are new to all that follows. Beside
# them we put eight models of the old geology, recorded by the same shots. (``stream=9`` draws from random
# numbers that no split of a data set uses: 0, 1 and 2 are those of training, validation and test.)

network = fwi.load_run("salt-demo")
grid = network.study.grid
unseen = fwi.ShotDataset([fwi.DataSet.read(folder / "data")], "test")
survey = unseen.survey
new = np.stack([sample.velocity.numpy() for sample in unseen])
new_records = np.stack([sample.gathers.float().numpy() for sample in unseen])

at_home = SaltConfig(preset="mixed", seed=31)
old = np.stack([generate(grid, at_home, stream=9, index=n).velocity for n in range(8)])
propagator = fwi.Propagator(survey, network.study.physics)
with torch.inference_mode():
    old_records = propagator(torch.from_numpy(old)).numpy()

salt = np.stack([sample.salt.numpy() for sample in unseen]) > 0
before = network.invert(new_records, survey)
row = plots.SectionRow("slow salt", before[7], new[7], salt[7])
plots.sections([row], grid.spacing, grid.velocity)

# %%
# It finds the salt, for the shape of reflections is the same; and it paints it with the only speed that it
# knows salt to have, 4400 m/s and more. The sediments are off as well: it has met faster ones at such depths.
#
# (Slow salt is not a geology that was found to suit this page: the network is known to have met none. The
# model drawn here is the last of the eight.)
#
# Adapt it
# --------
# Eight steps of training. Two variants, each a command:
#
# .. code-block:: console
#
#     $ fwi train --config salt_demo --config adapt/slow_salt.yaml --run adapt/all
#     $ fwi train --config salt_demo --config adapt/slow_salt.yaml --run adapt/decoder \
#         --train.hold stem 'encoder 0' 'encoder 1' 'encoder 2' 'encoder 3' bottleneck
#
# ``train.hold`` names the parts that stay as they are, to the bit. A U-Net has an *encoder*, which turns
# records into features, and a *decoder*, which turns features into speeds. One may guess that a new geology
# asks for other speeds rather than for other features; the second variant tries that guess.

parts = list(network.inverter.network.parts())
print("parts:", ", ".join(parts))
held = [part for part in parts if not part.startswith(("decoder", "head"))]

fwi_command(f"train {study} --run adapt/all".split())
fwi_command(f"train {study} --run adapt/decoder --train.hold".split() + held)

# %%
# One line for each epoch. ``mae`` is the mean absolute error of the speeds in m/s, on the validation models;
# ``loss`` is what training makes small, on the scale that the network works on; ``uncertainty`` is the loss
# of the part that foretells the errors (:doc:`10_uncertainty`). The validation error falls from the first
# epoch on: this is not a training from nothing, where salt appears late.
#
# Which one to take?
# ------------------
# *Choose by the validation models*, never by those that you will report: the best of several on the test
# models is partly the luckiest on them. ``metrics.csv`` in each run's folder has the table of its epochs, of
# which the run keeps the best.

best = {}
for name in ("all", "decoder"):
    table = np.genfromtxt(folder / name / "metrics.csv", delimiter=",", names=True)
    best[name] = table["validationmae"].min()
    print(f"{name:8s} best validation MAE {best[name]:.0f} m/s")
chosen = min(best, key=best.get)
print("chosen:", chosen)

# %%
# Four models are few for a choice: where two variants are as close as their models scatter, take a hundred.
#
# After
# -----
# The choice is made; what follows reports. Errors on the test models, one dot for each; the bar is their
# mean.

runs = {"before": network} | {name: fwi.load_run(folder / name) for name in best}

geologies = {"new geology: slow salt": (new, new_records), "old geology: mixed": (old, old_records)}
figure, axes = plt.subplots(1, 2, figsize=(8.5, 4), sharey=True, layout="constrained")
for panel, (title, (true, records)) in zip(axes, geologies.items(), strict=True):
    for place, (name, run) in enumerate(runs.items()):
        errors = np.abs(run.invert(records, survey) - true).mean((1, 2))
        panel.plot([place - 0.3, place + 0.3], [errors.mean()] * 2, color="#11467b", linewidth=3)
        panel.plot(np.full(len(errors), place), errors, "o", color="#7f8c8d", markersize=4)
        print(f"{title}, {name:8s} MAE {errors.mean():4.0f} m/s")
    panel.set(xticks=range(len(runs)), xticklabels=runs, title=title, yscale="log")
    panel.set_yticks([50, 100, 200, 500, 1000], ["50", "100", "200", "500", "1000"])
    panel.minorticks_off()
    panel.grid(axis="y", alpha=0.3)
axes[0].set_ylabel("MAE (m/s)")
figure.suptitle("Errors on unseen models, before and after adapting")
plt.show()

# %%
# Left, what was gained; right, what was paid for it. Eight steps on sixteen models take a part of the error
# away, on models that the network has not seen; and they make it worse on the geology that it came from
# (*catastrophic forgetting*). With the encoder held it gains less and forgets less.
#
# The same model as above, and where the errors of all eight are:

after = runs[chosen].invert(new_records, survey)
for name, sections in {"before": before, "after": after}.items():
    error = np.abs(sections - new)
    print(f"{name}: {error[~salt].mean():.0f} m/s in sediments, {error[salt].mean():.0f} m/s in salt")

row = plots.SectionRow("slow salt, adapted", after[7], new[7], salt[7])
plots.sections([row], grid.spacing, grid.velocity)

# %%
# What is gained is in the sediments, which are most of a section. The salt is as fast as before, or nearly:
# its speed needs more steps.
#
# If you need both geologies
# --------------------------
# If you only need yours, forgetting costs nothing. If you need both, train on both: ``data.extra_folders``
# adds the records of other data sets of the same survey.
#
# .. code-block:: console
#
#     $ fwi simulate --config salt_demo --survey.shots 8 --salt.seed 22 --storage.folder adapt/old \
#         --storage.train 16 --storage.validation 4 --storage.test 8 --storage.samples-per-shard 4
#     $ fwi train --config salt_demo --config adapt/slow_salt.yaml --run adapt/both \
#         --data.extra-folders adapt/old
#
# This page does not run it. We have tried it, at two rates of learning (each once, on eight test models of
# each kind, the old ones others than above):
#
# ========================================  ================  ===============
# training                                  MAE of slow salt  MAE of old salt
# ========================================  ================  ===============
# none                                      231 m/s           193 m/s
# ``all``, 8 steps                          203 m/s           251 m/s
# ``both``, 16 steps                        193 m/s           220 m/s
# ``all``, ``--train.learning-rate 1e-4``   220 m/s           205 m/s
# ``both``, ``--train.learning-rate 1e-4``  221 m/s           198 m/s
# ========================================  ================  ===============
#
# Old models among the new ones lessen what is forgotten, and do not prevent it; the steps are more, too. A
# fifth of the rate does more: little is forgotten, and in so few steps little is learned. For both geologies
# it takes both, and more steps than here.
#
# What is lost with new weights
# -----------------------------
# An adapted network is another network. Its *intervals and its verdict are gone*, since they were calibrated
# for other weights:

print("calibrated before:", sorted(network.inverter.calibration))
print("calibrated after: ", sorted(runs[chosen].inverter.calibration))

# %%
# So simulate some hundred validation models of your geology as well, and then ``fwi calibrate --run
# adapt/all``; or leave ``trust.after_training`` as it is, with 40 of them at least.
#
# For real, take a few hundred models and some minutes; how far that gets is measured in
# :doc:`/results/which_models_to_train_on`.
#
# .. admonition:: What you have seen
#
#    ``train.start`` begins with a trained network, ``train.hold`` keeps parts of it, a small learning rate
#    keeps the rest. What is gained on one geology is paid for on others, unless training shows both.
#
# .. admonition:: Exercises
#
#    Give each training a new ``--run``.
#
#    * ``--train.learning-rate 5e-3``, ten times as much: does it adapt faster? (We got 847 m/s,
#      where there were 231 before.)
#    * ``--train.learning-rate 5e-5``: is slower safer?
#    * Hold ``'decoder 0' 'decoder 1' 'decoder 2' head`` instead of the encoder. What becomes of the guess
#      above?
#
# Next: :doc:`07_another_spacing`. All options of training: :doc:`/guide/training`.
