"""Is a sample sound? These checks of its records and its model need no other sample."""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fwi.survey import Survey

CLIPPED_RUN = 4
"""Number of consecutive samples at the largest amplitude from which a trace counts as clipped."""

SAME_RECORDS = {"float16": 1e-3, "float32": 1e-4}
"""Largest NRMS between records that differ only by rounding, for each precision of storage."""


class Records(NamedTuple):
    """Finiteness, amplitude, and dead and clipped traces of a sample's records."""

    finite: bool
    """Whether no value is NaN or infinite."""
    peak: float
    """Largest absolute value."""
    dead: NDArray[np.bool_]
    """Traces that are zero throughout, shape ``(shot, receiver)``."""
    clipped: NDArray[np.bool_]
    """Traces that are cut off at their largest amplitude, shape ``(shot, receiver)``."""


def look_at(gathers: Tensor) -> Records:
    """Inspect the records of a sample, float32 of shape ``(shot, time, receiver)``."""
    amplitude = gathers.abs()
    peak = amplitude.amax(dim=1)
    finite = bool(peak.isfinite().all())
    at_peak = (amplitude == peak[:, None]).unfold(1, CLIPPED_RUN, 1).all(dim=-1).any(dim=1)
    return Records(
        finite, float(peak.max()) if finite else 0.0, (peak == 0).numpy(), (at_peak & (peak > 0)).numpy()
    )


def reached(survey: Survey) -> NDArray[np.bool_]:
    """Traces that the direct wave reaches even at the grid's slowest speed, shape ``(shot, receiver)``."""
    offset = np.hypot(survey.receiver_x - survey.shot_x[:, None], survey.receiver_depth - survey.shot_depth)
    peak_time = float(np.argmax(survey.wavelet)) * survey.config.dt
    arrived: NDArray[np.bool_] = offset / survey.grid.velocity[0] + peak_time <= survey.time[-1]
    return arrived


def model_faults(
    velocity: NDArray[np.float32], salt: NDArray[np.uint8], velocity_range: tuple[float, float]
) -> list[str]:
    """List the faults of a model.

    Args:
        velocity: P-wave speed [m/s], shape ``(depth, x)``.
        salt: 1 where there is salt, 0 elsewhere, shape ``(depth, x)``.
        velocity_range: slowest and fastest admissible speed [m/s].
    """
    faults = []
    slowest, fastest = velocity_range
    if not np.isfinite(velocity).all():
        faults.append("speeds that are NaN or infinite")
    elif velocity.min() < slowest or velocity.max() > fastest:
        faults.append(f"speeds outside grid.velocity {slowest:g} .. {fastest:g} m/s")
    if salt.max() > 1:
        faults.append("a salt mask with other values than 0 and 1")
    return faults


def is_fastest(velocity: NDArray[np.float32], salt: NDArray[np.uint8]) -> bool:
    """Tell whether all salt is faster than all other rock.

    Args:
        velocity: a model [m/s], shape ``(depth, x)``.
        salt: 1 where there is salt, same shape.
    """
    inside, outside = velocity[salt == 1], velocity[salt == 0]
    return not inside.size or not outside.size or bool(inside.min() > outside.max())


def fingerprint(values: NDArray[np.floating], along_line: tuple[int, ...]) -> bytes:
    """Hash of a model that its mirror image shares, and no other model.

    Args:
        values: a model, shape ``(depth, x)``; if it is unknown its records, ``(shot, time, receiver)``.
        along_line: the axes to mirror.
    """
    content = min(values.tobytes(), np.flip(values, along_line).tobytes())
    return hashlib.blake2b(content, digest_size=16).digest()
