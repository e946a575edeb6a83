"""Simulation of records on the CPU, model by model, or on GPUs, in batches that fill the memory of a GPU.

In both cases models are drawn and records are stored on the CPU. The records of GPU and CPU differ by
rounding. GPUs of one kind give the same bits, however many GPUs and workers there are.
"""

import ctypes
import functools
import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from data_prep.make import pool
from fwi.config import GridConfig, PhysicsConfig, StudyConfig, SurveyConfig
from fwi.survey import Survey

Device: TypeAlias = Literal["auto", "cpu", "cuda"]

WORKERS_PER_GPU = 4
"""Number of processes that share a GPU: it stays busy while some of them draw models and store records."""

SHARE = 0.8
"""Share of a GPU's free memory to fill: each worker's CUDA context and gaps between arrays take the rest."""


class Place(NamedTuple):
    """Device and number of the workers of a run; it is sent to them by pickle."""

    gpus: int
    """Number of GPUs; 0 to simulate on the CPU."""
    workers: int
    """Number of processes that share the work and the GPUs."""


CPU = Place(gpus=0, workers=1)


def place(device: Device, workers: int, scheduler: str | None = None) -> Place:
    """Choose where to simulate.

    Args:
        device: ``auto`` takes the GPUs of this machine if it has any, else the CPU. The workers of a Dask
            cluster are on other machines: for them ``auto`` takes the CPU, and ``cuda`` one GPU for each.
        workers: number of processes wanted. It is limited on GPUs, whose memory the processes share.
        scheduler: address of the Dask scheduler whose workers are to simulate.

    Raises:
        ValueError: ``device`` is ``cuda``, but PyTorch finds no GPU here.
    """
    if scheduler is not None:
        return Place(gpus=int(device == "cuda"), workers=1)
    gpus = 0 if device == "cpu" else count()
    if device == "cuda" and not gpus:
        raise ValueError(
            "--device cuda: PyTorch finds no GPU here; take --device cpu, or see to the driver, to "
            "CUDA_VISIBLE_DEVICES and to a PyTorch made for CUDA"
        )
    return Place(gpus, min(workers, WORKERS_PER_GPU * gpus) if gpus else workers)


def count() -> int:
    """Number of GPUs that PyTorch finds."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:  # no driver: no need for PyTorch, which takes seconds and memory
        return 0
    import torch

    return torch.cuda.device_count()


def simulated(
    study: StudyConfig, velocity: NDArray[np.float32], place: Place
) -> Iterator[NDArray[np.float32]]:
    """Simulate the records of models.

    Args:
        study: grid, survey and physics; ``physics.memory`` only limits the simulation on the CPU.
        velocity: the models [m/s], shape ``(model, depth, x)``.
        place: device and number of the workers.

    Yields:
        Records of each model, shape ``(shot, time, receiver)``.

    Raises:
        OSError: the GPU cannot be used, or its memory ran out.
    """
    if not place.gpus:
        return in_batches(_propagator(study.grid, study.survey, study.physics), velocity, 1, "cpu")
    propagator, size = filling(study, place)
    return in_batches(propagator, velocity, size, "cuda")


def filling(study: StudyConfig, place: Place) -> tuple[Any, int]:
    """Make a propagator that may fill a worker's share of the memory of a GPU.

    Returns:
        The propagator, and the number of models that together fill the share, at least one.

    Raises:
        OSError: the GPU cannot be used.
    """
    physics = study.physics.model_copy(update={"memory": _memory(place)})
    propagator = _propagator(study.grid, study.survey, physics)
    return propagator, max(1, propagator.shots_per_chunk() // study.survey.shots)


def in_batches(
    propagator: Any, velocity: NDArray[np.float32], size: int, device: str
) -> Iterator[NDArray[np.float32]]:
    """Simulate models in batches of nearly equal size.

    Large batches use a GPU best, and single models a CPU.

    Args:
        propagator: the propagator, which simulates as many shots at once as its memory limit allows.
        velocity: the models [m/s], shape ``(model, depth, x)``.
        size: largest number of models in a batch.
        device: where to simulate.

    Yields:
        Records of each model, shape ``(shot, time, receiver)``.

    Raises:
        OSError: the GPU's memory ran out.
    """
    import torch

    for batch in np.array_split(velocity, math.ceil(len(velocity) / size)):
        try:
            with torch.inference_mode():
                gathers = propagator(torch.from_numpy(batch).to(device)).cpu().numpy()
        except torch.OutOfMemoryError:
            raise OSError(
                "the GPU's memory ran out, perhaps because another program took of it meanwhile; what was "
                "finished is kept. Run the same command again to continue; if it happens again, with fewer "
                "--workers, or with CUDA_VISIBLE_DEVICES= before it on the CPU"
            ) from None
        yield from gathers


@functools.cache  # asked again, what torch keeps for the next batch would count as taken
def _memory(place: Place) -> int:
    """Select the GPU of this worker, k modulo the number of GPUs for worker k, and return its share [bytes].

    Raises:
        OSError: the GPU cannot be used.
    """
    import torch

    try:
        torch.cuda.set_device(pool.number() % place.gpus)
        free, _ = torch.cuda.mem_get_info()
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was made for CUDA
        raise OSError(
            f"the GPU cannot be used ({str(error).splitlines()[0]}); take --workers {place.gpus} where a GPU "
            "admits one process at a time, or CUDA_VISIBLE_DEVICES= before the command to do without"
        ) from None
    return int(SHARE * free / math.ceil(place.workers / place.gpus))


@functools.lru_cache(maxsize=1)
def _propagator(grid: GridConfig, survey: SurveyConfig, physics: PhysicsConfig) -> Any:
    from fwi.physics import Propagator

    return Propagator(Survey(grid, survey), physics)
