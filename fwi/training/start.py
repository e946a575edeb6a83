"""Weights that a training begins with: those of a trained network, of which parts may be held."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fwi.config import StudyConfig, TrainConfig
from fwi.inverter import Inverter, load
from fwi.networks.network import Network
from fwi.networks.rehearsal import without_values
from fwi.run_folder import changed
from fwi.survey import Survey

HEAD = "network.spread."
"""Beginning of the names of the weights of the head that predicts the spread."""
ALONG = {"network.stem.row": 1, "network.stem.column": 2}
"""Weights with a vector per row or column of cells, and the axis that counts them: of another grid, the
vectors of the rows and columns that both have are taken, and the last of them for those beyond."""
AMPLITUDES = ("data.amplitude", "data.knee")
"""Settings without which the weights of a network mean something else."""
DECISIVE = ("grid.", "survey.", "model.")
"""Sections of a study that decide, but for ``OWN``, which section a network makes of a record."""
OWN = ("model.uncertainty", "model.mirror")
"""Settings of the network that do not change the section of a record."""


def read_start(study: StudyConfig) -> Inverter | None:
    """Read the network that a training begins with; None where the study names none.

    Raises:
        ValueError: the network is unknown, missing or damaged, or not of the study's architecture; with
            ``train.freeze`` also where its sections would not be the study's; or a part of ``train.hold`` is
            none of the network's.
    """
    path = study.train.start
    if path is None:
        return None
    found = load(path)
    different = [
        f"  - {key}: {past} there, {present} in the study"
        for key, past, present in changed(found.study, study)
        if key in AMPLITUDES or (study.train.freeze and key.startswith(DECISIVE) and key not in OWN)
    ]
    network = without_values(study.model, Survey(study.grid, study.survey))
    held_parts(network, study.train)
    wanted = {f"network.{name}": _shape(name, each) for name, each in network.state_dict().items()}
    weights = found.network.state_dict()
    there = {f"network.{name}": _shape(name, each) for name, each in weights.items()}
    names = sorted({name for name, _ in wanted.items() ^ there.items() if not name.startswith(HEAD)})
    different += [
        f"  - {name}: {there.get(name, 'nothing')} there, {wanted.get(name, 'nothing')} in the study"
        for name in names[:3]
    ]
    if different:
        raise ValueError(
            f"train.start: {path} holds another network than the study's; make these settings equal "
            "(shapes are those of weights), or set train.start to null:\n" + "\n".join(different)
        )
    return found


def begin_with(inverter: Inverter, start: Inverter) -> None:
    """Copy the weights and the normalisation of a trained network, and its head if it is of the same kind.

    Args:
        inverter: the one that is to be trained.
        start: what ``read_start`` found for its study.
    """
    own = inverter.state_dict()
    weights: Mapping[str, Tensor] = start.state_dict()
    if start.study.model.uncertainty != inverter.study.model.uncertainty:
        weights = {name: each for name, each in weights.items() if not name.startswith(HEAD)}
    weights = {
        name: _counted(each, ALONG[name], own[name].shape[ALONG[name]]) if name in ALONG else each
        for name, each in weights.items()
    }
    inverter.load_state_dict(own | weights)


def held_parts(network: Network, train: TrainConfig) -> list[nn.Module]:
    """Return the parts of a network that a training leaves as they are; all of them with ``train.freeze``.

    Raises:
        ValueError: ``train.hold`` names a part that the network does not have, or nothing is left to train.
    """
    parts = network.parts()
    if unknown := [name for name in train.hold if name not in parts]:
        raise ValueError(
            f"train.hold: the network has no part {', '.join(map(repr, unknown))}; its parts are "
            f"{', '.join(parts)}"
        )
    held = parts if train.freeze else {name: parts[name] for name in train.hold}
    trained = {name: part for name, part in parts.items() if name not in held}
    if network.spread is None and not any(list(part.parameters()) for part in trained.values()):
        raise ValueError(
            "train.hold: holds the whole network, and nothing is left to train: leave out a part"
        )
    return list(held.values())


def _shape(name: str, weights: Tensor) -> tuple[int | str, ...]:
    """Return the shape of weights, in which the number of rows or columns of cells does not count."""
    along = ALONG.get(f"network.{name}")
    return tuple("cells" if axis == along else length for axis, length in enumerate(weights.shape))


def _counted(vectors: Tensor, axis: int, wanted: int) -> Tensor:
    """Return the first vectors along an axis, with the last repeated until there are as many as wanted."""
    numbers = torch.arange(wanted, device=vectors.device).clamp(max=vectors.shape[axis] - 1)
    return vectors.index_select(axis, numbers)
