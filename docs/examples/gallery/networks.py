"""
Networks
========

Six networks from shot records to velocity: ``attention_unet``, ``unet``, ``fcnvmb_unet``, ``inversion_net``,
``velocity_gan`` and ``umixformer``. At the end you will have seen what each does with the axes of a record,
of which parts it consists, and what these cost. The page takes about five seconds. It assumes that you know
what a convolution is.

A record has axes of time and receiver, with a channel for each shot; a section has axes of depth and
position. A network has to get from one to the other somewhere. That is what sets these networks apart more
than anything else.
"""

import torch
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle

import fwi
from data_prep.salt import generate
from fwi.config import ModelConfig, SaltConfig
from fwi.networks import build
from fwi.networks.table import parts

# %%
# All of them are sized here for one survey, that of the zoo's ``salt-demo``: 22 shots, 76 receivers, 100
# samples of 20 ms, and a section of 51 x 76 cells. The pictures show the map that leaves each part: a bar as
# high as the map has rows, as wide as the logarithm of its channels, with rows x columns and the number of
# channels above. The colour is that of the part.

survey = fwi.load("salt-demo").survey
COLOURS = {"stem": "#e0a800", "encoder": "#11467b", "decoder": "#b2182b", "head": "#333333"}


def structure(model, title):
    listed = parts(model, survey)
    _, axes = plt.subplots(figsize=(9, 3.8), layout="constrained")
    shapes = {"record": (22, 100, 76)} | {part.name: part.shape for part in listed}
    for place, (name, shape) in enumerate(shapes.items()):
        channels, rows, columns = (1, *shape)[-3:]
        width = 0.12 + 0.08 * torch.log2(torch.tensor(float(channels))).item()
        colour = COLOURS.get(name.split()[0], "#888888")
        axes.add_patch(Rectangle((place - width / 2, -rows / 2), width, rows, facecolor=colour, alpha=0.85))
        turn = {"rotation": 90} if len(shapes) > 12 else {}
        axes.text(
            place, rows / 2 + 2, f"{rows} x {columns}\n{channels}", ha="center", fontsize="small", **turn
        )
        axes.text(place, -rows / 2 - 3, name, ha="center", va="top", fontsize="small", **turn)
    axes.set(xlim=(-0.6, len(shapes) - 0.4), ylim=(-85, 85), title=title)
    axes.set_axis_off()
    total, adds = sum(part.parameters for part in listed), sum(part.multiply_adds for part in listed)
    print(f"{'part':18}{'parameters':>12}{'multiply-adds':>15}  attention")
    for part in listed:
        cost = f"{part.parameters:12,}{part.multiply_adds / 1e6:13,.1f} M"
        print(f"{part.name:18}{cost}  {', '.join(part.attention)}")
    print(f"{'together':18}{total:12,}{adds / 1e6:13,.1f} M")


# %%
# .. _gallery-attention_unet:
#
# The attention U-Net: ``attention_unet``
# ---------------------------------------
# The network that salt-fwi trains unless told otherwise. A *stem* goes from the record's axes to the
# section's at once: convolutions with a stride in time bring the record to about the section's height, and
# what is left is interpolated (slot ``resample``). From there on all maps of a level show the same places, so
# that encoder and decoder can be joined cell by cell. The encoder halves and the decoder doubles; attention
# stands where you put it (slots ``attention``, ``skip``, ``bottleneck``). Any size of record and grid will
# do.
#
# Options: ``channels``, the four slots, ``columns`` (``offsets`` for any survey), ``coarsening``, ``output``,
# ``uncertainty``. After Ronneberger et al. (2015), `arXiv:1505.04597 <https://arxiv.org/abs/1505.04597>`__,
# and Oktay et al. (2018), `arXiv:1804.03999 <https://arxiv.org/abs/1804.03999>`__.

model = ModelConfig(
    channels=(24, 48, 96, 192), attention=("none", "se", "cbam", "ca"), skip=("none", "none", "gate")
)
structure(model, "attention_unet: the maps that leave its parts")

# %%
# What the trained ``salt-demo``, which is made like this but takes sections of common offset, makes of a
# record: the mean over the channels of each map. On the way down one sees reflections, then hardly anything
# that has a meaning to us; on the way up they become a body.

inverter = fwi.load("salt-demo").eval()
salt = generate(survey.grid, SaltConfig(preset="seg_eage"), 0, 0)
left = {}
for name, part in inverter.network.parts().items():
    part.register_forward_hook(lambda module, given, out, name=name: left.update({name: out}))
with torch.no_grad():
    gathers = fwi.Propagator(survey, inverter.study.physics)(torch.from_numpy(salt.velocity)[None])
    inverter(gathers)
shown = ["stem", "encoder 0", "encoder 1", "encoder 2", "encoder 3", "decoder 2", "decoder 1", "decoder 0"]
figure, axes = plt.subplots(2, 4, figsize=(9, 3.8), layout="constrained")
for panel, name in zip(axes.flat, shown):
    panel.imshow(left[name][0].mean(0), cmap="cividis", extent=(0, 3, 2, 0))
    panel.set(xticks=[], yticks=[], title=name)
figure.suptitle("A record on its way through attention_unet (0 to 3 km, 0 to 2 km)")

# %%
# .. _gallery-unet:
#
# The plain U-Net: ``unet``
# -------------------------
# The same without attention; the least that a mechanism has to beat. Options: ``channels``, ``resample``,
# ``columns``, ``coarsening``.

structure(ModelConfig(name="unet", channels=(24, 48, 96, 192)), "unet: the maps that leave its parts")

# %%
# .. _gallery-fcnvmb_unet:
#
# The U-Net of Yang and Ma: ``fcnvmb_unet``
# -----------------------------------------
# FCNVMB as published: gathers are taken for pictures of the model. The output has the size of the record, and
# the section is cut out of its upper left corner, so that time becomes depth row by row and late times are
# thrown away. Skips carry the encoder's map *after* pooling, in a frame of zeros, so that what is joined
# shows different places. These weaknesses are kept: it is the baseline of the literature.
#
# Options: ``channels``, ``output`` (``raw`` as published). Yang & Ma (2019), Geophysics 84(4), R583-R599.

structure(
    ModelConfig(name="fcnvmb_unet", channels=(64, 128, 256, 512, 1024)),
    "fcnvmb_unet: the maps that leave its parts",
)

# %%
# .. _gallery-inversion_net:
#
# InversionNet: ``inversion_net``
# -------------------------------
# The record is shrunk, first in time, then in both axes, until it is one vector without any place, and a
# section is grown from the vector. So the change of axes costs nothing and says nothing: the vector has to
# hold where everything is. No skip passes it by, and the section is drawn from it alone.
#
# Options: ``channels`` (five), ``output`` (``raw`` for the published tanh). Wu & Lin (2019),
# `arXiv:1811.07875 <https://arxiv.org/abs/1811.07875>`__, in OpenFWI's form,
# `arXiv:2111.02926 <https://arxiv.org/abs/2111.02926>`__.

structure(ModelConfig(name="inversion_net"), "inversion_net: the maps that leave its parts")

# %%
# .. _gallery-velocity_gan:
#
# The generator of VelocityGAN: ``velocity_gan``
# ----------------------------------------------
# The same layers as ``inversion_net``, under the name of the method that trains them against a critic. The
# critic is not part of salt-fwi; with its losses the two names mean the same network. Zhang et al. (2018),
# `arXiv:1809.10262 <https://arxiv.org/abs/1809.10262>`__.
#
# Its picture would be the one above. So this one asks what the vector in the middle means: from which samples
# of a shot is the cell in the middle of the section made? The gradient tells, here with random weights, on a
# logarithmic scale over three decades. Behind the vector every cell depends on the whole record. In
# ``attention_unet`` it depends on a window of times and receivers around its place, and hardly on the rest,
# which only the means see that attention takes over a map: what is near in the section is looked for where it
# is near in the record.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
for panel, name in zip(axes, ("velocity_gan", "attention_unet")):
    torch.manual_seed(0)
    network = build(ModelConfig(name=name) if name == "velocity_gan" else model, survey).eval()
    record = torch.randn(4, *survey.gather_shape, requires_grad=True)
    middle = network(record)[:, 25, 38].sum()
    seen = torch.autograd.grad(middle, record)[0].abs().mean((0, 1))
    norm = LogNorm(float(seen.max()) / 1e3, float(seen.max()))
    image = panel.imshow(seen, cmap="magma_r", norm=norm, extent=(0, 3, 2, 0), aspect="auto")
    panel.set(xlabel="Receiver (km)", title=name)
axes[0].set_ylabel("Time (s)")
figure.suptitle("Samples of the record on which the cell in the middle of the section depends, dark for much")

# %%
# .. _gallery-umixformer:
#
# U-MixFormer: ``umixformer``
# ---------------------------
# A transformer for segmenting photographs, brought to velocity: the stem and the first level of
# ``attention_unet``, then an encoder of choice (:doc:`networks_encoders`), and a decoder in which each level
# attends to all (:ref:`gallery-mix`). It ends at a quarter of the grid's size, which is interpolated and
# refined with the first level's map. Attention among all cells is affordable, because the finest level that
# attends has a sixteenth of the cells.
#
# Options: ``encoder``, ``resample``, ``columns``. Yeom & von Klitzing (2023),
# `arXiv:2312.06272 <https://arxiv.org/abs/2312.06272>`__.

structure(ModelConfig(name="umixformer", encoder="mit_b0"), "umixformer: the maps that leave its parts")

# %%
# How far the published U-Net gets in the time of ``attention_unet`` is measured in
# :doc:`/results/how_accurate`, and what all of them cost in :doc:`/results/does_attention_help`.
# ``fwi config show --model`` prints the table of parts for the network of any study. To try: other
# ``channels``; another ``encoder``; ``columns="offsets"``, after which the first layer no longer depends on
# the number of shots.

# sphinx_gallery_thumbnail_number = 2
