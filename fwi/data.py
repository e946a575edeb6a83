"""Samples for the network, read from shards, mirrored and corrupted at random."""

import hashlib
import shlex
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from fwi import memory
from fwi.config import CorruptConfig, DataConfig, Split, StorageConfig
from fwi.corruption import corrupted
from fwi.interrupts import held_back
from fwi.manifest import DataSet, Entry
from fwi.origin import Drawn
from fwi.shards import DAMAGE, ShardError, open_shard, refuse_differences
from fwi.survey import Survey

OPEN_FILES = 64
"""Number of shards that one process keeps open."""

CORRUPTION_STREAM = 0xC0881075
"""First word of the seeds of corruptions, which sets them apart from all else that a seed is for."""


class Sample(NamedTuple):
    """One sample, or a batch of them with a leading axis."""

    gathers: Tensor
    """Pressure as stored, shape ``(shot, time, receiver)``."""
    velocity: Tensor
    """P-wave speed [m/s], shape ``(depth, x)``."""
    salt: Tensor
    """1 where there is salt, shape ``(depth, x)``."""


class ShotDataset(Dataset[Sample]):
    """The samples of a split over one or several data sets.

    Args:
        sets: data sets of one survey.
        split: the split to read.

    Attributes:
        survey: the survey of all sets.

    Raises:
        ShardError: the sets differ in survey, or have no sample in this split.
    """

    def __init__(self, sets: Sequence[DataSet], split: Split) -> None:
        for other in sets[1:]:
            require_survey(other, sets[0].survey, f"the survey of {sets[0].folder}")
        self.shards: list[tuple[Path, Entry]] = [
            (data.folder / entry.file, entry) for data in sets for entry in data.split(split)
        ]
        if not self.shards:
            folders = ", ".join(str(data.folder) for data in sets)
            raise ShardError(f"{folders}: no samples in the {split} split; set storage.{split} and simulate")
        self.split, self.folders = split, [data.folder for data in sets]
        self.survey = sets[0].survey
        self.ends = np.cumsum([entry.samples for _, entry in self.shards])
        self._files: OrderedDict[Path, Any] = OrderedDict()

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, key: int | tuple[int, bool]) -> Sample:
        """Read a sample.

        Args:
            key: number of the sample, or ``(number, flip)``. The sampler decides which samples are mirrored,
                so that no worker process draws random numbers and a resumed training sees the same samples.

        Raises:
            ShardError: the shard is damaged.
        """
        number, flip = key if isinstance(key, tuple) else (key, False)
        if not 0 <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        shard = int(np.searchsorted(self.ends, number, side="right"))
        path, entry = self.shards[shard]
        row = number - int(self.ends[shard]) + entry.samples
        file = self._open(path)
        _require_models(path, file)
        try:
            sample = Sample(*(torch.from_numpy(file[name][row]) for name in Sample._fields))
        except DAMAGE as error:
            raise ShardError(
                f"{path}: sample {row} is damaged ({error}); run 'fwi verify {shlex.quote(str(path.parent))}'"
            ) from None
        return mirrored(sample) if flip else sample

    def digest(self) -> str:
        """SHA-256 over the checksums of the shards in their order, which identifies the samples."""
        return hashlib.sha256("".join(entry.sha256 for _, entry in self.shards).encode()).hexdigest()

    def mean_model(self) -> NDArray[np.float32]:
        """Mean of the models [m/s], shape ``(depth, x)``; reads them all, a shard at a time.

        Raises:
            ShardError: a shard holds records alone.
        """
        total: Any = 0.0
        for path, _ in self.shards:
            file = self._open(path)
            _require_models(path, file)
            total = total + file["velocity"][:].sum(axis=0, dtype=np.float64)
        mean: NDArray[np.float32] = (total / len(self)).astype(np.float32)
        return mean

    def __getstate__(self) -> dict[str, Any]:
        # Open HDF5 files do not travel to a worker process: it opens its own.
        return {**self.__dict__, "_files": OrderedDict()}

    def _open(self, path: Path) -> Any:
        if path in self._files:
            self._files.move_to_end(path)
            return self._files[path]
        if len(self._files) >= OPEN_FILES:
            self._files.popitem(last=False)[1].close()
        self._files[path] = open_shard(path)
        return self._files[path]


def _require_models(path: Path, file: Any) -> None:
    if "velocity" not in file:
        raise ShardError(f"{path} holds records alone; training and scores need their models too")


def mirrored(sample: Sample) -> Sample:
    """Mirror the line: shots, receivers and model together. Exact where the survey is symmetric."""
    return Sample(sample.gathers.flip(0, 2), sample.velocity.flip(-1), sample.salt.flip(-1))


def require_survey(data: DataSet, survey: Survey, whose: str) -> None:
    """Refuse a data set of another survey.

    Args:
        data: the data set.
        survey: the survey that is wanted.
        whose: whose survey that is, for the message.

    Raises:
        ShardError: the surveys differ; the message names every setting that differs.
    """
    refuse_differences(
        f"{data.folder} was made for another survey than {whose}", data.survey.differences(survey)
    )


def require_complete(data: DataSet, storage: StorageConfig, remedy: str) -> None:
    """Refuse a simulated data set with fewer training or validation samples than its study asks for.

    Args:
        data: the data set; an imported set is not refused, as its files decide its size.
        storage: the storage section of the study.
        remedy: how to complete the set.

    Raises:
        ShardError: samples are missing; the message gives the number that is there.
    """
    wanted: dict[Split, int] = {"train": storage.train, "validation": storage.validation}
    for split, count in wanted.items():
        there = data.size(split)
        if there < count and any(isinstance(entry.origin, Drawn) for entry in data.entries):
            raise ShardError(
                f"{data.folder} holds {there} of the study's {count} {split} samples: {remedy}, or set "
                f"storage.{split} to {there} for less"
            )


class Draw(NamedTuple):
    """A training sample as an epoch takes it."""

    number: int
    """Number of the sample in its split."""
    flip: bool
    """Whether it is mirrored."""
    epoch: int
    """The epoch."""


class TrainingSamples(Dataset[Sample]):
    """Training samples as they are fed to the network: mirrored, and corrupted where the study says so.

    A record is corrupted as a function of (seed, epoch, number), whichever process loads it.

    Args:
        stored: the samples of the training split.
        corrupt: share and kind of the corrupted records. If any are, all records are in single precision.
        seed: seed of the corruptions.
    """

    def __init__(self, stored: ShotDataset, corrupt: CorruptConfig, seed: int) -> None:
        self.stored, self.corrupt, self.seed = stored, corrupt, seed

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, draw: Draw) -> Sample:
        """Read a sample, mirror it, and corrupt its record.

        Raises:
            ShardError: the shard is damaged.
        """
        sample = self.stored[draw.number, draw.flip]
        if not self.corrupt.share:
            return sample
        random = np.random.default_rng([CORRUPTION_STREAM, self.seed, draw.epoch, draw.number])
        gathers = corrupted(sample.gathers.float().numpy(), self.stored.survey, self.corrupt, random)
        return sample._replace(gathers=torch.from_numpy(gathers))


class EpochSampler(Sampler[Draw]):
    """Shuffle the samples of each epoch and choose those to mirror, as a function of (seed, epoch) alone.

    An interrupted training thus continues with the same samples as an uninterrupted one, and a training on
    several devices sees the same samples as on one.

    Args:
        size: number of samples of the split.
        flip: probability of mirroring a sample.
        seed: seed of the shuffling and mirroring.
        batch_size: number of samples of a step over all devices; at most ``size``.
        device: number of this device, from 0.
        devices: number of devices, which share each batch in equal parts.
    """

    def __init__(
        self, size: int, flip: float, seed: int, batch_size: int = 1, device: int = 0, devices: int = 1
    ) -> None:
        self.size, self.flip, self.seed, self.epoch = size, flip, seed, 0
        self.steps, self.part = size // batch_size, batch_size // devices
        self.device, self.devices = device, devices

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; the trainer calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps * self.part

    def __iter__(self) -> Iterator[Draw]:
        random, epoch = np.random.default_rng([self.seed, self.epoch]), self.epoch
        order, flips = random.permutation(self.size), random.random(self.size) < self.flip
        drawn = [Draw(*each, epoch) for each in zip(order.tolist(), flips.tolist(), strict=True)]
        for step in range(self.steps):
            first = (step * self.devices + self.device) * self.part
            yield from drawn[first : first + self.part]


def training_loader(
    dataset: ShotDataset, config: DataConfig, batch_size: int, seed: int, device: int = 0, devices: int = 1
) -> DataLoader[Sample]:
    """Load one device's part of each training batch: in a new order each epoch, mirrored and corrupted.

    An incomplete batch at the end of an epoch is dropped.

    Args:
        dataset: the training samples.
        config: mirroring, corruption, and number of loading processes.
        batch_size: samples of a step, those of all devices together.
        seed: seed of order, mirroring and corruption.
        device: number of this device.
        devices: number of devices that share each batch.
    """
    batch_size = min(batch_size, len(dataset))
    sampler = EpochSampler(len(dataset), config.flip, seed, batch_size, device, devices)
    fed = TrainingSamples(dataset, config.corrupt, seed)
    return _loader(fed, config, batch_size // devices, sampler)


def evaluation_loader(
    dataset: ShotDataset, config: DataConfig, batch_size: int, device: int = 0, devices: int = 1
) -> DataLoader[Sample]:
    """Load batches in the order of the files; each of several devices takes every ``devices``-th sample.

    Args:
        dataset: the samples.
        config: number of loading processes.
        batch_size: samples of a batch.
        device: number of this device.
        devices: number of devices that share the samples.
    """
    return _loader(dataset, config, max(1, batch_size // devices), range(device, len(dataset), devices))


class Loader(DataLoader[Sample]):
    """A loader whose worker processes leave the handling of Ctrl-C to their parent."""

    def __iter__(self) -> Any:
        """Begin an epoch; the first also starts the workers."""
        with held_back():
            return super().__iter__()


def _loader(
    dataset: Dataset[Sample], config: DataConfig, batch_size: int, sampler: EpochSampler | range
) -> DataLoader[Sample]:
    return Loader(
        dataset,
        batch_size,
        sampler=sampler,
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        worker_init_fn=_keep_memory,
        pin_memory=torch.cuda.is_available(),
        # A forked process inherits locks of threads; one of a fork server outlives a killed parent.
        multiprocessing_context="spawn" if config.workers else None,
    )


def _keep_memory(_: int) -> None:
    """Prepare a process that loads samples."""
    memory.keep_freed()
