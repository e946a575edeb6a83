"""Intervals of refined sections: calibrated on validation, written with a section, scored on a split.

Refinements are replaced by a step of known size, as the intervals depend on nothing else of them.
"""

import json
import shutil

import numpy as np
import pytest

from experiments.cli import main
from experiments.evaluate import table
from fwi import load, load_run, refined_section
from fwi.data import ShotDataset
from fwi.evaluation import Evaluation
from fwi.intervals import UncalibratedError
from fwi.inverter_file import FILE
from fwi.manifest import DataSet
from fwi.refine import Refined
from fwi.refine.source import SourceMatch
from fwi.refined_calibration import calibrate_refined_run
from fwi.refined_section import settings_of
from fwi.refined_split import refine_split
from fwi.run import Run
from fwi.shards import read
from fwi.uncertainty import Calibration, Scale

STEP = 40.0
"""What a refinement adds to a section [m/s]."""


def step(run: Run, section, gathers, survey=None, config=None, accepted=True, **_) -> Refined:
    """A refinement by one step, as ``Run.refine`` returns it."""
    start = run.invert(gathers, survey) if section is None else section
    candidate = np.minimum(start + STEP, 4500).astype(np.float32)
    study = run.study if config is None else run.study.model_copy(update={"refine": config})
    return Refined(
        section=candidate if accepted else start,
        start=start,
        candidate=candidate,
        accepted=accepted,
        reason="a step",
        history=(),
        before=gathers,
        after=gathers,
        recorded=gathers,
        held_out=(),
        held_out_before=float("nan"),
        held_out_after=float("nan"),
        source=SourceMatch.identity(len(gathers), 0.01),
        starts={},
        stopped="budget",
        gradients=2,
        seconds=1,
        settings=settings_of(study),
    )


@pytest.fixture
def stepped(monkeypatch):
    """Replace refinements by steps, and draw and log nothing of them; gives the sections that were begun."""
    begun = []

    def refine(run, section, gathers, survey=None, **options):
        begun.append(gathers)
        return step(run, section, gathers, survey, **options)

    monkeypatch.setattr(Run, "refine", refine)
    monkeypatch.setattr(refined_section, "figures", lambda *_: {})
    monkeypatch.setenv("WANDB_MODE", "disabled")
    return begun


def calibrated(any_survey_run, folder, refined: bool, **options):
    """Copy a run, and give it half-widths: 100 m/s of the network's sections, 10 + 40 m/s of refined ones."""
    shutil.copytree(any_survey_run, folder)
    inverter = load(folder)
    scale = Scale(sections=99, weights={"floor": 100}, factor=1, top=30, base=50, constant=120)
    own = scale.model_copy(update={"weights": {"floor": 5, "moved": 0.5}, "factor": 2.0, "constant": 60.0})
    made = Calibration(
        **{"coverage": 0.9, "confidence": None, "threshold": 2600, **options},
        velocity=inverter.study.grid.velocity,
        spacing=inverter.study.grid.spacing,
        network=scale,
        refined=own if refined else None,
        refined_by=settings_of(load_run(folder).study) if refined else {},
    )
    inverter.calibration["uncertainty"] = made.model_dump(mode="json")
    inverter.save(folder / FILE)
    return folder


@pytest.fixture
def run(any_survey_run, tmp_path):
    """A run whose intervals are calibrated, also of refined sections."""
    return calibrated(any_survey_run, tmp_path / "run", refined=True)


@pytest.fixture
def shard(tiny_data):
    return tiny_data / "test-00000.h5"


# -- calibration


def test_validation_sections_are_refined_once_and_their_intervals_hold_the_truth(
    any_survey_run, tiny_data, tmp_path, stepped, capsys
):
    run = calibrated(any_survey_run, tmp_path / "run", refined=False, coverage=0.5)
    before, command = load(run), ["calibrate", "--run", str(run), "--refined", "4"]

    main(command)

    assert (
        "4 of 4 refined sections were accepted; intervals for 50% are calibrated" in capsys.readouterr().out
    )
    assert len(stepped) == 4
    main(command)
    assert len(stepped) == 4
    next((run / "calibration").glob("refined-*-000002.safetensors")).write_bytes(b"damaged")
    main(command)
    assert len(stepped) == 5
    np.testing.assert_array_equal(stepped[4], stepped[2])
    trained = load_run(run)
    found = trained.calibration
    assert found.network.model_dump() == before.calibration["uncertainty"]["network"]
    assert found.refined.sections == 4
    samples = read(tiny_data / "validation-00000.h5")
    gathers = samples.gathers.astype(np.float32)
    np.testing.assert_array_equal(trained.invert(gathers), before.invert(gathers))
    spans = [trained.refined_interval(step(trained, None, each), each) for each in gathers]
    held = [(a.lower <= v) & (v <= a.upper) for a, v in zip(spans, samples.velocity, strict=True)]
    assert np.mean(held) > 0.5


def test_sections_that_were_not_accepted_are_not_calibrated_on(
    any_survey_run, tmp_path, monkeypatch, refused
):
    run = calibrated(any_survey_run, tmp_path / "run", refined=False, coverage=0.5)
    before = (run / FILE).read_bytes()
    assert "1 refined sections are too few" in refused("calibrate", "--run", run, "--refined", "1")
    monkeypatch.setattr(Run, "refine", lambda *given, **options: step(*given, **options, accepted=False))

    said = refused("calibrate", "--run", run, "--refined", "3")

    assert "0 of 3 refined sections were accepted, and a coverage of 50% needs 2 that are accepted" in said
    assert (run / FILE).read_bytes() == before


def test_what_cannot_be_calibrated_is_refused_before_any_refinement(any_survey_run, run, stepped, refused):
    def said(folder, *flags) -> str:
        return refused("calibrate", "--run", folder, "--refined", *flags)

    assert f"network's own sections first: fwi calibrate --run {any_survey_run}" in said(any_survey_run, "40")
    told = "4 validation samples are too few to refine: a coverage of 90% needs 14 that are accepted"
    assert told in said(run, "40")
    assert "--presets and --samples are for the verdict" in said(run, "40", "--samples", "3")
    assert stepped == []


# -- intervals of a section


def test_interval_of_a_refined_section_is_as_wide_as_it_moved(run, shard):
    trained, gathers = load_run(run), read(shard).gathers[1].astype(np.float32)
    refined = step(trained, None, gathers)

    lower, upper, _, _ = trained.refined_interval(refined, gathers)

    moved = refined.candidate - refined.start
    slowest, fastest = trained.study.grid.velocity
    np.testing.assert_allclose(lower, np.maximum(refined.candidate - 10 - moved, slowest), rtol=1e-5)
    np.testing.assert_allclose(upper, np.minimum(refined.candidate + 10 + moved, fastest), rtol=1e-5)


def test_interval_of_a_section_that_was_not_accepted_is_that_of_the_network(run, shard):
    trained, gathers = load_run(run), read(shard).gathers[1].astype(np.float32)

    found = trained.refined_interval(step(trained, None, gathers, accepted=False), gathers)

    for one, other in zip(found, trained.interval(gathers), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_interval_is_made_up_for_refinements_of_another_kind(run, any_survey_run, shard):
    trained, gathers = load_run(run), read(shard).gathers[1].astype(np.float32)
    own = trained.invert(gathers)
    stopped = step(trained, None, gathers)
    object.__setattr__(stopped, "stopped", "interrupted")
    short = trained.study.refine.within("7")
    others = {
        "this one was interrupted": stopped,
        "began with another": step(trained, own - 200, gathers),
        r"other settings \(refine\.gradients: 150 against 7\)": step(trained, None, gathers, config=short),
    }

    for said, refined in others.items():
        with pytest.raises(UncalibratedError, match=said):
            trained.refined_interval(refined, gathers)
    with pytest.raises(UncalibratedError, match=r"not calibrated: fwi calibrate --run .* --refined 40"):
        load_run(any_survey_run).refined_interval(stopped, gathers)


def test_calibration_by_real_refinements_serves_a_real_one(any_survey_run, tiny_data, shard, tmp_path):
    """Here alone nothing is replaced; no shots are held out, so that every section is accepted."""
    trained = load_run(calibrated(any_survey_run, tmp_path / "run", refined=False, coverage=0.5))
    raced = {"gradients": 4, "held_out": 0.0, "starts": ("flooded", "without_salt"), "race": 1}
    config = trained.study.refine.model_copy(update=raced)
    trained.study = trained.study.model_copy(update={"refine": config})
    validation = ShotDataset([DataSet.read(tiny_data)], "validation")

    scale = calibrate_refined_run(trained, validation, samples=2).calibration.refined

    assert scale.weights.keys() >= {"moved", "apart", "floor"}
    assert not list((trained.folder / "calibration").glob("*.journal"))
    gathers = read(shard).gathers[1].astype(np.float32)
    refined = trained.refine(None, gathers, config=config)
    lower, upper, _, _ = trained.refined_interval(refined, gathers)
    assert ((lower <= refined.section) & (refined.section <= upper)).all()
    assert (upper > lower).all()


# -- commands


@pytest.mark.usefixtures("stepped")
def test_refined_section_comes_with_both_ends_of_its_interval_unless_it_has_none(
    run, shard, tmp_path, capsys
):
    segyio = pytest.importorskip("segyio")
    command = ["refine", str(shard), "--run", str(run), "--sample", "1", "--out", str(tmp_path)]
    stem, trained = tmp_path / "test-00000-1-refined", load_run(run)
    samples = read(shard)
    gathers = samples.gathers[1].astype(np.float32)

    main(command)

    found = trained.refined_interval(step(trained, None, gathers), gathers)
    for name, end in (("lower", found.lower), ("upper", found.upper)):
        np.testing.assert_allclose(np.load(f"{stem}-{name}.npy"), end, rtol=1e-6)
        with segyio.open(f"{stem}-{name}.segy", strict=False) as file:
            np.testing.assert_allclose(file.trace.raw[:].T, end, rtol=1e-6)
    half = (found.upper - found.lower).mean() / 2
    assert f"  90 % interval: +-{half:.0f} m/s on average" in capsys.readouterr().out
    told = json.loads((run / "refinement-test-00000-1.json").read_text())["interval"]
    assert told["files"] == [f"{stem.name}-lower", f"{stem.name}-upper"]
    truth = samples.velocity[1]
    assert told["held"] == pytest.approx(((found.lower <= truth) & (truth <= found.upper)).mean())
    assert "90 % interval: +-" in (run / "report.html").read_text()

    main([*command, "--budget", "7"])

    assert "  no interval: intervals are calibrated for refinements with other" in capsys.readouterr().out
    assert json.loads(stem.with_name(f"{stem.name}.json").read_text())["interval"] is None
    assert not list(tmp_path.glob("*-lower*")) + list(tmp_path.glob("*-upper*"))


@pytest.mark.usefixtures("stepped")
def test_split_tells_coverage_and_width_of_refined_sections_beside_the_network_s(
    run, any_survey_run, tiny_data
):
    dataset = ShotDataset([DataSet.read(tiny_data)], "test")
    trained = load_run(run)
    sections = np.stack([trained.invert(each.gathers.float().numpy()) for each in dataset])
    truth = read(tiny_data / "test-00000.h5").velocity[[0, 3]]

    found = refine_split(trained, dataset, sections, [0, 3]).split

    for name, centre, half in (
        ("network", sections, 100),
        ("refined", np.minimum(sections + STEP, 4500), 50),
    ):
        held = np.abs(truth - centre[[0, 3]]) <= half
        assert found.intervals[name].coverage.mean == pytest.approx(held.mean(), abs=0.01)
        assert found.intervals[name].width.mean == pytest.approx(2 * half, rel=0.1)
    assert found.intervals["network"].constant_width.mean > found.intervals["refined"].constant_width.mean
    shown = table(Evaluation(split="test", samples=4, predictors=found.predictors, refined=found))
    assert f"refined sections of these samples, intervals for 90 %:\n  speed{'':16}" in shown
    without = refine_split(load_run(any_survey_run), dataset, sections, [0]).split
    assert without.intervals == {}
    assert "--refined 40" in without.no_intervals
