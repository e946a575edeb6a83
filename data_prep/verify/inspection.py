"""What was found in a data set: the problems that forbid its use, what else is worth knowing, and figures."""

import datetime
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwi.manifest import DataSet, Entry

CARD, FIGURE = "README.md", "card.png"
"""What verification leaves in a folder, beside the manifest and the shards."""

SCRATCH = ".repair"
"""Where repair makes shards before they replace others: a folder in the data set's."""


class Problem(NamedTuple):
    """Something that makes a set wrong to use."""

    file: str
    what: str
    """What is wrong, and how to mend it."""
    remake: bool = False
    """Whether making the shard again mends it."""

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


class Resimulated(NamedTuple):
    """A sample whose model was simulated again."""

    where: str
    nrms: float
    """RMS of stored minus simulated records over that of the simulated ones."""


class Shown(NamedTuple):
    """A sample for the card's figure."""

    where: str
    gather: NDArray[np.float32]
    """The middle shot, shape ``(time, receiver)``."""
    velocity: NDArray[np.float32] | None
    """The model [m/s], shape ``(depth, x)``."""
    salt: NDArray[np.uint8] | None
    """1 where there is salt, shape ``(depth, x)``."""


@dataclass
class Inspection:
    """What was found in a data set."""

    data: DataSet
    when: datetime.datetime
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    samples: int = 0
    """Samples read; those of damaged shards are not."""
    traces: int = 0
    dead: int = 0
    """Traces that are zero from beginning to end."""
    clipped: int = 0
    """Traces cut off at their largest amplitude."""
    amplitude: float = 0.0
    """Largest absolute value of all records."""
    velocity: tuple[float, float] = (math.inf, -math.inf)
    """Slowest and fastest speed of all models [m/s]."""
    models: list[NDArray[np.float32]] = field(default_factory=list)
    """Models [m/s], each ``(depth, x)``, evenly spread over the set: all, or some hundreds of a large set."""
    redrawn: int = 0
    """How many of those were drawn again from their preset and are equal to the last bit."""
    seed: int = 0
    """What the samples that were simulated again were drawn with."""
    resimulated: list[Resimulated] = field(default_factory=list)
    against: list[DataSet] = field(default_factory=list)
    """Other sets whose samples were compared with those of this one."""
    shown: list[Shown] = field(default_factory=list)


def place(entry: Entry, row: int) -> str:
    """A sample of a shard, in words."""
    return f"{entry.file} sample {row}"


def rows(numbers: list[int]) -> str:
    """Samples of a shard, in words: the first few by number."""
    named = ", ".join(str(number) for number in numbers[:5])
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"sample{'s' if len(numbers) > 1 else ''} {named}{more}"
