"""Records of a line for a trained network, whatever their spacing, frequency, length and duration."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.lines import wording
from data_prep.lines.arrival import measure_arrival
from data_prep.lines.doubts import doubts, missing, refuse_depths
from data_prep.lines.scaling import line_grid, snapped
from data_prep.lines.spectrum import measure_spectrum
from data_prep.lines.wavelet import Wavelet
from data_prep.segy.headers import STANDARD, HeaderBytes
from data_prep.segy.placing import GeometryError, Placement
from data_prep.segy.recorded import lay_out
from data_prep.segy.regularise import Spreading, bring
from data_prep.segy.shots import RecordedShots, open_shots
from fwi.config import PhysicsConfig
from fwi.networks.offsets import largest_offset
from fwi.survey import Survey
from fwi.survey_limits import oversized

Array = NDArray[np.float32]

SWELL = 0.15
"""RMS of what lies below the wavelet's band, by the wavelet's, from which on it is filtered away."""


class RecordedLine(NamedTuple):
    """Records of a line, in the file's metres and seconds, with what scales them to a network."""

    gathers: Array
    """Pressure, shape ``(sample, shot, time, receiver)``; missing traces are zero throughout."""
    survey: Survey
    """The network's survey divided by ``factor``, but with the shots of the file, all of its receivers as one
    fixed spread, and a grid of as many columns as the line needs."""
    factor: float
    """Lengths and times multiplied by it are those of the network."""
    start: float
    """Position on the file's line of the survey's x = 0 [m]."""
    changes: tuple[str, ...]
    """What was read, and done to the records, a sentence each."""
    warnings: tuple[str, ...]
    """What of the records the network was not trained for, a sentence each."""


def read_line(
    path: Path,
    network: Survey,
    physics: PhysicsConfig,
    *,
    frequency: float | None = None,
    made_for: Path | None = None,
    spreading: Spreading = "line",
    shift: float | None = None,
    header_bytes: HeaderBytes = STANDARD,
) -> RecordedLine:
    """Read the records of a line for a network of any grid, time axis and wavelet, without printing.

    Args:
        path: shots as SEG-Y or SU.
        network: the survey that the network was trained on.
        physics: settings of the simulated direct arrival, on which time zero and polarity are measured.
        frequency: peak frequency that the records are to have [Hz], lower than they have, for which they are
            low-passed; that which they have if not given.
        made_for: YAML file with the grid and survey of a .npy.
        spreading: ``line`` for records of 2-D simulation, ``point`` for those of the field.
        shift: seconds to add to the records' times; measured on the direct arrival if not given.
        header_bytes: where the trace headers of SEG-Y keep what.

    Raises:
        ValueError: the file cannot be read, or its records are nothing for the network; the message gives the
            numbers.
    """
    return _read_segy(path, network, physics, frequency, spreading, shift, header_bytes)


def _read_segy(
    path: Path,
    network: Survey,
    physics: PhysicsConfig,
    frequency: float | None,
    spreading: Spreading,
    shift: float | None,
    header_bytes: HeaderBytes,
) -> RecordedLine:
    file = open_shots(path, header_bytes)
    spectrum = measure_spectrum(file, spreading, frequency)
    wavelet = Wavelet.wanted(path, spectrum, frequency)
    factor = wavelet.peak / network.config.wavelet.frequency
    if frequency is None:
        factor = snapped(factor, _interval(file), network)
    kind, start = line_grid(file, network, factor)
    refuse_depths(file, kind)
    missing(file, kind, shift or 0.0)
    survey, placement = lay_out(file, kind, start)
    refuse_oversized(path, survey)
    low_cut = spreading == "point" or spectrum.swell > SWELL

    def brought(placement: Placement, survey: Survey, shift: float) -> Array:
        return bring(
            file,
            placement,
            survey,
            spreading=spreading,
            shift=shift,
            low_cut=low_cut,
            response=wavelet.response,
        )

    arrived = measure_arrival(brought, placement, survey, physics, shift)
    gathers = np.float32(arrived.gain) * brought(placement, survey, arrived.shift)
    live: NDArray[np.bool_] = np.any(gathers, axis=1)
    changes = [
        *wording.scale(survey, wavelet, factor),
        *wording.places(file, survey, placement, live, largest_offset(network) / factor),
        *wording.band(survey, spreading, low_cut),
        *wording.time(file, survey, arrived),
        *wording.reached(file, survey, arrived),
    ]
    warnings = doubts(file, survey, network, wavelet, gathers, arrived)
    return RecordedLine(gathers[None], survey, factor, start, tuple(changes), tuple(warnings))


def refuse_oversized(path: Path, survey: Survey) -> None:
    """Refuse records that do not fit into the machine's memory.

    Raises:
        GeometryError: they do not.
    """
    if mistakes := oversized(survey.grid, survey.config):
        raise GeometryError(f"{path}: take a part of the line:\n" + "\n".join(mistakes))


def _interval(file: RecordedShots) -> float:
    """Distance of neighbouring receivers, as a rule [m]."""
    steps = np.concatenate([np.diff(shot.receiver_x) for shot in file.shots])
    if not len(steps):
        raise GeometryError(
            f"{file.path}: one receiver per shot; if several traces have one source, --bytes.shot 0 groups "
            "them by its place; else another byte may tell the shots apart"
        )
    return float(np.median(steps))
