"""Sections with known errors, from which a verdict is calibrated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fwi import metrics
from fwi.config import TrustConfig
from fwi.trust.figures import Figures

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Cases:
    """Sections with their figures and errors; arrays have the shape ``(section,)``."""

    kind: NDArray[np.str_]
    """Kind of each section: ``home``, the name of a preset, or of a damage."""
    own: Flags
    """Whether the section is the network's own, and not a damaged one."""
    sample: NDArray[np.int64]
    """Number of the sample within its kind; the damaged sections of a sample have its number."""
    figures: Figures
    """Figures by name; those that some of the sections lack are NaN there."""
    wrong: Flags
    """Whether each section is wrong."""
    mae: Floats
    """MAE [m/s]."""

    def __len__(self) -> int:
        return len(self.kind)

    def where(self, chosen: Flags) -> "Cases":
        """Choose some of the sections."""
        figures = {name: values[chosen] for name, values in self.figures.items()}
        return Cases(
            self.kind[chosen],
            self.own[chosen],
            self.sample[chosen],
            figures,
            self.wrong[chosen],
            self.mae[chosen],
        )

    @staticmethod
    def joined(parts: Sequence["Cases"]) -> "Cases":
        """Join sections of several kinds."""
        names = dict.fromkeys(name for part in parts for name in part.figures)
        return Cases(
            np.concatenate([part.kind for part in parts]),
            np.concatenate([part.own for part in parts]),
            np.concatenate([part.sample for part in parts]),
            {
                name: np.concatenate([part.figures.get(name, np.full(len(part), np.nan)) for part in parts])
                for name in names
            },
            np.concatenate([part.wrong for part in parts]),
            np.concatenate([part.mae for part in parts]),
        )


def errors(
    sections: Array, truth: Array, salt: NDArray[np.uint8], limits: TrustConfig, salt_speed: float
) -> tuple[Flags, Floats]:
    """Tell which sections are wrong by the study's limits, and their MAE.

    Without salt in the true model there is neither an IoU nor a boundary: a section is wrong by its MAE, or
    by the share of its cells that are salt. An IoU that is undefined although there is salt, because a layer
    is as fast, is left out.

    Args:
        sections: speeds [m/s], shape ``(section, depth, x)``.
        truth: the true models [m/s], same shape.
        salt: 1 where the true model is salt, same shape.
        limits: when a section is wrong.
        salt_speed: speed from which a cell of a section is salt [m/s].

    Returns:
        Which sections are wrong, and their MAE [m/s]; both of the shape ``(section,)``.
    """
    found, true = torch.tensor(np.asarray(sections, np.float32)), torch.tensor(np.asarray(truth, np.float32))
    inside = torch.tensor(np.asarray(salt)) > 0
    mae = metrics.mae(found, true).double().numpy()
    iou = metrics.salt_iou(found, true, inside).numpy()
    boundary = metrics.mae(found, true, metrics.near_salt_boundary(inside)).numpy()
    invented = (found > salt_speed).double().mean(dim=(1, 2)).numpy()
    wrong = iou < limits.salt_iou  # a comparison with NaN is false
    if limits.boundary is not None:
        wrong |= boundary > limits.boundary
    if limits.mae is not None:
        wrong |= mae > limits.mae
    without_salt = ~inside.any(dim=2).any(dim=1).numpy()
    return wrong | without_salt & (invented > limits.invented), mae


def in_words(limits: TrustConfig) -> str:
    """Say when a section is wrong."""
    told = [f"a salt IoU below {limits.salt_iou:g}"] if limits.salt_iou else []
    told += [] if limits.boundary is None else [f"an MAE at the salt boundary above {limits.boundary:g} m/s"]
    told += [] if limits.mae is None else [f"an MAE above {limits.mae:g} m/s"]
    return " or ".join(told) or "salt in a model without any"
