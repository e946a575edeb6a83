"""Networks on shapes alone: whether one can be trained on a survey, found out before anything is."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from fwi import networks
from fwi.config import ModelConfig
from fwi.memory import amount, total
from fwi.networks.network import Network
from fwi.networks.sizes import Sizes
from fwi.survey import Survey

PER_PARAMETER = 16
"""Bytes of a parameter, its gradient and the optimiser's two moments of it."""
LARGEST_GPU = 288 * 2**30
"""Bytes of the largest GPU there is: where there are any, one may have more memory than the machine."""
MOST_PLACES = 10_000_000
"""Shots by columns that are sorted by midpoints: their table is of numbers, however a network is built."""


def require_trainable(model: ModelConfig, survey: Survey, batch: int) -> None:
    """Refuse a network that cannot serve a survey, or not be trained on it in batches of this size.

    Args:
        model: which network.
        survey: whose records it is to invert.
        batch: samples in the smallest batch.

    Raises:
        ValueError: the network refuses the survey; or its weights, or what a training step keeps, are larger
            than any memory here; or some map of it is of a single cell, and a batch of a single sample, so
            that normalisation over cells and samples has nothing to compare.
    """
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
            kept = weights + _kept(network, batch, Sizes.of(survey, model.columns).record)
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


@contextlib.contextmanager
def on_shapes(model: ModelConfig, survey: Survey) -> Iterator[Network]:
    """Build a network whose tensors have shapes and no numbers, as have those made within the block.

    Raises:
        ValueError: the network cannot serve this survey, or it has too many columns to sort.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    places = survey.config.shots * survey.grid.nx
    if model.columns == "midpoints" and places > MOST_PLACES:
        raise ValueError(
            f"model.columns: midpoints of {survey.config.shots} shots over {survey.grid.nx} columns are "
            f"{places:,} places, and {MOST_PLACES:,} are the most: take receivers"
        )
    with torch.device("meta"):
        network = networks.build(model, survey)
    with FakeTensorMode():
        network._apply(  # type: ignore[no-untyped-call]
            lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype)
        )
        yield network


def _kept(network: nn.Module, batch: int, record: tuple[int, ...]) -> int:
    """Bytes that a training step keeps of its maps for the way back, in the shortest precision there is."""
    seen = {each.untyped_storage()._cdata: each for each in (*network.parameters(), *network.buffers())}
    sizes = []

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in seen:
            seen[storage._cdata] = tensor  # held, lest its storage be given to another
            sizes.append(storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        network(torch.empty(batch, *record))
    return sum(sizes) // 2
