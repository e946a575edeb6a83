"""The figures of a check, from which the verdict is drawn: all are larger where a section is worse.

Figures of the records compare them with the gathers that are simulated from the section; figures of the
section look at it alone; figures of the network ask how sure the network is of these records. Each is one
number per section, and NaN where it cannot be had, such as far offsets of a survey that has none.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fwi.check import Checked
from fwi.misfit import (
    band_passed,
    correlation,
    normalised_rms,
    offset_window,
    time_shift,
    time_window,
    weighted_by_time,
)
from fwi.survey import Survey
from fwi.trust.seen import FeatureSpace, Seen

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Figures = dict[str, Floats]
"""Figures of several sections by name, each of the shape ``(section,)``."""

LOW = 0.4
"""Upper end of the low frequencies, as a share of the peak frequency."""
NEAR = 0.25
"""Largest of the near offsets, as a share of the largest offset."""
LATE = 0.65
"""Beginning of late times, as a share of the record's duration."""
SALT_WIDTH = 80.0
"""Width of the step from sediment to salt within which a cell could be either [m/s]."""
FEW_CELLS = 20
"""Cells that are added to the salt's, so that a few cells of it make no extreme ratio."""


class Figure(NamedTuple):
    """A figure of the check: what it is called, and what it speaks of."""

    title: str
    """Name within a sentence."""
    unit: str
    """Unit, empty for a ratio."""
    of: Literal["records", "section", "network", "geology"]
    """What a large value calls in question: how the records are explained, what the section looks like, how
    sure the network is of it, or whether the network was trained on such geology."""
    floor: float
    """Value below which differences mean nothing; figures are compared by their logarithm above it."""


FIGURES: dict[str, Figure] = {
    "nrms": Figure("NRMS", "", "records", 0.02),
    "nrms_low": Figure("NRMS of the low frequencies", "", "records", 0.02),
    "nrms_near": Figure("NRMS of the near offsets", "", "records", 0.02),
    "nrms_late": Figure("NRMS of late times", "", "records", 0.02),
    "envelope": Figure("NRMS of the envelopes", "", "records", 0.02),
    "decorrelation": Figure("lack of correlation of the worst tenth of traces", "", "records", 0.01),
    "shift": Figure("time shift of the worst tenth of traces", "s", "records", 0.001),
    "by_mean_model": Figure("NRMS by that of the mean model", "", "records", 0.02),
    "unsure_salt": Figure("cells between sediment and salt", "", "section", 0.01),
    "steepest": Figure("steepest change with depth", "m/s", "section", 20.0),
    "mirrored": Figure("difference to the section of the mirrored record", "m/s", "network", 5.0),
    "mirrored_salt": Figure("salt that the mirrored record has elsewhere", "", "network", 0.02),
    "halves": Figure("difference between sections of half of the shots", "m/s", "network", 5.0),
    "halves_salt": Figure("salt that half of the shots have elsewhere", "", "network", 0.02),
    "spread": Figure("width of the network's own interval", "m/s", "network", 10.0),
    "features": Figure("distance of the features from those of training", "", "geology", 0.2),
    "moved": Figure("distance that refinement moved the section", "m/s", "records", 5.0),
    "starts": Figure("difference of refinements from several starts", "m/s", "records", 5.0),
}
"""Every figure by name. The last two are of refined sections alone."""


def measure(
    checked: Sequence[Checked], seen: Seen, space: FeatureSpace, survey: Survey, salt_speed: float
) -> Figures:
    """Compute the figures of sections that were checked by records of one survey.

    Args:
        checked: the sections with their simulated gathers.
        seen: what the network makes of the records, for the same sections.
        space: the features of training.
        survey: survey of the records.
        salt_speed: speed from which a cell is salt [m/s].
    """
    sections = torch.from_numpy(np.stack([each.section for each in checked])).double()
    of_records = [_of_records(each, survey) for each in checked]
    found = {name: np.array([figures[name] for figures in of_records]) for name in of_records[0]}
    own = torch.from_numpy(seen.section).double()
    found |= {
        "unsure_salt": _unsure(sections, salt_speed).numpy(),
        "steepest": sections.diff(dim=1).flatten(1).quantile(0.99, dim=1).numpy(),
        "features": space.distance(seen.features),
    }
    if seen.mirrored is not None:
        found |= _difference("mirrored", own, torch.from_numpy(seen.mirrored).double(), salt_speed)
    if seen.halves is not None:
        one, other = (torch.from_numpy(half).double() for half in seen.halves)
        found |= _difference("halves", one, other, salt_speed)
    if seen.spread is not None:
        found["spread"] = seen.spread
    return found


def _of_records(checked: Checked, survey: Survey) -> dict[str, float]:
    """Compare the records of one section with its simulated gathers."""
    dt, frequency = survey.recorded_dt, survey.config.wavelet.frequency
    recorded = torch.from_numpy(checked.recorded)
    live = recorded.any(dim=1)
    recorded = weighted_by_time(recorded, dt, power=1)
    simulated = weighted_by_time(torch.from_numpy(checked.simulated), dt, power=1) * live[:, None]
    offset = torch.from_numpy(survey.offset)
    near = offset_window(offset, 0.0, NEAR * float(offset.max()))
    begin = torch.full_like(offset, LATE * survey.config.nt * survey.config.dt)
    late = time_window(begin, torch.full_like(begin, math.inf), recorded.shape[1], dt, 1 / frequency)
    squared, own = (weighted_by_time(gathers, dt, power=1) for gathers in (recorded, simulated))
    correlations, shifts = correlation(squared, own)[live], time_shift(squared, own, dt)[live].abs()
    return {
        "nrms": _nrms(simulated, recorded),
        "nrms_low": _nrms(*(band_passed(each, dt, 0.0, LOW * frequency) for each in (simulated, recorded))),
        "nrms_near": _nrms(simulated * near, recorded * near),
        "nrms_late": _nrms(simulated * late, recorded * late),
        "envelope": _nrms(_envelope(simulated), _envelope(recorded)),
        "decorrelation": 1 - float(correlations.quantile(0.1)),
        "shift": float(shifts.quantile(0.9)),
        "by_mean_model": checked.misfit.median.nrms / checked.mean_model.median.nrms,
    }


def _nrms(simulated: Tensor, recorded: Tensor) -> float:
    """NRMS of all traces; NaN where nothing was recorded, as where no trace is within a window."""
    return float(normalised_rms(simulated, recorded))


def _envelope(gathers: Tensor) -> Tensor:
    """Envelope of traces: the size of the analytic signal, shape ``(shot, time, receiver)``."""
    nt = gathers.shape[1]
    spectrum = torch.fft.fft(gathers, 2 * nt, dim=1)
    spectrum[:, nt + 1 :] = 0  # negative frequencies
    spectrum[:, 1:nt] *= 2
    envelope: Tensor = torch.fft.ifft(spectrum, dim=1)[:, :nt].abs()
    return envelope


def _salt(sections: Tensor, salt_speed: float) -> Tensor:
    """Degree to which cells are salt, from 0 to 1."""
    return torch.sigmoid((sections - salt_speed) / SALT_WIDTH)


def _unsure(sections: Tensor, salt_speed: float) -> Tensor:
    salt = _salt(sections, salt_speed)
    unsure: Tensor = (salt * (1 - salt)).sum((1, 2)) / (salt.sum((1, 2)) + FEW_CELLS)
    return unsure


def _difference(name: str, one: Tensor, other: Tensor, salt_speed: float) -> Figures:
    """Mean difference of two sections of the same records, and of their salt by all of their salt."""
    first, second = _salt(one, salt_speed), _salt(other, salt_speed)
    apart = (first - second).abs().sum((1, 2))
    union = torch.maximum(first, second).sum((1, 2)) + FEW_CELLS
    return {
        name: (one - other).abs().mean((1, 2)).numpy(),
        f"{name}_salt": (apart / union).numpy(),
    }
