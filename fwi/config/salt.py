"""The random velocity models: for each preset its name and parameters."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from fwi.config.base import Positive, Section, Share, by_name


class YangMaPreset(Section):
    """Flat layers pierced by a dome or holding a lens, like the public set of Yang and Ma (2019)."""

    name: Literal["yang_ma"] = "yang_ma"
    """The preset."""
    lens_share: Share = 0.5
    """Share of models whose salt is a lens; the others are domes with their base below the section."""


Preset = Annotated[YangMaPreset, BeforeValidator(by_name)]
"""The geology to draw from: a name, or a mapping with parameters."""


class SaltConfig(Section):
    """The random velocity models."""

    preset: Preset = YangMaPreset()
    """The geology to draw from."""
    seed: Annotated[int, Field(ge=0)] = 0
    """A sample depends on this seed, its split and its index, and on nothing else."""
    threshold: Positive = 4250.0
    """A cell at least this fast [m/s] is salt, imported or inverted: midway from sediment to salt."""
