"""
Attention to channels
=====================

Three mechanisms that give each channel of a map one factor for all of its cells: ``se``, ``eca`` and ``gct``.
At the end you will have seen what a factor is, how a record with salt is weighed otherwise than one without,
and what the eight ways to describe a channel, the *squeezes*, can tell apart. The page takes about five
seconds, and begins the gallery's pages on attention: all of them have the task that it explains.

The pictures show what a mechanism *can* weigh after a second of learning, in one run with one seed: features,
readout, learning rates and numbers of steps were chosen by eye, so that there is something to see. What it
brings to a network is another question, which only trainings with several seeds answer: see
:doc:`/results/does_attention_help`.
"""

import numpy as np
import torch
from matplotlib import pyplot as plt
from salt_task import draw, fitted, grid, learn, maps_of, models
from torch.utils.flop_counter import FlopCounterMode

from fwi import attention
from fwi.attention.excitation import factor
from fwi.attention.squeeze import NUMBERS, Squeeze
from fwi.config import MECHANISMS
from fwi.plots.style import draw_velocity

# %%
# What a factor is
# ----------------
# The features of a network are a stack of maps, its *channels*: each shows where in the record, or in the
# section, some pattern was found. A gate computes a number from them, the *excitation* :math:`e`, and turns
# it into a factor :math:`f(e)` that multiplies them. The option ``gate`` chooses :math:`f`. Papers on
# photographs take a sigmoid, which halves everything at the beginning; the default here, ``2sigmoid``, begins
# at one, since velocities need amplitudes.

excitation = torch.linspace(-5, 5, 101)
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for form in ("sigmoid", "2sigmoid", "1+tanh", "residual"):
    axes.plot(excitation, factor(excitation, form), label=form)
axes.axhline(1, color="grey", linewidth=0.8)
axes.set(xlabel="Excitation", ylabel="Factor", title="The four forms of a gate")
axes.legend()

# %%
# .. _gallery-task:
#
# One task for all mechanisms
# ---------------------------
# A mechanism that has learned nothing weighs everything alike. So each one learns here for about a second,
# and all of them the same: where in a section salt is.
#
# - *Records.* Sixteen random models of the preset ``seg_eage``, four of them without their salt, are
#   simulated with eight shots each. The first, which all pictures show, and the second, which has no salt,
#   are kept out of all learning.
# - *Features.* The records pass through the network ``salt-demo`` of the zoo, whose weights stay as they are,
#   and what leaves one of its parts is kept. On this page it is the second level of the encoder: 48 channels
#   on 26 x 38 cells. Each channel is scaled to a mean square of one.
# - *Readout.* It adds the channels of a cell up, each with a positive strength, to the evidence for salt in
#   that cell. It is fitted first, without attention. Then its strengths are held, and of the readout only a
#   gain and an offset go on learning with the mechanism: what becomes better, becomes so by weighing.
#
# All pages on attention import this from one small file, which is printed :ref:`below <gallery-task-file>`
# and which a downloaded script wants beside it: :download:`salt_task.py </examples/gallery/salt_task.py>`.

(features,) = maps_of("encoder.1")
readout = fitted(features)

# %%
# The section of the first record, and what the readout makes of its features without attention: reflections,
# above all of the salt's base.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
image = draw_velocity(left, models[0].velocity, grid.spacing, grid.velocity, models[0].salt)
left.set_title("The section of all pictures")
figure.colorbar(image, ax=left, label="Velocity (km/s)")
image = draw(
    right, readout(features[:1])[0].sigmoid().detach(), "Read out without attention", "lajolla_r", (0, 1)
)
figure.colorbar(image, ax=right, label="Probability of salt")

# %%
# Each figure below shows on the left the factors of the channels that the readout makes use of, strongest
# first, for the record with salt and for the one without. Where the two lines part, the mechanism attends: it
# weighs a record by what is in it. Where they agree, it has learned a constant, which any convolution could
# have learned. On the right is what the readout makes of the features of the first record.

used = readout.strength.argsort(descending=True)[:20]


@torch.no_grad()
def show(name, mechanism, own):
    factors = mechanism.factors(features[:2])[:, used, 0, 0]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    left.axhline(1, color="grey", linewidth=0.8)
    left.plot(factors[0], "o-", color="#b2182b", label="record with salt")
    left.plot(factors[1], "s-", color="#11467b", label="record without salt")
    left.set(
        xlabel="Channel, by its strength in the readout",
        ylabel="Factor",
        title=f"{name}: factors of channels",
    )
    left.legend(fontsize="small")
    salt = own(mechanism(features[:1]))[0].sigmoid()
    image = draw(right, salt, f"Read out with {name}", "lajolla_r", (0, 1))
    right.set_ylabel("Depth (km)")
    right.tick_params(labelleft=True)
    figure.colorbar(image, ax=right, label="Probability of salt")


# %%
# .. _gallery-se:
#
# Squeeze and excitation: ``se``
# ------------------------------
# .. math:: y = x \, f\left( W_2 \, r(W_1 z + b_1) + b_2 \right)
#
# :math:`z` describes each channel by one number or more, by default by its mean over the map (the squeeze); a
# small perceptron of these, with ReLU :math:`r`, gives the excitations. It weighs by *what is in the record
# at all*: here it turns the channels by which the readout knows salt up further for the record that has some
# than for the one that has none.
#
# :Parameters: :math:`S C h + h + h C + C`, with :math:`S` numbers per channel and
#     :math:`h = \max(C / 16, 4)`: 580 of 64 channels
# :Multiply-adds: :math:`(S + 1) \, C h` in all, and two passes over the map
# :Options: ``squeeze`` (below), ``reduction`` (channels per hidden unit), ``gate``, ``min_hidden``, ``bias``
# :Paper: Hu, Shen & Sun (2018), `arXiv:1709.01507 <https://arxiv.org/abs/1709.01507>`__

torch.manual_seed(0)
se = attention.build("se", 48)
show("se", se, learn(se, readout, features))

# %%
# The squeezes of ``se``
# ~~~~~~~~~~~~~~~~~~~~~~
# The mean of a map is the same for shallow and for deep salt. Of the eight squeezes, which may be combined in
# a list, those with several numbers know the place: ``dct`` has the coefficients of five cosines along depth
# and line, ``spp`` the means of the whole map and of its four quarters. Three blocks of equal area in an
# empty map tell them apart. (The weights of ``attn``, which averages over cells that a convolution chooses,
# are random here.)

blocks = torch.zeros(3, 1, 30, 40)
blocks[0, :, 4:9, 15:25] = 1
blocks[1, :, 20:25, 15:25] = 1
blocks[2, :, 10:20, 30:35] = 1
names = ("shallow", "deep", "tall, to the right")
figure, axes = plt.subplots(3, 4, figsize=(9, 6), layout="constrained")
for panel, block, name in zip(axes[0], blocks, names):
    panel.imshow(block[0], cmap="Greys")
    panel.set_title(name)
    panel.set(xticks=[], yticks=[])
axes[0, 3].set_axis_off()
torch.manual_seed(0)
for panel, (squeeze, numbers) in zip(axes[1:].flat, NUMBERS.items()):
    with torch.no_grad():
        described = Squeeze(1, [squeeze])(blocks)
    for number, (row, colour) in enumerate(zip(described, ("#0c7bdc", "#b2182b", "#e0a800"))):
        panel.bar(np.arange(numbers) + 0.27 * (number - 1), row, 0.25, color=colour, label=names[number])
    panel.axhline(0, color="black", linewidth=0.8)
    panel.set(xticks=[], title=squeeze)
figure.suptitle("What the squeezes make of three blocks of equal area")
figure.legend(*panel.get_legend_handles_labels(), loc="upper right", bbox_to_anchor=(0.99, 0.88))

# %%
# .. _gallery-eca:
#
# Efficient channel attention: ``eca``
# ------------------------------------
# .. math:: y = x \, f\left( w * \bar{x} \right)
#
# A convolution with :math:`k` weights along the list of channels takes the place of the perceptron: a channel
# is weighed by its own mean and those of its neighbours in the list. The neighbourhood means nothing at
# first; layers before it have to learn to put related channels side by side. They are held here, so it finds
# little to work with.
#
# :Parameters: :math:`k`, the whole part of :math:`(\log_2 C + 1) / 2`, or one more if that is even: 3 of 64
#     channels
# :Multiply-adds: :math:`k C` in all, and two passes over the map
# :Options: ``gate``
# :Paper: Wang et al. (2020), `arXiv:1910.03151 <https://arxiv.org/abs/1910.03151>`__

torch.manual_seed(0)
eca = attention.build("eca", 48)
show("eca", eca, learn(eca, readout, features))

# %%
# .. _gallery-gct:
#
# Gated channel transformation: ``gct``
# -------------------------------------
# .. math::
#
#     y = x \left( 1 + \tanh(\gamma n + \beta) \right), \quad n = \frac{\alpha \, |x|}{\mathrm{rms}(\alpha \,
#     |x|)}
#
# Channels are compared by their norms :math:`|x|` over the map: with a positive :math:`\gamma` a strong
# channel is strengthened (channels compete), with a negative one weakened (they share). No channel is mixed
# with another. Most of what it learns in this short time is the constant :math:`\beta` of each channel: but
# for one channel, the two records are weighed nearly alike.
#
# :Parameters: :math:`3 C`: 192 of 64 channels
# :Multiply-adds: none in convolutions; two passes over the map
# :Options: none
# :Paper: Yang et al. (2020), `arXiv:1909.11519 <https://arxiv.org/abs/1909.11519>`__

torch.manual_seed(0)
gct = attention.build("gct", 48)
show("gct", gct, learn(gct, readout, features))

# %%
# What they cost, and where they fit
# ----------------------------------
# On a map of 64 channels and 51 x 76 cells. Multiply-adds are those of convolutions and matrix products;
# passes over the map for means and for the product with the factor are not counted.

maps = torch.rand(1, 64, 51, 76)
for name in ("se", "eca", "gct"):
    mechanism = attention.build(name, 64).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        mechanism(maps)
    parameters = sum(each.numel() for each in mechanism.parameters())
    cost = f"{parameters:6,} parameters {counter.get_total_flops() / 2:7,.0f} multiply-adds"
    print(f"{name:4} {cost}\n    slots: {', '.join(MECHANISMS[name].slots)}")

# %%
# In a study they stand by name in a level's place, or as a mapping with options:
#
# .. code-block:: yaml
#
#     model: {attention: [none, {name: se, squeeze: [avg, dct]}, eca, se]}
#
# To try: give ``se`` the squeeze ``("dct",)`` or ``("std",)``; let it learn with ``gate="sigmoid"`` and see
# what becomes of the readout's gain; take away the four models without salt and see whether the two lines
# still part.
#
# Go on with :doc:`attention_places`, whose factors differ from cell to cell.
#
# .. _gallery-task-file:
#
# The task in full
# ----------------
# The file ``salt_task.py``, from which all pages on attention import what they share:
#
# .. literalinclude:: /examples/gallery/salt_task.py
#    :language: python

# sphinx_gallery_thumbnail_number = 3
