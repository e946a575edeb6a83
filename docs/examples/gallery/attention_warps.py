"""
Attention by moving
===================

One mechanism that does not weigh a map but moves what is in it: ``stn``. At the end you will have seen it
undo a stretch that it was not told of, and where that leads when it is wrong. The page takes about four
seconds. Read :doc:`attention_channels` first for the task.

The pictures show what a mechanism *can* learn in a second or two. What it brings to a network is another
question, which only trainings with several seeds answer: see :doc:`/results/does_attention_help`.
"""

from copy import deepcopy

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits, grid_sample, relu
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
# .. _gallery-stn:
#
# Spatial transformer: ``stn``
# ----------------------------
# .. math:: y(r) = x(A r + t), \quad (A, t) = (1, 0) + W_2 \, r(W_1 z)
#
# An affine transformation of positions, read from the map itself: :math:`z` holds the standard deviation and
# five cosine coefficients of each channel. It can stretch, shift, mirror, shear and turn; what lies outside
# is continued from the edge. It begins as the identity. In the slot ``resample`` it brings features from
# (time, position) to (depth, position), by a stretch that the record decides on.
#
# A warp is worth something where maps are *not* in the same place. So the task is changed: the features of
# each record are stretched in depth by a random factor, as if its clock ran fast or slow, and the salt is
# wanted where it is. The mechanism has to see from the features alone by how much they are stretched.
#
# :Parameters: :math:`6 C \cdot 32 + 32 + 32 \cdot 6 + 6`: 12,518 of 64 channels
# :Multiply-adds: :math:`192 C` in all; the resampling takes four products a cell and channel
# :Options: none
# :Paper: Jaderberg et al. (2015), `arXiv:1506.02025 <https://arxiv.org/abs/1506.02025>`__


def stretched(maps, factors):
    rows, columns = (torch.linspace(1 / cells - 1, 1 - 1 / cells, cells) for cells in maps.shape[2:])
    sources = torch.empty(len(maps), len(rows), len(columns), 2)  # x before depth, the map's ends at -1 and 1
    sources[..., 0] = columns
    sources[..., 1] = ((1 + rows) / factors[:, None] - 1)[:, :, None]
    return grid_sample(maps, sources, padding_mode="border", align_corners=False)


torch.manual_seed(0)
stn = attention.build("stn", 48)
own = deepcopy(readout)
optimiser = torch.optim.Adam([*stn.parameters(), own.gain, own.offset], 0.003)
for _ in range(100):
    factors = 0.7 + 0.6 * torch.rand(14)
    loss = binary_cross_entropy_with_logits(own(stn(stretched(features[2:], factors))), wanted[2:])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

# %%
# The first record, stretched by three factors: what the readout makes of it before and after it has been
# moved.


def draw(axes, cells, title):
    # A cell of the map is two by two of the grid.
    fine = np.kron(cells, np.ones((2, 2)))[: grid.nz, : grid.nx]
    draw_section(axes, fine, grid.spacing, "lajolla_r", (0, 1))
    outline(axes, models[0].salt, grid.spacing, "black")
    axes.set_title(title)
    axes.label_outer()


figure, axes = plt.subplots(2, 3, figsize=(9, 4.8), layout="constrained")
for column, factor in zip(axes.T, (0.75, 1.0, 1.25)):
    with torch.no_grad():
        maps = stretched(features[:1], torch.tensor([factor]))
        draw(column[0], own(maps)[0].sigmoid(), f"Stretched {factor:g} times")
        draw(column[1], own(stn(maps))[0].sigmoid(), "After stn")
figure.suptitle("Probability of salt, read out of features that were stretched, and moved back")

# %%
# The salt comes back to its depth. The transformation also magnifies: read out without it, the salt is a thin
# reflection, and drawn out it fills more of the body. So it does what the loss rewards, not what one had in
# mind; that is why a warp inside a network is to be watched.
#
# The next picture asks, for each of the sixteen records, from which depth is taken what is put to 1.1 km. The
# dashed line is what the stretch asks for.

asked, depth, bottom = torch.linspace(0.7, 1.3, 13), 1.1, grid.nz * grid.spacing / 1000
taken = torch.empty(16, 13)
with torch.no_grad():
    for number, factor in enumerate(asked):
        maps = stretched(features, factor.expand(16))
        matrix = stn.identity + stn.transform(relu(stn.hidden(stn.squeeze(maps)))).unflatten(1, (2, 3))
        row = matrix[:, 1, 1] * (2 * depth / bottom - 1) + matrix[:, 1, 2]  # in the middle of the line
        taken[:, number] = (1 + row) / 2 * bottom
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot(asked, taken[2:].T, color="lightgrey")
axes.plot(asked, taken[0], color="#b2182b", label="record with salt, kept out")
axes.plot(asked, taken[1], color="#11467b", label="record without salt, kept out")
axes.plot(asked, depth * asked, "k--", label="what the stretch asks for")
axes.set(
    xlabel="Stretch of the features", ylabel="Depth (km)", title="From where stn takes what it puts to 1.1 km"
)
axes.legend()

# %%
# What it costs, and where it fits
# --------------------------------
# On a map of 64 channels and 51 x 76 cells. Multiply-adds are those of matrix products; the resampling is not
# counted.

maps = torch.rand(1, 64, 51, 76)
mechanism = attention.build("stn", 64).eval()
with torch.no_grad(), FlopCounterMode(display=False) as counter:
    mechanism(maps)
parameters = sum(each.numel() for each in mechanism.parameters())
print(f"stn {parameters:,} parameters, {counter.get_total_flops() / 2:,.0f} multiply-adds")
print(f"slots: {', '.join(MECHANISMS['stn'].slots)}")

# %%
# .. code-block:: yaml
#
#     model: {resample: stn}
#
# Warping moves features, so in a decoder it would move salt: it belongs where positions are not settled yet.
# To try: shift the features along the line instead of stretching them; let it learn twice as long.
#
# All mechanisms are compared in :doc:`/results/does_attention_help`; to add one of your own, see
# :doc:`/tutorials/index`.
