"""Weights that a training begins with: those of a trained network."""

from fwi.config import StudyConfig
from fwi.inverter import Inverter, load
from fwi.networks.rehearsal import without_values
from fwi.run_folder import changed
from fwi.survey import Survey

HEAD = "network.spread."
"""Beginning of the names of the weights of the head that predicts the spread."""
AMPLITUDES = ("data.amplitude", "data.knee")
"""Settings without which the weights of a network mean something else."""
DECISIVE = ("grid.", "survey.", "model.")
"""Sections of a study that decide, but for ``OWN``, which section a network makes of a record."""
OWN = ("model.uncertainty", "model.mirror")
"""Settings of the network that do not change the section of a record."""


def read_start(study: StudyConfig) -> Inverter | None:
    """Read the network that a training begins with; None where the study names none.

    Raises:
        ValueError: the file is missing or damaged, or its network is not the study's; with ``train.freeze``
            also where its sections would not be the study's.
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
    wanted = {f"network.{name}": tuple(each.shape) for name, each in network.state_dict().items()}
    there = {
        name: tuple(each.shape) for name, each in found.state_dict().items() if name.startswith("network.")
    }
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
    weights = start.state_dict()
    if start.study.model.uncertainty != inverter.study.model.uncertainty:
        weights = {name: each for name, each in weights.items() if not name.startswith(HEAD)}
    inverter.load_state_dict(own | weights)
