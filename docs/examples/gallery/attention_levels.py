"""
Attention across levels
=======================

Two mechanisms that see several levels of a network at once: ``pmfs`` and ``mix``. At the end you will have
seen what each level is given in the former, and how a fine cell looks up coarse ones in the latter. The page
takes about four seconds. Read :doc:`attention_channels` first for the task that they learn, and
:doc:`attention_cells` for queries and keys.

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
# maps of three levels of its encoder are kept: 24, 48 and 96 channels on 51 x 76, 26 x 38 and 13 x 19 cells,
# each channel scaled to a mean square of one.

inverter = fwi.load("salt-demo").eval()
grid = inverter.survey.grid
survey = fwi.Survey(grid, inverter.survey.config.model_copy(update={"shots": 8}))
salty = SaltConfig(preset="seg_eage")
bare = SaltConfig(preset={"name": "mixed", "parts": [{"preset": "seg_eage"}], "no_salt_share": 1.0})
presets = [salty, bare] + 11 * [salty] + 3 * [bare]
models = [generate(grid, preset, 0, number) for number, preset in enumerate(presets)]

kept = []
for level in inverter.network.encoder[:3]:
    level.register_forward_hook(lambda module, given, out: kept.append(out))
with torch.no_grad():
    velocity = torch.from_numpy(np.stack([model.velocity for model in models]))
    inverter(fwi.Propagator(survey, inverter.study.physics)(velocity), survey)
levels = [level / level.square().mean((0, 2, 3), keepdim=True).sqrt() for level in kept]
features = levels[2]
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
salt_of_all = salt


def draw(axes, cells, title, colours, limits, line="black"):
    size = -(-grid.nx // cells.shape[1])
    fine = np.kron(cells, np.ones((size, size)))[: grid.nz, : grid.nx]
    image = draw_section(axes, fine, grid.spacing, colours, limits)
    outline(axes, models[0].salt, grid.spacing, line)
    axes.set_title(title)
    axes.label_outer()
    return image


# %%
# .. _gallery-pmfs:
#
# Polarised multi-scale attention: ``pmfs``
# -----------------------------------------
# .. math:: y = x_L + D\left( v \, \sigma(s \cdot q) \right), \quad v, q = D\left( X \, \sigma(N(W z)) \right)
#
# The maxima of each level in the cells of the coarsest one are brought to the same few channels and stacked
# (:math:`X`; :math:`D` are depthwise-separable convolutions). First the stack is weighed by channel:
# :math:`z` is its mean over the cells, weighted by a softmax. Then by cell and level: each cell's query
# :math:`q` meets one global key :math:`s`, so that every level has a map of factors of its own. The result is
# added to the coarsest map.
#
# :Parameters: :math:`\sum_l (C_l (11 + w) + w) + 7 D^2 + 42 D + 1 + (D + 1) C_L` for a width :math:`w` and
#     :math:`D = L w`: 27,121 of three levels of 24, 48 and 96 channels with :math:`w = 16`
# :Multiply-adds: linear in the cells of the coarsest level
# :Options: ``levels`` (the network's deepest ones), ``width``, ``norm`` (``group`` for small batches)
# :Paper: Zhong et al. (2024), `arXiv:2401.07579 <https://arxiv.org/abs/2401.07579>`__


class OnList(nn.Module):
    def __init__(self, mechanism):
        super().__init__()
        self.mechanism = mechanism

    def forward(self, *maps):
        return self.mechanism(maps)


torch.manual_seed(0)
pmfs = OnList(attention.build("pmfs", [24, 48, 96]))
own = learn(pmfs, *levels, steps=25, rate=0.03)
shown = [level[:1] for level in levels]
with torch.no_grad():
    factors, salt = pmfs.mechanism.factors(shown)[0], own(pmfs(*shown))[0].sigmoid()
figure, axes = plt.subplots(2, 2, figsize=(9, 6.2), layout="constrained")
for panel, factor, name in zip(axes.flat, factors, ("first", "second", "third")):
    relative, reach = factor / factor.mean(), float((factor / factor.mean() - 1).abs().max())
    title = f"{name} level: {factor.min():.2f} to {factor.max():.2f}"
    draw(panel, relative, title, "vik", (1 - min(1, reach), 1 + min(1, reach)))
draw(axes[1, 1], salt, "Read out with pmfs", "lajolla_r", (0, 1))
figure.suptitle("How much of each level is taken where (pmfs): red more, blue less")

# %%
# .. _gallery-mix:
#
# Mix-attention: ``mix``
# ----------------------
# .. math::
#
#     x' = N(N(x) + W_o \, A), \quad A = V(z) \, \mathrm{softmax}\left( K(z)^T Q(x) / \sqrt{d} \right), \quad
#     y = x' + F(x')
#
# The cells of one level ask; keys and values come from *all* levels, :math:`z`, each averaged over the cells
# of the coarsest and stacked. The coarsest level is refined first, and the finer ones are answered from what
# is refined already. :math:`F` is a perceptron with a depthwise :math:`3 \times 3` convolution. It is the
# decoder of the network ``umixformer`` (:ref:`gallery-umixformer`) and fills no slot of ``attention_unet``.
# The strengths of the readout learn along.
#
# :Parameters: :math:`10 \sum C^2 + 2 T^2 + 50 T + 2 T L + L \sum' (C^2 + C)` for :math:`L` levels of
#     :math:`T` channels together (the last sum leaves the coarsest out)
# :Multiply-adds: :math:`2 N M C` for the :math:`N` cells of a level and :math:`M` of the coarsest, and
#     :math:`10 N C^2`
# :Options: none; ``model.encoder`` gives it its levels
# :Paper: Yeom & von Klitzing (2023), `arXiv:2312.06272 <https://arxiv.org/abs/2312.06272>`__


class Finest(nn.Module):
    def __init__(self, mechanism):
        super().__init__()
        self.mechanism = mechanism

    def forward(self, *maps):
        return self.mechanism(maps)[0]


wanted = adaptive_avg_pool2d(salt_of_all, levels[1].shape[2:])
readout = Readout(48)
torch.manual_seed(0)
mix = Finest(attention.build("mix", [48, 96]))
own = learn(mix, *levels[1:], steps=20, rate=0.008)
asked = []
mix.mechanism.stages[0].register_forward_hook(lambda module, given, out: asked.append(given))
with torch.no_grad():
    salt = own(mix(*shown[1:]))[0].sigmoid()
figure, axes = plt.subplots(2, 2, figsize=(9, 6.2), layout="constrained")
for panel, (row, column) in zip(axes.flat, ((14, 16), (16, 32), (22, 16))):
    with torch.no_grad():
        weights = mix.mechanism.stages[0].weights_of((row, column), *asked[0])[0]
    draw(
        panel,
        weights,
        f"Weights up to {weights.max():.3f}",
        "lajolla",
        (0, float(weights.max())),
        "dodgerblue",
    )
    panel.plot(
        0.08 * column + 0.02, 0.08 * row + 0.02, "*", color="white", markeredgecolor="black", markersize=14
    )
draw(axes[1, 1], salt, "Read out with mix", "lajolla_r", (0, 1))
figure.suptitle("Where three fine cells look among the coarse ones (mix)")

# %%
# What they cost, and where they fit
# ----------------------------------
# On three levels of 32, 64 and 128 channels on 51 x 76, 26 x 38 and 13 x 19 cells. Multiply-adds are those of
# convolutions and matrix products.

with torch.device("meta"):  # shapes alone, without numbers
    maps = [torch.rand(1, 32, 51, 76), torch.rand(1, 64, 26, 38), torch.rand(1, 128, 13, 19)]
    for name in ("pmfs", "mix"):
        mechanism = attention.build(name, [32, 64, 128]).eval()
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            mechanism(maps)
        parameters = sum(each.numel() for each in mechanism.parameters())
        cost = f"{parameters:8,} parameters {counter.get_total_flops() / 2e6:6.1f} M multiply-adds"
        print(f"{name:5} {cost}\n    slots: {', '.join(MECHANISMS[name].slots) or 'none, it is a decoder'}")

# %%
# .. code-block:: yaml
#
#     model: {bottleneck: [{name: pmfs, levels: 3, width: 16}, self]}
#
# To try: give ``pmfs`` two levels instead of three; draw the weights of ``mix`` for a cell at the edge of the
# section.
#
# Go on with :doc:`attention_warps`, which moves features instead of weighing them.
