"""``fwi benchmark refine``: gradients against deepwave's own, and error against their number for each start.

Sections of models that no network was trained on are refined from the network's section, from a linear
gradient and from a smoothed truth; and from the first of these that there is by Adam, as in deepwave's
example of full-waveform inversion, and by L-BFGS without total variation. Records are simulated on a finer
grid of another order, that of the physics check.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.salt import generate
from experiments.benchmark import bare
from experiments.benchmark.figures import Bench, Figure, Result, aligned, number, result
from experiments.progress import progress
from fwi import naive
from fwi.config import StudyConfig
from fwi.run import Run, load_run
from fwi.survey import Survey

if TYPE_CHECKING:
    from fwi.refine import Iteration, Refined

Array = NDArray[np.float32]

SECONDS = 3.0
"""How long a turn of gradients runs."""
SAMPLES = 2
"""Models by default: their refinements take minutes at the demo's size."""
MODELS = 16
"""Number of random models in the mean that a linear gradient is fitted to, where there is no run."""
FIRST = 100_000
"""Number of the first model, beyond those of any data set of the study."""
BLUR = 200.0
"""Standard deviation [m] of the Gaussian that smooths the true model."""
STEP = 20.0
"""Learning rate of Adam [m/s]."""
CLIP = 0.98
"""Quantile at which Adam's gradients are clipped, as in deepwave's example."""
SHARES = (0, 0.1, 0.2, 1 / 3, 2 / 3, 1)
"""Parts of the budget after which the table gives the error."""


class Course(NamedTuple):
    """The error of a method after each number of gradients, averaged over the models."""

    name: str
    gradients: NDArray[np.int64]
    mae: NDArray[np.float64]
    """[m/s]"""
    salt_iou: float
    """Of the last section."""

    def after(self, gradients: float) -> float:
        """Error after some number of gradients [m/s]."""
        return float(self.mae[min(int(gradients), len(self.mae) - 1)])

    def reached(self, mae: float) -> float | None:
        """Smallest number of gradients after which the error is as small as that; None if it never is."""
        good = np.flatnonzero(self.mae <= mae)
        return float(self.gradients[good[0]]) if len(good) else None


def measure(bench: Bench) -> Result:
    """Rate of gradients by deepwave's, and the course of the error of each method."""
    speed = _speed(bench)
    run = None if bench.run is None else load_run(bench.run)
    samples = bench.samples or SAMPLES
    courses = _courses(bench.study, run, samples)
    budget = bench.study.refine.gradients
    marks = sorted({round(share * budget) for share in SHARES})
    reference = next(course for course in courses if course.name == "linear gradient")
    rows = [
        ("MAE (m/s) after", *(f"{mark} gradients" for mark in marks), "salt IoU", "gradients to"),
        *(_row(course, marks, reference) for course in courses),
    ]
    notes = [
        "",
        *aligned(rows).splitlines(),
        "",
        f"means over {samples} models; a gradient simulates every shot and its adjoint",
        f"gradients to: the error that the linear gradient's section has after {budget} "
        f"({number(reference.mae[-1])} m/s)",
        f"smoothed truth: Gaussian of {BLUR:g} m; Adam: {STEP:g} m/s, no penalty; both it and L-BFGS without "
        f"total variation begin with {'the network' if run else 'the linear gradient'}'s section",
    ]
    measured = result(samples, speed)
    told = [
        {
            "name": course.name,
            "gradients": course.gradients.tolist(),
            "mae": course.mae.tolist(),
            "salt_iou": course.salt_iou,
            "gradients_to_the_linear_gradients_error": course.reached(float(reference.mae[-1])),
        }
        for course in courses
    ]
    return measured._replace(
        figures=[*measured.figures, *told], notes=notes, drawn=lambda: _drawn(courses, samples)
    )


def _speed(bench: Bench) -> list[Figure]:
    """Gradients per second of the refinement's engine and of deepwave, turn by turn."""
    from fwi.refine.simulator import HISTORY_INTERVAL

    study, workers = bench.study, bench.workers
    ours, loops = [], []
    for _ in range(bench.repeats):
        loops.append(bare.gradients(study, SECONDS, HISTORY_INTERVAL))
        ours.append(bare.in_its_own_process(_engine, study, SECONDS, workers))
    engine = Figure("gradients", "/s", [turn.per_second for turn in ours], f"of all shots, {workers} threads")
    loop = Figure(
        "deepwave", "/s", [turn.per_second for turn in loops], "the same in a loop of deepwave, one thread"
    )
    ideal = loop._replace(turns=[workers * rate for rate in loop.turns])
    cpu, cpu_bare = (Figure("", "", [turn.per_cpu_second for turn in turns], "") for turns in (ours, loops))
    return [
        engine,
        loop,
        engine.by(ideal, "efficiency", f"gradients by {workers} x deepwave; asks for an idle machine", 0.9),
        cpu.by(
            cpu_bare, "CPU efficiency", "the same per second of CPU time: holds on a busy machine too", 0.9
        ),
    ]


def _engine(study: StudyConfig, seconds: float, threads: int) -> bare.Rate:
    """What the refinement's engine differentiates."""
    import torch
    from torch import Tensor

    from fwi.refine.simulator import Simulator

    torch.set_num_threads(1)
    simulator = Simulator(Survey(study.grid, study.survey), study.physics, threads)
    velocity = generate(study.grid, study.salt, stream=0, index=0).velocity
    every = np.arange(study.survey.shots)

    def energy(simulated: Tensor, _: Tensor) -> Tensor:
        return simulated.square().sum()

    return bare.repeated(lambda: simulator.misfit_and_gradient(velocity, every, energy), seconds)


def _courses(study: StudyConfig, run: Run | None, samples: int) -> list[Course]:
    """Refine the sections of some models by every method."""
    from fwi.check import PhysicsCheck
    from fwi.metrics import score

    drawn = [generate(study.grid, study.salt, 1, FIRST + index) for index in range(samples)]
    if run is None:
        models = (generate(study.grid, study.salt, 0, FIRST + index) for index in range(MODELS))
        mean = np.mean([model.velocity for model in models], axis=0)
    else:
        mean = run.mean_model
    survey = Survey(study.grid, study.survey)
    check = PhysicsCheck(survey, study.physics, study.check, mean)
    found: dict[str, list[tuple[list[float], list[float], float]]] = {}
    budget = study.refine.gradients
    with progress("refine", samples * (5 if run else 4), "sections") as report:
        for model in drawn:
            truth = model.velocity
            gathers = check.simulate(truth)
            for name, method in _methods(study, survey, gathers, truth, mean, run).items():
                gradients, errors, last = _followed(method, truth, budget)
                iou = score(last[None], truth[None], model.salt[None], study.grid.spacing)["salt_iou"][0]
                found.setdefault(name, []).append((gradients, errors, float(iou)))
                report(sum(map(len, found.values())), f"{name} {errors[-1]:.0f} m/s")
    at = np.arange(budget + 1)
    return [
        Course(
            name,
            at,
            np.mean([_stepped(at, gradients, errors) for gradients, errors, _ in each], axis=0),
            float(np.mean([iou for *_, iou in each])),
        )
        for name, each in found.items()
    ]


Method = Callable[[Callable[[float, Array], None]], Array]
"""Refines a section, calls a function with the gradients and the section at each step; returns the last."""


def _methods(
    study: StudyConfig, survey: Survey, gathers: Array, truth: Array, mean: Array, run: Run | None
) -> dict[str, Method]:
    from scipy.ndimage import gaussian_filter

    starts = {} if run is None else {"network": run.invert(gathers, survey)}
    starts["linear gradient"] = naive.linear_gradient(mean)
    starts["smoothed truth"] = gaussian_filter(truth, BLUR / study.grid.spacing, mode="nearest")
    first = next(iter(starts.values()))
    plain = study.model_copy(update={"refine": study.refine.model_copy(update={"smoothness": 0.0})})
    methods: dict[str, Method] = {
        name: _refinement(study, survey, gathers, start) for name, start in starts.items()
    }
    methods["Adam"] = lambda told: _adam(study, survey, gathers, first, told)
    methods["L-BFGS without total variation"] = _refinement(plain, survey, gathers, first)
    return methods


def _refinement(study: StudyConfig, survey: Survey, gathers: Array, start: Array) -> Method:
    """A refinement as ``fwi refine`` does it."""
    from fwi.refine import refine

    def refined(told: Callable[[float, Array], None]) -> Array:
        def step(iteration: "Iteration", section: Array) -> None:
            told(iteration.gradients, section)

        told(0, start)
        found: Refined = refine(start, gathers, survey, study.physics, study.refine, study.check, watch=step)
        if found.stopped == "interrupted":
            raise KeyboardInterrupt
        return found.candidate

    return refined


def _adam(
    study: StudyConfig, survey: Survey, gathers: Array, start: Array, told: Callable[[float, Array], None]
) -> Array:
    """The loop of deepwave's example: sum of squares, gradients clipped, Adam; speeds kept in their range."""
    import torch
    from torch import Tensor

    from fwi import interrupts
    from fwi.refine.simulator import Simulator

    simulator, data = Simulator(survey, study.physics), torch.from_numpy(gathers)
    every = np.arange(survey.config.shots)
    model = torch.from_numpy(start.copy()).requires_grad_()
    optimiser = torch.optim.Adam([model], lr=STEP)

    def misfit(simulated: Tensor, chosen: Tensor) -> Tensor:
        return (simulated - data.to(simulated.device)[chosen]).square().sum()

    told(0, start)
    for gradients in range(1, study.refine.gradients + 1):
        interrupts.check()
        _, gradient = simulator.misfit_and_gradient(model.detach().numpy(), every, misfit)
        limit = np.quantile(np.abs(gradient), CLIP)
        model.grad = torch.from_numpy(np.clip(gradient, -limit, limit).astype(np.float32))
        optimiser.step()
        with torch.no_grad():
            model.clamp_(*survey.grid.velocity)
        told(gradients, model.detach().numpy().copy())
    return model.detach().numpy()


def _followed(method: Method, truth: Array, budget: int) -> tuple[list[float], list[float], Array]:
    """The error after each number of gradients, and the last section, which is the one returned."""
    gradients: list[float] = []
    errors: list[float] = []

    def told(number: float, section: Array) -> None:
        gradients.append(number)
        errors.append(float(np.abs(section - truth).mean()))

    last = method(told)
    told(max(budget, *gradients), last)
    return gradients, errors, last


def _stepped(
    at: NDArray[np.int64], gradients: Sequence[float], errors: Sequence[float]
) -> NDArray[np.float64]:
    """The error of the latest step at each number of gradients."""
    latest = np.searchsorted(gradients, at, side="right") - 1
    values: NDArray[np.float64] = np.asarray(errors, dtype=np.float64)[latest]
    return values


def _row(course: Course, marks: Sequence[int], reference: Course) -> tuple[str, ...]:
    reached = course.reached(float(reference.mae[-1]))
    return (
        course.name,
        *(number(course.after(mark)) for mark in marks),
        f"{course.salt_iou:.2f}",
        "never" if reached is None else f"{reached:.0f}",
    )


def _drawn(courses: Sequence[Course], samples: int) -> Any:
    from fwi import plots

    lines = {course.name: (course.gradients, course.mae) for course in courses}
    return plots.error_over_gradients(lines, f"MAE (m/s), mean of {samples} models")
