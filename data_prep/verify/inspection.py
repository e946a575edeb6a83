"""The results of a verification: problems that forbid the use of a data set, notes, and figures."""

import datetime
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwi.manifest import DataSet, Entry

CARD, FIGURE = "README.md", "card.png"
"""Files that verification writes into the folder of a data set."""

SCRATCH = ".repair"
"""Folder within the data set's in which repair makes shards before they replace others."""


class Problem(NamedTuple):
    """A fault because of which a data set must not be used."""

    file: str
    """The file that has the fault."""
    what: str
    """Description of the fault, and how to mend it."""
    remake: bool = False
    """Whether the fault disappears when the shard is made again."""

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


class Resimulated(NamedTuple):
    """A sample whose model was simulated again."""

    where: str
    """File and number of the sample."""
    nrms: float
    """RMS of stored minus simulated records, divided by the RMS of the simulated ones."""


class Shown(NamedTuple):
    """A sample for the card's figure."""

    where: str
    """File and number of the sample."""
    gather: NDArray[np.float32]
    """The middle shot, shape ``(time, receiver)``."""
    velocity: NDArray[np.float32] | None
    """The model [m/s], shape ``(depth, x)``."""
    salt: NDArray[np.uint8] | None
    """1 where there is salt, shape ``(depth, x)``."""


@dataclass
class Inspection:
    """The results of a verification."""

    data: DataSet
    """The data set."""
    when: datetime.datetime
    """Time of the verification."""
    problems: list[Problem] = field(default_factory=list)
    """Faults because of which the set must not be used."""
    notes: list[str] = field(default_factory=list)
    """What is unusual, and no fault."""
    samples: int = 0
    """Number of samples read; samples of damaged shards are not read."""
    traces: int = 0
    """Number of traces read."""
    dead: int = 0
    """Number of traces that are zero throughout."""
    clipped: int = 0
    """Number of traces that are cut off at their largest amplitude."""
    amplitude: float = 0.0
    """Largest absolute value of all records."""
    velocity: tuple[float, float] = (math.inf, -math.inf)
    """Slowest and fastest speed of all models [m/s]."""
    models: list[NDArray[np.float32]] = field(default_factory=list)
    """All models [m/s], shape ``(depth, x)`` each; of a large set some hundreds, evenly spread over it."""
    redrawn: int = 0
    """Number of these models that were drawn again from their preset and are equal to the last bit."""
    seed: int = 0
    """Random seed with which the samples to simulate again were chosen."""
    resimulated: list[Resimulated] = field(default_factory=list)
    """The samples whose models were simulated again."""
    against: list[DataSet] = field(default_factory=list)
    """Other sets whose samples were compared with those of this one."""
    shown: list[Shown] = field(default_factory=list)
    """The samples for the card's figure."""


def place(entry: Entry, row: int) -> str:
    """Name a sample of a shard."""
    return f"{entry.file} sample {row}"


def rows(numbers: list[int]) -> str:
    """Name several samples of a shard, the first few by their numbers."""
    named = ", ".join(str(number) for number in numbers[:5])
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"sample{'s' if len(numbers) > 1 else ''} {named}{more}"
