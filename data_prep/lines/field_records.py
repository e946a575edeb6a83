"""Records of a line in SEG-Y or SU, whose wavelet and time zero are measured."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.lines import wording
from data_prep.lines.arrival import measure_arrival
from data_prep.lines.doubts import doubts
from data_prep.lines.line import Array, RecordedLine
from data_prep.lines.refusals import missing, refuse_depths, refuse_oversized
from data_prep.lines.scaling import line_grid, snapped
from data_prep.lines.spectrum import measure_spectrum
from data_prep.lines.wavelet import Wavelet
from data_prep.segy.headers import HeaderBytes
from data_prep.segy.placing import GeometryError, Placement
from data_prep.segy.recorded import lay_out
from data_prep.segy.regularise import Spreading, bring
from data_prep.segy.shots import RecordedShots, open_shots
from fwi.config import PhysicsConfig
from fwi.networks.offsets import largest_offset
from fwi.survey import Survey

SWELL = 0.15
"""RMS of what lies below the wavelet's band, by the wavelet's, from which on it is filtered away."""


def read_field_records(
    path: Path,
    network: Survey,
    physics: PhysicsConfig,
    frequency: float | None,
    spreading: Spreading,
    shift: float | None,
    header_bytes: HeaderBytes,
) -> RecordedLine:
    """Read the shots of SEG-Y or SU for a network; see ``read_line``."""
    file = open_shots(path, header_bytes)
    spectrum = measure_spectrum(file, spreading, frequency)
    wavelet = Wavelet.wanted(path, spectrum, frequency)
    network_peak = network.config.wavelet.frequency
    factor = wavelet.peak / network_peak
    if frequency is None:
        factor = snapped(factor, _interval(file), network)
    kind, start = line_grid(file, network, factor)
    refuse_depths(file, kind)
    missing(file, kind, shift or 0.0, wavelet.recorded)
    survey, placement = lay_out(file, kind, start)
    refuse_oversized(path, survey)
    low_cut = spreading == "point" or spectrum.swell > SWELL

    def recorded(placement: Placement, survey: Survey, shift: float) -> Array:
        return bring(
            file,
            placement,
            survey,
            spreading=spreading,
            shift=shift,
            low_cut=low_cut,
            response=wavelet.matching,
        )

    if wavelet.shaped:  # as recorded, the direct arrival is the sooner over before reflections come
        own, place = lay_out(file, *line_grid(file, network, wavelet.recorded / network_peak))
        arrived = measure_arrival(recorded, place, own, physics, shift)
        arrived = arrived.shaped(survey.config.wavelet.peaks_at - own.config.wavelet.peaks_at, wavelet)
    else:
        arrived = measure_arrival(recorded, placement, survey, physics, shift)
    gathers = np.float32(arrived.gain) * bring(
        file,
        placement,
        survey,
        spreading=spreading,
        shift=arrived.shift,
        low_cut=low_cut,
        response=wavelet.response,
    )
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


def _interval(file: RecordedShots) -> float:
    """Distance of neighbouring receivers, as a rule [m]."""
    steps = np.concatenate([np.diff(shot.receiver_x) for shot in file.shots])
    if not len(steps):
        raise GeometryError(
            f"{file.path}: one receiver per shot; a survey needs two or more. Each trace has a source of its "
            "own, as in a stacked section; if these are shots, other bytes of the headers tell them apart "
            "or hold the sources: data_prep.lines.read_line takes them as header_bytes, and 'fwi import' as "
            "--bytes.shot and --bytes.source-x"
        )
    return float(np.median(steps))
