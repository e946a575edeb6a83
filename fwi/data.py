"""Samples for the network: shards are opened when they are read, and mirrored exactly."""

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

from fwi.config import DataConfig, Split, StorageConfig
from fwi.interrupts import held_back
from fwi.manifest import DataSet, Entry
from fwi.origin import Drawn
from fwi.shards import DAMAGE, ShardError, open_shard, refuse_differences
from fwi.survey import Survey

OPEN_FILES = 64
"""Shards that one process keeps open."""


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
        split: which split.

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
        self.ends = np.cumsum([entry.samples for _, entry in self.shards])
        self._files: OrderedDict[Path, Any] = OrderedDict()

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, key: int | tuple[int, bool]) -> Sample:
        """Read a sample.

        Args:
            key: its number, or ``(number, flip)``. The sampler decides which samples are mirrored, so that no
                worker process draws random numbers, and a resumed training sees what it would have seen.

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
        """SHA-256 over the checksums of its shards in their order: equal where the samples are the same."""
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

    Raises:
        ShardError: naming every setting that differs.
    """
    refuse_differences(
        f"{data.folder} was made for another survey than {whose}", data.survey.differences(survey)
    )


def require_complete(data: DataSet, storage: StorageConfig, remedy: str) -> None:
    """Refuse a simulated data set that holds fewer samples to train or validate on than its study says.

    Args:
        data: the set; one that was imported has as many as its files had.
        storage: the study's.
        remedy: how to complete it.

    Raises:
        ShardError: naming what is there.
    """
    wanted: dict[Split, int] = {"train": storage.train, "validation": storage.validation}
    for split, count in wanted.items():
        there = data.size(split)
        if there < count and any(isinstance(entry.origin, Drawn) for entry in data.entries):
            raise ShardError(
                f"{data.folder} holds {there} of the study's {count} {split} samples: {remedy}, or set "
                f"storage.{split} to {there} for less"
            )


class EpochSampler(Sampler[tuple[int, bool]]):
    """Shuffle anew each epoch and say which samples to mirror; a function of (seed, epoch) alone.

    So an interrupted training continues with the very samples that an uninterrupted one would see, and a
    training on several devices with those that one device would see.

    Args:
        size: samples of the split.
        flip: probability of mirroring one.
        seed: what they are shuffled with.
        batch_size: samples of a step over all devices; at most ``size``.
        device: number of the device, from 0.
        devices: how many share each batch, each of them as many samples.
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

    def __iter__(self) -> Iterator[tuple[int, bool]]:
        random = np.random.default_rng([self.seed, self.epoch])
        order, flips = random.permutation(self.size), random.random(self.size) < self.flip
        drawn = list(zip(order.tolist(), flips.tolist(), strict=True))
        for step in range(self.steps):
            first = (step * self.devices + self.device) * self.part
            yield from drawn[first : first + self.part]


def training_loader(
    dataset: ShotDataset, config: DataConfig, batch_size: int, seed: int, device: int = 0, devices: int = 1
) -> DataLoader[Sample]:
    """Batches in a new order each epoch, mirrored at random; of each, the part of one of several devices.

    What is left over at the end of an epoch is left out of it. ``batch_size`` is that of all devices.
    """
    batch_size = min(batch_size, len(dataset))
    sampler = EpochSampler(len(dataset), config.flip, seed, batch_size, device, devices)
    return _loader(dataset, config, batch_size // devices, sampler)


def evaluation_loader(
    dataset: ShotDataset, config: DataConfig, batch_size: int, device: int = 0, devices: int = 1
) -> DataLoader[Sample]:
    """Batches in the order of the files; every ``devices``-th sample where several devices share the work."""
    return _loader(dataset, config, max(1, batch_size // devices), range(device, len(dataset), devices))


class Loader(DataLoader[Sample]):
    """A loader whose worker processes leave Ctrl-C to their parent."""

    def __iter__(self) -> Any:
        """Begin an epoch; the first also starts the workers."""
        with held_back():
            return super().__iter__()


def _loader(
    dataset: ShotDataset, config: DataConfig, batch_size: int, sampler: EpochSampler | range
) -> DataLoader[Sample]:
    return Loader(
        dataset,
        batch_size,
        sampler=sampler,
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        pin_memory=torch.cuda.is_available(),
        # A forked process inherits locks of threads; one of a fork server outlives a killed parent.
        multiprocessing_context="spawn" if config.workers else None,
    )
