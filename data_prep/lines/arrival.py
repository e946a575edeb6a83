"""Time zero, polarity and gain of a line's records, measured on the direct arrival of a few shots."""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.lines.spectrum import spaced
from data_prep.lines.wavelet import Wavelet
from data_prep.segy.direct_arrival import LATEST, DirectArrival, measure_direct_arrival
from data_prep.segy.placing import GeometryError, Placement
from data_prep.segy.source import ON_TIME
from fwi.config import PhysicsConfig
from fwi.survey import Survey

LATE = 3.0
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
    later: float = 0.0
    """Part of the shift that is due to the wavelet to which records are shaped, which peaks later."""
    compared: int = 0
    """Number of shots on which it was measured."""
    why: str = "as stated"
    """Why the times are shifted by this much, where nothing was measured."""
    problem: str = ""
    """Why no direct arrival was recognised; empty if one was, or none was looked for."""

    def shaped(self, later: float, wavelet: Wavelet) -> "Arrived":
        """Return what holds for records once they are shaped to a wavelet that peaks ``later`` [s]."""
        shift = round(self.shift + later, 6)
        return self._replace(shift=shift, gain=self.gain / wavelet.weaker, later=later)


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
    signed = -gain if measured.correlation < 0 else gain
    return Arrived(stated, signed, measured, compared=len(some))


def _recognised(records: NDArray[np.float32], survey: Survey, physics: PhysicsConfig) -> DirectArrival:
    """The direct arrival, late ones included.

    Raises:
        GeometryError: none is recognised.
    """
    found, problem = None, None
    try:
        found = measure_direct_arrival(records, survey, physics)
    except GeometryError as error:
        problem = error
    period, step = 1 / survey.config.wavelet.frequency, survey.recorded_dt
    if found is None or -found.shift > LATEST * period - step:  # at the end of what was searched
        with contextlib.suppress(GeometryError):
            late = measure_direct_arrival(records, survey, physics, LATE)
            if abs(late.correlation) >= (SURE if found is None else max(SURE, abs(found.correlation))):
                return late
    if found is None:
        raise problem or GeometryError("no direct arrival is recognised")
    return found
