import numpy as np
import pytest

from fwi.check import Checked, Misfit
from fwi.config import GridConfig, SurveyConfig, TrustConfig
from fwi.survey import Survey
from fwi.trust.guarantee import Guarantee
from fwi.trust.judge import Judgement, Trust
from fwi.trust.seen import FeatureSpace
from fwi.trust.verdict import Verdict, judged, meaning

SURVEY = Survey(GridConfig(nz=20, nx=30), SurveyConfig(shots=2, receivers=30, nt=300, dt=0.002))
MISFIT = Misfit(np.array([0.3, 0.5]), np.array([0.9, 0.8]), np.array([0.002, -0.004]), 1.0)
MEAN = Misfit(np.array([0.8, 0.8]), np.array([0.5, 0.5]), np.array([0.02, 0.02]), 1.0)


def trust(**odds: tuple[float, float]) -> Trust:
    """A calibration: typical value, and increase of the log-odds per unit of the figure's logarithm."""
    return Trust.model_validate(
        {
            "limits": TrustConfig(),
            "salt_speed": 4250,
            "space": FeatureSpace(mean=[0.0], axes=[[1.0]]),
            "figures": {
                name: {"typical": np.log(typical + floor(name)), "scale": 1, "odds": weight, "error": 0.2}
                for name, (typical, weight) in odds.items()
            },
            "intercept": -3.0,
            "error": np.log(90.0),
            "margin": np.log(1.5),
            "threshold": 0.2,
            "guarantee": Guarantee(wrong=100, missed=1, catch=0.95, confidence=0.95, caught=0.953),
        }
    )


def floor(name: str) -> float:
    from fwi.trust.figures import FIGURES

    return FIGURES[name].floor


def verdict(trusted: Trust, outside: float = 0.0, **figures: float) -> Verdict:
    random = np.random.default_rng(0)
    shape = SURVEY.gather_shape
    records, simulated = random.standard_normal((2, *shape)).astype(np.float32)
    section = np.full((20, 30), 2500, np.float32)
    checked = Checked(section, records, simulated, MISFIT, MEAN, outside, missing="2 traces left out")
    values = {name: np.array([value]) for name, value in figures.items()}
    return judged([checked], SURVEY, values, trusted)[0]


def test_sentence_of_a_section_that_is_believed():
    found = verdict(trust(envelope=(0.3, 1.0), views=(30.0, 1.0)), envelope=0.3, views=33.0)

    assert found.believed
    assert str(found) == (
        "believed: wrong with a probability of 5% (doubted from 20%); expected MAE 91 m/s (90%: 61 to 137); "
        "loudest: difference between the network's views of the record 33 m/s, typically 30; "
        "2 traces left out"
    )
    assert found.remark == "believed, wrong with 5%"
    assert found.advice == ""


def test_section_that_the_records_contradict_is_to_be_refined_and_looked_at_where():
    found = verdict(trust(envelope=(0.3, 3.0), views=(30.0, 1.0)), envelope=0.9, views=33.0)

    assert found.word == "doubtful"
    assert found.loudest == "envelope"
    assert "loudest: NRMS of the envelopes 0.9, typically 0.3" in str(found)
    assert str(found).endswith(
        f"refine it; look at {found.contradicted}, where the records contradict it most"
    )
    assert f"{found.contradicted.x:.0f} m along the line" in found.advice


def test_geology_unlike_that_of_training_is_to_be_trained_on():
    found = verdict(trust(envelope=(0.3, 3.0), features=(1.0, 4.0)), envelope=0.9, features=4.0)

    assert "unlike those of training: train on such geology" in found.advice


def test_impossible_speeds_are_doubted_however_well_the_rest_is():
    found = verdict(trust(envelope=(0.3, 1.0)), outside=0.05, envelope=0.1)

    assert found.judgement.believed
    assert not found.believed
    assert found.reasons[0] == "5% of the cells are outside 1500 .. 4500 m/s"


def test_without_a_calibration_there_are_figures_and_neither_word():
    calibrated = verdict(trust(envelope=(0.3, 1.0)), envelope=0.1)

    found = Verdict(calibrated.checked, SURVEY, uncalibrated="not calibrated: fwi calibrate --run runs/x")

    assert found.believed is None
    assert str(found) == (
        "NRMS 0.40, 50% of the mean model's 0.80; trace correlation 0.85; time shift 3.0 ms; "
        "2 traces left out; not calibrated: fwi calibrate --run runs/x"
    )
    assert found.summary()["verdict"] == "not calibrated"
    assert found.summary()["probability"] is None


def test_summary_holds_the_judgement():
    found = verdict(trust(envelope=(0.3, 1.0)), envelope=0.3).summary()

    assert found["verdict"] == "believed"
    assert found["probability"] == pytest.approx(1 / (1 + np.exp(3)))
    assert found["mae_interval"] == pytest.approx([60, 135])
    assert found["figures"] == {"envelope": 0.3}
    assert found["per_shot"]["nrms"] == [0.3, 0.5]


def test_meaning_says_what_is_wrong_and_what_is_guaranteed():
    told = meaning(trust(envelope=(0.3, 1.0)))

    assert "an MAE above 200 m/s; at least 95% of wrong sections are doubted, with 95% confidence" in told
    assert "(1 of 100 wrong ones were believed)" in told


def test_judgement_of_a_figure_below_typical_counts_for_the_section():
    found = trust(envelope=(0.3, 1.0)).judge({"envelope": np.array([0.1])})[0]

    assert isinstance(found, Judgement)
    assert found.odds["envelope"] < 0
