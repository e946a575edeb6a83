"""Collecting sections with known errors: the network's own, and damaged ones, with their figures."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from fwi.check import PhysicsCheck
from fwi.config import TrustConfig
from fwi.data import Sample, ShotDataset
from fwi.inverter import Inverter
from fwi.trust.cases import Cases, errors
from fwi.trust.damage import damaged
from fwi.trust.figures import measure
from fwi.trust.seen import FeatureSpace, deepest_features, see

DAMAGE_SEED = 0
"""Seed of the damages."""


class Source(NamedTuple):
    """Samples of one kind, read as they are needed."""

    kind: str
    """Kind of the sections."""
    samples: int
    """Number of samples."""
    read: Callable[[Sequence[int]], Sample]
    """Called with numbers below ``samples``; returns them with a leading axis."""
    damages: bool = False
    """Whether to make damaged sections of the samples as well."""
    identity: str = ""
    """Text that tells these samples from others of the same kind."""


def of_dataset(kind: str, dataset: ShotDataset, numbers: Sequence[int], damages: bool = False) -> Source:
    """Take samples of a data set.

    Args:
        kind: the kind.
        dataset: the data set.
        numbers: numbers of the samples.
        damages: whether to make damaged sections of them as well.
    """

    def read(wanted: Sequence[int]) -> Sample:
        samples = [dataset[numbers[number]] for number in wanted]
        return Sample(*(torch.stack(parts) for parts in zip(*samples, strict=True)))

    return Source(kind, len(numbers), read, damages, identity=f"{dataset.digest()} {list(numbers)}")


def collect(
    inverter: Inverter,
    check: PhysicsCheck,
    source: Source,
    numbers: Sequence[int],
    space: FeatureSpace,
    limits: TrustConfig,
    salt_speed: float,
) -> Cases:
    """Invert and check some samples, and damaged sections of them where the source asks for these.

    Figures that depend on the records alone are the same for a damaged section as for the network's own.

    Args:
        inverter: the inverter whose sections are judged.
        check: simulates sections on its finer grid.
        source: the samples.
        numbers: which of them.
        space: the features of training.
        limits: when a section is wrong.
        salt_speed: speed from which a cell of a section is salt [m/s].
    """
    sample = source.read(numbers)
    gathers, truth, salt = sample.gathers.float().numpy(), sample.velocity.numpy(), sample.salt.numpy()
    own = inverter.invert(gathers, check.survey)
    kinds, rows, sections = [source.kind] * len(own), list(range(len(own))), list(own)
    if source.damages:
        for row, (number, section) in enumerate(zip(numbers, own, strict=True)):
            worse = damaged(section, salt[row] > 0, check.survey.grid.velocity, DAMAGE_SEED, number)
            kinds += worse.keys()
            rows += [row] * len(worse)
            sections += worse.values()
    seen = see(inverter, gathers, check.survey).rows(rows)
    checked = check.several(np.stack(sections), [gathers[row] for row in rows])
    wrong, mae = errors(np.stack(sections), truth[rows], salt[rows], limits, salt_speed)
    return Cases(
        kind=np.array(kinds),
        own=np.array([kind == source.kind for kind in kinds]),
        sample=np.array([numbers[row] for row in rows], dtype=np.int64),
        figures=measure(checked, seen, space, check.survey, salt_speed),
        wrong=wrong,
        mae=mae,
    )


def feature_space(inverter: Inverter, dataset: ShotDataset, most: int = 200) -> FeatureSpace:
    """Describe the features that the network computes of a data set's records.

    Args:
        inverter: the network.
        dataset: the data set.
        most: largest number of samples, evenly spread, that are looked at.
    """
    numbers = np.unique(np.linspace(0, len(dataset) - 1, min(most, len(dataset))).astype(int)).tolist()
    features = [
        deepest_features(inverter, dataset[number].gathers.float().numpy()[None], dataset.survey)
        for number in numbers
    ]
    return FeatureSpace.of(np.concatenate(features))
