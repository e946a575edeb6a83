"""Simulated lines for tests, over a model that is given at any scale."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from data_prep.segy.write import write_gathers
from fwi.config import GridConfig, PhysicsConfig, SurveyConfig, WaveletConfig
from fwi.physics import Propagator
from fwi.survey import Survey

PHYSICS = PhysicsConfig()

NETWORK = Survey(
    GridConfig(nz=32, nx=36, spacing=20.0),
    SurveyConfig(shots=8, shot_margin=0.0, receivers=36, dt=0.002, nt=300, keep_every=5),
)
"""The survey of a small network: 10 Hz, 0.6 s, shots every 100 m."""

LINE = Survey(
    GridConfig(nz=32, nx=81, spacing=12.5),
    SurveyConfig(
        shots=7,
        shot_margin=62.5,
        receivers=81,
        depth=12.5,
        dt=0.00125,
        nt=400,
        keep_every=2,
        wavelet=WaveletConfig(frequency=16.0),
    ),
)
"""A line of 1 km at 12.5 m and 16 Hz, which last 0.5 s: longer in all respects than those of the network."""


def changed(survey: Survey, **changes: Any) -> Survey:
    """The same survey with other settings."""
    return Survey(survey.grid, survey.config.model_copy(update=changes))


def model(grid: GridConfig, salt: float = 4200.0) -> NDArray[np.float32]:
    """Sediments above a salt body whose top dips, shape ``(depth, x)``; smooth, for grids of any spacing.

    The uppermost 100 m are homogeneous, so that the direct arrival is that of a homogeneous medium.
    """
    depth, x = (np.arange(count) * grid.spacing for count in (grid.nz, grid.nx))
    top = 240 + 50 * np.cos(2 * np.pi * x / 700)
    inside = 0.5 * (1 + np.tanh((depth[:, None] - top) / 15))
    speed = 1600 + 1.2 * (depth[:, None] - 100).clip(min=0) + (salt - 1600) * inside
    return np.clip(speed, *grid.velocity).astype(np.float32)


def simulated(survey: Survey) -> NDArray[np.float32]:
    """Records of a survey over the model."""
    with torch.inference_mode():
        return Propagator(survey, PHYSICS)(torch.from_numpy(model(survey.grid))[None])[0].numpy()


@cache
def gathers_of_line() -> NDArray[np.float32]:
    """Records of ``LINE``, simulated once; to be read only."""
    return simulated(LINE)


def written(path: Path, gathers: NDArray[np.floating[Any]], survey: Survey = LINE) -> Path:
    """Gathers as SEG-Y."""
    write_gathers(path, gathers, survey, "a test")
    return path


def ending(survey: Survey, samples: int) -> Survey:
    """The same survey with fewer samples."""
    return changed(survey, nt=(samples - 1) * survey.config.keep_every + 1)


def nrms(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Error of records relative to those wanted, on the traces that there are."""
    live = found.any(axis=-2, keepdims=True)
    return float(np.linalg.norm((found - wanted) * live) / np.linalg.norm(wanted * live))
