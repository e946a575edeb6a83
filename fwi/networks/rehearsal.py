"""Networks on shapes alone: whether one can be trained on a survey, found out before anything is."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from fwi import networks
from fwi.config import ModelConfig
from fwi.survey import Survey


def require_trainable(model: ModelConfig, survey: Survey, batch: int) -> None:
    """Refuse a network that cannot serve a survey, or not be trained on it in batches of this size.

    Args:
        model: which network.
        survey: whose records it is to invert.
        batch: samples in the smallest batch.

    Raises:
        ValueError: the network refuses the survey, or some map of it is of a single cell, and a batch of a
            single sample, so that normalisation over cells and samples has nothing to compare.
    """
    with on_shapes(networks.build(model, survey)) as network:
        try:
            network(torch.empty(batch, *survey.gather_shape))
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise ValueError(
                f"{model.name}: a map of it is of one cell, and a training batch of one sample, so that "
                "batch normalisation has nothing to compare: take train.batch_size 2 or more with as many "
                "training samples, fewer levels of model.channels, or a larger grid"
            ) from None


@contextlib.contextmanager
def on_shapes(network: nn.Module) -> Iterator[nn.Module]:
    """Let tensors have shapes and no numbers: the network's, for good, and those made within the block."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode() as shapes:
        yield network._apply(shapes.from_tensor)  # type: ignore[no-untyped-call]
