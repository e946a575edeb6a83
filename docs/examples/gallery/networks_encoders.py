"""
Encoders of U-MixFormer
=======================

Seven encoders between which the network ``umixformer`` (:ref:`gallery-umixformer`) can choose: three sizes of
MiT, LVT, two sizes of MSCAN, and the U-Net's own. At the end you will have seen how far each of them looks,
level by level, and what that costs. The page takes about six seconds.
"""

import torch
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fwi.networks import encoders

# %%
# An encoder turns one map into four: at a quarter, an eighth, a sixteenth and a thirty-second of its rows and
# columns, with more channels each. Which cells of the given map does the middle cell of each of the four see?
# The gradient of its features, mixed at random, tells: the picture shows its size for random weights,
# averaged over the channels, on a map of 104 x 152 cells, on a logarithmic scale over four decades. White
# cells are seen less than that or not at all. Training will weigh some of it more and some less, but an
# encoder cannot look where it is not connected.


def look(name, title):
    torch.manual_seed(0)
    encoder = encoders.build(name, 24, (48, 96, 192, 384)).eval()
    given = torch.randn(1, 24, 104, 152, requires_grad=True)
    figure, axes = plt.subplots(1, 4, figsize=(9, 2.2), sharey=True, layout="constrained")
    levels = encoder(given)
    for number, (panel, level) in enumerate(zip(axes, levels)):
        middle = level[0, :, level.shape[2] // 2, level.shape[3] // 2] @ torch.randn(level.shape[1])
        seen = torch.autograd.grad(middle, given, retain_graph=True)[0][0].abs().mean(0)
        panel.imshow(
            seen, cmap="magma_r", norm=LogNorm(float(seen.max()) / 1e4, float(seen.max())), aspect="auto"
        )
        panel.set_title(
            f"level {number + 1}: {level.shape[2]} x {level.shape[3]}, {level.shape[1]} ch.", fontsize="small"
        )
        panel.set(xticks=[0, 75, 150], yticks=[0, 50, 100])
    axes[0].set_ylabel("Row")
    figure.supxlabel("Column", fontsize="medium")
    figure.suptitle(title)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        encoder(given)
    parameters = sum(each.numel() for each in encoder.parameters())
    adds = counter.get_total_flops() / 2e6
    print(f"{name}: {parameters:,} parameters, {adds:,.0f} M multiply-adds on 24 x 104 x 152")


# %%
# .. _gallery-mit_b0:
#
# Mix transformer, smallest: ``mit_b0``
# -------------------------------------
# The encoder of SegFormer. Every cell attends to all others, but the keys are thinned out by a strided
# convolution, to one of 8 x 8 cells at the first level; so everything is seen already there, in blocks.
# Perceptrons with a depthwise :math:`3 \times 3` convolution tell where a cell is. 32, 64, 160 and 256
# channels, two blocks a level. Xie et al. (2021), `arXiv:2105.15203 <https://arxiv.org/abs/2105.15203>`__.

look("mit_b0", "What a cell of mit_b0 sees")

# %%
# .. _gallery-mit_b1:
#
# Mix transformer, wider: ``mit_b1``
# ----------------------------------
# The same with twice the channels: 64, 128, 320 and 512.

look("mit_b1", "What a cell of mit_b1 sees")

# %%
# .. _gallery-mit_b2:
#
# Mix transformer, deeper: ``mit_b2``
# -----------------------------------
# As ``mit_b1``, with 3, 4, 6 and 3 blocks instead of two each.

look("mit_b2", "What a cell of mit_b2 sees")

# %%
# .. _gallery-lvt:
#
# Lite vision transformer: ``lvt``
# --------------------------------
# The first level attends within windows of 3 x 3 cells only, with weights from the window's mean: fine detail
# is local. The deeper levels attend to all, twice with the same weights, with queries that look at three
# scales. 64, 64, 160 and 256 channels. Yang et al. (2022),
# `arXiv:2112.10809 <https://arxiv.org/abs/2112.10809>`__.

look("lvt", "What a cell of lvt sees")

# %%
# .. _gallery-mscan_t:
#
# Convolutional attention, tiny: ``mscan_t``
# ------------------------------------------
# The encoder of SegNeXt has no softmax and no keys: a map is multiplied by what convolutions along crosses of
# 7, 11 and 21 cells make of it. Long strips in sequence make a wide window, which already at the first level
# spans most of this map and fades towards its ends. 32, 64, 160 and 256 channels; 3, 3, 5 and 2 blocks. Guo
# et al. (2022), `arXiv:2209.08575 <https://arxiv.org/abs/2209.08575>`__.

look("mscan_t", "What a cell of mscan_t sees")

# %%
# .. _gallery-mscan_s:
#
# Convolutional attention, small: ``mscan_s``
# -------------------------------------------
# The same with twice the channels, and 2, 2, 4 and 2 blocks.

look("mscan_s", "What a cell of mscan_s sees")

# %%
# .. _gallery-encoder-unet:
#
# The U-Net's encoder: ``unet``
# -----------------------------
# Pooling and double convolutions, at a half, a quarter, an eighth and a sixteenth of the size: what is seen
# grows from level to level and ends at sharp borders. Its widths are the study's ``channels`` after the first
# (here 48 to 384).

look("unet", "What a cell of the encoder unet sees")

# %%
# In a study: ``model: {name: umixformer, encoder: mscan_t}``. To try: the levels of an encoder in training
# mode; a cell at the edge of the map; a study's own size of grid.

# sphinx_gallery_thumbnail_number = 5
