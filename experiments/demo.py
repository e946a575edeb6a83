"""``fwi demo``: the whole way in minutes, from salt models to a checked and reported inversion."""

import os
from pathlib import Path

from experiments.evaluate import evaluate
from experiments.flags import Study
from experiments.invert import invert
from experiments.simulate import simulate
from experiments.train import train
from fwi.manifest import DataSet


def demo(study: Study, run: Path = Path("runs/demo"), workers: int = os.cpu_count() or 1) -> None:
    """Simulate, train, evaluate, invert, check and report at a small size.

    Args:
        study: the study; configs/demo.yaml where no --config is given.
        run: the run's folder; where it holds a run, the next free of run-2, run-3, ... is taken.
        workers: processes that simulate.
    """
    run = _free(run)
    print("1. simulate salt models and their records")
    simulate(study, workers)

    print("2. train an attention U-Net from records to velocity")
    train(study, run)

    print("3. evaluate it on models it has never seen, and check sections by the wave equation")
    evaluate(run)

    print("4. invert a record")
    shard = study.storage.folder / DataSet.read(study.storage.folder).split("test")[0].file
    invert(shard, run, out=run / "inverted", sample=0)

    print(f"report:  {run / 'report.html'}")
    for figure in sorted([*(run / "figures").glob("*.png"), *(run / "inverted").glob("*.png")]):
        print(f"figure:  {figure}")


def _free(run: Path) -> Path:
    candidate, number = run, 1
    while (candidate / "config.yaml").exists():
        number += 1
        candidate = run.with_name(f"{run.name}-{number}")
    return candidate
