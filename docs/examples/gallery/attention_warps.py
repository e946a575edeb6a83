"""
Attention by moving
===================

One mechanism that does not weigh a map but moves what is in it: ``stn``. At the end you will have seen it
undo a stretch that it was not told of, and where that leads when it is wrong. The page takes about seven
seconds. Read :doc:`attention_channels` first for the task.

The pictures show what a mechanism *can* learn in a second or two, in one run with one seed: features,
readout, learning rate and number of steps were chosen by eye, so that there is something to see. What it
brings to a network is another question, which only trainings with several seeds answer: see
:doc:`/results/does_attention_help`.
"""

from copy import deepcopy

import torch
from matplotlib import pyplot as plt
from salt_task import draw, fitted, grid, maps_of, salt
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits, grid_sample, relu
from torch.utils.flop_counter import FlopCounterMode

from fwi import attention
from fwi.config import MECHANISMS

# %%
# It learns from the same features as the mechanisms of the other pages where the salt is, as told in
# :ref:`gallery-task` (a downloaded script wants :download:`salt_task.py </examples/gallery/salt_task.py>`
# beside it): those of the second level of an encoder, 48 channels on 26 x 38 cells.

(features,) = maps_of("encoder.1")
readout = fitted(features)

# %%
# .. _gallery-stn:
#
# Spatial transformer: ``stn``
# ----------------------------
# .. math:: y(p) = x(A p + t), \quad (A, t) = (1, 0) + W_2 \, r(W_1 z)
#
# An affine transformation of positions :math:`p`, read from the map itself: :math:`z` holds the standard
# deviation and five cosine coefficients of each channel, :math:`r` is ReLU. It can stretch, shift, mirror,
# shear and turn; what lies outside is continued from the edge. It begins as the identity. In the slot
# ``resample`` it brings features from (time, position) to (depth, position), by a stretch that the record
# decides on.
#
# A warp is worth something where maps are *not* in the same place. So the task is changed: the features of
# each record are stretched in depth by a random factor, as if its clock ran fast or slow, and the salt is
# wanted where it is. The mechanism has to see from the features alone by how much they are stretched.
#
# :Parameters: :math:`6 C \cdot 32 + 32 + 32 \cdot 6 + 6`: 12,518 of 64 channels
# :Multiply-adds: :math:`5 C` a cell for the cosine coefficients and :math:`192 C` in all; the resampling
#     takes four products a cell and channel
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
wanted = adaptive_avg_pool2d(salt, features.shape[2:])[2:]
optimiser = torch.optim.Adam([*stn.parameters(), own.gain, own.offset], 0.003)
for _ in range(100):
    factors = 0.7 + 0.6 * torch.rand(14)
    loss = binary_cross_entropy_with_logits(own(stn(stretched(features[2:], factors))), wanted)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

# %%
# The first record, stretched by three factors: what the readout makes of it before and after it has been
# moved.

figure, axes = plt.subplots(2, 3, figsize=(9, 4.8), layout="constrained")
for column, factor in zip(axes.T, (0.75, 1.0, 1.25)):
    with torch.no_grad():
        maps = stretched(features[:1], torch.tensor([factor]))
        draw(column[0], own(maps)[0].sigmoid(), f"Stretched {factor:g} times", "lajolla_r", (0, 1))
        draw(column[1], own(stn(maps))[0].sigmoid(), "After stn", "lajolla_r", (0, 1))
figure.suptitle("Probability of salt, read out of features that were stretched, and moved back")

# %%
# The salt comes back to its depth. The transformation also magnifies: read out without it, the salt is a thin
# reflection, and drawn out it fills more of the body. So it does what the loss rewards, not what one had in
# mind; that is why a warp inside a network is to be watched.
#
# The next picture asks, for each of the sixteen records, from which depth is taken what is put to 1.1 km. The
# dashed line is what the stretch asks for, the grey ones are of records that it learned from. The stretch is
# seen in all records; where there is no salt to go by,
# the depth is off by more.

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
axes.legend(fontsize="small")

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
