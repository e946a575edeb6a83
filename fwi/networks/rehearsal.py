"""Rehearsal of networks on shapes alone, to find out before training whether they fit a survey."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from fwi import networks
from fwi.config import ModelConfig
from fwi.memory import amount, total
from fwi.networks.network import Network
from fwi.networks.sizes import Sizes
from fwi.survey import Survey

PER_PARAMETER = 16
"""Bytes per parameter: its value, its gradient and two moments of the optimiser."""
LARGEST_GPU = 288 * 2**30
"""Memory of the largest GPU on the market in bytes; a GPU may have more memory than its machine."""
MOST_PLACES = 10_000_000
"""Largest number of shots times columns to sort by midpoint; the table of the sorting holds real numbers
even where the network has shapes alone."""


def require_trainable(model: ModelConfig, survey: Survey, batch: int) -> None:
    """Refuse a network that does not suit a survey or cannot be trained in batches of this size.

    Args:
        model: the network's configuration.
        survey: survey of the records that it is to invert.
        batch: number of samples in the smallest batch.

    Raises:
        ValueError: the network refuses the survey, or cannot mirror it; its weights, or the maps that a
            training step stores, exceed the memory of this machine; or a map has a single cell and the batch
            a single sample, so that batch normalisation has no variance.
    """
    if model.mirror:
        require_mirrorable(model, survey)
    memory = max(total(), LARGEST_GPU if torch.cuda.is_available() else 0)
    with on_shapes(model, survey) as network:
        parameters = sum(each.numel() for each in network.parameters())
        what, weights = f"model: {model.name} of {parameters:,} parameters", PER_PARAMETER * parameters
        if weights > memory:
            raise ValueError(
                f"{what} takes {amount(weights)} to train, and there are {amount(memory)}: take fewer "
                "model.channels"
            )
        try:
            kept = weights + _kept(network, batch, Sizes.of(survey, model).record)
            if kept > memory:
                raise ValueError(
                    f"{what} takes {amount(kept)} for a training step of {batch} samples, and there are "
                    f"{amount(memory)}: take a smaller train.batch_size, fewer model.channels, or mechanisms "
                    "that compare fewer cells ('fwi config show --model' lists what each part takes)"
                )
        except RuntimeError as error:
            if "overflow" not in str(error):
                raise
            raise ValueError(
                f"{what} has maps that are larger than any memory: take fewer model.channels or cells"
            ) from None
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise ValueError(
                f"{model.name}: a map of it is of one cell, and a training batch of one sample, so that "
                "batch normalisation has nothing to compare: take train.batch_size 2 or more with as many "
                "training samples, fewer levels of model.channels, or a larger grid"
            ) from None


def require_mirrorable(model: ModelConfig, survey: Survey) -> None:
    """Refuse to average sections of records and of mirrored ones where the latter are of another survey.

    Raises:
        ValueError: the survey is not symmetric, and the network takes no other.
    """
    if model.columns != "offsets" and not survey.symmetric:
        raise ValueError(
            "model.mirror: mirrored records are those of another survey where the survey is not symmetric, "
            "and this network takes one survey alone: set it to false, or take model.columns: offsets"
        )


def without_values(model: ModelConfig, survey: Survey) -> Network:
    """Build a network whose tensors have shapes but no values, to compare before memory is allocated.

    Raises:
        ValueError: the network does not suit this survey, or there are too many columns to sort.
    """
    places = survey.config.shots * survey.grid.nx
    if model.columns == "midpoints" and places > MOST_PLACES:
        raise ValueError(
            f"model.columns: midpoints of {survey.config.shots} shots over {survey.grid.nx} columns are "
            f"{places:,} places, and {MOST_PLACES:,} are the most: take receivers"
        )
    with torch.device("meta"):
        return networks.build(model, survey)


@contextlib.contextmanager
def on_shapes(model: ModelConfig, survey: Survey) -> Iterator[Network]:
    """Build a network without values that can be run; tensors created within the block have none either.

    Raises:
        ValueError: as of ``without_values``.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode  # with torch's compiler, seconds to import

    network = without_values(model, survey)
    with FakeTensorMode():
        network._apply(  # type: ignore[no-untyped-call]
            lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype)
        )
        yield network


def _kept(network: Network, batch: int, record: tuple[int, ...]) -> int:
    """Count the bytes of maps that a training step stores for the backward pass, in the lowest precision."""
    seen = {each.untyped_storage()._cdata: each for each in (*network.parameters(), *network.buffers())}
    sizes = []

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in seen:
            seen[storage._cdata] = tensor  # held, lest its storage be given to another
            sizes.append(storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        network(torch.empty(batch, *record), spread=network.spread is not None)
    return sum(sizes) // 2
