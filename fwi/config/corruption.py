"""How training records are corrupted: the share of them, and each corruption's probability and range."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from fwi.config.base import NOT_TRUTH, Section, Share, ascending

Decibels = Annotated[float, Field(ge=-40, le=200), NOT_TRUTH]
Deviation = Annotated[float, Field(ge=0, le=5), NOT_TRUTH]
Seconds = Annotated[float, Field(ge=-60, le=60), NOT_TRUTH]
Degrees = Annotated[float, Field(ge=-360, le=360), NOT_TRUTH]
Metres = Annotated[float, Field(ge=0, le=100_000), NOT_TRUTH]
GainFactor = Annotated[float, Field(ge=1e-6, le=1e6), NOT_TRUTH]
Interval = Annotated[float, Field(ge=1, le=1000), NOT_TRUTH]
FrequencyFactor = Annotated[float, Field(ge=0.5, le=2), NOT_TRUTH]


class CorruptionConfig(Section):
    """A corruption that some of the corrupted records suffer."""

    probability: Share
    """Probability with which a corrupted record suffers it, whatever else it suffers."""


class NoiseConfig(CorruptionConfig):
    """Noise, by its level."""

    range: Annotated[tuple[Decibels, Decibels], AfterValidator(ascending)]
    """Loudest and faintest level [dB below the record's RMS]; drawn uniformly."""


class PortionConfig(CorruptionConfig):
    """Corruption of some of the traces or shots, by their share."""

    range: Annotated[tuple[Share, Share], AfterValidator(ascending)]
    """Smallest and largest share; drawn uniformly."""


class DeviationConfig(CorruptionConfig):
    """Unequal gains, by their deviation."""

    range: Annotated[tuple[Deviation, Deviation], AfterValidator(ascending)]
    """Smallest and largest standard deviation of the gains' natural logarithm; drawn uniformly."""


class GainConfig(CorruptionConfig):
    """A gain, by its factor."""

    range: Annotated[tuple[GainFactor, GainFactor], AfterValidator(ascending)]
    """Smallest and largest factor; its logarithm is drawn uniformly."""


class FrequencyConfig(CorruptionConfig):
    """Another frequency of the wavelet, by its factor."""

    range: Annotated[tuple[FrequencyFactor, FrequencyFactor], AfterValidator(ascending)]
    """Smallest and largest factor of the peak frequency; its logarithm is drawn uniformly."""


class TimeConfig(CorruptionConfig):
    """Corruption by a time."""

    range: Annotated[tuple[Seconds, Seconds], AfterValidator(ascending)]
    """Smallest and largest time [s]; drawn uniformly."""


class PhaseConfig(CorruptionConfig):
    """Rotation of the phase, by its angle."""

    range: Annotated[tuple[Degrees, Degrees], AfterValidator(ascending)]
    """Smallest and largest angle [degrees]; drawn uniformly."""


class JitterConfig(CorruptionConfig):
    """Errors of positions, by their deviation."""

    range: Annotated[tuple[Metres, Metres], AfterValidator(ascending)]
    """Smallest and largest standard deviation of the errors [m]; drawn uniformly."""


class SparseConfig(CorruptionConfig):
    """Wider intervals, by the number of shots or receivers from one that is kept to the next."""

    range: Annotated[tuple[Interval, Interval], AfterValidator(ascending)]
    """Smallest and largest interval; drawn uniformly and rounded."""


class CorruptConfig(Section):
    """Corruption of training records as they are fed; records of validation and test stay as stored.

    What happens to a record is a function of train.seed, epoch and sample alone.
    """

    share: Share = 0.0
    """Share of the records that are corrupted, each by one corruption or more; 0 for none."""

    frequency: FrequencyConfig = FrequencyConfig(probability=0.1, range=(0.85, 1.15))
    """Peak frequency of the wavelet: records are shaped into those of another Ricker wavelet."""
    phase: PhaseConfig = PhaseConfig(probability=0.1, range=(-60.0, 60.0))
    """Phase of the wavelet: all frequencies are rotated by the same angle."""
    delay: TimeConfig = TimeConfig(probability=0.1, range=(-0.04, 0.04))
    """Delay of the whole record."""
    jitter: JitterConfig = JitterConfig(probability=0.1, range=(0.0, 10.0))
    """Errors of the positions of receivers and of shots."""
    shot_gain: DeviationConfig = DeviationConfig(probability=0.1, range=(0.0, 0.5))
    """Gain of each shot."""
    receiver_gain: DeviationConfig = DeviationConfig(probability=0.1, range=(0.0, 0.5))
    """Gain of each receiver."""
    white: NoiseConfig = NoiseConfig(probability=0.3, range=(5.0, 40.0))
    """Noise with the spectrum of the wavelet, independent from trace to trace."""
    dips: NoiseConfig = NoiseConfig(probability=0.1, range=(5.0, 40.0))
    """Plane waves that cross the gathers at random apparent speeds."""
    swell: NoiseConfig = NoiseConfig(probability=0.1, range=(5.0, 40.0))
    """Noise below the wavelet's band on groups of neighbouring traces."""
    bursts: NoiseConfig = NoiseConfig(probability=0.1, range=(5.0, 40.0))
    """Short, strong noise on a few neighbouring traces."""
    spikes: PortionConfig = PortionConfig(probability=0.1, range=(0.0, 0.1))
    """Traces with strong single samples."""
    swapped: PortionConfig = PortionConfig(probability=0.1, range=(0.0, 0.1))
    """Traces of swapped polarity."""
    mute: TimeConfig = TimeConfig(probability=0.03, range=(0.0, 0.2))
    """Mute of the direct wave: time from its peak to the end of what is muted."""
    gain: GainConfig = GainConfig(probability=0.1, range=(0.25, 4.0))
    """Gain of the record."""
    dead: PortionConfig = PortionConfig(probability=0.25, range=(0.0, 0.4))
    """Single dead traces."""
    dead_block: PortionConfig = PortionConfig(probability=0.1, range=(0.0, 0.3))
    """Neighbouring receivers that are dead for every shot."""
    missing_shots: PortionConfig = PortionConfig(probability=0.25, range=(0.0, 0.5))
    """Missing shots."""
    sparse_shots: SparseConfig = SparseConfig(probability=0.0, range=(1.5, 3.5))
    """Shots at wider intervals; for networks that take any survey."""
    sparse_receivers: SparseConfig = SparseConfig(probability=0.0, range=(1.5, 3.5))
    """Receivers at wider intervals; for networks that take any survey."""

    @field_validator("*", mode="before")
    @classmethod
    def _what_is_left_out_has_its_default(cls, value: Any, info: ValidationInfo) -> Any:
        default = cls.model_fields[str(info.field_name)].default
        if isinstance(value, Mapping) and isinstance(default, Section):
            return default.model_dump() | dict(value)
        return value

    @model_validator(mode="after")
    def _some_corruption_is_there_to_be_suffered(self) -> "CorruptConfig":
        chances = [value.probability for _, value in self if isinstance(value, CorruptionConfig)]
        if self.share and not any(chances):
            raise ValueError(
                f"share {self.share:g} of the records are to be corrupted, and every corruption has "
                "probability 0: give one of them more, or set share to 0"
            )
        return self
