"""Bare deepwave without this project: records and gradients in a loop, in a process of their own."""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

from fwi.config import StudyConfig
from fwi.survey import COURANT_LIMIT, Survey


class Rate(NamedTuple):
    """Samples, or gradients, per second by the clock, and per second of CPU time."""

    per_second: float
    per_cpu_second: float


def records(study: StudyConfig, seconds: float) -> Rate:
    """What deepwave alone records on one thread of a process of its own."""
    return in_its_own_process(_records, study, seconds)


def gradients(study: StudyConfig, seconds: float, interval: int) -> Rate:
    """What deepwave alone differentiates of all shots, on one thread of its own process, or on the GPU.

    Args:
        study: the study.
        seconds: how long the loop runs.
        interval: time steps between the states of the wavefield that the gradient is computed from.
    """
    return in_its_own_process(_gradients, study, seconds, interval)


def in_its_own_process(function: Callable[..., Rate], *arguments: Any) -> Rate:
    """Call a function in a new process, which nothing of this one slows."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def repeated(work: Callable[[], Any], seconds: float) -> Rate:
    """Repeat some work for a while; its first call, which loads libraries, does not count."""
    work()
    done, start, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        work()
        done += 1
    return Rate(done / (time.perf_counter() - start), done / (time.process_time() - cpu))


def _records(study: StudyConfig, seconds: float) -> Rate:
    import torch

    torch.set_num_threads(1)
    velocity, call = _call(study, "cpu")
    with torch.inference_mode():
        return repeated(lambda: call(velocity), seconds)


def _gradients(study: StudyConfig, seconds: float, interval: int) -> Rate:
    import torch

    torch.set_num_threads(1)
    velocity, call = _call(study, "cuda" if torch.cuda.is_available() else "cpu")

    def differentiate() -> float:
        model = velocity.clone().requires_grad_()
        misfit = call(model, model_gradient_sampling_interval=interval).receiver_amplitudes.square().sum()
        misfit.backward()
        return float(misfit.detach())  # waits for the GPU

    return repeated(differentiate, seconds)


def _call(study: StudyConfig, device: str) -> tuple[Any, Callable[..., Any]]:
    """A model of the study, and the call of deepwave that records all shots over a model."""
    import deepwave
    import torch

    from data_prep.salt import generate

    config, physics, spacing = study.survey, study.physics, study.grid.spacing
    survey = Survey(study.grid, config)
    shot_x = torch.from_numpy(survey.shot_x)[:, None]
    receiver_x = torch.from_numpy(survey.receiver_x)
    shots = torch.stack([torch.full_like(shot_x, survey.shot_depth), shot_x], dim=-1)
    receivers = torch.stack([torch.full_like(receiver_x, survey.receiver_depth), receiver_x], dim=-1)
    wavelet = torch.from_numpy(survey.wavelet).float().repeat(config.shots, 1, 1).to(device)
    velocity = torch.from_numpy(generate(study.grid, study.salt, stream=0, index=0).velocity).to(device)
    source_cells, receiver_cells = (
        (positions / spacing).round().long().to(device) for positions in (shots, receivers)
    )
    boundary, pml_width = deepwave.boundaries(
        2, top="free" if config.top == "free" else "pml", width=physics.pml_width
    )

    def call(model: Any, **options: Any) -> Any:
        return deepwave.scalar(
            model,
            spacing,
            config.dt,
            source_amplitudes=wavelet,
            source_locations=source_cells,
            receiver_locations=receiver_cells,
            accuracy=physics.order,
            boundary=boundary,
            pml_width=pml_width,
            pml_freq=config.wavelet.frequency,
            max_vel=study.grid.velocity[1],
            courant_number=COURANT_LIMIT * (1 + 1e-6),
            **options,
        )

    return velocity, call
