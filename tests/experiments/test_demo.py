import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from studies import config_file, with_storage

from data_prep import records
from experiments import cli, demo
from experiments.cli import main
from fwi import config
from fwi.config import TrainConfig
from fwi.physics import Propagator
from fwi.run import load_run
from fwi.survey import Survey
from fwi.training.start import read_start


@pytest.fixture
def adapting(tiny_study, any_survey_run):
    """``tiny_study``, which begins with ``any_survey_run`` and whose data are there."""
    own = config.load([any_survey_run / "config.yaml"])
    train = TrainConfig(precision="32", epochs=1, batch_size=8, start=any_survey_run)
    return tiny_study.model_copy(update={"model": own.model, "train": train})


@pytest.mark.slow
def test_demo_inverts_refines_and_adapts_a_trained_network_and_goes_on_after_an_interruption(
    adapting, any_survey_run, ended, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/config.yaml").write_text("# somebody's run")
    flags = ["--config", str(config_file(adapting, tmp_path)), "--run", str(tmp_path / "demo")]
    flags += ["--models", "1", "--refine.gradients", "1", "--trust.no-after-training"]
    run = tmp_path / "demo-2"

    with monkeypatch.context() as patch:
        patch.setattr(demo, "save", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        said = ended(128 + signal.SIGINT, "demo", *flags)
    half_written = [path for path in tmp_path.rglob(".*") if path.is_file()]
    main(["demo", *flags])

    shown = capsys.readouterr().out
    paths = [line.split()[1] for line in shown.splitlines() if line.startswith(("report:  ", "figure:  "))]
    assert {f"{run}/report.html", f"{run}/figures/demo.png"} <= set(paths)
    assert all(Path(path).exists() for path in paths)
    network = load_run(any_survey_run)
    for geology in ("yang_ma", "seg_eage", "gulf"):
        record = records.read_for(network, run / f"records/{geology}-0.segy")
        section = network.invert(record.gathers[0], record.survey)
        written = np.load(run / f"sections/{geology}-0.npy")
        assert np.abs(section - written).mean() < 0.1 * written.std()
    assert "m/s before" in shown
    assert "fwi: error: interrupted; run the same command again" in said
    assert half_written == []
    assert (tmp_path / "demo/config.yaml").read_text() == "# somebody's run"


def test_records_of_the_demo_are_of_every_geology_with_noise_of_the_level_it_tells(any_survey_run):
    network = load_run(any_survey_run)

    examples = list(demo.recorded(network, models=2))

    assert len({each.truth.tobytes() for each in examples}) == len(examples) == 6
    propagator = Propagator(network.survey, network.study.physics)
    for each in examples:
        clean = propagator(torch.from_numpy(each.truth)[None])[0].numpy()
        level = 20 * np.log10(np.std(clean) / np.std(each.line.gathers - clean))
        assert level == pytest.approx(demo.NOISE, abs=0.1)


def test_studies_of_the_demo_suit_the_network_that_they_begin_with():
    study = config.load([config.known_studies()[name] for name in cli.DEMO])

    network = read_start(study)

    assert network.survey == Survey(study.grid, study.survey)
    assert set(network.calibration) >= {"trust", "uncertainty"}


def test_demo_without_a_network_names_both_ways_out(tiny_study, refused, tmp_path):
    said = refused("demo", "--config", config_file(tiny_study, tmp_path))

    assert "train.start" in said
    assert "--full" in said


@pytest.mark.slow
@pytest.mark.usefixtures("pool_here")
def test_full_demo_goes_from_nothing_to_a_report_beside_an_older_run(
    trained_study, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    sizes = {"folder": tmp_path / "data", "train": 4, "validation": 2, "test": 2, "samples_per_shard": 2}
    study = config_file(with_storage(trained_study, **sizes), tmp_path)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/config.yaml").write_text("# somebody's run")
    flags = ["--full", "--config", str(study), "--train.epochs", "1", "--workers", "1"]

    main(["demo", *flags, "--run", str(tmp_path / "demo")])

    run = tmp_path / "demo-2"
    assert (run / "report.html").exists()
    kinds = {path.suffix for path in (run / "inverted").glob("test-00000-0.*")}
    assert kinds >= {".npy", ".png", ".segy"}
    shown = capsys.readouterr().out
    assert f"report:  {run / 'report.html'}" in shown
    assert "physics check: " in shown
    assert (tmp_path / "demo/config.yaml").read_text() == "# somebody's run"
