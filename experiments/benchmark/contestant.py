"""A network that takes steps on a batch in memory, one at a time, and tells their time and memory."""

import gc
import itertools
import os
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from experiments.benchmark.steps import bare_step
from fwi.config import ModelConfig, StudyConfig
from fwi.data import Sample
from fwi.survey import Survey
from fwi.training.task import InversionTask, precision


class Contestant:
    """A network of a study, with its precision and layout, on a batch of noise.

    What a step costs does not depend on what the records show. Making it measures its memory and warms it up.

    Args:
        study: the study.
        model: the network, in place of the study's.
        samples: of the batch.

    Attributes:
        peak: bytes that a training step takes, with weights, gradients and the optimiser's state.

    Raises:
        ValueError: the network cannot serve the study's survey.
    """

    def __init__(self, study: StudyConfig, model: ModelConfig, samples: int) -> None:
        self.study = study.model_copy(update={"model": model})
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.bf16 = precision(study.train.precision) == "bf16-mixed"
        self.batch = _noise(Survey(study.grid, study.survey), samples, self.device)
        self.peak = peak(self._begin)
        self.infer()

    def train(self) -> float:
        """Take a training step; gives its seconds."""
        self.task.train()
        return self._timed(lambda: self._step(self.batch))

    def infer(self) -> float:
        """Invert the batch; gives the seconds."""
        self.task.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            return self._timed(lambda: self.task(self.batch.gathers))

    def _begin(self) -> None:
        self.task = InversionTask(self.study).to(self.device)
        self.task.lay_out()
        self._step = bare_step(self.study, self.task, self.bf16)
        self.train()
        self.train()  # the first has no optimiser's state yet

    def _timed(self, work: Callable[[], Any]) -> float:
        """Seconds of the clock on a GPU; on the CPU those that this process computes, whoever else does."""
        if self.device.type == "cpu":
            start = time.process_time()
            work()
            return time.process_time() - start
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        return time.perf_counter() - start


def peak(work: Callable[[], Any]) -> int:
    """Bytes that torch's tensors take at the most while some work runs, beyond those that were there before.

    On a GPU this is the allocator's own account. On the CPU it is summed over the allocations and releases
    that torch's profiler records: the same in every run, and some 5 to 10 % less than what the process grows
    by. The process's own peak would depend on what the C library keeps of released memory.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return torch.cuda.max_memory_allocated() - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler announces itself on stderr
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    # The profiler's tables add up per operation, in which the order is lost.
    events = [each for each in recorded.profiler.kineto_results.events() if each.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return int(max(itertools.accumulate((event.nbytes() for event in events), initial=0)))


def _noise(survey: Survey, samples: int, device: torch.device) -> Sample:
    slowest, fastest = survey.grid.velocity
    shape = (samples, survey.grid.nz, survey.grid.nx)
    velocity = slowest + (fastest - slowest) * torch.rand(shape, device=device)
    gathers = torch.randn(samples, *survey.gather_shape, device=device)
    return Sample(gathers, velocity, salt=torch.zeros(shape, device=device))
