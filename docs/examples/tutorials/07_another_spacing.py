r"""
A line of another cell size, frequency and length
=================================================

``salt-demo`` was trained on sections of 3 km, cells of 40 m, and a wavelet of 5 Hz. Your line is longer, and
its records have 8 Hz. No new network is needed: the wave equation has no length of its own, so a line can be
brought to the network's scale, and a long line can be cut into windows.

At the end you will have inverted a line of 5 km at 8 Hz from a SEG-Y file, in Python and by one command, know
why scaling keeps speeds, how the frequency is measured, what the windows do, and what the files say. It takes
some fifteen seconds. You should have seen :doc:`00_tour` and :doc:`03_segy`.
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt

import fwi
from data_prep.lines import read_line
from data_prep.lines.spectrum import measure_spectrum
from data_prep.salt import generate
from data_prep.segy.shots import open_shots
from data_prep.segy.write import write_gathers
from experiments.cli import main as fwi_command
from fwi import plots
from fwi.config import SaltConfig
from fwi.corruption import noise
from fwi.lines import Line, scaled

# %%
# Why scaling keeps speeds
# ------------------------
# Pressure :math:`p` over speeds :math:`v`, from a source at :math:`\mathbf{x}_s` with the wavelet :math:`w`,
# obeys
#
# .. math::
#    \nabla^2 p - \frac{1}{v^2} \frac{\partial^2 p}{\partial t^2}
#    = -w(t) \, \delta(\mathbf{x} - \mathbf{x}_s)
#
# Multiply all lengths and all times by one factor :math:`a`. Each term on the left has two derivatives, the
# first by length and the second by time, so both are divided by :math:`a^2`; :math:`v`, a length over a time,
# stays as it is. What is a solution over one section is one over the larger section, played more slowly. Only
# the frequency of the wavelet is divided by :math:`a`, and all amplitudes get one common factor. Try it: the
# same speeds on cells of 40 m with 5 Hz, and on cells of 25 m with 8 Hz.

run = fwi.load_run("salt-demo")
grid, network_survey = run.study.grid, run.survey
preset = SaltConfig(preset="yang_ma", seed=5)
factor = 1.6  # 40 m / 25 m = 8 Hz / 5 Hz
model, _ = generate(grid, preset, stream=9, index=2)

finer = scaled(network_survey, 1 / factor)
surveys = {"40 m, 5 Hz": network_survey, "25 m, 8 Hz": finer}
figure, axes = plt.subplots(2, 1, figsize=(8, 4), layout="constrained")
for (name, survey), panel in zip(surveys.items(), axes, strict=True):
    propagator = fwi.Propagator(survey, run.study.physics)
    with torch.inference_mode():
        trace = propagator(torch.from_numpy(model)[None])[0, 5, :, 60].numpy()
    panel.plot(survey.time, trace / np.abs(trace).max(), color="#11467b")
    far = survey.offset[5, 60]
    panel.set_title(f"cells of {name}: offset {far:.0f} m")
    panel.set(xlabel="Time (s)", ylabel="Amplitude", xlim=(0, survey.time[-1]), ylim=(-0.35, 0.35))
plt.show()

# %%
# The same trace, sample by sample; only the time axis differs. (The direct wave is cut off by the axis, to
# show the reflections.) So what a network has learned at one scale it knows at all of them.
#
# A line of its own
# -----------------
# Three models side by side make a line of 4.9 km, on cells of 25 m. (They were picked so that salt of several
# depths is on it. ``stream=9`` draws from random numbers that no training has used.) We record it with 40
# shots at 8 Hz, with a little noise, 40 dB below the records, and write it as SEG-Y, as it might come from
# elsewhere.

fade = 16  # columns over which two models pass into each other
share = np.linspace(0, 1, fade, dtype=np.float32)
truth = model
for index in (0, 9):
    other, _ = generate(grid, preset, stream=9, index=index)
    passing = (1 - share) * truth[:, -fade:] + share * other[:, :fade]
    truth = np.concatenate([truth[:, :-fade], passing, other[:, fade:]], axis=1)

places = {"shots": 40, "shot_margin": 120.0, "receivers": truth.shape[1]}
wide = grid.model_copy(update={"nx": truth.shape[1]})
wide_survey = fwi.Survey(wide, network_survey.config.model_copy(update=places))
recorded_by = scaled(wide_survey, 1 / factor)
propagator = fwi.Propagator(recorded_by, run.study.physics)
with torch.inference_mode():
    gathers = propagator(torch.from_numpy(truth)[None])[0].numpy()
gathers = noise.white(gathers, recorded_by, 40.0, np.random.default_rng(0))

folder = Path("another_spacing")
folder.mkdir(exist_ok=True)
path = folder / "line.segy"
write_gathers(path, gathers, recorded_by, "A synthetic line of 4.9 km at 8 Hz")
print(f"{path}: {recorded_by.layout()}, {recorded_by.length / 1000:.1f} km")

# %%
# Read for a network
# ------------------
# :func:`data_prep.lines.read_line <data_prep.lines.reading.read_line>` is not told any of that. It knows the
# network's survey, and measures the rest. First the peak frequency: the spectrum of the records is fitted by
# that of a Ricker wavelet, as it arrives in two dimensions, and white noise.

spectrum = measure_spectrum(open_shots(path), "line")
figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
axes.plot(spectrum.frequency, spectrum.power, color="#7f8c8d", label="records")
axes.plot(spectrum.frequency, spectrum.signal + spectrum.noise, color="#11467b", label="fit")
peak = f"peak of the wavelet, {spectrum.peak:.2f} Hz"
axes.axvline(spectrum.peak, color="#a23b1e", linestyle=":", label=peak)
axes.set(xlim=(0, 30), xlabel="Frequency (Hz)", ylabel="Share of the energy")
axes.set_title("Power spectrum of the line")
axes.legend()
plt.show()

# %%
# This gives the factor, and the survey of the line with as many rows of cells as the network has. All else
# follows, and is told in a sentence each:

read = read_line(path, network_survey, run.study.physics)
print(*read.changes, sep="\n")
print("warnings:", "; ".join(read.warnings) or "none")

# %%
# Read them once: there is more in them than in the section. The peak is measured to a few per cent; the
# factor is moved by up to 3 % where receivers then come to lie on the grid, here to 1.6. Offsets beyond the
# network's are left out; the *bottom* is that of the network's 51 cells, which here are 25 m. A higher
# frequency sees finer things and less deep.
#
# Your own records differ from these in what is said under *spreading*: a source in the field is a point, and
# its amplitudes fall faster than in two dimensions. Say ``spreading="point"`` here, or ``--spreading point``
# to the command. What else has to be true of them (processed to P-waves without ghosts, multiples of the
# surface and ground roll; shot gathers of a straight line) is listed in :doc:`/guide/lines`.
#
# Windows
# -------
# The line is 196 cells wide, the network's section 76. So windows of the network's size are cut out of it,
# which overlap by half at least, each with the shots and receivers within it; the network takes any.

line = Line(run, read.gathers[0], read.survey)
section = line.invert()

spacing = read.survey.grid.spacing
rows = len(line.windows) + 1
figure, axes = plt.subplots(rows, 1, figsize=(8.5, 8), sharex=True, sharey=True, layout="constrained")
for number, (window, panel) in enumerate(zip(line.windows, axes, strict=False)):
    part = run.invert(window.of(line.gathers), window.survey)
    placed = np.full_like(section, np.nan)
    placed[:, window.columns] = part
    plots.style.draw_velocity(panel, placed, spacing, grid.velocity, None)
    panel.set_title(f"window {number + 1}: {len(window.shots)} shots", fontsize="medium")
image = plots.style.draw_velocity(axes[-1], section, spacing, grid.velocity, None)
axes[-1].set_title("blended", fontsize="medium")
for panel in axes:
    panel.set_aspect("auto")
    panel.label_outer()
figure.colorbar(image, ax=axes, label="Velocity (km/s)", aspect=40)
plt.show()

# %%
# A place in the blended section is the mean of the windows that hold it, each weighted by how sure its
# network is of that place (the inverse square of the error that it expects), and by a taper to its sides,
# where it sees little of what is around. Where windows disagree, the interval gets wider.
#
# What to believe
# ---------------
# The blended section is checked as any other, in stretches of the network's size, by simulation at the line's
# own scale: mistakes of reading, scaling and blending are in the verdict, too.

verdict, of_truth = line.check(section), line.check(truth)
error = np.abs(section - truth)
for stretch, same in zip(verdict.stretches, of_truth.stretches, strict=True):
    first, last = (round(end / spacing) for end in verdict.span(stretch))
    mae = error[:, first : last + 1].mean()
    print(f"columns {first} to {last}: {stretch.verdict.remark}; true MAE {mae:.0f} m/s")
    print(f"    the truth, judged in its place: {same.verdict.remark}")

plots.line_section(
    section, spacing, grid.velocity, verdict.remark, line.interval, verdict.contradiction, truth
)

# %%
# From the top: truth; section, with the bands of top and base of salt; half-width of the interval; and where
# the records contradict the section. The band of the *base* is wide wherever there is one: of all that is
# asked of the network the base of salt is the hardest, and the calibration says so. The true errors, which
# you would not have, are printed beside the verdicts.
#
# A stretch is doubted here whose error is below the 200 m/s from which a section is called wrong. Is that
# the line's doing, since waves come in from beyond a stretch, which its simulation does not know of? Then the
# truth would be doubted as well. It is believed in each stretch; the simulation is not to blame. It is
# believed with less ease in the middle, where two models pass into each other as no geology does, and where
# the network's own figures (:doc:`08_verdict`) speak against whatever is judged. The rest of the doubt is
# about the section. Recorded as sections of their own, the three models are inverted with errors of 67, 75
# and 107 m/s, and each is believed.
#
# The same by one command
# -----------------------
# .. code-block:: console
#
#     $ fwi invert another_spacing/line.segy --run salt-demo --out another_spacing/sections
#
# Without ``--run``, that network of the zoo is chosen which reaches deepest with the time that was recorded.
# The SEG-Y of a record from the field would want ``--spreading point`` as well.
# The command prints what you have read above, the verdict, and what it writes:

fwi_command(f"invert {path} --run salt-demo --out {folder}/sections".split())
# %%
# In the folder are now:

for each in sorted((folder / "sections").iterdir()):
    print(f"{each.name:28s}{each.stat().st_size / 1000:6.0f} kB")

# %%
# * ``.npy`` and ``.segy``: the section, and both ends of its interval (``-lower``, ``-upper``); the SEG-Y has
#   its columns at their positions on the line;
# * ``.yaml``: grid and survey, for ``fwi plot`` and for reading the ``.npy`` again;
# * ``.html``: a page for people: figure, verdict, and how the records were read;
# * ``-contradiction``: the map of where the records contradict the section.
#
# .. admonition:: What you have seen
#
#    Multiplying lengths and times by one factor keeps speeds. The factor comes from the peak frequency of the
#    records, windows take care of the length, and the verdict judges the outcome of it all.
#
# .. admonition:: Exercises
#
#    * ``read_line(..., frequency=6.0)`` has the records low-passed to 6 Hz. What happens to cell size and
#      depth? When would you want that?
#    * ``frequency=10.0`` is refused. Why can it not be had?
#    * Remove every second shot (``gathers[::2]`` with ``"shots": 20``). Which columns of the interval get
#      wider?
#
# Next: :doc:`08_verdict`. What is warned of and refused: :doc:`/guide/lines`; which frequency to take:
# :doc:`/explanations/choosing_frequency_grid_offsets`.
