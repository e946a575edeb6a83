"""Parameters of the preset ``mixed``."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from fwi.config.base import Positive, Section, Share, by_name
from fwi.config.salt.gulf import GulfPreset
from fwi.config.salt.seg_eage import SegEagePreset
from fwi.config.salt.yang_ma import YangMaPreset


def _not_empty(parts: tuple[Section, ...]) -> tuple[Section, ...]:
    if not parts:
        raise ValueError("a mixture needs a preset to draw from: write [{preset: seg_eage}], or leave it out")
    return parts


Single = YangMaPreset | SegEagePreset | GulfPreset
"""The presets of one geology. A preset is added by its parameters beside this file and its name here, and by
its recipe in ``data_prep/salt`` and its line in ``data_prep.salt.mixed.PARTS``."""
SinglePreset = Annotated[Single, Field(discriminator="name"), BeforeValidator(by_name)]
"""One geology: a name, or a mapping with parameters."""


class MixedPart(Section):
    """A geology of a mixture and its weight."""

    preset: SinglePreset
    """The geology."""
    weight: Positive = 1.0
    """Weight of the geology; it is drawn with a probability of this over the sum of all weights."""


class MixedPreset(Section):
    """Mixture of geologies: each model's is drawn by weight, and a share of the models has no salt."""

    name: Literal["mixed"] = "mixed"
    """The preset."""
    parts: Annotated[tuple[MixedPart, ...], Field(max_length=100), AfterValidator(_not_empty)] = (
        MixedPart(preset=YangMaPreset(), weight=2.0),
        MixedPart(preset=SegEagePreset(), weight=2.0),
        MixedPart(preset=GulfPreset(), weight=1.0),
    )
    """The geologies with their weights."""
    no_salt_share: Share = 0.1
    """Share of models that keep their sediments and hold no salt."""

    @property
    def speeds(self) -> tuple[float, float]:
        """Slowest and fastest speed [m/s] of the models."""
        slowest, fastest = zip(*(part.preset.speeds for part in self.parts), strict=True)
        return min(slowest), max(fastest)
