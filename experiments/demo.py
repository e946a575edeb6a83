"""``fwi demo``: salt models, their records, sections with verdicts, and an adapted network, in minutes."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from data_prep.salt import generate
from data_prep.salt.mixed import PARTS
from data_prep.segy.write import write_gathers
from experiments import refining
from experiments.evaluate import evaluate
from experiments.flags import Study
from experiments.invert import invert
from experiments.refining import Place, Task
from experiments.sections import save
from experiments.simulate import simulate
from fwi import plots
from fwi.config import SaltConfig, StudyConfig
from fwi.corruption import noise
from fwi.data import ShotDataset
from fwi.files import read_npy
from fwi.lines import Line
from fwi.manifest import DataSet
from fwi.physics import Propagator
from fwi.run import Run, load_run
from fwi.training.start import read_start

STREAM = 4
"""Random stream of the salt models: neither the splits of a study nor calibrations have it."""
NOISE = 30.0
"""Level of the noise [dB below the record's RMS]: its amplitude is 3 % of the record's."""


class Example(NamedTuple):
    """A line over a known salt model."""

    name: str
    truth: NDArray[np.float32]
    """The salt model [m/s], shape ``(depth, x)``."""
    salt: NDArray[np.bool_]
    """True where there is salt, same shape."""
    line: Line
    """What was recorded over it, and the network that inverts that."""


def demo(
    study: Study,
    run: Path = Path("runs/demo"),
    models: int = 2,
    full: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    workers: int = os.cpu_count() or 1,
) -> None:
    """Record salt models, invert the records with a trained network, check, refine, adapt it, and report.

    With --full there is no trained network: hundreds of models are simulated, and one is trained on them.

    Args:
        study: the study. Its train.start is the trained network, which is adapted to its salt. Where no
            --config is given, that is salt_demo with demo_short, or demo with --full.
        run: the run's folder; where it holds a run, the next free of run-2, run-3, ... is taken.
        models: number of salt models of each geology.
        full: simulate, train, evaluate, invert, check and report, from nothing.
        workers: processes that simulate.
    """
    run = _free(run)
    if full:
        from_nothing(study, run, workers)
    else:
        from_a_trained_network(study, run, models, workers)
    print(f"report:  {run / 'report.html'}")
    for kind in ("figures", "sections", "inverted"):
        for figure in sorted((run / kind).glob("*.png")):
            print(f"figure:  {figure}")


def from_a_trained_network(study: StudyConfig, run: Path, models: int, workers: int) -> None:
    """Invert records of every geology with a trained network, refine a section, and adapt the network."""
    if study.train.start is None or models < 1:
        raise ValueError(
            "fwi demo needs a network in train.start, such as salt-demo, and --models of 1 or more; --full "
            "trains one from nothing"
        )
    read_start(study)  # refuses a network that is not the study's
    network = load_run(study.train.start)
    grid = network.study.grid

    geologies = ", ".join(PARTS)
    print(f"1. record: draw {models} salt models each of {geologies}; send waves through them; add noise")
    examples = list(recorded(network, models))
    for name, _, _, line in examples:
        path = run / "records" / f"{name}.segy"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_gathers(path, line.gathers, line.survey, f"Simulated by salt-fwi: {name}, with noise")
    print(f"{run / 'records'}: {len(examples)} lines as SEG-Y, {network.survey.layout()}")

    print(f"2. invert: {network.name} turns each record into a section, and the wave equation checks that")
    sections, rows = run / "sections", []
    sections.mkdir(parents=True, exist_ok=True)
    for name, truth, salt, line in examples:
        section = line.invert()
        verdict = line.check(section)
        save(section, sections / name, grid, f"Inverted by salt-fwi: {name}, with {network.name}")
        rows.append(plots.SectionRow(name, section, truth, salt, verdict.remark))
        error = np.abs(section - truth).mean()
        print(f"{sections / name}.npy, .png, .segy: MAE {error:.0f} m/s; {verdict.remark}")

    name, truth, salt, line = examples[0]
    print(f"3. refine: full-waveform inversion changes the section of {name} until it explains the record")
    task = Task(name, line.invert(), line.gathers, line.survey, name, "the same command", truth, salt)
    place, refiner = Place(sections, None), functools.partial(refining.of_line, line, physics=study.physics)
    with refining.tracked(study, place) as record:
        refining.refine_to_files(task, study, place, refiner, record, line)
    refined = read_npy(place.section(name))
    rows.insert(1, plots.SectionRow(f"{name}, refined", refined, truth, salt))
    shown = [*rows[:2], *rows[models + 1 :: models]]  # of each geology the first
    plots.save(plots.sections(shown, grid.spacing, grid.velocity), run / "figures" / "demo.png")

    from experiments.train import train  # with Lightning, which takes seconds

    preset, count = study.salt.preset, study.storage.train
    steps = study.train.epochs * -(-count // study.train.batch_size)
    other = preset.model_dump(exclude={"name"}, exclude_defaults=True)
    geology = ", ".join([preset.name, *(f"{name} {value}" for name, value in other.items())])
    print(f"4. adapt: {steps} more steps of training, on {count} models of another geology ({geology})")
    simulate(study, workers)
    train(study, run)

    unseen = ShotDataset([DataSet.read(study.storage.folder)], "test")
    print(f"5. evaluate: score the adapted network on {len(unseen)} models of that geology, new to it")
    after = evaluate(run, checks=3)
    before = network.evaluate(unseen, checks=0).evaluation
    errors = (each.predictors["network"]["mae"].mean for each in (before, after))
    print("MAE {:.1f} m/s before, {:.1f} m/s after it was adapted".format(*errors))


def recorded(network: Run, models: int) -> Iterator[Example]:
    """Draw salt models of every geology, and record the network's survey over them, with noise."""
    survey, study, random = network.survey, network.study, np.random.default_rng(STREAM)
    propagator = Propagator(survey, study.physics)
    for geology in PARTS:
        preset = SaltConfig.model_validate({"preset": geology})
        for number in range(models):
            truth, salt = generate(study.grid, preset, STREAM, number)
            with torch.inference_mode():
                clean = propagator(torch.from_numpy(truth)[None])[0].numpy()
            gathers = noise.white(clean, survey, NOISE, random)
            yield Example(f"{geology}-{number}", truth, salt > 0, Line(network, gathers, survey))


def from_nothing(study: StudyConfig, run: Path, workers: int) -> None:
    """Simulate, train, evaluate, invert, check and report at a small size."""
    from experiments.train import train

    print("1. simulate salt models and their records")
    simulate(study, workers)

    print("2. train an attention U-Net from records to velocity")
    train(study, run)

    print("3. evaluate it on models it has never seen, and check sections by the wave equation")
    evaluate(run)

    print("4. invert a record")
    shard = study.storage.folder / DataSet.read(study.storage.folder).split("test")[0].file
    invert(shard, run, out=run / "inverted", sample=0)


def _free(run: Path) -> Path:
    candidate, number = run, 1
    while (candidate / "config.yaml").exists():
        number += 1
        candidate = run.with_name(f"{run.name}-{number}")
    return candidate
