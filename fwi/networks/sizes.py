"""What a network is made for."""

from typing import Literal, NamedTuple

from fwi.networks.midpoints import Midpoints
from fwi.survey import Survey


class Sizes(NamedTuple):
    """What of a survey shapes a network."""

    shots: int
    """Of a record, or channels of a sorted one; they are the channels that enter."""
    receivers: int
    """Traces of a gather, or columns of midpoints."""
    samples: int
    """Recorded time samples of a trace."""
    nz: int
    """Cells in depth."""
    nx: int
    """Cells along the line."""
    velocity_range: tuple[float, float]
    """Slowest and fastest admissible speed [m/s], which a bounded output keeps to."""

    @classmethod
    def of(cls, survey: Survey, columns: Literal["receivers", "midpoints"] = "receivers") -> "Sizes":
        """The sizes of a survey's records, as they are or sorted by midpoint."""
        shots, samples, receivers = survey.gather_shape
        if columns == "midpoints":
            midpoints = Midpoints(survey)
            shots, receivers = midpoints.channels, midpoints.columns
        return cls(shots, receivers, samples, survey.grid.nz, survey.grid.nx, survey.grid.velocity)

    @property
    def record(self) -> tuple[int, int, int]:
        """Shape of what enters: shots, time samples and receivers."""
        return self.shots, self.samples, self.receivers
