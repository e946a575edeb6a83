r"""
A mechanism, network, preset and metric of your own
===================================================

At the end of this page you have written a mechanism of attention, a network, a kind of salt model and a
metric, have tried each in the running session, and have made them part of the library, so that studies and
the command line know them by name.

It takes some fifteen seconds on one processor core. Read :doc:`/tutorials/05_attention` before, and have an
idea of PyTorch's ``nn.Module``.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from cmcrameri import cm
from matplotlib import pyplot as plt

import data_prep
import experiments
import fwi
from data_prep.salt import generate
from fwi import config, metrics
from fwi.config import StudyConfig
from fwi.networks.sizes import Sizes

# %%
# What is touched
# ---------------
#
# The library keeps each thing in a file of its own, and its name in one visible place:
#
# ===========  ===================================  ==========================================================
# to add       its own file                         and
# ===========  ===================================  ==========================================================
# a mechanism  its class in                         its choice in ``fwi/config/attention.py``: class, options
#              ``fwi/attention/<name>.py``          with defaults, slots
# a network    its class in                         its line in ``NETWORK_KINDS`` of ``fwi/config/model.py``
#              ``fwi/networks/<name>.py``
# a preset     its parameters in                    its name in ``Single`` of ``fwi/config/salt/mixed.py``,
#              ``fwi/config/salt/<name>.py``, its   and its line in ``PARTS`` of ``data_prep/salt/mixed.py``
#              recipe in
#              ``data_prep/salt/<name>.py``
# a metric     its function in ``fwi/metrics.py``   its entry in ``METRICS`` there
# ===========  ===================================  ==========================================================
#
# The order of work on this page is that of a real day: first try the thing in a session, with a test or two
# and a picture; only when it is worth it, give it its name.
#
# Something to try it on: sections of 24 x 36 cells, 4 shots.

folder = Path("your_own")
shutil.rmtree(folder, ignore_errors=True)  # begin anew
folder.mkdir()

settings = {
    "grid": {"nz": 24, "nx": 36, "spacing": 80.0, "velocity": [2000.0, 4500.0]},
    "survey": {
        "shots": 4,
        "receivers": 36,
        "depth": 80.0,
        "dt": 0.008,
        "nt": 240,
        "wavelet": {"frequency": 3.0},
    },
    "model": {"channels": [8, 16, 32]},
}
study = config.validate(StudyConfig, settings, "a small study")
survey = fwi.Survey(study.grid, study.survey)

# %%
# A mechanism
# -----------
#
# Layers of sediment run along the line, and the top of salt mostly does too: what a cell means depends on
# its depth first. So let us weigh each channel and *depth* by what lies along the line there. Average the
# map over the line, let a short filter run over the depths, and make a factor of the result:
#
# .. math:: y_{czx} = x_{czx} \; g \left( \sum_{k} w_{ck} \, \bar x_{c, z + k} \right), \qquad
#     \bar x_{cz} = \frac{1}{N} \sum_x x_{czx}
#
# with :math:`g(e) = 2 / (1 + \exp(-e))`, which is one at zero. This is the file. (In a clone of the project
# you write it with an editor. Here the page writes it, so that the page is complete in itself; what stands
# between the three quotation marks is the file.)

_ = (folder / "depth.py").write_text('''\
"""Attention by depth."""

from torch import Tensor, nn

from fwi.attention.excitation import factor, start_indifferent


class DepthAttention(nn.Module):
    """Weigh each channel and depth by what lies along the line there: ``C (k + 1)`` parameters.

    Args:
        channels: number of channels of the map.
        kernel_size: number of depths that a factor looks at, odd.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        around = kernel_size // 2
        self.filter = nn.Conv1d(channels, channels, kernel_size, padding=around, groups=channels)
        start_indifferent(self.filter)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channel, depth, x)`` weighted, in the same shape."""
        return x * self.factors(x)

    def factors(self, x: Tensor) -> Tensor:
        """Return the factors that multiply the map: ``(batch, channel, depth, 1)``."""
        return factor(self.filter(x.mean(dim=3)), "2sigmoid")[..., None]
''')

# %%
# Three things make it a citizen: the first argument of the class is the number of channels;
# ``start_indifferent`` shrinks the last layer, so that the mechanism begins close to the identity; and what
# multiplies the map is a method ``factors``, by which ``fwi plot attention`` finds it. (A mechanism whose
# cells gather from others has ``weights_of`` instead; ``fwi/attention/self_attention.py`` has one.)
#
# Test it as the library tests its own. Shapes: odd, and not square. Identity: at the beginning it changes
# little. Gradient: against finite differences, in double precision.

from your_own.depth import DepthAttention

torch.manual_seed(0)
attend = DepthAttention(channels=16, kernel_size=5)
features = torch.randn(2, 16, 13, 19)
print("same shape:          ", attend(features).shape == features.shape)
print(f"change at the start:  {(attend(features) - features).abs().max():.3f}")
small = DepthAttention(2, 3).double()
x = torch.randn(1, 2, 5, 3, dtype=torch.double, requires_grad=True)
print("gradient is right:   ", torch.autograd.gradcheck(small, x))

# %%
# Into a network of this session it is put by hand. ``AttentionUNet`` has a module ``attend`` at the end of
# each block, an identity where the study says ``none``:

training = [generate(study.grid, study.salt, 0, number) for number in range(64)]
velocity = torch.from_numpy(np.stack([model.velocity for model in training]))
with torch.no_grad():
    gathers = fwi.Propagator(survey, study.physics)(velocity)


def train(inverter, steps=50):
    optimizer = torch.optim.Adam(inverter.parameters(), 3e-3)
    for _ in range(steps):
        some = torch.randint(64, (12,))
        loss = (inverter(gathers[some]) - velocity[some]).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    inverter.eval()
    print(f"loss after {steps} steps: {loss:.0f} m/s")


torch.manual_seed(0)
inverter = fwi.Inverter(study)
inverter.network.encoder[1].attend = DepthAttention(16, kernel_size=5)
train(inverter)

# %%
# The inverter is whole: it inverts, checks and refines with the mechanism in it. What did it learn? Factors
# by depth for three records; each line is the mean over the channels.

module, seen = inverter.network.encoder[1].attend, []
hook = module.register_forward_hook(lambda module, x, y: seen.append(module.factors(*x)))
inverter.invert(gathers[:3].numpy())
hook.remove()

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
depth = (np.arange(12) + 0.5) * 2 * study.grid.spacing / 1000  # a cell of this level is two of the grid
axes.plot(seen[0].float().mean(dim=1)[:, :, 0].T, depth)
axes.axvline(1, color="0.5", linewidth=1)
axes.invert_yaxis()
axes.set(
    xlabel="Factor, mean over channels",
    ylabel="Depth (km)",
    title="Factors of the depth attention, three records",
)
plt.show()

# %%
# After so few steps they have hardly left one. That the lines differ shows that the mechanism looks at the
# record.
#
# A network
# ---------
#
# A network is a ``Network``: it says how it makes *features* of normalised gathers, has a ``head`` that
# turns them into velocity, and names its ``parts``, of which tables and ``train.hold`` speak. Everything
# else (normalisation, bounded output, saving, training, export) comes from outside. The plainest one there
# is, the stem of the U-Net and two convolutions:

_ = (folder / "shallow.py").write_text('''\
"""A network without levels."""

from torch import Tensor, nn

from fwi.config import ModelConfig
from fwi.networks.blocks import VelocityHead, double_convolution
from fwi.networks.network import Network
from fwi.networks.sizes import Sizes
from fwi.networks.unet import Stem


class Shallow(Network):
    """The stem of the U-Net, a double convolution at full size, and the head."""

    def __init__(self, model: ModelConfig, sizes: Sizes) -> None:
        super().__init__(model, sizes)
        width = model.channels[0]
        self.stem = Stem(sizes, width)
        self.convolve = double_convolution(width, width)
        self.head = VelocityHead(width, model.output, sizes.velocity_range)

    def features(self, gathers: Tensor) -> Tensor:
        return self.convolve(self.stem(gathers))

    def parts(self) -> dict[str, nn.Module]:
        return {"stem": self.stem, "convolve": self.convolve, "head": self.head}
''')

from your_own.shallow import Shallow

torch.manual_seed(0)
inverter = fwi.Inverter(study)
inverter.network = Shallow(study.model, Sizes.of(survey, study.model))
train(inverter)

# %%
# Kinds of salt
# -------------
#
# For models of your own you need no preset. Whatever draws them, save them as one array ``(model, depth,
# x)`` in m/s, and ``fwi import models.npy`` records them and makes shards of them (:doc:`/guide/data`). A
# *preset* is for models that are drawn by number, of any grid, as many as you like. It is a function of a
# grid, of parameters and of a generator of random numbers that returns a ``Geology``: the sediments, where
# the salt is, and its speed. Here dikes of salt rise through a gradient:

_ = (folder / "dikes.py").write_text('''\
"""Walls of salt in sediments that grow faster with depth."""

import numpy as np
from numpy.random import Generator

from data_prep.salt.blocks import Cells, Geology
from fwi.config import GridConfig
from fwi.config.salt.dikes import DikesPreset


def dikes(grid: GridConfig, preset: DikesPreset, rng: Generator) -> Geology:
    """Draw leaning walls of salt, each up to a depth of its own."""
    cells = Cells.of(grid)
    salt = np.zeros((grid.nz, grid.nx), bool)
    for _ in range(rng.integers(1, preset.most + 1)):
        foot, lean = rng.uniform(0, cells.length), rng.uniform(-0.5, 0.5)
        top, half = rng.uniform(0.2, 0.7) * cells.depth, rng.uniform(*preset.half_width)
        axis = foot + lean * (cells.depth - cells.z)
        salt |= (abs(cells.x - axis) < half) & (cells.z > top)
    sediment = 2000 + 1500 * cells.z / cells.depth + 0 * cells.x
    return Geology(sediment, salt, preset.salt_speed)
''')

_ = (folder / "dikes_parameters.py").write_text('''\
"""Parameters of the preset ``dikes``."""

from typing import Annotated, Literal

from pydantic import Field

from fwi.config.base import Positive, Section


class DikesPreset(Section):
    """Leaning walls of salt."""

    name: Literal["dikes"] = "dikes"
    """The preset."""
    most: Annotated[int, Field(ge=1, le=20)] = 3
    """Largest number of walls."""
    half_width: tuple[Positive, Positive] = (80.0, 240.0)
    """Range of half the width of a wall [m]."""
    salt_speed: Positive = 4500.0
    """Speed of the salt [m/s]."""

    @property
    def speeds(self) -> tuple[float, float]:
        """Slowest and fastest speed [m/s] of the models."""
        return 2000.0, self.salt_speed
''')

# %%
# Draw from the generator in a fixed order, and draw what you add later *last*: a model's name is its
# number, and another order makes other models under the old names.
#
# A metric
# --------
#
# A metric is a function of predicted and true velocity, the mask of the salt and the cell size that returns
# a number for each sample; NaN where it is undefined. ``METRICS`` is a dictionary, so in a session an entry
# is enough:


def salt_area_error(prediction, truth, salt, spacing):
    """Error of the area of the salt [km2]."""
    predicted = metrics.predicted_salt(prediction, truth, salt)
    cells = predicted.sum(dim=(1, 2)) - salt.sum(dim=(1, 2))
    return cells.abs() * (spacing / 1000) ** 2


metrics.METRICS["salt_area"] = metrics.Metric(salt_area_error, "error of the salt's area", "km2", best="min")

salt = np.stack([model.salt for model in training[:4]])
blur = torch.nn.AvgPool2d(5, stride=1, padding=2, count_include_pad=False)
blurred = blur(velocity[:4])
for name, values in metrics.score(blurred, velocity[:4], salt, study.grid.spacing).items():
    print(f"{metrics.METRICS[name].label():32}", np.round(values, 2))
del metrics.METRICS["salt_area"]  # this page leaves the session as it was


# %%
# Into the library
# ----------------
#
# In a clone of the project you would now move the files to their places and write the few lines of the
# table. So that this page leaves your installation alone, it does so in a copy:

library = folder / "library"
for package in (fwi, data_prep, experiments):
    source = Path(package.__file__).parent
    shutil.copytree(source, library / source.name, ignore=shutil.ignore_patterns("*.safetensors"))

# Own files.
shutil.copy(folder / "depth.py", library / "fwi/attention/depth.py")
shutil.copy(folder / "shallow.py", library / "fwi/networks/shallow.py")
shutil.copy(folder / "dikes_parameters.py", library / "fwi/config/salt/dikes.py")
shutil.copy(folder / "dikes.py", library / "data_prep/salt/dikes.py")


def add(file, lines, before):
    text = (library / file).read_text()
    (library / file).write_text(text.replace(before, lines + before, 1))


# The mechanism's choice: its options, and what the page of the configuration says of them.
add(
    "fwi/config/attention.py",
    '''
class DepthChoice(Choice):
    """Attention by depth."""

    attends = "fwi.attention.depth:DepthAttention"

    name: Literal["depth"] = "depth"
    """The mechanism."""
    kernel_size: OddWidth = 5
    """Number of depths that a factor looks at."""


''',
    before="class MixChoice(Choice):",
)

# The network's line.
line = '    "shallow": NetworkKind("fwi.networks.shallow:Shallow"),\n'
add("fwi/config/model.py", line, before='    "fcnvmb_unet": NetworkKind(')

# The preset's names.
line = "from fwi.config.salt.dikes import DikesPreset\n"
add("fwi/config/salt/mixed.py", line, before="from fwi.config.salt.gulf import")
add("fwi/config/salt/mixed.py", "DikesPreset | ", before="YangMaPreset | SegEagePreset")
add(
    "data_prep/salt/mixed.py",
    "from data_prep.salt.dikes import dikes\n",
    before="from data_prep.salt.gulf import",
)
add("data_prep/salt/mixed.py", '    "dikes": dikes,\n', before='    "yang_ma": yang_ma,')

# %%
# That is all. A study names them as it names those of the library, and the commands know them:

_ = (library / "mine.yaml").write_text("""\
grid: {nz: 51, nx: 76, spacing: 40.0, velocity: [2000.0, 4500.0]}
survey: {shots: 8, receivers: 76, depth: 40.0, dt: 0.004, nt: 500, wavelet: {frequency: 5.0}}
salt: {preset: {name: dikes, most: 4}}
model:
  channels: [16, 32, 64, 128]
  attention: [none, depth, {name: depth, kernel_size: 9}, se]
""")
command = "-m experiments config show --model --config mine.yaml".split()
done = subprocess.run([sys.executable, *command], cwd=library, capture_output=True, text=True)
print(done.stdout, done.stderr)

# %%
# And the models of the preset:

code = """
import numpy as np
from data_prep.salt import generate
from fwi import config

study = config.load(["mine.yaml"])
np.save("dikes.npy", [generate(study.grid, study.salt, 0, number).velocity for number in range(6)])
"""
subprocess.run([sys.executable, "-c", code], cwd=library, check=True)

figure, panels = plt.subplots(2, 3, figsize=(9, 4.5), layout="constrained", sharex=True, sharey=True)
for panel, model in zip(panels.flat, np.load(library / "dikes.npy"), strict=True):
    image = panel.imshow(model / 1000, extent=(0, 3, 2, 0), cmap=cm.batlow)
figure.supxlabel("Distance (km)")
figure.supylabel("Depth (km)")
figure.suptitle("Models of the preset dikes")
figure.colorbar(image, ax=panels, label="Velocity (km/s)")
plt.show()

# %%
# Before you offer it to others: a test of behaviour (what every mechanism has to keep is tested for all
# names, so yours is included as soon as it has one), the paper in the docstring, and for a mechanism an
# ablation (:doc:`/tutorials/12_ablation`). ``make check`` and ``make test`` have to be green;
# CONTRIBUTING.md has the habits, and the touches for a loss and for a corruption of records as well.
#
# What a session cannot do
# ------------------------
#
# A metric is known as soon as it is in ``METRICS``. The names of mechanisms, networks and presets are part
# of the configuration's *types*, from which the command line, the schema and the error messages are made
# when the library is imported. So what was put into a network by hand works in this session, but a study
# cannot name it, and an inverter that is saved with it cannot be loaded again: the file says ``none`` at
# that place, and the weights do not fit. Give it its name before you train for long.
#
# Try it
# ------
#
# - Replace the mean over the line by the maximum. Does the mechanism still begin close to the identity? Is
#   the gradient right?
# - Let the dikes end below the section's foot in one model of two.
# - Add ``shallow`` to an ablation as a variant, ``model: {name: shallow}``.
#
# What you have seen
# ------------------
#
# One class, one choice: that is a mechanism; one class, one line: a network; two files, two names: a
# preset; one function, one entry: a metric. The contract of each is small: a shape that is kept, a
# beginning near the identity, an order of draws that never changes, a number for each sample.
