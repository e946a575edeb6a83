"""``fwi benchmark attention``: what each mechanism costs in each place, and what whole networks cost.

Every case takes turns with ``plain``, the study's U-Net without attention, on the same input.
"""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from experiments.benchmark.contestant import Contestant
from experiments.benchmark.figures import Bench, Result, number
from experiments.progress import progress
from fwi import config
from fwi.config import SLOTS, ConfigError, ModelConfig, Slot, StudyConfig
from fwi.networks import table
from fwi.survey import Survey
from fwi.training.task import precision

SAMPLES = 4
"""Samples of a step on the CPU, so that two hundred cases take minutes."""


class Case(NamedTuple):
    """A network to measure."""

    name: str
    words: tuple[str, ...]
    """Words that select the case: mechanism and slot, or name and folder of its file."""
    model: ModelConfig | None
    refusal: str = ""
    """Reason why the network cannot be built; empty if it can."""


class Cost(NamedTuple):
    """The cost of a network; times are in seconds, turn by turn."""

    parameters: int
    multiply_adds: int
    """Number of multiply-adds for one sample."""
    peak: int
    """Peak memory of a training step in bytes, with weights, gradients and the optimiser's state."""
    step: list[float]
    inference: list[float]
    plain_step: list[float]
    """Training steps of ``plain`` in the same turns."""
    plain_inference: list[float]

    @property
    def step_ratio(self) -> float:
        """Training step by plain's, the median over the turns."""
        return _ratio(self.step, self.plain_step)

    @property
    def inference_ratio(self) -> float:
        """Inference by plain's, the median over the turns."""
        return _ratio(self.inference, self.plain_inference)


def measure(bench: Bench) -> Result:
    """Size, time and memory of every mechanism, alone in every place, and of the variants' networks.

    On the CPU a time is the CPU time of one thread, which other programs disturb little.
    """
    study = bench.study
    samples = bench.samples or (study.train.batch_size if torch.cuda.is_available() else SAMPLES)
    chosen = only(cases(study, bench.variants), bench.only)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        plain = Contestant(study, ModelConfig.model_validate(_bare(study)), samples)
        own = _turns(plain, plain, bench.repeats)
        costs = []
        with progress("attention", len(chosen), "cases") as done:
            for case in chosen:
                costs.append(_cost(case, plain, samples, bench.repeats))
                done(len(costs))
    finally:
        torch.set_num_threads(threads)

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU time of one thread"
    notes = [
        "",
        f"x: by plain; times of {samples} samples, {precision(study.train.precision)}, {device}",
        "parameters: added to plain's; multiply-adds: of one sample",
        "peak memory: what torch holds at the peak of a training step, weights and optimiser included",
        "the optimiser works per step: in larger ones (--samples) networks of many parameters are cheaper",
        "at the bottleneck a mechanism of one map costs what it costs at the deepest level",
    ]
    head = ("", "parameters", "multiply-adds", "training step", "inference", "peak memory", "")
    rows = [head, _absolute(own), *(_row(case, cost, own) for case, cost in zip(chosen, costs, strict=True))]
    figures = [_figure(case.name, cost) for case, cost in zip(chosen, costs, strict=True)]
    return Result(samples, rows, [_figure("plain", own), *figures], notes)


def cases(study: StudyConfig, variants: Sequence[Path]) -> list[Case]:
    """Every mechanism alone in every place of the study's U-Net, and the networks of some files.

    Raises:
        ValueError: there is no such file.
    """
    missing = [str(file) for file in variants if not config.find_study(file).is_file()]
    if missing:
        raise ValueError(f"--variants: there is no {', '.join(missing)}")
    levels = len(study.model.channels)
    places = {"attention": levels, "skip": levels - 1, "bottleneck": 1, "resample": 1}
    alone = [
        _alone(study, slot, name, place, places[slot])
        for slot, names in SLOTS.items()
        for name in names
        if name not in ("none", "interpolate")
        and not (slot == "bottleneck" and name in SLOTS["attention"])  # the same as at the deepest level
        for place in range(places[slot])
    ]
    return alone + [_variant(study, file) for file in variants]


def only(found: Sequence[Case], words: Sequence[str]) -> list[Case]:
    """The cases that some words ask for; all if there are no words.

    Raises:
        ValueError: a word asks for nothing.
    """
    known = dict.fromkeys(word for case in found for word in case.words)
    strange = [word for word in words if word not in known]
    if strange:
        raise ValueError(f"--only: no case is called {', '.join(strange)}; known: {', '.join(known)}")
    return [case for case in found if not words or set(words) & set(case.words)]


def _alone(study: StudyConfig, slot: Slot, name: str, place: int, places: int) -> Case:
    listed = slot in ("attention", "skip")
    entry = ["none"] * place + [name] + ["none"] * (places - place - 1) if listed else name
    values = {**_bare(study), slot: entry}
    where = {"attention": f"level {place}", "skip": f"skip {place}"}.get(slot, slot)
    return _case(f"{name}, {where}", (name, slot), lambda: config.validate(ModelConfig, values, slot))


def _bare(study: StudyConfig) -> dict[str, Any]:
    """Return the study's settings of the network except for name and attention."""
    return study.model.model_dump(include={"channels", "columns", "output"})


def _variant(study: StudyConfig, file: Path) -> Case:
    folder = file.resolve().parent.name
    name = f"{folder}/{file.stem}"
    return _case(name, (file.stem, folder), lambda: config.load([file], over=study).model)


def _case(name: str, words: tuple[str, ...], model: Callable[[], ModelConfig]) -> Case:
    try:
        return Case(name, words, model())
    except ConfigError as error:
        return Case(name, words, None, _short(error))


def _cost(case: Case, plain: Contestant, samples: int, repeats: int) -> Cost | str:
    """Measure the cost of a case, or return the reason why it cannot be built."""
    if case.model is None:
        return case.refusal
    try:
        return _turns(Contestant(plain.study, case.model, samples), plain, repeats)
    except (ValueError, torch.OutOfMemoryError) as error:
        return _short(error)


def _turns(network: Contestant, plain: Contestant, repeats: int) -> Cost:
    study = network.study
    parts = table.parts(study.model, Survey(study.grid, study.survey))
    turns = [(plain.train(), network.train(), plain.infer(), network.infer()) for _ in range(repeats)]
    plain_step, step, plain_inference, inference = map(list, zip(*turns, strict=True))
    return Cost(
        sum(part.parameters for part in parts),
        sum(part.multiply_adds for part in parts),
        network.peak,
        step,
        inference,
        plain_step,
        plain_inference,
    )


def _ratio(times: Sequence[float], plain: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(times, plain, strict=True))


def _short(error: Exception) -> str:
    """The mistake, without the file that it is in."""
    return str(error).splitlines()[-1].removeprefix("  - ")


def _absolute(cost: Cost) -> tuple[str, ...]:
    return (
        "plain",
        f"{cost.parameters:,}",
        f"{cost.multiply_adds / 1e6:,.1f} M",
        f"{number(1000 * statistics.median(cost.step))} ms",
        f"{number(1000 * statistics.median(cost.inference))} ms",
        f"{number(cost.peak / 1e6)} MB",
        "",
    )


def _row(case: Case, cost: Cost | str, plain: Cost) -> tuple[str, ...]:
    if isinstance(cost, str):
        return (case.name, "", "", "", "", "", f"refused: {cost}")
    return (
        case.name,
        f"{cost.parameters - plain.parameters:+,}",
        f"{cost.multiply_adds / 1e6:,.1f} M",
        f"{cost.step_ratio:.2f} x",
        f"{cost.inference_ratio:.2f} x",
        f"{cost.peak / plain.peak:.2f} x",
        "",
    )


def _figure(name: str, cost: Cost | str) -> dict[str, Any]:
    if isinstance(cost, str):
        return {"name": name, "refused": cost}
    ratios = {"step_ratio": cost.step_ratio, "inference_ratio": cost.inference_ratio}
    return {"name": name, **cost._asdict(), **ratios, "refused": None}
