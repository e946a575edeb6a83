"""The card of a network that is handed on: what it was trained on, how well it does, what it is not for."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import torch
from pydantic import BaseModel

from fwi import intervals, run_folder
from fwi.config import StudyConfig
from fwi.config.corruption import CorruptionConfig
from fwi.evaluation import Evaluation, Score
from fwi.export.formats import FORMATS
from fwi.export.graph import InverterGraph
from fwi.files import read_own
from fwi.inverter_file import FILE
from fwi.manifest import DataSet
from fwi.metrics import METRICS
from fwi.networks.offsets import CommonOffsets
from fwi.origin import Drawn, Origin
from fwi.robustness import Robustness
from fwi.run import Run
from fwi.shards import ShardError
from fwi.trust.judge import Trust, TrustError
from fwi.trust.verdict import meaning

SHOWN = ("mae", "salt_iou", "mae_salt_boundary", "top_salt_error", "base_salt_error")
"""The metrics of the table of scores."""
LIMIT = 20_000_000
"""Largest size in bytes of a file that a card is made from."""
AMPLITUDES = {
    "own_level": "any gain of the record: they are taken relative to its level",
    "signed_log": "in the unit of the training records: another gain is another section",
    "raw": "in the unit of the training records: another gain is another section",
}
UNKNOWN = "Not known: the network came without the folder of its run."
LICENCE = (
    "Of the weights: not stated by the run; who hands them on says so here. The code that trained them is "
    "under the MIT licence."
)


def card(run: Run, name: str) -> str:
    """Make the card of a run from its study and from what its folder holds, in Markdown.

    What the run does not know is said not to be known.

    Args:
        run: the run, or a network without a folder.
        name: name of the network.
    """
    inverter, study = run.inverter, run.inverter.study
    folder = run.folder if run.has_folder else None
    unreadable: list[str] = []
    evaluations = list(_results(Evaluation, folder, "evaluation", unreadable))
    robustness = list(_results(Robustness, folder, "robustness", unreadable))
    attends = dict.fromkeys(each.mechanism for each in inverter.network.attending().values())
    sort = inverter.sort
    nearer = isinstance(sort, CommonOffsets) and sort.farthest < run.survey.length
    return _template("card.md.j2").render(
        name=name,
        study=study,
        grid=study.grid,
        survey=run.survey,
        any_survey=inverter.any_survey,
        farthest=sort.farthest if nearer and isinstance(sort, CommonOffsets) else None,
        amplitudes=AMPLITUDES[study.data.amplitude],
        attention=f"attention {', '.join(attends)}" if attends else "no attention",
        parameters=sum(each.numel() for each in inverter.network.parameters()),
        geology=UNKNOWN if folder is None else _geology(run.study),
        corruption=UNKNOWN if folder is None else _corruption(run.study),
        training=[UNKNOWN] if folder is None else list(_training(folder, run.study)),
        metrics={metric: METRICS[metric].label() for metric in SHOWN},
        scores=[_scores(each) for each in evaluations],
        unreadable=unreadable,
        robustness={
            f"{each.samples} {each.split} samples of {each.data}": each.table() for each in robustness
        },
        calibration=list(_calibration(inverter.calibration)),
        licence=LICENCE,
        n=lambda value: f"{value:.6g}",
        km=lambda value: f"{value / 1000:.4g}",
    )


def readme(graph: InverterGraph, name: str, differences: Mapping[str, float], half: bool) -> str:
    """Make the README of a folder that is handed on: what its files are, and how they are loaded.

    Args:
        graph: the graph that was exported.
        name: name of the network.
        differences: largest difference of the written graphs from the network [m/s], by format.
        half: whether the weights of the inverter's file are in half precision.
    """
    inverter = graph.inverter
    shots, samples, receivers = inverter.survey.gather_shape
    calibration = graph.calibration
    measured = [
        f"`{FORMATS[each].file}` {f'differs by at most {off:.1g} m/s' if off else 'is equal'}"
        for each, off in differences.items()
    ]
    return _template("export.md.j2").render(
        name=name,
        half=half,
        weights=FILE,
        formats={each: FORMATS[each].file for each in differences},
        torch=torch.__version__.partition("+")[0],
        any_survey=inverter.any_survey,
        shots=shots,
        samples=samples,
        receivers=receivers,
        interval=f"{1000 * inverter.survey.recorded_dt:g}",
        spacing=f"{inverter.survey.grid.spacing:g}",
        spread=inverter.network.spread is not None,
        coverage="" if calibration is None else f"{calibration.coverage:.0%}",
        differences=", ".join(measured),
    )


def _template(name: str) -> jinja2.Template:
    """Load a template of Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fwi"), trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.get_template(name)


def _results(
    content: type[BaseModel], folder: Path | None, kind: str, unreadable: list[str]
) -> Iterator[Any]:
    """Read the results of a kind, that on the run's own data first; damaged ones are named in a list."""
    for path in sorted(folder.glob(f"{kind}*.json"), key=lambda path: path.stem) if folder else ():
        try:
            yield content.model_validate_json(read_own(path, LIMIT))
        except (OSError, ValueError):
            unreadable.append(f"{path.name} is damaged or of another version, and left out.")


def _scores(evaluation: Evaluation) -> list[str]:
    """Return a row of the table of scores."""
    predictors = evaluation.predictors
    own, naive = predictors.get("network", {}), predictors.get("mean", {})
    means = [_mean(own.get(metric, Score())) for metric in SHOWN]
    plural = "" if evaluation.samples == 1 else "s"
    records = f"{evaluation.samples} {evaluation.split} sample{plural} of {evaluation.data or 'its own data'}"
    return [records, *means, _mean(naive.get("mae", Score()))]


def _mean(score: Score) -> str:
    if score.mean is None:
        return "-"
    if score.low is None or score.high is None or score.samples == 1:
        return f"{score.mean:.3g}"
    return f"{score.mean:.3g} [{score.low:.3g}, {score.high:.3g}]"


def _training(folder: Path, study: StudyConfig) -> Iterator[str]:
    """Say how a run was trained, one sentence each."""
    notes = [entry for entry in run_folder.notes(folder) if entry.get("stage") == "train"]
    data = notes[-1].get("data", {}) if notes else {}
    counts = [f"{part['samples']} for {name}" for name, part in data.items()]
    yield f"Samples: {', '.join(counts) or 'of a number not known'}."
    if study.train.start is not None:
        yield f"It began with the weights of {study.train.start.name}."
    yield _course(folder, notes[-1].get("machine", {}) if notes else {})
    for entry in notes:
        versions = entry.get("versions", {})
        used = ", ".join(f"{name} {version}" for name, version in versions.items())
        when = entry.get("created", "at a time not known")
        yield f"`{entry.get('command', 'command not known')}`, {when}, {used}"


def _geology(study: StudyConfig) -> str:
    """Describe the training models by what the manifests of the data sets say."""
    found: dict[str, int] = {}
    for folder in (study.storage.folder, *study.data.extra_folders):
        try:
            entries = DataSet.read(folder).split("train")
        except (ShardError, OSError):
            return f"Not known: the data set {folder.name} is no longer where it was."
        for entry in entries:
            what = _models(entry.origin)
            found[what] = found.get(what, 0) + entry.samples
    what = "; ".join(f"{count} {what}" for what, count in found.items())
    return f"{what}." if what else "Not known: the data set has no training samples."


def _models(origin: Origin) -> str:
    if not isinstance(origin, Drawn):
        return f"imported from {origin.source.file}"
    preset = origin.salt.preset
    parts = preset.get("parts", ()) if isinstance(preset, dict) else ()
    mixture = ", ".join(f"{part['preset']['name']} {part['weight']:g}" for part in parts)
    without = f", {preset['no_salt_share']:.0%} without salt" if parts and isinstance(preset, dict) else ""
    return f"random models of the preset {origin.salt.preset_name}" + (
        f" ({mixture}{without})" if parts else ""
    )


def _corruption(study: StudyConfig) -> str:
    corrupt = study.data.corrupt
    if not corrupt.share:
        return "None: the network has seen clean records alone."
    kinds = {name: value for name, value in corrupt if isinstance(value, CorruptionConfig)}
    suffered = [
        f"{name} {value.probability:.0%}, {' to '.join(f'{end:g}' for end in value.model_dump()['range'])}"
        for name, value in kinds.items()
        if value.probability
    ]
    return (
        f"{corrupt.share:.0%} of the training records, each by one or more of the following, with its "
        f"probability and range: {'; '.join(suffered)}."
    )


def _course(folder: Path, machine: dict[str, Any]) -> str:
    """Say how long a training took, by its table of epochs."""
    try:
        rows = list(csv.DictReader(io.StringIO(read_own(folder / "metrics.csv", LIMIT).decode())))
        last = rows[-1]
        maes = [float(row["validation/mae"]) for row in rows if row.get("validation/mae")]
        best = f"; best validation MAE {min(maes):.1f} m/s" if maes else ""
        hours = float(last["seconds"]) / 3600
        where = f"{machine.get('cpus', 'an unknown number of')} processors"
        return f"{len(rows)} epochs, {last['step']} steps, {hours:.2g} hours on {where}{best}."
    except (OSError, ValueError, LookupError):
        return "Steps and time: not known, for metrics.csv is missing or damaged."


def _calibration(calibration: dict[str, Any]) -> Iterator[str]:
    """Say what the intervals and the verdict of an inverter are worth, one sentence each."""
    spans = intervals.read(calibration)
    if spans is None:
        yield "Intervals: not calibrated; nothing is known of how far a speed may be off."
    else:
        certain = f", with a confidence of {spans.confidence:.0%}" if spans.confidence else " on average"
        yield (
            f"Intervals hold {spans.coverage:.0%} of the cells{certain}, of sections like the "
            f"{spans.network.sections} that they were calibrated on."
        )
    try:
        trust = Trust.of(calibration, "fwi calibrate")
    except TrustError as error:
        yield f"Verdict: {error}."
        return
    yield f"Verdict: {meaning(trust)}."
    for name, kind in trust.kinds.items():
        good = "-" if kind.believed is None else f"{kind.believed:.0%} of the good ones believed"
        wrong = f"{kind.wrong} wrong, {kind.missed} of these believed"
        yield f"{name}: {kind.sections} sections, {wrong}; {good}."
