"""Test models and SEG/EAGE slices of a run: truth, inversion, difference, and the physics check of each.

    python docs/figures/sections.py --run runs/half --out docs/figures/fcnvmb_half.png

Reads the run, its test split, and the data set given with ``--other`` (SEG/EAGE salt on the same survey).
"""

from pathlib import Path

import numpy as np
import tyro

from fwi import plots
from fwi.data import ShotDataset
from fwi.manifest import DataSet
from fwi.run import load_run


def sections(
    run: Path, out: Path, data: Path | None = None, other: Path = Path("data/seg_half"), samples: int = 6
) -> None:
    """Draw evenly spread test samples and every sample of another set.

    Args:
        run: the trained run.
        out: the PNG.
        data: the data set of the test samples; the run's own if not given.
        other: the other data set.
        samples: how many test samples.
    """
    trained = load_run(run)
    own = ShotDataset([DataSet.read(data or trained.study.storage.folder)], "test")
    others = ShotDataset([DataSet.read(other)], "test")
    numbers = np.linspace(0, len(own) - 1, samples).astype(int).tolist()
    chosen = [("test", own, number) for number in numbers]
    chosen += [("SEG/EAGE", others, number) for number in range(len(others))]

    rows = []
    for name, dataset, number in chosen:
        sample = dataset[number]
        gathers = sample.gathers.float().numpy()
        velocity = trained.invert(gathers, dataset.survey)
        verdict = trained.check(velocity, gathers, dataset.survey)
        print(f"{name} {number}: {verdict}")
        truth, salt = sample.velocity.numpy(), sample.salt.numpy() > 0
        rows.append(plots.SectionRow(f"{name} {number}", velocity, truth, salt, verdict.remark))
    plots.save(plots.sections(rows, trained.study.grid.spacing, trained.study.grid.velocity), out)


if __name__ == "__main__":
    tyro.cli(sections)
