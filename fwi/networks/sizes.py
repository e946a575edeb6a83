"""The sizes of records and models that a network is built for."""

from typing import Literal, NamedTuple

from fwi.networks.midpoints import Midpoints
from fwi.survey import Survey


class Sizes(NamedTuple):
    """The sizes of a survey's records and models."""

    shots: int
    """Number of shots of a record, or of channels of a sorted one: the channels of the input."""
    receivers: int
    """Number of traces of a gather, or of midpoint columns."""
    samples: int
    """Number of recorded time samples of a trace."""
    nz: int
    """Number of cells in depth."""
    nx: int
    """Number of cells along the line."""
    velocity_range: tuple[float, float]
    """Slowest and fastest admissible speed [m/s], the limits of a bounded output."""

    @classmethod
    def of(cls, survey: Survey, columns: Literal["receivers", "midpoints"] = "receivers") -> "Sizes":
        """Take the sizes of a survey's records, as recorded or sorted by midpoint."""
        shots, samples, receivers = survey.gather_shape
        if columns == "midpoints":
            midpoints = Midpoints(survey)
            shots, receivers = midpoints.channels, midpoints.columns
        return cls(shots, receivers, samples, survey.grid.nz, survey.grid.nx, survey.grid.velocity)

    @property
    def record(self) -> tuple[int, int, int]:
        """Shape of the input of one sample: shots, time samples and receivers."""
        return self.shots, self.samples, self.receivers
