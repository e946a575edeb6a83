"""Batch normalisation that two parties share, here two threads, against torch's own on the whole batch."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from fwi.networks.synchronised import SynchronisedBatchNorm, synchronise

LAYERS = {
    (8, 5): nn.BatchNorm1d,
    (8, 5, 9): nn.BatchNorm1d,
    (8, 5, 6, 7): nn.BatchNorm2d,
    (4, 3, 2, 5, 4): nn.BatchNorm3d,
}
PARTIES = 2


class Meeting:
    """Gathers what the threads bring, each of which knows its number."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(PARTIES, timeout=60)
        self.brought: list[Tensor | None] = [None] * PARTIES

    def of(self, number: int):
        def gather(here: Tensor) -> Tensor:
            self.brought[number] = here
            self.barrier.wait()
            together = torch.stack(self.brought)
            self.barrier.wait()  # before anybody brings the next
            return together

        return gather


def layer_and_batch(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[nn.Sequential, Tensor, Tensor]:
    torch.manual_seed(0)
    layer = LAYERS[shape](shape[1])
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return nn.Sequential(layer), (3 * torch.randn(shape) + 5).to(dtype), torch.randn(shape)


def normalise(layer: nn.Module, x: Tensor, target: Tensor) -> dict[str, Tensor]:
    """What two steps of training give: output and gradients of the last, and the running statistics."""
    for _ in range(2):
        layer.zero_grad()
        x = x.detach().requires_grad_()
        y = layer(x)
        (y - target).pow(4).mean().backward()
    found = {"output": y.detach(), "gradient": x.grad, **dict(layer.named_buffers())}
    return found | {f"{name}'s gradient": weights.grad for name, weights in layer.named_parameters()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", LAYERS)
def test_two_normalise_their_halves_as_one_does_the_whole(shape, dtype):
    layer, x, target = layer_and_batch(shape, dtype)
    layers = [copy.deepcopy(layer) for _ in range(PARTIES)]
    whole, meeting = normalise(layer, x, target), Meeting()

    def half(number: int) -> dict[str, Tensor]:
        synchronise(layers[number], meeting.of(number))
        return normalise(layers[number], x.chunk(PARTIES)[number], target.chunk(PARTIES)[number])

    with ThreadPoolExecutor(PARTIES) as threads:
        halves = list(threads.map(half, range(PARTIES)))

    rounding = 1e-5 if dtype == torch.float32 else 2e-2
    for name, expected in whole.items():
        found = [part[name] for part in halves]
        if name == "output":
            together = torch.cat(found)
        elif name == "gradient":  # of the mean over both halves, while each has the mean over its own
            together = torch.cat(found) / PARTIES
        else:  # gradients are averaged by the trainer; running statistics are equal already
            together = torch.stack(found).float().mean(0)
            assert "gradient" in name or torch.equal(*found)
        scale = float(expected.abs().max())
        torch.testing.assert_close(together.float(), expected.float(), rtol=0, atol=rounding * max(1, scale))


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
