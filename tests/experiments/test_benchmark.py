"""The benchmark's figures: what they count, and that the ratios follow from their parts."""

import itertools
import json
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from studies import config_file

from experiments import cli
from experiments.benchmark import bare, gpu, physics, refine, simulate, train
from experiments.benchmark.commands import Usage
from experiments.benchmark.figures import Figure, cell_updates
from experiments.benchmark.physics import Measured, Setting, blocks, frontier
from fwi import config
from fwi.config import StudyConfig
from fwi.survey import Survey

STUDY = """
grid: {nz: 16, nx: 25, spacing: 40.0}
survey: {shots: 3, receivers: 25, depth: 40.0, dt: 0.004, nt: 120, wavelet: {frequency: 5.0}}
data: {workers: 0}
model: {channels: [4, 8]}
train: {batch_size: 2}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return path


def measured(what: str, study_file: Path, *flags: str) -> list[dict]:
    out = study_file.with_suffix(".json")
    cli.main(["benchmark", what, "--config", str(study_file), "--workers", "1", "--out", str(out), *flags])
    return json.loads(out.read_text())["figures"]


def measure(what: str, study_file: Path, samples: int, repeats: int) -> dict[str, dict]:
    figures = measured(what, study_file, "--samples", str(samples), "--repeats", str(repeats))
    return {figure["name"]: figure for figure in figures}


@pytest.fixture
def commands_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a benchmark's commands in this process, as others take seconds to start; each has a higher peak."""
    peaks = itertools.count(100.0, 10.0)

    def command(study: StudyConfig, name: str, *arguments: str) -> Usage:
        cli.main([name, "--config", str(config_file(study, study.storage.folder.parent)), *arguments])
        return Usage(1.0, 1.0, next(peaks))

    monkeypatch.setattr(train, "command", command)


def assert_ratio(figures: dict[str, dict], ratio: str, of: str, by: str) -> None:
    turns = [a / b for a, b in zip(figures[of]["turns"], figures[by]["turns"], strict=True)]
    assert figures[ratio]["unit"] == "x"
    assert figures[ratio]["turns"] == pytest.approx(turns)
    assert figures[ratio]["value"] == pytest.approx(statistics.median(turns))


@pytest.mark.slow
def test_simulation_is_compared_with_the_bare_wave_equation_and_with_a_quarter_of_its_set(
    study_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulate, "BARE_SECONDS", 0.1)

    figures = measure("simulate", study_file, samples=8, repeats=1)

    assert_ratio(figures, "efficiency", of="fwi simulate", by="deepwave")
    assert_ratio(figures, "memory", of="peak, 8 samples", by="peak, 2 samples")
    # Starting Python costs more than eight tiny samples.
    assert 0 < figures["CPU efficiency"]["value"] < 0.5
    # Python with torch and deepwave takes some hundred MB; bytes or kB would be off by a thousand.
    assert 50 < figures["peak, 8 samples"]["value"] < 5000
    assert "load average" in capsys.readouterr().out


@pytest.mark.usefixtures("pool_here")
def test_loader_is_compared_with_what_the_trainer_eats(study_file: Path) -> None:
    figures = measure("load", study_file, samples=4, repeats=3)

    assert_ratio(figures, "supply", of="loader", by="training step")
    assert len(figures["supply"]["turns"]) == 3


@pytest.mark.slow
@pytest.mark.usefixtures("pool_here", "commands_here")
def test_training_is_compared_with_plain_pytorch_and_with_a_quarter_of_its_set(study_file: Path) -> None:
    figures = measure("train", study_file, samples=8, repeats=2)

    assert_ratio(figures, "speed-up", of="training step", by="plain PyTorch")
    assert figures["memory"]["value"] == pytest.approx(
        figures["peak, 8 samples"]["value"] / figures["peak, 2 samples"]["value"]
    )
    assert figures["memory"]["value"] == pytest.approx(1.1)


@pytest.mark.slow
@pytest.mark.usefixtures("pool_here", "copied")
@pytest.mark.skipif(torch.cuda.is_available(), reason="with GPUs, devices are GPUs")
def test_two_devices_are_compared_with_one(study_file: Path) -> None:
    flags = ("--samples", "4", "--repeats", "1", "--workers", "2")
    figures = {figure["name"]: figure for figure in measured("devices", study_file, *flags)}

    assert_ratio(figures, "speed-up", of="2 devices", by="one device")
    assert figures["speed-up"]["target"] == 1.8


def test_a_gpus_cell_updates_are_weighed_by_the_bytes_that_they_must_move() -> None:
    # 3 TB/s move the 16 bytes of 187.5 billion cells.
    turns = [gpu.Turn(cells=75e9, copied=3e12), gpu.Turn(cells=37.5e9, copied=3e12)]

    updates, copy, share = gpu.figures(turns)

    assert (updates.turns, updates.unit) == ([75_000, 37_500], "Mcell/s")
    assert (copy.turns, copy.unit) == ([3000, 3000], "GB/s")
    np.testing.assert_allclose(share.turns, [0.4, 0.2])


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_moves_no_more_than_its_bandwidth(study_file: Path) -> None:
    grid = {"nz": 201, "nx": 301}  # a batch of it does not fit into the caches
    study = config.load([study_file])
    study = study.model_copy(update={"grid": study.grid.model_copy(update=grid)})

    *_, share = gpu.figures([gpu.turn(study)])

    assert 0.05 < share.value < 1


def test_turns_of_a_ratio_are_compared_pair_by_pair_so_that_a_slow_spell_cancels() -> None:
    ours = Figure("ours", "Mcell/s", [90.0, 9.0, 180.0], "")
    bare = Figure("bare", "Mcell/s", [100.0, 10.0, 200.0], "")

    ratio = ours.by(bare, "efficiency", "")

    np.testing.assert_allclose(ratio.turns, 0.9)


@pytest.mark.parametrize(("top", "rows"), [("absorbing", 16 + 2 * 12), ("free", 16 + 12)])
def test_cell_updates_count_the_absorbing_layer_where_there_is_one(
    top: str, rows: int, study_file: Path
) -> None:
    study = config.load([study_file])
    survey = study.survey.model_copy(update={"top": top})

    updates = cell_updates(StudyConfig(grid=study.grid, survey=survey))

    assert updates == rows * (25 + 2 * 12) * 120 * 3


@pytest.mark.slow
def test_physics_tells_what_order_layer_and_time_step_cost_and_how_wrong_they_are(
    study_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The finest grid takes most of the time, and nothing of what is asserted is measured against it.
    monkeypatch.setattr(physics, "FINEST", 3)
    # Long enough for what the layers reflect to come back.
    flags = ["--grid.nz", "26", "--grid.nx", "41", "--grid.velocity", "2000", "4500", "--survey.nt", "400"]
    figures = measured("physics", study_file, "--repeats", "3", *flags)

    found = {tuple(figure[key] for key in Setting._fields): figure for figure in figures}
    chosen = found[8, 12, 5, True]
    assert [figure["study"] for figure in figures].count(True) == 1
    assert chosen["study"]
    assert chosen["turns"] == [1.0] * 3
    assert found[8, 12, 10, True]["cost"] > 1.2  # twice the steps
    assert found[4, 12, 5, True]["own_error"] > 5 * chosen["own_error"]
    assert found[8, 20, 5, True]["own_error"] < 0.5 * found[8, 6, 5, True]["own_error"]
    assert found[8, 12, 5, False]["own_error"] > 5 * chosen["own_error"]
    assert "refused: order 2" in capsys.readouterr().out


def test_other_time_steps_record_the_same_samples(study_file: Path) -> None:
    study = config.load([study_file])
    recorded = Survey(study.grid, study.survey).time

    for steps in (3, 4, 5, 7, 10):
        survey, _ = Setting(order=8, pml_width=12, steps=steps, corrected=True).on(study)

        np.testing.assert_allclose(survey.time, recorded)


def test_a_model_keeps_its_edges_on_a_finer_grid() -> None:
    model = np.array([[[1, 2, 2, 5], [1, 1, 3, 5]]], np.float32)

    fine = blocks(model, 3)

    # Three cells for one, around its centre; the outermost centres are the ends of either grid.
    upper, lower = [1, 1, 2, 2, 2, 2, 2, 2, 5, 5], [1, 1, 1, 1, 1, 3, 3, 3, 5, 5]
    np.testing.assert_array_equal(fine, [[upper, upper, lower, lower]])


def test_only_settings_that_none_beats_in_error_and_cost_are_on_the_frontier() -> None:
    def setting(width: int, error: float, cost: float) -> Measured:
        return Measured(Setting(8, width, 5, True), error, error, [cost])

    cheap, fair, dear, wrong = (
        setting(6, 0.03, 0.8),
        setting(12, 0.02, 1.0),
        setting(20, 0.02, 1.4),
        setting(8, 0.04, 0.9),
    )

    assert frontier([cheap, fair, dear, wrong]) == [cheap, fair]


def test_too_small_a_set_is_refused_with_what_would_do(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        cli.main(["benchmark", "train", "--config", str(study_file), "--samples", "2"])

    assert exit.value.code == 2
    assert "4 samples or more" in capsys.readouterr().err


@pytest.mark.slow
def test_refinement_is_compared_with_bare_gradients_and_by_start(
    study_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(refine, "SECONDS", 0.1)
    monkeypatch.setattr(bare, "in_its_own_process", lambda function, *arguments: function(*arguments))

    flags = ("--samples", "1", "--repeats", "2", "--refine.gradients", "4")
    figures = {figure["name"]: figure for figure in measured("refine", study_file, *flags)}

    assert_ratio(figures, "efficiency", of="gradients", by="deepwave")
    courses = ["linear gradient", "smoothed truth", "Adam", "L-BFGS without total variation"]
    for name in courses:
        course = figures[name]
        assert course["gradients"] == [0, 1, 2, 3, 4]
        assert len(set(course["mae"])) > 1
    assert figures["Adam"]["mae"][0] == figures["linear gradient"]["mae"][0]  # without a network
    assert figures["smoothed truth"]["mae"][0] < figures["linear gradient"]["mae"][0]
    assert "gradients to" in capsys.readouterr().out
    assert study_file.with_suffix(".png").stat().st_size > 1000


def test_error_is_that_of_the_latest_step() -> None:
    at = np.arange(6)

    assert refine._stepped(at, [0, 2, 2.5, 5], [9, 7, 6, 5]).tolist() == [9, 9, 7, 6, 6, 5]
    course = refine.Course("network", at, np.array([9.0, 9, 7, 6, 6, 5]), salt_iou=0.5)
    assert (course.reached(6.5), course.reached(1.0), course.after(2)) == (3.0, None, 7.0)
