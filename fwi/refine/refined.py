"""The outcome of a refinement."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwi.refine.source import SourceMatch

Array = NDArray[np.float32]


class Iteration(NamedTuple):
    """The state of a refinement after a gradient."""

    gradients: float
    """Gradients of all shots so far; one of half the shots counts as half."""
    stage: str
    """Stage of the refinement, such as the band of frequencies that is fitted."""
    misfit: float
    """What is minimised: the misfit with the records plus the penalty of a rough section."""
    data_misfit: float
    """The misfit with the records alone, of the shots that are fitted."""
    seconds: float
    """Duration of all gradients so far [s]."""


@dataclass(frozen=True)
class Refined:
    """The outcome of a refinement. Sections have the shape ``(depth, x)`` [m/s]."""

    section: Array
    """The section to use: the refined one if it was accepted, else the start."""
    start: Array
    """The section that was to be refined."""
    candidate: Array
    """The refined section, accepted or not."""
    accepted: bool
    """Whether the misfit of the held-out shots fell far enough (``refine.accept``), or none was held out."""
    reason: str
    """Why the refined section is returned, or why not, in one sentence."""
    history: tuple[Iteration, ...]
    """The state after each gradient."""
    before: Array
    """Gathers of the start, matched to the records' source, shape ``(shot, time, receiver)``."""
    after: Array
    """Gathers of the refined section, in the same way and of the same shape."""
    recorded: Array
    """The records, same shape as ``before``."""
    held_out: tuple[int, ...]
    """Shots that the first stage did not fit."""
    held_out_before: float
    """Misfit of the start with the shots held out; NaN where none were."""
    held_out_after: float
    """Misfit of the section after the first stage with the shots held out."""
    source: SourceMatch
    """Gain, delay and wavelet of the source, as estimated."""
    starts: dict[str, Array]
    """Where refinement from the other starts ended, by name; empty without other starts."""
    stopped: str
    """What ended the refinement: ``converged``, ``budget``, ``noise`` or ``interrupted``."""
    gradients: float
    """Number of gradients of all shots; one of half the shots counts as half."""
    seconds: float
    """Duration [s]."""
    settings: dict[str, Any] = field(default_factory=dict)
    """The study's sections ``physics``, ``check`` and ``refine`` that it was refined by, as plain values."""
