"""The cost of a network's parts in parameters, multiply-adds and memory, computed from shapes alone."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fwi.config import ModelConfig
from fwi.networks.rehearsal import on_shapes
from fwi.networks.sizes import Sizes
from fwi.survey import Survey

BATCH = 2
"""Number of samples of the forward pass; batch normalisation of a single cell needs two."""


@dataclass(frozen=True)
class Part:
    """Size and cost per sample of one part of a network.

    Attributes:
        name: name of the part, such as the stem, a block of a level or the head.
        shape: channels, height and width of its output.
        attention: names of its attention mechanisms, in the order in which they are run.
        parameters: number of trained parameters.
        multiply_adds: number of multiply-adds in convolutions and matrix products.
        memory: bytes that a training step in float32 stores of it for the backward pass.
    """

    name: str
    shape: tuple[int, ...]
    attention: tuple[str, ...]
    parameters: int
    multiply_adds: int
    memory: int


def parts(model: ModelConfig, survey: Survey) -> list[Part]:
    """List the parts of a network, from a forward pass on tensors that have shapes but no values.

    Args:
        model: the network's configuration.
        survey: survey of the records that it inverts.

    Returns:
        The parts that have parameters or compute, in the order in which they are run.

    Raises:
        ValueError: the network cannot serve this survey.
    """
    from torch.utils.flop_counter import FlopCounterMode

    lean_attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    with on_shapes(model, survey) as network:
        named, attending = network.parts(), network.attending().values()
        if network.spread is not None:
            named["spread"] = network.spread
        left: dict[str, Tensor] = {}
        kept = _Kept(network, named, left)
        counter = FlopCounterMode(display=False, custom_mapping={lean_attention: _operations_of_attention})
        with counter, torch.autograd.graph.saved_tensors_hooks(kept.note, lambda tensor: tensor):
            record = torch.empty(BATCH, *Sizes.of(survey, model).record)
            network(record, spread=network.spread is not None)
    operations = {key.partition(".")[2]: sum(n.values()) for key, n in counter.get_flop_counts().items()}
    paths = {module: path for path, module in network.named_modules()}
    mechanisms = {each.module: each.mechanism for each in attending}
    found = (
        Part(
            name=name,
            shape=tuple(out.shape[1:]),
            attention=tuple(mechanisms[each] for each in named[name].modules() if each in mechanisms),
            parameters=sum(p.numel() for p in named[name].parameters()),
            multiply_adds=operations.get(paths[named[name]], 0) // 2 // BATCH,
            memory=kept.bytes[name] // BATCH,
        )
        for name, out in left.items()
    )
    return [part for part in found if part.parameters or part.multiply_adds]


class _Kept:
    """Records the tensors that autograd stores while each part runs, each storage once, and the outputs."""

    def __init__(self, network: nn.Module, named: Mapping[str, nn.Module], left: dict[str, Tensor]) -> None:
        self.bytes: defaultdict[str, int] = defaultdict(int)
        # Holding on to the tensors keeps their storages from being given to others.
        self.seen = {_storage(each): each for each in (*network.parameters(), *network.buffers())}
        self.running = ""
        for name, part in named.items():
            part.register_forward_pre_hook(lambda module, given, name=name: setattr(self, "running", name))
            part.register_forward_hook(lambda module, given, out, name=name: left.update({name: _map(out)}))

    def note(self, tensor: Tensor) -> Tensor:
        if _storage(tensor) not in self.seen:
            self.seen[_storage(tensor)] = tensor
            self.bytes[self.running] += tensor.untyped_storage().nbytes()
        return tensor


def _storage(tensor: Tensor) -> int:
    place: int = tensor.untyped_storage()._cdata
    return place


def _map(out: Tensor | Sequence[Tensor]) -> Tensor:
    """Return the finest of several maps."""
    return out if isinstance(out, Tensor) else out[0]


def _operations_of_attention(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *args: object, **kwargs: object
) -> int:
    """Count the operations, two per multiply-add, of attention on ``(batch, heads, tokens, width)``."""
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[2] * (width + value[3])
