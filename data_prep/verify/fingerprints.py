"""Search for samples with the same model, compared by content, in one data set or in several."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from data_prep.verify import soundness
from fwi import shards
from fwi.config import SPLITS, Split
from fwi.manifest import DataSet, Entry
from fwi.shards import DAMAGE, ShardError
from fwi.survey import differences


class Sample(NamedTuple):
    """A sample of a data set."""

    folder: Path
    """Folder of the data set."""
    entry: Entry
    """The shard."""
    row: int
    """Number of the sample in the shard."""


class Fingerprints:
    """The samples read so far, by the fingerprints of their models; mirror images have the same one."""

    def __init__(self) -> None:
        self._first: dict[Split, dict[bytes, Sample]] = {split: {} for split in SPLITS}
        """The first sample of each split with a model."""

    def meet(self, fingerprint: bytes, sample: Sample) -> Sample | None:
        """Remember a sample, and return an earlier one with the same model, if any.

        If there are several, one of another split is returned.
        """
        earlier = [first[fingerprint] for first in self._first.values() if fingerprint in first]
        self._first[sample.entry.split].setdefault(fingerprint, sample)
        return max(earlier, key=lambda other: other.entry.split != sample.entry.split, default=None)

    def meet_all(self, data: DataSet, on_progress: Callable[[int], None]) -> None:
        """Remember every sample of a set.

        Raises:
            ShardError: a shard of it cannot be read.
        """
        done = 0
        for entry in data.entries:
            path = data.folder / entry.file
            with shards.open_shard(path) as file:
                try:
                    for row in range(entry.samples):
                        self.meet(_of(file, row), Sample(data.folder, entry, row))
                except DAMAGE as error:
                    command = f"fwi verify {shlex.quote(str(data.folder))}"
                    raise ShardError(f"{path}: damaged ({error}); '{command}' first") from None
            done += entry.samples
            on_progress(done)


def refuse_incomparable(data: DataSet, other: DataSet) -> None:
    """Refuse to compare the models of two data sets that cannot have any in common.

    Raises:
        ShardError: the two sets have different grids, or are the same set.
    """
    if other.folder.resolve() == data.folder.resolve():
        raise ShardError(f"{other.folder} is the set itself; give another one to compare it with")
    own, others = (each.survey.grid.model_dump(exclude={"velocity"}) for each in (data, other))
    shards.refuse_differences(
        f"{data.folder} and {other.folder} have different grids, where no two models are equal to the byte",
        differences(own, others, "grid."),
    )


def _of(file: h5py.File, row: int) -> bytes:
    if "velocity" in file:
        return soundness.fingerprint(file["velocity"][row], (1,))
    return soundness.fingerprint(file["gathers"][row].astype(np.float32), (0, 2))
