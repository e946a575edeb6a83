"""The graph of an inverter: what is exported to other runtimes, from recorded gathers to the section."""

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from fwi import intervals
from fwi.inverter import SECTION, Inverter
from fwi.networks.offsets import CommonOffsets

MOST = 2**20
"""Largest number of records, shots and receivers that a graph takes."""
INPUTS = {
    "gathers": {0: "batch", 1: "shots", 3: "receivers"},
    "shot_x": {0: "shots"},
    "receiver_x": {0: "shots", 1: "receivers"},
}
"""Inputs of the graph of an inverter of any survey, with their axes of any size; of a single survey it is the
gathers alone, and the batch."""


class Records(NamedTuple):
    """Inputs of a graph; the positions are None for an inverter of one survey."""

    gathers: Tensor
    """Pressure, shape ``(batch, shot, time, receiver)``, in float32."""
    shot_x: Tensor | None = None
    """Position of each shot along the line [m], shape ``(shot,)``, in float64."""
    receiver_x: Tensor | None = None
    """Position of each receiver of each shot [m], shape ``(shot, receiver)``, in float64."""

    @property
    def given(self) -> tuple[Tensor, ...]:
        """The inputs that are not None, in order."""
        return tuple(each for each in self if each is not None)


class InverterGraph(nn.Module):
    """The inversion as a module of tensors alone, as ``torch.export`` and ONNX take it.

    It computes in float32 on the CPU what ``Inverter.invert`` and ``Inverter.spread`` return; the positions
    of shots and receivers are inputs, where the inverter takes any survey.

    Args:
        inverter: the inverter, which is copied.
    """

    def __init__(self, inverter: Inverter) -> None:
        super().__init__()
        self.inverter = copy.deepcopy(inverter).cpu().float().eval().requires_grad_(False)
        self.calibration = intervals.read(inverter.calibration)

    def forward(
        self, gathers: Tensor, shot_x: Tensor | None = None, receiver_x: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Invert a batch of records of one survey.

        Args:
            gathers: pressure, shape ``(batch, shot, time, receiver)``; traces that are zero throughout are
                missing where the inverter takes any survey.
            shot_x: position of each shot along the line [m], shape ``(shot,)``, in float64.
            receiver_x: position of each receiver of each shot [m], shape ``(shot, receiver)``, in float64.

        Returns:
            ``velocity`` [m/s], shape ``(batch, depth, x)``. Of a network that predicts its error, ``spread``:
            how far the truth may be below and above it [m/s], before calibration, shape
            ``(batch, 2, depth, x)``. Of a calibrated one, ``lower`` and ``upper``: the ends of its interval
            [m/s], each ``(batch, depth, x)``.
        """
        inverter = self.inverter
        sort, model = inverter.sort, inverter.study.model
        places = None
        if isinstance(sort, CommonOffsets) and shot_x is not None and receiver_x is not None:
            places = sort.places_of(shot_x, receiver_x)
        hints = inverter.hints(gathers, places, inverter.network.spread is not None, model.mirror)
        section = hints.pop(SECTION)
        found = {"velocity": section}
        if "head" in hints:
            found["spread"] = hints["head"]
        return found | self._interval(section, hints)

    def _interval(self, section: Tensor, hints: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return both ends of the calibrated interval, as ``fwi.intervals.interval`` does."""
        if self.calibration is None:
            return {}
        weights = dict(self.calibration.network.weights)
        half = torch.full_like(section, weights.pop(intervals.FLOOR))[:, None].expand(-1, 2, -1, -1)
        for name, weight in weights.items():
            half = half + weight * hints[name]
        below, above = (self.calibration.network.factor * half).unbind(1)
        slowest, fastest = self.calibration.velocity
        return {
            "lower": (section - below).clamp(slowest, fastest),
            "upper": (section + above).clamp(slowest, fastest),
        }

    @property
    def axes(self) -> dict[str, dict[int, str]]:
        """The graph's inputs with their axes of any size, by number and name."""
        return INPUTS if self.inverter.any_survey else {"gathers": {0: "batch"}}

    @property
    def outputs(self) -> list[str]:
        """Names of the graph's outputs, in order."""
        return list(self(*self.records(1, 1, 1).given))

    def records(self, batch: int, shots: int, receivers: int) -> Records:
        """Draw records of random numbers, with a dead trace, to trace and to compare with.

        Args:
            batch: number of records.
            shots: number of shots of an inverter of any survey, at irregular places.
            receivers: number of receivers of each of them.
        """
        own_shots, samples, own_receivers = self.inverter.survey.gather_shape
        draw = torch.Generator().manual_seed(0)
        if not self.inverter.any_survey:
            return Records(torch.randn(batch, own_shots, samples, own_receivers, generator=draw))
        gathers = torch.randn(batch, shots, samples, receivers, generator=draw)
        gathers[:, 0, :, 0] = 0
        places = [
            self.inverter.survey.length * torch.rand(shape, generator=draw, dtype=torch.float64)
            for shape in ((shots,), (shots, receivers))
        ]
        return Records(gathers, *places)

    def traced(self) -> ExportedProgram:
        """Trace the graph with any number of records, and of shots and receivers where there is a choice."""
        shapes = tuple(
            {axis: Dim(name, min=1, max=MOST) for axis, name in axes.items()} for axes in self.axes.values()
        )
        with quiet(), torch.no_grad():
            program = torch.export.export(
                self, self.records(2, 3, 5).given, dynamic_shapes=shapes, strict=False
            )
        for part in program.graph_module.modules():
            for node in part.graph.nodes if isinstance(part, GraphModule) else ():
                node.meta.pop("stack_trace", None)  # of the exporting machine's files
        return program


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep torch from printing what concerns its own exporters."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
