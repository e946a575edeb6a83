"""
Attention to depth and line
===========================

Two mechanisms that weigh a map by a profile along depth times a profile along the line: ``ca`` and ``ela``.
At the end you will have seen both profiles around a salt body, and why their product can frame a body but not
outline it. The page takes about three seconds. Read :doc:`attention_channels` first if gates are new to you.

The pictures show what a mechanism *can* weigh after a second of learning. What it brings to a network is
another question, which only trainings with several seeds answer: see :doc:`/results/does_attention_help`.
"""

from copy import deepcopy

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import nn
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
# features of its second encoder level are kept: 48 channels on 26 x 38 cells, each channel scaled to a mean
# square of one.

inverter = fwi.load("salt-demo").eval()
grid = inverter.survey.grid
survey = fwi.Survey(grid, inverter.survey.config.model_copy(update={"shots": 8}))
salty = SaltConfig(preset="seg_eage")
bare = SaltConfig(preset={"name": "mixed", "parts": [{"preset": "seg_eage"}], "no_salt_share": 1.0})
presets = [salty, bare] + 11 * [salty] + 3 * [bare]
models = [generate(grid, preset, 0, number) for number, preset in enumerate(presets)]

kept = []
inverter.network.encoder[1].register_forward_hook(lambda module, given, out: kept.append(out))
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
    for axes, cells, colours, limits in (
        (middle, relative, "vik", (1 - reach, 1 + reach)),
        (right, salt, "lajolla_r", (0, 1)),
    ):
        # A cell of the map is two by two of the grid.
        fine = np.kron(cells, np.ones((2, 2)))[: grid.nz, : grid.nx]
        image = draw_section(axes, fine, grid.spacing, colours, limits)
        outline(axes, models[0].salt, grid.spacing, "black")
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
    right.set_title(f"Read out with {name}")


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
show("ca", ca, learn(ca, features))

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
show("ela", ela, learn(ela, features))

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
