r"""
Watching a training: Weights & Biases
=====================================

`Weights & Biases <https://wandb.ai>`__ (W&B) keeps the record of trainings: losses, pictures, settings. At
the end of this page you have logged a small training without an account or a network, have looked at what
was logged in three ways, and know what changes when you go online, and what happens when the server does
not answer.

It takes some twenty seconds on one processor core. Read :doc:`/tutorials/04_from_nothing` before.
"""

import shutil
import subprocess
from pathlib import Path

from matplotlib import pyplot as plt

from experiments.cli import main as fwi_command
from fwi import plots

# %%
# Nothing to set up
# -----------------
#
# Every ``fwi train`` is logged, *offline*: into the run's own folder, with nothing asked and nothing sent.
# So there is nothing to do but train. A small study: sections of 24 x 36 cells, four shots, 96 models.

folder = Path("wandb")
shutil.rmtree(folder, ignore_errors=True)  # begin anew
folder.mkdir()
study = folder / "small.yaml"
_ = study.write_text("""\
grid: {nz: 24, nx: 36, spacing: 80.0, velocity: [2000.0, 4500.0]}
survey: {shots: 4, receivers: 36, depth: 80.0, dt: 0.008, nt: 240, wavelet: {frequency: 3.0}}
storage: {folder: wandb/data, train: 96, validation: 8, test: 8, samples_per_shard: 32}
data: {workers: 0}
model: {channels: [8, 16, 32], attention: [none, se, ca]}
train: {epochs: 4, batch_size: 8, learning_rate: 5.0e-3, ema: 0.9}
trust: {after_training: false}
tracking: {mode: offline, project: tutorial}
""")

# %%
# .. code-block:: console
#
#    $ fwi simulate --config wandb/small.yaml
#    $ fwi train --config wandb/small.yaml --run wandb/runs/small

fwi_command(f"simulate --config {study} --workers 1".split())
fwi_command(f"train --config {study} --run {folder}/runs/small".split())

# %%
# On a terminal there is a line for each epoch, with the rate and the time left. The same numbers, and more,
# are now in the run's folder:

run = folder / "runs" / "small"
for file in sorted(run.rglob("*")):
    if file.is_file() and "debug" not in file.name:
        print(f"{file.stat().st_size:9,}  {file.relative_to(run)}")

# %%
# Look, first way: the table
# --------------------------
#
# ``metrics.csv`` has a row for each epoch. It is written with or without W&B, and any program reads it.

print((run / "metrics.csv").read_text())
plots.curves(run / "metrics.csv")

# %%
# Loss and MAE of validation are those of the averaged weights (``train.ema``), which are also those that
# are saved. A training loss that goes on falling while that of validation rises again is *overfitting*: the
# network learns its samples by heart. (Here neither is far, and the salt IoU is zero: in so few steps no
# cell becomes as fast as salt.) The rate of learning falls along half a cosine; what is still gained at its
# end is little, so that two trainings are compared at their ends, and not on the way.
#
# Second way: the pictures
# ------------------------
#
# After each epoch four fixed samples of validation are inverted and drawn: truth, section, difference.
# Numbers say how well a network does; these say *what* it cannot do yet. The files are named by the step:

pictures = sorted((run / "wandb").rglob("sections_*.png"), key=lambda file: int(file.stem.split("_")[1]))
figure, panels = plt.subplots(2, 1, figsize=(9, 8.5), layout="constrained")
for panel, file, when in zip(panels, (pictures[0], pictures[-1]), ("first", "last"), strict=True):
    picture = plt.imread(file)
    panel.imshow(picture[: int(0.46 * len(picture))])  # two of the four
    panel.set_title(f"Validation sections after the {when} epoch")
    panel.axis("off")
plt.show()

# %%
# At first the network gives about the same for every record. Then the speed begins to grow with depth, as
# it does in all models; salt comes much later.
#
# Third way: the record itself
# ----------------------------
#
# W&B's own record is the file ``run-*.wandb``. ``wandb leet`` shows it in a terminal, as curves that one
# can walk through, and ``wandb leet inspect`` as text, without any server:
#
# .. code-block:: console
#
#    $ wandb leet wandb/runs/small/wandb/offline-run-*
#    $ wandb leet inspect --summary wandb/runs/small/wandb/offline-run-*

(record,) = (run / "wandb").glob("offline-run-*")
command = ["wandb", "leet", "inspect", "--summary", record]
lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
print("\n".join(line for line in lines[:24] if not line.startswith("file")))

# %%
# Under ``config`` stands the whole study, key by key, so that runs can be searched and grouped by any
# setting.
#
# What is logged
# --------------
#
# ================  ======================================================================================
# command           logs
# ================  ======================================================================================
# ``fwi train``     the study; after each epoch losses, validation metrics, learning rate and sections
# ``fwi evaluate``  the scores beside those of the naive predictors; with ``--robustness`` its table and
#                   figure
# ``fwi refine``    the misfit of each step as it goes; at the end sections and residuals
# ================  ======================================================================================
#
# All of a run goes into one W&B run: an evaluation is added to the training that it belongs to.
#
# Sending it later
# ----------------
#
# What was logged offline can be sent at any time, from a machine that has a network, such as a cluster's
# login node:
#
# .. code-block:: console
#
#    $ wandb login                                         # once: asks for the key of your account
#    $ wandb sync wandb/runs/small/wandb/offline-run-*
#
# Online
# ------
#
# To watch a training in the browser while it runs, say so on the command line, in the study, or for a whole
# shell:
#
# .. code-block:: console
#
#    $ fwi train --config wandb/small.yaml --run wandb/runs/online --tracking.mode online \
#        --tracking.project salt
#    $ export WANDB_MODE=online        # goes before what a study says
#
# A training of hours must not depend on a server, nor stop to ask:
#
# ==========================  ===========================================================================
# what happens                what ``fwi train`` does
# ==========================  ===========================================================================
# there is no key             refuses before anything is trained, and says so
# the server does not answer  says so after ten seconds, goes on offline, and names the ``wandb sync`` that
#                             sends what it logs
# the key is refused          the same
# the connection is lost      trains on; W&B sends the rest when it is back, or ``wandb sync`` does
# you want none of it         ``--tracking.mode disabled``: no pictures, no record, only ``metrics.csv``
# ==========================  ===========================================================================
#
# W&B's own server can be run at home too; ``WANDB_BASE_URL`` names it.
#
# Sweeps
# ------
#
# ``fwi sweep ablation`` (:doc:`/tutorials/12_ablation`) trains many runs. Each is a W&B run of its own; all
# have the sweep's folder as their *group* and their variant as a *tag*. In the browser, filter by the
# group, group by tag, and put ``validation/mae`` over the step: the band of each variant is the scatter of
# its seeds. Each run's output on the terminal is in ``sweep.log`` of its folder.
#
# Try it
# ------
#
# - Train again with ``--train.epochs 10 --run wandb/runs/longer``, and draw both ``metrics.csv`` into one
#   figure.
# - ``fwi evaluate --run wandb/runs/small --split validation``, then look for the new record in the run's
#   folder.
# - ``wandb leet inspect --json`` prints each record as a line of JSON: draw the loss from it.
#
# What you have seen
# ------------------
#
# A run carries its own record: a table, pictures and settings, with no account. W&B makes it visible to
# others and comparable, at once or later, and training waits for no server.
#
# What else a run's folder holds is listed in :doc:`/guide/training`.
