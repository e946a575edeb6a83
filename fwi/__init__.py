"""Deep-learning full-waveform inversion for 2-D salt.

The names below are what a notebook needs; each is imported on first use: ``import fwi`` alone costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fwi.check import PhysicsCheck
    from fwi.config import StudyConfig
    from fwi.data import ShotDataset
    from fwi.inverter import Inverter, load
    from fwi.manifest import DataSet
    from fwi.physics import Propagator
    from fwi.run import Run, load_run
    from fwi.survey import Survey

_HOME = {
    "DataSet": "fwi.manifest",
    "Inverter": "fwi.inverter",
    "PhysicsCheck": "fwi.check",
    "Propagator": "fwi.physics",
    "Run": "fwi.run",
    "ShotDataset": "fwi.data",
    "StudyConfig": "fwi.config",
    "Survey": "fwi.survey",
    "load": "fwi.inverter",
    "load_run": "fwi.run",
}

__all__ = [
    "DataSet",
    "Inverter",
    "PhysicsCheck",
    "Propagator",
    "Run",
    "ShotDataset",
    "StudyConfig",
    "Survey",
    "load",
    "load_run",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fwi' has no attribute '{name}'; it has {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)
