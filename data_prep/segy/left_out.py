"""Recorded traces that are not used for a survey: their number and the reasons."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.placing import Placement, to_nearest
from data_prep.segy.regularise import ON_RECEIVER
from data_prep.segy.shots import RecordedShots
from fwi.survey import Survey

BEYOND, BETWEEN, USED = 0, 1, 2
"""Use of a trace: it lies beyond the survey's receivers, or between them and is not needed, or it is used."""


def left_out(file: RecordedShots, survey: Survey, places: Sequence[Placement]) -> list[str]:
    """Describe how many shots and traces of a file are in no sample, and why; empty if all are used."""
    fates = _fates(file, survey, places)
    unused = [shot for shot in file.shots if shot.number not in fates]
    lines = []
    if unused:
        x = [shot.x for shot in file.shots if shot.number in fates]
        beyond = sum(not x[0] <= shot.x <= x[-1] for shot in unused)
        lines.append(
            f"left out: {len(unused)} of {len(file.shots)} shots, with their "
            f"{sum(len(shot.traces) for shot in unused)} traces: "
            + _reasons({"beyond": beyond, "between": len(unused) - beyond}, "the survey's shots")
        )
        if beyond and survey.config.spread == "streamer":
            lines[0] += "; --every METRES makes further samples along the line"
    fate = np.concatenate([*fates.values()])
    beyond, between = int((fate == BEYOND).sum()), int((fate == BETWEEN).sum())
    if beyond + between:
        lines.append(
            f"left out: {beyond + between} of the {len(fate)} traces of {len(fates)} shots: "
            + _reasons({"beyond": beyond, "between": between}, "the survey's receivers")
        )
    return lines


def kept(file: RecordedShots, survey: Survey, places: Sequence[Placement]) -> int:
    """Number of traces that are used for the survey."""
    return sum(int((fate == USED).sum()) for fate in _fates(file, survey, places).values())


def _fates(file: RecordedShots, survey: Survey, places: Sequence[Placement]) -> dict[int, NDArray[np.int64]]:
    """What becomes of each trace of the shots that are used, by the shots' numbers."""
    fates: dict[int, NDArray[np.int64]] = {}
    for place in places:
        cell, from_recorded = survey.grid.spacing, to_nearest(place, survey)
        for i, shot in enumerate(place.shots):
            wanted = place.receiver_x(survey, i)
            reach = np.abs(np.diff(wanted)).max(initial=cell) / 2
            distance = np.abs(shot.receiver_x[:, None] - wanted)
            fate = np.where(distance.min(axis=1) <= reach * (1 + 1e-6), USED, BEYOND)
            if (from_recorded[i] < ON_RECEIVER * cell).all():  # then no other trace is needed
                chosen = distance.argmin(axis=0)
                fate = np.minimum(fate, BETWEEN)
                fate[chosen] = USED
            fates[shot.number] = np.maximum(fate, fates.get(shot.number, BEYOND))
    return fates


def _reasons(counts: dict[str, int], what: str) -> str:
    return " and ".join(f"{count} {where}" for where, count in counts.items() if count) + f" {what}"
