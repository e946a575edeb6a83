"""Two grids: a coarse one, on which gradients are cheap, and a finer one by which its errors are known.

On 8 cells a wavelength, errors of the grid are a few percent of the records' energy, which a refinement would
explain by a wrong section. They depend little on details of the section. So what the start's gathers lack on
the coarse grid is added to all gathers that are simulated there (a defect correction: Stetter, 1978,
Numerische Mathematik 29). A tenth of the error remains for records from a yet finer grid.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from fwi.config import CheckConfig, PhysicsConfig
from fwi.refine.simulator import Simulator

Array = NDArray[np.float32]


class Grids:
    """Simulate sections of one survey on both grids; the finer one is that of the physics check.

    Args:
        simulator: simulates on the coarse grid.
        physics: how it does so; the absorbing layers of both have the same width in metres.
        check: the finer grid, and the order of its finite differences.

    Raises:
        SurveyError: the finer grid does not resolve the waves at its order.
    """

    def __init__(self, simulator: Simulator, physics: PhysicsConfig, check: CheckConfig) -> None:
        self.coarse = simulator
        update = {"order": check.order, "pml_width": physics.pml_width * check.finer}
        self.fine = Simulator(simulator.survey.refined(check.finer), physics.model_copy(update=update))

    def __call__(self, section: Array) -> tuple[Array, Array]:
        """Simulate a section on both grids.

        Args:
            section: velocity [m/s], shape ``(depth, x)``.

        Returns:
            Gathers of the coarse grid, and of the finer one, both of shape ``(shot, time, receiver)``.
        """
        grid = self.fine.survey.grid
        model = torch.from_numpy(np.ascontiguousarray(section, np.float32))[None, None]
        finer = interpolate(model, size=(grid.nz, grid.nx), mode="bilinear", align_corners=True)[0, 0]
        return self.coarse.simulate(section), self.fine.simulate(finer.numpy())
