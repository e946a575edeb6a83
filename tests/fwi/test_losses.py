import math

import pytest
import torch
from skimage.metrics import structural_similarity

from fwi import losses

RANGE = (1500.0, 4500.0)
SALT = 4250.0


def sections(seed: int = 0) -> torch.Tensor:
    return 1500 + 3000 * torch.rand(2, 24, 20, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("term", "value"), [("l1", 0.2), ("mse", 0.04)])
def test_an_error_of_a_tenth_of_the_velocity_range_is_two_tenths_in_scaled_units(term, value):
    truth = sections()

    for velocity_range in (RANGE, (1500.0, 7500.0)):
        error = 0.1 * (velocity_range[1] - velocity_range[0])
        loss = losses.build({term: 1.0}, velocity_range, SALT)(truth + error, truth)

        assert loss.item() == pytest.approx(value, rel=1e-4)


def test_mean_squared_error_on_raw_velocity_is_mse_weighted_by_the_half_width_squared():
    prediction, truth = sections(1), sections(2)

    loss = losses.build({"mse": 1500.0**2}, RANGE, SALT)(prediction, truth)

    torch.testing.assert_close(loss, (prediction - truth).square().mean())


def test_ssim_term_is_one_minus_scikit_images_ssim():
    prediction, truth = 0.6 * sections(1) + 0.4 * sections(2), sections(2)
    padded = torch.nn.functional.pad((torch.stack([prediction, truth]) - 1500) / 3000, (5, 5, 5, 5)).numpy()

    loss = losses.build({"ssim": 1.0}, RANGE, SALT)(prediction, truth)

    local = [
        structural_similarity(
            *pair, data_range=1, gaussian_weights=True, use_sample_covariance=False, full=True
        )[1][5:-5, 5:-5].mean()
        for pair in zip(*padded, strict=True)
    ]
    assert loss.item() == pytest.approx(1 - sum(local) / 2, abs=1e-5)


def test_terms_add_up_with_their_weights():
    prediction, truth = sections(1), sections(2)
    alone = {name: losses.build({name: 1.0}, RANGE, SALT)(prediction, truth) for name in losses.LOSSES}

    weights = {"l1": 0.5, "mse": 2.0, "ssim": 3.0, "salt": 0.7}
    loss = losses.build(weights, RANGE, SALT)(prediction, truth)

    torch.testing.assert_close(loss, sum(weight * alone[name] for name, weight in weights.items()))


@pytest.mark.parametrize("term", ["l1", "mse", "ssim"])
def test_every_misfit_vanishes_at_the_truth_and_a_step_down_its_gradient_lowers_it(term):
    truth = sections(1)
    loss = losses.build({term: 1.0}, RANGE, SALT)
    prediction = (0.5 * truth + 0.5 * sections(2)).requires_grad_()

    before = loss(prediction, truth)
    before.backward()
    step = 1.0 / prediction.grad.abs().max()  # 1 m/s where the gradient is largest
    after = loss(prediction.detach() - step * prediction.grad, truth)

    assert loss(truth, truth).item() == pytest.approx(0, abs=1e-5)
    assert after < before


@pytest.mark.parametrize("term", ["l1", "mse"])
def test_gradient_slows_what_is_too_fast_and_speeds_up_what_is_too_slow(term):
    truth = sections()
    error = torch.where(torch.arange(20) < 10, 200.0, -200.0)
    prediction = (truth + error).requires_grad_()

    losses.build({term: 1.0}, RANGE, SALT)(prediction, truth).backward()

    assert torch.equal(prediction.grad.sign(), error.sign().expand_as(truth))


def best_speed(terms: dict, share: float) -> float:
    """Speed of least loss for a cell that is salt, of 4450 m/s, in a share of the models, else of 3000."""
    truths = torch.where(torch.arange(100) < round(100 * share), 4450.0, 3000.0).view(1, 1, 100)
    loss = losses.build(terms, RANGE, SALT)
    return min(range(1500, 4501, 10), key=lambda speed: loss(torch.full_like(truths, speed), truths).item())


def test_absolute_error_alone_gives_up_salt_that_is_in_doubt_and_the_salt_term_does_not():
    assert best_speed({"l1": 1.0}, share=0.4) == 3000
    assert 3900 < best_speed({"l1": 1.0, "salt": 0.3}, share=0.4) < SALT


@pytest.mark.parametrize(("share", "speed"), [(0.0, 3000), (1.0, 4450)])
def test_salt_term_does_not_move_what_is_certain(share, speed):
    assert best_speed({"l1": 1.0, "salt": 0.3}, share) == speed


def test_salt_term_is_the_cross_entropy_of_the_odds_that_a_speed_gives():
    prediction, truth = torch.tensor([[[4550.0, 3950.0]]]), torch.tensor([[[4450.0, 4450.0]]])

    loss = losses.build({"salt": 1.0}, RANGE, SALT)(prediction, truth)

    misses = [1 / (1 + math.e), math.e / (1 + math.e)]  # 300 m/s above the threshold, and 300 below
    assert loss.item() == pytest.approx(-sum(math.log(1 - miss) for miss in misses) / 2, rel=1e-5)


def test_bf16_autocast_leaves_the_loss_and_its_gradient_as_in_float32():
    truth = sections(1)
    loss = losses.build({"l1": 1.0, "mse": 1.0, "ssim": 1.0}, RANGE, SALT)

    def evaluate(enabled: bool) -> tuple[torch.Tensor, torch.Tensor]:
        prediction = sections(2).requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            value = loss(prediction, truth)
        return value.detach(), torch.autograd.grad(value, prediction)[0]

    for mixed, full in zip(evaluate(enabled=True), evaluate(enabled=False), strict=True):
        assert mixed.dtype == torch.float32
        torch.testing.assert_close(mixed, full)


def test_a_prediction_in_bf16_is_measured_in_float32():
    truth = sections(1)
    prediction = sections(2).bfloat16()
    loss = losses.build({"l1": 1.0, "ssim": 1.0}, RANGE, SALT)

    torch.testing.assert_close(loss(prediction, truth), loss(prediction.float(), truth))


def test_unknown_terms_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown loss 'huber'; known: l1, mse, ssim, salt"):
        losses.build({"l1": 1.0, "huber": 1.0}, RANGE, SALT)


def test_a_loss_without_terms_or_with_a_reversed_range_is_refused():
    with pytest.raises(ValueError, match="no terms"):
        losses.build({}, RANGE, SALT)
    with pytest.raises(ValueError, match="must ascend"):
        losses.build({"l1": 1.0}, (4500.0, 1500.0), SALT)


def test_shapes_that_would_broadcast_are_refused():
    truth = sections()

    with pytest.raises(ValueError, match="one shape"):
        losses.build({"l1": 1.0}, RANGE, SALT)(truth[:, None], truth)
