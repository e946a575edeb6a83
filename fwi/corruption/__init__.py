"""Corruption of perfect records into such as are recorded in the field.

Each corruption is a function of a record, its survey, a strength and a generator of random numbers; it leaves
its argument as it is, and traces that are zero throughout, dead or missing ones, stay so. ``CORRUPTIONS``
lists them in the order in which ``corrupted`` applies several: as the source, the ground, the noise and the
recording instruments do, and dead traces last.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fwi.config import CorruptConfig
from fwi.corruption import amplitudes, geometry, noise, source, traces
from fwi.corruption.band import Gathers
from fwi.survey import Survey

__all__ = ["CORRUPTIONS", "Corruption", "Gathers", "corrupted"]


class Corruption(NamedTuple):
    """A way in which records are not as simulated."""

    function: Callable[[Gathers, Survey, float, np.random.Generator], Gathers]
    """Corrupts a record ``(shot, time, receiver)`` of a survey with a strength; see its docstring."""
    title: str
    """Its name in figures and tables."""
    unit: str
    """Unit of the strength, or what it is where it has no unit: ``share``, ``factor``, ``interval``, or
    ``ln`` for the standard deviation of a natural logarithm."""
    strengths: tuple[float, float, float]
    """Three strengths, mild to severe, at which networks are compared."""

    def label(self, strength: float) -> str:
        """Name the corruption with a strength, such as ``Dead traces, 30 %``."""
        amount = {
            "share": f"{100 * strength:.3g} %",
            "factor": f"times {strength:g}",
            "interval": f"1 of {strength:g}",
            "ln": f"times e^±{strength:g}",
        }
        return f"{self.title}, {amount.get(self.unit, f'{strength:g} {self.unit}')}"


CORRUPTIONS: dict[str, Corruption] = {
    "frequency": Corruption(source.frequency, "Frequency of the wavelet", "factor", (1.1, 0.9, 0.8)),
    "phase": Corruption(source.phase, "Phase of the wavelet", "degrees", (20.0, 45.0, 90.0)),
    "delay": Corruption(source.delay, "Delay", "s", (0.01, 0.02, 0.04)),
    "jitter": Corruption(geometry.jitter, "Errors of positions", "m", (5.0, 10.0, 20.0)),
    "shot_gain": Corruption(amplitudes.shot_gain, "Gains of shots", "ln", (0.2, 0.5, 1.0)),
    "receiver_gain": Corruption(amplitudes.receiver_gain, "Gains of receivers", "ln", (0.2, 0.5, 1.0)),
    "white": Corruption(noise.white, "White noise in the band", "dB", (30.0, 20.0, 10.0)),
    "dips": Corruption(noise.dips, "Coherent dips", "dB", (30.0, 20.0, 10.0)),
    "swell": Corruption(noise.swell, "Swell", "dB", (20.0, 10.0, 0.0)),
    "bursts": Corruption(noise.bursts, "Bursts", "dB", (20.0, 10.0, 0.0)),
    "spikes": Corruption(traces.spikes, "Spiky traces", "share", (0.02, 0.1, 0.3)),
    "swapped": Corruption(traces.swapped, "Swapped polarity", "share", (0.02, 0.1, 0.3)),
    "mute": Corruption(geometry.mute, "Mute of the direct wave", "s", (0.0, 0.1, 0.2)),
    "gain": Corruption(amplitudes.gain, "Gain", "factor", (0.5, 2.0, 10.0)),
    "dead": Corruption(traces.dead, "Dead traces", "share", (0.1, 0.3, 0.5)),
    "dead_block": Corruption(traces.dead_block, "Block of dead traces", "share", (0.1, 0.2, 0.3)),
    "missing_shots": Corruption(traces.missing_shots, "Missing shots", "share", (0.125, 0.25, 0.5)),
    "sparse_shots": Corruption(traces.sparse_shots, "Sparse shots", "interval", (2.0, 3.0, 4.0)),
    "sparse_receivers": Corruption(traces.sparse_receivers, "Sparse receivers", "interval", (2.0, 3.0, 4.0)),
}
"""All corruptions by name. One is added by its function, its entry here, and its probability and range in
``fwi.config.corruption``."""


def corrupted(
    gathers: Gathers, survey: Survey, config: CorruptConfig, random: np.random.Generator
) -> Gathers:
    """Corrupt a share of the records, each by one corruption or more.

    Args:
        gathers: a record, shape ``(shot, time, receiver)``.
        survey: the record's survey.
        config: share of the records; probability and range of each corruption.
        random: draws whether and how this record is corrupted.

    Returns:
        The record itself where it stays clean; a new one otherwise.
    """
    if random.random() >= config.share:
        return gathers
    probabilities = np.array([getattr(config, name).probability for name in CORRUPTIONS])
    suffered = random.random(len(probabilities)) < probabilities
    if not suffered.any():
        suffered[random.choice(len(probabilities), p=probabilities / probabilities.sum())] = True
    for (name, corruption), happens in zip(CORRUPTIONS.items(), suffered, strict=True):
        if happens:
            low, high = getattr(config, name).range
            place = random.random()
            if corruption.unit == "factor":  # as many below one as above
                strength = low * (high / low) ** place
            else:
                strength = low + place * (high - low)
            changed = corruption.function(gathers, survey, strength, random)
            if changed.any():  # what one leaves, the next may take away: a silent record teaches nothing
                gathers = changed
    return np.ascontiguousarray(gathers)
