"""Batch normalisation that two processes share, against torch's own on the whole batch."""

import multiprocessing
from multiprocessing.connection import Connection

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from fwi.networks.synchronised import SynchronisedBatchNorm, synchronise

LAYERS = {
    (8, 5): nn.BatchNorm1d,
    (8, 5, 9): nn.BatchNorm1d,
    (8, 5, 6, 7): nn.BatchNorm2d,
    (4, 3, 2, 5, 4): nn.BatchNorm3d,
}


def layer_and_batch(shape: tuple[int, ...]) -> tuple[nn.Sequential, Tensor, Tensor]:
    torch.manual_seed(0)
    layer = LAYERS[shape](shape[1])
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return nn.Sequential(layer), 3 * torch.randn(shape) + 5, torch.randn(shape)


def normalise(layer: nn.Module, x: Tensor, target: Tensor) -> dict[str, Tensor]:
    """What two steps of training give: output and gradients of the last, and the running statistics."""
    for _ in range(2):
        layer.zero_grad()
        x = x.detach().requires_grad_()
        y = layer(x)
        (y - target).pow(4).mean().backward()
    found = {"output": y.detach(), "gradient": x.grad, **dict(layer.named_buffers())}
    return found | {f"{name}'s gradient": weights.grad for name, weights in layer.named_parameters()}


def share(number: int, port: int, answer: Connection) -> None:
    torch.set_num_threads(1)
    store = dist.TCPStore("127.0.0.1", port, is_master=False)
    dist.init_process_group("gloo", store=store, rank=number, world_size=2)
    found = {}
    for shape in LAYERS:
        layer, x, target = layer_and_batch(shape)
        synchronise(layer)
        found[shape] = normalise(layer, x.chunk(2)[number], target.chunk(2)[number])
    answer.send({shape: {name: value.numpy() for name, value in one.items()} for shape, one in found.items()})
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def halves() -> list[dict]:
    """What each of two processes finds with its half of the batches."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    processes = [
        context.Process(target=share, args=(number, store.port, sender))
        for number, (_, sender) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    found = [receiver.recv() for receiver, _ in pipes]
    for process in processes:
        process.join()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("shape", LAYERS)
def test_two_processes_normalise_their_halves_as_one_does_the_whole(shape, halves):
    layer, x, target = layer_and_batch(shape)
    whole = normalise(layer, x, target)

    one, two = ({name: torch.from_numpy(value) for name, value in half[shape].items()} for half in halves)
    assert one.keys() == whole.keys()
    for name, expected in whole.items():
        if name == "output":
            found = torch.cat([one[name], two[name]])
        elif name == "gradient":  # of the mean over halves, of which each has its own mean
            found = torch.cat([one[name], two[name]]) / 2
        else:  # gradients are averaged by the trainer; running statistics are equal already
            found = (one[name] + two[name]) / 2 if "gradient" in name else two[name]
        torch.testing.assert_close(
            found, expected, rtol=1e-4, atol=1e-5, msg=lambda why, name=name: f"{name}: {why}"
        )


def test_names_and_evaluation_are_those_of_the_layers_that_it_stands_for():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Sequential(nn.BatchNorm2d(3))).eval()
    nn.init.normal_(network[1][0].running_mean)
    x, names = torch.randn(2, 2, 4, 4), list(network.state_dict())
    expected = network(x)

    synchronise(network)

    assert isinstance(network[1][0], SynchronisedBatchNorm)
    assert list(network.state_dict()) == names
    torch.testing.assert_close(network(x), expected)
