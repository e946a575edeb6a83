"""The wave equation: velocity in, shot gathers out. The only file that knows deepwave and its conventions."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fwi.config import PhysicsConfig
from fwi.survey import COURANT_LIMIT, Survey

WAVEFIELDS = 8
"""Arrays of the padded grid's size that a time step of deepwave keeps per shot: two fields, four PML, model, work."""


class VelocityRangeError(ValueError):
    """A velocity model holds a speed that the survey was not made for."""


class Propagator(nn.Module):
    r"""Record every shot of a survey over velocity models.

    Solves the constant-density acoustic wave equation

    .. math:: \nabla^2 p - \frac{1}{v^2} \frac{\partial^2 p}{\partial t^2} = -w(t)\,\delta(\mathbf{x} - \mathbf{x}_s)

    so that records do not depend on the grid beyond its discretisation error. dt, absorbing layer and scale
    are fixed by the survey alone, not by the model. Runs on the device of the velocity, and is differentiable.

    Args:
        survey: geometry, time axis and wavelet.
        physics: order, absorbing layer, and the bytes that one chunk of shots may take.

    Raises:
        SurveyError: the survey is unstable or undersampled at this order.
    """

    wavelet: Tensor
    to_samples: Tensor
    shot_cells: Tensor
    receiver_cells: Tensor

    def __init__(self, survey: Survey, physics: PhysicsConfig) -> None:
        super().__init__()
        survey.check(physics.order)
        self.survey, self.physics = survey, physics
        self.register_buffer("wavelet", _source(survey, physics.correct_dispersion), persistent=False)
        self.register_buffer("to_samples", _recording(survey, physics.correct_dispersion), persistent=False)
        depth = torch.full((survey.config.shots, 1), survey.shot_depth)
        shots = torch.stack([depth, torch.from_numpy(survey.shot_x)[:, None]], dim=-1)
        receiver_x = torch.from_numpy(survey.receiver_x)
        receivers = torch.stack([torch.full_like(receiver_x, survey.receiver_depth), receiver_x], dim=-1)
        self.register_buffer("shot_cells", _cells(shots, survey.grid.spacing), persistent=False)
        self.register_buffer("receiver_cells", _cells(receivers, survey.grid.spacing), persistent=False)

    @property
    def shots_per_chunk(self) -> int:
        """How many shots are simulated at once within ``physics.memory`` bytes."""
        grid, config = self.survey.grid, self.survey.config
        pad = self.physics.pml_width + self.physics.order
        cells = (grid.nz + 2 * pad) * (grid.nx + 2 * pad)
        per_shot = 4 * (WAVEFIELDS * cells + config.nt * (config.receivers + 1))
        return max(1, self.physics.memory // per_shot)

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
        self._refuse_misfits(velocity)
        shots = self.survey.config.shots
        pairs = torch.arange(velocity.shape[0] * shots, device=velocity.device)
        # Gradients need the whole wavefield history: recompute a chunk's rather than keep all chunks' at once.
        keep_graph = velocity.requires_grad and len(pairs) > self.shots_per_chunk
        gathers = [
            checkpoint(self._record, velocity, chunk, use_reentrant=False)
            if keep_graph
            else self._record(velocity, chunk)
            for chunk in pairs.split(self.shots_per_chunk)
        ]
        return torch.cat(gathers).unflatten(0, (velocity.shape[0], shots))

    def _record(self, velocity: Tensor, pairs: Tensor) -> Tensor:
        """Simulate some (model, shot) pairs: ``(pair,)`` numbers to ``(pair, time, receiver)``."""
        import deepwave

        survey = self.survey
        model, shot = pairs // survey.config.shots, pairs % survey.config.shots
        width = self.physics.pml_width
        boundary, pml_width = deepwave.boundaries(
            2, top="free" if survey.config.top == "free" else "pml", width=width
        )
        traces = deepwave.scalar(
            velocity[model] if velocity.shape[0] > 1 else velocity[0],
            survey.grid.spacing,
            survey.config.dt,
            source_amplitudes=self.wavelet.to(velocity.dtype).expand(len(pairs), 1, -1),
            source_locations=self.shot_cells[shot],
            receiver_locations=self.receiver_cells[shot],
            accuracy=self.physics.order,
            boundary=boundary,
            pml_width=pml_width,
            pml_freq=survey.config.wavelet.frequency,
            max_vel=survey.grid.velocity[1],
            courant_number=COURANT_LIMIT * (1 + 1e-6),
        ).receiver_amplitudes
        recorded: Tensor = traces @ self.to_samples.to(velocity.dtype)
        return recorded.transpose(1, 2)

    def _refuse_misfits(self, velocity: Tensor) -> None:
        grid = self.survey.grid
        if velocity.ndim != 3 or tuple(velocity.shape[1:]) != (grid.nz, grid.nx):
            raise ValueError(
                f"velocity has shape {tuple(velocity.shape)}, the survey's grid wants (batch, {grid.nz}, {grid.nx})"
            )
        slowest, fastest = grid.velocity
        # float32 models may round a speed at the very end of the range.
        wrong = ~((velocity >= slowest * (1 - 1e-6)) & (velocity <= fastest * (1 + 1e-6)))
        if wrong.any():
            batch, iz, ix = (int(i) for i in wrong.nonzero()[0])
            raise VelocityRangeError(
                f"velocity is {float(velocity[batch, iz, ix]):g} m/s in cell (depth {iz}, x {ix}) of model {batch}, "
                f"outside grid.velocity {slowest:g} .. {fastest:g} m/s; widen that range (and check dt) or mend the model"
            )


def _source(survey: Survey, correct_dispersion: bool) -> Tensor:
    """Source time function of a point source on one cell, shape ``(nt,)``."""
    from deepwave.time_dispersion import correct_source

    # deepwave adds -v^2 dt^2 f to the cell: f = -w / h^2 spreads the delta function over the cell.
    wavelet = torch.from_numpy(survey.wavelet) / survey.grid.spacing**2
    if correct_dispersion:
        nt = len(wavelet)
        # Twice as long, so that nothing wraps around from the end.
        wavelet = correct_source(wavelet, survey.config.dt, nt_out=2 * nt)[:nt]
    return -wavelet.float()


def _recording(survey: Survey, correct_dispersion: bool) -> Tensor:
    """The linear map from simulated traces to recorded samples, shape ``(nt, time)``.

    One matrix corrects the dispersion, filters against aliasing where the wavelet needs it, and thins.
    """
    from deepwave.time_dispersion import correct_receivers

    nt, keep_every = survey.config.nt, survey.config.keep_every
    impulses = torch.eye(nt, dtype=torch.float64)
    if correct_dispersion:
        impulses = correct_receivers(impulses, survey.config.dt, nt_out=2 * nt)[:, :nt]
    if survey.aliases:
        impulses = impulses @ _low_pass(nt, keep_every)
    return impulses[:, ::keep_every].float().contiguous()


def _low_pass(nt: int, keep_every: int) -> Tensor:
    """Zero-phase windowed-sinc low-pass below 0.8 of the thinned Nyquist frequency, shape ``(nt, nt)``."""
    cutoff = 0.8 / keep_every  # of the simulation's Nyquist frequency
    half = 16 * keep_every
    lag = torch.arange(-half, half + 1, dtype=torch.float64)
    taps = cutoff * torch.sinc(cutoff * lag) * torch.special.i0(8.0 * (1 - (lag / half) ** 2).clamp(min=0).sqrt())
    taps = taps / taps.sum()
    offset = torch.arange(nt)[None, :] - torch.arange(nt)[:, None]
    return torch.where(offset.abs() <= half, taps[(offset + half).clamp(0, 2 * half)], 0.0)


def _cells(metres: Tensor, spacing: float) -> Tensor:
    """Cell indices of positions: whole numbers where they lie on cells, else fractions that deepwave interpolates."""
    cells = metres / spacing
    if bool(torch.all((cells - cells.round()).abs() < 1e-6)):
        return cells.round().long()
    return cells.float()
