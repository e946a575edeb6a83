"""Random 2-D salt velocity models.

A model is drawn in two steps. First its geology, in metres; then its picture: the geology sampled at the
cells of a grid. So the same (seed, stream, index) is the same geology on any grid, and a preset is a short
recipe of building blocks.

A recipe draws its random numbers one after the other, and a model has no other name than (seed, stream,
index): so their order must never change. A draw that is added, left out or moved makes other models under the
old names, and sets that exist could not be verified, repaired or completed any more. What is new draws last.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator

from data_prep.salt.blocks import Geology, SaltModel
from data_prep.salt.mixed import PARTS, mixed
from fwi.config import GridConfig, SaltConfig


def generate(grid: GridConfig, salt: SaltConfig, stream: int, index: int) -> SaltModel:
    """Draw one model; the same arguments give the same model, whoever asks and in whatever order.

    Args:
        grid: where the geology is sampled.
        salt: preset and seed.
        stream: number of the split (0 train, 1 validation, 2 test), so that no two splits share a model.
        index: number of the model in its split.

    Raises:
        ValueError: the grid's velocity range does not hold the speeds of the models.
    """
    require_range(grid, salt)
    rng = np.random.default_rng([salt.seed, stream, index])
    return PRESETS[salt.preset.name](grid, salt.preset, rng).model()


def require_range(grid: GridConfig, salt: SaltConfig) -> None:
    """Refuse a grid whose velocity range does not hold the speeds of the preset's models.

    Raises:
        ValueError: naming the range that does.
    """
    slowest, fastest = salt.preset.speeds
    if grid.velocity[0] > slowest or grid.velocity[1] < fastest:
        raise ValueError(
            f"grid.velocity is {grid.velocity[0]:g} .. {grid.velocity[1]:g} m/s, but the salt models of "
            f"{salt.preset.name} hold speeds of {slowest:g} .. {fastest:g} m/s: widen it to hold these"
        )


PRESETS: Mapping[str, Callable[[GridConfig, Any, Generator], Geology]] = {**PARTS, "mixed": mixed}
"""The geologies to draw from, by the name of ``SaltConfig.preset``."""
