"""The figures of a check, from which the verdict is drawn: all are larger where a section is worse.

Figures of the records compare them with the gathers that are simulated from the section; figures of the
section look at it alone; figures of the network ask how sure the network is of these records. Each is one
number per section, and NaN where it cannot be had, such as far offsets of a survey that has none.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fwi.check import Checked
from fwi.misfit import (
    correlation,
    normalised_rms,
    offset_window,
    weighted_by_time,
)
from fwi.survey import Survey
from fwi.trust.contradiction import contradiction
from fwi.trust.seen import FeatureSpace, Seen

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Figures = dict[str, Floats]
"""Figures of several sections by name, each of the shape ``(section,)``."""

NEAR = 0.25
"""Largest of the near offsets, as a share of the largest offset."""
CONTRADICTED = 1.1
"""Unexplained share of the energy from a place, from which on the records contradict the section there: two
gathers that have nothing in common give 2."""
SURFACE = 2
"""Rows of cells below the surface that are left out of the map of contradictions: direct waves fill them."""
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
    "nrms_near": Figure("NRMS of the near offsets", "", "records", 0.02),
    "envelope": Figure("NRMS of the envelopes", "", "records", 0.02),
    "decorrelation": Figure("lack of correlation of the worst tenth of traces", "", "records", 0.01),
    "contradicted": Figure("share of the section that the records contradict", "", "records", 0.02),
    "contradiction": Figure("contradiction where it is strongest", "", "records", 0.05),
    "steepest": Figure("steepest change with depth", "m/s", "section", 20.0),
    "views": Figure("difference between the network's views of the record", "m/s", "network", 5.0),
    "unsure_salt": Figure("salt that the network is not sure of", "", "network", 0.02),
    "mirrored_salt": Figure("salt that the mirrored record has elsewhere", "", "network", 0.02),
    "spread": Figure("spread that the network expects", "m/s", "network", 10.0),
    "features": Figure("distance of the features from those of training", "", "geology", 0.2),
}
"""Every figure by name."""


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
    views = torch.from_numpy(np.stack(list(seen.views.values()))).double()
    salt = torch.sigmoid((views - salt_speed) / SALT_WIDTH)
    found = {name: np.array([figures[name] for figures in of_records]) for name in of_records[0]}
    found |= {
        "steepest": sections.diff(dim=1).flatten(1).quantile(0.99, dim=1).numpy(),
        "views": views.std(dim=0, correction=0).mean((1, 2)).numpy(),
        "unsure_salt": _expected_loss(salt.mean(dim=0)).numpy(),
        "features": space.distance(seen.features),
    }
    if "mirrored" in seen.views:
        own, mirrored = salt[0], salt[list(seen.views).index("mirrored")]
        apart, union = (own - mirrored).abs().sum((1, 2)), torch.maximum(own, mirrored).sum((1, 2))
        found["mirrored_salt"] = (apart / (union + FEW_CELLS)).numpy()
    if seen.spread is not None:
        found["spread"] = seen.spread
    return found


def _of_records(checked: Checked, survey: Survey) -> dict[str, float]:
    """Compare the records of one section with its simulated gathers."""
    dt = survey.recorded_dt
    recorded = torch.from_numpy(checked.recorded)
    live = recorded.any(dim=1)
    recorded = weighted_by_time(recorded, dt, power=1)
    simulated = weighted_by_time(torch.from_numpy(checked.simulated), dt, power=1) * live[:, None]
    offset = torch.from_numpy(survey.offset)
    near = offset_window(offset, 0.0, NEAR * float(offset.max()))
    squared, own = (weighted_by_time(gathers, dt, power=1) for gathers in (recorded, simulated))
    correlations = correlation(squared, own)[live]
    places = contradiction(checked, survey)[SURFACE:]
    return {
        "nrms_near": _nrms(simulated * near, recorded * near),
        "envelope": _nrms(_envelope(simulated), _envelope(recorded)),
        "decorrelation": 1 - float(correlations.quantile(0.1)),
        "contradicted": float(np.mean(places > CONTRADICTED)),
        "contradiction": float(np.quantile(places, 0.98)),
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


def _expected_loss(salt: Tensor) -> Tensor:
    """Expected lack of overlap of a section's salt with the truth, 0 where the network is sure of each cell.

    That is one minus the expected IoU of the cells that are rather salt than not, with the degree to which
    the network's views have salt there as its probability.

    Args:
        salt: probability of salt of each cell, shape ``(section, depth, x)``.
    """
    chosen = salt > 0.5
    overlap, union = (salt * chosen).sum((1, 2)), torch.where(chosen, 1.0, salt).sum((1, 2))
    loss: Tensor = 1 - (overlap + FEW_CELLS) / (union + FEW_CELLS)
    return loss
