"""
Attention between two maps
==========================

Three mechanisms in which one map asks and another answers: ``gate``, ``cross`` and ``mdaf``. They stand where
the decoder meets a skip connection; ``cross`` also stands where features of the record become features of the
section. At the end you will have seen what each of them takes from where. The page takes about seven seconds.
Read :doc:`attention_channels` first for the task that they learn.

The pictures show what a mechanism *can* weigh after a second of learning, in one run with one seed: features,
readout, learning rates and numbers of steps were chosen by eye, so that there is something to see. What it
brings to a network is another question, which only trainings with several seeds answer: see
:doc:`/results/does_attention_help`.
"""

import torch
from matplotlib import pyplot as plt
from salt_task import Readout, draw, draw_weights, fitted, learn, maps_of
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fwi import attention
from fwi.config import MECHANISMS

# %%
# All three learn where the salt is, as told in :ref:`gallery-task` (a downloaded script wants
# :download:`salt_task.py </examples/gallery/salt_task.py>` beside it). At the second level of ``salt-demo``
# the decoder joins two maps of 48 channels on 26 x 38 cells: the *skip*, straight from the encoder, with
# sharp reflections, and the map that comes *up* from below, with a soft notion of the salt. That one is made
# of the *coarse* map of the third level, 96 channels on 13 x 19 cells.

skip, coarse, up = maps_of("encoder.1", "decoder.2", "decoder.1.up")

# %%
# .. _gallery-gate:
#
# Attention gate: ``gate``
# ------------------------
# .. math:: y = N(W (a \, x)), \quad a = f\left( w \cdot r(W_x x + W_g g) + b \right)
#
# One factor :math:`a` per cell of the skip :math:`x`, which the coarser map :math:`g` from below has a say
# in: the skip carries all reflections, and what lies below knows which of them matter. Both are brought to
# half the skip's size and added; the factor is interpolated back. :math:`N` is batch normalisation, and
# :math:`r` is ReLU.
#
# :Parameters: :math:`4 C F + G F + 2 F + 1 + C^2 + 3 C` with :math:`F = C / 2` and :math:`G` channels of the
#     coarser map: 16,641 of 64 and 128 channels
# :Multiply-adds: :math:`C F + G F / 4 + C^2` a cell of the skip
# :Options: ``gate``
# :Paper: Oktay et al. (2018), `arXiv:1804.03999 <https://arxiv.org/abs/1804.03999>`__

torch.manual_seed(0)
gate = attention.build("gate", 48, gating_channels=96)
readout = fitted(skip)
own = learn(gate, readout, skip, coarse)
with torch.no_grad():
    factors = gate.factors(skip[:1], coarse[:1])[0, 0]
    before, salt = readout(skip[:1])[0].sigmoid(), own(gate(skip[:1], coarse[:1]))[0].sigmoid()
relative = factors / factors.mean()
reach = min(1.0, float((relative - 1).abs().max()))
figure, axes = plt.subplots(1, 3, figsize=(9, 2.7), layout="constrained")
draw(axes[0], before, "Skip, read out", "lajolla_r", (0, 1))
draw(axes[1], relative, f"gate: {factors.min():.2f} to {factors.max():.2f}", "vik", (1 - reach, 1 + reach))
draw(axes[2], salt, "Gated skip, read out", "lajolla_r", (0, 1))
figure.suptitle("What the gate leaves of the skip: red turned up, blue turned down")

# %%
# .. _gallery-cross:
#
# Cross-attention: ``cross``
# --------------------------
# .. math:: y = x + \gamma \, V(c) \, S, \quad S = \mathrm{softmax}\left( K(c)^T Q(x) / \sqrt{d} \right)
#
# Each cell of one map :math:`x` gathers from all cells of another, the context :math:`c`, by the products of
# its query with their keys. On a skip connection :math:`x` is the map that comes up and :math:`c` the skip.
# Sizes and channels of the two may differ. Its readout is fitted to the map that comes up.
#
# :Parameters: :math:`C d + K d + 2 d + C K + C + 1` of :math:`C` channels and :math:`K` of the context, with
#     :math:`d = \max(C / 8, 8)`; :math:`10 (C + K)` more for positions: 6481 of 64 and 64
# :Multiply-adds: :math:`2 C N M` for :math:`N` cells and :math:`M` of the context (queries and keys are
#     padded to the width of values), :math:`C d N + (d + C) K M`, and :math:`9 (C N + K M)` for positions
# :Options: ``heads``, ``pool`` (keys and values from the maxima of blocks of cells), ``position``
# :Paper: Vaswani et al. (2017), `arXiv:1706.03762 <https://arxiv.org/abs/1706.03762>`__

torch.manual_seed(0)
cross = attention.build("cross", 48, heads=4, pool=2)
own = learn(cross, fitted(up), up, skip, steps=20, rate=0.007)
cells = ((13, 16), (22, 16))  # row and column
figure, axes = plt.subplots(1, 3, figsize=(9, 2.7), layout="constrained")
for panel, (row, column) in zip(axes, cells):
    with torch.no_grad():
        weights = cross.weights_of((row, column), up[:1], skip[:1])[0]
    draw_weights(panel, weights, row, column, size=2)
with torch.no_grad():
    salt = own(cross(up[:1], skip[:1]))[0].sigmoid()
draw(axes[2], salt, "Read out with cross", "lajolla_r", (0, 1))
figure.suptitle("Where in the skip two cells of the decoder look (cross)")

# %%
# In the slot ``resample`` the context is the record itself, on axes of time and position, and each cell of
# the section gathers what it needs, wherever in time that is. There is no picture of it: on the fourteen
# records of this page it learns them by heart, which takes half a minute, and is lost on the one kept out.
# What it brings to a trained network is in :doc:`/results/does_attention_help`.
#
# .. _gallery-mdaf:
#
# Alignment and fusion: ``mdaf``
# ------------------------------
# .. math::
#
#     y = x_1 + x_2 + P(R) + P(K), \quad
#     R = \mathrm{softmax}\left( \tau \, q \, k^T \right) v + q
#
# It replaces the joining of skip :math:`x_1` and decoder :math:`x_2`. Both are normalised and convolved with
# strips of 7, 11 and 21 cells along either axis; then whole *rows* of the one attend to rows of the other
# (:math:`R`: queries :math:`q` from :math:`x_2`, keys :math:`k` and values :math:`v` from :math:`x_1`,
# compared as long vectors by their cosine), and whole *columns* the other way round (:math:`K`). So it finds
# out which depths, and which places along the line, of two maps belong together. The temperature :math:`\tau`
# says how sharp the weights are. Skip and decoder are mixed here, so the strengths of the readout learn
# along.
#
# :Parameters: :math:`C^2 + 173 C`, and two temperatures per head: 15,170 of 64 channels; it saves the next
#     convolution half of its input
# :Multiply-adds: :math:`156 C + 4 C^2 + 2 C (H + W)` a cell
# :Options: ``heads``, ``residual`` (``raw`` keeps amplitudes, ``normed`` as published), ``temperature``
# :Paper: Yang et al. (2024), SFFNet, IEEE TGRS 62, 4408716

torch.manual_seed(0)
mdaf = attention.build("mdaf", 48)
own = learn(mdaf, Readout(48), skip, up, steps=18, rate=0.03)
figure, axes = plt.subplots(1, 3, figsize=(9, 2.7), layout="constrained")
for panel, (row, column) in zip(axes, cells):
    with torch.no_grad():
        weights = mdaf.weights_of((row, column), skip[:1], up[:1])[0]
    draw_weights(panel, weights, row, column, size=2)
with torch.no_grad():
    salt = own(mdaf(skip[:1], up[:1]))[0].sigmoid()
draw(axes[2], salt, "Read out with mdaf", "lajolla_r", (0, 1))
figure.suptitle("Which rows and columns the row and column of two cells attend to (mdaf)")

# %%
# The vertical line holds the weights of the star's row over the rows of the skip, the horizontal one those of
# its column over the columns of the decoder's map; each counts half. They are not far from even: the cosines
# of whole rows are much alike, and in so short a time the temperature hardly moves.
#
# What they cost, and where they fit
# ----------------------------------
# On maps of 64 channels and 51 x 76 cells, the coarse map of the gate with 128 channels on 26 x 38.
# Multiply-adds are those of convolutions and matrix products.

with torch.device("meta"):  # shapes alone, without numbers
    fine, other, below = torch.rand(1, 64, 51, 76), torch.rand(1, 64, 51, 76), torch.rand(1, 128, 26, 38)
    for name, asked, options in (
        ("gate", below, {"gating_channels": 128}),
        ("cross", other, {}),
        ("mdaf", other, {}),
    ):
        mechanism = attention.build(name, 64, **options).eval()
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            mechanism(fine, asked)
        parameters = sum(each.numel() for each in mechanism.parameters())
        cost = f"{parameters:6,} parameters {counter.get_total_flops() / 2e6:7.1f} M multiply-adds"
        print(f"{name:6} {cost}\n    slots: {', '.join(MECHANISMS[name].slots)}")

# %%
# .. code-block:: yaml
#
#     model: {skip: [none, gate, {name: cross, pool: 4}], resample: {name: cross, pool: 4}}
#
# ``cross`` also fills the slot ``resample``, where it has defaults of its own: keys of 4 x 4 cells, and
# positions by sines.
#
# To try: give the gate a coarse map of noise, ``torch.rand_like(coarse)``, and see what is left of it; ask
# ``cross`` with the skip and let the map that comes up answer.
#
# Go on with :doc:`attention_levels`, where one mechanism sees several levels.
