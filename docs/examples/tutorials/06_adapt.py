r"""
Adapt a network to your geology
===============================

A network of the zoo knows the salt that it was trained on. Yours is slower, or deeper, or lies in other
sediments? You need not begin from nothing: most of what a network has learned (what a reflection is, how
times become depths) holds for any geology. A few models of your kind, and a few steps of training that begin
with the zoo's weights, teach it the rest.

At the end you will have adapted ``salt-demo`` to salt that is slower than any it has seen, with two dozen
models; compared training all of it, only its decoder, and too fast; and counted what was gained on unseen
models of the new geology and what was forgotten of the old one. It takes some twenty seconds, most of them
for simulating. You should have seen :doc:`01_salt_models` and :doc:`04_from_nothing`.
"""

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
# * ``train.learning_rate``: *half* of the usual one, since what is learned is to stay.

folder = Path("adapt")
folder.mkdir(exist_ok=True)
study_file = folder / "slow_salt.yaml"
study_file.write_text("""
salt:
  preset: {name: yang_ma, sediment_speeds: [1700, 3200], salt_speed: 3800}
  threshold: 3500  # m/s, between the fastest sediment and salt
  seed: 21
survey: {shots: 8}
storage:
  {folder: adapt/data, train: 24, validation: 4, test: 8, samples_per_shard: 4}
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
# them we put eight models of the old geology, recorded by the same shots.

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
# Adapt it
# --------
# Twelve steps of training. Three variants, each a command:
#
# .. code-block:: console
#
#     $ fwi train --config salt_demo --config adapt/slow_salt.yaml --run adapt/all
#     $ fwi train --config salt_demo --config adapt/slow_salt.yaml --run adapt/decoder \
#         --train.hold stem 'encoder 0' 'encoder 1' 'encoder 2' 'encoder 3' bottleneck
#     $ fwi train --config salt_demo --config adapt/slow_salt.yaml --run adapt/fast \
#         --train.learning-rate 5e-3
#
# ``train.hold`` names the parts that stay as they are, to the bit. A U-Net has an *encoder*, which turns
# records into features, and a *decoder*, which turns features into speeds; what changes from one geology to
# another is rather the latter.

parts = list(network.inverter.network.parts())
print("parts:", ", ".join(parts))
held = [part for part in parts if not part.startswith(("decoder", "head"))]

fwi_command(f"train {study} --run adapt/all".split())

# %%
# One line for each epoch. The validation error falls from the first one on: this is not a training from
# nothing, where salt appears late.

fwi_command(f"train {study} --run adapt/decoder --train.hold".split() + held)
fwi_command(f"train {study} --run adapt/fast --train.learning-rate 5e-3".split())

# %%
# A learning rate ten times as high does not adapt faster. It throws away what was learned, and twelve steps
# do not bring it back.
#
# After
# -----
# Errors on the unseen models, one dot for each; the bar is their mean.

runs = {"before": network}
runs |= {name: fwi.load_run(folder / name) for name in ("all", "decoder", "fast")}

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
# Left, what was gained; right, what was paid for it. Twelve steps on two dozen models take a good part of the
# error away, on models that the network has not seen; and they make it worse on the geology that it came from
# (*catastrophic forgetting*). With the encoder held it gains less and forgets less: where only the decoder is
# asked to change, less can be lost.
#
# The same model as above, and where the errors of all eight are:

after = runs["all"].invert(new_records, survey)
for name, sections in {"before": before, "after": after}.items():
    error = np.abs(sections - new)
    print(f"{name}: {error[~salt].mean():.0f} m/s in sediments, {error[salt].mean():.0f} m/s in salt")

row = plots.SectionRow("slow salt, adapted", after[7], new[7], salt[7])
plots.sections([row], grid.spacing, grid.velocity)

# %%
# Sediments, which are most of a section, are learned first. The speed of salt needs more steps: twelve are a
# beginning.
#
# Which one to take?
# ------------------
# *Choose by the validation models*, never by the ones that you will report. The commands print their error
# after each epoch, and keep the epoch that was best by it.
#
# If you need both geologies, train on both: ``data.extra_folders: [data/old]`` adds the records of other data
# sets of the same survey, so that what is still asked for is not forgotten. If you only need yours,
# forgetting costs nothing.
#
# An adapted network is another network. Its *intervals and its verdict are gone*, since they were calibrated
# for other weights:

print("calibrated before:", sorted(network.inverter.calibration))
print("calibrated after: ", sorted(runs["all"].inverter.calibration))

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
#    * ``--storage.train 8 --train.epochs 12`` (remove the folder ``adapt/data`` first): as many steps on a
#      third of the models.
#    * ``--train.learning-rate 5e-5``: is slower safer?
#    * Hold the decoder instead of the encoder. What is different about the head?
#
# Next: :doc:`07_another_spacing`. All options of training: :doc:`/guide/training`.
