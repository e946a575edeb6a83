"""
Attention to places
===================

Seven mechanisms that give each cell of a map a factor of its own: ``spatial``, ``cbam``, ``cbam_conv``,
``scse``, ``simam``, ``psa`` and ``hard``. At the end you will have seen which places of one record each of
them turns up and which it turns down, and what it costs. The page takes about seven seconds. Read
:doc:`attention_channels` first if gates are new to you: it says what a factor is and how it comes about.

The pictures show what a mechanism *can* weigh after a second of learning, in one run with one seed: features,
readout, learning rates and numbers of steps were chosen by eye, so that there is something to see. What it
brings to a network is another question, which only trainings with several seeds answer: see
:doc:`/results/does_attention_help`.
"""

import torch
from matplotlib import pyplot as plt
from salt_task import draw, fitted, grid, learn, maps_of, models
from torch.utils.flop_counter import FlopCounterMode

from fwi import attention
from fwi.config import MECHANISMS
from fwi.plots.style import draw_velocity

# %%
# Each mechanism learns from the same features where the salt is, as told in :ref:`gallery-task` (a downloaded
# script wants :download:`salt_task.py </examples/gallery/salt_task.py>` beside it). They are those of the
# second level of an encoder: 48 channels on 26 x 38 cells.

(features,) = maps_of("encoder.1")
readout = fitted(features)

# %%
# The section of the first record, and what the readout makes of its features without attention: the
# reflections of the salt's base most of all, little of its top, and some that are not of the salt.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
image = draw_velocity(left, models[0].velocity, grid.spacing, grid.velocity, models[0].salt)
left.set_title("The section of all pictures")
figure.colorbar(image, ax=left, label="Velocity (km/s)")
image = draw(
    right, readout(features[:1])[0].sigmoid().detach(), "Read out without attention", "lajolla_r", (0, 1)
)
figure.colorbar(image, ax=right, label="Probability of salt")

# %%
# Each figure below shows on the left the factors that multiply the features, averaged over the channels and
# divided by their mean over the map, which the readout's gain undoes: red cells are turned up, blue ones
# down. On the right is what the readout then makes of the features.


@torch.no_grad()
def show(name, mechanism, own):
    factors = mechanism.factors(features[:1])[0].mean(0)
    relative = factors / factors.mean()
    reach = min(1.0, float((relative - 1).abs().max()))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    title = f"{name}: factors {factors.min():.2f} to {factors.max():.2f}"
    image = draw(left, relative, title, "vik", (1 - reach, 1 + reach))
    figure.colorbar(image, ax=left, label="Factor over its mean")
    salt = own(mechanism(features[:1]))[0].sigmoid()
    image = draw(right, salt, f"Read out with {name}", "lajolla_r", (0, 1))
    figure.colorbar(image, ax=right, label="Probability of salt")


# %%
# .. _gallery-spatial:
#
# Spatial attention: ``spatial``
# ------------------------------
# .. math:: y = x \, f\left( W_{k \times k} * [\bar{x}; x_{\max}] \right)
#
# One factor per cell, from the mean :math:`\bar{x}` and the maximum :math:`x_{\max}` over the channels in a
# window of :math:`k \times k` cells around it. It sees where much is going on, over a distance of three
# cells, and not what. It is the second half of CBAM by itself.
#
# :Parameters: :math:`2 k^2`: 98 with :math:`k = 7`, whatever the number of channels
# :Multiply-adds: :math:`2 k^2` a cell
# :Options: ``kernel_size`` (odd), ``gate``
# :Paper: Woo et al. (2018), `arXiv:1807.06521 <https://arxiv.org/abs/1807.06521>`__

torch.manual_seed(0)
spatial = attention.build("spatial", 48)
show("spatial", spatial, learn(spatial, readout, features))

# %%
# The factors are largest where strong features lie within three cells of each other, which is around the salt
# more than elsewhere; the margins, where windows are empty, are turned down.
#
# .. _gallery-cbam:
#
# Convolutional block attention module: ``cbam``
# ----------------------------------------------
# .. math::
#
#     x' = x \, f\left( M(\bar{x}) + M(x_{\max}) \right), \quad y = x' \, f\left( W_{k \times k} * [x'_{\max};
#     \bar{x}'] \right)
#
# First the channels, then the cells. :math:`M` is one small perceptron of which both the mean and the maximum
# over the map make use; the second factor is that of ``spatial``, followed by batch normalisation.
#
# :Parameters: :math:`2 C h + h + C + 2 k^2 + 2` with :math:`h = \max(C / 16, 4)`: 680 of 64 channels
# :Multiply-adds: :math:`2 k^2` a cell, and :math:`4 C h` in all
# :Options: ``reduction`` (channels per hidden unit), ``kernel_size`` 3 or 7, ``gate``
# :Paper: Woo et al. (2018), `arXiv:1807.06521 <https://arxiv.org/abs/1807.06521>`__

torch.manual_seed(0)
cbam = attention.build("cbam", 48)
show("cbam", cbam, learn(cbam, readout, features))

# %%
# .. _gallery-cbam_conv:
#
# CBAM by convolutions: ``cbam_conv``
# -----------------------------------
# .. math:: x' = x \, f\left( M(\bar{x}) \right), \quad y = x' \, f\left( W_3 * r(W_2 * r(W_1 * x')) \right)
#
# Many codes call this CBAM; it is a relative of BAM. The factor of a cell comes from all its channels, mixed
# down to a few by :math:`1 \times 1` convolutions, with a :math:`3 \times 3` convolution between, batch
# normalisation and ReLU (:math:`r`). So it can ask *what* is in a cell, where ``spatial`` and ``cbam`` know
# only how much.
#
# :Parameters: :math:`(2 C h + h + C) + (C h + 9 h^2 + 7 h + 1)`: 1009 of 64 channels
# :Multiply-adds: :math:`C h + 9 h^2 + h` a cell
# :Options: ``reduction``, ``gate``
# :Paper: after Park et al. (2018), `arXiv:1807.06514 <https://arxiv.org/abs/1807.06514>`__

torch.manual_seed(0)
cbam_conv = attention.build("cbam_conv", 48)
show("cbam_conv", cbam_conv, learn(cbam_conv, readout, features))

# %%
# .. _gallery-scse:
#
# Concurrent channel and spatial excitation: ``scse``
# ---------------------------------------------------
# .. math:: y = x \, f\left( M(\bar{x}) \right) + x \, f\left( w \cdot x \right)
#
# A factor per channel, as of squeeze and excitation, and a factor per cell from a :math:`1 \times 1`
# convolution, added: one of them is enough to keep a feature. A cell is judged by its own channels alone,
# without its neighbours.
#
# :Parameters: :math:`(2 C h + h + C) + C + 1` with :math:`h = C / 2`: 4257 of 64 channels
# :Multiply-adds: :math:`C` a cell
# :Options: ``reduction``, ``gate`` (``sigmoid`` here: two of them add up to one)
# :Paper: Roy, Navab & Wachinger (2018), `arXiv:1803.02579 <https://arxiv.org/abs/1803.02579>`__

torch.manual_seed(0)
scse = attention.build("scse", 48)
show("scse", scse, learn(scse, readout, features))

# %%
# .. _gallery-simam:
#
# Attention without parameters: ``simam``
# ---------------------------------------
# .. math:: y = x \, \sigma\left( \frac{(x - \mu)^2}{4 (v + \lambda)} + \frac{1}{2} \right)
#
# What differs from the mean :math:`\mu` of its channel, by the measure of the channel's variance :math:`v`,
# keeps its amplitude; all else is damped, down to 62 % of it. Nothing is learned: strong reflections are
# turned up, whatever reflects.
#
# :Parameters: none
# :Multiply-adds: none in convolutions; three passes over the map
# :Options: none
# :Paper: Yang et al. (2021), ICML 139

simam = attention.build("simam", 48)
show("simam", simam, learn(simam, readout, features))

# %%
# .. _gallery-psa:
#
# Polarised self-attention: ``psa``
# ---------------------------------
# .. math::
#
#     y = \frac{x}{2} \left( f\left( W_z \, (W_v x) \, s(w_q x) \right) + f\left( s(\overline{W_k x}) \cdot
#     W_u x \right) \right)
#
# The first factor is one per channel: the features :math:`W_v x` are averaged over the cells, not evenly but
# with the weights :math:`s(w_q x)`, a softmax over all cells. The second is one per cell: the channels
# :math:`W_u x` are averaged with weights that a softmax over channels gives. Each factor gives up one
# direction wholly and keeps the other nearly whole, half of the channels or all of the cells: that is what
# *polarised* means. The published code takes the second softmax over a single element, which makes that
# factor constant; this is the paper's formula.
#
# :Parameters: :math:`2 C^2 + C`: 8256 of 64 channels
# :Multiply-adds: some :math:`1.5 \, C^2` a cell
# :Options: ``gate``
# :Paper: Liu et al. (2021), `arXiv:2107.00782 <https://arxiv.org/abs/2107.00782>`__

torch.manual_seed(0)
psa = attention.build("psa", 48)
show("psa", psa, learn(psa, readout, features))

# %%
# .. _gallery-hard:
#
# Hard attention: ``hard``
# ------------------------
# .. math::
#
#     y = x \left( a + (1 - a) \, m \right), \quad m = 1 \;\mathrm{where}\; W_{k \times k} * [x_{\max};
#     \bar{x}] + b > 0, \;\mathrm{else}\; 0
#
# Each cell is kept or dropped; of what is dropped a share :math:`a` remains (``floor``). A step has no
# gradient, so the backward pass takes that of a sigmoid over a temperature. With a temperature of one, cells
# far from the threshold hardly learn; five serves this short learning better.
#
# :Parameters: :math:`2 k^2 + 1`: 99 with :math:`k = 7`
# :Multiply-adds: :math:`2 k^2` a cell
# :Options: ``temperature`` (flatter gradient where higher), ``floor``, ``kernel_size``
# :Paper: gradient after Bengio et al. (2013), `arXiv:1308.3432 <https://arxiv.org/abs/1308.3432>`__

torch.manual_seed(0)
hard = attention.build("hard", 48, temperature=5.0)
show("hard", hard, learn(hard, readout, features, rate=0.05))

# %%
# What they cost, and where they fit
# ----------------------------------
# On a map of 64 channels and 51 x 76 cells. Multiply-adds are those of convolutions and matrix products;
# passes over the map for means, maxima and the product with the factor are not counted.

maps = torch.rand(1, 64, 51, 76)
for name in ("spatial", "cbam", "cbam_conv", "scse", "simam", "psa", "hard"):
    mechanism = attention.build(name, 64).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        mechanism(maps)
    parameters = sum(each.numel() for each in mechanism.parameters())
    cost = f"{parameters:6,} parameters {counter.get_total_flops() / 2e6:7.2f} M multiply-adds"
    print(f"{name:9} {cost}\n    slots: {', '.join(MECHANISMS[name].slots)}")

# %%
# In a study they stand by name in a level's place, or as a mapping with options:
#
# .. code-block:: yaml
#
#     model: {attention: [none, spatial, {name: cbam, kernel_size: 3}, scse]}
#
# To try: give ``spatial`` a window of 3 cells and see where it loses the salt; give ``hard`` its default
# temperature; average the factors of ``psa`` not over the channels, but take one channel's.
#
# Go on with :doc:`attention_directions`, whose factors follow depth and line.

# sphinx_gallery_thumbnail_number = 4
