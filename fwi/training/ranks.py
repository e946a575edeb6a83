"""Training on several devices: the place of this process among those that share a training.

There is a process for each device, and all take the same steps on their parts of a batch. The first one owns
the run: its folder, table, W&B and messages. ``srun`` or ``torchrun`` starts all of them, or the first one
starts the others of its machine.
"""

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from fwi.config import TrainConfig

if TYPE_CHECKING:
    pass

TIMEOUT = timedelta(minutes=30)
"""How long a process waits for another to take part in a sum: the first one also writes and draws."""


class Rank(NamedTuple):
    """One of the processes of a training."""

    number: int = 0
    """Number of the process; process 0 owns the run."""
    processes: int = 1
    """Number of processes on all machines."""
    nodes: int = 1
    """Number of machines."""
    launched: bool = False
    """Whether srun or torchrun has started them all."""

    @property
    def first(self) -> bool:
        """Whether this one owns the run."""
        return self.number == 0

    @property
    def devices(self) -> int:
        """Number of processes on this machine."""
        return self.processes // self.nodes

    def require_equal_parts(self, samples: int) -> None:
        """Refuse a step whose samples the devices cannot share evenly.

        Raises:
            ValueError: the number of samples does not divide; the message names batches that do.
        """
        if samples % self.processes:
            few = samples - samples % self.processes
            sizes = " or ".join(str(size) for size in (few, few + self.processes) if size)
            raise ValueError(
                f"the {samples} samples of a step cannot be shared evenly by {self.processes} devices: take "
                f"train.batch_size {sizes} with as many training samples or more, or other train.devices"
            )


def find(train: TrainConfig) -> Rank:
    """Find the place of this process in the training that a study asks for.

    Raises:
        ValueError: this machine or the launcher has other devices or nodes.
    """
    launcher = _launcher()
    if launcher is not None:
        rank = Rank(launcher.global_rank(), launcher.world_size(), train.nodes, launched=True)
        wanted = rank.devices if train.devices == "auto" else train.devices
        if wanted * train.nodes != rank.processes:
            raise ValueError(
                f"{rank.processes} processes were started, but train.nodes {train.nodes} with train.devices "
                f"{train.devices} each are another number: start one process for each device"
            )
    elif train.nodes > 1:
        raise ValueError(
            f"train.nodes {train.nodes}: start a process for each device of each node, with srun or torchrun"
        )
    else:
        rank = Rank(processes=_devices(train))
    return rank


def _launcher() -> Any:
    """Find the environment that srun or torchrun gives this process; None if neither started several."""
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    tasks = os.environ.get("SLURM_NTASKS", "1")
    if tasks == "1" or "SLURM_PROCID" not in os.environ or not SLURMEnvironment.detect():
        return None
    if "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise ValueError(
            f"srun has started {tasks} processes, and does not say how many on each node: give it "
            "--ntasks-per-node, equal to train.devices"
        )
    return SLURMEnvironment(auto_requeue=False)


def _devices(train: TrainConfig) -> int:
    import torch

    gpus = torch.cuda.device_count()
    if train.devices == "auto":
        return max((count for count in range(1, gpus + 1) if train.batch_size % count == 0), default=1)
    there = gpus or os.cpu_count() or 1
    if train.devices > there:
        kind = "GPUs" if gpus else "cores"
        raise ValueError(
            f"train.devices {train.devices}: this machine has {there} {kind}; take auto, or fewer"
        )
    return train.devices


def options(rank: Rank) -> dict[str, Any]:
    """Return the trainer's options for these processes."""
    import torch

    if rank.processes == 1:
        return {"devices": 1}
    from lightning.pytorch.strategies import DDPStrategy

    return {
        "accelerator": "cuda" if torch.cuda.is_available() else "cpu",
        "devices": rank.devices,
        "num_nodes": rank.nodes,
        "use_distributed_sampler": False,  # the loaders have their own
        # Running statistics are equal already: see fwi.networks.synchronised.
        "strategy": DDPStrategy(
            cluster_environment=_launcher() or _environment(rank), broadcast_buffers=False, timeout=TIMEOUT
        ),
    }


def _environment(rank: Rank) -> Any:
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment

    class Started(LightningEnvironment):
        """Processes that are there already, each of which knows its number."""

        creates_processes_externally = True

        def local_rank(self) -> int:
            return rank.number

        def node_rank(self) -> int:
            return 0

    return Started()
