"""The penalty by which a refinement chooses among sections that explain the records equally well."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float32]

ROUNDING = 10.0
"""Change from cell to cell [m/s] below which the total variation is rounded to a parabola."""


def preference(section: Array, smoothness: float) -> tuple[float, Array]:
    """Compute the penalty of a section by its total variation, which leaves room for sharp boundaries.

    The penalty is ``smoothness`` times the mean over cells of ``sqrt(dz^2 + dx^2 + ROUNDING^2)``, in 1000
    m/s, with the changes dz and dx to the cells below and beside (Rudin et al., 1992, Physica D 60).

    Args:
        section: velocity [m/s], shape ``(depth, x)``.
        smoothness: weight of the total variation.

    Returns:
        The penalty, and its gradient [1 / (m/s)], shape ``(depth, x)``.
    """
    velocity = torch.from_numpy(section).double().requires_grad_()
    down, along = velocity.diff(dim=0)[:, :-1], velocity.diff(dim=1)[:-1]
    penalty: Tensor = smoothness * (down**2 + along**2 + ROUNDING**2).sqrt().mean() / 1000
    (gradient,) = torch.autograd.grad(penalty, velocity)
    return float(penalty.detach()), gradient.float().numpy()
