"""What a network makes of records beside their section, from which its own doubts can be told.

All of it depends on the records and the network alone: it is the same for every section that is checked by
these records, whoever made it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor, nn

from fwi.inverter import BATCH, Array, Inverter
from fwi.networks.rehearsal import require_mirrorable
from fwi.survey import Survey

Floats = NDArray[np.float64]

AXES = 16
"""Largest number of directions in which features are compared with those of training."""
DIGITS = 5
"""Significant digits of what is stored of the features."""


class Seen(NamedTuple):
    """What a network makes of the records of several sections."""

    views: dict[str, Array]
    """Sections of the same records [m/s], shape ``(section, depth, x)``: ``own``, of the records as they are;
    ``mirrored``, of the mirrored records and mirrored back, where the survey is symmetric; ``even`` and
    ``odd``, of every other shot, where the network takes any survey."""
    features: Floats
    """Means of the deepest features over the section, shape ``(section, channel)``."""
    spread: Floats | None = None
    """Mean spread by the network's own head [m/s], shape ``(section,)``; None where it has none."""

    def rows(self, rows: Sequence[int]) -> "Seen":
        """Choose records, which may be repeated."""
        views = {name: sections[rows] for name, sections in self.views.items()}
        return Seen(views, self.features[rows], None if self.spread is None else self.spread[rows])


def see(inverter: Inverter, gathers: Array, survey: Survey | None = None) -> Seen:
    """Invert records in several ways.

    Args:
        inverter: the inverter.
        gathers: the records, shape ``(section, shot, time, receiver)``.
        survey: their survey; the inverter's own if left out.

    Raises:
        ValueError: the records do not fit the survey, or the inverter does not serve it.
    """
    survey = None if survey == inverter.survey else survey
    batch = inverter.batch(gathers, survey)
    with _deepest(inverter) as deepest:
        views, features = {"own": _inverted(inverter, batch, survey)}, deepest()
    if _mirrorable(inverter):
        views["mirrored"] = _inverted(inverter, batch, survey, mirrored=True)
    if inverter.any_survey and batch.shape[1] > 1:
        odd = (torch.arange(batch.shape[1]) % 2 == 1)[:, None, None]
        views |= {
            "even": _inverted(inverter, batch * ~odd, survey),
            "odd": _inverted(inverter, batch * odd, survey),
        }
    return Seen(views, features, _spread(inverter, gathers, survey))


def deepest_features(inverter: Inverter, gathers: Array, survey: Survey | None = None) -> Floats:
    """Return the features of ``see`` alone, at a quarter of the cost.

    Args:
        inverter: the network.
        gathers: records, shape ``(section, shot, time, receiver)``.
        survey: their survey; None for that of the network.

    Returns:
        Mean of each channel of the deepest map, shape ``(section, channel)``.
    """
    survey = None if survey == inverter.survey else survey
    with _deepest(inverter) as deepest:
        _inverted(inverter, inverter.batch(gathers, survey), survey)
        return deepest()


def _inverted(inverter: Inverter, batch: Tensor, survey: Survey | None, mirrored: bool = False) -> Array:
    with torch.inference_mode(), inverter.autocast():
        sections = [
            inverter(part.to(inverter.device), survey, mirrored).float().cpu()
            for part in torch.split(batch, BATCH)
        ]
    velocity: Array = torch.cat(sections).numpy()
    return velocity


def _spread(inverter: Inverter, gathers: Array, survey: Survey | None) -> Floats | None:
    """Mean spread by the network's head, shape ``(section,)``; None where the network has none."""
    if inverter.network.spread is None:
        return None
    head = inverter.spread(gathers, survey).sources["head"]
    spread: Floats = head.reshape(len(gathers), -1).mean(axis=1).astype(np.float64)
    return spread


def _mirrorable(inverter: Inverter) -> bool:
    try:
        require_mirrorable(inverter.study.model, inverter.survey)
    except ValueError:
        return False
    return True


class _deepest:  # noqa: N801 - a context manager, used as a function
    """Record the features of the network's smallest map while batches pass through it."""

    def __init__(self, inverter: Inverter) -> None:
        self.parts = list(inverter.network.parts().values())
        self.maps: dict[nn.Module, tuple[int, list[Tensor]]] = {}

    def __enter__(self) -> Callable[[], Floats]:
        self.hooks = [part.register_forward_hook(self._keep) for part in self.parts]
        return self._pooled

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def _keep(self, part: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            self.maps.setdefault(part, (output[0, 0].numel(), []))[1].append(
                output.double().mean(dim=(2, 3)).cpu()
            )

    def _pooled(self) -> Floats:
        """Mean features of the smallest map, of the last part that has one."""
        if not self.maps:
            raise ValueError("the network has no maps of features (batch, channel, height, width)")
        _, means = min(reversed(self.maps.values()), key=lambda found: found[0])
        pooled: Floats = torch.cat(means).numpy()
        return pooled


class FeatureSpace(BaseModel):
    """The features of training, by their principal axes: how far others are from them."""

    mean: list[float]
    """Mean features, one per channel."""
    axes: list[list[float]]
    """Principal axes divided by the standard deviation along them, shape ``(axis, channel)``."""

    @classmethod
    def of(cls, features: Floats) -> "FeatureSpace":
        """Describe the features of training records, shape ``(section, channel)``."""
        mean = features.mean(axis=0)
        _, values, axes = np.linalg.svd(features - mean, full_matrices=False)
        deviation = values / np.sqrt(max(1, len(features) - 1))
        most = max(1, min(AXES, len(features) // 5))
        kept = [number for number in range(min(most, len(values))) if deviation[number] > 1e-6 * deviation[0]]
        return cls(mean=_rounded(mean), axes=[_rounded(axes[number] / deviation[number]) for number in kept])

    def distance(self, features: Floats) -> Floats:
        """Mahalanobis distance of features ``(section, channel)`` by axis, shape ``(section,)``."""
        if not self.axes:  # features that are all alike
            return np.zeros(len(features))
        along = (features - np.array(self.mean)) @ np.array(self.axes).T
        distance: Floats = np.sqrt((along**2).mean(axis=1))
        return distance


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
