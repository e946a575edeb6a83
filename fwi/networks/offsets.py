"""Common-offset sections: the traces of any survey, stacked by midpoint and by class of offset."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fwi.survey import Survey

DAMPING = 0.3
"""Fold that is added to the fold of each place: a lone trace between two places appears weaker in both."""


class Places(NamedTuple):
    """The four places among which each trace of a survey is divided: two columns, and two classes in each."""

    number: Tensor
    """Number of the place, shape ``(4, shot * receiver)``."""
    weight: Tensor
    """Share of the trace; the four add up to one, or to zero for a trace that is left out; same shape."""


class CommonOffsets(nn.Module):
    """Stack the traces of a survey into common-offset sections.

    A trace is placed by the midpoint of shot and receiver, beneath which flat layers reflect (Mayne, 1962,
    Geophysics 27, 927), and by its absolute offset, on which the time of a reflection depends. Unlike the
    number of a shot, both have the same meaning in every survey. Hence one network serves any number of shots
    and receivers at any positions, in any order, and traces may be missing.

    Each trace is divided by linear weights between the two nearest columns of the section and the two nearest
    classes of offset, and the weighted sum of a place is divided by its fold, the sum of the weights, plus
    ``DAMPING``. Places without a trace are zero. A trace that is zero throughout counts as missing; one whose
    midpoint is off the line, or whose offset exceeds the largest class, is left out.

    The result does not depend on the order of shots and receivers, nor on which of a pair is the shot; a
    mirrored survey gives mirrored sections.

    Args:
        survey: the grid; shots and receivers of the records unless ``forward`` is given others.
        classes: number of classes of offset, evenly spaced from zero to the length of the line, or of a
            streamer to its largest offset.
    """

    number: Tensor
    weight: Tensor

    def __init__(self, survey: Survey, classes: int) -> None:
        super().__init__()
        self.classes, self.columns = classes, survey.grid.nx
        self.spacing = survey.grid.spacing
        self.farthest = largest_offset(survey)
        own = self.places(survey)
        self.register_buffer("number", own.number, persistent=False)
        self.register_buffer("weight", own.weight, persistent=False)

    def places(self, survey: Survey) -> Places:
        """Compute the places of the traces of a survey over the same line."""
        shot_x, receiver_x = (np.ascontiguousarray(each) for each in (survey.shot_x, survey.receiver_x))
        return self.places_of(torch.from_numpy(shot_x), torch.from_numpy(receiver_x))

    def places_of(self, shot_x: Tensor, receiver_x: Tensor) -> Places:
        """Compute the places of traces from the positions of shots and receivers along the line.

        Args:
            shot_x: position of each shot [m], shape ``(shot,)``, in float64.
            receiver_x: position of each receiver of each shot [m], shape ``(shot, receiver)``, in float64.
        """
        midpoint = (shot_x[:, None] + receiver_x) / 2
        offset = (shot_x[:, None] - receiver_x).abs()
        columns, along = _neighbours(midpoint.flatten() / self.spacing, self.columns)
        step = self.farthest / (self.classes - 1)
        classes, across = _neighbours(offset.flatten() / step, self.classes)
        number = classes[:, None] * self.columns + columns
        weight = across[:, None] * along
        return Places(number.flatten(0, 1), weight.flatten(0, 1).float())

    def forward(self, gathers: Tensor, survey: Survey | Places | None = None) -> Tensor:
        """Stack gathers.

        Args:
            gathers: shape ``(batch, shot, time, receiver)``.
            survey: their survey, or the places of its traces, if it is not that of the constructor.

        Returns:
            Common-offset sections, shape ``(batch, class, time, column)``.
        """
        match survey:
            case None:
                places = Places(self.number, self.weight)
            case Survey():
                places = self.places(survey)
            case _:
                places = survey
        batch, _, samples, _ = gathers.shape
        traces = gathers.transpose(2, 3).flatten(1, 2)
        live = traces.any(2).to(traces.dtype)
        stack = traces.new_zeros(batch, self.classes * self.columns, samples)
        fold = traces.new_zeros(batch, self.classes * self.columns)
        for number, weight in zip(*(part.to(traces.device) for part in places), strict=True):
            stack.index_add_(1, number, traces * weight[:, None])
            fold.index_add_(1, number, live * weight)
        sections = stack / (fold + DAMPING)[:, :, None]
        return sections.view(batch, self.classes, self.columns, samples).transpose(2, 3)


def largest_offset(survey: Survey) -> float:
    """Offset of the last class [m]: the length of the line, or the largest offset of a streamer."""
    return survey.length if survey.config.spread == "fixed" else float(survey.offset.max())


def _neighbours(position: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the two integers around each position and their linear weights, both of shape ``(2, n)``.

    Positions outside ``0 .. count - 1`` have weights of zero.
    """
    rounded = (position * 1e6).round() / 1e6  # a position on an integer stays there
    inside = (rounded >= 0) & (rounded <= count - 1)
    left = rounded.floor().clamp(0, max(0, count - 2)).long()
    share = (rounded - left).clamp(0, 1)
    right = (left + 1).clamp(max=count - 1)
    return torch.stack([left, right]), torch.stack([1 - share, share]) * inside
