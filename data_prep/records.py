"""Reading of records onto a survey from any known format: a shard, a .npy, SEG-Y or SU."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.recognise import SEGY, is_segy
from data_prep.segy.shots import open_shots
from data_prep.segy.source import prepare
from fwi import config, shards
from fwi.config import PhysicsConfig, StudyConfig
from fwi.files import read_npy
from fwi.survey import Survey


class Records(NamedTuple):
    """Records of a file on a survey."""

    gathers: NDArray[np.float32]
    """Pressure, shape ``(sample, shot, time, receiver)``."""
    changes: tuple[str, ...]
    """Changes that brought the records onto the survey, a sentence each; empty if there were none."""


def read(
    path: Path,
    survey: Survey,
    physics: PhysicsConfig | None = None,
    *,
    dtype: str = "float32",
    made_for: Path | None = None,
    whose: str = "the one asked for",
) -> Records:
    """Read the records of a file onto a survey, without printing anything.

    Args:
        path: a shard (.h5); a .npy of gathers, shape ``(shot, time, receiver)`` or ``(sample, shot, time,
            receiver)``; or shots as SEG-Y or SU, which are brought onto the survey as ``fwi import`` does.
        survey: the survey wanted.
        physics: settings of the simulated direct arrival that gives the gain and time shift of SEG-Y.
        dtype: number format in which the records of SEG-Y must be storable, float16 or float32.
        made_for: YAML file with the grid and survey of a .npy, which must equal ``survey``; None assumes that
            they do.
        whose: description of the wanted survey at the end of an error message, such as "that of the run".

    Raises:
        ValueError: the file cannot be read or holds no samples, it has another survey, or the survey does not
            fit the recorded line.
    """
    records = _read(path, survey, physics or PhysicsConfig(), dtype, made_for, whose)
    if not len(records.gathers):
        raise ValueError(f"{path} holds no samples")
    return records


def require_sample(sample: int, count: int, path: Path) -> None:
    """Refuse the number of a sample that a file does not hold."""
    if not 0 <= sample < count:
        raise ValueError(f"--sample {sample}: {path} holds samples 0 to {count - 1}")


def refuse_silence(gathers: NDArray[np.float32], where: str, check: bool) -> None:
    """Refuse a record that is zero throughout and, if ``check``, a record with a shot that is zero.

    Args:
        gathers: the record, shape ``(shot, time, receiver)``.
        where: file and number of the record, for the message.
        check: whether the physics check will compare each shot.
    """
    silent = np.flatnonzero(~gathers.any(axis=(1, 2)))
    if len(silent) == len(gathers):
        raise ValueError(f"{where}: the record is zero throughout")
    if check and len(silent):
        raise ValueError(
            f"{where}: shot {silent[0]} is zero throughout, which the physics check cannot compare; "
            "mend the record, or invert it with --no-check"
        )


def _read(
    path: Path,
    survey: Survey,
    physics: PhysicsConfig,
    dtype: str,
    made_for: Path | None,
    whose: str,
) -> Records:
    if path.suffix == ".h5":
        _refuse_another_survey(path, shards.read_survey(path), survey, whose)
        return Records(shards.read(path).gathers.astype(np.float32), ())
    if is_segy(path):
        line = prepare(open_shots(path), survey, physics, dtype)
        return Records(line.gathers([0]), line.changes)
    if path.suffix != ".npy":
        raise ValueError(
            f"{path}: records are read from a shard (.h5), a .npy or SEG-Y ({', '.join(SEGY)}), "
            f"not from '{path.suffix}'"
        )
    if made_for is not None:
        study: StudyConfig = config.load([made_for])
        _refuse_another_survey(made_for, Survey(study.grid, study.survey), survey, whose)
    gathers = read_npy(path, survey.gather_shape)
    if gathers.ndim == 3:
        gathers = gathers[None]
    if gathers.dtype.kind != "f" or gathers.ndim != 4:
        raise ValueError(
            f"{path}: {gathers.dtype} of shape {gathers.shape}; expected floating-point gathers "
            "(shot, time, receiver) or (sample, shot, time, receiver)"
        )
    return Records(gathers.astype(np.float32, copy=False), ())


def _refuse_another_survey(path: Path, made_for: Survey, survey: Survey, whose: str) -> None:
    shards.refuse_differences(
        f"{path} was made for another survey than {whose}", made_for.differences(survey)
    )
