"""The configuration of a study: one YAML file, merged, validated and frozen.

A study is everything that decides a result: grid, survey, physics, salt models, storage, data, network,
training, tracking and check. ``load`` merges YAML files left to right and reports every mistake of them at
once, each with its key and how to mend it.
"""

from fwi.config.attention import Attention, GateForm, NoAttention, PositionName, SkipAttention, SqueezeName
from fwi.config.base import Positive, Section
from fwi.config.load import ConfigError, describe, dump, load, merge, validate
from fwi.config.salt import (
    GulfPreset,
    MixedPart,
    MixedPreset,
    Preset,
    SaltConfig,
    SegEagePreset,
    SinglePreset,
    StratifiedPreset,
    YangMaPreset,
)
from fwi.config.study import (
    SPLITS,
    CheckConfig,
    DataConfig,
    EarlyStopConfig,
    GridConfig,
    LossName,
    ModelConfig,
    PhysicsConfig,
    Split,
    StorageConfig,
    StudyConfig,
    SurveyConfig,
    TrackingConfig,
    TrainConfig,
    WaveletConfig,
)

__all__ = [
    "SPLITS",
    "Attention",
    "CheckConfig",
    "ConfigError",
    "DataConfig",
    "EarlyStopConfig",
    "GateForm",
    "GridConfig",
    "GulfPreset",
    "LossName",
    "MixedPart",
    "MixedPreset",
    "ModelConfig",
    "NoAttention",
    "PhysicsConfig",
    "PositionName",
    "Positive",
    "Preset",
    "SaltConfig",
    "Section",
    "SegEagePreset",
    "SinglePreset",
    "SkipAttention",
    "Split",
    "SqueezeName",
    "StorageConfig",
    "StratifiedPreset",
    "StudyConfig",
    "SurveyConfig",
    "TrackingConfig",
    "TrainConfig",
    "WaveletConfig",
    "YangMaPreset",
    "describe",
    "dump",
    "load",
    "merge",
    "validate",
]
