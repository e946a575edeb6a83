"""Reading of records onto a survey from any known format: a shard, a .npy, SEG-Y or SU."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.recognise import SEGY, is_segy
from data_prep.segy.recorded import recorded_survey
from data_prep.segy.shots import open_shots
from data_prep.segy.source import prepare
from fwi import config, shards
from fwi.config import PhysicsConfig, StudyConfig
from fwi.files import read_npy
from fwi.run import Run
from fwi.shards import refuse_another_survey
from fwi.survey import Survey


class Records(NamedTuple):
    """Records of a file, and their survey."""

    gathers: NDArray[np.float32]
    """Pressure, shape ``(sample, shot, time, receiver)``; missing traces are zero throughout."""
    changes: tuple[str, ...]
    """Changes that brought the records onto the survey, a sentence each; empty if there were none."""
    survey: Survey
    """The survey that the records are on."""


class _Wanted(NamedTuple):
    """The survey that records are wanted on."""

    survey: Survey
    whose: str
    own_survey: bool

    def admitted(self, path: Path, made_for: Survey) -> Survey:
        """Return the survey that a file was made for, unless it is none that is wanted."""
        refuse_another_survey(path, made_for, self.survey, self.whose, any_survey=self.own_survey)
        return made_for


def read(
    path: Path,
    survey: Survey,
    physics: PhysicsConfig | None = None,
    *,
    dtype: str = "float32",
    made_for: Path | None = None,
    whose: str = "the one asked for",
    own_survey: bool = False,
) -> Records:
    """Read the records of a file onto a survey, or with their own shots and receivers, without printing.

    Args:
        path: a shard (.h5); a .npy of gathers, shape ``(shot, time, receiver)`` or ``(sample, shot, time,
            receiver)``; or shots as SEG-Y or SU, which are brought onto the survey as ``fwi import`` does.
        survey: the survey wanted.
        physics: settings of the simulated direct arrival that gives the gain and time shift of SEG-Y.
        dtype: number format in which the records of SEG-Y must be storable, float16 or float32.
        made_for: YAML file with the grid and survey of a .npy; None assumes that it is ``survey``.
        whose: description of the wanted survey at the end of an error message, such as "that of the run".
        own_survey: whether the records keep their own shots and receivers. Then only grid, depths, time axis
            and wavelet must be those of ``survey``.

    Raises:
        ValueError: the file cannot be read or holds no samples, it has another survey, or the survey does not
            fit the recorded line.
    """
    wanted = _Wanted(survey, whose, own_survey)
    if path.suffix == ".h5":
        own = wanted.admitted(path, shards.read_survey(path))
        records = Records(shards.read(path).gathers.astype(np.float32), (), own)
    elif is_segy(path):
        records = _read_segy(path, wanted, physics or PhysicsConfig(), dtype)
    elif path.suffix == ".npy":
        records = _read_npy(path, wanted, made_for)
    else:
        raise ValueError(
            f"{path}: records are read from a shard (.h5), a .npy or SEG-Y ({', '.join(SEGY)}), "
            f"not from '{path.suffix}'"
        )
    if not len(records.gathers):
        raise ValueError(f"{path} holds no samples")
    return records


def read_for(run: Run, path: Path, made_for: Path | None = None) -> Records:
    """Read the records of a file for a run, without printing: with their own shots and receivers if it can.

    Args:
        run: the run. If its network takes any survey, the first of the changes tells that of the records, and
            what of it is beyond the network.
        path: the file, as for ``read``.
        made_for: YAML file with the grid and survey of a .npy; None assumes the run's.

    Raises:
        ValueError: the file cannot be read, or the network does not serve its survey.
    """
    any_survey, dtype = run.inverter.any_survey, run.study.storage.dtype
    records = read(
        path,
        run.survey,
        run.study.physics,
        dtype=dtype,
        made_for=made_for,
        whose=run.whose,
        own_survey=any_survey,
    )
    if not any_survey:
        return records
    told = describe_survey(run, records.survey, records.gathers)
    return records._replace(changes=(told, *records.changes))


def describe_survey(run: Run, survey: Survey, gathers: NDArray[np.float32]) -> str:
    """Describe the survey of records, and what of it is beyond a network of the same lengths and times.

    Args:
        run: the network, which takes any survey.
        survey: the survey.
        gathers: the records, shape ``(sample, shot, time, receiver)``.
    """
    live: NDArray[np.bool_] = np.any(gathers, axis=(0, 2))
    beyond = "" if survey.differences_in_kind(run.survey) else run.beyond(survey, live)
    return "; ".join(filter(None, (f"survey: {survey.layout(live)}", beyond)))


def require_sample(sample: int, count: int, path: Path) -> None:
    """Refuse the number of a sample that a file does not hold.

    Args:
        sample: the number.
        count: how many samples the file holds.
        path: the file.

    Raises:
        ValueError: there is no such sample.
    """
    if not 0 <= sample < count:
        raise ValueError(f"--sample {sample}: {path} holds samples 0 to {count - 1}")


def refuse_silence(gathers: NDArray[np.float32], where: str) -> None:
    """Refuse a record, shape ``(shot, time, receiver)``, that is zero throughout.

    Args:
        gathers: the record.
        where: file and number of the record, for the message.
    """
    if not gathers.any():
        raise ValueError(f"{where}: the record is zero throughout")


def _read_segy(path: Path, wanted: _Wanted, physics: PhysicsConfig, dtype: str) -> Records:
    shots = open_shots(path)
    survey, placement = recorded_survey(shots, wanted.survey) if wanted.own_survey else (wanted.survey, None)
    line = prepare(shots, survey, physics, dtype, placement=placement)
    return Records(line.gathers([0]), line.changes, survey)


def _read_npy(path: Path, wanted: _Wanted, made_for: Path | None) -> Records:
    survey = wanted.survey
    if made_for is not None:
        survey = wanted.admitted(made_for, stated_survey(made_for))
    gathers = read_samples(path, survey)
    if wanted.own_survey and made_for is None:
        require_shape(path, gathers, survey, wanted.whose)
    return Records(gathers, (), survey)


def stated_survey(made_for: Path) -> Survey:
    """Read the survey of a .npy from the YAML file that states its grid and survey.

    Raises:
        ValueError: the file is no study.
    """
    study: StudyConfig = config.load([made_for])
    return Survey(study.grid, study.survey)


def read_samples(path: Path, survey: Survey) -> NDArray[np.float32]:
    """Read a .npy of gathers, shape ``(sample, shot, time, receiver)``, one sample if it has no such axis.

    Args:
        path: the file.
        survey: the survey of the gathers; a large file of another shape is refused unread.

    Raises:
        ValueError: the file cannot be read, or holds no gathers.
    """
    gathers = read_npy(path, survey.gather_shape)
    if gathers.ndim == 3:
        gathers = gathers[None]
    if gathers.dtype.kind != "f" or gathers.ndim != 4:
        raise ValueError(
            f"{path}: {gathers.dtype} of shape {gathers.shape}; expected floating-point gathers "
            "(shot, time, receiver) or (sample, shot, time, receiver)"
        )
    return gathers.astype(np.float32, copy=False)


def require_shape(path: Path, gathers: NDArray[np.float32], survey: Survey, whose: str) -> None:
    """Refuse gathers of another shape than those of a survey.

    Args:
        path: their file, for the message.
        gathers: gathers, shape ``(sample, shot, time, receiver)``.
        survey: the survey.
        whose: whose survey that is, for the message.

    Raises:
        ValueError: the shapes differ.
    """
    if gathers.shape[1:] != survey.gather_shape:
        raise ValueError(
            f"{path}: records of shape {gathers.shape[1:]}, and those on {whose} have "
            f"{survey.gather_shape}: name the grid and survey of these with --survey STUDY.yaml"
        )
