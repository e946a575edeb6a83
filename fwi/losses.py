"""What the training minimises: a weighted sum of misfits between predicted and true velocity.

``build`` makes the loss of a study's ``train.loss``. Velocities come in m/s and are scaled so that the grid's
velocity range is -1 .. 1: a weight then means the same for every survey.
"""

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from fwi.config import LossName
from fwi.metrics import ssim


def ssim_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """One minus the structural similarity of velocities scaled to -1 .. 1: 0 where they agree, at most 2."""
    return 1 - ssim((prediction + 1) / 2, (truth + 1) / 2).mean()


LOSSES: dict[LossName, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "mse": F.mse_loss,
    "ssim": ssim_loss,
}
"""The terms, each of (prediction, truth) scaled to -1 .. 1 and of shape ``(batch, depth, x)``."""


def build(terms: Mapping[LossName, float], velocity_range: tuple[float, float]) -> nn.Module:
    """Make the loss ``(prediction, truth) -> scalar`` from its terms.

    A mean squared error on raw m/s, as of Yang and Ma (2019), is ``{"mse": h * h}`` with h half the width of
    the velocity range: 2.25e6 for 1500 .. 4500 m/s.

    Args:
        terms: Weight of each term, by a name of ``LOSSES``.
        velocity_range: Slowest and fastest speed [m/s], which become -1 and 1.

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
    return VelocityLoss(terms, velocity_range)


class VelocityLoss(nn.Module):
    """Weighted sum of terms of ``LOSSES``, in float32 whatever the prediction's precision."""

    def __init__(self, terms: Mapping[LossName, float], velocity_range: tuple[float, float]) -> None:
        super().__init__()
        self.terms = dict(terms)
        slowest, fastest = velocity_range
        self.centre, self.half_width = (slowest + fastest) / 2, (fastest - slowest) / 2

    def forward(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """Measure how far a prediction is from the truth.

        Args:
            prediction: Velocity [m/s], shape ``(batch, depth, x)``.
            truth: Velocity [m/s], same shape.

        Returns:
            The loss, a scalar.

        Raises:
            ValueError: the shapes differ, which broadcasting would hide.
        """
        if prediction.shape != truth.shape:
            raise ValueError(
                f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} must have one shape: "
                "give both as (batch, depth, x)"
            )
        a, b = ((velocity.float() - self.centre) / self.half_width for velocity in (prediction, truth))
        return sum(
            (weight * LOSSES[name](a, b) for name, weight in self.terms.items()), start=a.new_zeros(())
        )
