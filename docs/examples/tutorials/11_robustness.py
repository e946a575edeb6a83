"""
Robustness: records as they are
===============================

Simulated records are perfect. Recorded ones are noisy and late, traces are dead, and nobody knows the exact
wavelet. A network that has only seen perfect records may be of no use on others, and its error on a clean
test set does not tell. So spoil the records in known ways and measure how the error grows.

At the end you will have looked at spoiled records and what a network makes of them, drawn its *curves of
robustness*, added a way of spoiling records of your own, and know how to train a network that bears it. It
takes some fifteen seconds. You should have seen :doc:`00_tour`, and :doc:`02_survey` for what a gather is.
"""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

import fwi
from experiments.cli import main as fwi_command
from fwi import plots
from fwi.config import load
from fwi.corruption import CORRUPTIONS, corrupted
from fwi.robustness import measure
from fwi.robustness_rows import Row, rows

# %%
# Models with known truth
# -----------------------
# We need records whose truth we know, and which the network has not been trained on: 16 salt models of the
# geology at home to ``salt-demo``, drawn with a seed of our own. In a shell:
#
# .. code-block:: console
#
#     $ fwi simulate --config salt_demo --salt.seed 11 --storage.folder robustness/data \
#           --storage.train 1 --storage.validation 1 --storage.test 16
#
# The folder then holds *shards*: files with gathers, models and salt, which :class:`fwi.ShotDataset` reads
# one by one.

folder = Path("robustness") / "data"
flags = f"--salt.seed 11 --storage.folder {folder} "
flags += "--storage.train 1 --storage.validation 1 --storage.test 16"
fwi_command(f"simulate --config salt_demo {flags}".split())

run = fwi.load_run("salt-demo")
dataset = fwi.ShotDataset([fwi.DataSet.read(folder)], "test")
survey, spacing, velocity = run.survey, run.study.grid.spacing, run.study.grid.velocity

# %%
# One record, spoiled
# -------------------
# ``fwi.corruption.CORRUPTIONS`` lists the ways: each is a function of a record, its survey, a strength and a
# source of random numbers. The strength of noise is given in decibels below the record's RMS amplitude: at 20
# dB the noise has a tenth of it, at 10 dB a third.

sample = dataset[1]  # picked by looking: its salt is large and at one side
clean = sample.gathers.float().numpy()  # (shot, time, receiver)
truth, salt = sample.velocity.numpy(), sample.salt.numpy()
random = np.random.default_rng(0)

strengths = {"white": 10.0, "swell": 10.0, "dead": 0.5}
shown = {"Clean": clean}
for name, strength in strengths.items():
    corruption = CORRUPTIONS[name]
    spoiled = corruption.function(clean, survey, strength, random)
    shown[corruption.label(strength)] = spoiled

shot = survey.config.shots // 2
edges = (0, survey.length / 1000, survey.time[-1], 0)
clip = np.percentile(np.abs(clean[shot]), 97)

figure, axes = plt.subplots(4, 2, figsize=(8.5, 11), layout="constrained")
for (title, gathers), (left, right) in zip(shown.items(), axes, strict=True):
    grey = {"cmap": "gray", "vmin": -clip, "vmax": clip}
    left.imshow(gathers[shot], extent=edges, aspect="auto", **grey)
    left.set(title=title, ylabel="Time (s)")
    section = run.invert(gathers)
    speeds = plots.style.draw_velocity(right, section, spacing, velocity, salt)
    right.set_title(f"its section, MAE {np.abs(section - truth).mean():.0f} m/s")
left.set_xlabel("Receiver (km)")
figure.colorbar(speeds, ax=axes[:, 1], location="bottom", label="Velocity (km/s)")
plt.show()

# %%
# Left, the gather of the middle shot; right, the section that the network makes of all shots, with the
# outline of the true salt. Noise in the band of the wavelet (*white*) hides weak, late reflections. *Swell*
# is slow, lies below the band, and is alike on neighbouring traces, as reflections are. Half of the traces
# *dead* may look worst and harms least: records are redundant, each place is seen by many shots and
# receivers, and a trace of zeros tells the network nothing false.
#
# The curve
# ---------
# One record is an anecdote. :func:`fwi.robustness.measure` inverts all samples as they are and again under
# each corruption at three strengths, mild to severe. The random numbers depend on the corruption and the
# number of the sample alone, so that every network is scored on the very same records. We take some of its
# rows.

everything = rows(survey, run.study.check.finer, run.simulate)
names = ("white", "swell", "dead", "phase", "delay", "missing_shots", "mute", "field")
result = measure(run, dataset, worse={name: everything[name] for name in names})

print(f"clean: MAE {result.clean.mae.mean:.0f} m/s, salt IoU {result.clean.salt_iou.mean:.2f}")
for row in result.rows:
    cells = (f"{case.strength:g}: x{case.ratio:.2f}" for case in row.cases)
    print(f"{row.heading:30s}" + "".join(f"{cell:>14s}" for cell in cells))

# %%
# In each cell stand the strength, and the mean absolute error (MAE) divided by that on clean records;
# ``result.table()`` has the salt IoU as well. Drawn, with the error of the *mean model* as a yardstick, a
# predictor that looks at no record at all:

result.figure()

# %%
# A curve that stays on the thin line is a network that bears this. One that comes near the dashed line has
# nothing left of what it learned. *Several at once* turns the phase, delays, adds noise, changes the gain and
# kills traces together, as in the field, where nothing comes alone. The bars are 95 % intervals of the mean
# over 16 models. They are wide, as models differ: compare two networks model by model, or take more of them.
#
# The whole table, of all corruptions, irregular shots, and records that were simulated on another grid, is
# made and added to the report by
#
# .. code-block:: console
#
#     $ fwi evaluate --run runs/mine --robustness --samples 40
#
# A way of your own
# -----------------
# Your records have a fault of their own? A row is a function. Here is a hum: a pump that runs at the
# frequency of the wavelet, the same on all traces, in amplitudes that fall with the distance from it.


def hum(gathers, velocity, strength, random):
    """Add a hum at the wavelet's frequency, in dB below the record, as noise is."""
    place = random.uniform(0, survey.length)
    distance = np.abs(survey.receiver_x - place)  # (shot, receiver)
    periods = survey.config.wavelet.frequency * survey.time + random.uniform()
    wave = np.sin(2 * np.pi * periods)[None, :, None]
    noise = wave / (1 + distance / 200)[:, None, :]
    level = 10 ** (-strength / 20) * gathers.std() / noise.std()
    return (gathers + level * noise).astype(np.float32)


own = {"hum": Row("Hum of a pump", "dB", (30.0, 20.0, 10.0), hum)}
for case in measure(run, dataset, worse=own).row("hum").cases:
    print(f"{case.strength:g} dB: MAE {case.mae.mean:.0f} m/s, x{case.ratio:.2f}")

# %%
# This network bears white noise that is as loud, and not the hum. Training spoiled its records with the one
# and never with the other: it has not learned "noise", but the noises that it was shown. So the question to a
# network is not whether it is robust, but against what; and the answer for *your* records takes a row like
# this one.
#
# How to train for it
# -------------------
# The section ``data.corrupt`` of a study spoils records *as they are fed to the network*, each time anew, so
# that the stored records stay clean and the network never sees one twice in the same way. ``share`` is the
# share of the records that are spoiled; each of these suffers each corruption with its ``probability``, at a
# strength from its ``range``. ``salt-demo`` was trained with:

corrupt = load(["salt_demo"]).data.corrupt
print(f"share: {corrupt.share}")
for name in CORRUPTIONS:
    each = getattr(corrupt, name)
    print(f"{name:17s} probability {each.probability:<5g} range {each.range}")

# %%
# Six records as the network would get them, all of the same clean gather:

figure, axes = plt.subplots(2, 3, figsize=(8.5, 6), layout="constrained", sharey=True)
for number, panel in enumerate(axes.flat):
    gathers = corrupted(clean, survey, corrupt, np.random.default_rng(number))
    clip = np.percentile(np.abs(gathers[shot]), 97) or 1
    grey = {"cmap": "gray", "vmin": -clip, "vmax": clip}
    panel.imshow(gathers[shot], extent=edges, aspect="auto", **grey)
    panel.set(title=f"Draw {number + 1}", xlabel="Receiver (km)", ylabel="Time (s)")
    panel.label_outer()
figure.suptitle("The same gather, as training spoils it")
plt.show()

# %%
# An empty panel is a shot that this draw took away. To train a network of your own for worse noise, say so in
# its study:
#
# .. code-block:: yaml
#
#     data:
#       corrupt:
#         share: 0.85
#         white: {probability: 0.5, range: [0, 40]}
#
# What does it cost? Two trainings of the demo's study, with perfect and with spoiled records, have an MAE of
# 100 and 105 m/s on clean records: 5 % more. With noise at 20 dB the first one's error is 1.64 times as
# large, the second one's 1.07 times (:doc:`/results/how_robust`, with the commands). More is not always
# better: records that were spoiled harder still made a worse network in as many steps. Spoil them as yours
# are.
#
# .. admonition:: What you have seen
#
#    A clean test error says nothing about records as they are; a curve of robustness does. Missing records
#    harm less than false ones. What a network bears is decided by what it was trained on, and costs little.
#
# .. admonition:: Exercises
#
#    * Add ``"gain"`` to ``names``. Why is its curve flat to the digit? (``data.amplitude`` in
#      :doc:`/guide/training`.)
#    * The direct wave looks useless: it has not been below the surface. Yet ``"mute"``, which removes it,
#      costs more than half of the traces do. What does the network learn from it?
#    * Does the verdict doubt what the curve says is bad? Put ``run.check(section, gathers)`` into the first
#      loop.
#
# Next: :doc:`06_adapt`, to train such a network on, or :doc:`/guide/training` for all settings.
