"""
Metrics: how a section is scored
================================

Eight numbers by which a section is compared with the truth. At the end you will have seen two sections with
the same mean error of which one is useful and the other is not, and which cells each metric looks at. The
page takes about three seconds and asks for no reading; a student of geophysics knows all it speaks of.
"""

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from scipy.ndimage import gaussian_filter, shift

from data_prep.salt import generate
from fwi.config import GridConfig, SaltConfig
from fwi.metrics import METRICS, below_salt, near_salt_boundary, predicted_salt, salt_threshold, score
from fwi.plots.style import draw_section, draw_velocity, outline

# %%
# Two sections with the same mean error
# -------------------------------------
# The truth is a random model. In the first section the salt is right and the speeds of the layers are off,
# here more, there less. In the second the layers are right, and the salt lies too deep and too far to the
# right. The first errors are scaled so that both sections have the same mean absolute error.

grid = GridConfig(nz=101, nx=151, spacing=20.0)
truth, mask = generate(grid, SaltConfig(preset="seg_eage"), 0, 0)
salt = mask > 0

moved = shift(mask, (5, 6), order=0) > 0
sediments = np.where(salt | moved, gaussian_filter(np.where(salt, 2600.0, truth), 6), truth)
wrong_salt = np.where(moved, truth.max(), sediments).astype(np.float32)

waves = gaussian_filter(np.random.default_rng(5).standard_normal(truth.shape), 12)
waves = np.where(salt, 0, waves)
waves *= np.abs(wrong_salt - truth).mean() / np.abs(waves).mean()
wrong_layers = (truth + waves).astype(np.float32)

sections = {"Wrong layers": wrong_layers, "Wrong salt": wrong_salt}
figure, axes = plt.subplots(2, 3, figsize=(9, 4.6), sharex=True, sharey=True, layout="constrained")
image = draw_velocity(axes[0, 0], truth, grid.spacing, (1500, 4500), salt)
axes[0, 0].set_title("Truth")
axes[1, 0].set_axis_off()
for column, (name, section) in zip(axes.T[1:], sections.items()):
    draw_velocity(column[0], section, grid.spacing, (1500, 4500), salt)
    column[0].set_title(name)
    error = draw_section(column[1], (section - truth) / 1000, grid.spacing, "vik", (-1.5, 1.5))
    outline(column[1], salt, grid.spacing, "black")
    column[1].set_title(f"Error, MAE {np.abs(section - truth).mean():.0f} m/s")
for panel in axes.flat:
    panel.label_outer()
figure.colorbar(image, ax=axes[0], label="Velocity (km/s)")
figure.colorbar(error, ax=axes[1], label="Error (km/s)")

# %%
# ``score`` gives all metrics at once, of as many sections as there are. Which of the two would you drill by?

scores = score(np.stack(list(sections.values())), np.stack(2 * [truth]), np.stack(2 * [mask]), grid.spacing)
print(f"{'':32}{'wrong layers':>14}{'wrong salt':>12}   better is")
for name, metric in METRICS.items():
    layers, body = scores[name]
    print(f"{metric.label():32}{layers:14.3g}{body:12.3g}   {'less' if metric.best == 'min' else 'more'}")

# %%
# The mean error does not tell them apart. The errors at the salt's boundary, of its top and of its base do,
# and so does the overlap. No single number will do: report several, and look at the section.

predictions = {name: torch.from_numpy(section)[None] for name, section in sections.items()}
true, inside = torch.from_numpy(truth)[None], torch.from_numpy(salt)[None]


def draw(values, title, label, colours, limits):
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.9), sharey=True, layout="constrained")
    for panel, name, map_ in zip(axes, sections, values):
        image = draw_section(panel, map_, grid.spacing, colours, limits)
        outline(panel, salt, grid.spacing, "dodgerblue")
        panel.set_title(f"{name}: {scores[title][list(sections).index(name)]:.3g} {METRICS[title].unit}")
        panel.label_outer()
    figure.colorbar(image, ax=axes, label=label)
    figure.suptitle(METRICS[title].heading())


# %%
# .. _gallery-mae:
#
# Mean absolute error: ``mae``
# ----------------------------
# .. math:: \frac{1}{N} \sum_{i} |v_i - v^*_i|
#
# In m/s, over all :math:`N` cells, :math:`v` the section and :math:`v^*` the truth; less is better. It counts
# every cell alike, and most cells are sediment: a good MAE may hide a missed salt body.

errors = [np.abs(section - truth) for section in sections.values()]
draw(errors, "mae", "Absolute error (m/s)", "lajolla_r", (0, 1500))

# %%
# .. _gallery-rmse:
#
# Root of the mean square error: ``rmse``
# ---------------------------------------
# .. math:: \left( \frac{1}{N} \sum_{i} (v_i - v^*_i)^2 \right)^{1/2}
#
# In m/s; less is better. Squares make few large errors count more than many small ones, so it is worse for
# salt in the wrong place. The picture shows what each cell adds.

draw([(error / 1000) ** 2 for error in errors], "rmse", "Squared error (km²/s²)", "lajolla_r", (0, 4))

# %%
# .. _gallery-ssim_openfwi:
#
# Structural similarity: ``ssim_openfwi``
# ---------------------------------------
# .. math:: \frac{(2 \mu \mu^* + c_1)(2 s + c_2)}{(\mu^2 + \mu^{*2} + c_1)(\sigma^2 + \sigma^{*2} + c_2)}
#
# averaged over windows of 11 x 11 cells, with means :math:`\mu`, variances :math:`\sigma^2` and the
# covariance :math:`s` of section and truth. It has no unit; one is best. It asks whether the pattern is
# right, and forgives a constant offset. It is OpenFWI's definition, speeds of 1500 to 4500 m/s mapped to 0 to
# 1, so that figures can be compared with published ones. Three sections of equal MAE differ in it:

random = np.random.default_rng(0)
blurred = gaussian_filter(truth, 2) - truth
size = np.abs(blurred).mean()
noise = random.standard_normal(truth.shape)
others = {
    "Constant error": truth + size,
    "Blurred": truth + blurred,
    "Noise": truth + noise * size / np.abs(noise).mean(),
}
similar = score(np.stack(list(others.values())), np.stack(3 * [truth]), np.stack(3 * [mask]), grid.spacing)
figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
for panel, (name, section), mae, ssim in zip(axes, others.items(), similar["mae"], similar["ssim_openfwi"]):
    image = draw_velocity(panel, section, grid.spacing, (1500, 4500), None)
    panel.set_title(f"{name}: MAE {mae:.0f} m/s,\nSSIM {ssim:.2f}", fontsize="medium")
    panel.label_outer()
figure.colorbar(image, ax=axes, label="Velocity (km/s)")

# %%
# .. _gallery-salt_iou:
#
# Overlap of the salt: ``salt_iou``
# ---------------------------------
# .. math:: \frac{|S \cap S^*|}{|S \cup S^*|}
#
# Intersection over union of predicted salt :math:`S` and true salt :math:`S^*`: one is best, zero is none in
# common. It has no unit. Predicted salt are the cells faster than a threshold midway between the true salt
# and the fastest true sediment. It is undefined (NaN) for a model without salt. Of a thin body a shift by its
# thickness leaves nothing.

overlaps = [
    predicted_salt(each, true, inside)[0].int() + 2 * inside[0].int() for each in predictions.values()
]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.1), sharey=True, layout="constrained")
kinds = {"sediment": "#eeeeee", "invented": "#e0a800", "missed": "#11467b", "both": "#b2182b"}
for panel, name, overlap, iou in zip(axes, sections, overlaps, scores["salt_iou"]):
    panel.imshow(overlap, cmap=ListedColormap(list(kinds.values())), vmin=0, vmax=3, extent=(0, 3, 2, 0))
    panel.set(xlabel="Distance (km)", title=f"{name}: {iou:.2f}")
axes[0].set_ylabel("Depth (km)")
patches = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in kinds.values()]
figure.legend(patches, kinds, loc="outside right center")
figure.suptitle(f"Salt IoU: cells faster than {salt_threshold(true, inside).item():.0f} m/s")

# %%
# .. _gallery-mae_salt_boundary:
#
# Error at the salt's boundary: ``mae_salt_boundary``
# ---------------------------------------------------
# The mean absolute error in a band of three cells on either side of the true salt's boundary. In m/s; less is
# better, and a section with the salt in its place and sharp has little. It is undefined without salt. The
# same three cells are twice as many metres on twice as large cells: compare on one grid only.

near = near_salt_boundary(inside)[0].numpy()
draw(
    [np.where(near, error, np.nan) for error in errors],
    "mae_salt_boundary",
    "Absolute error (m/s)",
    "lajolla_r",
    (0, 2000),
)

# %%
# .. _gallery-mae_subsalt:
#
# Error below the salt: ``mae_subsalt``
# -------------------------------------
# The mean absolute error of the cells under the lowest salt of each column that has salt. In m/s; less is
# better. It is where rays hardly reach, where the depth of a target hangs on the salt above, and where a
# network may put the mean of what it has seen. It is undefined without salt, and where the salt reaches down
# to the bottom.

below = below_salt(inside)[0].numpy()
draw(
    [np.where(below, error, np.nan) for error in errors],
    "mae_subsalt",
    "Absolute error (m/s)",
    "lajolla_r",
    (0, 2000),
)

# %%
# .. _gallery-top_salt_error:
#
# Error of the top of salt: ``top_salt_error``
# --------------------------------------------
# The mean difference of the depths of the highest salt in each column where both, truth and section, have
# some. In metres; less is better. Columns with missed or invented salt do not count: they show in
# ``salt_iou``. A few cells that are too fast count as salt, as on the left, and lift the top of a column.


def draw_depths(name, depth_of, whose):
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.1), sharey=True, layout="constrained")
    for panel, (section, each), error in zip(axes, predictions.items(), scores[name]):
        bodies = {
            "true": (inside[0], "black"),
            "section's": (predicted_salt(each, true, inside)[0], "#b2182b"),
        }
        for owner, (body, colour) in bodies.items():
            depth = np.where(body.any(dim=0), depth_of(body.int()) * grid.spacing / 1000, np.nan)
            panel.plot(
                np.arange(grid.nx) * grid.spacing / 1000, depth, color=colour, label=f"{owner} {whose}"
            )
        panel.set(xlabel="Distance (km)", title=f"{section}: {error:.0f} m", xlim=(0, 3), ylim=(2, 0))
    axes[0].set_ylabel("Depth (km)")
    axes[1].legend()
    figure.suptitle(METRICS[name].heading())


draw_depths("top_salt_error", lambda body: body.argmax(0), "top")

# %%
# .. _gallery-base_salt_error:
#
# Error of the base of salt: ``base_salt_error``
# ----------------------------------------------
# The same of the lowest salt of a column, where the true salt ends within the section. In metres; less is
# better.

draw_depths("base_salt_error", lambda body: grid.nz - body.flip(0).argmax(0), "base")

# %%
# A metric is a function and an entry in ``METRICS``; training, evaluation and tables read them there. To try:
# move the salt by a single cell; shrink it instead; take the true layers without the salt, whose MAE is not
# bad at all.

# sphinx_gallery_thumbnail_number = 1
