"""The processes of a training on one machine: they are started, gather what all have, and end together."""

import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from fwi.interrupts import end_with_parent, held_back
from fwi.networks.synchronised import Gather, all_gather
from fwi.training.ranks import TIMEOUT, Rank

if TYPE_CHECKING:
    from torch import Tensor

GRACE = 20.0
"""Seconds that a process may take to notice that another has ended, before it is ended itself."""

PUT_AWAY = 5.0
"""Seconds that a process has to end its workers after it is asked to end."""

SPIN = 0.002
"""Seconds that a process watches for another's numbers before it sleeps until they come."""


class Pipes:
    """Gathers small tensors of the processes of one machine's CPU, some fifty times as fast as gloo does.

    With batch normalisation a step gathers dozens of times, and each time gloo's threads have to wake up.
    """

    def __init__(self, number: int, others: Mapping[int, Connection]) -> None:
        self.number, self.others = number, others

    def __call__(self, here: "Tensor") -> "Tensor":
        """Every process's tensor, along a new first axis.

        Raises:
            RuntimeError: another process has ended.
        """
        import torch

        own = here.contiguous().numpy()
        parts = {self.number: here}
        try:
            for connection in self.others.values():
                connection.send_bytes(own.data)
            for number, connection in self.others.items():
                patience = time.perf_counter() + SPIN
                while not connection.poll(0) and time.perf_counter() < patience:
                    pass
                content = bytearray(connection.recv_bytes())
                parts[number] = torch.frombuffer(content, dtype=here.dtype).view(here.shape)
        except (EOFError, OSError):
            raise RuntimeError("another process of this training has ended") from None
        return torch.stack([parts[number] for number in sorted(parts)])

    def __deepcopy__(self, _: object) -> "Pipes":
        return self  # a copy of a network gathers by the same


@contextlib.contextmanager
def together(rank: Rank, work: Callable[..., None], *arguments: Any) -> Iterator[Gather]:
    """Run the work of the other processes of this machine while the block runs in this one.

    Args:
        rank: this process. Where a launcher has started the others, they do their part by themselves.
        work: called in each of them with its ``Rank``, what gathers tensors, and the arguments, which reach
            it by pickle.
        arguments: for ``work``.

    Yields:
        What gathers tensors of all processes.

    Raises:
        ValueError: another process was refused something.
        ChildProcessError: another process failed or was killed.
    """
    import torch

    threads = torch.get_num_threads()
    try:
        if rank.processes == 1 or rank.launched:
            yield all_gather
            return
        torch.set_num_threads(max(1, threads // rank.devices))
        with _others(rank, work, arguments) as gather:
            yield gather
    finally:
        torch.set_num_threads(threads)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


@contextlib.contextmanager
def _others(rank: Rank, work: Callable[..., None], arguments: Sequence[Any]) -> Iterator[Gather]:
    import torch
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    store = TCPStore("127.0.0.1", 0, rank.processes, is_master=True, wait_for_workers=False)
    context = multiprocessing.get_context("spawn")
    others: list[_Other] = []
    pipes: list[dict[int, Connection]] = [{} for _ in range(rank.processes)]
    for first, second in itertools.combinations(range(rank.processes), 2):
        pipes[first][second], pipes[second][first] = context.Pipe()
    try:
        for number in range(1, rank.processes):
            receiver, sender = context.Pipe(duplex=False)
            place = (rank._replace(number=number), store.port, torch.get_num_threads(), pipes[number])
            process = context.Process(target=_work, args=(*place, sender, work, arguments))
            with held_back():
                process.start()
                others.append(_Other(number, process, receiver))
            for connection in (sender, *pipes[number].values()):
                connection.close()  # it is the other process's now, and ends with it
        while not store.check([_ready(other.number) for other in others]):
            _raise_failure(others)
            time.sleep(0.05)
        with _watched(others):
            _connect(rank, store)
            yield _gather(rank, pipes[0])
        for other in others:
            other.process.join()
        _raise_failure(others)
    except (ValueError, OSError, KeyboardInterrupt, SystemExit):
        raise  # the first one's own
    except Exception:
        time.sleep(0.5)  # the end of another process may be reported a little later than its consequences
        _raise_failure(others)
        raise
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()  # whoever waits for this process notices
        for other in others:
            other.process.terminate()
        for other in others:
            other.process.join(PUT_AWAY)
            other.process.kill()  # a run goes on from its last epoch after that as after anything else
            other.process.join()


class _Other(NamedTuple):
    number: int
    process: Any
    receiver: Connection

    @property
    def failure(self) -> Exception | None:
        """The error that ended the process before its work was done, if one did."""
        code = self.process.exitcode
        if not code:
            return None
        if code > 0 and self.receiver.poll():
            with contextlib.suppress(EOFError):
                return ValueError(self.receiver.recv())
        how = f"was killed by signal {-code}, perhaps because the memory ran out" if code < 0 else "failed"
        return ChildProcessError(f"the process of device {self.number} {how}; go on with --resume")


def _raise_failure(others: Sequence[_Other]) -> None:
    for other in others:
        if (failure := other.failure) is not None:
            raise failure from None


@contextlib.contextmanager
def _watched(others: Sequence[_Other]) -> Iterator[None]:
    """End this process if it does not notice by itself that another has ended: on GPUs it may wait on."""
    stopped = threading.Event()

    def watch() -> None:
        wait([other.process.sentinel for other in others])
        if any(other.process.exitcode for other in others) and not stopped.wait(GRACE):
            failure = next(str(other.failure) for other in others if other.process.exitcode)
            print(f"fwi: error: {failure}", file=sys.stderr, flush=True)
            os._exit(2)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        stopped.set()


def _work(
    rank: Rank,
    port: int,
    threads: int,
    pipes: Mapping[int, Connection],
    sender: Connection,
    work: Callable[..., None],
    arguments: Sequence[Any],
) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()  # before anything that takes time
    signal.signal(signal.SIGTERM, _end)
    import torch
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    torch.set_num_threads(threads)
    try:
        store = TCPStore("127.0.0.1", port, rank.processes, is_master=False)
        store.set(_ready(rank.number), "")
        _connect(rank, store)
        work(rank, _gather(rank, pipes), *arguments)
    except (ValueError, OSError) as error:
        sender.send(str(error))
        raise SystemExit(2) from None
    except Exception:
        time.sleep(0.5)  # what another's end causes can come before the word to end
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # this process ends anyway
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _gather(rank: Rank, pipes: Mapping[int, Connection]) -> Gather:
    import torch

    return all_gather if torch.cuda.is_available() else Pipes(rank.number, pipes)


def _end(*_: Any) -> None:
    """End as the first process says: by an exit, which puts away semaphores that only this one knows."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # that workers end too is no error
    raise SystemExit(1)


def _ready(number: int) -> str:
    return f"process {number} is there"


def _connect(rank: Rank, store: Any) -> None:
    import torch

    backend = "nccl" if torch.cuda.is_available() else "gloo"
    torch.distributed.init_process_group(
        backend, store=store, rank=rank.number, world_size=rank.processes, timeout=TIMEOUT
    )
