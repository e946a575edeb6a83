"""Commands with a run whose intervals are calibrated: what they write and say."""

import json
import shutil

import numpy as np
import pytest

from experiments.cli import main
from experiments.evaluate import table
from fwi import load, load_run, report
from fwi.calibrate import _uncertainty
from fwi.data import ShotDataset
from fwi.evaluation import Evaluation
from fwi.inverter_file import FILE
from fwi.manifest import DataSet
from fwi.shards import read
from fwi.uncertainty import Calibration, Scale


@pytest.fixture(scope="module")
def run(any_survey_run, tiny_study, tmp_path_factory):
    """One without a head, whose interval is 300 m/s on either side of the section."""
    folder = tmp_path_factory.mktemp("calibrated") / "run"
    shutil.copytree(any_survey_run, folder)
    scale = Scale(sections=99, weights={"floor": 150}, factor=2, top=30, base=50, constant=200)
    grid = tiny_study.grid
    made = Calibration(
        coverage=0.9,
        confidence=None,
        threshold=2600,
        velocity=grid.velocity,
        spacing=grid.spacing,
        network=scale,
    )
    inverter = load(folder)
    inverter.calibration["uncertainty"] = made.model_dump(mode="json")
    inverter.save(folder / FILE)
    return folder


def test_inverted_section_comes_with_both_ends_of_its_interval(run, tiny_data, tmp_path, capsys):
    segyio = pytest.importorskip("segyio")
    where = ["--run", str(run), "--out", str(tmp_path)]

    main(["invert", str(tiny_data / "test-00000.h5"), *where, "--sample", "1", "--no-check"])

    found = load_run(run).interval(read(tiny_data / "test-00000.h5").gathers[1])
    for name, end in (("lower", found.lower), ("upper", found.upper)):
        stem = tmp_path / f"test-00000-1-{name}"
        np.testing.assert_allclose(np.load(f"{stem}.npy"), end, rtol=1e-6)
        with segyio.open(f"{stem}.segy", strict=False) as file:
            np.testing.assert_allclose(file.trace.raw[:].T, end, rtol=1e-6)
            assert f"{name.upper()} END" in segyio.tools.wrap(file.text[0]).upper()
    half = (found.upper - found.lower).mean() / 2
    assert f"90 % interval: +-{half:.0f} m/s on average" in capsys.readouterr().out


def test_evaluation_tells_coverage_and_width_as_counted_here(run, tiny_study, tiny_data):
    trained, data = load_run(run), ShotDataset([DataSet.read(tiny_data)], "test")

    evaluated = trained.evaluate(data, checks=1)

    held = evaluated.evaluation.intervals
    slowest, fastest = tiny_study.grid.velocity
    lower, upper = (np.clip(evaluated.sections + side, slowest, fastest) for side in (-300, 300))
    inside = (lower <= evaluated.truth) & (evaluated.truth <= upper)
    assert held.coverage.mean == pytest.approx(inside.mean(), abs=1e-3)
    assert held.width.mean == pytest.approx((upper - lower).mean(), rel=1e-3)
    assert held.constant_width.mean < held.width.mean
    assert held.nominal == 0.9
    shown = table(evaluated.evaluation)
    assert f"{held.coverage.mean:.3f} held, {held.width.mean:.0f} m/s wide" in shown


def test_report_tells_the_coverage_of_the_intervals_at_home_and_abroad(run, tmp_path):
    score = {"mean": 0.91, "low": 0.89, "high": 0.93}
    names = [f"{what}_{of}" for what in ("constant", "top", "base") for of in ("coverage", "width")]
    intervals = {"nominal": 0.9, "coverage": score, "width": {"mean": 321}, **{name: {} for name in names}}
    result = {"split": "test", "samples": 4, "predictors": {}, "intervals": intervals}
    (tmp_path / "evaluation.json").write_text(json.dumps(result))
    intervals = {**intervals, "coverage": {**score, "mean": 0.42}}
    (tmp_path / "evaluation-abroad.json").write_text(json.dumps({**result, "intervals": intervals}))

    page = report.write(tmp_path).read_text()

    assert Evaluation.model_validate(result).intervals.coverage.mean == 0.91
    assert page.count("nothing is promised for another geology") == 2
    assert "<b>0.910</b>" in page
    assert "<b>0.420</b>" in page
    assert "<b>321</b>" in page


def test_calibrating_on_too_few_samples_leaves_a_run_without_intervals(any_survey_run, tiny_data):
    validation = ShotDataset([DataSet.read(tiny_data)], "validation")

    assert _uncertainty(load(any_survey_run), validation) == {}
