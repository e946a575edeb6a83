"""Corruptions that depend on where shots and receivers are: errors of positions, a muted direct wave."""

import numpy as np

from fwi.corruption.band import Gathers
from fwi.survey import Survey


def jitter(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Record at other positions than the survey says.

    Each receiver is off by its own error, the same for every shot, and each shot by one that moves all its
    receivers together. Traces are interpolated linearly between their live neighbours, and not beyond the
    outermost ones.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the receivers' positions.
        strength: standard deviation of the errors along the line [m].
        random: draws the errors.
    """
    shots, _, receivers = gathers.shape
    errors = strength * (random.standard_normal((1, receivers)) + random.standard_normal((shots, 1)))
    moved = gathers.copy()
    for shot, gather in enumerate(gathers):
        traces = np.flatnonzero(gather.any(axis=0))
        if not strength or len(traces) < 2:
            continue
        traces = traces[np.argsort(survey.receiver_x[shot, traces], kind="stable")]
        positions = survey.receiver_x[shot, traces]
        wanted = np.clip(positions + errors[shot, traces], positions[0], positions[-1])
        before = np.clip(np.searchsorted(positions, wanted, side="right") - 1, 0, len(traces) - 2)
        gap = positions[before + 1] - positions[before]
        share = np.where(gap > 0, (wanted - positions[before]) / np.where(gap > 0, gap, 1), 0)
        share = share.astype(np.float32)
        left, right = gather[:, traces[before]], gather[:, traces[before + 1]]
        moved[shot][:, traces] = left + share * (right - left)
    return moved


def mute(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Mute everything up to the direct wave, with a taper of one period of the wavelet below.

    The peak of the direct wave is expected at the distance over the grid's slowest speed, after the
    wavelet's peak time.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives positions, the time axis, the wavelet and the slowest speed.
        strength: time [s] from the peak of the direct wave to the end of what is muted wholly.
        random: not used.
    """
    wavelet = survey.config.wavelet
    distance = np.hypot(survey.receiver_x - survey.shot_x[:, None], survey.receiver_depth - survey.shot_depth)
    last = distance / survey.grid.velocity[0] + wavelet.peaks_at + strength
    late = (survey.time[:, None] - last[:, None]) * wavelet.frequency
    rise = np.clip(late.astype(np.float32), 0, 1)
    muted: Gathers = gathers * np.square(np.sin(np.float32(0.5 * np.pi) * rise))
    return muted
