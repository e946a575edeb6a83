"""What an ablation found: means over seeds and samples, and their intervals, as table, figure and JSON."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.sweep.variants import Variant
from fwi import plots
from fwi.files import write_whole
from fwi.metrics import METRICS, Metric
from fwi.provenance import provenance

TABLE, FIGURE, NUMBERS = "ablation.md", "ablation.png", "ablation.json"
CHOOSE_BY = "validation"
"""Evaluation that chooses the best variant, by ``CHOSEN_METRIC``; the others are only reported."""
CHOSEN_METRIC = "mae"
"""The metric that chooses the best variant, and whose differences and seeds are shown."""

Values = NDArray[np.float64]
Runs = Mapping[str, Mapping[int, Path]]
"""The folder of each run, by variant and seed."""


class Estimate(NamedTuple):
    """A mean over seeds and samples."""

    mean: float
    low: float
    """Lower end of the 95 % interval of the mean."""
    high: float
    """Upper end of it."""
    by_seed: tuple[float, ...]
    """The mean of each seed."""


class Found(NamedTuple):
    """The results of a variant on one set of samples; None for a metric that is undefined for all."""

    seeds: tuple[int, ...]
    scores: dict[str, Estimate | None]
    """By metric."""
    differences: dict[str, Estimate | None]
    """Difference to the reference by metric, sample by sample, over the seeds that both have."""


def compared() -> dict[str, Metric]:
    """The metrics of table and figure, ``CHOSEN_METRIC`` first."""
    shown = {name: metric for name, metric in METRICS.items() if metric.compared}
    return {CHOSEN_METRIC: METRICS[CHOSEN_METRIC], **shown}


def estimate(values: Values) -> Estimate | None:
    """Mean over seeds and samples, and where it may lie had there been all seeds and all samples.

    The variance of the mean is that of the seeds' means by the number of seeds, plus that of the samples'
    means by the number of samples. The interval is Student's, with the degrees of freedom of Welch and
    Satterthwaite. In experiments of three seeds and 50 samples it holds the truth 92 to 95 times of 100; a
    bootstrap of seeds and samples, which takes three seeds for all that there are, 76 to 94 times. With a
    single seed the scatter of trainings is unknown and left out.

    Args:
        values: a metric, shape ``(seed, sample)``; samples that lack it (NaN) are left out.
    """
    from scipy.special import stdtrit

    values = values[:, ~np.isnan(values).any(axis=0)]
    if not values.size:
        return None
    by_seed, by_sample = values.mean(axis=1), values.mean(axis=0)
    several = [means for means in (by_seed, by_sample) if len(means) > 1]
    parts = [(means.var(ddof=1) / len(means), len(means) - 1) for means in several]
    variance = sum(part for part, _ in parts)
    half = 0.0
    if variance > 0:
        freedom = variance**2 / sum(part**2 / free for part, free in parts)
        half = float(stdtrit(freedom, 0.975)) * math.sqrt(variance)
    mean = float(values.mean())
    return Estimate(mean, mean - half, mean + half, tuple(by_seed.tolist()))


def evaluation(run: Path, name: str) -> Path:
    """The file of a run's evaluation that goes by this name."""
    return run / ("evaluation.json" if name == "test" else f"evaluation-{name}.json")


def compare(runs: Runs, name: str, reference: str) -> dict[str, Found]:
    """What is known of each variant that has been scored.

    Args:
        runs: all runs, scored or not.
        name: of the evaluations to compare.
        reference: the variant that the others are compared with.
    """
    values = {variant: _values(of_seeds, name) for variant, of_seeds in runs.items()}
    found = {}
    for variant, by_seed in values.items():
        if not by_seed:
            continue
        both = [seed for seed in by_seed if seed in values[reference] and variant != reference]
        scores, differences = {}, {}
        for metric in compared():
            scores[metric] = estimate(np.stack([of[metric] for of in by_seed.values()]))
            if both:
                pairs = [(by_seed[seed][metric], values[reference][seed][metric]) for seed in both]
                differences[metric] = estimate(np.stack([own - other for own, other in pairs]))
        found[variant] = Found(tuple(by_seed), scores, differences)
    return found


def best(found: Mapping[str, Found]) -> str:
    """The variant whose mean of ``CHOSEN_METRIC`` is the best, among those of the most seeds."""
    sign = 1 if METRICS[CHOSEN_METRIC].best == "min" else -1

    def rank(variant: str) -> tuple[int, float]:
        score = found[variant].scores[CHOSEN_METRIC]
        return -len(found[variant].seeds), math.inf if score is None else sign * score.mean

    return min(found, key=rank)


def write(out: Path, variants: Sequence[Variant], runs: Runs, names: Iterable[str], reference: str) -> None:
    """Write table, figure and JSON of what has been scored so far; nothing where nothing has.

    Args:
        out: where to.
        variants: what is compared, in the order of the table.
        runs: all runs, scored or not.
        names: of their evaluations, ``CHOOSE_BY`` among them. The first is drawn; a metric that it lacks is
            drawn from the next that has it, ``CHOOSE_BY`` after all others.
        reference: the variant that the others are compared with.
    """
    found = {name: compare(runs, name, reference) for name in names}
    if not all(found.values()):
        return
    chosen = best(found[CHOOSE_BY])
    costs = {
        each.name: {"parameters": each.parameters, "multiply_adds": each.multiply_adds} for each in variants
    }
    numbers = {"reference": reference, "best": chosen, "costs": costs, "found": _as_dicts(found)}
    write_whole(out / NUMBERS, json.dumps({**numbers, "provenance": provenance()}, indent=1))
    tables = [_table(variants, of, name, reference, chosen) for name, of in found.items()]
    write_whole(out / TABLE, "\n".join(tables))
    plots.save(plots.dots_and_bars(_panels(found, reference), reference), out / FIGURE)


def _values(runs: Mapping[int, Path], name: str) -> dict[int, dict[str, Values]]:
    """Each metric of each sample, shape ``(sample,)``, of each seed that has been scored."""
    found = {}
    for seed, run in runs.items():
        if evaluation(run, name).exists():
            per_sample = json.loads(evaluation(run, name).read_text())["per_sample"]
            # An evaluation of before a metric was added has none of it.
            none = [math.nan] * len(per_sample[CHOSEN_METRIC])
            found[seed] = {
                metric: np.array(per_sample.get(metric, none), dtype=np.float64) for metric in compared()
            }
    return found


def _table(
    variants: Iterable[Variant], found: Mapping[str, Found], name: str, reference: str, chosen: str
) -> str:
    heads = [
        "variant",
        "parameters",
        "multiply-adds (M)",
        METRICS[CHOSEN_METRIC].label(),
        "of each seed",
        f"minus {reference}'s",
    ]
    heads += [metric.label() for name, metric in compared().items() if name != CHOSEN_METRIC]
    lines = [heads, ["---"] * len(heads)]
    for each in variants:
        if each.name not in found:
            continue
        of = found[each.name]
        scores = {metric: _cell(score) for metric, score in of.scores.items()}
        label = f"**{each.name}**" if each.name == chosen else each.name
        cost = [f"{each.parameters:,}", f"{each.multiply_adds / 1e6:,.1f}"]
        score, more = of.scores[CHOSEN_METRIC], of.differences.get(CHOSEN_METRIC)
        by_seed = ", ".join(f"{mean:.1f}" for mean in score.by_seed) if score else "-"
        difference = _cell(more, sign="+")
        if more and len(more.by_seed) == 1:
            difference += ", one seed: scatter of trainings unknown"
        lines.append([label, *cost, scores.pop(CHOSEN_METRIC), by_seed, difference, *scores.values()])
    title = f"{name}: mean [95 % interval]; in bold the best by {CHOOSE_BY} {METRICS[CHOSEN_METRIC].title}"
    return "\n".join([title, "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def _cell(score: Estimate | None, sign: str = "") -> str:
    if score is None:
        return "-"
    digits = 1 if max(map(abs, score[:3])) >= 2 else 3
    mean, low, high = (f"{value:{sign}.{digits}f}" for value in score[:3])
    return f"{mean} [{low}, {high}]"


def _panels(found: Mapping[str, Mapping[str, Found]], reference: str) -> dict[str, dict[str, plots.Dots]]:
    """By metric and variant: its mean and seeds, and the interval of its difference to the reference."""
    panels: dict[str, dict[str, plots.Dots]] = {}
    names = sorted(found, key=lambda name: name == CHOOSE_BY)
    for metric, of_metric in compared().items():
        label = of_metric.label()
        having = [name for name in names if any(of.scores[metric] for of in found[name].values())]
        if not having:
            continue
        if having[0] != names[0]:
            label += f"\n{having[0]}"
        for variant, of in found[having[0]].items():
            score, difference = of.scores[metric], of.differences.get(metric)
            if score is None:
                continue
            bar = None
            if difference is not None and len(difference.by_seed) > 1:
                bar = (
                    score.mean - (difference.mean - difference.low),
                    score.mean + (difference.high - difference.mean),
                )
            panels.setdefault(label, {})[variant] = plots.Dots(score.mean, score.by_seed, bar)
    return panels


def _as_dicts(value: object) -> object:
    """Named tuples as mappings, for JSON."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    return {key: _as_dicts(of) for key, of in value.items()} if isinstance(value, dict) else value
