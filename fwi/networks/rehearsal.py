"""Whether a network can be trained on a survey, found out before anything is: it is run on shapes alone."""

import torch

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
    from torch._subclasses.fake_tensor import FakeTensorMode

    network = networks.build(model, survey)
    with FakeTensorMode() as shapes:
        network._apply(shapes.from_tensor)  # type: ignore[no-untyped-call]
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
