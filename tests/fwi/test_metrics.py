from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from skimage.metrics import structural_similarity

from fwi import metrics
from fwi.naive import predictions

MODELS = Path(__file__).resolve().parents[2] / "../shared/data/fcnvmb_models.npz"

SALT, FAST_SEDIMENT, SEDIMENT = 4500.0, 4000.0, 2500.0


def layered_model_with_salt(rows: slice, columns: slice, shape: tuple[int, int] = (40, 50)):
    """Sediment over three rows of a faster one, with a rectangle of salt: (truth, salt), a batch of one."""
    truth = np.full((1, *shape), SEDIMENT, dtype=np.float32)
    truth[:, -3:] = FAST_SEDIMENT
    salt = np.zeros(truth.shape, dtype=bool)
    salt[:, rows, columns] = True
    truth[salt] = SALT
    return truth, salt


def random_sections(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1500, 4500, shape).astype(np.float32)


def test_mae_and_rmse_are_in_metres_per_second_and_per_sample():
    truth = np.full((2, 8, 8), 3000.0)
    prediction = truth.copy()
    prediction[0, :, :4] += 100
    prediction[1] -= 30

    scores = metrics.score(prediction, truth, np.zeros_like(truth), spacing=10)

    np.testing.assert_allclose(scores["mae"], [50, 30])
    np.testing.assert_allclose(scores["rmse"], [np.sqrt(100**2 / 2), 30], rtol=1e-6)


def test_ssim_openfwi_is_scikit_images_with_zeros_around_the_section():
    truth, prediction = random_sections(2, 40, 30, seed=1), random_sections(2, 40, 30, seed=2)
    prediction = 0.7 * truth + 0.3 * prediction

    ours = metrics.ssim_openfwi(torch.tensor(prediction), torch.tensor(truth))

    for sample in range(2):
        first, second = (np.pad((v[sample] - 1500) / 3000, 5) for v in (prediction, truth))
        _, local = structural_similarity(
            first, second, data_range=1, gaussian_weights=True, use_sample_covariance=False, full=True
        )
        assert ours[sample].item() == pytest.approx(local[5:-5, 5:-5].mean(), abs=1e-5)


def test_ssim_is_the_same_under_bf16_autocast():
    first, second = torch.rand(1, 30, 30), torch.rand(1, 30, 30)

    expected = metrics.ssim(first, second)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = metrics.ssim(first, second)

    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


def test_ssim_of_half_precision_is_taken_in_float32():
    first, second = torch.rand(2, 1, 30, 30).bfloat16()

    torch.testing.assert_close(metrics.ssim(first, second), metrics.ssim(first.float(), second.float()))


def test_gradient_of_ssim_agrees_with_finite_differences():
    first = torch.rand(1, 8, 9, dtype=torch.float64, requires_grad=True)
    second = torch.rand(1, 8, 9, dtype=torch.float64)

    assert torch.autograd.gradcheck(lambda values: metrics.ssim(values, second), first)


@pytest.mark.parametrize(("speed", "iou"), [(4249.0, 0.0), (4251.0, 1.0)])
def test_salt_is_predicted_above_the_midway_between_salt_and_fastest_sediment(speed, iou):
    truth, salt = layered_model_with_salt(slice(10, 20), slice(5, 45))
    prediction = np.where(salt, speed, truth)

    assert metrics.score(prediction, truth, salt, spacing=10)["salt_iou"] == iou


def test_salt_iou_is_overlap_over_union():
    truth, salt = layered_model_with_salt(slice(10, 20), slice(10, 30))
    prediction, _ = layered_model_with_salt(slice(10, 20), slice(15, 40))

    iou = metrics.score(prediction, truth, salt, spacing=10)["salt_iou"]

    assert iou == pytest.approx(15 / 30)


def test_a_fast_layer_put_too_shallow_is_not_taken_for_salt():
    truth, salt = layered_model_with_salt(slice(10, 20), slice(10, 30))
    prediction = truth.copy()
    prediction[:, 25:] = FAST_SEDIMENT

    scores = metrics.score(prediction, truth, salt, spacing=10)

    assert scores["salt_iou"] == 1
    assert scores["mae"] > 0


@pytest.mark.parametrize("sediment", [SEDIMENT, SALT, SALT + 200])
def test_models_whose_speed_does_not_tell_salt_lack_the_metrics_that_need_it(sediment):
    salt = np.zeros((1, 20, 20), dtype=bool)
    salt[:, 5:10, 5:10] = sediment >= SALT
    truth = np.where(salt, SALT, sediment)

    scores = metrics.score(truth + 10, truth, salt, spacing=10)

    assert scores["mae"] == pytest.approx(10)
    for name in ("salt_iou", "top_salt_error", "base_salt_error"):
        assert np.isnan(scores[name]).all(), name


def test_models_without_salt_have_no_boundary_and_nothing_below_it():
    truth = np.full((1, 20, 20), SEDIMENT)

    scores = metrics.score(truth + 10, truth, np.zeros_like(truth), spacing=10)

    assert np.isnan(scores["mae_salt_boundary"]).all()
    assert np.isnan(scores["mae_subsalt"]).all()


def test_boundary_error_sees_three_cells_on_either_side_and_no_other():
    truth, salt = layered_model_with_salt(slice(None), slice(10, None))
    band = np.zeros_like(salt)
    band[:, :, 7:13] = True

    inside = metrics.score(truth + 100 * band, truth, salt, spacing=10)["mae_salt_boundary"]
    outside = metrics.score(truth + 100 * ~band, truth, salt, spacing=10)["mae_salt_boundary"]

    assert inside == pytest.approx(100)
    assert outside == 0


def test_subsalt_error_sees_only_cells_under_the_base_of_salt():
    truth, salt = layered_model_with_salt(slice(10, 20), slice(10, 30))
    salt[:, 5, 10:30] = True  # a second, thinner body above: below the salt is below both
    truth[salt] = SALT
    under = np.zeros_like(salt)
    under[:, 20:, 10:30] = True

    first_row = under.copy()
    first_row[:, 21:] = False

    def subsalt(error: np.ndarray) -> np.ndarray:
        return metrics.score(truth + error, truth, salt, spacing=10)["mae_subsalt"]

    assert subsalt(100 * under) == pytest.approx(100)
    assert subsalt(100 * first_row) == pytest.approx(100 / 20)
    assert subsalt(100 * ~under) == 0


def test_salt_moved_deeper_errs_by_that_depth_at_top_and_base():
    truth, salt = layered_model_with_salt(slice(10, 20), slice(10, 30))
    prediction, _ = layered_model_with_salt(slice(12, 25), slice(0, 20))

    scores = metrics.score(prediction, truth, salt, spacing=20)

    assert scores["top_salt_error"] == pytest.approx(40)
    assert scores["base_salt_error"] == pytest.approx(100)


def test_a_base_below_the_section_is_neither_scored_nor_has_anything_below():
    truth, salt = layered_model_with_salt(slice(10, None), slice(10, 30))
    prediction, _ = layered_model_with_salt(slice(13, 30), slice(10, 30))

    scores = metrics.score(prediction, truth, salt, spacing=10)

    assert scores["top_salt_error"] == pytest.approx(30)
    assert np.isnan(scores["base_salt_error"]).all()
    assert np.isnan(scores["mae_subsalt"]).all()


def test_a_prediction_without_salt_has_no_overlap_and_no_top_or_base():
    truth, salt = layered_model_with_salt(slice(10, 20), slice(10, 30))

    scores = metrics.score(np.full_like(truth, SEDIMENT), truth, salt, spacing=10)

    assert scores["salt_iou"] == 0
    assert np.isnan(scores["top_salt_error"]).all()
    assert np.isnan(scores["base_salt_error"]).all()


def test_scores_of_a_batch_are_those_of_its_samples_and_of_their_mirror_images():
    models = [layered_model_with_salt(slice(5 + k, 20), slice(3 * k, 30)) for k in range(4)]
    truth, salt = (np.concatenate(parts) for parts in zip(*models, strict=True))
    prediction = truth + random_sections(*truth.shape) - 3000

    together = metrics.score(prediction, truth, salt, spacing=10)
    mirrored = metrics.score(prediction[:, :, ::-1], truth[:, :, ::-1], salt[:, :, ::-1], spacing=10)

    for k in range(4):
        alone = metrics.score(
            torch.tensor(prediction[k : k + 1]), truth[k : k + 1], salt[k : k + 1], spacing=10
        )
        for name, values in together.items():
            np.testing.assert_allclose(values[k], alone[name][0], rtol=1e-5)
            np.testing.assert_allclose(values[k], mirrored[name][k], rtol=1e-5)


def test_a_prediction_that_is_not_finite_is_refused_and_not_left_out_of_the_mean():
    truth, salt = layered_model_with_salt(slice(10, 20), slice(10, 30))
    truth, salt = truth.repeat(3, axis=0), salt.repeat(3, axis=0)
    prediction = truth.copy()
    prediction[1, 4, 4] = np.nan

    with pytest.raises(ValueError, match=r"samples \[1\]"):
        metrics.score(prediction, truth, salt, spacing=10)


def test_sections_of_different_shapes_are_refused():
    truth, salt = layered_model_with_salt(slice(10, 20), slice(10, 30))

    with pytest.raises(ValueError, match=r"one shape \(batch, depth, x\)"):
        metrics.score(truth[:, None], truth, salt, spacing=10)


def test_summary_leaves_out_and_counts_samples_without_the_metric():
    values = np.array([np.nan, 1, 2, 3, 10, np.nan])

    summary = metrics.summarise(values)

    assert summary.samples == 4
    assert (summary.mean, summary.median) == (4, 2.5)
    assert (summary.p5, summary.p95) == pytest.approx((1.15, 8.95))
    assert metrics.summarise(values[:1]).samples == 0
    assert np.isnan(metrics.summarise(values[:1]).mean)


def test_interval_of_the_mean_is_scipys_bootstrap_percentile_interval():
    values = np.random.default_rng(0).lognormal(3, 1, size=100)

    summary = metrics.summarise(values)

    oracle = scipy.stats.bootstrap(
        [values], np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    width = oracle.high - oracle.low
    assert summary.low == pytest.approx(oracle.low, abs=0.05 * width)
    assert summary.high == pytest.approx(oracle.high, abs=0.05 * width)
    assert metrics.summarise(values) == summary


@pytest.mark.parametrize("spacing", [5.0, 10.0, 20.0])
def test_naive_lengths_are_metres_on_every_grid(spacing):
    depth = spacing * np.arange(60)
    gradient = 0.5  # (m/s)/m
    ramp = np.broadcast_to(2000 + gradient * depth[:, None], (1, 60, 60))
    impulse = np.zeros((1, 60, 60))
    impulse[0, 30, 30] = 1000

    shifted = predictions(ramp, ramp[0], spacing)["shifted truth"]
    blurred = predictions(impulse, ramp[0], spacing)["blurred truth"][0].sum(axis=1)

    np.testing.assert_allclose(shifted[:, 5:], ramp[:, 5:] - gradient * 10, rtol=1e-6)
    spread = np.sqrt((blurred * (depth - depth[30]) ** 2).sum() / blurred.sum())
    assert spread == pytest.approx(30, rel=0.02)


def test_naive_mean_is_one_model_and_left_edge_knows_the_layers_but_no_salt():
    truth, _ = layered_model_with_salt(slice(10, 20), slice(10, 30))
    mean_model = random_sections(40, 50)

    naive = predictions(np.concatenate([truth, truth]), mean_model, spacing=10)

    layers, _ = layered_model_with_salt(slice(0), slice(0))
    np.testing.assert_array_equal(naive["left edge"], np.concatenate([layers, layers]))
    np.testing.assert_array_equal(naive["mean"], np.stack([mean_model, mean_model]))


@pytest.mark.skipif(not MODELS.exists(), reason="the public models of Yang and Ma (2019) are not here")
def test_naive_predictors_score_as_known_on_the_salt_set_of_yang_and_ma():
    models = np.load(MODELS)
    train = models["train"]
    # The reference figures are for 100 test models. The file has 50 of them, all domes; 50 lenses of the
    # training set stand for the others, hence the tolerance.
    truth = np.concatenate([models["test"], train[-50:]]).astype(np.float32)
    reference = {"mean": (318, 0.846), "left edge": (131, 0.872), "blurred truth": (33, 0.926)}

    naive = predictions(truth, train.mean(axis=0), spacing=10)
    scores = {name: metrics.score(p, truth, truth == SALT, spacing=10) for name, p in naive.items()}

    for name, (mae, ssim) in reference.items():
        assert scores[name]["mae"].mean() == pytest.approx(mae, rel=0.1), name
        assert scores[name]["ssim_openfwi"].mean() == pytest.approx(ssim, abs=0.005), name
    np.testing.assert_allclose(scores["shifted truth"]["top_salt_error"], 10, rtol=1e-5)
    np.testing.assert_allclose(scores["shifted truth"]["base_salt_error"][50:], 10, rtol=1e-5)
    assert np.isnan(scores["shifted truth"]["base_salt_error"][:50]).all()
