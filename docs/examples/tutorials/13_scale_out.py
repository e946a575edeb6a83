r"""
From one core to a cluster
==========================

A thousand sections take minutes on a laptop; a million take a thousand core-hours and more. At the end of
this page you have made the same small data set in three ways, with processes, as parts of a job array and
on a Dask cluster, seen that the results are equal to the last byte, and know how training goes on several
GPUs and after an interruption.

It takes some fifteen seconds on one processor core. Read :doc:`/tutorials/01_salt_models` and
:doc:`/tutorials/02_survey` before.
"""

import shutil
from pathlib import Path

import numpy as np
from distributed import LocalCluster
from matplotlib import pyplot as plt

import fwi
from data_prep.make.jobs import part_of, salt_jobs
from experiments.cli import main as fwi_command
from fwi import config

# %%
# What is to be made
# ------------------
#
# A small study, as a file: sections of 24 x 36 cells of 80 m, four shots. Its data set is to have 32
# samples in shards of four; a *shard* is an HDF5 file with some of the samples.

folder = Path("scale_out")
shutil.rmtree(folder, ignore_errors=True)  # begin anew
folder.mkdir()
study_file = folder / "small.yaml"
study_file.write_text("""\
grid: {nz: 24, nx: 36, spacing: 80.0, velocity: [2000.0, 4500.0]}
survey:
  {shots: 4, receivers: 36, depth: 80.0, dt: 0.008, nt: 240, keep_every: 5, wavelet: {frequency: 3.0}}
storage: {train: 24, validation: 4, test: 4, samples_per_shard: 4}
""")
study = config.load([study_file])
jobs = salt_jobs(study)
for job in jobs:
    print(f"{job.file}  {job.split:10} models {list(job.numbers)}")

# %%
# Each line is a *job*. It says everything that is needed to make its shard: the models are drawn from
# random numbers that are seeded by (seed, split, number), and the wave equation does the rest. A shard is a
# pure function of the study and its number. It does not depend on who makes it, on what was made before, or
# on how many are at it. That is why nothing has to be coordinated: whoever has the study can make any
# shard.
#
# How long it will take is told before, by simulating one sample:
#
# .. code-block:: console
#
#    $ fwi simulate --config scale_out/small.yaml --storage.folder scale_out/processes --dry-run

fwi_command(f"simulate --config {study_file} --storage.folder {folder}/processes --dry-run".split())

# %%
# Processes
# ---------
#
# On one machine ``--workers`` processes work at once, each on one thread; if not given, as many as there
# are cores. That is faster than one process of many threads, since a wave equation of this size does not
# fill several cores within a time step. Two processes do 0.97 times the work of two single ones
# (:doc:`/results/how_fast`).
#
# .. code-block:: console
#
#    $ fwi simulate --config scale_out/small.yaml --storage.folder scale_out/processes --workers 2

fwi_command(f"simulate --config {study_file} --storage.folder {folder}/processes --workers 2".split())

# %%
# Parts of a job array
# --------------------
#
# A cluster's scheduler, such as SLURM, starts the same command many times with another number each time: a
# job array. ``--part i/n`` makes every n-th job, beginning with the i-th:

for number in (1, 2):
    print(f"part {number}/2:", ", ".join(job.file for job in part_of(jobs, f"{number}/2")))

# %%
# As a job script, for twenty tasks of sixteen cores:
#
# .. code-block:: bash
#
#    sbatch --array=1-20 --cpus-per-task=16 --mem=24G --time=08:00:00 --requeue --wrap \
#      'fwi simulate --config configs/fcnvmb.yaml --workers 16 --part $SLURM_ARRAY_TASK_ID/20'
#
# All tasks write into one folder, on a file system that they share. Here they are run one after the other,
# the last part first:

for number in (2, 1):
    command = f"simulate --config {study_file} --storage.folder {folder}/parts --workers 1 --part {number}/2"
    fwi_command(command.split())

# %%
# Dask
# ----
#
# With `Dask <https://docs.dask.org>`__ a scheduler hands the jobs to workers that may come and go. Here a
# scheduler and two workers live in this very process, which takes a second; on a cluster they are anywhere.

with LocalCluster(
    2, processes=False, protocol="tcp", threads_per_worker=1, dashboard_address=None
) as cluster:
    address = cluster.scheduler_address
    fwi_command(
        f"simulate --config {study_file} --storage.folder {folder}/dask --scheduler {address}".split()
    )

# %%
# On SLURM, ``dask-jobqueue`` asks for the workers as long as there is work. ``configs/cluster_slurm.yaml``
# says what a job of workers is, and its head how to start:
#
# .. code-block:: yaml
#
#    jobqueue:
#      slurm:
#        walltime: "08:00:00"
#        cores: 16
#        processes: 16      # workers of a job, one thread each
#        memory: 24 GiB
#        # leave before the time is up, rather than be killed with a shard half made
#        worker-extra-args: ["--lifetime", "7h", "--lifetime-stagger", "10m"]
#
# .. code-block:: console
#
#    $ export DASK_CONFIG=configs/cluster_slurm.yaml
#    $ python -i -c "from dask_jobqueue import SLURMCluster; cluster = SLURMCluster()
#    cluster.adapt(maximum_jobs=20); print(cluster.scheduler_address)"
#    $ fwi simulate --config configs/fcnvmb.yaml --scheduler ADDRESS    # in another terminal
#
# Job array or Dask? An array needs nothing but the scheduler that is there. Dask starts with the first free
# core, gives the shards of a lost worker to another, and does not leave the slowest task to the end.
#
# Three ways, one data set
# ------------------------
#
# ``manifest.json`` beside the shards has the SHA-256 of each, a number that changes with any bit of the
# file. Colours stand for these numbers:

ways = ("processes", "parts", "dask")
sums = {way: {entry.file: entry.sha256 for entry in fwi.DataSet.read(folder / way).entries} for way in ways}
files = [job.file for job in jobs]

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes.imshow([[int(sums[way][file][:6], 16) for way in ways] for file in files], cmap="Pastel1", aspect="auto")
for row, file in enumerate(files):
    for column, way in enumerate(ways):
        axes.text(column, row, sums[way][file][:12], ha="center", va="center", family="monospace")
axes.set(xticks=range(len(ways)), xticklabels=ways, yticks=range(len(files)), yticklabels=files)
axes.set_title("First digits of the SHA-256 of each shard")
plt.show()

print("equal:", sums["processes"] == sums["parts"] == sums["dask"])

# %%
# The file names neither the machine nor the time that made it; the manifest does. Two things do make other
# bytes: other *versions* of the packages and another *kind* of processor, whose sums round otherwise. A GPU
# is such a kind, and a shard that was made on one says so.
#
# After an interruption
# ---------------------
#
# A shard is written under another name, and gets its own when it is whole. So whatever ends a run, Ctrl-C,
# the end of a job's time, a power cut, leaves whole shards and nothing else. The same command makes what is
# missing. Lose two:

(folder / "parts" / files[1]).unlink()
(folder / "parts" / files[6]).unlink()
fwi_command(f"simulate --config {study_file} --storage.folder {folder}/parts --workers 1".split())
again = {entry.file: entry.sha256 for entry in fwi.DataSet.read(folder / "parts").entries}
print("equal:", again == sums["processes"])

# %%
# Two commands that work in one folder at the same time share the work, on one machine or two. A shard that
# a disk has damaged is found by ``fwi verify``, and made again by ``fwi verify --repair``.
#
# What a folder holds is tied to its study: another one is refused rather than mixed in.

try:
    fwi_command(f"simulate --config {study_file} --storage.folder {folder}/parts --survey.shots 5".split())
except SystemExit:
    print("refused")

# %%
# How far does it go?
# -------------------
#
# On paper, from what was measured on one core (:doc:`/results/how_fast`; ``--dry-run`` tells it of your
# machine):

seconds = {  # a sample and core
    "openfwi, 70 x 70 cells": 0.06,
    "fcnvmb_half, 101 x 151": 0.40,
    "fcnvmb, 201 x 301": 3.98,
}
cores = np.array([1, 8, 64, 512])
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for name, each in seconds.items():
    axes.loglog(cores, 1e6 * each / 3600 / cores / 0.97, "o-", label=name)
axes.axhline(24, color="0.5", linestyle="--", linewidth=1)
axes.text(1, 27, "a day")
axes.set(xticks=cores, xticklabels=cores, xlabel="Cores", ylabel="Hours for a million samples")
axes.set_title("Simulating a million samples, calculated")
axes.legend()
plt.show()

# %%
# A million samples of the largest survey take seven terabytes: the disk ends before the patience does. For
# a network of the size of ``salt-demo`` some thousand samples are enough.
#
# Training on several devices
# ---------------------------
#
# ``fwi train`` takes every GPU of the machine that divides the batch, and without GPUs one process on the
# CPU. ``train.batch_size`` is that of all devices together, so a step takes the same samples on one device
# as on eight, and the losses are the same within rounding. Nothing else of the study has to change. (Without
# a GPU ``--train.devices 2`` starts two processes on the CPU, which brings nothing but proves the point: two
# epochs of this page's study, with ``--model.channels 8 16 32 --train.batch-size 8``, print the same losses
# to all four digits as one process.)
#
# .. code-block:: console
#
#    $ fwi train --config configs/fcnvmb.yaml --run runs/full                      # all GPUs of this machine
#    $ fwi train --config configs/fcnvmb.yaml --run runs/full --train.devices 4    # four of them
#    $ torchrun --nnodes 2 --nproc-per-node 4 -m experiments train --config configs/fcnvmb.yaml \
#        --run runs/full --train.nodes 2 --train.devices 4                         # two machines
#
# On SLURM ``srun`` starts a process for each GPU:
#
# .. code-block:: bash
#
#    #!/bin/bash
#    #SBATCH --nodes=2
#    #SBATCH --ntasks-per-node=4      # a task for each GPU
#    #SBATCH --gpus-per-node=4
#    #SBATCH --cpus-per-task=8
#    #SBATCH --time=08:00:00
#    srun --kill-on-bad-exit=1 fwi train --config configs/fcnvmb.yaml --run runs/full \
#      --train.nodes 2 --train.devices 4
#
# When the time is up, a second job goes on with ``srun ... fwi train --run runs/full --resume``: from the
# last whole epoch, to the same result as if nothing had happened, also on another number of devices (then
# within rounding: a training of twelve small epochs that was stopped on the way, and resumed on two devices,
# ended at a loss that differs in the sixth digit). That holds because what happens to a sample (its turn, its
# mirroring, its noise) depends on the seed, the epoch and the number of the sample alone: the same idea as
# with shards. ``fwi benchmark devices`` measures how much faster several are.
#
# Several *trainings* at once, such as the seeds of an ablation, need no cluster software either: see
# :doc:`/tutorials/12_ablation`.
#
# Try it
# ------
#
# - Draw one sample more (``--storage.train 25``) into the same folder. Which shards are made?
# - Flip a bit: open a shard with ``open(..., "r+b")``, change a byte in its middle, and run ``fwi verify``
#   on the folder.
# - How many shards has ``configs/fcnvmb.yaml``, and how many would each of twenty tasks make? Ask
#   ``--dry-run``.
#
# What you have seen
# ------------------
#
# Because a shard is a pure function of the study and its number, a data set can be made by anyone, in any
# order, as often as need be; checksums prove it. Training is arranged likewise, so that it may be stopped
# and moved.
#
# The details are in :doc:`/guide/data` and :doc:`/guide/training`; the layout of a shard is part of
# :doc:`/reference/index`.
