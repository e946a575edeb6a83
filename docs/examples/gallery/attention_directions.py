"""
Attention to depth and line
===========================

Two mechanisms that weigh a map by a profile along depth times a profile along the line: ``ca`` and ``ela``.
At the end you will have seen both profiles around a salt body, and why their product can frame a body but not
outline it. The page takes about five seconds. Read :doc:`attention_channels` first if gates are new to you.

The pictures show what a mechanism *can* weigh after a second of learning, in one run with one seed: features,
readout, learning rates and numbers of steps were chosen by eye, so that there is something to see. What it
brings to a network is another question, which only trainings with several seeds answer: see
:doc:`/results/does_attention_help`.
"""

import numpy as np
import torch
from matplotlib import pyplot as plt
from salt_task import draw, fitted, learn, maps_of
from torch.utils.flop_counter import FlopCounterMode

from fwi import attention
from fwi.config import MECHANISMS

# %%
# Both mechanisms learn from the same features where the salt is, as told in :ref:`gallery-task` (a downloaded
# script wants :download:`salt_task.py </examples/gallery/salt_task.py>` beside it). They are those of the
# second level of an encoder: 48 channels on 26 x 38 cells.

(features,) = maps_of("encoder.1")
readout = fitted(features)

# %%
# Each figure below shows the factors of the first record, averaged over the channels, with their profiles
# along depth and along the line beside and above them, and what the readout makes of the features. Red cells
# are turned up, blue ones down, against the mean over the map.


@torch.no_grad()
def show(name, mechanism, own):
    factors = mechanism.factors(features[:1])[0].mean(0)
    relative = factors / factors.mean()
    reach = min(1.0, float((relative - 1).abs().max()))
    salt = own(mechanism(features[:1]))[0].sigmoid()
    figure = plt.figure(figsize=(9, 4.2), layout="constrained")
    grids = figure.add_gridspec(2, 3, width_ratios=(1, 4, 4.6), height_ratios=(1, 4))
    middle, right = figure.add_subplot(grids[1, 1]), figure.add_subplot(grids[1, 2])
    draw(middle, relative, "", "vik", (1 - reach, 1 + reach))
    image = draw(right, salt, f"Read out with {name}", "lajolla_r", (0, 1))
    for axes in (middle, right):
        axes.set_aspect("auto")
    middle.set_ylabel("")
    middle.tick_params(labelleft=False)
    figure.colorbar(image, ax=right, label="Probability of salt")
    depth, line = (0.08 * np.arange(cells) + 0.02 for cells in factors.shape)  # middles of the cells [km]
    left, above = (
        figure.add_subplot(grids[1, 0], sharey=middle),
        figure.add_subplot(grids[0, 1], sharex=middle),
    )
    left.plot(factors.mean(1), depth)
    left.set(xlabel="Factor", ylabel="Depth (km)")
    above.plot(line, factors.mean(0))
    above.tick_params(labelbottom=False)
    above.set(ylabel="Factor", title=f"{name}: factors {factors.min():.2f} to {factors.max():.2f}")
    figure.add_subplot(grids[0, 2]).set_axis_off()


# %%
# .. _gallery-ca:
#
# Coordinate attention: ``ca``
# ----------------------------
# .. math:: y_{c,i,j} = x_{c,i,j} \, f\left( W_h \, g(p_i) \right)_c \, f\left( W_w \, g(q_j) \right)_c
#
# The means :math:`p_i` over each row and :math:`q_j` over each column pass the same layer :math:`g` (a
# :math:`1 \times 1` convolution down to :math:`m` channels, batch normalisation, hard swish), and then one
# layer each. The first profile resolves depth, the second the position along the line. For sections this is a
# natural choice: layers lie along rows, and a salt body has a depth and a place.
#
# :Parameters: :math:`3 C m + 3 m + 2 C` with :math:`m = \max(8, C / 32)`: 1688 of 64 channels
# :Multiply-adds: :math:`2 C m` for every row and every column, and two passes over the map
# :Options: ``reduction`` (channels per hidden unit), ``gate``
# :Paper: Hou, Zhou & Feng (2021), `arXiv:2103.02907 <https://arxiv.org/abs/2103.02907>`__

torch.manual_seed(0)
ca = attention.build("ca", 48)
show("ca", ca, learn(ca, readout, features))

# %%
# .. _gallery-ela:
#
# Efficient local attention: ``ela``
# ----------------------------------
# .. math:: y_{c,i,j} = x_{c,i,j} \, f\left( N(w_c * p_c) \right)_i \, f\left( N(w_c * q_c) \right)_j
#
# The same two profiles, but each channel keeps to itself: a convolution over :math:`k` neighbouring rows (or
# columns), with weights of its own, takes the place of the mixing, and a normalisation :math:`N` over groups
# of channels that of batch normalisation, which small batches dislike. The same weights serve rows and
# columns.
#
# :Parameters: :math:`C k + 2 C`: 576 of 64 channels with :math:`k = 7`
# :Multiply-adds: :math:`C k` for every row and every column, and two passes over the map
# :Options: ``kernel_size`` (odd), ``gate``
# :Paper: Xu & Wan (2024), `arXiv:2403.01123 <https://arxiv.org/abs/2403.01123>`__

torch.manual_seed(0)
ela = attention.build("ela", 48)
show("ela", ela, learn(ela, readout, features))

# %%
# A product of two profiles is high where a high row and a high column cross. It can lift a body out of its
# surroundings, and it cannot follow a slanting flank; with two bodies at different depths it also lifts the
# two places where the row of one crosses the column of the other. Each channel has profiles of its own, which
# softens this.
#
# What they cost, and where they fit
# ----------------------------------
# On a map of 64 channels and 51 x 76 cells. Multiply-adds are those of convolutions and matrix products;
# passes over the map for means and for the products with the profiles are not counted.

maps = torch.rand(1, 64, 51, 76)
for name in ("ca", "ela"):
    mechanism = attention.build(name, 64).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        mechanism(maps)
    parameters = sum(each.numel() for each in mechanism.parameters())
    cost = f"{parameters:6,} parameters {counter.get_total_flops() / 2:9,.0f} multiply-adds"
    print(f"{name:4} {cost}\n    slots: {', '.join(MECHANISMS[name].slots)}")

# %%
# .. code-block:: yaml
#
#     model: {attention: [none, se, ca, {name: ca, reduction: 16}]}
#
# To try: draw the factors of the record without salt, ``features[1:2]``; or those of one channel instead of
# their mean.
#
# Go on with :doc:`attention_cells`, where every cell has its own weights.
