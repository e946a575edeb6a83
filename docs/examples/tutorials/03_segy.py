"""
Bring a line as SEG-Y
=====================

Can I use my own records? At the end you will have read a :term:`SEG-Y` file, heard what is odd about it,
inverted it with a network that was trained at another frequency and on other cells, and mended headers that
lie. The file is made here, so that all is known; with yours, begin at the second heading. It takes about ten
seconds. :doc:`00_tour` shows what a section, its interval and its :term:`verdict` are.

**What a file must be**: shots of a straight 2-D line, with the positions of sources and receivers in its
headers, and records that are *processed to what acoustic simulation without a free surface would record*:
:term:`ghosts <ghost>`, :term:`surface multiples <multiple>`, surface waves and :term:`swell <swell noise>`
removed. What the program can see of all that, it says; it cannot see everything.
"""

import contextlib
from pathlib import Path

import numpy as np
import torch

import fwi
from data_prep import records
from data_prep.lines import read_line
from data_prep.salt import generate
from data_prep.segy.write import write_gathers
from experiments.cli import main as fwi_command
from fwi import config, plots
from fwi.config import GridConfig, PhysicsConfig, SaltConfig, SurveyConfig
from fwi.corruption import noise
from fwi.lines import Line

# %%
# A file to begin with
# --------------------
# A salt dome under a line of 3 km, 12 shots, a receiver every 25 m, a :term:`wavelet` of 8 Hz, some noise,
# and amplitudes in units of nobody knows what, as in the field. ``salt-demo`` was trained at 5 Hz on cells of
# 40 m, with 22 shots. The model was chosen among some ten draws, as one whose section is good and not
# perfect.
grid = GridConfig(nz=51, nx=121, spacing=25.0)
survey_config = SurveyConfig(
    shots=12,
    shot_margin=250.0,
    receivers=121,
    depth=25.0,
    dt=0.0025,
    nt=600,
    keep_every=2,
    wavelet={"frequency": 8.0},
)
survey = fwi.Survey(grid, survey_config)
truth = generate(grid, SaltConfig(preset="yang_ma"), stream=4, index=7)
with torch.inference_mode():
    propagator = fwi.Propagator(survey, PhysicsConfig())
    clean = propagator(torch.from_numpy(truth.velocity)[None])[0].numpy()
gathers = 5000 * noise.white(clean, survey, 30.0, np.random.default_rng(0))

Path("segy").mkdir(exist_ok=True)
write_gathers(Path("segy/line.segy"), gathers, survey, "Simulated for a tutorial")

# %%
# What is in it?
# --------------
# ``fwi import`` reports on a file before it does anything. ``--suggest-config`` also writes a study whose
# survey fits the line: a YAML file to begin with.
#
# .. code-block:: console
#
#    $ fwi import --suggest-config segy/study.yaml segy/line.segy
#
fwi_command("import --suggest-config segy/study.yaml segy/line.segy".split())
print()
print(Path("segy/study.yaml").read_text())

# %%
# Compare the report with your observer's log: number of shots and receivers, their distances, the nearest
# :term:`offset`, samples. Whatever is unusual stands under ``odd``; nothing is left out without a word. The
# suggestion asks for what only you know: how deep the section is to be and between which speeds. Its
# wavelet has a round frequency just below that of the records, which the cells can resolve.
#
# Invert it
# ---------
# This needs no study and no training. ``fwi invert`` measures the :term:`peak frequency`, takes the network
# of the *zoo* (those that come with the package) that suits the records, and scales lengths and times to it.
# What suits is a matter of time: ``salt-demo`` takes records of ten periods of the wave, ``salt-half`` of
# twenty.
#
# .. code-block:: console
#
#    $ fwi invert segy/line.segy --out segy/sections
#
fwi_command("invert segy/line.segy --out segy/sections".split())

# %%
# **How can a network of 5 Hz invert 8 Hz?** The wave equation has no length of its own. If all lengths
# and times are multiplied by one factor, speeds stay what they are, and the records are the same, sample
# by sample, up to a gain. So this line of 25 m cells and 8 Hz is, in the network's eyes, one of 40 m and
# 5 Hz; the protocol above says ``multiplied by 1.6``. In return the section reaches less deep: 51 rows of
# 25 m. The line is longer than the section of the network as well, and so it is inverted in two windows
# that overlap; each stretch has a verdict of its own.
#
# What lies in the folder now:
for path in sorted(Path("segy/sections").iterdir()):
    print(f"{path.name:30} {path.stat().st_size / 1000:8.1f} kB")

# %%
# ``line-0.segy`` is the section for your interpretation system, with its columns at their places on the
# line, ``.npy`` the same for Python, ``-lower`` and ``-upper`` are the ends of its interval, and
# ``-contradiction`` is where the records contradict it. ``line-0.html`` shows all of this on one page
# that needs no network: open it in a browser, send it on.
#
# The same from Python
# --------------------
# :func:`~data_prep.lines.read_line` reads the file for a network without a word, and returns what
# it did in ``changes`` and ``warnings``.
run = fwi.load_run("salt-demo")
read = read_line(Path("segy/line.segy"), run.survey, run.study.physics)
line = Line(run, read.gathers[0], read.survey)
section = line.invert()
verdict = line.check(section)

for warning in read.warnings:
    print("warning:", warning)
print(verdict)

# %%
# We know the truth of this line, on the same cells. What the network says of itself can be compared with
# it.
spacing, velocity = read.survey.grid.spacing, read.survey.grid.velocity
plots.line_section(
    section,
    spacing,
    velocity,
    f"A line of {spacing:.4g} m cells by a network of 40 m",
    line.interval,
    verdict.contradiction,
    truth.velocity,
)

# %%
# The salt is where it should be, its top lies within the bands along most of the line, and at the right
# the section continues the salt a little too far. The interval is widest along the salt's flanks, and the
# records contradict the section most at its lower edge, of which few waves come back within the time that
# the network takes. A map that darkens downwards without a place of its own is usual; look for spots. Its
# steps along the line are the ends of the two windows, each of which was checked by itself.
#
# Records on a survey of your own
# -------------------------------
# For training and for tests of your own, records are brought onto the survey of a study. This is what
# ``fwi import --config segy/study.yaml segy/line.segy`` stores as a :term:`shard`, and
# :func:`data_prep.records.read` returns as an array. Each change is said: read them all, once, for every
# new kind of file.
study = config.load(["segy/study.yaml"])
own_survey = fwi.Survey(study.grid, study.survey)
own = records.read(Path("segy/line.segy"), own_survey, study.physics)

print(own.gathers.shape, "(sample, shot, time, receiver)")
for change in own.changes:
    print("-", change)

# %%
# Odd headers
# -----------
# Real files lie. We spoil a copy in five ways that are common: four :term:`dead traces <dead trace>`, a
# :term:`trace header` that counts samples wrongly, a code that claims degrees, a spike, and a shot of the
# wrong polarity. A SEG-Y file is 3600 bytes of file header, and then for each trace 240 bytes of header and
# its samples, so numpy is enough.
file = np.fromfile("segy/line.segy", np.uint8)
header = file[:3600]
traces = file[3600:].reshape(-1, 240 + 4 * survey.gather_shape[1])
samples = traces[:, 240:].copy().view(">f4")  # (trace, time)

samples[5:9] = 0  # dead
samples[77, 200] *= 1e5  # a spike
samples[121:242] *= -1  # the second shot
spoilt = traces.copy()
spoilt[:, 240:] = samples.view(np.uint8)
# Bytes 115 and 116 have the number of samples; in 89 and 90, a 3 means degrees.
spoilt[:, 114:116] = np.array([1500], ">i2").view(np.uint8)
spoilt[:, 88:90] = np.array([3], ">i2").view(np.uint8)
np.concatenate([header, spoilt.ravel()]).tofile("segy/spoilt.segy")

fwi_command("import --suggest-config segy/spoilt.yaml segy/spoilt.segy".split())

# %%
# Four of the five are named, with what was done about it. The reversed shot cannot be seen in the headers; it
# shows as soon as the :term:`direct arrival` is compared with a simulated one. The study above reads all
# shots and names it, the network compares some of them and warns:
own = records.read(Path("segy/spoilt.segy"), own_survey, study.physics)
print(own.changes[-1])

spoilt_line = read_line(Path("segy/spoilt.segy"), run.survey, run.study.physics)
print("warning:", *spoilt_line.warnings)

# %%
# Nothing was mended by itself: a wrong guess would be worse than the fault. Reverse that shot, and mute
# the spike, with the program that wrote the file, or as above. The dead traces need nothing: a trace that
# is zero throughout counts as missing, everywhere in this package.
#
# Two kinds of files are refused, since nothing sensible can be done without you. If the receivers are not
# where the standard has them (bytes 81 to 84), the message says what is missing:
moved = traces.copy()
moved[:, 200:204] = moved[:, 80:84]  # to bytes 201 to 204
moved[:, 80:84] = 0
np.concatenate([header, moved.ravel()]).tofile("segy/moved.segy")

with contextlib.suppress(SystemExit):
    fwi_command("import --suggest-config segy/moved.yaml segy/moved.segy".split())

# %%
# You look into the file's textual header or its documentation, find where they are, and name the byte:
#
# .. code-block:: console
#
#    $ fwi import --suggest-config segy/moved.yaml --bytes.receiver-x 201 segy/moved.segy
#
command = "import --suggest-config segy/moved.yaml --bytes.receiver-x 201 segy/moved.segy"
fwi_command(command.split())

# %%
# The other kind are files without any geometry: write it into the headers with a tool of your choice,
# such as segyio.
#
# What you have seen
# ------------------
# A file, its report, a section with a page of its own, and the remedies of the commonest faults.
# Everything that is read, warned of and refused is in :doc:`/guide/lines` (for a trained network) and
# :doc:`/guide/data` (for a study of your own). Lines of another spacing and length:
# :doc:`07_another_spacing`. When the verdict doubts because your geology is another: :doc:`06_adapt`.
#
# **Try it.** Give the line a wavelet of 12 Hz (with ``spacing=15.0``, ``nx=201`` and as many receivers,
# ``shot_margin=255.0``, ``depth=15.0``, ``dt=0.0015``, ``nt=1000``): which network is chosen? Remove
# every second shot: write ``gathers[::2]`` with ``fwi.Survey(grid,
# survey_config.model_copy(update={"shots": 6, "shot_x": tuple(survey.shot_x[::2]), "shot_margin":
# None}))``. What are you warned of, and what does the verdict say? Add noise of 0 dB: at which point are
# you warned?
