"""A study whose survey fits a file of recorded shots."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Unpack

import numpy as np
import yaml

from data_prep.segy.direct_arrival import traces_to_compare
from data_prep.segy.left_out import kept
from data_prep.segy.line import metres
from data_prep.segy.placing import FITTING, GeometryError, Placement, depths, place
from data_prep.segy.shots import SegyShots
from data_prep.segy.source import SegyLine, Stated, prepare, refuse_no_numbers
from data_prep.segy.spreads import FEWEST_CELLS, Layout, extent, is_towed, layout_values
from fwi.config import GridConfig, PhysicsConfig, StudyConfig, validate
from fwi.survey import COURANT_LIMIT, HIGHEST_FREQUENCY, MIN_POINTS_PER_WAVELENGTH, Survey

VELOCITY = GridConfig().velocity
"""Slowest and fastest speed [m/s] where nothing else is known."""

HIGHEST_PEAK = 10.0
"""Peak frequency [Hz] that suffices: each doubling of it costs eightfold."""

MOST_DOUBLINGS = 7
"""How often it may be doubled, for receivers within half a wavelength of the shots, or for short records."""

LOWEST_PEAK = 0.5
"""Peak frequency [Hz] below which no survey is suggested."""

MOST_CELLS = 2e7
"""Cells of a grid on which a simulation fits into the memory of an ordinary machine."""

MOST_STEPS = 6000
"""Time steps of a survey; the correction of their dispersion takes memory as their square, 1.4 GB here."""

MOST_UPDATES = 3e11
"""Updates of a cell in a simulation of all shots, of which a core does 1e8 a second or so: an hour."""

MORE = 1.05
"""Ratio of traces kept above which unevenly spread shots, whose samples cannot be mirrored, are preferred."""

MEAN_SPEED = 2000.0
"""Average speed down to the bottom of the section [m/s], to which waves travel in half the records' time."""

ROUND = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.5, 8.0)
"""Leading digits of suggested cell sizes."""


class FrequencyError(GeometryError):
    """A peak frequency cannot be found in the records, or is higher than that of the records."""


class Suggestion(NamedTuple):
    """A study whose survey fits a file."""

    text: str
    """The study, as YAML."""
    line: SegyLine
    """The file's records on that survey."""


@dataclass(frozen=True)
class _Terms:
    """The requirements on a study besides fitting the geometry."""

    velocity: tuple[float, float]
    """Slowest and fastest speed of the grid [m/s]."""
    dominant: float
    """Mean frequency of the records [Hz]."""
    stated: Stated


@dataclass(frozen=True)
class _Fit:
    """A study whose survey the file's shots and receivers fill."""

    values: dict[str, Any]
    study: StudyConfig
    survey: Survey
    kept: int
    """Number of recorded traces that the survey uses."""


def suggest(
    file: SegyShots, velocity: tuple[float, float] = VELOCITY, **stated: Unpack[Stated]
) -> Suggestion:
    """Find a study whose survey fits a file's records, so that they can be imported without further flags.

    Args:
        file: the recorded shots.
        velocity: slowest and fastest speed of the grid [m/s].
        stated: the values that a user states, as ``prepare`` takes them.

    Raises:
        GeometryError: no survey fits; the message says why the closest one does not.
    """
    refuse_no_numbers(every=stated.get("every"), gain=stated.get("gain"), shift=stated.get("shift"))
    terms = _Terms(velocity, _dominant(file), stated)
    refused: list[ValueError] = []
    for doublings in range(MOST_DOUBLINGS + 1):
        fits = _fits(file, terms, doublings, refused)
        for fit in fits:
            try:
                line = prepare(file, fit.survey, fit.study.physics, fit.study.storage.dtype, **stated)
            except ValueError as error:
                refused = [error]  # it came closer than what the geometry excludes
            else:
                return Suggestion(_text(file, fit.values, line.placements[0]), line)
        if fits:
            break
    reason = str(refused[0]).removeprefix(f"{file.path}: ").removesuffix(f"\n{FITTING}")
    if limits := [str(error) for error in refused if isinstance(error, FrequencyError)]:
        reason += f"; {limits[0]}"
    raise GeometryError(
        f"{file.path}: no survey is found that fits; the closest: {reason}. What is stated with "
        "--suggest-config is taken for granted and handed on to the import, as --gain 1 --shift 0 or "
        "--grid.velocity 300 2500"
    )


def _text(file: SegyShots, values: dict[str, Any], placement: Placement) -> str:
    sections = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=100)
    name = "".join(letter if letter.isprintable() else "?" for letter in file.path.name)
    return (
        f"# A survey that fits {name}; its x = 0 lies at {metres(placement.start)} m of its line.\n"
        "# To be set by who knows the geology: grid.nz and grid.velocity. survey.top free is for water,\n"
        "# absorbing for land, and for records without ghosts and surface multiples.\n" + sections
    )


def _fits(file: SegyShots, terms: _Terms, doublings: int, refused: list[ValueError]) -> list[_Fit]:
    """Studies of one peak frequency, the best first; what is in the way of others is added to ``refused``."""
    # A shot at the end of a fixed spread is as good as one with a streamer.
    usual: tuple[Layout, Layout] = ("streamer", "even") if is_towed(file.shots) else ("even", "streamer")
    fits: list[_Fit] = []
    for layout in (*usual, "listed"):
        if fits and layout != "listed":
            continue
        try:
            fit = _fit(file, layout, terms, doublings)
        except ValueError as error:
            refused.append(error)
        else:
            better = bool(fits) and fit.kept > MORE * fits[0].kept
            fits.insert(0 if better else len(fits), fit)
    return fits


def _fit(file: SegyShots, layout: Layout, terms: _Terms, doublings: int) -> _Fit:
    """A study of one layout, which the shots and receivers of the file fill.

    Raises:
        ValueError: they do not, or gain and shift cannot be measured on what they record.
    """
    values = _study(file, layout, terms, doublings)
    study = validate(StudyConfig, values, source=f"the survey of {file.path.name}")
    _refuse_too_large(study.grid)
    survey = Survey(study.grid, study.survey)
    survey.check(study.physics.order)
    placement = place(file, survey, terms.stated.get("start"))
    if terms.stated.get("gain") is None or terms.stated.get("shift") is None:
        traces_to_compare(survey)
        _refuse_endless(survey)
    values["data"] = {"flip": 0.5 if survey.symmetric else 0.0}
    study = validate(StudyConfig, values, source=file.path.name)
    return _Fit(values, study, survey, kept(file, survey, [placement]))


def _refuse_too_large(grid: GridConfig) -> None:
    if grid.nz * grid.nx > MOST_CELLS:
        raise GeometryError(
            f"a grid of {grid.nz} x {grid.nx} cells of {grid.spacing:g} m is too large to simulate on; take "
            "a part of the line, or a faster --grid.velocity if it is right, which makes coarser cells"
        )


def _refuse_endless(survey: Survey) -> None:
    shots, _, _ = survey.gather_shape
    updates = float(shots) * survey.config.nt * survey.grid.nz * survey.grid.nx
    if updates > MOST_UPDATES:
        raise GeometryError(
            f"gain and time are told on a simulation, and {shots} shots on {survey.grid.nz} x "
            f"{survey.grid.nx} cells over {survey.config.nt} time steps would take hours; state "
            "--gain and --shift, or a faster --grid.velocity if it is right, which makes coarser cells"
        )
    if survey.config.nt > MOST_STEPS:
        raise GeometryError(
            f"gain and time are told on a simulation, and cells of {survey.grid.spacing:g} m need "
            f"{survey.config.nt} time steps, and more than {MOST_STEPS} take gigabytes; state --gain and "
            "--shift, or a faster --grid.velocity if it is right, which makes coarser cells"
        )


def _peaks(file: SegyShots, layout: Layout, terms: _Terms, receivers: float) -> list[float]:
    """Peak frequencies that the records allow [Hz]: what suffices or else the highest, and it doubled."""
    slowest = terms.velocity[0]
    limits = {
        f"the records' mean frequency is {terms.dominant:.2g} Hz": terms.dominant,
        f"samples are {file.dt:g} s apart": 0.5 / file.dt / HIGHEST_FREQUENCY,
    }
    if layout != "streamer":  # receivers are then seldom where they were recorded, and must not alias
        aliased = f"receivers {metres(receivers)} m apart alias above {slowest / 2 / receivers:.2g} Hz at "
        aliased += f"{slowest:g} m/s (--grid.velocity SLOWEST FASTEST if it is more)"
        limits[aliased] = slowest / HIGHEST_FREQUENCY / (2 * receivers)
    reason = min(limits, key=lambda each: limits[each])
    highest = limits[reason]
    doubled = [min(HIGHEST_PEAK * 2**doublings, highest) for doublings in range(MOST_DOUBLINGS + 1)]
    peaks = [*dict.fromkeys(_down(peak, 0.1 if peak < 5 else 0.5) for peak in doubled)]
    if not peaks[0] >= LOWEST_PEAK:
        raise GeometryError(
            f"{file.path}: {reason}; no survey fits such records, of a wavelet of {LOWEST_PEAK:g} Hz or more"
        )
    return peaks


def _study(file: SegyShots, layout: Layout, terms: _Terms, doublings: int) -> dict[str, Any]:
    slowest, fastest = terms.velocity
    towed = layout == "streamer"
    steps = np.concatenate([np.diff(shot.receiver_x) for shot in file.shots])
    if not len(steps):
        raise GeometryError(
            f"{file.path}: one receiver per shot; a survey needs two or more. Each trace has a source of its "
            "own, as in a stacked section; if these are shots, other bytes of the headers tell them apart "
            "(--bytes.shot) or hold the sources (--bytes.source-x)"
        )
    receivers = float(np.median(steps))
    peaks = _peaks(file, layout, terms, receivers)
    if doublings >= len(peaks):
        raise FrequencyError(f"no peak frequency above {peaks[-1]:g} Hz was recorded")
    peak = peaks[doublings]
    cell = slowest / (HIGHEST_FREQUENCY * peak * MIN_POINTS_PER_WAVELENGTH[PhysicsConfig().order])
    cell = _round_cell(min(cell, receivers, extent(file, layout, receivers) / FEWEST_CELLS))
    geometry = layout_values(file, layout, receivers, cell)
    length = geometry.pop("length")
    # At least ten samples per period, and whole samples of the file where it is fine enough.
    interval = file.dt * max(1, int(1 / (10 * peak) / file.dt))
    keep_every = math.ceil(interval / (COURANT_LIMIT * cell / fastest / math.sqrt(2)))
    end = file.start + (file.nt - 1) * file.dt
    kept = int(end / interval + 1e-6)
    if kept < 1:
        raise GeometryError(
            f"{file.path}: the records end at {end:g} s, before the second sample of a survey, at "
            f"{interval:g} s, of ten in a period of {peak:g} Hz"
        )
    # A free surface neither emits nor records: the first row below it does.
    rows = [max(round(depth / cell), 1 if towed else 0) for depth in depths(file)]
    nz = max(8, round(end * MEAN_SPEED / 2 / cell) + 1, max(rows) + 2)
    return {
        "grid": {"nz": nz, "nx": round(length / cell) + 1, "spacing": cell, "velocity": [slowest, fastest]},
        "survey": {
            **geometry,
            "depth": rows[0] * cell,
            "receiver_depth": rows[1] * cell,
            "dt": interval / keep_every,
            "nt": kept * keep_every + 1,
            "keep_every": keep_every,
            "top": "free" if towed else "absorbing",
            "wavelet": {"frequency": peak},
        },
        "storage": {"folder": f"data/{file.path.stem}"},
    }


def _dominant(file: SegyShots) -> float:
    """Frequency of the largest amplitudes of the middle shot [Hz], averaged over an octave."""
    traces = file.read(file.shots[len(file.shots) // 2].number).astype(np.float64)
    amplitude = np.abs(np.fft.rfft(traces, axis=0)).mean(axis=1)
    frequency = np.fft.rfftfreq(file.nt, file.dt)
    # Of a signal with one hump this is its middle.
    return float((frequency * amplitude**2).sum() / (amplitude**2).sum())


def _round_cell(cell: float) -> float:
    power = 10.0 ** math.floor(math.log10(cell) + 1e-9)
    return max(digit for digit in ROUND if digit * power <= cell * (1 + 1e-9)) * power


def _down(value: float, step: float) -> float:
    return math.floor(value / step + 1e-9) * step
