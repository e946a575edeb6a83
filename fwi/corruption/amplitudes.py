"""Amplitudes that nobody knows: the gain of the record, the strength of shots, the coupling of receivers."""

import numpy as np

from fwi.corruption.band import Gathers
from fwi.survey import Survey


def gain(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Multiply the record by a factor.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: not used.
        strength: the factor.
        random: not used.
    """
    return gathers * np.float32(strength)


def shot_gain(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Multiply each shot by a factor of its own, log-normally distributed about one.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: not used.
        strength: standard deviation of the factors' natural logarithm.
        random: draws the factors.
    """
    return gathers * np.exp(strength * random.standard_normal((len(gathers), 1, 1))).astype(np.float32)


def receiver_gain(gathers: Gathers, survey: Survey, strength: float, random: np.random.Generator) -> Gathers:
    """Multiply each receiver by a factor of its own, the same for every shot and log-normal about one.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: not used.
        strength: standard deviation of the factors' natural logarithm.
        random: draws the factors.
    """
    return gathers * np.exp(strength * random.standard_normal((1, 1, gathers.shape[2]))).astype(np.float32)
