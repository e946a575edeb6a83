"""The wave equation, from velocity to shot gathers; deepwave and its conventions are used here alone."""

import functools
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from fwi import memory
from fwi.config import PhysicsConfig
from fwi.survey import COURANT_LIMIT, ON_CELL, Survey, SurveyError

CORRECTION_BYTES = 40
"""Memory that the correction of numerical dispersion takes for each pair of time steps, as measured."""

FORWARD_ARRAYS = 11
"""Arrays of the padded grid's size that deepwave needs per shot (measured: 8 to 10)."""

GRADIENT_ARRAYS = 30
"""Arrays that a gradient needs per shot (measured: 18 to 25), besides one per time step for the history."""

MOST_SHOTS = 65_535
"""Shots that a GPU takes at once, however small: CUDA's limit on a grid of blocks."""

HALF_WIDTH = 8
"""Cells on either side over which a source or receiver between cells is spread."""

KAISER = 8.56
"""Shape of that spread's Kaiser window: errors below 3e-4 from 3 cells a wavelength on (Hicks, 2002)."""

BAND = 7.0
"""Multiple of the peak frequency above which records hold nothing; amplitudes fall from 0.6 of it on."""


class VelocityRangeError(ValueError):
    """A velocity model holds a speed that the survey was not made for."""


class Propagator(nn.Module):
    r"""Record every shot of a survey over velocity models.

    Solves the constant-density acoustic wave equation

    .. math:: \nabla^2 p - \frac{1}{v^2} \frac{\partial^2 p}{\partial t^2}
        = -w(t)\,\delta(\mathbf{x} - \mathbf{x}_s)

    so that records do not depend on the grid beyond its discretisation error. dt, absorbing layer and scale
    are fixed by the survey alone, not by the model. The simulation runs on the device and in the precision of
    the velocity. It can be differentiated once: the backward pass simulates each chunk of shots again, so
    that memory holds the history of only one chunk's wavefield at a time.

    Args:
        survey: geometry, time axis and wavelet.
        physics: order, absorbing layer, and the bytes that one chunk of shots may take.

    Raises:
        SurveyError: the survey is unstable or undersampled at this order.
    """

    wavelet: Tensor
    to_samples: Tensor
    shot_columns: Tensor
    shot_weights: Tensor
    columns: Tensor
    receiver_columns: Tensor
    receiver_weights: Tensor

    def __init__(self, survey: Survey, physics: PhysicsConfig) -> None:
        super().__init__()
        survey.check(physics.order)
        if physics.correct_dispersion:
            _require_memory_to_correct(survey)
        self.survey, self.physics = survey, physics
        spacing = survey.grid.spacing
        # deepwave puts a free surface one cell above its first row: give it no row at the surface.
        self.first_row = 1 if survey.config.top == "free" else 0
        self.shot_row = round(survey.shot_depth / spacing) - self.first_row
        self.receiver_row = round(survey.receiver_depth / spacing) - self.first_row
        shots, shot_weights = _spread(survey.shot_x / spacing)
        receivers, receiver_weights = _spread(survey.receiver_x / spacing)
        columns = np.unique(receivers)
        # Where a spread reaches beyond the model, its edge is continued as the absorbing layer would.
        self.beyond = (
            max(0, -int(min(shots.min(), columns[0]))),
            max(0, int(max(shots.max(), columns[-1])) - (survey.grid.nx - 1)),
        )
        for name, value in (
            ("wavelet", _source(survey, physics.correct_dispersion)),
            ("to_samples", _recording(survey, physics.correct_dispersion)),
            ("shot_columns", torch.from_numpy(shots + self.beyond[0])),
            ("shot_weights", torch.from_numpy(shot_weights)),
            ("columns", torch.from_numpy(columns + self.beyond[0])),  # all that are recorded, of every shot
            ("receiver_columns", torch.from_numpy(np.searchsorted(columns, receivers))),  # which of those
            ("receiver_weights", torch.from_numpy(receiver_weights)),
        ):
            self.register_buffer(name, value, persistent=False)

    def shots_per_chunk(self, gradient: bool = False, history_interval: int = 1) -> int:
        """Number of shots in single precision that are simulated at once within ``physics.memory`` bytes.

        Args:
            gradient: whether the wavefield's history is kept, for a gradient.
            history_interval: see ``record``.
        """
        grid, nt, (_, samples, receivers) = self.survey.grid, self.survey.config.nt, self.survey.gather_shape
        margin = 2 * (self.physics.pml_width + self.physics.order // 2)
        cells = (grid.nz + margin) * (grid.nx + sum(self.beyond) + margin)
        arrays = GRADIENT_ARRAYS + -(-nt // history_interval) if gradient else FORWARD_ARRAYS
        traces = nt * (2 * len(self.columns) + self.shot_columns.shape[1])
        traces += samples * (len(self.columns) + 4 * receivers)
        return min(MOST_SHOTS, max(1, self.physics.memory // (4 * (arrays * cells + traces))))

    def forward(self, velocity: Tensor) -> Tensor:
        """Record every shot of the survey over a batch of models.

        Args:
            velocity: P-wave speed [m/s], shape ``(batch, depth, x)``.

        Returns:
            Pressure at the receivers, shape ``(batch, shot, time, receiver)``.

        Raises:
            VelocityRangeError: a speed is not finite or outside the range that dt and grid were chosen for.
            ValueError: the model has another shape than the survey's grid.
        """
        self.require_admissible(velocity)
        with torch.inference_mode(False):  # else buffers moved in inference serve no gradient later
            self.to(velocity.device)
        shots = self.survey.config.shots
        gradient = velocity.requires_grad and torch.is_grad_enabled()
        pairs = torch.arange(velocity.shape[0] * shots, device=velocity.device)
        gathers = [
            _Resimulated.apply(velocity, self, chunk)  # type: ignore[no-untyped-call]
            if gradient
            else self.record(velocity, chunk)
            for chunk in torch.split(pairs, self.shots_per_chunk(gradient))
        ]
        return torch.cat(gathers).reshape(velocity.shape[0], *self.survey.gather_shape)

    def record(self, velocity: Tensor, pairs: Tensor, history_interval: int = 1) -> Tensor:
        """Simulate some (model, shot) pairs at once, all in memory.

        Args:
            velocity: P-wave speed [m/s], shape ``(batch, depth, x)``.
            pairs: ``model * shots + shot`` of each pair, shape ``(pair,)``.
            history_interval: number of time steps from one state of the wavefield that is kept for the
                gradient to the next. A longer one takes less time and memory, and rounds the gradient.

        Returns:
            Pressure at the receivers, shape ``(pair, time, receiver)``.
        """
        deepwave = _deepwave()
        survey, dtype = self.survey, velocity.dtype
        model, shot = pairs // survey.config.shots, pairs % survey.config.shots
        boundary, pml_width = deepwave.boundaries(
            2, top="free" if survey.config.top == "free" else "pml", width=self.physics.pml_width
        )
        extended = pad(velocity[:, self.first_row :], (*self.beyond, 0, 0), mode="replicate")
        traces = deepwave.scalar(
            extended[model] if len(velocity) > 1 else extended[0],
            survey.grid.spacing,
            survey.config.dt,
            source_amplitudes=self.shot_weights[shot, :, None].to(dtype) * self.wavelet.to(dtype),
            source_locations=_on_row(self.shot_row, self.shot_columns[shot]),
            receiver_locations=_on_row(self.receiver_row, self.columns.expand(len(pairs), -1)),
            accuracy=self.physics.order,
            boundary=boundary,
            pml_width=pml_width,
            pml_freq=survey.config.wavelet.frequency,
            max_vel=survey.grid.velocity[1],
            courant_number=COURANT_LIMIT * (1 + 1e-6),
            model_gradient_sampling_interval=history_interval,
        ).receiver_amplitudes
        samples = _sampled(traces, self.to_samples.to(dtype))  # (pair, column, time)
        pair = torch.arange(len(pairs), device=pairs.device)[:, None]
        weights, columns = self.receiver_weights[shot].to(dtype), self.receiver_columns[shot]
        taps = (weights[..., k, None] * samples[pair, columns[..., k]] for k in range(columns.shape[-1]))
        return sum(taps, start=torch.zeros((), dtype=dtype)).transpose(1, 2)

    def require_admissible(self, velocity: Tensor) -> None:
        """Refuse models that the survey was not made for.

        Args:
            velocity: P-wave speed [m/s], shape ``(batch, depth, x)``.

        Raises:
            VelocityRangeError: a speed is not finite or outside the range that dt and grid were chosen for.
            ValueError: the models have another shape than the survey's grid.
        """
        grid = self.survey.grid
        if velocity.ndim != 3 or tuple(velocity.shape[1:]) != (grid.nz, grid.nx):
            raise ValueError(
                f"velocity has shape {tuple(velocity.shape)}, "
                f"the survey's grid wants (batch, {grid.nz}, {grid.nx})"
            )
        slowest, fastest = grid.velocity
        # float32 models may round a speed at the very end of the range.
        wrong = ~((velocity >= slowest * (1 - 1e-6)) & (velocity <= fastest * (1 + 1e-6)))
        if wrong.any():
            batch, iz, ix = (int(i) for i in wrong.nonzero()[0])
            raise VelocityRangeError(
                f"velocity is {float(velocity[batch, iz, ix]):g} m/s in cell (depth {iz}, x {ix}) of model "
                f"{batch}, outside grid.velocity {slowest:g} .. {fastest:g} m/s; widen that range (and check "
                "dt) or mend the model"
            )


class _Resimulated(torch.autograd.Function):
    """Record without a history, and simulate again with one for the gradient.

    ``torch.utils.checkpoint`` does not serve: deepwave keeps its history out of autograd's sight.
    """

    @staticmethod
    def forward(ctx: Any, velocity: Tensor, propagator: Propagator, pairs: Tensor) -> Tensor:
        ctx.save_for_backward(velocity, pairs)
        ctx.propagator = propagator
        return propagator.record(velocity, pairs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        velocity, pairs = ctx.saved_tensors
        with torch.enable_grad():
            velocity = velocity.detach().requires_grad_()
            gathers = ctx.propagator.record(velocity, pairs)
        return *torch.autograd.grad(gathers, velocity, gradient), None, None


def _require_memory_to_correct(survey: Survey) -> None:
    """Refuse so many time steps that the matrices which correct their dispersion do not fit into memory.

    Raises:
        SurveyError: they do not.
    """
    needed, there = CORRECTION_BYTES * survey.config.nt**2, memory.total()
    if needed > there:
        raise SurveyError(
            f"survey.nt: to correct the dispersion of {survey.config.nt} time steps takes "
            f"{memory.amount(needed)}, and this machine has {memory.amount(there)}: take a longer survey.dt, "
            "a shorter record, or physics.correct_dispersion false"
        )


@functools.cache
def _deepwave() -> Any:
    """deepwave, imported without PyTorch's compiler, which takes longer to import than all of deepwave.

    deepwave would load it to keep one check of its own out of compiled graphs.
    """

    def undecorated(function: Any) -> Any:
        return function

    decorate = torch.compiler.disable
    torch.compiler.disable = undecorated  # type: ignore[assignment]
    try:
        import deepwave.time_dispersion
    finally:
        torch.compiler.disable = decorate
    return deepwave


def _source(survey: Survey, correct_dispersion: bool) -> Tensor:
    """Source time function of a point source on one cell, shape ``(nt,)``."""
    # deepwave adds -v^2 dt^2 f to the cell: f = -w / h^2 spreads the delta function over the cell.
    wavelet = torch.from_numpy(survey.wavelet) / survey.grid.spacing**2
    if correct_dispersion:
        nt = len(wavelet)
        # Twice as long, so that nothing wraps around from the end.
        wavelet = _deepwave().time_dispersion.correct_source(wavelet, survey.config.dt, nt_out=2 * nt)[:nt]
    return -wavelet.float()


def _recording(survey: Survey, correct_dispersion: bool) -> Tensor:
    """The linear map from simulated traces to recorded samples, shape ``(nt, time)``.

    One matrix corrects the dispersion, filters against aliasing where the wavelet needs it, and thins.
    """
    nt, dt, keep_every = survey.config.nt, survey.config.dt, survey.config.keep_every
    steps = torch.arange(nt)
    if not (correct_dispersion or survey.aliases):
        return (steps[:, None] == steps[::keep_every]).float()
    padded = 2 * nt  # so that nothing wraps around from the end
    frequency = torch.arange(nt + 1, dtype=torch.float64) / (padded * dt)
    # The leapfrog shifts a frequency F < 1 / (pi dt) to asin(pi F dt) / (pi dt): read F's spectrum there
    # (Koene et al., 2018; deepwave's correct_receivers, but without transforming an identity matrix).
    angle = 2 * torch.pi * frequency * dt
    if correct_dispersion:
        angle = 2 * torch.asin((angle / 2).clamp(max=1))
    # Where a record ends before its waves, the jump must not ring through all of it: pass the wavelet's band.
    stop = min(BAND * survey.config.wavelet.frequency, 1 / (math.pi * dt))
    if survey.aliases:
        stop = min(stop, 0.5 / survey.recorded_dt)
    taper = 0.5 + 0.5 * torch.cos(torch.pi * ((frequency / stop - 0.6) / 0.4).clamp(0, 1))
    passed = int((taper > 0).sum())
    blocks = []
    for block in torch.split(steps, 256):  # all at once take a gigabyte where nt is 4000
        spectrum = torch.polar(taper[:passed].expand(len(block), -1), -block[:, None] * angle[:passed])
        blocks.append(torch.fft.irfft(spectrum, n=padded)[:, :nt:keep_every].float())
    return torch.cat(blocks)


def _sampled(traces: Tensor, to_samples: Tensor) -> Tensor:
    """Apply the linear map to simulated traces ``(pair, column, nt)``: samples ``(pair, column, time)``."""
    if not traces.is_cuda:
        return traces @ to_samples
    # A GPU rounds a product as its shape and alignment ask for. Pair by pair, each in memory of its own, a
    # record does not depend on what is simulated beside it.
    return torch.stack([one.clone(memory_format=torch.contiguous_format) @ to_samples for one in traces])


def _spread(cells: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Columns and weights that stand for positions in units of cells: both get a last axis ``tap``.

    One tap where all positions are on cells, else the taps of a Kaiser-windowed sinc (Hicks, 2002).
    """
    nearest = np.round(cells).astype(np.int64)
    if np.all(np.abs(cells - nearest) < ON_CELL):
        return nearest[..., None], np.ones((*cells.shape, 1))
    first = np.floor(cells).astype(np.int64) - (HALF_WIDTH - 1)
    columns = first[..., None] + np.arange(2 * HALF_WIDTH)
    lag = cells[..., None] - columns
    window = np.i0(KAISER * np.sqrt(np.clip(1 - (lag / HALF_WIDTH) ** 2, 0, None))) / np.i0(KAISER)
    return columns, np.sinc(lag) * window


def _on_row(row: int, columns: Tensor) -> Tensor:
    """Cells for deepwave, ``(shot, position, (z, x))``, of columns ``(shot, position)``."""
    return torch.stack([torch.full_like(columns, row), columns], dim=-1)
