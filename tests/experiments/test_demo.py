import pytest

from experiments.cli import main
from fwi import config


@pytest.mark.slow
@pytest.mark.usefixtures("pool_here")
def test_demo_goes_from_nothing_to_a_report_beside_an_older_run(trained_study, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    sizes = {"folder": tmp_path / "data", "train": 4, "validation": 2, "test": 2, "samples_per_shard": 2}
    storage = trained_study.storage.model_copy(update=sizes)
    (tmp_path / "study.yaml").write_text(config.dump(trained_study.model_copy(update={"storage": storage})))
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/config.yaml").write_text("# somebody's run")
    flags = ["--config", str(tmp_path / "study.yaml"), "--train.epochs", "1", "--workers", "1"]

    main(["demo", *flags, "--run", str(tmp_path / "demo")])

    run = tmp_path / "demo-2"
    assert (run / "report.html").exists()
    kinds = {path.suffix for path in (run / "inverted").glob("test-00000-0.*")}
    assert kinds == {".npy", ".png", ".segy"}
    shown = capsys.readouterr().out
    assert f"report:  {run / 'report.html'}" in shown
    assert "physics check: " in shown
    assert (tmp_path / "demo/config.yaml").read_text() == "# somebody's run"
