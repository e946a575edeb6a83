"""``fwi benchmark physics``: error against cost of orders, absorbing layers and time steps.

Salt models of the study's preset are recorded with each setting and compared with records of a grid that is
so fine, and a layer that is so wide, that finer and wider ones change little.
"""

import math
import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.salt import generate
from experiments.benchmark.figures import Bench, Result
from fwi.config import PhysicsConfig, StudyConfig, SurveyConfig
from fwi.survey import Survey, SurveyError

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float32]

SHOTS = 2
"""Shots per model: an error needs few, and the reference costs a hundred times the study's records."""

FINEST, FINER = 5, 3
"""How many times finer the grids of the reference and of its check are. Odd: a cell becomes whole cells."""

WIDEST = 60
"""Absorbing layer of the reference on the study's own grid [cells]."""

WIDTHS = (6, 8, 10, 12, 16, 20)
"""Absorbing layers to measure [cells]."""


class Setting(NamedTuple):
    """A way to solve the wave equation."""

    order: int
    pml_width: int
    steps: int
    """Time steps per recorded sample."""
    corrected: bool
    """Whether the dispersion of the time stepping is corrected."""

    def on(self, study: StudyConfig) -> tuple[Survey, PhysicsConfig]:
        """The study's survey, which records the same samples, and its physics."""
        physics = {"order": self.order, "pml_width": self.pml_width, "correct_dispersion": self.corrected}
        survey = _stepped(study.survey, self.steps)
        return Survey(study.grid, survey), study.physics.model_copy(update=physics)


class Measured(NamedTuple):
    """Cost and error of a setting; errors are the NRMS of records weighted by time squared."""

    setting: Setting
    error: float
    """Error against the finest grid."""
    own_error: float
    """Error against the same grid with order 8, a quarter of the time step and the widest layer."""
    turns: list[float]
    """Ratio of the CPU time to that of the study's setting, turn by turn."""

    @property
    def cost(self) -> float:
        """The median over the turns."""
        return statistics.median(self.turns)


def measure(bench: Bench) -> Result:
    """Error and cost of the settings around the study's own, on one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measure(_with_few_shots(bench.study), bench.samples or 4, bench.repeats)
    finally:
        torch.set_num_threads(threads)


def _measure(study: StudyConfig, samples: int, repeats: int) -> Result:
    from fwi.physics import Propagator

    models = np.stack([generate(study.grid, study.salt, 0, index).velocity for index in range(samples)])
    chosen = _chosen(study)
    admitted, refused = {}, []
    for setting in _settings(study):
        try:
            admitted[setting] = Propagator(*setting.on(study))
        except SurveyError as error:
            dt = _stepped(study.survey, setting.steps).dt
            refused.append(f"refused: order {setting.order} with dt {1000 * dt:.3g} ms: {error}")

    finest, finer = (_refined_records(study, models, factor) for factor in (FINEST, FINER))
    widest = Propagator(*chosen._replace(order=8, pml_width=WIDEST, steps=4 * chosen.steps).on(study))
    own, _ = _timed(widest, models)

    seconds: dict[Setting, list[float]] = {setting: [] for setting in admitted}
    errors = {}
    for _ in range(repeats):
        for setting, propagator in admitted.items():
            gathers, spent = _timed(propagator, models)
            seconds[setting].append(spent)
            errors[setting] = _weighted_nrms(gathers, finest), _weighted_nrms(gathers, own)
    measured = [
        Measured(
            setting,
            *errors[setting],
            [mine / ours for mine, ours in zip(seconds[setting], seconds[chosen], strict=True)],
        )
        for setting in admitted
    ]
    best = frontier(measured)
    rows = [
        ("order", "layer", "dt", "corrected", "error", "own error", "cost", ""),
        *_rows(measured, best, study),
    ]
    notes = [
        "",
        f"error: NRMS weighted by time squared against a grid {FINEST} times finer "
        f"(one {FINER} times finer: {_weighted_nrms(finer, finest):.4f})",
        f"own error: against the same grid with order 8, a quarter of dt and a layer of {WIDEST} cells",
        "cost: CPU time by that of the study's setting; * no other setting is both better and cheaper",
        *dict.fromkeys(refused),
    ]
    figures = [
        {
            **one.setting._asdict(),
            "dt": _stepped(study.survey, one.setting.steps).dt,
            "error": one.error,
            "own_error": one.own_error,
            "cost": one.cost,
            "turns": one.turns,
            "frontier": one in best,
            "study": one.setting == chosen,
        }
        for one in measured
    ]
    return Result(samples, rows, figures, notes)


def frontier(measured: Sequence[Measured]) -> list[Measured]:
    """Return the settings that no other setting beats in error at no higher cost, or the reverse."""
    return [
        one
        for one in measured
        if not any(
            other.error <= one.error
            and other.cost <= one.cost
            and (other.error < one.error or other.cost < one.cost)
            for other in measured
        )
    ]


def blocks(models: Array, factor: int) -> Array:
    """Models ``(model, depth, x)`` on a grid that is finer by an odd factor, their edges where they were.

    A cell becomes ``factor`` cells around its centre, so that its faces lie on faces of the finer grid.
    """
    rows, columns = ((np.arange((n - 1) * factor + 1) + factor // 2) // factor for n in models.shape[1:])
    return models[:, rows[:, None], columns]


def _settings(study: StudyConfig) -> list[Setting]:
    """Orders and layers at the study's time step, then other time steps with and without correction."""
    chosen = _chosen(study)
    widths = sorted({*WIDTHS, chosen.pml_width})
    settings = [chosen._replace(order=order, pml_width=width) for order in (2, 4, 6, 8) for width in widths]
    steps = sorted({max(1, chosen.steps - 1), chosen.steps, chosen.steps + 1, 2 * chosen.steps})
    settings += [
        chosen._replace(steps=number, corrected=corrected) for number in steps for corrected in (True, False)
    ]
    return list(dict.fromkeys([chosen, *settings]))


def _chosen(study: StudyConfig) -> Setting:
    physics = study.physics
    return Setting(physics.order, physics.pml_width, study.survey.keep_every, physics.correct_dispersion)


def _with_few_shots(study: StudyConfig) -> StudyConfig:
    """The study with its outermost shots alone."""
    outermost = {
        "shots": min(SHOTS, study.survey.shots),
        "shot_x": None,
        "shot_margin": float(Survey(study.grid, study.survey).shot_x[0]),
    }
    return study.model_copy(update={"survey": study.survey.model_copy(update=outermost)})


def _stepped(survey: SurveyConfig, steps: int) -> SurveyConfig:
    """The survey with another number of time steps per recorded sample."""
    time_axis = {
        "dt": survey.dt * survey.keep_every / steps,
        "nt": math.ceil(survey.nt * steps / survey.keep_every),
        "keep_every": steps,
    }
    return survey.model_copy(update=time_axis)


def _refined_records(study: StudyConfig, models: Array, factor: int) -> "Tensor":
    from fwi.physics import Propagator

    survey, physics = _chosen(study)._replace(order=8, pml_width=20 * factor).on(study)
    return _timed(Propagator(survey.refined(factor), physics), blocks(models, factor))[0]


def _timed(propagator: Any, models: Array) -> tuple["Tensor", float]:
    """Records of the models, and the CPU seconds that they took."""
    import torch

    velocity = torch.from_numpy(models)
    with torch.inference_mode():
        start = time.process_time()
        gathers = propagator(velocity)
        return gathers, time.process_time() - start


def _weighted_nrms(gathers: "Tensor", reference: "Tensor") -> float:
    """NRMS over all records ``(model, shot, time, receiver)``, weighted by time squared."""
    from fwi.misfit import normalised_rms, weighted_by_time

    ours, true = (weighted_by_time(records, dt=1, power=2) for records in (gathers, reference))  # dt cancels
    return float(normalised_rms(ours, true))


def _rows(
    measured: Sequence[Measured], best: Sequence[Measured], study: StudyConfig
) -> list[tuple[str, ...]]:
    return [
        (
            str(one.setting.order),
            str(one.setting.pml_width),
            f"{1000 * _stepped(study.survey, one.setting.steps).dt:.3g} ms",
            "yes" if one.setting.corrected else "no",
            f"{one.error:.4f}",
            f"{one.own_error:.4f}",
            f"{one.cost:.2f} x",
            ("*" if one in best else "") + (" the study's" if one.setting == _chosen(study) else ""),
        )
        for one in measured
    ]
