import numpy as np
import pytest

from fwi.config import TrustConfig
from fwi.trust.cases import Cases, errors, in_words

NO_LIMIT = TrustConfig(salt_iou=0, boundary=None, mae=None)


@pytest.fixture
def model():
    """A section of sediments with a block of salt, and where the salt is."""
    truth, salt = np.full((1, 30, 40), 2500, np.float32), np.zeros((1, 30, 40), np.uint8)
    salt[:, 10:20, 10:30] = 1
    truth[salt > 0] = 4500
    return truth, salt


def wrong(section, model, **limits):
    found, _ = errors(section, *model, NO_LIMIT.model_copy(update=limits), 4250.0)
    return found.tolist()


def test_section_is_wrong_by_each_limit_that_it_passes(model):
    truth, _ = model
    half = truth.copy()
    half[:, 10:20, 20:30] = 2500  # IoU 0.5, 2000 m/s off in 100 of 1200 cells

    assert wrong(half, model) == [False]
    assert wrong(half, model, salt_iou=0.51) == [True]
    assert wrong(half, model, salt_iou=0.49) == [False]
    assert wrong(half, model, mae=160.0) == [True]
    assert wrong(half, model, mae=170.0) == [False]
    assert wrong(half, model, boundary=300.0) == [True]
    assert wrong(half, model, boundary=1500.0) == [False]
    assert wrong(truth, model, salt_iou=1, mae=1.0, boundary=1.0) == [False]


def test_without_true_salt_the_error_and_invented_salt_count(model):
    flat, none = np.full((1, 30, 40), 2500, np.float32), np.zeros((1, 30, 40), np.uint8)
    invented = flat.copy()
    invented[:, :5, :6] = 4400  # 30 of 1200 cells

    assert wrong(flat, (flat, none), salt_iou=0.7, boundary=400.0) == [False]
    assert wrong(invented, (flat, none), salt_iou=0.7, boundary=400.0, invented=0.02) == [True]
    assert wrong(invented, (flat, none), salt_iou=0.7, boundary=400.0, invented=0.03) == [False]
    assert wrong(flat + 300, (flat, none), mae=200.0) == [True]


def test_mae_is_that_of_each_section(model):
    truth, salt = (np.concatenate([each, each]) for each in model)

    _, mae = errors(truth + np.array([10, 30], np.float32)[:, None, None], truth, salt, NO_LIMIT, 4250.0)

    np.testing.assert_allclose(mae, [10, 30])


def test_what_is_wrong_is_said_in_words():
    assert in_words(TrustConfig()) == (
        "a salt IoU below 0.7 or an MAE at the salt boundary above 400 m/s or an MAE above 200 m/s"
    )
    assert in_words(NO_LIMIT) == "salt in a model without any"


def test_sections_that_lack_a_figure_have_none_after_they_are_joined():
    def cases(kind: str, **figures: np.ndarray) -> Cases:
        every = np.array([True])
        return Cases(np.array([kind]), every, np.array([0]), figures, ~every, np.array([1.0]))

    joined = Cases.joined([cases("home", nrms=np.array([0.2])), cases("gulf", spread=np.array([3.0]))])

    assert joined.kind.tolist() == ["home", "gulf"]
    np.testing.assert_array_equal(joined.figures["nrms"], [0.2, np.nan])
    np.testing.assert_array_equal(joined.figures["spread"], [np.nan, 3.0])
    assert joined.where(np.array([False, True])).kind.tolist() == ["gulf"]
