"""
Draw salt models
================

A network learns salt from thousands of salt models. At the end you will know the geologies they are drawn
from, how to change them, mix them and measure them, and how to bring a model of your own. It takes about ten
seconds; to have seen :doc:`00_tour` helps.

**Why random models?** No two salt bodies are alike, and of no real one is every metre known. So the models
are drawn: by rules that make beds bend, break and rise as beds do, and salt overhang as salt does, with
every number drawn from a range. A network can be no better than the variety it has seen. Where your geology
lies outside, its sections can be wrong throughout, so it pays to look at models before training on them.
"""

from pathlib import Path

import numpy as np
from cmcrameri import cm
from matplotlib import pyplot as plt

from data_prep.salt import generate
from data_prep.salt.statistics import summarise
from experiments.cli import main as fwi_command
from fwi import plots
from fwi.config import GridConfig, SaltConfig, StudyConfig, validate

# %%
# One model
# ---------
# A model is sampled on a *grid* of square cells: here 2 km deep and 3 km long, in cells of 20 m.
# ``velocity`` is the range of speeds that the grid allows; models outside it are refused.
#
# On a given grid a model depends on four numbers and names alone: the preset, its seed, the *stream* and
# the model's number. Stream 0 is for training (what a network learns from), 1 for validation (what its
# learning is watched on) and 2 for the test (what it is judged by in the end); others are free. Nothing
# else matters, not even who draws it or in which order. So a set of models needs no storage: it can be
# drawn again, and no model of the training can slip into the test.
grid = GridConfig(nz=101, nx=151, spacing=20.0, velocity=(1500.0, 4500.0))
model = generate(grid, SaltConfig(preset="seg_eage", seed=0), stream=0, index=3)

print("velocity", model.velocity.shape, model.velocity.dtype, "in m/s")
print(f"salt     {model.salt.mean():.1%} of the cells")

# %%
# Many at once
# ------------
# To compare geologies we look at six models of each, with the salt outlined. This function does no more
# than draw them.


def show(salt, title):
    figure, panels = plt.subplots(2, 3, figsize=(9, 4.6), layout="constrained")
    km = (0, grid.nx * grid.spacing / 1000, grid.nz * grid.spacing / 1000, 0)
    for index, panel in enumerate(panels.flat):
        drawn = generate(grid, salt, stream=0, index=index)
        speed = drawn.velocity / 1000
        image = panel.imshow(speed, cm.batlow, vmin=1.5, vmax=4.5, extent=km)
        if drawn.salt.any():
            line = {"colors": "black", "linewidths": 0.8}
            panel.contour(drawn.salt, [0.5], extent=km, origin="upper", **line)
        panel.label_outer()
    figure.supxlabel("Distance (km)")
    figure.supylabel("Depth (km)")
    figure.colorbar(image, ax=panels, label="Velocity (km/s)")
    figure.suptitle(title)


# %%
# yang_ma: domes and lenses
# -------------------------
# The public set of Yang and Ma (2019), on which many papers train, has flat layers and one body: a dome
# whose base is below the section, or a lens. ``yang_ma`` draws such models; how closely, is measured in
# :doc:`/results/how_accurate`. It is the easiest of the geologies: below the salt of a dome there is
# nothing to be found.
show(SaltConfig(preset="yang_ma"), "Six models of yang_ma: domes and a lens")

# %%
# seg_eage: sheets and diapirs
# ----------------------------
# Salt is lighter than the rock above it and flows upwards, out of its layer. ``seg_eage`` has detached
# sheets, and diapirs on a leaning stem, as the SEG/EAGE salt model (Aminzadeh et al., 1997). The beds are
# folded, faulted, and dragged up along the salt; thin fast or slow *stringers* run through them.
# Overhangs hide what is below.
show(SaltConfig(preset="seg_eage"), "Six models of seg_eage: a sheet and diapirs")

# %%
# gulf: canopies under deep water
# -------------------------------
# In the deep Gulf of Mexico tongues of salt spread from several feeders and grow together into canopies;
# sediments sink between them as *minibasins*. ``gulf`` draws these, after the BP 2004 and SEAM models.
# Few waves reach what lies below the canopies, and fewer come back.
show(SaltConfig(preset="gulf"), "Six models of gulf: canopies and feeders")

# %%
# mixed: of everything
# --------------------
# ``mixed`` draws one of the three for each model, by weight, and leaves the salt out of a tenth of the
# models, for a network that has always seen salt finds salt everywhere. Both networks of the package were
# trained on it.
show(SaltConfig(preset="mixed"), "Six models of mixed")

# %%
# Change the ranges
# -----------------
# A preset is a set of ranges, and every range can be changed. Depths and heights are shares of the
# section's depth, widths shares of its length, so a preset gives the same geology on a section of any
# size; speeds are in m/s. Here are flat beds without faults, under a thin sheet that is always there:
thin_sheets = SaltConfig(
    preset={
        "name": "seg_eage",
        "detached_share": 1.0,  # all bodies are sheets, none is a diapir
        "sheet_thickness": (0.05, 0.10),  # 100 to 200 m of 2 km
        "sheet_length": (0.5, 0.9),
        "folds": (0.0, 0.02),
        "faults": (0, 0),
        "second_body_share": 0.0,
    }
)
show(thin_sheets, "seg_eage, thin sheets in flat beds")

# %%
# In daily work the ranges stand in a *study*, one YAML file that holds all settings (:doc:`02_survey`). A
# value that makes no sense is refused, with the reason and the way out. Sediments that are as fast as the
# salt could not be told from it:
try:
    validate(
        StudyConfig,
        {"salt": {"preset": {"name": "seg_eage", "sediment_speeds": [1500, 4450]}}},
        source="study.yaml",
    )
except ValueError as error:
    print(error)

# %%
# So it is written in a study's file, where ``fwi simulate`` finds it, and on the command line, which changes
# one of the studies that come with the package (``mixed_half`` is one of 2 km by 3 km in cells of 20 m):
#
# .. code-block:: yaml
#
#    salt:
#      preset: {name: seg_eage, detached_share: 1.0, faults: [0, 0]}
#
# .. code-block:: console
#
#    $ fwi simulate --config mixed_half --salt.preset '{name: seg_eage, faults: [0, 0]}'
#
# Mix by weight
# -------------
# What your line may hold is a mixture too. Three parts of canopies, one part of lenses (``yang_ma`` with
# no domes), and a fifth of the models without salt:
mixture = SaltConfig(
    preset={
        "name": "mixed",
        "parts": [
            {"preset": "gulf", "weight": 3.0},
            {"preset": {"name": "yang_ma", "lens_share": 1.0}, "weight": 1.0},
        ],
        "no_salt_share": 0.2,
    }
)
show(mixture, "Three parts gulf, one part lenses")

# %%
# Measure them
# ------------
# Six pictures deceive. :func:`~data_prep.salt.statistics.summarise` measures a set of models; the table
# has the median over a hundred models of each preset, and in brackets the 10th and 90th percentile.
presets = ("yang_ma", "seg_eage", "gulf")
sets = {}
for preset in presets:
    salt = SaltConfig(preset=preset)
    drawn = [generate(grid, salt, stream=0, index=index) for index in range(100)]
    sets[preset] = np.stack([model.velocity for model in drawn])

measures = {
    "area_share": ("salt, share", ".2f"),
    "crest_depth": ("crest (m)", ".0f"),
    "base_depth": ("base (m)", ".0f"),
    "overhang_share": ("overhang, share", ".2f"),
    "bodies": ("bodies", ".0f"),
    "fastest_sediment": ("sediment (m/s)", ".0f"),
}
summaries = {preset: summarise(sets[preset], grid.spacing) for preset in presets}
print(" " * 16, *(f"{preset:18}" for preset in presets))
for measure, (title, form) in measures.items():
    cells = []
    for preset in presets:
        values = summaries[preset][measure]
        low, middle, high = (format(value, form) for value in values)
        cells.append(f"{middle} ({low}, {high})")
    print(f"{title:16}", *(f"{cell:18}" for cell in cells))

# %%
# The *overhang* is the share of the columns with salt in which there is rock between salt and salt.
# *Sediment* is the fastest rock that is not salt. ``yang_ma`` has no overhangs, ``gulf`` has them in a
# third of its columns.
#
# The speeds show best how the geologies differ: a network that has seen one curve of this picture has not
# seen the others. The peaks at the right are salt, of just 4.5 km/s in ``yang_ma`` and of 4.4 to 4.5 km/s
# in the others; those at the left are water.
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
edges = np.arange(1500, 4601, 100)
for preset in presets:
    share, _ = np.histogram(sets[preset], edges)
    axes.stairs(100 * share / share.sum(), edges / 1000, label=preset, linewidth=2)
axes.set(xlabel="Velocity (km/s)", ylabel="Cells (%)")
axes.set_title("Speeds of a hundred models of each preset")
axes.legend()

# %%
# A model of your own
# -------------------
# A model is an array of speeds, so any program may draw it. Here is a salt wall with a cap, in sediments
# whose speed increases with depth.
depth, x = np.mgrid[0 : grid.nz, 0 : grid.nx] * grid.spacing  # m
own = 1600 + 0.9 * depth
own[depth > 1500] = 3500  # a fast bed below
wall = (np.abs(x - 1400 - 0.3 * (depth - 1000)) < 120) & (depth > 600)
cap = ((x - 1300) / 600) ** 2 + ((depth - 650) / 180) ** 2 < 1
own[wall | cap] = 4500

title = "A model of your own"
plots.velocity_model(own, grid.spacing, grid.velocity, title, wall | cap)

# %%
# ``fwi import`` brings models from files to a study: it checks them and simulates their records. With
# ``--dry-run`` it says what it would do, and stops. On these pages commands of the shell are shown as you
# type them, and run by ``fwi_command``, which does the same from Python.
#
# .. code-block:: console
#
#    $ fwi import --config mixed_half --spacing 20 --dry-run salt_models/own.npy
#
Path("salt_models").mkdir(exist_ok=True)
np.save("salt_models/own.npy", own.astype("float32"))
fwi_command("import --config mixed_half --spacing 20 --dry-run salt_models/own.npy".split())

# %%
# What you have seen
# ------------------
# Presets, their ranges, mixtures, and how to measure what they give. A geology with rules of its own,
# drawn at random like these, is a preset of your own: one file, in :doc:`14_your_own`. All ranges with
# their meaning and default are in the reference of the configuration. How several processes or machines
# draw and simulate thousands: :doc:`13_scale_out`.
#
# **Try it.** Set ``no_salt_share`` to 1: what do the sediments alone look like? Draw ``seg_eage`` on a
# grid of 401 x 601 cells of 5 m: it is the same geology, sharper. Make ``salt_speed`` of ``seg_eage``
# (3900, 4000): which other range must follow, and what does the message say? (In a study
# ``salt.threshold``, the speed from which a cell counts as salt, has to follow too.)
