"""``fwi refine`` from records to files: what is written, gone on with, and refused."""

import json
import re
import signal

import numpy as np
import pytest
from PIL import Image
from trainings import history, wandb_files

from data_prep.segy.write import write_gathers
from experiments import refining
from experiments.cli import main
from fwi import load_run, refined_section, run_folder
from fwi.shards import read
from fwi.survey import Survey

BUDGET = ["--budget", "4", "--refine.held-out", "0.25"]


@pytest.fixture(scope="module")
def shard(tiny_data):
    return tiny_data / "test-00000.h5"


@pytest.fixture(scope="module")
def run(any_survey_run, tmp_path_factory):
    """A run in whose folder a section of sample 1 was refined, into ``sections`` beside it."""
    import shutil

    folder = tmp_path_factory.mktemp("refined") / "run"
    shutil.copytree(any_survey_run, folder)
    return folder


@pytest.fixture(scope="module")
def shown(run, shard):
    """What the command that refined it has printed."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main(["refine", str(shard), "--run", str(run), "--sample", "1", "--out", str(run.parent), *BUDGET])
    return out.getvalue()


@pytest.fixture
def plain(monkeypatch):
    """No record in W&B, which takes seconds."""
    monkeypatch.setenv("WANDB_MODE", "disabled")


@pytest.fixture
def undrawn(plain, monkeypatch):
    """No figures, which take longer than all else."""
    monkeypatch.setattr(refined_section, "figures", lambda *_: {})


@pytest.fixture
def start(shard, tmp_path):
    """The true model of sample 0, blurred, as a section to begin with."""
    from scipy.ndimage import gaussian_filter

    path = tmp_path / "smooth.npy"
    np.save(path, gaussian_filter(read(shard).velocity[0], 3))
    return path


def stopped_at(gradients: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C after so many gradients."""

    def step(record, iteration):
        if iteration.gradients >= gradients:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(refining.Record, "step", step)


# -- what is written


def test_section_is_refined_from_the_network_s_own_and_written_with_its_evidence(shown, run, shard):
    section = np.load(run.parent / "test-00000-1-refined.npy")
    found = json.loads((run.parent / "test-00000-1-refined.json").read_text())

    network = load_run(run).invert(read(shard).gathers[1])
    assert section.shape == network.shape
    if not found["accepted"]:
        np.testing.assert_allclose(section, network, rtol=1e-6)
    truth = read(shard).velocity[1]
    assert found["scores"]["start"]["mae"] == pytest.approx(np.abs(network - truth).mean(), rel=1e-4)
    assert found["scores"]["returned"]["mae"] == pytest.approx(np.abs(section - truth).mean(), rel=1e-4)
    assert found["gradients"] == found["history"][-1]["gradients"] <= 4
    assert found["history"][-1]["data_misfit"] < found["history"][0]["data_misfit"]
    assert found["settings"]["refine"]["held_out"] == 0.25
    assert found["provenance"]["versions"]
    assert not list(run.parent.glob("*.journal*"))


def test_survey_source_verdict_and_cost_are_printed_in_lines(shown):
    assert re.search(r"^  survey: 4 shots, 36 receivers, offsets 0 to 620 m$", shown, re.MULTILINE)
    assert re.search(r"^  source: \S", shown, re.MULTILINE)
    verdict = r"^  (not )?accepted: .+ held out went from [\d.e-]+ to [\d.e-]+ .*; \d gradients in \d+ s, "
    assert re.search(verdict, shown, re.MULTILINE)
    assert re.search(r"^  against the true model: MAE [\d.]+ -> [\d.]+ m/s", shown, re.MULTILINE)
    uncalibrated = r"^  no interval: .* not calibrated: fwi calibrate --run \S+ --refined 40$"
    assert re.search(uncalibrated, shown, re.MULTILINE)


def test_figures_are_beside_the_section_and_in_the_report_of_the_run(shown, run):
    for kind in ("sections", "misfit", "gathers"):
        beside = run.parent / f"test-00000-1-refined-{kind}.png"
        with Image.open(beside) as picture:
            assert picture.width > picture.height > 200 or kind == "gathers"
        assert (run / f"figures/refinement-test-00000-1-{kind}.png").read_bytes() == beside.read_bytes()
    page = (run / "report.html").read_text()
    assert page.count("test-00000-1: ") >= 3
    assert "No section has been refined yet" not in page
    assert json.loads((run / run_folder.PROVENANCE).read_text())[-1]["stage"] == "refine"


def test_misfit_is_logged_to_wandb_as_it_goes_and_figures_in_the_end(shown, run):
    (file,) = wandb_files(run)
    logged = history(file)

    found = json.loads((run / "refinement-test-00000-1.json").read_text())
    steps = [entry["refine/misfit"] for entry in logged if "refine/misfit" in entry]
    assert steps == pytest.approx([step["misfit"] for step in found["history"]])
    assert len(list(run.glob("wandb/offline-run-*/files/media/images/refine/sections*.png"))) == 1


@pytest.mark.usefixtures("undrawn")
def test_section_is_refined_without_any_network_by_its_study(
    start, shard, study_file, trained_study, tmp_path, capsys
):
    survey = Survey(trained_study.grid, trained_study.survey)
    write_gathers(tmp_path / "line.sgy", read(shard).gathers[0], survey, "a test")
    files = [str(start), str(tmp_path / "line.sgy")]

    main(["refine", "--config", str(study_file), "--out", str(tmp_path / "out"), "--budget", "2", *files])

    shown = capsys.readouterr().out
    assert "survey: 4 shots" in shown
    assert "against the true model" not in shown
    assert "report" not in shown
    found = json.loads((tmp_path / "out/smooth-refined.json").read_text())
    assert (found["scores"], found["records"]) == ({}, "line.sgy, sample 0")
    assert (tmp_path / "out/smooth-refined.segy").exists()


@pytest.mark.usefixtures("undrawn")
def test_inverting_with_refinement_gives_what_refining_the_inverted_section_gives(
    any_survey_run, shard, tmp_path
):
    """Bit for bit, and both in the run's report."""
    import shutil

    run, one, two = tmp_path / "run", tmp_path / "one", tmp_path / "two"
    shutil.copytree(any_survey_run, run)
    flags = ["--run", str(run), "--sample", "2", "--budget", "2"]

    main(["invert", str(shard), *flags, "--no-check", "--refine", "--out", str(one)])
    main(["refine", str(one / "test-00000-2.npy"), str(shard), *flags, "--out", str(two)])

    name = "test-00000-2-refined.npy"
    np.testing.assert_array_equal(np.load(one / name), np.load(two / name))
    assert (run / "refinement-test-00000-2.json").exists()


# -- interruptions


@pytest.mark.usefixtures("undrawn")
def test_interrupted_refinement_leaves_its_best_section_and_goes_on_to_the_very_same_result(
    start, shard, study_file, tmp_path, ended, monkeypatch, capsys
):
    command = ["refine", str(start), str(shard), "--config", str(study_file), "--sample", "0", *BUDGET]
    main([*command, "--out", str(tmp_path / "whole")])
    out = tmp_path / "stopped"

    with monkeypatch.context() as patch:
        stopped_at(2, patch)
        said = ended(130, *command, "--out", out)

    assert (
        f"interrupted; the best section so far is in {out}/smooth-refined.npy; go on with: fwi refine" in said
    )
    assert json.loads((out / "smooth-refined.json").read_text())["stopped"] == "interrupted"
    assert np.load(out / "smooth-refined.npy").shape == (24, 36)
    assert "left by a refinement that has not ended" in ended(2, *command, "--out", out)
    others = ["--out", out, "--resume", "--refine.smoothness", "0.7"]
    assert "against 0.7)" in ended(2, *command, *others)

    (out / "smooth-refined.json").unlink()  # as if it had been killed
    main([*command, "--out", str(out), "--resume"])

    whole, resumed = (np.load(tmp_path / where / "smooth-refined.npy") for where in ("whole", "stopped"))
    np.testing.assert_array_equal(resumed, whole)
    one, two = (json.loads((tmp_path / w / "smooth-refined.json").read_text()) for w in ("whole", "stopped"))
    for found in (one, two):
        del found["provenance"], found["seconds"]
        for step in found["history"]:
            del step["seconds"]
    assert one == two
    main([*command, "--out", str(out), "--resume"])
    assert capsys.readouterr().out.endswith(f"{out}: all of these were refined before\n")
    assert not [path for path in out.iterdir() if "journal" in path.name or path.suffix == ".tmp"]


@pytest.mark.usefixtures("plain")
def test_nothing_to_go_on_with_is_said_before_any_work(start, shard, study_file, tmp_path, refused):
    flags = ["--config", study_file, "--sample", "0", "--out", tmp_path / "out", "--resume"]

    assert "no refinement here to go on with" in refused("refine", start, shard, *flags)
    assert not (tmp_path / "out").exists()


# -- what is refused


def test_refinement_of_other_records_is_not_written_over(shown, run, shard, tmp_path, refused):
    before = (run.parent / "test-00000-1-refined.npy").read_bytes()
    other = tmp_path / "test-00000.npy"
    np.save(other, read(shard).gathers[[0, 2]].astype(np.float32))

    said = refused("refine", other, "--run", run, "--sample", "1", "--out", run.parent, *BUDGET)

    assert "test-00000-1-refined.json: the refinement of another section or of other records" in said
    assert (run.parent / "test-00000-1-refined.npy").read_bytes() == before


@pytest.mark.parametrize("budget", ["0", "many", "10 parsecs", "-5", "1.5 gradients", "", "1e9 h", "nan min"])
def test_budget_of_no_sense_is_refused_with_examples(budget, shard, any_survey_run, tmp_path, refused):
    flags = ["--run", any_survey_run, "--out", tmp_path / "out", f"--budget={budget}"]

    for command in ("refine", "invert"):
        more = ["--refine"] if command == "invert" else []
        said = refused(command, shard, *flags, *more)
        assert "is neither a number of gradients nor a duration: write 150, '150 gradients', '10 min'" in said
    assert not (tmp_path / "out").exists()


def test_section_or_records_that_do_not_fit_are_refused_in_words(
    start, shard, study_file, any_survey_run, tmp_path, refused
):
    section, out = np.load(start), tmp_path / "out"
    np.save(tmp_path / "fast.npy", section + 3000)
    np.save(tmp_path / "small.npy", section[:-1])
    silent = read(shard).gathers[:1].astype(np.float32)
    np.save(tmp_path / "broken.npy", np.where(silent > 0, np.nan, silent))
    silent[:] = 0
    np.save(tmp_path / "silent.npy", silent)
    study = ["--config", study_file, "--out", out]

    def said(*files: object, flags: list[object] = study) -> str:
        return refused("refine", *files, *flags)

    assert "go outside grid.velocity 1500 .. 4500 m/s" in said(tmp_path / "fast.npy", shard, "--sample", 0)
    assert "shape (23, 36), the study's grid is (24, 36)" in said(
        tmp_path / "small.npy", shard, "--sample", 0
    )
    assert "the record is zero throughout" in said(start, tmp_path / "silent.npy")
    assert "sample 0: the record holds NaN or infinite samples" in said(start, tmp_path / "broken.npy")
    assert "holds samples 0 to 3" in said(start, shard, "--sample", 4)
    assert "say with --sample which" in said(start, shard)
    assert "no such file" in said(tmp_path / "none.npy", shard, "--sample", 0)
    assert "no section to begin with" in said(shard)
    assert "takes a section, if any, and records" in said(start, start, shard)
    mirrored = [*study, "--sample", 0, "--refine.starts", "mirrored"]
    assert "mirrored is made by a network: name its --run" in said(start, shard, flags=mirrored)
    of_run = ["--run", any_survey_run, "--out", out, "--grid.nz", "30", "--refine.smoothness", "0.3"]
    told = said(shard, flags=of_run)
    assert "grid.nz: 30 given, 24 in the run" in told
    assert "refine.smoothness" not in told
    assert not out.exists()
