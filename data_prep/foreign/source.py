"""Samples of foreign files on a study's grid and survey: the source of the shards of an import."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.foreign.formats import Series
from data_prep.foreign.velocity import (
    Unit,
    in_metres,
    on_grid,
)
from fwi.config import GridConfig
from fwi.origin import ImportedModels, ImportedRecords, ModelAndRecordFiles, ModelFiles, ScaledRecords


@dataclass(frozen=True)
class Foreign:
    """Samples of foreign files on a study's grid and survey: a source of shards, small and picklable."""

    grid: GridConfig
    """The grid that models are brought to."""
    models: Series | None
    """The models; None where only records are known."""
    spacing: float
    """Cell size of the models [m]."""
    unit: Unit
    """Unit of the models."""
    records: Series | None
    """The records; None to have them simulated."""
    thinning: int = 1
    """Number n, where every n-th time sample of the records is kept."""
    gain: float = 1.0
    """Factor of the records' amplitudes."""
    nrms: float | None = None
    """NRMS between scaled and simulated records; None if it was not measured."""

    def __len__(self) -> int:
        return len(self.models or self.records or ())

    def velocity(self, numbers: Sequence[int]) -> NDArray[np.float32] | None:
        """Models [m/s] on the study's grid, shape ``(sample, depth, x)``; None if there are only records."""
        if self.models is None:
            return None
        return on_grid(in_metres(self.models.read(numbers), self.unit), self.spacing, self.grid)

    def gathers(self, numbers: Sequence[int]) -> NDArray[np.float32] | None:
        """Records, shape ``(sample, shot, time, receiver)``; None if they are to be simulated."""
        if self.records is None:
            return None
        return self.records.read(numbers)[:, :, :: self.thinning] * np.float32(self.gain)

    def origin(
        self, numbers: Sequence[int], digest: Callable[[Path], str]
    ) -> ImportedModels | ImportedRecords:
        """Origin of some samples for the manifest, naming only the files that hold these samples."""
        first = self.models or self.records
        source = {**_files(first, numbers, digest), "spacing": self.spacing} if first else {}
        if self.models is not None:
            # The usual unit and axes are left out, as they were before there were others: so older sets can
            # be completed.
            if self.unit not in ("m/s", "km/s"):
                source["unit"] = self.unit
            if self.models.arrays[0].axes != "depth-x":
                source["axes"] = self.models.arrays[0].axes
        if self.records is None:
            return ImportedModels(source=ModelFiles(**source))
        records = ScaledRecords(
            **_files(self.records, numbers, digest), gain=self.gain, nrms=self.nrms, thinning=self.thinning
        )
        return ImportedRecords(source=ModelAndRecordFiles(**source, records=records))

    @property
    def stem(self) -> str:
        """Common part of the shards' names: the names of the first and the last file."""
        series = self.models or self.records
        arrays = series.arrays if series else ()
        names = [*dict.fromkeys(array.path.stem for array in (arrays[:1] + arrays[-1:]))]
        return re.sub(r"[^\w-]", "_", "-".join(filter(None, (*names, arrays[0].stored.key))))


def _files(series: Series, numbers: Sequence[int], digest: Callable[[Path], str]) -> dict[str, Any]:
    paths = series.paths(numbers)
    digests = [digest(path) for path in paths]
    several = len(paths) > 1
    return {
        "file": f"{paths[0].name} .. {paths[-1].name}" if several else paths[0].name,
        "key": series.arrays[0].stored.key,
        "sha256": digests if several else digests[0],
    }
