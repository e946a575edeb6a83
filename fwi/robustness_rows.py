"""Records made worse in known ways, each at up to three strengths: the rows of a robustness table.

Each entry of ``fwi.corruption.CORRUPTIONS`` is a row. The others are made here: shots at irregular places,
several corruptions at once, and records simulated on another grid. Missing traces are zero throughout.
"""

import math
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fwi.corruption import CORRUPTIONS, Corruption
from fwi.survey import Survey

Array = NDArray[np.float32]


class Row(NamedTuple):
    """A way of making records worse."""

    title: str
    """Its name in figures and tables."""
    unit: str
    """Unit of the strengths, empty for a number."""
    strengths: tuple[float, ...]
    """From mild to severe."""
    records: Callable[[Array, Array, float, Generator], Array]
    """Called with the records of a sample, shape ``(shot, time, receiver)``, its true model [m/s], shape
    ``(depth, x)``, a strength and a source of random numbers; returns records of the same shape."""


def rows(survey: Survey, finer: int, simulate: Callable[[Array], Array]) -> dict[str, Row]:
    """List the rows of the table for the records of a survey, by name.

    Args:
        survey: the survey of the records.
        finer: how many times finer the grid of ``simulate`` is.
        simulate: records a model ``(depth, x)`` [m/s] on another grid, as ``PhysicsCheck.simulate`` does.
    """

    def resimulated(gathers: Array, velocity: Array, *_: object) -> Array:
        return simulate(velocity)

    return {
        **{name: _corrupted(corruption, survey) for name, corruption in (CORRUPTIONS | OWN).items()},
        "other_grid": Row("Finer grid", "times", (float(finer),), resimulated),
    }


def source_of(seed: int, row: str, sample: int) -> Generator:
    """Make the random generator of one row and sample.

    Its numbers are the same whichever other rows and samples are measured. All strengths of a row draw the
    same numbers, so that they differ in nothing but their strength.

    Args:
        seed: seed of the whole measurement.
        row: name of the row.
        sample: number of the sample.
    """
    return np.random.default_rng([seed, zlib.crc32(row.encode()), sample])


def irregular_shots(gathers: Array, survey: Survey, strength: float, random: Generator) -> Array:
    """Keep one in every few shots, chosen at random; three or more of them are never evenly spaced.

    Args:
        gathers: shape ``(shot, time, receiver)``.
        survey: not used.
        strength: number of shots of which one is kept, on average, rounded to an integer.
        random: chooses the shots.
    """
    number = -(-len(gathers) // round(strength))
    can_be_uneven = 2 < number < len(gathers)
    while True:
        shots = np.sort(random.choice(len(gathers), size=number, replace=False))
        if not can_be_uneven or len(set(np.diff(shots))) > 1:
            break
    kept = np.zeros_like(gathers)
    kept[shots] = gathers[shots]
    return kept


def field(gathers: Array, survey: Survey, strength: float, random: Generator) -> Array:
    """Corrupt records in five ways at once, as those of the field are.

    At strength 1 their phase is turned by 20 degrees, they are 20 ms late, have white noise 20 dB below them,
    are twice as loud, and a tenth of the traces is dead. Phase, delay and dead traces are proportional to the
    strength, the gain is 2 to its power, and the noise is 10 dB stronger where the strength is doubled.

    Args:
        gathers: a record, shape ``(shot, time, receiver)``.
        survey: its survey.
        strength: how strong all five are; 1 is as above.
        random: draws noise and dead traces.

    Returns:
        The corrupted record, same shape.
    """
    for name, value in (
        ("phase", 20.0 * strength),
        ("delay", 0.020 * strength),
        ("white", 20.0 - 10.0 * math.log2(strength)),
        ("gain", 2.0**strength),
        ("dead", 0.1 * strength),
    ):
        gathers = CORRUPTIONS[name].function(gathers, survey, value, random)
    return gathers


OWN = {
    "irregular_shots": Corruption(irregular_shots, "Irregular shots", "interval", (2.0, 3.0, 4.0)),
    "field": Corruption(field, "Several at once", "times", (0.5, 1.0, 2.0)),
}
"""The rows that are made from the records alone, beside ``CORRUPTIONS``."""


def _corrupted(corruption: Corruption, survey: Survey) -> Row:
    def records(gathers: Array, velocity: Array, strength: float, random: Generator) -> Array:
        return corruption.function(gathers, survey, strength, random)

    return Row(corruption.title, corruption.unit, corruption.strengths, records)
