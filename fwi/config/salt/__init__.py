"""The presets of random velocity models and their parameters."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from fwi.config.base import NOT_TRUTH, Positive, Section, by_name
from fwi.config.salt.gulf import GulfPreset
from fwi.config.salt.mixed import MixedPart, MixedPreset, Single, SinglePreset
from fwi.config.salt.seg_eage import SegEagePreset
from fwi.config.salt.stratified import StratifiedPreset
from fwi.config.salt.yang_ma import YangMaPreset

__all__ = [
    "GulfPreset",
    "MixedPart",
    "MixedPreset",
    "Preset",
    "SaltConfig",
    "SegEagePreset",
    "SinglePreset",
    "StratifiedPreset",
    "YangMaPreset",
]

Preset = Annotated[Single | MixedPreset, Field(discriminator="name"), BeforeValidator(by_name)]
"""The geology to draw from: a name, or a mapping with parameters."""


class SaltConfig(Section):
    """The random velocity models: their geology and their seed."""

    preset: Preset = YangMaPreset()
    """The geology to draw from."""
    seed: Annotated[int, Field(ge=0, lt=2**63), NOT_TRUTH] = 0
    """Seed of the models; a sample depends on this seed, its split and its index alone."""
    threshold: Positive = 4250.0
    """Speed [m/s] from which a cell of an imported or inverted section counts as salt; the default is midway
    between the fastest sediment and salt."""
