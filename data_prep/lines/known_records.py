"""Records of a known survey, of a shard or a .npy, for a network: their wavelet and time zero are known."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.lines import wording
from data_prep.lines.arrival import Arrived
from data_prep.lines.doubts import beyond, doubts
from data_prep.lines.known import KnownShots, own_kind, read_known
from data_prep.lines.line import RecordedLine
from data_prep.lines.refusals import missing, refuse_depths, refuse_oversized
from data_prep.lines.scaling import FEWEST_COLUMNS, over_columns
from data_prep.lines.wavelet import Wavelet
from data_prep.segy.placing import Placement
from data_prep.segy.recorded import lay_out
from data_prep.segy.regularise import bring
from fwi.networks.offsets import largest_offset
from fwi.survey import Survey
from fwi.survey_limits import ON_CELL


def read_known_records(
    path: Path, network: Survey, frequency: float | None, made_for: Path | None, shift: float | None
) -> RecordedLine:
    """Read the records of a shard or a .npy for a network; see ``read_line``."""
    samples, own = read_known(path, network, made_for)
    wavelet = Wavelet.wanted(path, own.config.wavelet.frequency, frequency)
    file = KnownShots(path, own, samples[0])
    if own_kind(own, network) and not wavelet.shaped and not shift:
        grid = network.grid.model_copy(update={"nx": own.grid.nx})
        survey = own if own.grid == grid else Survey(grid, own.config)
        found = [*doubts(file, survey, network, wavelet, samples[0], Arrived(0.0)), *beyond(own, network)]
        return RecordedLine(samples, survey, 1.0, 0.0, (), tuple(found))
    factor = wavelet.peak / network.config.wavelet.frequency
    columns = math.ceil(own.length / (network.grid.spacing / factor) - ON_CELL) + 1
    kind = over_columns(network, factor, max(columns, FEWEST_COLUMNS))
    refuse_depths(file, kind)
    late = kind.config.wavelet.peaks_at - own.config.wavelet.peaks_at + (shift or 0.0)
    arrived = Arrived(round(late, 6), why="for the wavelet to peak when the network's does")
    missing(file, kind, arrived.shift, wavelet.recorded)
    survey, placement = lay_out(file, kind, 0.0)
    refuse_oversized(path, survey)
    brought = []
    for sample in samples:
        file = KnownShots(path, own, sample)
        gathers = bring(
            file, placement, survey, shift=arrived.shift, low_cut=False, response=wavelet.response
        )
        gathers /= np.float32(wavelet.weaker)
        brought.append(np.where(_live(file, placement, survey)[:, None, :], gathers, np.float32(0)))
    live: NDArray[np.bool_] = np.any(brought[0], axis=1)
    changes = [
        *wording.scale(survey, wavelet, factor),
        *wording.places(file, survey, placement, live, largest_offset(network) / factor),
        *wording.band(survey, "line", low_cut=False)[:1],
        *wording.time(file, survey, arrived),
        *wording.reached(file, survey, arrived),
    ]
    warnings = [*doubts(file, survey, network, wavelet, brought[0], arrived), *beyond(own, network)]
    return RecordedLine(np.stack(brought), survey, factor, 0.0, tuple(changes), tuple(warnings))


def _live(file: KnownShots, placement: Placement, survey: Survey) -> NDArray[np.bool_]:
    """Which traces of the survey were recorded, as the nearest ones tell, shape ``(shot, receiver)``."""
    live = np.zeros((survey.config.shots, survey.config.receivers), bool)
    for i, shot in enumerate(placement.shots):
        wanted = placement.receiver_x(survey, i)
        nearest = np.abs(wanted[:, None] - shot.receiver_x).argmin(axis=1)
        live[i, placement.receivers(survey, i)] = np.any(file.read(shot.number)[:, nearest], axis=0)
    return live
