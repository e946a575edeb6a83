"""Mixtures of the other presets."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator

from data_prep.salt.blocks import Geology
from data_prep.salt.gulf import gulf
from data_prep.salt.seg_eage import seg_eage
from data_prep.salt.yang_ma import yang_ma
from fwi.config import GridConfig, MixedPreset

PARTS: Mapping[str, Callable[[GridConfig, Any, Generator], Geology]] = {
    "yang_ma": yang_ma,
    "seg_eage": seg_eage,
    "gulf": gulf,
}
"""The geologies that a mixture may hold."""


def mixed(grid: GridConfig, preset: MixedPreset, rng: Generator) -> Geology:
    """Draw a geology by weight and a model of it; a share of the models keep their sediments alone.

    Args:
        grid: the grid.
        preset: the geologies with their weights.
        rng: random generator.

    Returns:
        The sediments and the salt in them; ``model()`` puts the two together.
    """
    weights = np.array([part.weight for part in preset.parts])
    part = preset.parts[rng.choice(len(weights), p=weights / weights.sum())]
    without_salt = rng.random() < preset.no_salt_share
    geology = PARTS[part.preset.name](grid, part.preset, rng)
    return geology.without_salt() if without_salt else geology
