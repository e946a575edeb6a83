"""When a section counts as wrong, and how many wrong ones the verdict is to catch: the section ``trust``."""

from typing import Annotated

from pydantic import Field

from fwi.config.base import NOT_TRUTH, Positive, Section, Share

OpenShare = Annotated[float, Field(gt=0, lt=1), NOT_TRUTH]


class TrustConfig(Section):
    """The verdict: which sections are wrong, and what it guarantees.

    A section is wrong where any of the three limits is passed. A model without salt has no IoU and no
    boundary: there the MAE counts, and salt that is not there (``invented``).
    """

    salt_iou: Share = 0.7
    """A section whose salt IoU is below this is wrong; 0 leaves the IoU out."""
    boundary: Positive | None = 400.0
    """A section whose MAE at the salt boundary is above this [m/s] is wrong; null leaves it out."""
    mae: Positive | None = 200.0
    """A section whose MAE is above this [m/s] is wrong; null leaves it out."""
    invented: Share = 0.02
    """A section of a model without salt is wrong where a larger share of its cells than this is salt."""
    catch: OpenShare = 0.95
    """Share of the wrong sections that the verdict is to doubt."""
    confidence: OpenShare = 0.95
    """Confidence in that share."""
    after_training: bool = True
    """Calibrate the verdict at the end of a training, on its validation split."""
