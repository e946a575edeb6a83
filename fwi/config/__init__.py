"""The configuration of a study: one YAML file, merged, validated and frozen.

A study holds all settings that affect a result: grid, survey, physics, salt models, storage, data, network,
training, tracking, check, refinement and verdict. ``load`` merges YAML files left to right and reports all
their mistakes at once, each with its key and remedy.
"""

from fwi.config.attention import GateForm, InterpolateChoice, NoAttention, PositionName, SqueezeName
from fwi.config.base import Positive, Section
from fwi.config.choice import Choice, LevelsChoice, Slot
from fwi.config.corruption import CorruptConfig
from fwi.config.earlier import up_to_date
from fwi.config.load import ConfigError, describe, dump, load, merge, parse, validate
from fwi.config.model import MECHANISMS, NETWORK_KINDS, SLOTS, EncoderName, ModelConfig
from fwi.config.refine import RefineConfig
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
from fwi.config.studies import find_study, known_studies
from fwi.config.study import (
    MOST_WORKERS,
    SPLITS,
    CheckConfig,
    DataConfig,
    EarlyStopConfig,
    GridConfig,
    LossName,
    PhysicsConfig,
    Split,
    StorageConfig,
    StudyConfig,
    SurveyConfig,
    TrackingConfig,
    TrainConfig,
    WaveletConfig,
)
from fwi.config.trust import TrustConfig

__all__ = [
    "MECHANISMS",
    "MOST_WORKERS",
    "NETWORK_KINDS",
    "SLOTS",
    "SPLITS",
    "CheckConfig",
    "Choice",
    "ConfigError",
    "CorruptConfig",
    "DataConfig",
    "EarlyStopConfig",
    "EncoderName",
    "GateForm",
    "GridConfig",
    "GulfPreset",
    "InterpolateChoice",
    "LevelsChoice",
    "LossName",
    "MixedPart",
    "MixedPreset",
    "ModelConfig",
    "NoAttention",
    "PhysicsConfig",
    "PositionName",
    "Positive",
    "Preset",
    "RefineConfig",
    "SaltConfig",
    "Section",
    "SegEagePreset",
    "SinglePreset",
    "Slot",
    "Split",
    "SqueezeName",
    "StorageConfig",
    "StratifiedPreset",
    "StudyConfig",
    "SurveyConfig",
    "TrackingConfig",
    "TrainConfig",
    "TrustConfig",
    "WaveletConfig",
    "YangMaPreset",
    "describe",
    "dump",
    "find_study",
    "known_studies",
    "load",
    "merge",
    "parse",
    "up_to_date",
    "validate",
]
