"""What each shot contributes to each place of a section."""

import numpy as np

from fwi.inverter import BATCH, Array, Inverter
from fwi.networks.attended import Attended
from fwi.survey import Survey

PLACE = "shots"
"""Place of a network's attention under which the contributions of shots are listed."""


def contributions(inverter: Inverter, gathers: Array, survey: Survey | None = None) -> Array:
    """Compute how a section changes when the record lacks one of its shots.

    Unlike attention weights this is no reading of the network's inside, but the difference between two of its
    sections, and it means the same for every network.

    Args:
        inverter: an inverter of any survey; others do not know records with a missing shot.
        gathers: one record, shape ``(shot, time, receiver)``.
        survey: its survey; the inverter's own if left out.

    Returns:
        Section of the whole record minus the section without this shot [m/s], shape ``(shot, depth, x)``.

    Raises:
        ValueError: the inverter serves its own survey alone, or refuses the record.
    """
    if not inverter.any_survey:
        raise ValueError(
            "what each shot contributes can be told of networks with model.columns: offsets alone"
        )
    whole = inverter.invert(gathers, survey)
    changes = []
    for first in range(0, len(gathers), BATCH):
        left_out = np.arange(first, min(first + BATCH, len(gathers)))
        records = np.repeat(gathers[None], len(left_out), axis=0)
        records[np.arange(len(left_out)), left_out] = 0
        changes.append(whole - inverter.invert(records, survey))
    return np.concatenate(changes)


def most_important(changes: Array, shot_x: np.ndarray) -> list[Attended]:
    """Summarise contributions in two maps: the largest change of each cell, and the shot that makes it.

    Args:
        changes: the contributions [m/s], shape ``(shot, depth, x)``.
        shot_x: position of each shot [m].
    """
    size, strongest = np.abs(changes).max(axis=0), np.abs(changes).argmax(axis=0)
    return [
        Attended(PLACE, "offsets", "change", size),
        Attended(PLACE, "offsets", "shot", shot_x[strongest].astype(np.float32)),
    ]
