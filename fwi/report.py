"""The report of a run folder: one HTML page that needs no network, no script and no other file.

The page shows the results that exist and names missing ones with the command that makes them, so that an
unfinished run has a report too.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fwi import calibrate, config, plots
from fwi.evaluation import Evaluation, Score
from fwi.files import read_own, refuse_links, write_whole
from fwi.metrics import METRICS
from fwi.naive import PREDICTORS
from fwi.pages import Figure, data_uri, number, template
from fwi.refined_section import RefinedSection
from fwi.robustness import Robustness
from fwi.trust.judge import Trust
from fwi.trust.verdict import NOT_CALIBRATED, meaning

PNG = b"\x89PNG\r\n\x1a\n"
"""First bytes of every PNG file."""

LIMIT = 20_000_000
"""Bytes that a file which is part of a report has at most: figures and tables have a hundredth of them."""


_HEADLINE = ("mean", "left edge")
"""The naive predictors that know no salt: any sensible network beats them."""


Content = TypeVar("Content", bound=BaseModel)


def write(folder: Path) -> Path:
    """Write ``report.html`` into a run folder from what the folder holds.

    Args:
        folder: A run folder, finished or not.

    Returns:
        The report's path.

    Raises:
        ValueError: there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such run folder; fwi train makes one")
    evaluation, no_evaluation = _result_file(Evaluation, folder / "evaluation.json")
    others = _others(Evaluation, folder, "evaluation")
    robustness, no_robustness = _result_file(Robustness, folder / "robustness.json", "--robustness")
    measured = {"": robustness} if robustness else {}
    measured |= _others(Robustness, folder, "robustness")
    training, no_training = _training(folder)
    trust, no_trust = _trust(folder)
    captions = _captions([*([evaluation] if evaluation else []), *others.values()])
    refinements = _others(RefinedSection, folder, "refinement")
    for each in refinements.values():
        captions |= each.captions
    captions |= {_stem("robustness", name): content.caption for name, content in measured.items()}
    figures, left_out = _figures(folder, captions)
    curves = {name: figures.pop(_stem("robustness", name), None) for name in measured}
    refined_figures = {
        name: [figures.pop(stem) for stem in each.captions if stem in figures]
        for name, each in refinements.items()
    }
    page = template("report.html.j2").render(
        run=folder.resolve().name,
        folder=str(folder),
        evaluation=evaluation,
        no_evaluation=no_evaluation,
        result=_result(evaluation) if evaluation else [],
        metrics=_metrics(evaluation) if evaluation else {},
        predictors=PREDICTORS,
        others=others,
        metrics_of=_metrics,
        robustness=measured,
        no_robustness=no_robustness,
        curves=curves,
        refinements=refinements,
        refined_figures=refined_figures,
        figures=list(figures.values()),
        left_out=left_out,
        trust=trust,
        meaning=meaning(trust) if trust else "",
        no_trust=no_trust,
        training=training,
        no_training=no_training,
        **_study(folder),
        **_provenance(folder),
    )
    target = folder / "report.html"
    write_whole(target, page)
    return target


def _stem(kind: str, name: str) -> str:
    """Name of the files that hold a result on the run's own data set, which has no name, or on another."""
    return f"{kind}-{name}" if name else kind


def _others(content: type[Content], folder: Path, kind: str) -> dict[str, Content]:
    """Results on further data sets, such as ``evaluation-NAME.json``, by name, without what is unreadable."""
    paths = sorted(folder.glob(f"{kind}-*.json"))
    found = {path.stem.removeprefix(f"{kind}-"): _result_file(content, path)[0] for path in paths}
    return {name: result for name, result in found.items() if result}


def _captions(evaluations: Sequence[Evaluation]) -> dict[str, str]:
    return {stem: caption for evaluation in evaluations for stem, caption in evaluation.captions.items()}


def _result_file(content: type[Content], path: Path, flag: str = "") -> tuple[Content | None, str]:
    """Read a result, or say why there is none and which command makes it."""
    command = f"run fwi evaluate --run {shlex.quote(str(path.parent))} {flag}".rstrip()
    try:
        return content.model_validate(json.loads(read_own(path, LIMIT))), ""
    except FileNotFoundError:
        return None, f"Not {'measured' if flag else 'evaluated'} yet: {command}"
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return None, f"{path.name} cannot be used ({where + ': ' if where else ''}{first['msg']}): {command}"
    except (OSError, ValueError, RecursionError) as error:
        return None, f"{path.name} cannot be read ({error}): {command}"


def _trust(folder: Path) -> tuple[Trust | None, str]:
    """Read how the run's verdicts do, or say why that is not known."""
    try:
        return calibrate.read(folder).trust, ""
    except FileNotFoundError:
        return None, f"{NOT_CALIBRATED}: run fwi calibrate --run {shlex.quote(str(folder))}"
    except (OSError, ValueError) as error:
        return None, str(error)


def _training(folder: Path) -> tuple[Figure | None, str]:
    path = folder / "metrics.csv"
    try:
        read_own(path, LIMIT)
        source = data_uri(plots.png(plots.curves(path)))
    except FileNotFoundError:
        return None, "There is no metrics.csv: fwi train writes it"
    except (OSError, ValueError) as error:
        return None, f"{error}"
    return Figure(source, "Training and validation, epoch by epoch"), ""


def _figures(folder: Path, captions: Mapping[str, str]) -> tuple[dict[str, Figure], list[str]]:
    """The figures by stem, those with captions first, in their order; and why some are left out."""
    order = {stem: index for index, stem in enumerate(captions)}
    paths = sorted(
        (folder / "figures").glob("*.png"), key=lambda path: (order.get(path.stem, len(order)), path.stem)
    )
    figures, left_out = {}, []
    for path in paths:
        try:
            image = _png(path)
        except (OSError, ValueError) as error:
            left_out.append(f"Left out: {error}")
            continue
        caption = captions.get(path.stem, path.stem.replace("_", " ").capitalize())
        figures[path.stem] = Figure(data_uri(image), caption)
    return figures, left_out


def _png(path: Path) -> bytes:
    """Read a figure, unless it is something else: a report is handed on with all that is in it."""
    refuse_links(path.parent.parent, path.parent.name)
    content = read_own(path, LIMIT)
    if not content.startswith(PNG):
        raise ValueError(f"{path}: no PNG")
    return content


def _result(evaluation: Evaluation) -> list[str]:
    """Describe the results of the evaluation in sentences."""
    sentences = []
    scores = evaluation.predictors.get("network", {})
    mae = scores.get("mae", Score())
    if mae.mean is not None:
        over = f"{evaluation.samples} {evaluation.split} samples"
        sentence = f"Over {over} the velocities are off by {number(mae.mean)} m/s on average"
        if mae.low is not None and mae.high is not None:
            sentence += f" (95 % interval {number(mae.low)} to {number(mae.high)} m/s)"
        sentences.append(sentence + ".")
        shares = []
        for name in _HEADLINE:
            naive = evaluation.predictors.get(name, {}).get("mae", Score()).mean
            if naive:
                share, title = 100 * mae.mean / naive, PREDICTORS[name].title
                shares.append(f"{share:.0f} % of the error of the {title} ({number(naive)} m/s)")
        if shares:
            sentences.append(f"That is {' and '.join(shares)}.")
    iou = scores.get("salt_iou", Score()).mean
    if iou is not None:
        sentences.append(f"The salt it sees and the true salt overlap with an IoU of {number(iou)}.")
    held = evaluation.intervals
    if held is not None and held.coverage.mean is not None:
        sentences.append(
            f"The intervals, calibrated for {100 * held.nominal:g} %, hold {100 * held.coverage.mean:.1f} % "
            f"of the true speeds and are {number(held.width.mean)} m/s wide on average "
            f"({number(held.relative_width)} of the width of intervals that are equally wide everywhere)."
        )
    if evaluation.check:
        sentences.append(f"Physics check: {evaluation.believed}.")
    return sentences


def _metrics(evaluation: Evaluation) -> dict[str, tuple[str, str]]:
    """Heading and unit of each row: the known metrics in their order, then any others by their own name."""
    present = {name for scores in evaluation.predictors.values() for name in scores}
    known = {name: (metric.heading(), metric.unit) for name, metric in METRICS.items() if name in present}
    return known | {name: (name, "") for name in sorted(present - METRICS.keys())}


def _study(folder: Path) -> dict[str, Any]:
    """The configuration as text and, where it is valid, in words."""
    path = folder / "config.yaml"
    try:
        text = read_own(path, LIMIT).decode("utf-8")
    except (OSError, ValueError):
        return {"config_text": "", "no_config": "There is no readable config.yaml: fwi train writes it"}
    try:
        study = config.load([path], earlier=True)
    except config.ConfigError as error:
        return {"config_text": text, "no_config": str(error)}
    return {"config_text": text, "no_config": "", "study": study, "network": _network(study.model)}


def _network(model: config.ModelConfig) -> str:
    """Describe the network in one line."""
    channels = "-".join(str(count) for count in model.channels)
    parts = [f"{model.name}, channels {channels}"]
    slots = (("attention", model.attention), ("skip", model.skip), ("bottleneck", model.bottleneck))
    for what, entries in (*slots, ("resample", (model.resample,))):
        names = [entry.name for entry in entries]
        if set(names) - {"none", "interpolate"}:
            parts.append(f"{what} {' / '.join(names)}")
    return "; ".join(parts)


def _provenance(folder: Path) -> dict[str, Any]:
    path = folder / "provenance.json"
    try:
        found = _flat(json.loads(read_own(path, LIMIT)))
    except (OSError, ValueError, RecursionError):
        return {
            "provenance": {},
            "no_provenance": "There is no readable provenance.json: fwi train writes it",
        }
    return {"provenance": found, "no_provenance": ""}


def _flat(content: Any, name: str = "") -> dict[str, str]:
    """Nested JSON as one table, keys joined by dots."""
    if isinstance(content, dict) and content:
        parts = (_flat(value, f"{name}.{key}" if name else str(key)) for key, value in content.items())
        return {key: value for part in parts for key, value in part.items()}
    if isinstance(content, list):
        content = ", ".join(str(entry) for entry in content)
    return {name or "provenance": str(content)}
