"""The task of the gallery's pages on attention: where is salt, read out of what a network made of records.

Sixteen random models, four of them without their salt, are simulated with eight shots each. The first record,
which all pictures show, and the second, which has no salt, are kept out of all learning.
"""

from copy import deepcopy

import numpy as np
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy_with_logits

import fwi
from data_prep.salt import generate
from fwi.config import SaltConfig
from fwi.plots.style import draw_section, outline

inverter = fwi.load("salt-demo").eval()
grid = inverter.survey.grid
survey = fwi.Survey(grid, inverter.survey.config.model_copy(update={"shots": 8}))
salty = SaltConfig(preset="seg_eage")
bare = SaltConfig(preset={"name": "mixed", "parts": [{"preset": "seg_eage"}], "no_salt_share": 1.0})
presets = [salty, bare] + 11 * [salty] + 3 * [bare]
models = [generate(grid, preset, 0, number) for number, preset in enumerate(presets)]
salt = torch.from_numpy(np.stack([model.salt for model in models])).float()
with torch.no_grad():
    velocity = torch.from_numpy(np.stack([model.velocity for model in models]))
    records = fwi.Propagator(survey, inverter.study.physics)(velocity)


def maps_of(*parts):
    """Return the maps that leave parts of the network, each channel scaled to a mean square of one."""
    kept = {}
    for part in parts:
        module = inverter.network.get_submodule(part)
        module.register_forward_hook(lambda module, given, out, part=part: kept.update({part: out}))
    with torch.no_grad():
        inverter(records, survey)
    return [kept[part] / kept[part].square().mean((0, 2, 3), keepdim=True).sqrt() for part in parts]


class Readout(nn.Module):
    """Add the channels of a cell up, each with a positive strength, to the evidence for salt in that cell."""

    def __init__(self, channels):
        super().__init__()
        self.strength = nn.Parameter(torch.full((channels,), -4.0))
        self.gain, self.offset = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.full((1,), -3.0))

    def forward(self, maps):
        return torch.einsum("bchw,c->bhw", maps, (self.gain + self.strength).exp()) + self.offset


def learn(mechanism, readout, *maps, steps=50, rate=0.02):
    """Let a mechanism and a copy of a readout learn together where the salt is, and return the copy."""
    own = deepcopy(readout)
    learning = [each for each in [*mechanism.parameters(), *own.parameters()] if each.requires_grad]
    optimiser = torch.optim.Adam(learning, rate)
    for _ in range(steps):
        evidence = own(mechanism(*(each[2:] for each in maps)))
        wanted = adaptive_avg_pool2d(salt[2:], evidence.shape[1:])
        loss = binary_cross_entropy_with_logits(evidence, wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    mechanism.eval()
    return own


def fitted(maps):
    """Fit a readout to maps, without attention, and hold its strengths; gain and offset go on learning."""
    readout = learn(nn.Identity(), Readout(maps.shape[1]), maps, steps=150, rate=0.1)
    readout.strength.requires_grad = False
    return readout


def draw(axes, cells, title, colours, limits, line="black"):
    """Draw a map of the first record on its section, with the outline of the salt."""
    size = -(-grid.nx // cells.shape[1])  # a cell of the map is so many by so many of the grid
    fine = np.kron(cells, np.ones((size, size)))[: grid.nz, : grid.nx]
    image = draw_section(axes, fine, grid.spacing, colours, limits)
    outline(axes, models[0].salt, grid.spacing, line)
    axes.set_title(title)
    axes.label_outer()
    return image


def draw_weights(axes, weights, row, column, size):
    """Draw the weights of a cell, which is marked by a star; its own cells are ``size`` of the grid wide."""
    draw(axes, weights, f"Weights up to {weights.max():.2g}", "lajolla", (0, weights.max()), "dodgerblue")
    x, depth = ((size * (place + 0.5) - 0.5) * grid.spacing / 1000 for place in (column, row))
    axes.plot(x, depth, "*", color="white", markeredgecolor="black", markersize=14)
