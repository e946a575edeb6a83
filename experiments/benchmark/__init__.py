"""``fwi benchmark``: how fast, how lean and how exact the parts of the work are, against peers of one run.

An idle and a busy machine differ threefold, so what is compared takes turns (A B A B ...): a ratio is the
median over the turns of one side by the other, and the absolute figures are only its parts.
"""

import json
import os
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import tyro

from experiments.benchmark.figures import Bench, aligned, cell_updates, number
from experiments.flags import Study
from fwi import plots
from fwi.config import StudyConfig
from fwi.files import write_whole
from fwi.provenance import provenance


def benchmark(
    study: Study,
    what: tyro.conf.Positional[
        Literal["simulate", "load", "train", "devices", "physics", "attention", "refine"]
    ],
    samples: int | None = None,
    repeats: int = 3,
    workers: int = os.cpu_count() or 1,
    variants: tuple[Path, ...] = (),
    only: tuple[str, ...] = (),
    run: Path | None = None,
    out: Path | None = None,
) -> None:
    """Measure a part of the work at a study's size, on data made for it in a temporary folder.

    Args:
        study: the study.
        what: simulate: fwi simulate against the bare wave equation, and a GPU against what its memory can
            move. load: the loader against what a training step needs. train: the step against plain PyTorch.
            Simulate and train also tell their memory. devices: training on all devices against one of them.
            physics: error and cost of other orders, absorbing layers and time steps than the study's.
            attention: size, time and memory of each mechanism in each place of the network, against none.
            refine: gradients against those of bare deepwave; error against their number from several starts.
        samples: size of the data set; by default a minute's work (simulate), 64 (load), 256 (train and
            devices), 4 (physics) or 2 (refine). For attention that of a step; 4, or the batch on a GPU.
        repeats: turns of each side.
        workers: processes that simulate, or threads (refine); physics and attention are measured on one.
        variants: attention: YAML files that are merged over the study, each by itself, whose networks are
            measured too, such as configs/ablation/*.yaml configs/peers/*.yaml.
        only: attention: measure these cases alone, by mechanism, slot, or a variant's name or folder, such as
            --only se skip peers.
        run: refine: a trained run of the same grid and survey, whose study is taken and whose sections are
            refined too.
        out: write the figures, turn by turn, to this JSON file too; refine also draws its errors beside it.
    """
    least = 1 if what == "refine" else 4
    if repeats < 1 or workers < 1 or (samples is not None and samples < least):
        raise ValueError(f"benchmark needs {least} samples or more, and at least one of repeats and workers")
    if run is not None and what != "refine":
        raise ValueError("--run is for 'benchmark refine', which refines the sections of its network")
    if what != "attention" and (variants or only):
        raise ValueError("--variants and --only choose cases of 'benchmark attention' alone")
    load = os.getloadavg()[0]
    measure = import_module(f"experiments.benchmark.{what}").measure
    with tempfile.TemporaryDirectory(prefix="fwi-benchmark-") as folder:
        result = measure(Bench(study, samples, workers, Path(folder), repeats, variants, only, run))
    turns = f"--workers {workers}; medians of {repeats} turns"
    print(f"{what}: {result.samples} samples of {_size(study)}, {turns}")
    print(f"load average {load:.1f} before the start, {os.cpu_count()} CPUs: trust the ratios (x) alone\n")
    print(aligned(result.rows))
    for note in result.notes:
        print(note)
    if out:
        content: dict[str, Any] = {
            "what": what,
            "samples": result.samples,
            "workers": workers,
            "load_average": load,
            "figures": result.figures,
            "notes": result.notes,
        }
        content |= {"study": study.model_dump(mode="json"), "provenance": provenance()}
        write_whole(out, json.dumps(content, indent=1))
        if result.drawn is not None:
            plots.save(result.drawn(), out.with_suffix(".png"))


def _size(study: StudyConfig) -> str:
    grid, survey = study.grid, study.survey
    each = f"{grid.nz} x {grid.nx} cells, {survey.shots} shots, {survey.nt} steps"
    return f"{each} ({number(cell_updates(study) / 1e6)} Mcell with the absorbing layer)"
