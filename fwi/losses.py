"""The training losses: a weighted sum of misfits between predicted and true velocity, and that of the spread.

``build`` makes the loss of a study's ``train.loss``. Velocities in m/s are scaled so that the grid's velocity
range is -1 .. 1; a weight then means the same for every survey.
"""

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fwi.config import LossName
from fwi.metrics import ssim

SALT_WIDTH = 0.2
"""Scaled speed above the salt threshold at which the odds that the prediction is salt are e to 1."""


def ssim_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """Compute one minus the structural similarity (SSIM) of scaled velocities.

    Args:
        prediction: velocity scaled to -1 .. 1, shape ``(batch, depth, x)``.
        truth: the true one, same shape.

    Returns:
        A scalar: 0 where they agree, at most 2.
    """
    return 1 - ssim((prediction + 1) / 2, (truth + 1) / 2).mean()


def salt_loss(prediction: Tensor, truth: Tensor, threshold: float) -> Tensor:
    """Compute the cross-entropy of true salt, with the speed above the salt threshold as the logit.

    The absolute error is lowest at the median: a cell that the records leave undecided, with salt in two
    models of five, is best given a sediment's speed, and a network begins by drawing no salt at all. This
    term adds a cost for every m/s that such a cell is below the threshold. Where the records leave no doubt,
    the absolute error, with its kink at the truth, outweighs this term at a weight of 0.3.

    Args:
        prediction: velocity scaled to -1 .. 1, shape ``(batch, depth, x)``.
        truth: the true one, same shape.
        threshold: scaled speed from which a cell is salt.

    Returns:
        A scalar.
    """
    log_odds = (prediction - threshold) / SALT_WIDTH
    return F.binary_cross_entropy_with_logits(log_odds, (truth >= threshold).float())


LOSSES: dict[LossName, Callable[[Tensor, Tensor, float], Tensor]] = {
    "l1": lambda prediction, truth, _: F.l1_loss(prediction, truth),
    "mse": lambda prediction, truth, _: F.mse_loss(prediction, truth),
    "ssim": lambda prediction, truth, _: ssim_loss(prediction, truth),
    "salt": salt_loss,
}
"""The terms of the loss: functions of prediction, truth and salt threshold, all scaled to -1 .. 1."""


def build(
    terms: Mapping[LossName, float], velocity_range: tuple[float, float], salt_threshold: float
) -> nn.Module:
    """Make the loss ``(prediction, truth) -> scalar`` from its terms.

    A mean squared error on raw m/s, as of Yang and Ma (2019), is ``{"mse": h * h}`` with h half the width of
    the velocity range: 2.25e6 for 1500 .. 4500 m/s.

    Args:
        terms: Weight of each term, by a name of ``LOSSES``.
        velocity_range: Slowest and fastest speed [m/s], which become -1 and 1.
        salt_threshold: Speed from which a cell is salt [m/s].

    Raises:
        ValueError: there is no term, a name is unknown, or the range does not ascend.
    """
    unknown = [name for name in terms if name not in LOSSES]
    if unknown or not terms:
        mistake = f"unknown loss {', '.join(map(repr, unknown))}" if unknown else "the loss has no terms"
        raise ValueError(f"{mistake}; known: {', '.join(LOSSES)}")
    slowest, fastest = velocity_range
    if not slowest < fastest:
        raise ValueError(f"velocity_range must ascend, got {slowest:g} .. {fastest:g} m/s: swap the two")
    return VelocityLoss(terms, velocity_range, salt_threshold)


class VelocityLoss(nn.Module):
    """Weighted sum of terms of ``LOSSES``, computed in float32 for predictions of any precision."""

    def __init__(
        self, terms: Mapping[LossName, float], velocity_range: tuple[float, float], salt_threshold: float
    ) -> None:
        super().__init__()
        self.terms = dict(terms)
        slowest, fastest = velocity_range
        self.centre, self.half_width = (slowest + fastest) / 2, (fastest - slowest) / 2
        self.salt = (salt_threshold - self.centre) / self.half_width

    def forward(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """Measure how far a prediction is from the truth.

        Args:
            prediction: Velocity [m/s], shape ``(batch, depth, x)``.
            truth: Velocity [m/s], same shape.

        Returns:
            The loss, a scalar.

        Raises:
            ValueError: the shapes differ; broadcasting would hide this.
        """
        if prediction.shape != truth.shape:
            raise ValueError(
                f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} must have one shape: "
                "give both as (batch, depth, x)"
            )
        a, b = ((velocity.float() - self.centre) / self.half_width for velocity in (prediction, truth))
        return sum(
            (weight * LOSSES[name](a, b, self.salt) for name, weight in self.terms.items()),
            start=a.new_zeros(()),
        )


def laplace_loss(above: Tensor, spread: Tensor) -> Tensor:
    """Compute the negative log-likelihood of Laplace errors, but for a constant: mean of ``|e| / b + log b``.

    Args:
        above: how far the truth is above the section [m/s], shape ``(batch, depth, x)``.
        spread: ``b ln 10``, the half-width of the interval that holds 90 % [m/s], below and above the
            section, shape ``(batch, 2, depth, x)``; the two are equal.
    """
    scale = spread[:, 0] / math.log(10)
    return (above.abs() / scale + scale.log()).mean()


def quantile_loss(above: Tensor, spread: Tensor) -> Tensor:
    """Compute the mean pinball loss of the 5 % and the 95 % quantile (Koenker and Bassett, 1978).

    Args:
        above: how far the truth is above the section [m/s], shape ``(batch, depth, x)``.
        spread: how far the quantiles are below and above the section [m/s], ``(batch, 2, depth, x)``.
    """
    beyond = torch.stack([-above, above], dim=1) - spread
    return torch.maximum(0.95 * beyond, -0.05 * beyond).mean()


SPREAD_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "laplace": laplace_loss,
    "quantiles": quantile_loss,
}
"""The loss of the head that predicts the spread, by its kind."""


class SpreadLoss(nn.Module):
    """Loss of the predicted spread of a section; no gradient passes to the section.

    Args:
        kind: a name of ``SPREAD_LOSSES``.
        velocity_range: slowest and fastest speed [m/s]; half its width is the unit of errors and spreads.
    """

    def __init__(self, kind: str, velocity_range: tuple[float, float]) -> None:
        super().__init__()
        slowest, fastest = velocity_range
        self.loss, self.unit = SPREAD_LOSSES[kind], (fastest - slowest) / 2

    def forward(self, section: Tensor, spread: Tensor, truth: Tensor) -> Tensor:
        """Measure how badly a spread describes the errors of a section.

        Args:
            section: predicted velocity [m/s], shape ``(batch, depth, x)``.
            spread: how far the truth may be below and above it [m/s], shape ``(batch, 2, depth, x)``.
            truth: true velocity [m/s], shape ``(batch, depth, x)``.

        Returns:
            The loss, a scalar; it may be negative.
        """
        above = (truth - section.detach().float()) / self.unit
        return self.loss(above, spread.float() / self.unit)
