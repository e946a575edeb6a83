"""
Salt models: the presets
========================

Four geologies from which random salt models are drawn. At the end you will have seen twelve models of each,
where in a section their salt lies, how fast their rocks are, and what each of them can be told to do
otherwise. The page takes about three seconds. It asks for no reading; the tutorials begin with drawing such
models.
"""

import numpy as np
from matplotlib import pyplot as plt

from data_prep.salt import generate
from fwi.config import GridConfig, SaltConfig
from fwi.plots.style import draw_velocity

# %%
# A model is a pure function of the configuration, the split (0 training, 1 validation, 2 test) and a number:
# whoever draws number 7 gets the same one. The grid only samples it. The pictures take cells of 20 m, the
# statistics, of 150 models of each preset, cells of 40 m. Outlines are those of the salt; all speeds are
# P-wave speeds. Of the parameters some worth trying are named; all of them, with unit, range and default, are
# in :ref:`the configuration <presets>`.

fine = GridConfig(nz=101, nx=151, spacing=20.0)
coarse = GridConfig(nz=51, nx=76, spacing=40.0)


def show(salt, title, count=12):
    figure, axes = plt.subplots(3, 4, figsize=(9, 4.7), sharex=True, sharey=True, layout="constrained")
    for number, panel in enumerate(axes.flat):
        model = generate(fine, salt, 0, number)
        image = draw_velocity(panel, model.velocity, fine.spacing, fine.velocity, model.salt > 0)
        panel.label_outer()
    figure.colorbar(image, ax=axes, label="Velocity (km/s)", shrink=0.7)
    figure.suptitle(title)


def statistics(salt, title):
    models = [generate(coarse, salt, 0, number) for number in range(150)]
    velocity = np.stack([model.velocity for model in models]) / 1000
    inside = np.stack([model.salt for model in models]) > 0
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9, 2.9), layout="constrained")
    edges = np.arange(1.5, 4.55, 0.1)
    left.hist(
        [velocity[~inside], velocity[inside]], edges, stacked=True, density=True, color=["#8c9fb1", "#b2182b"]
    )
    left.set(xlabel="Velocity (km/s)", ylabel="Density", title="Sediments and salt (red)")
    extent = (0, 3, 2, 0)
    image = middle.imshow(100 * inside.mean(0), cmap="magma", extent=extent, vmin=0, vmax=60)
    middle.set(xlabel="Distance (km)", ylabel="Depth (km)", title="Models with salt here")
    figure.colorbar(image, ax=middle, label="Share (%)", shrink=0.8)
    right.hist(100 * inside.mean((1, 2)), np.arange(0, 52, 4), color="#11467b")
    right.set(xlabel="Salt in the section (%)", ylabel="Models", title="How much salt")
    figure.suptitle(title)


# %%
# .. _gallery-yang_ma:
#
# The public set of Yang and Ma: ``yang_ma``
# ------------------------------------------
# Flat layers that get faster with depth, pierced by a dome whose base lies below the section, or holding a
# lens. It is made like the simulated models of Yang and Ma (2019), on which many networks of the literature
# were trained. Layers know nothing of the salt: they neither rise nor break at it. Learn here that a method
# works, not that it works on salt.
#
# Worth trying: ``lens_share: 1`` for lenses alone, whose base can be seen; ``sediment_speeds`` for a smaller
# contrast.

show(SaltConfig(preset="yang_ma"), "Twelve models of yang_ma")

# %%

statistics(SaltConfig(preset="yang_ma"), "150 models of yang_ma")

# %%
# .. _gallery-seg_eage:
#
# Detached sheets and leaning diapirs: ``seg_eage``
# -------------------------------------------------
# Salt that has left its layer: sheets with peaks and keels, and diapirs that lean on their feeders and hang
# over. The sediments are those of a growing basin: compacting, folded, faulted, dragged up along the salt,
# with thin fast and slow beds and overpressure. After the SEG/EAGE salt model (Aminzadeh et al., 1997).
#
# Worth trying: ``faults: [3, 8]``; ``stringers: [0, 0]`` to see how much thin beds matter;
# ``detached_share: 0`` for diapirs alone, whose stems networks often miss.

show(SaltConfig(preset="seg_eage"), "Twelve models of seg_eage")

# %%

statistics(SaltConfig(preset="seg_eage"), "150 models of seg_eage")

# %%
# .. _gallery-gulf:
#
# Canopies and minibasins: ``gulf``
# ---------------------------------
# Deep water; salt that rose in feeders, spread in tongues and met in sutures that may hold trapped sediment;
# basins sunk between, slow pockets of gas or mud, and now and then the mother salt near the bottom. After the
# BP 2004 and SEAM models (Billette & Brandsberg-Dahl, 2005; Fehler & Keliher, 2011). The hardest of the
# three: much lies below salt, and even networks that are trained on it alone err most
# (:doc:`/results/which_models_to_train_on`).
#
# Worth trying: ``feeders: [1, 1]`` for a single body; ``suture_share: 0`` for closed canopies; ``water`` for
# its depth.

show(SaltConfig(preset="gulf"), "Twelve models of gulf")

# %%

statistics(SaltConfig(preset="gulf"), "150 models of gulf")

# %%
# .. _gallery-mixed:
#
# A mixture: ``mixed``
# --------------------
# Each model is drawn from one of the three by weight (2 : 2 : 1), and one in ten is left without its salt, so
# that a network does not learn that there always is some. The networks of the zoo were trained on it: a
# network of one geology is best at home and poor elsewhere, and one of the mixture comes second everywhere
# else (:doc:`/results/which_models_to_train_on`).
#
# Worth trying: ``parts`` with other weights, or with a changed preset; ``no_salt_share``.

show(SaltConfig(preset="mixed"), "Twelve models of mixed")

# %%

statistics(SaltConfig(preset="mixed"), "150 models of mixed")

# %%
# A preset with a change is written as a mapping, in a study's YAML as here:

faulted = SaltConfig(
    preset={"name": "seg_eage", "faults": [6, 9], "detached_share": 1.0, "stringers": [0, 0]}
)
show(faulted, "Sheets of seg_eage, with many faults and no thin beds")

# %%
# The straight fast lines are faults that were cemented (``healed_fault_share``).
#
# To try: another ``seed`` in ``SaltConfig``; the split 2 in place of 0; a grid of 5 m cells, which shows the
# same models sharper.

# sphinx_gallery_thumbnail_number = 3
