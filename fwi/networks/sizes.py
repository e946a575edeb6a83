"""What a network is made for."""

from typing import NamedTuple

from fwi.survey import Survey


class Sizes(NamedTuple):
    """What of a survey shapes a network."""

    shots: int
    """Of a record; they are the channels that enter."""
    receivers: int
    """Traces of a gather."""
    samples: int
    """Recorded time samples of a trace."""
    nz: int
    """Cells in depth."""
    nx: int
    """Cells along the line."""
    velocity_range: tuple[float, float]
    """Slowest and fastest admissible speed [m/s], which a bounded output keeps to."""

    @classmethod
    def of(cls, survey: Survey) -> "Sizes":
        """The sizes of a survey."""
        shots, samples, receivers = survey.gather_shape
        return cls(shots, receivers, samples, survey.grid.nz, survey.grid.nx, survey.grid.velocity)
