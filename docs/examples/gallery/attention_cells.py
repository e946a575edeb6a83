"""
Attention among cells
=====================

Two mechanisms in which each cell of a map gathers from others, wherever they are: ``self`` and
``criss_cross``. At the end you will have seen where three cells of a section look, and what it costs to let
all cells look everywhere. The page takes about seven seconds. Read :doc:`attention_channels` first for the
task that they learn.

The pictures show what a mechanism *can* weigh after a second of learning, in one run with one seed: features,
readout, learning rates and numbers of steps were chosen by eye, so that there is something to see. What it
brings to a network is another question, which only trainings with several seeds answer: see
:doc:`/results/does_attention_help`.
"""

import torch
from matplotlib import pyplot as plt
from salt_task import draw, draw_weights, fitted, learn, maps_of
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fwi import attention
from fwi.config import MECHANISMS

# %%
# Both mechanisms learn from the same features where the salt is, as told in :ref:`gallery-task` (a downloaded
# script wants :download:`salt_task.py </examples/gallery/salt_task.py>` beside it). They are those of the
# third level of an encoder: 96 channels on 13 x 19 cells of 160 m. On the finer maps of the other pages there
# are four times as many cells, and sixteen times as many weights.

(features,) = maps_of("encoder.2")
readout = fitted(features)

# %%
# Each figure below shows the weights of three cells (stars), in the salt, beside it and below it: how much
# each takes from every cell of the map, light for much. The weights of a cell add up to one, and its colour
# scale ends at its largest weight. Last comes what the readout makes of the features, dark for salt.

cells = ((7, 8), (8, 16), (11, 8))  # row and column


@torch.no_grad()
def show(name, mechanism, own):
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.2), layout="constrained")
    for panel, (row, column) in zip(axes.flat, cells):
        draw_weights(panel, mechanism.weights_of((row, column), features[:1])[0], row, column, size=4)
    draw(axes[1, 1], own(mechanism(features[:1]))[0].sigmoid(), f"Read out with {name}", "lajolla_r", (0, 1))
    figure.suptitle(f"Where three cells look ({name}), and the probability of salt")


# %%
# .. _gallery-self:
#
# Self-attention: ``self``
# ------------------------
# .. math:: y = x + \gamma \, V S, \quad S = \mathrm{softmax}\left( K^T Q / \sqrt{d} \right)
#
# (The published form has neither the :math:`\sqrt{d}` nor positions.) Each cell sends out a query :math:`q`,
# and each cell, itself among them, holds a key :math:`k` and a value :math:`v`, all of them :math:`1 \times
# 1` convolutions of the features. The better query and key agree, the more of the value is taken. So a cell
# below salt can ask what is above it, at any distance, in one step. Without positions it would not know where
# anything is: a depthwise :math:`3 \times 3` convolution, whose zero margins tell inside from edge, is added
# first.
#
# :Parameters: :math:`2 (C d + d) + C^2 + C + 1` with :math:`d = \max(C / 8, 8)`, and :math:`10 C` for
#     positions: 5841 of 64 channels
# :Multiply-adds: :math:`(2 C d + C^2 + 9 C) N + 2 C N^2` for :math:`N` cells, so it belongs to the coarse
#     levels (queries and keys are padded to the width of values, for which there are fast kernels; else
#     :math:`d + C` would do for :math:`2 C`)
# :Options: ``heads`` (parts of the channels that look at different places, four here; :math:`d` is then the
#     width of a part), ``pool`` (keys and values from the maxima of blocks of cells), ``position``
#     (``convolution``, ``sine``, ``none``)
# :Paper: Zhang et al. (2019), `arXiv:1805.08318 <https://arxiv.org/abs/1805.08318>`__

torch.manual_seed(0)
self_attention = attention.build("self", 96, heads=4)
show("self", self_attention, learn(self_attention, readout, features, rate=0.003))

# %%
# .. _gallery-criss_cross:
#
# Criss-cross attention: ``criss_cross``
# --------------------------------------
# .. math::
#
#     y = x + \gamma \, V S, \quad S = \mathrm{softmax}\left( K^T Q \right) \mathrm{\;over\;row\;and\;column}
#
# The same, but a cell sees only its own row and its own column: a trace of the map and a horizon. The whole
# map is within reach of two of them in sequence.
#
# :Parameters: :math:`2 (C d + d) + C^2 + C + 1`: 5201 of 64 channels
# :Multiply-adds: :math:`(2 C d + C^2) N + (d + C) N (H + W)`
# :Options: none; list it twice in ``bottleneck`` to reach every cell
# :Paper: Huang et al. (2019), `arXiv:1811.11721 <https://arxiv.org/abs/1811.11721>`__

torch.manual_seed(0)
criss_cross = attention.build("criss_cross", 96)
show("criss_cross", criss_cross, learn(criss_cross, readout, features, rate=0.003))

# %%
# As published its products are not divided by :math:`\sqrt{d}`, so weights are sharp: a cell takes nearly all
# from one or two others. The first row is empty: to look there, as two of the three do, gives the same
# constant to all, which is a way not to look anywhere.
#
# What they cost, and where they fit
# ----------------------------------
# On maps of 64 channels, as the cells become four times as many. Multiply-adds are those of convolutions and
# matrix products.

for name in ("self", "criss_cross"):
    print(f"{name:11} slots: {', '.join(MECHANISMS[name].slots)}")

for rows, columns in ((13, 19), (26, 38), (51, 76)):
    maps = torch.rand(1, 64, rows, columns)
    for name in ("self", "criss_cross"):
        mechanism = attention.build(name, 64).eval()
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            mechanism(maps)
        parameters = sum(each.numel() for each in mechanism.parameters())
        print(
            f"{rows} x {columns} cells: {name:11} {parameters:5,} parameters "
            f"{counter.get_total_flops() / 2e6:7.1f} M multiply-adds"
        )

# %%
# .. code-block:: yaml
#
#     model: {bottleneck: [{name: self, heads: 4}], attention: [none, none, criss_cross, none]}
#
# To try: take ``position="none"`` and see whether the cells beside and below the salt still look at different
# places; take one head; put the stars elsewhere.
#
# Go on with :doc:`attention_two_maps`, where one map asks and another answers.
