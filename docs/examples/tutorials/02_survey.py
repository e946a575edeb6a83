"""
Simulate a survey
=================

At the end you will have set up a survey, seen a wave run through salt, read a :term:`gather` event by event,
met the numbers by which the program refuses a survey that cannot be simulated, and made, read and verified a
small data set. It takes about fifteen seconds. :doc:`01_salt_models` shows where the models come from.

A *survey* says where sources and receivers are, when they record, with which :term:`wavelet`, and over which
grid. Everything in this package is given this one object: the simulation, the data set, the network, the
:term:`verdict`. What does not fit together is refused when the survey is made, not after a night of
computing.
"""

from pathlib import Path

import h5py
import numpy as np
import torch
from matplotlib import pyplot as plt

import fwi
from experiments.cli import main as fwi_command
from fwi import plots
from fwi.config import GridConfig, PhysicsConfig, SurveyConfig

# %%
# Grid, shots, receivers, time
# ----------------------------
# The grid has 51 x 76 square cells of 40 m: 2 km deep, 3 km long. Along the line are 8 shots and a
# receiver on every column, all 40 m deep. The simulation takes 500 steps of 4 ms, and keeps every fifth:
# 100 samples of 20 ms.
grid = GridConfig(nz=51, nx=76, spacing=40.0, velocity=(1500.0, 4500.0))
config = SurveyConfig(
    shots=8,
    shot_margin=240.0,  # m from the ends of the line to the outermost shots
    receivers=76,
    depth=40.0,  # m, of sources; of receivers too unless receiver_depth says else
    dt=0.004,
    nt=500,
    keep_every=5,
    wavelet={"kind": "ricker", "frequency": 5.0},
)
survey = fwi.Survey(grid, config)

print("shots at", survey.shot_x, "m")
print(survey.layout())
print("gathers:", survey.gather_shape, "(shot, time, receiver)")

# %%
# The wavelet
# -----------
# The source sends out a *Ricker* wavelet. Its :term:`peak frequency`, 5 Hz here, fixes how fine a structure
# can be seen: at 2000 m/s a wave of 5 Hz is 400 m long, and two boundaries closer than a quarter of that melt
# into one. The spectrum reaches about 2.5 times the peak frequency. The peak comes 1.5 periods, 0.3 s, after
# the shot: all arrivals in a record are late by this.
time = np.arange(config.nt) * config.dt
spectrum = np.abs(np.fft.rfft(survey.wavelet))
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
left.plot(time, survey.wavelet)
left.set(xlim=(0, 1), xlabel="Time (s)", ylabel="Amplitude")
left.set_title("Ricker wavelet of 5 Hz")
right.plot(np.fft.rfftfreq(config.nt, config.dt), spectrum / spectrum.max())
right.axvline(2.5 * 5, color="black", linestyle="--")
right.set(xlim=(0, 20), xlabel="Frequency (Hz)")
right.set_title("Its spectrum; dashed: 2.5 times the peak")

# %%
# Waves
# -----
# To see what happens we take the simplest ground, rock of 2000 m/s with a block of salt, and look at the
# wave itself. Receivers may be at any depth; with a row of them at every depth, one simulation after the
# other, every cell is recorded. A survey's settings are fixed once it is made; ``model_copy`` makes
# others that differ in what is named.

# sphinx_gallery_thumbnail_number = 2
velocity = torch.full((1, grid.nz, grid.nx), 2000.0)
velocity[:, 24:36, 20:55] = 4500.0  # salt from 0.96 km to 1.44 km
one_shot = config.model_copy(
    update={"shots": 1, "shot_x": (1520.0,), "shot_margin": None},
)

wavefield = []
for depth in survey.depth[1:]:
    deeper = one_shot.model_copy(update={"receiver_depth": float(depth)})
    buried = fwi.Survey(grid, deeper)
    with torch.inference_mode():
        wavefield.append(fwi.Propagator(buried, PhysicsConfig())(velocity)[0, 0])
wavefield = torch.stack(wavefield).numpy()  # (depth, time, x)

figure, panels = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
for panel, seconds in zip(panels.flat, (0.5, 0.8, 1.0, 1.3), strict=True):
    pressure = wavefield[:, round(seconds / survey.recorded_dt)]
    clip = np.percentile(np.abs(pressure), 99)
    panel.imshow(pressure, "gray_r", vmin=-clip, vmax=clip, extent=(0, 3, 2, 0.04))
    salt = velocity[0] > 4000
    panel.contour(survey.x / 1000, survey.depth / 1000, salt, [0.5], colors="tab:red")
    panel.set_title(f"{seconds:g} s after the shot")
figure.supxlabel("Distance (km)")
figure.supylabel("Depth (km)")
figure.suptitle("Pressure in the ground; the salt outlined in red")

# %%
# White and black are negative and positive pressure. The wave spreads in a circle (0.5 s). At the top of
# the salt part of it turns back, and part goes on, more than twice as fast: inside the salt its front is
# ahead (0.8 s). Waves leave the salt at its base, some bounce inside, and corners send out circles of
# their own, *diffractions* (1.0 and 1.3 s). At the edges of the picture nothing comes back: the grid ends
# in a layer that absorbs. So there is no :term:`free surface` either, which would send every wave down again
# (``top: free`` in the survey has one).
#
# A gather, event by event
# ------------------------
# The receivers at the surface see this and nothing else. With the speeds known, arrivals can be computed by
# hand. *Offset* is the distance from shot to receiver. At the :term:`offset` :math:`x` the :term:`direct wave
# <direct arrival>` arrives at :math:`t = t_0 + x / v`, where :math:`t_0` is the 0.3 s of the wavelet; a
# reflection from a flat top at a depth :math:`h` below the source at :math:`t = t_0 + \sqrt{x^2 + 4 h^2} /
# v`, a hyperbola.
receiver = fwi.Survey(grid, one_shot)
propagator = fwi.Propagator(receiver, PhysicsConfig())
with torch.inference_mode():
    with_salt = propagator(velocity)[0, 0].numpy()
    without = propagator(torch.full_like(velocity, 2000.0))[0, 0].numpy()

figure = plots.gathers(
    with_salt,
    without,
    receiver.receiver_x[0],
    receiver.recorded_dt,
    names=("With salt", "Without"),
)
offset, peak = receiver.offset[0], config.wavelet.peaks_at
top = 24 * 40 - 40  # m, the top of the salt below the source
reflection = peak + np.sqrt(offset**2 + 4 * top**2) / 2000
distance = receiver.receiver_x[0] / 1000
for panel in figure.axes:
    panel.plot(distance, peak + offset / 2000, "--", color="tab:orange", linewidth=2)
    panel.plot(distance, reflection, ":", color="tab:blue", linewidth=2)
figure

# %%
# Orange (dashed) is the direct wave, blue (dotted) the reflection from the top of the salt. The
# difference of the two gathers holds all that we know about the salt: its top along the hyperbola as far
# as the top reaches, below it the base and what bounced inside, and the diffractions of the corners as
# the tails. Two things make inversion hard. The direct wave is far stronger than all of that, and carries
# no news of the salt. And to place the base one must know the speed in the salt, which the same few waves
# must tell.
#
# At small offsets, time tells depth if the speed is known; how arrivals get later towards large offsets
# (*moveout*) tells the speed. A line needs both: with offsets much shorter than the depth of the target,
# depth and speed cannot be told apart.
#
# What is refused
# ---------------
# The wave equation is solved by :term:`finite differences`. Three numbers decide whether that can be right,
# and the program refuses what they forbid, with a remedy.
#
# 1. *Stability*: in a time step :math:`\Delta t` no wave may cross more than a part of a cell :math:`h`, or
#    errors grow without end. The Courant number :math:`v_{max} \Delta t \sqrt{2} / h` must not exceed 0.65.
# 2. *Resolution*: the shortest wave, :math:`v_{min} / (2.5 f)` for the peak frequency :math:`f`, needs 3
#    cells at order 8 (eight neighbours along each axis take part), 4 at order 4; with fewer, waves of
#    different frequencies travel at different speeds, which is not the rock's doing (*dispersion*).
# 3. *Speeds*: models must stay within the range of the grid, for which time step and cells were chosen.
#
# The third and fourth change below are mistakes of another kind: sources between cells, and two shots in
# one cell.
for change in (
    {"dt": 0.008, "nt": 250},
    {"wavelet": {"frequency": 10.0}},
    {"depth": 50.0},
    {"shots": 100, "shot_margin": None},
):
    wrong = {**config.model_dump(), **change}
    try:
        fwi.Survey(grid, SurveyConfig(**wrong)).check(order=8)
    except ValueError as error:
        print(f"{change}\n    {error}\n")

try:
    propagator(velocity * 1.1)
except ValueError as error:
    print(error)

# %%
# So twice the frequency needs half the cell and half the step: in two dimensions eight times the work.
# That is why these pages use 5 Hz and the field does not.
#
# A data set
# ----------
# A *study* is one YAML file that holds all settings. What is left out has its default.
Path("survey").mkdir(exist_ok=True)
study = """
grid: {nz: 51, nx: 76, spacing: 40.0, velocity: [1500.0, 4500.0]}
survey:
  shots: 8
  shot_margin: 240.0
  receivers: 76
  depth: 40.0
  dt: 0.004
  nt: 500
  keep_every: 5
  wavelet: {kind: ricker, frequency: 5.0}
salt: {preset: mixed, seed: 7}
storage: {folder: survey/data, train: 8, validation: 4, test: 4, samples_per_shard: 4}
"""
with open("survey/study.yaml", "w") as file:
    file.write(study)

# %%
# ``fwi simulate`` draws the models and records them. First what it would do, then the work.
#
# .. code-block:: console
#
#    $ fwi simulate --config survey/study.yaml --dry-run
#    $ fwi simulate --config survey/study.yaml --workers 1
#
fwi_command("simulate --config survey/study.yaml --dry-run".split())
fwi_command("simulate --config survey/study.yaml --workers 1".split())

# %%
# A set is a folder of *shards*, HDF5 files of some samples each, and a manifest with their checksums.
# Stop the command at any moment and repeat it: it makes what is missing. Thousands of models on many
# cores are the same command with other numbers: :doc:`13_scale_out`.
#
# :class:`fwi.DataSet` reads the manifest, :class:`fwi.ShotDataset` the samples as PyTorch wants them.
# Records are stored in half precision (``float16``), which has three digits and halves the disk:
data = fwi.DataSet.read(Path("survey/data"))
train = fwi.ShotDataset([data], "train")
sample = train[0]

print(data.sizes)
print("gathers ", tuple(sample.gathers.shape), sample.gathers.dtype)
print("velocity", tuple(sample.velocity.shape), sample.velocity.dtype)

# %%
# No need for this package to read a :term:`shard`: it is plain HDF5, and its axes have names and coordinates.
with h5py.File("survey/data/train-00000.h5") as shard:
    gathers = shard["gathers"]
    print("axes:", [axis[0].name for axis in gathers.dims])
    print("time:", shard["time"][25:29], "s")
    print("pressure:", gathers[0, 3, 25:29, 40])  # sample 0, shot 3, receiver 40

# %%
# With xarray (``pip install xarray h5netcdf``) the same is selected by metres and seconds:
#
# .. code-block:: python
#
#    shard = xarray.open_dataset("survey/data/train-00000.h5", engine="h5netcdf")
#    trace = shard.gathers.isel(sample=0, shot=3, receiver=40).sel(time=slice(0.5, 0.57))
#
# Is the set sound?
# -----------------
# ``fwi verify`` compares checksums, looks for NaN and :term:`dead traces <dead trace>`, makes sure that no
# model of the training is in the test, draws the models again, and simulates some of them again. Then it
# writes the set's *card*, a README.md with a figure.
#
# .. code-block:: console
#
#    $ fwi verify survey/data --config survey/study.yaml --seed 0
#
fwi_command("verify survey/data --config survey/study.yaml --seed 0".split())

# %%
# The table has statistics of the salt and of the speeds: the median over all models, and the 10th and
# 90th percentile. The last lines say what was compared; *NRMS* is the difference of two gathers as a
# share of their amplitude. The card begins so:
print("\n".join(Path("survey/data/README.md").read_text().splitlines()[6:20]))

# %%
# It has a figure too. Here are three models of the training, and a shot of each:
columns = []
for number in range(3):
    sample = train[number]
    gather, salt = sample.gathers[4].float().numpy(), sample.salt.numpy() > 0
    name = f"sample {number}"
    columns.append(plots.SampleColumn(name, gather, sample.velocity.numpy(), salt))
plots.samples(columns, grid.spacing, grid.velocity, survey.receiver_x[4], survey.recorded_dt)

# %%
# What you have seen
# ------------------
# How a wave becomes a gather, and how a study becomes a data set. Records of your own come in the same
# way, with the survey read from their headers: :doc:`03_segy`. A network is trained on such a set in
# :doc:`04_from_nothing`. How the shards are laid out, and all formats that can be imported:
# :doc:`/guide/data`.
#
# **Try it.** Move the block of salt down to begin at 1.5 km: what is left of it in the gather? Give it
# 2500 m/s instead of 4500: which of the events get weak? Let the surface reflect
# (``top="free"`` in ``SurveyConfig``) above salt that begins at 0.4 km: every wave that goes up comes down
# again with its sign reversed. How often does the top of the salt appear in the gather now? These are the
# *multiples* that have to be removed from records before a network sees them.
