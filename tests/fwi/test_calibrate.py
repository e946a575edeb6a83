"""Calibration of a tiny run: too small to certify anything, and large enough to go all the way."""

import json
import shutil

import numpy as np
import pytest

import fwi
from fwi import calibrate as calibration
from fwi import refined_calibration
from fwi.calibrate import CASES, TRUST, calibrate_run, read
from fwi.data import ShotDataset
from fwi.files import sha256
from fwi.intervals import Calibration, Scale
from fwi.inverter_file import FILE
from fwi.manifest import DataSet
from fwi.refined_calibration import Kept, calibrate_refined_run
from fwi.trust.collect import of_dataset
from fwi.trust.judge import SECTION, TrustError


@pytest.fixture(scope="module")
def dataset(tiny_data):
    return ShotDataset([DataSet.read(tiny_data)], "train")


@pytest.fixture(scope="module")
def calibrated(any_survey_run, dataset, tmp_path_factory):
    """A run that is calibrated on its training samples, which it has not been trained on, taken twice."""
    folder = tmp_path_factory.mktemp("calibrated") / "run"
    shutil.copytree(any_survey_run, folder)
    again = of_dataset("again", dataset, list(range(8)))
    made = calibrate_run(fwi.load_run(folder), dataset, others=[again])
    return folder, made


@pytest.fixture
def copy(calibrated, tmp_path):
    shutil.copytree(calibrated[0], tmp_path / "run")
    return tmp_path / "run"


def test_verdict_is_kept_with_the_weights_and_given_with_a_section(calibrated, dataset):
    folder, made = calibrated
    run = fwi.load_run(folder)
    gathers = dataset[0].gathers.float().numpy()
    section = run.invert(gathers)

    verdict = run.check(section, gathers)

    assert run.inverter.calibration[SECTION] == made.trust.model_dump(mode="json")
    assert verdict.believed is False  # the network is not trained: all of its sections are wrong
    assert verdict.judgement.low < verdict.judgement.mae < verdict.judgement.high
    told = str(verdict)
    assert told.startswith("doubtful: wrong with a probability of ")
    assert "expected MAE" in told
    place = verdict.contradicted
    assert f"look at {place.x:.0f} m along the line, {place.depth:.0f} m deep" in told
    assert verdict.summary()["verdict"] == "doubtful"


def test_kinds_are_those_of_validation_damages_and_others(calibrated, dataset):
    _, made = calibrated

    kinds = made.trust.kinds
    assert {"home", "again", "too slow", "blurred"} <= set(kinds)
    assert sum(kind.sections for kind in kinds.values()) == made.diagnostics["threshold_set_on"]
    assert kinds["home"].sections == kinds["again"].sections == 4


def test_weights_invert_as_before(calibrated, any_survey_run, dataset):
    gathers = dataset[0].gathers.float().numpy()

    before, after = fwi.load_run(any_survey_run), fwi.load_run(calibrated[0])

    np.testing.assert_array_equal(before.invert(gathers), after.invert(gathers))


def test_calibration_that_is_repeated_measures_nothing_twice(copy, calibrated, dataset, monkeypatch):
    next((copy / CASES).glob("again-*-000000-8.json")).unlink()
    measured = []
    original = calibration.collect

    def counted(*arguments, **others):
        measured.append(arguments[2].kind)
        return original(*arguments, **others)

    monkeypatch.setattr(calibration, "collect", counted)

    made = calibrate_run(fwi.load_run(copy), dataset, others=[of_dataset("again", dataset, list(range(8)))])

    assert measured == ["again"]
    assert made.trust == calibrated[1].trust


@pytest.mark.parametrize("damage", ["{", '{"key": 3}', "[]"])
def test_figures_that_are_damaged_or_of_other_weights_are_measured_again(copy, dataset, damage, monkeypatch):
    next((copy / CASES).glob("home-*-000000-8.json")).write_text(damage)
    measured = []
    monkeypatch.setattr(calibration, "collect", lambda *arguments: measured.append(arguments[2].kind))
    monkeypatch.setattr(calibration, "_keep", lambda *_: None)

    with pytest.raises(AttributeError):  # nothing was collected
        calibrate_run(fwi.load_run(copy), dataset)

    assert measured == ["home"]


def test_trust_json_holds_what_was_made_and_is_refused_if_damaged_or_of_other_weights(
    copy, calibrated, any_survey_run
):
    assert read(copy).trust == calibrated[1].trust

    shutil.copy(any_survey_run / FILE, copy / FILE)
    with pytest.raises(TrustError, match=r"trust.json: of other weights than .*: run fwi calibrate --run"):
        read(copy)

    content = json.loads((copy / TRUST).read_text())
    content["trust"]["threshold"] = "high"
    (copy / TRUST).write_text(json.dumps(content))
    with pytest.raises(TrustError, match=r"trust.json: damaged, .* \(trust.threshold: .*run fwi calibrate"):
        read(copy)

    (copy / TRUST).unlink()
    with pytest.raises(FileNotFoundError):
        read(copy)


def test_damaged_calibration_in_the_inverter_gives_figures_and_no_verdict(copy, dataset):
    run = fwi.load_run(copy)
    run.inverter.calibration[SECTION]["threshold"] = None
    gathers = dataset[0].gathers.float().numpy()

    verdict = run.check(run.invert(gathers), gathers)

    assert verdict.believed is None
    assert "not calibrated: its calibration is damaged" in str(verdict)
    assert "doubtful" not in str(verdict)


def test_too_few_sections_leave_the_run_as_it_was(any_survey_run, dataset, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(any_survey_run, folder)

    with pytest.raises(TrustError, match="too few"):
        calibrate_run(fwi.load_run(folder), dataset, samples=3)

    assert not (folder / TRUST).exists()
    assert fwi.load_run(folder).inverter.calibration == {}


# -- intervals, also of refined sections


@pytest.fixture
def spans():
    scale = Scale(sections=9, weights={"floor": 90}, factor=1, top=None, base=None, constant=90)
    by = {"coverage": 0.5, "confidence": None, "threshold": 2600, "velocity": (1500, 4500), "spacing": 20}
    return Calibration(**by, network=scale)


def test_trust_json_tells_of_refined_sections_and_stays_that_of_the_inverter(
    copy, calibrated, dataset, spans, monkeypatch
):
    inverter = fwi.load(copy)
    inverter.calibration["uncertainty"] = spans.model_dump(mode="json")
    inverter.save(copy / FILE)
    told = read(calibrated[0]).model_copy(update={"inverter": sha256(copy / FILE)})
    (copy / TRUST).write_text(told.model_dump_json())
    section = np.full((4, 24, 36), 2000, np.float32)
    monkeypatch.setattr(refined_calibration, "_refined", lambda *_: Kept(section, accepted=True))

    found = calibrate_refined_run(fwi.load_run(copy), dataset, samples=4)

    made = read(copy)  # and not refused as one of other weights
    assert found.written == copy / TRUST
    assert made.uncertainty == found.calibration == fwi.load_run(copy).calibration
    assert made.uncertainty.refined.sections == 4
    assert made.trust == calibrated[1].trust


def test_calibrating_the_network_anew_keeps_what_is_known_of_its_refined_sections(
    any_survey_run, dataset, spans, monkeypatch
):
    both = spans.model_copy(update={"refined": spans.network, "refined_by": {"refine": {"gradients": 3}}})
    inverter = fwi.load(any_survey_run)
    inverter.calibration["uncertainty"] = both.model_dump(mode="json")

    def anew(**changes: object) -> Calibration:
        made = spans.model_copy(update=changes)
        monkeypatch.setattr(calibration.uncertainty, "calibrate", lambda *_: made)
        return Calibration.model_validate(calibration._uncertainty(inverter, dataset)["uncertainty"])

    scale = spans.network.model_copy(update={"factor": 2.0})
    assert anew(network=scale) == both.model_copy(update={"network": scale})
    assert anew(threshold=2500).refined is None
