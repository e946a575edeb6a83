"""The benchmark's figures: what they count, and that the ratios follow from their parts."""

import json
import statistics
from pathlib import Path

import numpy as np
import pytest

from experiments import benchmark, cli
from fwi import config
from fwi.config import StudyConfig

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


def measure(what: str, study_file: Path, samples: int, repeats: int) -> dict[str, dict]:
    out = study_file.with_suffix(".json")
    flags = ["--samples", str(samples), "--repeats", str(repeats), "--workers", "1", "--out", str(out)]
    cli.main(["benchmark", what, "--config", str(study_file), *flags])
    return {figure["name"]: figure for figure in json.loads(out.read_text())["figures"]}


def assert_ratio(figures: dict[str, dict], ratio: str, of: str, by: str) -> None:
    turns = [a / b for a, b in zip(figures[of]["turns"], figures[by]["turns"], strict=True)]
    assert figures[ratio]["unit"] == "x"
    assert figures[ratio]["turns"] == pytest.approx(turns)
    assert figures[ratio]["value"] == pytest.approx(statistics.median(turns))


@pytest.mark.slow
def test_simulation_is_compared_with_the_bare_wave_equation_and_with_a_quarter_of_its_set(
    study_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "BARE_SECONDS", 0.1)

    figures = measure("simulate", study_file, samples=8, repeats=1)

    assert_ratio(figures, "efficiency", of="fwi simulate", by="deepwave")
    assert_ratio(figures, "memory", of="peak, 8 samples", by="peak, 2 samples")
    # Starting Python costs more than eight tiny samples.
    assert 0 < figures["CPU efficiency"]["value"] < 0.5
    # Python with torch and deepwave takes some hundred MB; bytes or kB would be off by a thousand.
    assert 50 < figures["peak, 8 samples"]["value"] < 5000
    assert "load average" in capsys.readouterr().out


@pytest.mark.slow
def test_loader_is_compared_with_what_the_trainer_eats(study_file: Path) -> None:
    figures = measure("load", study_file, samples=4, repeats=3)

    assert_ratio(figures, "supply", of="loader", by="training step")
    assert len(figures["supply"]["turns"]) == 3


@pytest.mark.slow
def test_training_is_compared_with_plain_pytorch_and_with_a_quarter_of_its_set(study_file: Path) -> None:
    figures = measure("train", study_file, samples=8, repeats=2)

    assert_ratio(figures, "speed-up", of="training step", by="plain PyTorch")
    assert figures["memory"]["value"] == pytest.approx(
        figures["peak, 8 samples"]["value"] / figures["peak, 2 samples"]["value"]
    )


def test_turns_of_a_ratio_are_compared_pair_by_pair_so_that_a_slow_spell_cancels() -> None:
    ours = benchmark.Figure("ours", "Mcell/s", [90.0, 9.0, 180.0], "")
    bare = benchmark.Figure("bare", "Mcell/s", [100.0, 10.0, 200.0], "")

    ratio = ours.by(bare, "efficiency", "")

    np.testing.assert_allclose(ratio.turns, 0.9)


@pytest.mark.parametrize(("top", "rows"), [("absorbing", 16 + 2 * 12), ("free", 16 + 12)])
def test_cell_updates_count_the_absorbing_layer_where_there_is_one(
    top: str, rows: int, study_file: Path
) -> None:
    study = config.load([study_file])
    survey = study.survey.model_copy(update={"top": top})

    updates = benchmark.cell_updates(StudyConfig(grid=study.grid, survey=survey))

    assert updates == rows * (25 + 2 * 12) * 120 * 3


def test_too_small_a_set_is_refused_with_what_would_do(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        cli.main(["benchmark", "train", "--config", str(study_file), "--samples", "2"])

    assert exit.value.code == 2
    assert "4 samples or more" in capsys.readouterr().err
