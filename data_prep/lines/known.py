"""Records whose survey is known, of a shard or a .npy, as recorded shots."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.records import read_samples, require_shape, stated_survey
from data_prep.segy.shots import Shot
from fwi import shards
from fwi.survey import Survey

Array = NDArray[np.float32]

REPLACED = ("grid.nz", "grid.nx", "grid.velocity")
"""Settings of the grid in which records that are the network's own may differ: they leave the records as they
are."""


class Known(NamedTuple):
    """Records of a file, and the survey that is known of them."""

    gathers: Array
    """Pressure, shape ``(sample, shot, time, receiver)``."""
    survey: Survey
    """Their survey."""


@dataclass(frozen=True, eq=False)
class KnownShots:
    """The shots of one record of a known survey.

    Args:
        path: the file.
        survey: the survey.
        gathers: the record, shape ``(shot, time, receiver)``.
    """

    path: Path
    survey: Survey
    gathers: Array

    start = 0.0
    """Time of the first sample after the shot [s]."""

    @property
    def dt(self) -> float:
        """Sample interval [s]."""
        return self.survey.recorded_dt

    @property
    def nt(self) -> int:
        """Samples per trace."""
        return self.survey.gather_shape[1]

    @cached_property
    def shots(self) -> tuple[Shot, ...]:
        """The shots, in order of their position; their receivers in theirs."""
        survey, found = self.survey, []
        for i in np.argsort(survey.shot_x, kind="stable"):
            order = np.argsort(survey.receiver_x[i], kind="stable")
            depth = np.full(len(order), survey.receiver_depth)
            found.append(
                Shot(
                    int(i),
                    float(survey.shot_x[i]),
                    survey.shot_depth,
                    survey.receiver_x[i][order],
                    depth,
                    order,
                )
            )
        return tuple(found)

    def read(self, number: int) -> Array:
        """Return a shot's gather, shape ``(time, receiver)``, its receivers in order of their position."""
        gather: Array = self.gathers[number][:, np.argsort(self.survey.receiver_x[number], kind="stable")]
        return gather


def is_known(path: Path) -> bool:
    """Whether a file is a shard or a .npy, by its suffix."""
    return path.suffix in (".h5", ".npy")


def known_survey(path: Path, network: Survey, made_for: Path | None) -> Survey:
    """Return the survey of a shard or a .npy; that of the network for a .npy of which none is stated.

    Args:
        path: the file.
        network: survey of the network.
        made_for: YAML file with the grid and survey of a .npy, if one was named.
    """
    if path.suffix == ".h5":
        return shards.read_survey(path)
    return network if made_for is None else stated_survey(made_for)


def read_known(path: Path, network: Survey, made_for: Path | None) -> Known:
    """Read the records of a shard or a .npy.

    Args:
        path: the file.
        network: the network's survey, which a .npy has where none is stated.
        made_for: YAML file with the grid and survey of a .npy.

    Raises:
        ValueError: the file cannot be read, holds no samples, or those of another survey.
    """
    survey = known_survey(path, network, made_for)
    if path.suffix == ".h5":
        gathers = shards.read(path).gathers.astype(np.float32)
    else:
        gathers = read_samples(path, survey)
    if not len(gathers):
        raise ValueError(f"{path} holds no samples")
    whose = "the survey of the network" if made_for is None else f"the survey of {made_for}"
    require_shape(path, gathers, survey, whose)
    return Known(gathers, survey)


def own_kind(survey: Survey, network: Survey) -> bool:
    """Whether records are those that a network takes, but for the length and depth of their grid."""
    different = survey.differences_in_kind(network)
    fixed = survey.config.spread == "fixed"
    return not different or (fixed and all(each.startswith(REPLACED) for each in different))
