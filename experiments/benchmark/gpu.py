"""The GPU's part of ``fwi benchmark simulate``: the wave equation against what the GPU's memory can move."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from data_prep.make import devices
from experiments.benchmark.figures import Figure, cell_updates
from fwi.config import StudyConfig

CELL_BYTES = 4 * 4
"""What a cell update must move: it reads the speed, of which each shot has a copy, the wavefield and the one
before it, and writes the next, each a float32. Neighbours come from the caches. In the absorbing layer, four
more are moved for each direction in which a cell absorbs; they are left out, so that this is the least."""

BATCHES = 3
"""Batches of models in a turn; each may take seconds."""

COPY_BYTES = 2**30
"""Size of what is copied: much more than the caches hold."""

COPIES = 20


class Turn(NamedTuple):
    """Rates of a GPU per second."""

    cells: float
    """Number of cell updates per second."""
    copied: float
    """Bytes that a copy within its memory reads and writes per second."""


def figures(turns: Sequence[Turn]) -> list[Figure]:
    """Cell updates per second, copied bytes per second, and the share of these that the updates must move."""
    updates, copied = [turn.cells for turn in turns], [turn.copied for turn in turns]
    share = [CELL_BYTES * cells / copy for cells, copy in zip(updates, copied, strict=True)]
    return [
        Figure("GPU", "Mcell/s", [cells / 1e6 for cells in updates], "batches of a shard's models, no files"),
        Figure(
            "GPU copy", "GB/s", [copy / 1e9 for copy in copied], "bytes that a copy on it reads and writes"
        ),
        Figure("GPU bandwidth", "x", share, f"{CELL_BYTES} bytes a cell update by copy: 1 is the bound"),
    ]


def turn(study: StudyConfig) -> Turn:
    """Measure on the first GPU, in a process of its own, which leaves the GPU's memory to the next."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_turn, study).result()


def _turn(study: StudyConfig) -> Turn:
    return Turn(_cells(study), _copied())


def _cells(study: StudyConfig) -> float:
    import torch

    propagator, fitting = devices.filling(study, devices.Place(gpus=1, workers=1))
    size = min(fitting, study.storage.samples_per_shard)
    speed = sum(study.grid.velocity) / 2  # how long it takes does not depend on the model
    velocity = torch.full((size, study.grid.nz, study.grid.nx), speed, device="cuda")

    def record() -> None:
        for _ in range(BATCHES):
            propagator(velocity)

    with torch.inference_mode():
        propagator(velocity)  # the first call loads libraries
        return BATCHES * size * cell_updates(study) / _seconds(record)


def _copied() -> float:
    import torch

    source = torch.zeros(COPY_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)

    def copy() -> None:
        for _ in range(COPIES):
            target.copy_(source)

    copy()
    return 2 * COPIES * COPY_BYTES / _seconds(copy)


def _seconds(work: Callable[[], None]) -> float:
    """Seconds that some work takes on the GPU, by its own clock."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    start.record()
    work()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000
