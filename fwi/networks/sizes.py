"""The sizes of records and models that a network is built for."""

from typing import NamedTuple

from fwi.config import ModelConfig
from fwi.networks.midpoints import Midpoints
from fwi.survey import Survey


class Sizes(NamedTuple):
    """The sizes of a survey's records and models."""

    shots: int
    """Number of channels of the input: the shots of a record, or the channels of a sorted one."""
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
    def of(cls, survey: Survey, model: ModelConfig) -> "Sizes":
        """Take the sizes of a survey's records in the form in which a network receives them."""
        shots, samples, receivers = survey.gather_shape
        if model.columns == "midpoints":
            midpoints = Midpoints(survey)
            shots, receivers = midpoints.channels, midpoints.columns
        elif model.columns == "offsets":
            shots, receivers = model.offsets, survey.grid.nx
        return cls(shots, receivers, samples, survey.grid.nz, survey.grid.nx, survey.grid.velocity)

    @property
    def record(self) -> tuple[int, int, int]:
        """Shape of the input of one sample: shots, time samples and receivers."""
        return self.shots, self.samples, self.receivers
