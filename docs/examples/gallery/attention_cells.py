"""
Attention among cells
=====================

Two mechanisms in which each cell of a map gathers from others, wherever they are: ``self`` and
``criss_cross``. At the end you will have seen where three cells of a section look, and what it costs to let
all cells look everywhere. The page takes about six seconds. Read :doc:`attention_channels` first for the task
that they learn.

The pictures show what a mechanism *can* weigh after a second of learning. What it brings to a network is
another question, which only trainings with several seeds answer: see :doc:`/results/does_attention_help`.
"""

from copy import deepcopy

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits
from torch.utils.flop_counter import FlopCounterMode

import fwi
from data_prep.salt import generate
from fwi import attention
from fwi.config import MECHANISMS, SaltConfig
from fwi.plots.style import draw_section, outline

# %%
# One task for all mechanisms
# ---------------------------
# A mechanism that has learned nothing weighs everything alike. So each one learns here for about a second,
# and all of them the same. Sixteen random models of the preset ``seg_eage``, four of them without their salt,
# are simulated with eight shots each. The records pass through the network ``salt-demo`` of the zoo, and the
# features of its third encoder level are kept: 96 channels on 13 x 19 cells of 160 m, each channel scaled to
# a mean square of one. On the finer maps of the other pages there are four times as many cells, and sixteen
# times as many weights.

inverter = fwi.load("salt-demo").eval()
grid = inverter.survey.grid
survey = fwi.Survey(grid, inverter.survey.config.model_copy(update={"shots": 8}))
salty = SaltConfig(preset="seg_eage")
bare = SaltConfig(preset={"name": "mixed", "parts": [{"preset": "seg_eage"}], "no_salt_share": 1.0})
presets = [salty, bare] + 11 * [salty] + 3 * [bare]
models = [generate(grid, preset, 0, number) for number, preset in enumerate(presets)]

kept = []
inverter.network.encoder[2].register_forward_hook(lambda module, given, out: kept.append(out))
with torch.no_grad():
    velocity = torch.from_numpy(np.stack([model.velocity for model in models]))
    inverter(fwi.Propagator(survey, inverter.study.physics)(velocity), survey)
features = kept[0] / kept[0].square().mean((0, 2, 3), keepdim=True).sqrt()
salt = torch.from_numpy(np.stack([model.salt for model in models])).float()
wanted = adaptive_avg_pool2d(salt, features.shape[2:])


# %%
# A *readout* adds the channels of a cell up, each with a positive strength, to the evidence for salt in that
# cell. It is fitted first, without attention. Then its strengths are held, and of the readout only a gain and
# an offset go on learning with the mechanism: what becomes better, becomes so by weighing. The first record,
# which all pictures show, and the second, which has no salt, are kept out of all learning.


class Readout(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.strength = nn.Parameter(torch.full((channels,), -4.0))
        self.gain, self.offset = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.full((1,), -3.0))

    def forward(self, maps):
        return torch.einsum("bchw,c->bhw", maps, (self.gain + self.strength).exp()) + self.offset


def learn(mechanism, *maps, steps=50, rate=0.02):
    own = deepcopy(readout)
    learning = [each for each in [*mechanism.parameters(), *own.parameters()] if each.requires_grad]
    optimiser = torch.optim.Adam(learning, rate)
    for _ in range(steps):
        loss = binary_cross_entropy_with_logits(own(mechanism(*(each[2:] for each in maps))), wanted[2:])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    mechanism.eval()
    return own


readout = Readout(features.shape[1])
readout = learn(nn.Identity(), features, steps=150, rate=0.1)
readout.strength.requires_grad = False

# %%
# Each figure below shows the weights of three cells (stars), in the salt, beside it and below it: how much
# each takes from every cell of the map, light for much. The weights of a cell add up to one, and its colour
# scale ends at its largest weight. Last comes what the readout makes of the features, dark for salt.

cells = ((7, 8), (8, 16), (11, 8))  # row and column


def draw(axes, map_, title, colours, limits):
    # A cell of the map is four by four of the grid.
    fine = np.kron(map_, np.ones((4, 4)))[: grid.nz, : grid.nx]
    draw_section(axes, fine, grid.spacing, colours, limits)
    outline(axes, models[0].salt, grid.spacing, "dodgerblue")
    axes.set_title(title)
    axes.label_outer()


@torch.no_grad()
def show(name, mechanism, own):
    _, axes = plt.subplots(2, 2, figsize=(9, 6.2), layout="constrained")
    for panel, (row, column) in zip(axes.flat, cells):
        weights = mechanism.weights_of((row, column), features[:1])[0]
        draw(
            panel, weights, f"{name}: weights up to {weights.max():.2f}", "lajolla", (0, float(weights.max()))
        )
        panel.plot(
            0.16 * column + 0.06,
            0.16 * row + 0.06,
            "*",
            color="white",
            markeredgecolor="black",
            markersize=14,
        )
    draw(axes[1, 1], own(mechanism(features[:1]))[0].sigmoid(), f"Read out with {name}", "lajolla_r", (0, 1))


# %%
# .. _gallery-self:
#
# Self-attention: ``self``
# ------------------------
# .. math:: y = x + \gamma \, V S, \quad S = \mathrm{softmax}\left( K^T Q / \sqrt{d} \right)
#
# Each cell sends out a query :math:`q`, and each cell, itself among them, holds a key :math:`k` and a value
# :math:`v`, all of them :math:`1 \times 1` convolutions of the features. The better query and key agree, the
# more of the value is taken. So a cell below salt can ask what is above it, at any distance, in one step.
# Without positions it would not know where anything is: a depthwise :math:`3 \times 3` convolution, whose
# zero margins tell inside from edge, is added first.
#
# :Parameters: :math:`2 (C d + d) + C^2 + C + 1` with :math:`d = \max(C / 8, 8)`, and :math:`10 C` for
#     positions: 5841 of 64 channels
# :Multiply-adds: :math:`(2 C d + C^2 + 9 C) N + (d + C) N^2` for :math:`N` cells, so it belongs to the coarse
#     levels
# :Options: ``heads`` (parts of the channels that look at different places, four here), ``pool`` (keys from
#     the maxima of blocks of cells), ``position`` (``convolution``, ``sine``, ``none``)
# :Paper: Zhang et al. (2019), `arXiv:1805.08318 <https://arxiv.org/abs/1805.08318>`__

torch.manual_seed(0)
self_attention = attention.build("self", 96, heads=4)
show("self", self_attention, learn(self_attention, features, rate=0.003))

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
show("criss_cross", criss_cross, learn(criss_cross, features, rate=0.003))

# %%
# As published its products are not divided by :math:`\sqrt{d}`, so weights are sharp: a cell takes nearly all
# from one or two others. A weight on an empty place, such as the first row, takes nothing, which is a way not
# to look anywhere.
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
