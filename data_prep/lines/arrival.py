"""Time zero, polarity and gain of a line's records, measured on the direct arrival of a few shots."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.lines.spectrum import spaced
from data_prep.segy.direct_arrival import DirectArrival, measure_direct_arrival
from data_prep.segy.placing import GeometryError, Placement
from data_prep.segy.source import ON_TIME
from fwi.config import PhysicsConfig
from fwi.survey import Survey

LATE = 2.0
"""Greatest delay of the records that is searched [periods] where none is recognised at smaller ones."""

SURE = 0.8
"""Correlation with the simulated direct arrival from which on such a late one is recognised: reflections come
as late, but do not move out as it does."""

COMPARED = 8
"""Number of shots on which time zero and polarity are measured."""

Bring = Callable[[Placement, Survey, float], NDArray[np.float32]]
"""Brings records onto a survey: of the shots of a placement, with a shift of their times [s]."""


class Arrived(NamedTuple):
    """Time zero, polarity and gain of records."""

    shift: float
    """Seconds to add to the records' times."""
    gain: float = 1.0
    """Factor of the amplitudes, negative for reversed records."""
    measured: DirectArrival | None = None
    """The direct arrival that was measured, if one was."""
    compared: int = 0
    """Number of shots on which it was measured."""
    problem: str = ""
    """Why no direct arrival was recognised; empty if one was, or none was looked for."""


def measure_arrival(
    bring: Bring, placement: Placement, survey: Survey, physics: PhysicsConfig, shift: float | None
) -> Arrived:
    """Measure the direct arrival on shots that are evenly chosen from those with the nearest receivers.

    Args:
        bring: brings records onto a survey.
        placement: the recorded shots, and the receivers that recorded them.
        survey: the survey of the records.
        physics: settings of the simulated direct arrival.
        shift: seconds to add to the records' times; measured if None.

    Returns:
        What was measured. If no direct arrival is recognised, the records are left as they are.
    """
    stated = shift or 0.0
    nearest = np.array([np.abs(shot.offset).min() for shot in placement.shots])
    near = np.flatnonzero(nearest <= np.median(nearest) * (1 + 1e-9))
    some = spaced(near.tolist(), COMPARED)
    recorded = None if placement.recorded is None else tuple(placement.recorded[i] for i in some)
    shots = tuple(placement.shots[i] for i in some)
    positions = {"shots": len(some), "shot_x": tuple(survey.shot_x[some].tolist())}
    few = Survey(survey.grid, survey.config.model_copy(update=positions))
    records = bring(Placement(placement.start, 1, shots, recorded), few, stated)
    try:
        measured = _recognised(records, few, physics)
    except GeometryError as error:
        return Arrived(stated, compared=len(some), problem=str(error).partition(";")[0])
    on_time = abs(measured.shift) <= ON_TIME / survey.config.wavelet.frequency
    if shift is None and not on_time:
        stated = round(measured.shift, 4)
    gain = float(f"{measured.gain:.6g}")
    return Arrived(stated, -gain if measured.correlation < 0 else gain, measured, len(some))


def _recognised(records: NDArray[np.float32], survey: Survey, physics: PhysicsConfig) -> DirectArrival:
    """The direct arrival, late ones included.

    Raises:
        GeometryError: none is recognised.
    """
    try:
        return measure_direct_arrival(records, survey, physics)
    except GeometryError:
        late = measure_direct_arrival(records, survey, physics, LATE)
        if abs(late.correlation) < SURE:
            raise
        return late
