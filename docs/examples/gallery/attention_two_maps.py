"""
Attention between two maps
==========================

Three mechanisms in which one map asks and another answers: ``gate``, ``cross`` and ``mdaf``. They stand where
the decoder meets a skip connection; ``cross`` also stands where features of the record become features of the
section. At the end you will have seen what each of them takes from where. The page takes about seven seconds.
Read :doc:`attention_channels` first for the task that they learn.

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
# are simulated with eight shots each. The records pass through the network ``salt-demo`` of the zoo, and four
# of its maps are kept. At the second level the decoder joins two maps of 48 channels on 26 x 38 cells: the
# *skip*, straight from the encoder, with sharp reflections, and the map that comes *up* from below, with a
# soft notion of the salt. That one is made of the *coarse* map of the third level, 96 channels on 13 x 19
# cells. The last is the map of the *record* before it is laid on the section. Each channel is scaled to a
# mean square of one.

inverter = fwi.load("salt-demo").eval()
grid = inverter.survey.grid
survey = fwi.Survey(grid, inverter.survey.config.model_copy(update={"shots": 8}))
salty = SaltConfig(preset="seg_eage")
bare = SaltConfig(preset={"name": "mixed", "parts": [{"preset": "seg_eage"}], "no_salt_share": 1.0})
presets = [salty, bare] + 11 * [salty] + 3 * [bare]
models = [generate(grid, preset, 0, number) for number, preset in enumerate(presets)]

maps = {}
network = inverter.network
for name, part in {
    "skip": network.encoder[1],
    "coarse": network.decoder[2],
    "up": network.decoder[1].up,
    "record": network.stem.convolve,
}.items():
    part.register_forward_hook(lambda module, given, out, name=name: maps.update({name: out}))
with torch.no_grad():
    velocity = torch.from_numpy(np.stack([model.velocity for model in models]))
    inverter(fwi.Propagator(survey, inverter.study.physics)(velocity), survey)
skip, coarse, up, record = (
    maps[name] / maps[name].square().mean((0, 2, 3), keepdim=True).sqrt()
    for name in ("skip", "coarse", "up", "record")
)
features = skip
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


def draw(axes, cells, title, colours, limits, line):
    # A cell of the map is two by two of the grid.
    fine = np.kron(cells, np.ones((2, 2)))[: grid.nz, : grid.nx]
    image = draw_section(axes, fine, grid.spacing, colours, limits)
    outline(axes, models[0].salt, grid.spacing, line)
    axes.set_title(title)
    axes.label_outer()
    return image


# %%
# .. _gallery-gate:
#
# Attention gate: ``gate``
# ------------------------
# .. math:: y = N(W (a \, x)), \quad a = f\left( w \cdot r(W_x x + W_g g) + b \right)
#
# One factor :math:`a` per cell of the skip :math:`x`, which the coarser map :math:`g` from below has a say
# in: the skip carries all reflections, and what lies below knows which of them matter. Both are brought to
# half the skip's size and added; the factor is interpolated back.
#
# :Parameters: :math:`4 C F + G F + 2 F + 1 + C^2 + 3 C` with :math:`F = C / 2` and :math:`G` channels of the
#     coarser map: 16,641 of 64 and 128 channels
# :Multiply-adds: about :math:`2 C F + G F / 2 + C^2` a cell of the skip
# :Options: ``gate``
# :Paper: Oktay et al. (2018), `arXiv:1804.03999 <https://arxiv.org/abs/1804.03999>`__

torch.manual_seed(0)
gate = attention.build("gate", 48, gating_channels=96)
own = learn(gate, skip, coarse)
with torch.no_grad():
    factors = gate.factors(skip[:1], coarse[:1])[0, 0]
    before, salt = readout(skip[:1])[0].sigmoid(), own(gate(skip[:1], coarse[:1]))[0].sigmoid()
relative = factors / factors.mean()
reach = min(1.0, float((relative - 1).abs().max()))
figure, axes = plt.subplots(1, 3, figsize=(9, 2.7), layout="constrained")
draw(axes[0], before, "Skip, read out", "lajolla_r", (0, 1), "black")
draw(
    axes[1],
    relative,
    f"gate: {factors.min():.2f} to {factors.max():.2f}",
    "vik",
    (1 - reach, 1 + reach),
    "black",
)
draw(axes[2], salt, "Gated skip, read out", "lajolla_r", (0, 1), "black")
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
# :Multiply-adds: :math:`(d + C) N M` for :math:`N` cells and :math:`M` of the context, and
#     :math:`C d N + (d + C) K M`
# :Options: ``heads``, ``pool`` (keys from the maxima of blocks of cells), ``position``
# :Paper: Vaswani et al. (2017), `arXiv:1706.03762 <https://arxiv.org/abs/1706.03762>`__

readout = Readout(48)
readout = learn(nn.Identity(), up, steps=150, rate=0.1)
readout.strength.requires_grad = False
torch.manual_seed(0)
cross = attention.build("cross", 48, heads=4, pool=2)
own = learn(cross, up, skip, steps=30, rate=0.005)
cells = ((13, 16), (22, 16))  # row and column
figure, axes = plt.subplots(1, 3, figsize=(9, 2.7), layout="constrained")
for panel, (row, column) in zip(axes, cells):
    with torch.no_grad():
        weights = np.kron(cross.weights_of((row, column), up[:1], skip[:1])[0], np.ones((2, 2)))
    draw(panel, weights, f"Weights up to {weights.max():.2f}", "lajolla", (0, weights.max()), "dodgerblue")
    panel.plot(
        0.08 * column + 0.02, 0.08 * row + 0.02, "*", color="white", markeredgecolor="black", markersize=14
    )
with torch.no_grad():
    salt = own(cross(up[:1], skip[:1]))[0].sigmoid()
draw(axes[2], salt, "Read out with cross", "lajolla_r", (0, 1), "black")
figure.suptitle("Where in the skip two cells of the decoder look (cross)")

# %%
# In the slot ``resample`` the context is the record itself, on axes of time and position, and each cell of
# the section gathers what it needs, wherever in time that is. That takes more than a second to learn; in a
# small network that was trained with it, its weights stayed diffuse (:doc:`/results/does_attention_help`).
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

readout = Readout(48)
torch.manual_seed(0)
mdaf = attention.build("mdaf", 48)
own = learn(mdaf, skip, up, steps=25, rate=0.03)
figure, axes = plt.subplots(1, 3, figsize=(9, 2.7), layout="constrained")
for panel, (row, column) in zip(axes, cells):
    with torch.no_grad():
        weights = mdaf.weights_of((row, column), skip[:1], up[:1])[0]
    draw(
        panel,
        weights,
        f"Weights up to {weights.max():.2f}",
        "lajolla",
        (0, float(weights.max())),
        "dodgerblue",
    )
    panel.plot(
        0.08 * column + 0.02, 0.08 * row + 0.02, "*", color="white", markeredgecolor="black", markersize=14
    )
with torch.no_grad():
    salt = own(mdaf(skip[:1], up[:1]))[0].sigmoid()
draw(axes[2], salt, "Read out with mdaf", "lajolla_r", (0, 1), "black")
figure.suptitle("Which rows and columns the row and column of two cells attend to (mdaf)")

# %%
# The vertical line holds the weights of the star's row over the rows of the skip, the horizontal one those of
# its column over the columns of the decoder's map; each counts half.
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
# ``resample`` has options of its own defaults: keys of 4 x 4 cells, and positions by sines.
#
# To try: give the gate a coarse map of noise, ``torch.rand_like(coarse)``, and see what is left of it; ask
# ``cross`` with the skip and let the map that comes up answer.
#
# Go on with :doc:`attention_levels`, where one mechanism sees several levels.
