"""What is read of a line for a trained network."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwi.survey import Survey

Array = NDArray[np.float32]


class RecordedLine(NamedTuple):
    """Records of a line, in the file's metres and seconds, with what scales them to a network."""

    gathers: Array
    """Pressure, shape ``(sample, shot, time, receiver)``; missing traces are zero throughout."""
    survey: Survey
    """The network's survey divided by ``factor``, but with the shots of the file, all of its receivers as one
    fixed spread, and a grid of as many columns as the line needs."""
    factor: float
    """Lengths and times multiplied by it are those of the network."""
    start: float
    """Position on the file's line of the survey's x = 0 [m]."""
    changes: tuple[str, ...]
    """What was read, and done to the records, a sentence each."""
    warnings: tuple[str, ...]
    """What of the records the network was not trained for, a sentence each."""
