"""Normalisation of recorded gathers: amplitudes are compressed and scaled for the network."""

import shlex

import numpy as np
import torch
from torch import Tensor, nn

from fwi.data import ShotDataset
from fwi.shards import ShardError

STATISTICS_SAMPLES = 64
"""Number of training samples, spread over the split, on which scale and spread are measured."""


class Normalisation(nn.Module):
    """Normalise recorded gathers for the network.

    ``signed_log`` is ``sign(d) log(1 + |d| / scale) / spread``, which raises deep reflections relative to the
    direct arrival; ``raw`` leaves the gathers unchanged. Scale and spread are saved with the weights.

    Args:
        amplitude: ``signed_log`` or ``raw``.
        scale: median amplitude of the training records, in their own unit.
        spread: standard deviation of the logarithm.
    """

    scale: Tensor
    spread: Tensor

    def __init__(self, amplitude: str = "signed_log", scale: float = 1.0, spread: float = 1.0) -> None:
        super().__init__()
        self.amplitude = amplitude
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("spread", torch.tensor(spread))

    @classmethod
    def measured(cls, amplitude: str, dataset: ShotDataset) -> "Normalisation":
        """Measure scale and spread on samples of a data set.

        Raises:
            ShardError: records are not finite, or more than half of their samples are zero.
        """
        if amplitude == "raw":
            return cls(amplitude)
        numbers = np.linspace(0, len(dataset) - 1, min(STATISTICS_SAMPLES, len(dataset))).astype(int)
        # Every seventh amplitude gives the same figures, and bounds the memory.
        gathers = torch.cat([dataset[int(number)].gathers.flatten()[::7] for number in numbers]).float()
        if not gathers.isfinite().all():
            folder = shlex.quote(str(dataset.shards[0][0].parent))
            raise ShardError(f"some records are NaN or infinite: 'fwi verify {folder}' names them")
        scale = float(gathers.abs().median())
        if not scale > 0:
            raise ShardError(
                "more than half of the recorded samples are zero: is the record longer than the data?"
            )
        return cls(amplitude, scale, float(cls(amplitude, scale)(gathers).std()))

    def forward(self, gathers: Tensor) -> Tensor:
        """Normalise gathers ``(..., shot, time, receiver)`` of any precision, and return float32."""
        gathers = gathers.float()
        if self.amplitude == "raw":
            return gathers
        return gathers.sign() * torch.log1p(gathers.abs() / self.scale) / self.spread
