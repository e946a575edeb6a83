import numpy as np
import pytest
import torch

import fwi
from fwi.shards import read
from fwi.survey import Survey
from fwi.trust.damage import damaged
from fwi.trust.figures import FIGURES, measure
from fwi.trust.seen import FeatureSpace, Seen, see

OF_RECORDS = ("nrms_near", "envelope", "decorrelation", "contradiction")


@pytest.fixture(scope="module")
def run(any_survey_run):
    return fwi.load_run(any_survey_run)


@pytest.fixture(scope="module")
def samples(tiny_data):
    return read(tiny_data / "train-00000.h5")


@pytest.fixture(scope="module")
def space(run, samples):
    return FeatureSpace.of(see(run.inverter, samples.gathers).features)


def figures(run, space, sections, gathers):
    checked = run.physics(run.survey).several(sections, gathers)
    return measure(checked, see(run.inverter, gathers), space, run.survey, 4250.0)


def test_records_speak_against_damaged_sections_and_the_network_says_the_same_of_all(run, space, samples):
    truth, gathers, salt = samples.velocity[0], samples.gathers[0], samples.salt[0] > 0
    assert salt.any()
    worse = damaged(truth, salt, run.study.grid.velocity, 0, 0)
    sections = np.stack([truth, *worse.values()])

    found = figures(run, space, sections, np.repeat(gathers[None], len(sections), axis=0))

    for name in OF_RECORDS:
        assert (found[name][1:] > found[name][0]).all(), name
    for name in ("views", "unsure_salt", "mirrored_salt", "features"):
        np.testing.assert_allclose(found[name], found[name][0], rtol=1e-4, err_msg=name)
    assert (found["contradicted"] >= found["contradicted"][0]).all()
    assert set(found) < set(FIGURES)


def test_several_sections_have_the_figures_that_each_has_alone(run, space, samples):
    sections, gathers = samples.velocity[:2], samples.gathers[:2]

    together = figures(run, space, sections, gathers)

    for number in range(2):
        alone = figures(run, space, sections[[number]], gathers[[number]])
        for name, values in together.items():
            assert values[number] == pytest.approx(alone[name][0], rel=1e-3, abs=1e-5), name


def test_figures_of_records_with_dead_traces_are_numbers(run, space, samples):
    gathers = samples.gathers[:1].astype(np.float32)
    gathers[0, 1] = 0
    gathers[0, 2, :, 5:9] = 0

    found = figures(run, space, samples.velocity[:1], gathers)

    assert all(np.isfinite(values).all() for values in found.values())


def test_network_is_surer_of_salt_in_a_section_that_is_sharp_and_the_same_in_all_views(samples, run, space):
    truth = samples.velocity[:1]
    soft = np.where(truth > 4250, 4300, truth).astype(np.float32)
    checked = run.physics(run.survey).several(truth, samples.gathers[:1])

    def unsure(**views: np.ndarray) -> dict[str, float]:
        features = see(run.inverter, samples.gathers[:1]).features
        return measure(checked, Seen(views, features), space, run.survey, 4250.0)

    sure, less = unsure(own=truth, mirrored=truth), unsure(own=soft, mirrored=soft)
    apart = unsure(own=truth, mirrored=np.roll(truth, 8, axis=2))

    assert sure["unsure_salt"] < less["unsure_salt"]
    assert sure["unsure_salt"] < apart["unsure_salt"]
    assert sure["mirrored_salt"] == sure["views"] == 0
    assert apart["mirrored_salt"] > 0.2
    assert apart["views"] == pytest.approx(np.abs(truth - np.roll(truth, 8, axis=2)).mean() / 2, rel=1e-5)


def test_network_of_one_survey_that_is_not_symmetric_has_its_own_view_alone(tiny_study, samples):
    from fwi.inverter import Inverter

    shifted = tiny_study.survey.model_copy(
        update={"shot_x": (20.0, 100.0, 200.0, 300.0), "shot_margin": None}
    )
    inverter = Inverter(tiny_study.model_copy(update={"survey": shifted})).eval()

    found = see(inverter, samples.gathers[:1], Survey(tiny_study.grid, shifted))

    assert list(found.views) == ["own"]


def test_views_are_sections_of_the_record_mirrored_and_of_every_other_shot(run, samples):
    gathers = samples.gathers[:2].astype(np.float32)
    even = gathers.copy()
    even[:, 1::2] = 0

    found = see(run.inverter, gathers)

    np.testing.assert_allclose(found.views["own"], run.inverter.invert(gathers, mirror=False), rtol=1e-5)
    np.testing.assert_allclose(found.views["even"], run.inverter.invert(even, mirror=False), rtol=1e-5)
    both = (found.views["own"] + found.views["mirrored"]) / 2
    np.testing.assert_allclose(both, run.inverter.invert(gathers, mirror=True), rtol=1e-5)
    assert list(found.rows([1, 1, 0]).views["odd"][:, 0, 0]) == [
        found.views["odd"][row, 0, 0] for row in (1, 1, 0)
    ]


def test_features_are_the_deepest_ones_and_do_not_depend_on_the_batch(run, samples):
    with torch.inference_mode():
        found = []
        hook = run.inverter.network.bottleneck.register_forward_hook(lambda _, __, out: found.append(out))
        run.inverter(run.inverter.batch(samples.gathers[:3]))
        hook.remove()

    seen = see(run.inverter, samples.gathers[:3]).features

    np.testing.assert_allclose(seen, found[0].mean((2, 3)).double().numpy(), rtol=1e-4)
    np.testing.assert_allclose(seen[1:2], see(run.inverter, samples.gathers[1:2]).features, rtol=1e-4)


def test_distance_of_features_is_mahalanobis_by_axis():
    random = np.random.default_rng(0)
    mixing = random.standard_normal((3, 3))
    training = random.standard_normal((4000, 3)) @ mixing + 5
    space = FeatureSpace.of(training)
    others = random.standard_normal((10, 3)) @ mixing + 7

    centred = others - training.mean(axis=0)
    expected = np.einsum("ij,jk,ik->i", centred, np.linalg.inv(np.cov(training.T)), centred)
    np.testing.assert_allclose(space.distance(others), np.sqrt(expected / 3), rtol=1e-3)
    assert np.sqrt((space.distance(training) ** 2).mean()) == pytest.approx(1, rel=1e-3)


def test_features_that_are_all_alike_are_no_distance_apart():
    assert FeatureSpace.of(np.ones((20, 4))).distance(np.full((2, 4), 3.0)).tolist() == [0, 0]
