"""The configuration of a study: one YAML file, merged, validated and frozen.

A study is everything that decides a result: grid, survey, physics, salt models, storage, data, network,
training, tracking and check. ``load`` merges YAML files left to right and reports every mistake of them at
once, each with its key and how to mend it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

WaveletKind = Literal["ricker"]
SaltPreset = Literal["yang_ma"]
NetworkName = Literal["attention_unet", "fcnvmb_unet"]
GateForm = Literal["sigmoid", "2sigmoid", "1+tanh", "residual"]
LossName = Literal["l1", "mse", "ssim"]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class ConfigError(ValueError):
    """A configuration that cannot be used; the message lists every mistake with its key and remedy."""


class Section(BaseModel):
    """Base of all sections: immutable, no unknown keys, documented by the string under each field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class GridConfig(Section):
    """The velocity model's grid of square cells."""

    nz: Annotated[int, Field(ge=8)] = 101
    """Cells in depth."""
    nx: Annotated[int, Field(ge=8)] = 151
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


class SurveyConfig(Section):
    """Sources, receivers and the time axis. Positions are in metres from the grid's first cell."""

    shots: Count = 15
    """Number of shots, evenly spaced and symmetric about the middle of the line."""
    shot_margin: Annotated[float, Field(ge=0)] | None = None
    """Distance of the outermost shots from the line's ends [m]; half the shot interval if not given."""
    receivers: Annotated[int, Field(ge=2)] = 151
    """Receivers that record each shot."""
    spread: Literal["fixed", "streamer"] = "fixed"
    """``fixed``: all shots are recorded along the whole line. ``streamer``: the receivers trail each shot."""
    near_offset: Positive = 100.0
    """Streamer only: distance from the shot to its nearest receiver [m]."""
    receiver_interval: Positive = 20.0
    """Streamer only: distance between receivers [m]."""
    depth: Annotated[float, Field(ge=0)] = 20.0
    """Depth of the sources [m]."""
    receiver_depth: Annotated[float, Field(ge=0)] | None = None
    """Depth of the receivers [m]; that of the sources if not given."""
    dt: Positive = 0.002
    """Time step of the simulation [s]."""
    nt: Annotated[int, Field(ge=2)] = 1000
    """Time steps of the simulation."""
    keep_every: Count = 5
    """Every how many time steps a sample is recorded."""
    top: Literal["absorbing", "free"] = "absorbing"
    """What the upper edge of the grid does: absorb, or reflect as a free surface."""
    wavelet: WaveletConfig = WaveletConfig()


class PhysicsConfig(Section):
    """How the wave equation is solved."""

    order: Literal[2, 4, 6, 8] = 8
    """Order of the finite differences in space."""
    pml_width: Annotated[int, Field(ge=4)] = 12
    """Width of the absorbing layer [cells]."""
    correct_dispersion: bool = True
    """Correct source and records for the numerical dispersion of the time stepping (Koene et al., 2018)."""
    memory: Annotated[int, Field(ge=2**20)] = 2**30
    """Bytes that one chunk of simulated shots may take."""


class SaltConfig(Section):
    """The random velocity models."""

    preset: SaltPreset = "yang_ma"
    """The geology to draw from."""
    seed: Annotated[int, Field(ge=0)] = 0
    """A sample depends on this seed, its split and its index, and on nothing else."""
    threshold: Positive = 4250.0
    """A cell at least this fast [m/s] is salt, imported or inverted: midway from sediment to salt."""
    lens_share: Share = 0.5
    """Share of models whose salt is a lens; the others are domes with their base below the section."""


class StorageConfig(Section):
    """The data set on disk."""

    folder: Path = Path("data/salt")
    """Where the shards are."""
    train: Annotated[int, Field(ge=0)] = 1600
    """Simulated training samples."""
    validation: Annotated[int, Field(ge=0)] = 100
    """Simulated validation samples."""
    test: Annotated[int, Field(ge=0)] = 100
    """Simulated test samples."""
    samples_per_shard: Count = 50
    """Samples in one HDF5 file."""
    dtype: Literal["float16", "float32"] = "float16"
    """Precision in which gathers are stored."""


class DataConfig(Section):
    """What the network is fed."""

    extra_folders: tuple[Path, ...] = ()
    """Further data sets of the same survey, whose training splits are added to the first one's."""
    amplitude: Literal["signed_log", "raw"] = "signed_log"
    """``signed_log``: sign(d) log(1 + |d| / s), s measured and stored with the run; ``raw``: as recorded."""
    flip: Share = 0.5
    """Probability of mirroring shots, receivers and model of a training sample (needs a symmetric survey)."""
    workers: Annotated[int, Field(ge=0)] = 1
    """Processes that load samples; 0 loads in the training process."""


def _by_name(entry: object) -> object:
    """Let ``se`` stand for ``{name: se}``."""
    return {"name": entry} if isinstance(entry, str) else entry


class NoAttention(Section):
    """Nothing is attended to."""

    name: Literal["none"] = "none"
    """The mechanism."""


class SEChoice(Section):
    """Squeeze and excitation (Hu et al., 2018)."""

    name: Literal["se"] = "se"
    """The mechanism."""
    reduction: Count = 16
    """Channels per hidden unit."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class CBAMChoice(Section):
    """Convolutional block attention module (Woo et al., 2018)."""

    name: Literal["cbam"] = "cbam"
    """The mechanism."""
    reduction: Count = 16
    """Channels per hidden unit of the channel gate."""
    kernel_size: Literal[3, 7] = 7
    """Width of the spatial gate's convolution."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class CAChoice(Section):
    """Coordinate attention (Hou et al., 2021)."""

    name: Literal["ca"] = "ca"
    """The mechanism."""
    reduction: Count = 32
    """Channels per hidden unit."""
    gate: GateForm = "2sigmoid"
    """How the excitation becomes a factor."""


class GateChoice(Section):
    """Attention gate of a skip connection (Oktay et al., 2018)."""

    name: Literal["gate"] = "gate"
    """The mechanism."""


Attention = Annotated[
    NoAttention | SEChoice | CBAMChoice | CAChoice, Field(discriminator="name"), BeforeValidator(_by_name)
]
"""What the ends of a level's encoder and decoder block attend with: a name, or a mapping with options."""
SkipAttention = Annotated[
    NoAttention | SEChoice | CBAMChoice | CAChoice | GateChoice,
    Field(discriminator="name"),
    BeforeValidator(_by_name),
]
"""What a skip connection attends with."""


class ModelConfig(Section):
    """The network."""

    name: NetworkName = "attention_unet"
    """Which network."""
    channels: Annotated[tuple[Count, ...], Field(min_length=2)] = (32, 64, 128, 256, 512)
    """Channels per level, shallow to deep."""
    attention: tuple[Attention, ...] = ()
    """Attention per level, shallow to deep, at the end of encoder and decoder blocks; empty is none."""
    skip: tuple[SkipAttention, ...] = ()
    """Attention per skip connection, shallow to deep (one fewer than levels); empty is none anywhere."""
    output: Literal["bounded", "raw"] = "bounded"
    """``bounded``: squashed into the grid's velocity range. ``raw``: the network's output is m/s as it is."""

    @field_validator("attention", "skip")
    @classmethod
    def _one_entry_per_slot(cls, entries: tuple[Section, ...], info: ValidationInfo) -> tuple[Section, ...]:
        if not entries or "channels" not in info.data:
            return entries
        levels = len(info.data["channels"])
        wanted, slot = (
            (levels, "level") if info.field_name == "attention" else (levels - 1, "skip connection")
        )
        if len(entries) != wanted:
            raise ValueError(
                f"{len(entries)} entries, but {levels} levels of channels need {wanted}: write one per "
                f"{slot}, 'none' among them, or leave it empty"
            )
        return entries

    @model_validator(mode="after")
    def _published_network_is_plain(self) -> "ModelConfig":
        if self.name == "fcnvmb_unet" and (self.attention or self.skip):
            raise ValueError("fcnvmb_unet is the published network, without attention: use attention_unet")
        return self


class EarlyStopConfig(Section):
    """When training ends before its last epoch."""

    metric: Literal["validation/mae", "validation/loss", "validation/salt_iou"] | None = None
    """What must keep improving; null trains to the last epoch."""
    patience: Count = 10
    """Epochs without improvement after which training stops."""


class TrainConfig(Section):
    """The training of the network."""

    epochs: Count = 40
    """Passes over the training split."""
    batch_size: Count = 16
    """Samples per step."""
    loss: dict[LossName, Positive] = {"l1": 1.0}
    """Terms of the loss with their weights."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    """The optimiser."""
    learning_rate: Positive = 1e-3
    """Peak learning rate."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled weight decay; ``adamw`` only."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Course of the learning rate after the warm-up."""
    warmup: Share = 0.05
    """Share of the steps over which the learning rate rises to its peak."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.998
    """Decay per step of the moving average of the weights that is validated and saved; 0 for none."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Largest norm of the gradient; 0 for no limit."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """``auto`` is bf16 autocast where the hardware computes in bf16, and float32 elsewhere."""
    channels_last: bool = True
    """Keep channels last in memory."""
    compile: bool = False
    """Compile the network with torch.compile."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the weights, of the order of the samples and of the augmentation."""
    early_stop: EarlyStopConfig = EarlyStopConfig()


class TrackingConfig(Section):
    """Weights & Biases. A CSV file of the same figures is written in any case."""

    mode: Literal["offline", "online", "disabled"] = "offline"
    """``offline`` writes to the run folder and needs no network or account. WANDB_MODE goes before this."""
    project: str = "salt-fwi"
    """The W&B project."""


class CheckConfig(Section):
    """The physics check: re-simulate a section and compare with its records."""

    refine: Annotated[int, Field(ge=1)] = 2
    """How many times finer the check's grid is than the data's."""
    order: Literal[2, 4, 6, 8] = 4
    """Order of the check's finite differences; another than that of the data."""
    nrms_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Largest share of the mean model's NRMS at which a section is believed."""
    correlation: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Smallest median trace correlation at which a section is believed."""
    shift: Positive = 0.01
    """Largest median time shift [s] at which a section is believed."""


class StudyConfig(Section):
    """A whole study."""

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


SectionT = TypeVar("SectionT", bound=Section)


def load(paths: Iterable[Path | str]) -> StudyConfig:
    """Read and merge study files, left to right.

    Args:
        paths: YAML files; later ones override earlier ones key by key. None gives the defaults.

    Raises:
        ConfigError: a file is missing, is no YAML mapping, or the merged study has mistakes (all are listed).
    """
    merged: dict[str, Any] = {}
    files = [Path(path) for path in paths]
    for file in files:
        merged = merge(merged, _read_mapping(file))
    return validate(StudyConfig, merged, source=" + ".join(map(str, files)) or "the defaults")


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two nested mappings; where both have a mapping it is merged, else ``override`` wins."""
    merged = dict(base)
    for key, value in override.items():
        old = merged.get(key)
        # An attention entry or a set of loss terms is replaced whole: half of two recipes is neither.
        whole = key == "loss" or not (isinstance(old, Mapping) and isinstance(value, Mapping))
        merged[key] = value if whole else merge(old, value)  # type: ignore[arg-type]
    return merged


def validate(kind: type[SectionT], values: Mapping[str, Any], source: str) -> SectionT:
    """Build a section from plain values.

    Raises:
        ConfigError: listing all mistakes, each with its key.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        mistakes = describe(kind, error.errors())
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise ConfigError(f"{source}: {count}\n" + "\n".join(f"  - {line}" for line in mistakes)) from None


def describe(kind: type[BaseModel], errors: Sequence[ErrorDetails]) -> list[str]:
    """Say of each validation error where it is, what is wrong and what would be right."""
    return [f"{_key(error)}: {_explain(kind, error)}" for error in errors]


def dump(config: BaseModel) -> str:
    """Write a configuration as YAML that ``load`` reads back to an equal one."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=100)


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; studies to start from are in configs/") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        found = type(content).__name__
        raise ConfigError(f"{path}: expected sections such as 'grid:' and 'survey:', got a {found}")
    return content


def _key(error: ErrorDetails) -> str:
    return ".".join(str(part) for part in error["loc"]) or "study"


def _explain(kind: type[BaseModel], error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        known = _known_keys(kind, error["loc"][:-1])
        return f"unknown key; known here: {', '.join(known)}"
    if error["type"] == "union_tag_invalid":
        context = error["ctx"]
        return f"unknown name {context['tag']!r}; known: {context['expected_tags']}"
    if error["type"] == "literal_error":
        return f"{error['input']!r} is not offered; known: {error['ctx']['expected']}"
    if error["type"] in ("union_tag_not_found", "model_attributes_type"):
        return f"{error['input']!r} names no mechanism; write se, or {{name: se, reduction: 8}}"
    if error["type"] == "model_type":
        return f"expected keys with values, got {error['input']!r}; remove the line to have the defaults"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return f"{error['msg'][0].lower()}{error['msg'][1:]}, got {error['input']!r}"


def _known_keys(kind: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Field names of the section at a location."""
    for part in location:
        field = kind.model_fields.get(str(part))
        found = _ATTENTION.get(str(part)) if field is None else field.annotation
        if isinstance(found, type) and issubclass(found, BaseModel):
            kind = found
    return list(kind.model_fields)


_ATTENTION: dict[str, type[Section]] = {
    choice().name: choice for choice in (NoAttention, SEChoice, CBAMChoice, CAChoice, GateChoice)
}
