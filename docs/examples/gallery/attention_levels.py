"""
Attention across levels
=======================

Two mechanisms that see several levels of a network at once: ``pmfs`` and ``mix``. At the end you will have
seen what each level is given in the former, and how a fine cell looks up coarse ones in the latter. The page
takes about eight seconds. Read :doc:`attention_channels` first for the task that they learn, and
:doc:`attention_cells` for queries and keys.

The pictures show what a mechanism *can* weigh after a second of learning, in one run with one seed: features,
readout, learning rates and numbers of steps were chosen by eye, so that there is something to see. What it
brings to a network is another question, which only trainings with several seeds answer: see
:doc:`/results/does_attention_help`.
"""

import torch
from matplotlib import pyplot as plt
from salt_task import Readout, draw, draw_weights, fitted, learn, maps_of
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fwi import attention
from fwi.config import MECHANISMS

# %%
# Both mechanisms learn where the salt is, as told in :ref:`gallery-task` (a downloaded script wants
# :download:`salt_task.py </examples/gallery/salt_task.py>` beside it). They see three levels of an encoder:
# 24, 48 and 96 channels on 51 x 76, 26 x 38 and 13 x 19 cells.

levels = maps_of("encoder.0", "encoder.1", "encoder.2")
shown = [level[:1] for level in levels]

# %%
# .. _gallery-pmfs:
#
# Polarised multi-scale attention: ``pmfs``
# -----------------------------------------
# .. math::
#
#     y = x_L + D\left( v \, \sigma(s \cdot q) \right), \quad v, q = D\left( D(X) \, \sigma(N(W z)) \right)
#
# The maxima of each level in the cells of the coarsest one are brought to the same few channels and stacked
# (:math:`X`; every :math:`D` is a depthwise-separable convolution of its own). First the stack is weighed by
# channel: :math:`z` is its mean over the cells, weighted by a softmax. Then by cell and level: each cell's
# query :math:`q` meets one global key :math:`s`, so that every level has a map of factors of its own. The
# result is added to the coarsest map.
#
# :Parameters: :math:`\sum_l (C_l (11 + w) + w) + 7 T^2 + 42 T + 1 + (T + 1) C_L` for a width :math:`w` and
#     :math:`T = L w`: 27,433 of three levels of 24, 48 and 96 channels with :math:`w = 16`
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
own = learn(pmfs, fitted(levels[2]), *levels, steps=25, rate=0.03)
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
# In the salt least is taken, of the third level above all: there the coarsest map stays nearly as it is, and
# what is added tells it elsewhere that there is none.

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
# :Multiply-adds: :math:`2 N M C + 10 N C^2 + 36 N C` for the :math:`N` cells of a level and :math:`M` of the
#     coarsest, and :math:`2 M T^2 + L M \sum' C^2` for all keys and values
# :Options: none; ``model.encoder`` gives it its levels
# :Paper: Yeom & von Klitzing (2023), `arXiv:2312.06272 <https://arxiv.org/abs/2312.06272>`__


class Finest(nn.Module):
    def __init__(self, mechanism):
        super().__init__()
        self.mechanism = mechanism

    def forward(self, *maps):
        return self.mechanism(maps)[0]


torch.manual_seed(0)
mix = Finest(attention.build("mix", [48, 96]))
own = learn(mix, Readout(48), *levels[1:], steps=14, rate=0.011)
asked = []
mix.mechanism.stages[0].register_forward_hook(lambda module, given, out: asked.append(given))
with torch.no_grad():
    salt = own(mix(*shown[1:]))[0].sigmoid()
figure, axes = plt.subplots(2, 2, figsize=(9, 6.2), layout="constrained")
for panel, (row, column) in zip(axes.flat, ((14, 16), (16, 32), (22, 16))):
    with torch.no_grad():
        weights = mix.mechanism.stages[0].weights_of((row, column), *asked[0])[0]
    draw_weights(panel, weights, row, column, size=2)
draw(axes[1, 1], salt, "Read out with mix", "lajolla_r", (0, 1))
figure.suptitle("Where three fine cells look among the coarse ones (mix)")

# %%
# The cells beside and below the salt look at the reflections of its base. The one in the salt looks at the
# foot of the map, where there is little: it takes nearly nothing, and stays what it is.

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
