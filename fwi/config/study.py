"""The sections of a study: all settings that affect a result, from the grid to the physics check."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from fwi.config.base import MOST_CELLS, NOT_TRUTH, Count, Folder, NotNegative, Positive, Section, Share
from fwi.config.corruption import CorruptConfig
from fwi.config.model import ModelConfig
from fwi.config.refine import RefineConfig
from fwi.config.salt import SaltConfig
from fwi.config.trust import TrustConfig

WaveletKind = Literal["ricker"]
LossName = Literal["l1", "mse", "ssim", "salt"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
MOST_WORKERS = 1024
"""Largest number of processes that a command may start on one machine."""

MOST_TRACES = 4_000_000
"""Largest number of traces in the records of one model."""

Samples = Annotated[int, Field(ge=0, le=10**9), NOT_TRUTH]


class GridConfig(Section):
    """The velocity model's grid of square cells."""

    nz: Annotated[int, Field(ge=8, le=MOST_CELLS), NOT_TRUTH] = 101
    """Cells in depth."""
    nx: Annotated[int, Field(ge=8, le=MOST_CELLS), NOT_TRUTH] = 151
    """Cells along the line."""
    spacing: Positive = 20.0
    """Cell size [m]."""
    velocity: tuple[Positive, Positive] = (1500.0, 4500.0)
    """Slowest and fastest P-wave speed [m/s]: the range of every model and of the network's output."""

    @field_validator("velocity")
    @classmethod
    def _range_ascends(cls, velocity: tuple[float, float]) -> tuple[float, float]:
        slowest, fastest = velocity
        if slowest >= fastest:
            raise ValueError(f"must ascend, got {slowest:g} .. {fastest:g} m/s: swap the two")
        if fastest < 20:
            raise ValueError(f"{slowest:g} .. {fastest:g} looks like km/s: give it in m/s")
        return velocity


class WaveletConfig(Section):
    """The source wavelet."""

    kind: WaveletKind = "ricker"
    """Shape of the wavelet."""
    frequency: Positive = 10.0
    """Peak frequency [Hz]."""
    peak_time: Positive | None = None
    """Time of the wavelet's peak [s]; 1.5 / frequency if not given."""

    @property
    def peaks_at(self) -> float:
        """Time of the wavelet's peak [s]."""
        return self.peak_time or 1.5 / self.frequency

    @model_validator(mode="after")
    def _wavelet_begins_at_rest(self) -> "WaveletConfig":
        if self.peak_time is not None and self.peak_time < 1 / self.frequency:
            raise ValueError(
                f"a wavelet of {self.frequency:g} Hz that peaks at {self.peak_time:g} s begins with a jump: "
                f"peak_time must be {1 / self.frequency:.3g} s or later"
            )
        return self


class SurveyConfig(Section):
    """Sources, receivers and the time axis. Positions are in metres from the grid's first cell."""

    shots: Annotated[int, Field(ge=1, le=MOST_CELLS), NOT_TRUTH] = 15
    """Number of shots, evenly spaced and symmetric about the middle of the line."""
    shot_x: Annotated[tuple[NotNegative, ...], Field(max_length=MOST_CELLS)] | None = None
    """Position of each shot along the line [m], ascending; only for shots that are not evenly spaced."""
    shot_margin: NotNegative | None = None
    """Distance of the outermost shots from the line's ends [m]; half the shot interval if not given."""
    receivers: Annotated[int, Field(ge=2, le=MOST_CELLS), NOT_TRUTH] = 151
    """Receivers that record each shot."""
    spread: Literal["fixed", "streamer"] = "fixed"
    """``fixed``: the receivers span the whole line for every shot. ``streamer``: they trail each shot."""
    receiver_x: Annotated[tuple[NotNegative, ...], Field(max_length=MOST_CELLS)] | None = None
    """Position of each receiver along the line [m], ascending; only for receivers of a fixed spread that are
    not evenly spaced over the whole line."""
    near_offset: Positive = 100.0
    """Streamer only: distance from the shot to its nearest receiver [m]."""
    receiver_interval: Positive = 20.0
    """Streamer only: distance between receivers [m]."""
    depth: NotNegative = 20.0
    """Depth of the sources [m]."""
    receiver_depth: NotNegative | None = None
    """Depth of the receivers [m]; the depth of the sources if not given."""
    dt: Positive = 0.002
    """Time step of the simulation [s]."""
    nt: Annotated[int, Field(ge=2, le=10_000_000), NOT_TRUTH] = 1000
    """Number of time steps of the simulation."""
    keep_every: Count = 5
    """Number of time steps from one recorded sample to the next."""
    top: Literal["absorbing", "free"] = "absorbing"
    """Whether the upper edge of the grid absorbs, or reflects as a free surface."""
    wavelet: WaveletConfig = WaveletConfig()

    @model_validator(mode="after")
    def _traces_can_be_listed(self) -> "SurveyConfig":
        if self.shots * self.receivers > MOST_TRACES:
            raise ValueError(
                f"{self.shots} survey.shots x {self.receivers} survey.receivers are "
                f"{self.shots * self.receivers:,} traces for each model, and {MOST_TRACES:,} are the most: "
                "take fewer of either"
            )
        return self

    @property
    def last_offset(self) -> float:
        """Streamer only: distance from the shot to its farthest receiver [m]."""
        return self.near_offset + (self.receivers - 1) * self.receiver_interval

    @model_validator(mode="after")
    def _record_has_more_than_its_first_sample(self) -> "SurveyConfig":
        if self.keep_every >= self.nt:
            raise ValueError(
                f"keep_every {self.keep_every} keeps one sample of nt {self.nt} time steps: take a "
                "survey.keep_every below survey.nt"
            )
        return self


class PhysicsConfig(Section):
    """How the wave equation is solved."""

    order: Literal[2, 4, 6, 8] = 8
    """Order of the finite differences in space."""
    pml_width: Annotated[int, Field(ge=4, le=200), NOT_TRUTH] = 12
    """Width of the absorbing layer [cells]."""
    correct_dispersion: bool = True
    """Correct source and records for the numerical dispersion of the time stepping (Koene et al., 2018)."""
    memory: Annotated[int, Field(ge=2**20, le=2**50), NOT_TRUTH] = 2**30
    """Bytes that one chunk of simulated shots may take."""


class StorageConfig(Section):
    """The data set on disk: where it is, how many samples it has, and their precision."""

    folder: Folder = Path("data/salt")
    """Folder that holds the shards."""
    train: Samples = 1600
    """Number of simulated training samples."""
    validation: Samples = 100
    """Number of simulated validation samples."""
    test: Samples = 100
    """Number of simulated test samples."""
    samples_per_shard: Count = 50
    """Number of samples in each shard, an HDF5 file."""
    dtype: Literal["float16", "float32"] = "float16"
    """Precision in which gathers are stored."""


class DataConfig(Section):
    """The data that the network is trained on and their preparation."""

    extra_folders: Annotated[tuple[Folder, ...], Field(max_length=1000)] = ()
    """Further data sets of the same survey; their training splits are added to that of storage.folder."""
    amplitude: Literal["own_level", "signed_log", "raw"] = "own_level"
    """``own_level``: sign(d) log(1 + |d| / (knee L)), with the level L of each record, the median over its
    live traces of their RMS, so that the record's gain does not matter; ``signed_log``: sign(d) log(1 + |d| /
    s), with s measured on the training records; ``raw``: amplitudes as recorded."""
    knee: Annotated[float, Field(ge=1e-4, le=100), NOT_TRUTH] = 0.3
    """Amplitude at which the logarithm of ``own_level`` bends, as a share of the record's level. What is
    weaker is not raised: with 0.3, noise 10 dB below the level. A smaller knee raises weak reflections, and
    noise with them."""
    flip: Share = 0.5
    """Probability of mirroring shots, receivers and model of a training sample (needs a symmetric survey)."""
    corrupt: CorruptConfig = CorruptConfig()
    workers: Annotated[int, Field(ge=0, le=MOST_WORKERS), NOT_TRUTH] = 1
    """Number of processes that load samples; with 0 the training process loads them."""


class EarlyStopConfig(Section):
    """Conditions under which training ends before its last epoch."""

    metric: str | None = None
    """Metric that must keep improving, such as ``validation/mae``; null trains to the last epoch."""
    patience: Count = 10
    """Epochs without improvement after which training stops."""

    @field_validator("metric")
    @classmethod
    def _metric_is_taken_in_validation(cls, metric: str | None) -> str | None:
        if metric is not None:
            from fwi.metrics import monitored  # with torch, which no other part of a study needs

            if metric not in monitored():
                known = ", ".join(f"'{name}'" for name in monitored())
                raise ValueError(f"{metric!r:.60} is not offered; known: {known}")
        return metric


class TrainConfig(Section):
    """The training of the network: how long, with which loss and optimiser, and on which devices."""

    epochs: Count = 40
    """Passes over the training split."""
    batch_size: Count = 16
    """Number of samples per optimisation step, all devices together."""
    devices: Literal["auto"] | Annotated[int, Field(ge=1, le=1024, strict=True)] = "auto"
    """Number of devices per node, which share the samples of each step: GPUs, or CPU processes on a machine
    without GPUs. ``auto`` takes as many of this machine's GPUs as divide the batch, or one CPU process."""
    nodes: Annotated[int, Field(ge=1, le=1024), NOT_TRUTH] = 1
    """Number of machines; several need a launcher, such as srun, that starts one process per device."""
    loss: dict[LossName, Positive] = {"l1": 1.0}  # noqa: RUF012 - pydantic copies it
    """Terms of the loss with their weights."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    """The optimiser."""
    learning_rate: Positive = 1e-3
    """Peak learning rate."""
    weight_decay: Annotated[float, Field(ge=0, le=1000), NOT_TRUTH] = 0.01
    """Decoupled weight decay; ``adamw`` only."""
    schedule: Literal["cosine", "constant_cosine", "constant"] = "cosine"
    """Course of the learning rate. ``cosine``: it rises to its peak (see warmup) and falls to zero along half
    a cosine. ``constant_cosine``: the same, but it stays at its peak until it falls (see decay).
    ``constant``: it is at its peak throughout."""
    warmup: Share = 0.05
    """Share of the steps over which the learning rate rises to its peak."""
    decay: Share = 0.5
    """Share of the steps, at the end, over which the learning rate falls; ``constant_cosine`` only."""
    ema: Annotated[float, Field(ge=0, lt=1), NOT_TRUTH] = 0.998
    """Decay per step of the moving average of the weights that is validated and saved; 0 for none."""
    clip: NotNegative = 1.0
    """Largest norm of the gradient; 0 for no limit."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """``auto`` is bf16 autocast where the hardware computes in bf16, and float32 elsewhere."""
    channels_last: bool = True
    """Keep channels last in memory."""
    compile: bool = False
    """Compile the network with torch.compile."""
    seed: Annotated[int, Field(ge=0, lt=2**32), NOT_TRUTH] = 0
    """Seed of the weights, of the order of the samples and of the augmentation."""
    early_stop: EarlyStopConfig = EarlyStopConfig()
    start: Folder | None = None
    """Trained network whose weights training begins with: the name of one of the zoo, such as ``salt-half``,
    a run, or an inverter file. It must be of the study's architecture, with or without a head for
    ``model.uncertainty``; grid, survey and data may be others. Null begins with random weights."""
    hold: tuple[str, ...] = ()
    """Parts of the network of ``train.start`` that stay what they are, weights and statistics, such as
    ``stem`` or ``encoder 0``; ``fwi config show --model`` lists the parts."""
    freeze: bool = False
    """Hold all parts, and train the head of ``model.uncertainty`` alone; the section of ``train.start`` stays
    what it is."""

    @field_validator("loss")
    @classmethod
    def _loss_has_a_term(cls, loss: dict[LossName, float]) -> dict[LossName, float]:
        if not loss:
            raise ValueError(
                f"has no terms: write one or more of {', '.join(get_args(LossName))}, as {{l1: 1}}"
            )
        return loss


class TrackingConfig(Section):
    """Tracking with Weights & Biases; a CSV file of the same figures is always written."""

    mode: Literal["offline", "online", "disabled"] = "offline"
    """``offline`` writes to the run folder and needs no network or account. The environment variable
    WANDB_MODE takes precedence."""
    project: Annotated[str, Field(pattern=r"^[^/\\#?%:]{1,128}$")] = "salt-fwi"
    """The W&B project."""


class CheckConfig(Section):
    """The physics check: re-simulate a section and compare with its records."""

    finer: Annotated[int, Field(ge=2, le=32), NOT_TRUTH] = 2
    """How many times finer than the data's grid that of the check is, in space and time."""
    order: Literal[2, 4, 6, 8] = 4
    """Order of the check's finite differences in space, which must differ from physics.order."""


class StudyConfig(Section):
    """A whole study: every setting that affects a result, in sections."""

    grid: GridConfig = GridConfig()
    survey: SurveyConfig = SurveyConfig()
    physics: PhysicsConfig = PhysicsConfig()
    salt: SaltConfig = SaltConfig()
    storage: StorageConfig = StorageConfig()
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    tracking: TrackingConfig = TrackingConfig()
    check: CheckConfig = CheckConfig()
    refine: RefineConfig = RefineConfig()
    trust: TrustConfig = TrustConfig()

    @model_validator(mode="after")
    def _no_sample_is_trained_on_twice(self) -> "StudyConfig":
        seen: dict[Path, Path] = {}
        for other in (self.storage.folder, *self.data.extra_folders):
            one = seen.setdefault(other.resolve(), other)
            if one is not other:
                raise ValueError(
                    f"data.extra_folders: {one} and {other} are one folder, whose samples would be trained "
                    "on twice: leave one out"
                )
        return self

    @model_validator(mode="after")
    def _what_is_frozen_has_been_trained(self) -> "StudyConfig":
        if self.train.freeze and (self.train.start is None or self.model.uncertainty == "none"):
            raise ValueError(
                "train.freeze: trains the head of model.uncertainty alone, on a network that is trained "
                "already: name that in train.start and a head in model.uncertainty (laplace or quantiles), "
                "or set train.freeze to false"
            )
        if self.train.hold and self.train.start is None:
            raise ValueError(
                "train.hold: holds parts of a trained network: name that in train.start, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _speed_tells_salt_where_the_loss_asks(self) -> "StudyConfig":
        slowest, fastest = self.grid.velocity
        if "salt" in self.train.loss and not slowest < self.salt.threshold < fastest:
            raise ValueError(
                f"train.loss: salt needs a salt.threshold within grid.velocity {slowest:g} .. {fastest:g} "
                f"m/s, got {self.salt.threshold:g}: change one of them, or leave out the term"
            )
        return self

    @model_validator(mode="after")
    def _check_is_not_the_simulation_again(self) -> "StudyConfig":
        if self.check.order == self.physics.order:
            raise ValueError(
                f"check.order: {self.check.order} is physics.order too, and a discretisation that is checked "
                f"by itself agrees with itself: take {4 if self.physics.order == 8 else 8}"
            )
        return self
