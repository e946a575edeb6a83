"""``fwi evaluate``: invert a split, score it beside naive predictors, check it by physics, and report it."""

import re
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray

from experiments.progress import progress
from fwi import plots, report, run_folder
from fwi.config import Split, StudyConfig
from fwi.data import ShotDataset
from fwi.evaluation import Evaluation, Intervals, Score
from fwi.files import refuse_links, write_whole
from fwi.manifest import DataSet
from fwi.provenance import provenance
from fwi.refined_split import refine_split
from fwi.robustness import Robustness, measure
from fwi.run import Run, load_run
from fwi.training.wandb import Mode, open_wandb, wandb_mode

Array = NDArray[np.float32]


def evaluate(
    run: Path,
    data: Path | None = None,
    split: Split = "test",
    checks: int = 6,
    name: str | None = None,
    out: Path | None = None,
    robustness: bool = False,
    samples: int | None = None,
    refine: int | None = None,
    budget: str | None = None,
    against_gradient: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> Evaluation:
    """Score a run on a split that it was not trained on, and write figures and report into its folder.

    Args:
        run: the run's folder; or the name of a network of the zoo, or an inverter file, with --data and
            --out.
        data: the data set; the run's own if not given. A network with model.columns: offsets takes one of
            other shots and receivers too.
        split: the split to score.
        checks: how many samples, evenly spread, are drawn and checked by the wave equation.
        name: what this evaluation is called in the report; the data set's folder and split if not given.
        out: folder for scores, figures and report, which keeps one evaluation of each name; the run's own if
            not given.
        robustness: also invert the records made worse in many ways, each at three strengths.
        samples: how many samples, evenly spread, --robustness takes; all of them if not given.
        refine: refine the sections of so many samples, evenly spread, and score them beside the network's.
        budget: what each refinement may take, such as '150' gradients or '10 min'; as the run's study says if
            not given.
        against_gradient: also refine from a linear gradient, as FWI without a network does, at equal cost.
    """
    if checks < 1:
        raise ValueError(f"--checks {checks}: take 1 or more; the first of them is drawn")
    if samples is not None and (samples < 1 or not robustness):
        raise ValueError(f"--samples {samples}: take 1 or more, with --robustness, which it is for")
    if name is not None and not re.fullmatch(r"[\w.-]+", name):
        raise ValueError(f"--name {name!r}: take letters, digits, '-', '_' and '.', for names of files")
    if refine is not None and refine < 1:
        raise ValueError(f"--refine {refine}: take 1 or more")
    if refine is None and (budget is not None or against_gradient):
        raise ValueError("--budget and --against-gradient are for --refine: say how many sections to refine")
    refuse_links(out or run, "figures", "wandb")
    trained = load_run(run)
    place = _place(trained, out)
    settings = trained.study.refine if budget is None else trained.study.refine.within(budget)
    if out is None:
        run_folder.notes(place)  # to which this evaluation is added in the end: refused now if damaged
    mode = wandb_mode(trained.study)
    folder = data or trained.own_data
    test = DataSet.read(folder)
    trained.require(test.survey, folder)
    test.verify(split)
    dataset = ShotDataset([test], split)
    # What is written for a network without a run is all there is of it in the folder.
    own = (data is None and split == "test") or not (trained.has_folder or name)
    suffix = "" if own else f"-{name or f'{folder.name}-{split}'}"
    stem = f"evaluation{suffix}"

    result, sections, truth, salt, verdicts = trained.evaluate(dataset, checks, progress)
    chosen = list(verdicts)

    figures = place / "figures"
    rows = [
        plots.SectionRow(f"{split} {n}", sections[n], truth[n], salt[n] > 0, verdicts[n].remark)
        for n in chosen
    ]
    drawn = plots.sections(rows, trained.study.grid.spacing, trained.study.grid.velocity)
    source = f"{folder.name}, {split}"
    captions = {
        f"{stem}-sections": f"{source}: truth, inversion and difference; the line is the true salt's outline",
        f"{stem}-gathers": f"{source} {chosen[0]}: the middle shot, and what the inversion explains of it",
    }
    plots.save(drawn, figures / f"{stem}-sections.png")
    survey = dataset.survey
    shot = survey.config.shots // 2
    compared = plots.gathers(
        dataset[chosen[0]].gathers[shot].float().numpy(),
        verdicts[chosen[0]].simulated[shot],
        survey.receiver_x[shot],
        survey.recorded_dt,
        ("Recorded", f"Simulated, times {verdicts[chosen[0]].misfit.gain:.2f}"),
    )
    plots.save(compared, figures / f"{stem}-gathers.png")

    refined = None
    if refine is not None:
        numbers = np.unique(np.linspace(0, len(dataset) - 1, min(refine, len(dataset))).astype(int)).tolist()
        journals = place / f"{stem}-journals"
        refuse_links(place, journals.name)
        improved = refine_split(
            trained, dataset, sections, numbers, settings, against_gradient, progress, journals
        )
        refined = improved.split
        drawn = improved.figure(trained.study.grid.spacing, trained.study.grid.velocity)
        plots.save(drawn, figures / f"{stem}-refined.png")
        captions[f"{stem}-refined"] = f"{source}: truth, start, refined section, and what both are off"
    result = result.model_copy(update={"captions": captions, "refined": refined})
    write_whole(place / f"{stem}.json", result.model_dump_json(indent=1))
    measured = measure(trained, dataset, samples, progress) if robustness else None
    curves = figures / f"robustness{suffix}.png"
    if measured:
        plots.save(measured.figure(), curves)
        write_whole(place / f"robustness{suffix}.json", measured.model_dump_json(indent=1))
    if out is None:
        run_folder.note(place, "evaluate", provenance())
    if mode != "disabled":
        _log(trained.study, place, mode, result, measured, curves)
    print(table(result))
    if measured:
        print(f"\nrobustness, {measured.samples} {split} samples\n\n{measured.table()}\n")
    print(f"report:  {report.write(place)}\nfigures: {figures}")
    return result


def table(result: Evaluation) -> str:
    """The means as text, a metric per line and a predictor per column."""
    lines = [f"{result.samples} {result.split} samples of {result.data}", ""]
    lines += _columns(result.predictors)
    if refined := result.refined:
        lines += ["", f"{refined.samples} of them refined, means", ""]
        lines += _columns(refined.predictors)
        lines += ["", refined.told]
        for name, found in refined.intervals.items():
            lines += ["", *_intervals(found, f"{name} sections of these samples, ")]
        if refined.no_intervals:
            lines += ["", f"no intervals: {refined.no_intervals}"]
    if result.intervals:
        lines += ["", *_intervals(result.intervals)]
    lines += ["", f"physics check: {result.believed}"]
    return "\n".join(lines)


def _columns(predictors: dict[str, dict[str, Score]]) -> list[str]:
    lines = [f"{'mean over samples':<22}" + "".join(f"{name:>15}" for name in predictors)]
    for metric in predictors["network"]:
        means = [scores[metric].mean for scores in predictors.values()]
        shown = ["-" if mean is None else f"{mean:.3g}" if mean < 10 else f"{mean:.1f}" for mean in means]
        lines.append(f"{metric:<22}" + "".join(f"{cell:>15}" for cell in shown))
    return lines


def _intervals(found: Intervals, of: str = "") -> list[str]:
    """Say how much of the truth the intervals hold, and how wide they are."""

    def line(what: str, coverage: Score, width: Score, unit: str) -> str:
        if coverage.mean is None or width.mean is None:
            return f"  {what:<20} -"
        return f"  {what:<20} {coverage.mean:.3f} held, {width.mean:.0f} {unit} wide"

    return [
        f"{of}intervals for {100 * found.nominal:g} %:",
        line("speed", found.coverage, found.width, "m/s"),
        line("speed, one width", found.constant_coverage, found.constant_width, "m/s"),
        line("top of salt", found.top_coverage, found.top_width, "m"),
        line("base of salt", found.base_coverage, found.base_width, "m"),
    ]


def _place(trained: Run, out: Path | None) -> Path:
    """The folder for scores and figures: the run's, unless another is named.

    Raises:
        ValueError: the network has no folder, and none is named.
    """
    if out is None and not trained.has_folder:
        raise ValueError(
            f"{trained.name} is a trained network without the folder of a run: say with --out where scores, "
            "figures and report go"
        )
    return out or trained.folder


def _log(
    study: StudyConfig,
    folder: Path,
    mode: Mode,
    result: Evaluation,
    measured: Robustness | None,
    curves: Path,
) -> None:
    """Add the evaluation's means to the folder's W&B record, a predictor per row, and the robustness."""
    import wandb

    def means(predictors: dict[str, dict[str, Score]]) -> object:
        shown = list(predictors["network"])
        rows = [[name, *(found[metric].mean for metric in shown)] for name, found in predictors.items()]
        return wandb.Table(columns=["predictor", *shown], data=rows)

    logged: dict[str, object] = {"evaluation": means(result.predictors)}
    if result.refined:
        logged["evaluation_refined"] = means(result.refined.predictors)
        logged |= {f"refined/worse_{kind}": share for kind, share in result.refined.worse.items()}
        for name, each in result.refined.intervals.items():
            logged |= {
                f"refined/{name}_coverage": each.coverage.mean,
                f"refined/{name}_width": each.width.mean,
            }
    if result.intervals is not None:
        held = result.intervals.model_dump()
        logged |= {f"intervals/{name}": each["mean"] for name, each in held.items() if name != "nominal"}
    if measured:
        cases = [
            [row.heading, case.strength, case.mae.mean, case.salt_iou.mean, case.ratio, case.refused]
            for row in measured.rows
            for case in row.cases
        ]
        titles: list[str | int] = ["records", "strength", "mae", "salt_iou", "ratio", "refused"]
        logged["robustness"] = wandb.Table(columns=titles, data=cases)
        logged["robustness_figure"] = wandb.Image(str(curves))
    tracked = open_wandb(study, folder, mode)
    tracked.log(logged)
    tracked.finish()
