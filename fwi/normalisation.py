"""Normalisation of recorded gathers: amplitudes are compressed and scaled for the network."""

import shlex

import numpy as np
import torch
from torch import Tensor, nn

from fwi.config import DataConfig
from fwi.data import ShotDataset
from fwi.shards import ShardError

STATISTICS_SAMPLES = 64
"""Number of training samples, spread over the split, on which scale and spread are measured."""


TIME = -2
"""Axis of time in gathers ``(..., shot, time, receiver)``."""


class Normalisation(nn.Module):
    """Normalise recorded gathers for the network.

    ``own_level`` is ``sign(d) log(1 + |d| / (scale level)) / spread`` with the level of each record, so that
    a record and its multiple are the same to the network. ``signed_log`` is the same with a level of one: the
    gain of a record matters. Both raise deep reflections relative to the direct arrival. ``raw`` leaves the
    gathers unchanged. Scale and spread are saved with the weights.

    Args:
        amplitude: ``own_level``, ``signed_log`` or ``raw``.
        scale: amplitude at which the logarithm bends: a share of the record's level for ``own_level``; for
            ``signed_log`` the median amplitude of the training records, in their own unit.
        spread: standard deviation of the logarithm over the training records.
    """

    scale: Tensor
    spread: Tensor

    def __init__(self, amplitude: str, scale: float = 1.0, spread: float = 1.0) -> None:
        super().__init__()
        self.amplitude = amplitude
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("spread", torch.tensor(spread))

    @classmethod
    def measured(cls, config: DataConfig, dataset: ShotDataset) -> "Normalisation":
        """Measure scale and spread on samples of a data set.

        Args:
            config: chooses the normalisation, and the knee of ``own_level``.
            dataset: the training samples.

        Raises:
            ShardError: records are not finite, are silent, or, for ``signed_log``, more than half of their
                samples are zero.
        """
        amplitude = config.amplitude
        if amplitude == "raw":
            return cls(amplitude)
        own_level = amplitude == "own_level"
        numbers = np.linspace(0, len(dataset) - 1, min(STATISTICS_SAMPLES, len(dataset))).astype(int)
        parts = []
        for number in numbers:
            record = dataset[int(number)].gathers.float()
            record = record / level(record) if own_level else record
            # Every seventh amplitude gives the same figures, and bounds the memory.
            parts.append(record.flatten()[::7])
        amplitudes = torch.cat(parts)
        if not amplitudes.isfinite().all():
            folder = shlex.quote(str(dataset.shards[0][0].parent))
            raise ShardError(f"some records are NaN or infinite: 'fwi verify {folder}' names them")
        scale = config.knee if own_level else float(amplitudes.abs().median())
        if not scale > 0:
            raise ShardError(
                "more than half of the recorded samples are zero: is the record longer than the data?"
            )
        spread = float(cls(amplitude, scale).compress(amplitudes).std())
        if not spread > 0:
            raise ShardError("all recorded samples are zero: were the shots recorded?")
        return cls(amplitude, scale, spread)

    def forward(self, gathers: Tensor) -> Tensor:
        """Normalise gathers to amplitudes of about one.

        Samples that are zero stay zero, so dead traces and missing shots remain recognisable.

        Args:
            gathers: pressure, shape ``(..., shot, time, receiver)``, of any precision.

        Returns:
            Normalised gathers, float32, same shape.
        """
        gathers = gathers.float()
        if self.amplitude == "raw":
            return gathers
        unit = level(gathers) if self.amplitude == "own_level" else 1.0
        return self.compress(gathers, unit)

    def compress(self, gathers: Tensor, unit: Tensor | float = 1.0) -> Tensor:
        """Take the signed logarithm of amplitudes in a unit.

        Args:
            gathers: pressure, shape ``(..., shot, time, receiver)``.
            unit: amplitude that counts as one; for ``own_level`` that of the record's level.

        Returns:
            Compressed amplitudes, same shape.
        """
        amplitudes = gathers * (1 / (self.scale * unit))  # one product instead of two divisions of all
        return amplitudes.sign() * (torch.log1p(amplitudes.abs()) * (1 / self.spread))


def level(gathers: Tensor) -> Tensor:
    """Measure the level of each record: the median over its live traces of the RMS over time.

    A trace is live unless it is zero throughout or not finite. Dead, spiky or loud traces and shots change
    the level only as far as they change which of the sound traces is in the middle.

    Args:
        gathers: pressure, shape ``(..., shot, time, receiver)``.

    Returns:
        The level in the gathers' unit, shape ``(..., 1, 1, 1)``, in float32; 1 for a record without a live
        trace.
    """
    # Squares of float32 overflow where the records' unit is far from their size; in float64 they do not.
    power = torch.linalg.vector_norm(gathers, dim=TIME, dtype=torch.float64) ** 2 / gathers.shape[TIME]
    live = ((power > 0) & power.isfinite()).flatten(-2)
    # The lower median of the live ones, as torch.nanmedian has it, by operations that ONNX has as well.
    ordered = torch.where(live, power.flatten(-2), torch.inf).sort(-1).values
    number = live.sum(-1, keepdim=True)
    middle = ordered.gather(-1, (number - 1).clamp(min=0) // 2)
    return torch.where(number > 0, middle, 1.0).sqrt().float()[..., None, None]
