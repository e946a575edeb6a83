"""Batch normalisation over a batch that several processes share.

It computes the same values as one process with the whole batch, so that a training does not depend on the
number of devices. ``torch.nn.SyncBatchNorm`` does so on GPUs only.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Gather = Callable[[Tensor], Tensor]
"""Function that stacks the tensors of all processes, of equal shape, along a new first axis."""


def all_gather(here: Tensor) -> Tensor:
    """Gather the tensors of all processes through the training's process group.

    The result has one more axis in front than ``here``: the shape ``(process, ...)``.
    """
    parts = [torch.empty_like(here) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, here)
    return torch.stack(parts)


def synchronise(module: nn.Module, gather: Gather = all_gather) -> None:
    """Replace every batch normalisation of a module by one over all processes' equal parts of the batch."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            setattr(module, name, SynchronisedBatchNorm.like(child, gather))
        else:
            synchronise(child, gather)


class SynchronisedBatchNorm(_BatchNorm):
    """Normalise by mean and variance over all processes' samples, or by running statistics in evaluation.

    Parameters and their names are those of ``torch.nn.BatchNorm2d``.
    """

    gather: Gather

    @classmethod
    def like(cls, other: _BatchNorm, gather: Gather) -> "SynchronisedBatchNorm":
        """Build a synchronised layer with the parameters and running statistics of another."""
        if other.momentum is None:
            raise ValueError("batch normalisation with cumulative statistics cannot be shared: set momentum")
        made = cls(other.num_features, other.eps, other.momentum, other.affine, other.track_running_stats)
        made._parameters, made._buffers = other._parameters, other._buffers
        made.gather = gather
        return made.train(other.training)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(batch, channel, ...)``; each process has its part of the batch."""
        if not self.training:
            return super().forward(x)
        mean, variance, count = _statistics(x.detach(), self.eps, self.gather)
        if self.running_mean is not None and self.running_var is not None:
            share = self.momentum or 0.0  # never None: see like()
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * (count / (count - 1)), share)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        normalised: Tensor = _Normalise.apply(  # type: ignore[no-untyped-call]
            x, mean, variance, self.weight, self.bias, self.eps, self.gather
        )
        return normalised

    def _check_input_dim(self, x: Tensor) -> None:
        """Accept any number of dimensions, which the replaced layer has checked."""


def _statistics(x: Tensor, eps: float, gather: Gather) -> tuple[Tensor, Tensor, int]:
    """Compute each channel's mean and variance over all processes, and the number of values they rest on."""
    # The layer's own kernel, several times as fast as torch.var_mean; what it normalises is not used.
    ones = torch.ones(x.shape[1], device=x.device)  # in float32, as what is measured is to be
    _, mean, scale = torch.native_batch_norm(x, ones, torch.zeros_like(ones), None, None, True, 0.0, eps)
    means, scales = gather(torch.stack([mean, scale])).unbind(1)
    mean = means.mean(0)
    variance = (scales**-2 - eps).mean(0) + (means - mean).square().mean(0)
    return mean, variance, len(means) * x.numel() // x.shape[1]


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        mean: Tensor,
        variance: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        gather: Gather,
    ) -> Tensor:
        ctx.save_for_backward(x, mean, variance, weight)
        ctx.eps, ctx.gather = eps, gather
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, variance, weight = ctx.saved_tensors
        # As if mean and variance did not depend on x; what they add comes below.
        direct, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = ctx.gather(torch.stack([of_bias, of_weight]))
        shift, tilt = sums.sum(0) / (len(sums) * x.numel() // x.shape[1])
        scale = (variance + ctx.eps).rsqrt()
        tilt = tilt * scale
        along_channels = (-1, *[1] * (x.ndim - 2))
        factor = (-weight * scale * tilt).view(along_channels).to(x.dtype)
        offset = (weight * scale * (tilt * mean - shift)).view(along_channels).to(x.dtype)
        of_x = direct.addcmul_(x, factor).add_(offset)
        return of_x, None, None, of_weight, of_bias, None, None
