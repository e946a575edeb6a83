"""Traces and shots that are missing or wrong."""

import numpy as np
from numpy.typing import NDArray

from fwi.corruption.band import Gathers, rms
from fwi.survey import Survey

SPIKES = (10.0, 30.0)
"""Amplitudes of spikes, as multiples of the record's RMS."""

MOST_SPIKES = 3
"""Largest number of spikes of a trace."""


def dead(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Set single traces to zero, each shot's on their own.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: not used.
        strength: share of the traces; at least one trace remains.
        random: chooses the traces.
    """
    chosen = _single(gathers, strength, random)
    return np.where(chosen[:, None], np.float32(0), gathers)


def dead_block(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Set the traces of a block of neighbouring receivers to zero for every shot, as by a broken cable.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the receivers' positions.
        strength: share of the receivers; at least one receiver remains.
        random: chooses the place of the block.
    """
    chosen = _block(survey, strength, random)
    return np.where(chosen[:, None], np.float32(0), gathers)


def swapped(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Swap the polarity of traces: of single ones, or of a block of neighbouring receivers.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the receivers' positions.
        strength: share of the traces.
        random: chooses between single traces and a block, and which.
    """
    chosen = _single_or_block(gathers, survey, strength, random)
    return np.where(chosen[:, None], -gathers, gathers)


def spikes(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Add spikes of one sample to traces: to single ones, or to a block of neighbouring receivers.

    A spike is 10 to 30 times as strong as the record's RMS amplitude, of either sign; a trace has one to
    three. Dead traces get none.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the receivers' positions.
        strength: share of the traces.
        random: chooses between single traces and a block, and draws traces, times and amplitudes.
    """
    chosen = _single_or_block(gathers, survey, strength, random) & gathers.any(axis=1)
    shot, receiver = np.repeat(np.argwhere(chosen), MOST_SPIKES, axis=0).T
    time = random.integers(gathers.shape[1], size=len(shot))
    amplitude = random.uniform(*SPIKES, len(shot)) * random.choice([-1.0, 1.0], len(shot))
    number = np.arange(len(shot)) % MOST_SPIKES  # the first of a trace always, each further one by a coin
    amplitude *= (number == 0) | (random.random(len(shot)) < 0.5)
    spiky = gathers.copy()
    np.add.at(spiky, (shot, time, receiver), (amplitude * rms(gathers)).astype(np.float32))
    return spiky


def missing_shots(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Set whole shots to zero.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: not used.
        strength: share of the shots; at least one shot remains.
        random: chooses the shots.
    """
    shots = len(gathers)
    chosen = random.permutation(shots) < min(shots - 1, round(strength * shots))
    return np.where(chosen[:, None, None], np.float32(0), gathers)


def sparse_shots(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Keep one of every few shots, as a survey with wider intervals.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: not used.
        strength: interval of the shots that are kept, rounded to an integer; 1 keeps all.
        random: chooses the first.
    """
    every = min(round(strength), len(gathers))
    kept = np.arange(len(gathers)) % every == random.integers(every)
    return np.where(kept[:, None, None], gathers, np.float32(0))


def sparse_receivers(
    gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator
) -> Gathers:
    """Keep one of every few receivers, the same ones for every shot, as a survey with wider intervals.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: gives the receivers' positions.
        strength: interval of the receivers that are kept, rounded to an integer; 1 keeps all.
        random: chooses the first.
    """
    order = along_line(survey)
    every = min(round(strength), order.shape[1])
    kept = np.zeros(order.shape, bool)
    np.put_along_axis(kept, order[:, random.integers(every) :: every], True, axis=1)
    return np.where(kept[:, None], gathers, np.float32(0))


def along_line(survey: Survey) -> NDArray[np.int64]:
    """Numbers of each shot's receivers in the order of their positions, shape ``(shot, receiver)``."""
    order: NDArray[np.int64] = np.argsort(survey.receiver_x, axis=1, kind="stable")
    return order


def _single(gathers: Gathers, share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Choose a share of the traces at random but for one, shape ``(shot, receiver)``."""
    traces = gathers.shape[0] * gathers.shape[2]
    order = random.permutation(traces).reshape(gathers.shape[0], gathers.shape[2])
    chosen: NDArray[np.bool_] = order < min(traces - 1, round(share * traces))
    return chosen


def _block(survey: Survey, share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Choose the traces of a share of neighbouring receivers but for one, shape ``(shot, receiver)``."""
    receivers = survey.receiver_x.shape[1]
    width = min(receivers - 1, round(share * receivers))
    first = random.integers(receivers - width + 1)
    chosen = np.zeros(survey.receiver_x.shape, bool)
    np.put_along_axis(chosen, along_line(survey)[:, first : first + width], True, axis=1)
    return chosen


def _single_or_block(
    gathers: Gathers, survey: Survey, share: float, random: np.random.Generator
) -> NDArray[np.bool_]:
    return _block(survey, share, random) if random.random() < 0.5 else _single(gathers, share, random)
